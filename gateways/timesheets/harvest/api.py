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
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import date_of, json_object, retry_after, unanswered
from gateways.secrets import Secret
from gateways.throttle import Throttle

PAGE = 2_000
"""Records in one page; Harvest's limit."""
CALLS_PER_SECOND = 6.0
"""Harvest allows 100 in 15 seconds."""

_LIMIT_RETRY = timedelta(seconds=15)
_SHOWN_CHARACTERS = 300
_ROOT = "/v2"


class Page(NamedTuple):
    """Records, the parameters of the next page (none: this was the last), and Harvest's own time,
    where its answer states it."""

    records: list[JsonObject]
    next: dict[str, str]
    as_of: datetime | None


class HarvestApi:
    """One account behind one pooled client (of `pooled_client`); thread-safe."""

    def __init__(
        self,
        http: httpx.Client,
        account_id: str,
        token: Secret,
        *,
        system: str,
        calls_per_second: float = CALLS_PER_SECOND,
    ) -> None:
        self._http = http
        self._account_id = account_id
        self._token = token
        self._system = system
        self._throttle = Throttle(calls_per_second, system=system)

    def close(self) -> None:
        self._http.close()

    def time_entries(self, params: Mapping[str, str]) -> Page:
        """A page of time entries: `updated_since`, or `from` and `to`, or those of a next page."""
        return self._page("time_entries", params)

    def users(self, params: Mapping[str, str]) -> Page:
        """A page of the account's people, those who left too."""
        return self._page("users", params)

    def own_user(self) -> JsonObject:
        """Who the token is of."""
        return self._object(self._answered("/users/me", {}))

    # --- calls ----------------------------------------------------------------------------------

    def _page(self, what: str, params: Mapping[str, str]) -> Page:
        response = self._answered(f"/{what}", {"per_page": str(PAGE), **params})
        answer = self._object(response)
        found, links = answer.get(what), answer.get("links")
        if not isinstance(found, list) or not isinstance(links, dict):
            raise self._unexpected(f"a list of {what} without them")
        if not all(isinstance(item, dict) for item in found):
            raise self._unexpected(f"{what} that are none")
        return Page(found, self._next(links.get("next"), params), date_of(response))

    def _next(self, link: Any, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters of the next page. Its host is not believed: the token goes to ours."""
        if not link:
            return {}
        found = dict(parse_qsl(urlsplit(str(link)).query))
        if not found or found == dict(params):
            raise self._unexpected("a next page that is the same one")
        return found

    def _answered(self, path: str, params: Mapping[str, str]) -> httpx.Response:
        self._throttle.wait()
        headers = {
            "Authorization": f"Bearer {self._token.reveal()}",
            "Harvest-Account-Id": self._account_id,
        }
        try:
            response = self._http.get(_ROOT + path, params=dict(params), headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "Harvest") from None
        if response.is_success:
            return response
        refusal = self._error(response)
        self._throttle.heed(refusal)
        raise refusal

    def _object(self, response: httpx.Response) -> JsonObject:
        """Its numbers are read as they are written: hours are no floats."""
        try:
            answer = json.loads(response.content, parse_float=Decimal)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            shown = response.text[:_SHOWN_CHARACTERS]
            raise self._unexpected(f"an answer that is no JSON object: {shown}")
        return answer

    def _error(self, response: httpx.Response) -> GatewayError:
        """A refusal as a GatewayError: the only place that gives an answer its kind."""
        body, status, system = json_object(response) or {}, response.status_code, self._system
        told = body.get("message") or body.get("error_description") or response.reason_phrase
        message = f"{str(told)[:_SHOWN_CHARACTERS]} (HTTP {status})"
        if status == httpx.codes.UNAUTHORIZED:
            return errors.credentials(system, "credentials_refused", message)
        if status in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
            return errors.business(system, "access_denied", message)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            wait = retry_after(response) or _LIMIT_RETRY
            return errors.transient(system, "rate_limited", message, wait)
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
            return errors.transient(system, "unavailable", message, retry_after(response))
        return self._unexpected(message)

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"Harvest: {text}")
