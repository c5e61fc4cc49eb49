"""DocuSign's envelopes as contracts see them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from contracts.model import JsonObject, Source
from contracts.problems import Problem, finding
from contracts.signatures import Envelope, Envelopes, EnvelopeStatus, SignedDocument
from gateways import errors
from gateways.errors import GatewayError
from gateways.esign.docusign.api import DocuSignApi
from gateways.esign.envelopes import (
    DEAL_FIELD,
    deal_of,
    readable,
    reason_of,
    signed_document,
    signers_of,
)

_STATUSES = {
    "completed": EnvelopeStatus.COMPLETED,
    "declined": EnvelopeStatus.DECLINED,
    "voided": EnvelopeStatus.VOIDED,
    "timedout": EnvelopeStatus.VOIDED,
}
"""The others are on their way."""
_CHANGES = ("statusChangedDateTime", "completedDateTime", "lastModifiedDateTime", "createdDateTime")


class DocuSign:
    """One account as a service for signatures."""

    def __init__(self, api: DocuSignApi, *, system: str) -> None:
        self._api = api
        self._system = system

    @property
    def system(self) -> str:
        return self._system

    def read_envelope(self, envelope_id: str) -> Envelope:
        return self._envelope(self._api.envelope(envelope_id))

    def signed_document(self, envelope_id: str) -> SignedDocument:
        return signed_document(self._system, envelope_id, self._api.document(envelope_id))

    def changed(self, since: datetime, after: str = "") -> Envelopes:
        page = self._api.ended(since, int(after or 0))
        found, unreadable = readable(page.envelopes, self._envelope, "envelopeId")
        return Envelopes(
            envelopes=found,
            unreadable=unreadable,
            as_of=page.as_of or datetime.now(UTC),
            next=str(page.next or ""),
        )

    def missing_setup(self) -> list[Problem]:
        if DEAL_FIELD in self._api.custom_fields():
            return []
        expected = "a custom field of envelopes, in which each names its deal"
        return [finding("esign_field_missing", DEAL_FIELD, None, expected)]

    def ensure_setup(self) -> list[Problem]:
        if self.missing_setup():
            self._api.create_custom_field(DEAL_FIELD)
        return []

    def _envelope(self, found: JsonObject) -> Envelope:
        status = str(found.get("status", "")).lower()
        signers = [item for item in _signers(found) if isinstance(item, dict)]
        declined = (item.get("declinedReason") for item in signers)
        completed_at = found.get("completedDateTime")
        try:
            return Envelope(
                envelope_id=str(found.get("envelopeId") or ""),
                status=_STATUSES.get(status, EnvelopeStatus.SENT),
                changed_at=next((found[name] for name in _CHANGES if found.get(name)), None),
                completed_at=completed_at if status == "completed" else None,
                deal=_deal(found),
                signers=signers_of((item.get("name"), item.get("email")) for item in signers),
                reason=reason_of(found.get("voidedReason"), *declined),
            )
        except ValidationError as error:
            raise self._unreadable(found, error) from None

    def _unreadable(self, found: JsonObject, error: ValidationError) -> GatewayError:
        field = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        text = f"DocuSign: {field} of envelope {found.get('envelopeId')} cannot be read"
        return errors.defect(self._system, "unexpected_answer", text)


def _signers(found: JsonObject) -> Iterator[Any]:
    """Those who sign; in person, somebody hosts them."""
    recipients = found.get("recipients")
    if not isinstance(recipients, dict):
        return
    yield from recipients.get("signers") or []
    for item in recipients.get("inPersonSigners") or []:
        if isinstance(item, dict):
            name, email = item.get("signerName"), item.get("signerEmail")
            yield {**item, "name": name or item.get("name"), "email": email or item.get("email")}


def _deal(found: JsonObject) -> Source | None:
    fields = found.get("customFields")
    if not isinstance(fields, dict):
        return None
    for kind in ("textCustomFields", "listCustomFields"):
        for item in fields.get(kind) or []:
            if isinstance(item, dict) and item.get("name") == DEAL_FIELD:
                return deal_of(item.get("value"))
    return None
