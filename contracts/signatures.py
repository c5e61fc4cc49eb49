"""Envelopes: what a service for electronic signatures says about a document to be signed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from contracts.model import Source, Value

MAX_SIGNERS = 50
MAX_NAME, MAX_REASON = 200, 1_000
"""What is kept of an envelope: it travels with its contract for years."""


class EnvelopeStatus(StrEnum):
    """`sent` is on its way; the others are the ends an envelope can have."""

    SENT = "sent"
    COMPLETED = "completed"
    DECLINED = "declined"
    VOIDED = "voided"


Name = Annotated[str, StringConstraints(max_length=MAX_NAME)]


class Envelope(Value):
    """An envelope as it is now.

    `deal` is the deal that it signs, as the envelope's own fields name it; none where they name no
    deal, and the envelope is then nobody's business here. `completed_at` is when the last party
    signed (aware), `reason` is what the service says of a declined or voided one.
    """

    envelope_id: str = Field(min_length=1, max_length=100)
    status: EnvelopeStatus
    changed_at: AwareDatetime
    completed_at: AwareDatetime | None = None
    deal: Source | None = None
    signers: tuple[Name, ...] = Field(default=(), max_length=MAX_SIGNERS)
    reason: str = Field(default="", max_length=MAX_REASON)


class Envelopes(Value):
    """A page of envelopes, and what the service's own clock said (aware). `unreadable` are the ids
    of those that cannot be read as envelopes; `next` is the mark that the next page begins behind,
    "": this was the last."""

    envelopes: list[Envelope]
    unreadable: list[str] = Field(default_factory=list)
    as_of: AwareDatetime
    next: str = ""


class SignedDocument(Value):
    """The signed PDF with its certificate, and its SHA-256 in hexadecimal."""

    name: str
    content: bytes
    sha256: str
