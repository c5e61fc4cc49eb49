"""Dropbox Sign's API 3: calls, limits, and the one mapping of errors.

Knows paths and answers, not what a contract is; `gateways.esign.dropbox_sign.esign` does. Written
from Dropbox Sign's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways.errors import GatewayError
from gateways.esign.envelopes import too_large
from gateways.http import date_of
from gateways.remote_api import Refusal, RemoteApi, epoch_header, wait_until
from gateways.secrets import Secret

PAGE = 100
"""Requests in one page; Dropbox Sign's limit."""
MAX_PAGES = 500
"""Of one list; a bound on a loop, far above any real account."""
CALLS_PER_SECOND = 1.5
"""Dropbox Sign allows 100 in a minute."""

_PREPARING_RETRY = timedelta(seconds=30)
_ROOT = "/v3"


class RequestPage(NamedTuple):
    """Signature requests, the next page's number (0: this was the last), and Dropbox Sign's own
    time, where its answer states it."""

    requests: list[JsonObject]
    next: int
    as_of: datetime | None


class DropboxSignApi(RemoteApi):
    """One account of Dropbox Sign."""

    name = "Dropbox Sign"
    limit_retry = timedelta(minutes=1)

    def __init__(
        self,
        http: httpx.Client,
        api_key: Secret,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        super().__init__(http, system=system, calls_per_second=calls_per_second)
        self._api_key = api_key

    def request(self, request_id: str) -> JsonObject:
        """One signature request."""
        answer = self._json(f"/signature_request/{quote(request_id, safe='')}")
        found = answer.get("signature_request")
        if not isinstance(found, dict):
            raise self.unexpected("an answer without its signature request")
        return found

    def created(self, first: date, last: date, page: int) -> RequestPage:
        """A page of the requests that were created on these days."""
        params = {
            "query": f"created:[{first} TO {last}]",
            "page": str(page),
            "page_size": str(PAGE),
        }
        response = self._read("/signature_request/list", params=params)
        answer = self.object_of(response)
        found, info = answer.get("signature_requests"), answer.get("list_info")
        if not isinstance(found, list) or not isinstance(info, dict):
            raise self.unexpected("a list without its requests")
        pages = info.get("num_pages")
        if not isinstance(pages, int) or pages > MAX_PAGES:
            raise self.unexpected(f"a list of {pages} pages; at most {MAX_PAGES} are read")
        is_last = page >= pages or not found
        return RequestPage(found, 0 if is_last else page + 1, date_of(response))

    def document(self, request_id: str) -> bytes:
        """The documents of a request that all have signed, with their audit trail, in one PDF."""
        path = f"/signature_request/files/{quote(request_id, safe='')}"
        headers = {"Accept": "application/pdf", "Accept-Encoding": "identity"}
        params, oversize = {"file_type": "pdf"}, too_large(self._system, request_id)
        return self._read(path, params=params, headers=headers, oversize=oversize).content

    def account(self) -> JsonObject:
        """The account that the key is of."""
        return self._json("/account")

    # --- calls ----------------------------------------------------------------------------------

    def _json(self, path: str) -> JsonObject:
        return self.object_of(self._read(path))

    def _read(self, path: str, **more: Any) -> httpx.Response:
        # The key is the user, and there is no password.
        auth = httpx.BasicAuth(self._api_key.reveal(), "")
        return self.answered("GET", _ROOT + path, auth=auth, **more)

    def credentials(self) -> Mapping[str, str]:
        return {}

    def stated(self, body: JsonObject) -> tuple[object, object]:
        found = body.get("error")
        detail = found if isinstance(found, dict) else {}
        return detail.get("error_name"), detail.get("error_msg")

    def own_meaning(self, refusal: Refusal) -> GatewayError | None:
        if refusal.status == httpx.codes.PAYMENT_REQUIRED:
            return self.for_people("access_denied", refusal)
        if refusal.status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            return self.for_people("envelope_not_found", refusal, field="envelope")
        if refusal.status == httpx.codes.CONFLICT:
            return self.passing(refusal, _PREPARING_RETRY)
        if refusal.status == httpx.codes.BAD_REQUEST:
            return self.for_people("esign_refused", refusal)
        return None

    def limited_for(self, refusal: Refusal) -> timedelta:
        until = epoch_header(refusal.response, "X-Ratelimit-Reset")
        return wait_until(until, refusal.response) if until else super().limited_for(refusal)
