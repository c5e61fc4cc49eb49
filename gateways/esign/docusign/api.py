"""DocuSign's eSignature API 2.1: calls, limits, and the one mapping of errors.

Knows paths and answers, not what a contract is; `gateways.esign.docusign.esign` does. Written from
DocuSign's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways.errors import GatewayError
from gateways.esign.docusign.login import Login, Session
from gateways.esign.envelopes import too_large
from gateways.http import date_of
from gateways.remote_api import Refusal, RemoteApi, epoch_header, wait_until

PAGE = 100
CALLS_PER_SECOND = 10.0
"""DocuSign allows 500 in half a minute, and 3,000 an hour."""

_INCLUDE = "custom_fields,recipients"
_BURST_RETRY = timedelta(seconds=30)
_POLLING_RETRY = timedelta(minutes=15)
"""The same envelope may be asked for once in a quarter of an hour."""
_ABSENT = {
    "ENVELOPE_DOES_NOT_EXIST",
    "ENVELOPE_NOT_FOUND",
    "INVALID_ENVELOPE_ID",
    "ENVELOPE_IN_SUSPENDED_STATE",
}
_RIGHTS = {"USER_LACKS_PERMISSIONS", "ACCOUNT_LACKS_PERMISSIONS", "USER_NOT_ENVELOPE_SENDER"}


class EnvelopePage(NamedTuple):
    """Envelopes, where the next page begins (0: this was the last), and DocuSign's own time, where
    its answer states it."""

    envelopes: list[JsonObject]
    next: int
    as_of: datetime | None


class DocuSignApi(RemoteApi):
    """One account of DocuSign."""

    name = "DocuSign"
    limit_retry = _POLLING_RETRY

    def __init__(
        self,
        http: httpx.Client,
        login: Login,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        super().__init__(http, system=system, calls_per_second=calls_per_second)
        self._login = login

    def envelope(self, envelope_id: str) -> JsonObject:
        """One envelope, with its custom fields and recipients."""
        return self._json("GET", f"/envelopes/{_path(envelope_id)}", params={"include": _INCLUDE})

    def ended(self, since: datetime, start: int) -> EnvelopePage:
        """A page of those whose status changed since, and that came to an end, oldest first: an end
        does not change any more, so that no page shifts while the next one is read."""
        params = {
            "from_date": since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "from_to_status": "changed",
            "status": "completed,declined,voided",
            "include": _INCLUDE,
            "order_by": "status_changed",
            "order": "asc",
            "count": str(PAGE),
            "start_position": str(start),
        }
        response = self.answered("GET", "/envelopes", params=params)
        answer = self.object_of(response)
        found = answer.get("envelopes") or []
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.unexpected("an answer whose envelopes are no list")
        if "resultSetSize" not in answer:
            raise self.unexpected("an answer that does not say how many envelopes there are")
        is_last = not answer.get("nextUri") or not found
        return EnvelopePage(found, 0 if is_last else start + len(found), date_of(response))

    def document(self, envelope_id: str) -> bytes:
        """All documents of an envelope and its certificate, in one PDF."""
        path = f"/envelopes/{_path(envelope_id)}/documents/combined"
        headers = {"Accept": "application/pdf", "Accept-Encoding": "identity"}
        params, oversize = {"certificate": "true"}, too_large(self._system, envelope_id)
        return self.answered("GET", path, params=params, headers=headers, oversize=oversize).content

    def custom_fields(self) -> list[str]:
        """The names of the account's custom fields for envelopes."""
        answer = self._json("GET", "/custom_fields")
        kinds = ("textCustomFields", "listCustomFields")
        return [str(item.get("name")) for kind in kinds for item in answer.get(kind) or []]

    def create_custom_field(self, name: str) -> None:
        """Create one, as a text that nobody has to fill in."""
        body = {"customFieldType": "text", "name": name, "required": "false", "show": "true"}
        self._json("POST", "/custom_fields", json=body)

    # --- calls ----------------------------------------------------------------------------------

    def _json(self, method: str, path: str, **more: Any) -> JsonObject:
        return self.object_of(self.answered(method, path, **more))

    def sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer to the account; a token that is refused is renewed once."""
        session = self._login.session()
        response = self._sent_as(session, method, path, **more)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            session = self._login.session(refused=session)
            response = self._sent_as(session, method, path, **more)
        return response

    def _sent_as(
        self,
        session: Session,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        every = {**(headers or {}), "Authorization": f"Bearer {session.token}"}
        return super().sent(method, session.base + path, headers=every, **more)

    def credentials(self) -> Mapping[str, str]:
        return {}

    def stated(self, body: JsonObject) -> tuple[object, object]:
        return _code(body), body.get("message")

    def own_meaning(self, refusal: Refusal) -> GatewayError | None:
        """The code in it counts more than the status, which is 400 for many things."""
        code = _code(refusal.body)
        if "LIMIT_EXCEEDED" in code:
            return self.limited(refusal)
        if refusal.status in (httpx.codes.UNAUTHORIZED, httpx.codes.TOO_MANY_REQUESTS):
            return None
        if code in _ABSENT or refusal.status == httpx.codes.NOT_FOUND:
            return self.for_people("envelope_not_found", refusal, field="envelope")
        if code in _RIGHTS:
            return self.for_people("access_denied", refusal)
        if refusal.status == httpx.codes.BAD_REQUEST:
            return self.for_people("esign_refused", refusal)
        return None

    def limited_for(self, refusal: Refusal) -> timedelta:
        code = _code(refusal.body)
        if "BURST" in code:
            return _BURST_RETRY
        if "POLLING" in code or "ENVELOPE_LIMIT" in code:
            return _POLLING_RETRY
        until = epoch_header(refusal.response, "X-RateLimit-Reset")
        return wait_until(until, refusal.response) if until else super().limited_for(refusal)


def _code(body: JsonObject) -> str:
    return str(body.get("errorCode") or "").upper()


def _path(envelope_id: str) -> str:
    return quote(envelope_id, safe="")
