"""Clockify's API 1: calls, limits, and the one mapping of errors.

Knows paths and answers, not what they mean for Odoo. Written from Clockify's documentation, and not
yet run against a live account.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import date_of, json_object, retry_after, unanswered
from gateways.secrets import Secret
from gateways.throttle import Throttle

REQUESTS = 50
"""Approval requests in one page, each with the entries of a week or month."""
DELETED, USERS = 1_000, 200
CALLS_PER_SECOND = 8.0
"""Clockify allows 10."""

_LIMIT_RETRY = timedelta(seconds=5)
_SHOWN_CHARACTERS = 300


class Page(NamedTuple):
    """Records, whether there may be more, and Clockify's own time, where its answer states it."""

    records: list[JsonObject]
    has_more: bool
    as_of: datetime | None


class ClockifyApi:
    """One workspace behind one pooled client (of `pooled_client`); thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        workspace_id: str,
        api_key: Secret,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        self._http = http
        self._root = f"/v1/workspaces/{workspace_id}"
        self._api_key = api_key
        self._system = system
        self._throttle = Throttle(calls_per_second, system=system)

    def close(self) -> None:
        self._http.close()

    def approval_requests(
        self, status: str, sort_column: str, page: int, *, size: int = REQUESTS
    ) -> Page:
        """A page of the approval requests of that status, the latest by that column first."""
        params = {
            "status": status,
            "sort-column": sort_column,
            "sort-order": "DESCENDING",
            "page": str(page),
            "page-size": str(size),
        }
        return self._page("/approval-requests", params, size)

    def deleted(self, since: datetime, until: datetime, page: int) -> Page:
        """A page of the time entries that were deleted between two moments."""
        params = {
            "type": "TIME_ENTRY",
            "start": _moment(since),
            "end": _moment(until),
            "page": str(page),
            "limit": str(DELETED),
        }
        return self._page("/entities/deleted", params, DELETED)

    def users(self, page: int) -> Page:
        """A page of the workspace's people, those who left too."""
        return self._page("/users", {"page": str(page), "page-size": str(USERS)}, USERS)

    # --- calls ----------------------------------------------------------------------------------

    def _page(self, path: str, params: Mapping[str, str], size: int) -> Page:
        response = self._answered(path, params)
        try:
            found = response.json()
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            shown = response.text[:_SHOWN_CHARACTERS]
            raise self._unexpected(f"an answer that is no list of objects: {shown}")
        return Page(found, len(found) >= size, date_of(response))

    def _answered(self, path: str, params: Mapping[str, str]) -> httpx.Response:
        self._throttle.wait()
        headers = {"X-Api-Key": self._api_key.reveal(), "Accept": "application/json"}
        try:
            response = self._http.get(self._root + path, params=dict(params), headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "Clockify") from None
        if response.is_success:
            return response
        refusal = self._error(response)
        self._throttle.heed(refusal)
        raise refusal

    def _error(self, response: httpx.Response) -> GatewayError:
        """A refusal as a GatewayError: the only place that gives an answer its kind."""
        body, status, system = json_object(response) or {}, response.status_code, self._system
        told = str(body.get("message") or response.reason_phrase)[:_SHOWN_CHARACTERS]
        message = f"{told} (HTTP {status})"
        if status == httpx.codes.UNAUTHORIZED:
            return errors.credentials(system, "credentials_refused", message)
        if status in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.PAYMENT_REQUIRED):
            return errors.business(system, "access_denied", message)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            wait = retry_after(response) or _LIMIT_RETRY
            return errors.transient(system, "rate_limited", message, wait)
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
            return errors.transient(system, "unavailable", message, retry_after(response))
        return self._unexpected(message)

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"Clockify: {text}")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
