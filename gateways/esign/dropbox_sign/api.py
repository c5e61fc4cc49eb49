"""Dropbox Sign's API 3: calls, limits, and the one mapping of errors.

Knows paths and answers, not what a contract is; `gateways.esign.dropbox_sign.esign` does. Written
from Dropbox Sign's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
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
from gateways.secrets import Secret
from gateways.throttle import Throttle

PAGE = 100
"""Requests in one page; Dropbox Sign's limit."""
MAX_PAGES = 500
"""Of one list; a bound on a loop, far above any real account."""
CALLS_PER_SECOND = 1.5
"""Dropbox Sign allows 100 in a minute."""

_PREPARING_RETRY = timedelta(seconds=30)
_LIMIT_RETRY = timedelta(minutes=1)
_SHOWN_CHARACTERS = 500
_ROOT = "/v3"


class RequestPage(NamedTuple):
    """Signature requests, the next page's number (0: this was the last), and Dropbox Sign's own
    time, where its answer states it."""

    requests: list[JsonObject]
    next: int
    as_of: datetime | None


class DropboxSignApi:
    """One account behind one pooled client (of `pooled_client`); thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        api_key: Secret,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        self._http = http
        self._api_key = api_key
        self._system = system
        self._throttle = Throttle(calls_per_second, system=system)

    def request(self, request_id: str) -> JsonObject:
        """One signature request."""
        answer = self._json(f"/signature_request/{quote(request_id, safe='')}")
        found = answer.get("signature_request")
        if not isinstance(found, dict):
            raise self._unexpected("an answer without its signature request")
        return found

    def created(self, first: date, last: date, page: int) -> RequestPage:
        """A page of the requests that were created on these days."""
        params = {
            "query": f"created:[{first} TO {last}]",
            "page": str(page),
            "page_size": str(PAGE),
        }
        response = self._answered("/signature_request/list", params=params)
        answer = self._object(response)
        found, info = answer.get("signature_requests"), answer.get("list_info")
        if not isinstance(found, list) or not isinstance(info, dict):
            raise self._unexpected("a list without its requests")
        pages = info.get("num_pages")
        if not isinstance(pages, int) or pages > MAX_PAGES:
            raise self._unexpected(f"a list of {pages} pages; at most {MAX_PAGES} are read")
        is_last = page >= pages or not found
        return RequestPage(found, 0 if is_last else page + 1, date_of(response))

    def document(self, request_id: str) -> bytes:
        """The documents of a request that all have signed, with their audit trail, in one PDF."""
        path = f"/signature_request/files/{quote(request_id, safe='')}"
        headers = {"Accept": "application/pdf", "Accept-Encoding": "identity"}
        params, oversize = {"file_type": "pdf"}, too_large(self._system, request_id)
        return self._answered(path, params=params, headers=headers, oversize=oversize).content

    def account(self) -> JsonObject:
        """The account that the key is of."""
        return self._json("/account")

    # --- calls ----------------------------------------------------------------------------------

    def _json(self, path: str, **more: Any) -> JsonObject:
        return self._object(self._answered(path, **more))

    def _answered(
        self,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        oversize: GatewayError | None = None,
        **more: Any,
    ) -> httpx.Response:
        """`oversize` is what an answer of too many bytes means; left out, it is unexpected."""
        self._throttle.wait()
        # The key is the user, and there is no password.
        auth = httpx.BasicAuth(self._api_key.reveal(), "")
        every = {"Accept": "application/json", **(headers or {})}
        try:
            response = self._http.get(_ROOT + path, headers=every, auth=auth, **more)
        except httpx.HTTPError as error:
            told = oversize if isinstance(error, BodyTooLarge) else None
            raise told or unanswered(error, self._system, "Dropbox Sign") from None
        if response.is_success:
            return response
        refusal = self._error(response)
        self._throttle.heed(refusal)
        raise refusal

    def _object(self, response: httpx.Response) -> JsonObject:
        return expected_object(response, self._unexpected)

    def _error(self, response: httpx.Response) -> GatewayError:
        """A refusal as a GatewayError: the only place that gives an answer its kind."""
        body, status, system = json_object(response) or {}, response.status_code, self._system
        stated = body.get("error")
        detail = stated if isinstance(stated, dict) else {}
        text = str(detail.get("error_msg") or response.reason_phrase)[:_SHOWN_CHARACTERS]
        message = f"{detail.get('error_name') or ''}: {text} (HTTP {status})".removeprefix(": ")
        if status == httpx.codes.UNAUTHORIZED:
            return errors.credentials(system, "credentials_refused", message)
        if status in (httpx.codes.FORBIDDEN, httpx.codes.PAYMENT_REQUIRED):
            return errors.business(system, "access_denied", message)
        if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            return errors.business(system, "envelope_not_found", message, field="envelope")
        if status == httpx.codes.CONFLICT:
            wait = retry_after(response) or _PREPARING_RETRY
            return errors.transient(system, "unavailable", message, wait)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return errors.transient(system, "rate_limited", message, _wait(response))
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
            return errors.transient(system, "unavailable", message, retry_after(response))
        if status == httpx.codes.BAD_REQUEST:
            return errors.business(system, "esign_refused", message)
        return self._unexpected(message)

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"Dropbox Sign: {text}")


def _wait(response: httpx.Response) -> timedelta:
    """How long a limit lasts: it says when it ends, in seconds since 1970."""
    reset = response.headers.get("X-Ratelimit-Reset", "")
    if not (reset.isascii() and reset.isdigit() and len(reset) <= 12):
        return retry_after(response) or _LIMIT_RETRY
    now = date_of(response) or datetime.now(UTC)
    seconds = int(reset) - now.timestamp()
    return timedelta(seconds=min(max(seconds, 1.0), MAX_RETRY_AFTER.total_seconds()))
