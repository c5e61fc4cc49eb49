"""What services for signatures have in common: an envelope's deal, its people, its PDF."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable

from pydantic import ValidationError

from contracts.model import JsonObject, Source
from contracts.signatures import MAX_NAME, MAX_REASON, MAX_SIGNERS, Envelope, SignedDocument
from gateways import errors
from gateways.errors import GatewayError

DEAL_FIELD = "c2c_deal"
"""The field of an envelope that names its deal, such as `hubspot/9001`: the CRM by the name it is
configured under, and the deal's id there."""
PDF = b"%PDF-"
"""What every PDF begins with."""
MAX_DOCUMENT_BYTES = 20_000_000
"""Of a signed PDF. In Odoo's request it takes a third more."""

_ID = re.compile(r"[!-~]{1,100}")


def deal_of(text: object) -> Source | None:
    """The deal that an envelope's field names; None where it names none that can be."""
    system, _, deal_id = str(text or "").strip().partition("/")
    try:
        return Source(system=system, id=deal_id)
    except ValidationError:
        return None


def signers_of(people: Iterable[tuple[object, object]]) -> tuple[str, ...]:
    """Those who sign, by their names and e-mail addresses."""
    shown = []
    for name, email in people:
        parts = [str(name or "").strip(), f"<{email}>" if email else ""]
        shown.append(" ".join(filter(None, parts))[:MAX_NAME])
    return tuple(filter(None, shown))[:MAX_SIGNERS]


def reason_of(*texts: object) -> str:
    """The first reason that is stated."""
    return next((str(text).strip() for text in texts if text), "")[:MAX_REASON]


def readable(
    rows: Iterable[JsonObject], read: Callable[[JsonObject], Envelope], id_field: str
) -> tuple[list[Envelope], list[str]]:
    """A page's envelopes, and the ids of those that `read` raises GatewayError for."""
    found: list[Envelope] = []
    unreadable: list[str] = []
    for row in rows:
        try:
            found.append(read(row))
        except GatewayError:
            unreadable.append(_shown_id(row, row.get(id_field)))
    return found, unreadable


def _shown_id(row: JsonObject, envelope_id: object) -> str:
    """The envelope's id; where it has none that can be, another by which its row is known again."""
    text = str(envelope_id or "")
    if _ID.fullmatch(text):
        return text
    digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
    return f"without-id-{digest[:12]}"


def signed_document(system: str, envelope_id: str, content: bytes) -> SignedDocument:
    """The PDF as it came. Raises GatewayError for what is none, or is too large."""
    if len(content) > MAX_DOCUMENT_BYTES:
        raise too_large(system, envelope_id)
    if not content.startswith(PDF):
        text = f"The document of envelope {envelope_id} is no PDF."
        raise errors.defect(system, "unexpected_answer", text)
    digest = hashlib.sha256(content).hexdigest()
    return SignedDocument(name=f"{envelope_id}.pdf", content=content, sha256=digest)


def too_large(system: str, envelope_id: str) -> errors.GatewayError:
    """The refusal of a document that nobody could attach."""
    text = f"The signed document has more than {MAX_DOCUMENT_BYTES // 1_000_000} MB."
    return errors.business(
        system, "signed_document_too_large", text, field="envelope", value=envelope_id
    )
