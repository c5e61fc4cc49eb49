"""DocuSign's eSignature API 2.1: calls, limits, and the one mapping of errors.

Knows paths and answers, not what a contract is; `gateways.esign.docusign.esign` does. Written from
DocuSign's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
from gateways.esign.docusign.login import Login
from gateways.esign.envelopes import too_large
from gateways.http import (
    MAX_RETRY_AFTER,
    BodyTooLarge,
    date_of,
    expected_object,
    json_object,
    retry_after,
    unanswered,
)
from gateways.throttle import Throttle

PAGE = 100
CALLS_PER_SECOND = 10.0
"""DocuSign allows 500 in half a minute, and 3,000 an hour."""

_INCLUDE = "custom_fields,recipients"
_BURST_RETRY = timedelta(seconds=30)
_POLLING_RETRY = timedelta(minutes=15)
"""The same envelope may be asked for once in a quarter of an hour."""
_SHOWN_CHARACTERS = 500
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


class DocuSignApi:
    """One account behind one pooled client (of `pooled_client`); thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        login: Login,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        self._http = http
        self._login = login
        self._system = system
        self._throttle = Throttle(calls_per_second, system=system)

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
        response = self._answered("GET", "/envelopes", params=params)
        answer = self._object(response)
        found = answer.get("envelopes") or []
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self._unexpected("an answer whose envelopes are no list")
        if "resultSetSize" not in answer:
            raise self._unexpected("an answer that does not say how many envelopes there are")
        is_last = not answer.get("nextUri") or not found
        return EnvelopePage(found, 0 if is_last else start + len(found), date_of(response))

    def document(self, envelope_id: str) -> bytes:
        """All documents of an envelope and its certificate, in one PDF."""
        path = f"/envelopes/{_path(envelope_id)}/documents/combined"
        headers = {"Accept": "application/pdf", "Accept-Encoding": "identity"}
        params, oversize = {"certificate": "true"}, too_large(self._system, envelope_id)
        return self._answered(
            "GET", path, params=params, headers=headers, oversize=oversize
        ).content

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
        return self._object(self._answered(method, path, **more))

    def _answered(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer; a token that is refused is renewed once."""
        session = self._login.session()
        response = self._sent(method, session.base + path, session.token, **more)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            session = self._login.session(refused=session)
            response = self._sent(method, session.base + path, session.token, **more)
        if response.is_success:
            return response
        refusal = self._error(response)
        self._throttle.heed(refusal)
        raise refusal

    def _sent(
        self,
        method: str,
        url: str,
        token: str,
        *,
        headers: dict[str, str] | None = None,
        oversize: GatewayError | None = None,
        **more: Any,
    ) -> httpx.Response:
        """`oversize` is what an answer of too many bytes means; left out, it is unexpected."""
        self._throttle.wait()
        every = {
            "Accept": "application/json",
            **(headers or {}),
            "Authorization": f"Bearer {token}",
        }
        try:
            return self._http.request(method, url, headers=every, **more)
        except httpx.HTTPError as error:
            told = oversize if isinstance(error, BodyTooLarge) else None
            raise told or unanswered(error, self._system, "DocuSign") from None

    def _object(self, response: httpx.Response) -> JsonObject:
        return expected_object(response, self._unexpected)

    def _error(self, response: httpx.Response) -> GatewayError:
        """DocuSign's refusal as a GatewayError: the only place that gives an answer its kind. The
        code in it counts more than the status, which is 400 for many things."""
        body, status, system = json_object(response) or {}, response.status_code, self._system
        code = str(body.get("errorCode") or "").upper()
        stated = str(body.get("message") or response.reason_phrase)[:_SHOWN_CHARACTERS]
        message = f"{code}: {stated} (HTTP {status})".removeprefix(": ")
        if "LIMIT_EXCEEDED" in code or status == httpx.codes.TOO_MANY_REQUESTS:
            return errors.transient(system, "rate_limited", message, _wait(response, code))
        if status == httpx.codes.UNAUTHORIZED:
            return errors.credentials(system, "credentials_refused", message)
        if code in _ABSENT or status == httpx.codes.NOT_FOUND:
            return errors.business(system, "envelope_not_found", message, field="envelope")
        if code in _RIGHTS or status == httpx.codes.FORBIDDEN:
            return errors.business(system, "access_denied", message)
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
            return errors.transient(system, "unavailable", message, retry_after(response))
        if status == httpx.codes.BAD_REQUEST:
            return errors.business(system, "esign_refused", message)
        return self._unexpected(message)

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"DocuSign: {text}")


def _path(envelope_id: str) -> str:
    return quote(envelope_id, safe="")


def _wait(response: httpx.Response, code: str) -> timedelta:
    """How long a limit lasts: it says when it ends, in seconds since 1970, by DocuSign's clock."""
    if "BURST" in code:
        return _BURST_RETRY
    if "POLLING" in code or "ENVELOPE_LIMIT" in code:
        return _POLLING_RETRY
    reset = response.headers.get("X-RateLimit-Reset", "")
    if not (reset.isascii() and reset.isdigit() and len(reset) <= 12):
        return retry_after(response) or _POLLING_RETRY
    now = date_of(response) or datetime.now(UTC)
    seconds = int(reset) - now.timestamp()
    return timedelta(seconds=min(max(seconds, 1.0), MAX_RETRY_AFTER.total_seconds()))
