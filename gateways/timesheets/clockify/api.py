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
from gateways.errors import GatewayError
from gateways.http import date_of
from gateways.remote_api import Refusal, RemoteApi
from gateways.secrets import Secret

REQUESTS = 50
"""Approval requests in one page, each with the entries of a week or month."""
DELETED, USERS = 1_000, 200
CALLS_PER_SECOND = 8.0
"""Clockify allows 10."""

_SHOWN_CHARACTERS = 300


class Page(NamedTuple):
    """Records, whether there may be more, and Clockify's own time, where its answer states it."""

    records: list[JsonObject]
    has_more: bool
    as_of: datetime | None


class ClockifyApi(RemoteApi):
    """One workspace of Clockify."""

    name = "Clockify"
    limit_retry = timedelta(seconds=5)

    def __init__(
        self,
        http: httpx.Client,
        workspace_id: str,
        api_key: Secret,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        super().__init__(http, system=system, calls_per_second=calls_per_second)
        self._root = f"/v1/workspaces/{workspace_id}"
        self._api_key = api_key

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
        response = self.answered("GET", self._root + path, params=dict(params))
        try:
            found = response.json()
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            shown = response.text[:_SHOWN_CHARACTERS]
            raise self.unexpected(f"an answer that is no list of objects: {shown}")
        return Page(found, len(found) >= size, date_of(response))

    def credentials(self) -> Mapping[str, str]:
        return {"X-Api-Key": self._api_key.reveal()}

    def stated(self, body: JsonObject) -> tuple[object, object]:
        return "", body.get("message")

    def own_meaning(self, refusal: Refusal) -> GatewayError | None:
        if refusal.status in (httpx.codes.NOT_FOUND, httpx.codes.PAYMENT_REQUIRED):
            return self.for_people("access_denied", refusal)
        return None


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
