"""Envelopes: what a service for electronic signatures says about a document to be signed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from contracts.model import Source, Value


class EnvelopeStatus(StrEnum):
    """`sent` is on its way; the others are the ends an envelope can have."""

    SENT = "sent"
    COMPLETED = "completed"
    DECLINED = "declined"
    VOIDED = "voided"


class Envelope(Value):
    """An envelope as it is now.

    `deal` is the deal that it signs, as the envelope's own fields name it; none where they name no
    deal, and the envelope is then nobody's business here. `completed_at` is when the last party
    signed (aware), `reason` is what the service says of a declined or voided one.
    """

    envelope_id: str
    status: EnvelopeStatus
    changed_at: datetime
    completed_at: datetime | None = None
    deal: Source | None = None
    signers: tuple[str, ...] = ()
    reason: str = ""


class Envelopes(Value):
    """A page of envelopes, and what the service's own clock said (aware). `next` is the mark that
    the next page begins behind; "": this was the last."""

    envelopes: list[Envelope]
    as_of: datetime
    next: str = ""


class SignedDocument(Value):
    """The signed PDF with its certificate, and its SHA-256 in hexadecimal."""

    name: str
    content: bytes
    sha256: str
