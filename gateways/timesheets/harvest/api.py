"""Harvest's API 2: calls, limits, and the one mapping of errors.

Knows paths and answers, not what they mean for Odoo. Written from Harvest's documentation, and not
yet run against a live account.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx

from contracts.model import JsonObject
from gateways.errors import GatewayError
from gateways.http import date_of
from gateways.remote_api import Refusal, RemoteApi
from gateways.secrets import Secret

PAGE = 2_000
"""Records in one page; Harvest's limit."""
CALLS_PER_SECOND = 6.0
"""Harvest allows 100 in 15 seconds."""

_SHOWN_CHARACTERS = 300
_ROOT = "/v2"


class Page(NamedTuple):
    """Records, the parameters of the next page (none: this was the last), and Harvest's own time,
    where its answer states it."""

    records: list[JsonObject]
    next: dict[str, str]
    as_of: datetime | None


class HarvestApi(RemoteApi):
    """One account of Harvest."""

    name = "Harvest"
    limit_retry = timedelta(seconds=15)

    def __init__(
        self,
        http: httpx.Client,
        account_id: str,
        token: Secret,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        super().__init__(http, system=system, calls_per_second=calls_per_second)
        self._account_id = account_id
        self._token = token

    def time_entries(self, params: Mapping[str, str]) -> Page:
        """A page of time entries: `updated_since`, or `from` and `to`, or those of a next page."""
        return self._page("time_entries", params)

    def users(self, params: Mapping[str, str]) -> Page:
        """A page of the account's people, those who left too."""
        return self._page("users", params)

    def own_user(self) -> JsonObject:
        """Who the token is of."""
        return self.object_of(self._read("/users/me", {}))

    # --- calls ----------------------------------------------------------------------------------

    def _page(self, what: str, params: Mapping[str, str]) -> Page:
        response = self._read(f"/{what}", {"per_page": str(PAGE), **params})
        answer = self.object_of(response)
        found, links = answer.get(what), answer.get("links")
        if not isinstance(found, list) or not isinstance(links, dict):
            raise self.unexpected(f"a list of {what} without them")
        if not all(isinstance(item, dict) for item in found):
            raise self.unexpected(f"{what} that are none")
        return Page(found, self._next(links.get("next"), params), date_of(response))

    def _next(self, link: Any, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters of the next page. Its host is not believed: the token goes to ours."""
        if not link:
            return {}
        found = dict(parse_qsl(urlsplit(str(link)).query))
        if not found or found == dict(params):
            raise self.unexpected("a next page that is the same one")
        return found

    def _read(self, path: str, params: Mapping[str, str]) -> httpx.Response:
        return self.answered("GET", _ROOT + path, params=dict(params))

    def credentials(self) -> Mapping[str, str]:
        return {"Authorization": self._token.bearer(), "Harvest-Account-Id": self._account_id}

    def stated(self, body: JsonObject) -> tuple[object, object]:
        return "", body.get("message") or body.get("error_description")

    def own_meaning(self, refusal: Refusal) -> GatewayError | None:
        if refusal.status == httpx.codes.NOT_FOUND:
            return self.for_people("access_denied", refusal)
        return None

    def object_of(self, response: httpx.Response) -> JsonObject:
        """Its numbers are read as they are written: hours are no floats."""
        try:
            answer = json.loads(response.content, parse_float=Decimal)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            shown = response.text[:_SHOWN_CHARACTERS]
            raise self.unexpected(f"an answer that is no JSON object: {shown}")
        return answer
