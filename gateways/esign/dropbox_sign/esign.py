"""Dropbox Sign's signature requests as contracts see envelopes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from contracts.model import JsonObject, Source
from contracts.problems import Problem
from contracts.signatures import Envelope, Envelopes, EnvelopeStatus, SignedDocument
from gateways import errors
from gateways.errors import GatewayError
from gateways.esign.dropbox_sign.api import DropboxSignApi
from gateways.esign.envelopes import (
    DEAL_FIELD,
    deal_of,
    readable,
    reason_of,
    signed_document,
    signers_of,
)

OPEN_FOR = timedelta(days=90)
"""How long a request waits for its signatures at most, to be found by the sweep: what changed
cannot be asked for, only what was created when."""
_A_DAY = timedelta(days=1)


class DropboxSign:
    """One account as a service for signatures.

    A request in test mode binds nobody: it signs no deal, unless one `counts_tests`.
    """

    def __init__(self, api: DropboxSignApi, *, system: str, counts_tests: bool = False) -> None:
        self._api = api
        self._system = system
        self._counts_tests = counts_tests

    @property
    def system(self) -> str:
        return self._system

    def read_envelope(self, envelope_id: str) -> Envelope:
        return self._envelope(self._api.request(envelope_id))

    def signed_document(self, envelope_id: str) -> SignedDocument:
        return signed_document(self._system, envelope_id, self._api.document(envelope_id))

    def changed(self, since: datetime, after: str = "") -> Envelopes:
        now = datetime.now(UTC)
        first, last = (since - OPEN_FOR).date(), (now + _A_DAY).date()
        page = self._api.created(first, last, int(after or 1))
        found, unreadable = readable(page.requests, self._envelope, "signature_request_id")
        return Envelopes(
            # When one was declined or expired it does not say: those on their way are told, too.
            envelopes=[item for item in found if item.changed_at >= since],
            unreadable=unreadable,
            as_of=page.as_of or now,
            next=str(page.next or ""),
        )

    def missing_setup(self) -> list[Problem]:
        self._api.account()
        return []

    def ensure_setup(self) -> list[Problem]:
        return self.missing_setup()

    def _envelope(self, found: JsonObject) -> Envelope:
        signatures = [item for item in found.get("signatures") or [] if isinstance(item, dict)]
        status = _status(found, signatures)
        signed = _latest(item.get("signed_at") for item in signatures)
        opened = _latest(item.get("last_viewed_at") for item in signatures)
        is_binding = self._counts_tests or not found.get("test_mode")
        is_completed = status is EnvelopeStatus.COMPLETED
        times = [signed] if is_completed else [signed, opened]
        try:
            return Envelope(
                envelope_id=str(found.get("signature_request_id") or ""),
                status=status,
                changed_at=_at(_latest([found.get("created_at"), *times])),
                completed_at=_at(signed) if is_completed else None,
                deal=_deal(found.get("metadata")) if is_binding else None,
                signers=signers_of(
                    (item.get("signer_name"), item.get("signer_email_address"))
                    for item in signatures
                ),
                reason=reason_of(*(item.get("decline_reason") for item in signatures)),
            )
        except ValidationError as error:
            raise self._unreadable(found, error) from None

    def _unreadable(self, found: JsonObject, error: ValidationError) -> GatewayError:
        field = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        name = found.get("signature_request_id")
        text = f"Dropbox Sign: {field} of signature request {name} cannot be read"
        return errors.defect(self._system, "unexpected_answer", text)


def _status(found: JsonObject, signatures: list[JsonObject]) -> EnvelopeStatus:
    if found.get("is_complete") is True:
        return EnvelopeStatus.COMPLETED
    if found.get("is_declined") is True:
        return EnvelopeStatus.DECLINED
    is_over = any(item.get("status_code") in ("expired", "canceled") for item in signatures)
    return EnvelopeStatus.VOIDED if is_over else EnvelopeStatus.SENT


def _deal(metadata: Any) -> Source | None:
    return deal_of(metadata.get(DEAL_FIELD)) if isinstance(metadata, dict) else None


def _latest(times: Iterable[Any]) -> int | None:
    """The latest of times in seconds since 1970; what is no such time is left out."""
    known = [item for item in times if isinstance(item, int) and not isinstance(item, bool)]
    return max(known, default=None)


def _at(seconds: int | None) -> datetime | None:
    """None for no time, and for one that no clock can show."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
