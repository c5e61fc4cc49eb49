"""HubSpot's CRM API (objects v3, associations v4): calls, limits, and the one mapping of errors.

Knows paths and answers, not what a contract is; `gateways.crm.hubspot.crm` does. Written from
HubSpot's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import date_of, json_object, retry_after, unanswered
from gateways.secrets import Secret
from gateways.throttle import Throttle

SYSTEM = "hubspot"
DEFAULT_URL = "https://api.hubapi.com"

MAX_BATCH = 100
"""Records in one batch call; HubSpot's limit."""

MAX_PAGE = 200
"""Records in one page of a search; HubSpot's limit."""

_MAX_PAGES = 1_000
"""Pages followed in one association; a bound on a loop, far above any real account."""

CALLS_PER_SECOND = 10.0
"""HubSpot's smallest plan allows 100 calls in ten seconds."""

SEARCHES_PER_SECOND = 4.0
"""HubSpot allows five to the account as a whole; one is left to its other programs."""

_NO_ASSOCIATIONS = "crm.associations.NO_ASSOCIATIONS_FOUND"
_LOCKED_RETRY = timedelta(seconds=2)  # HubSpot asks for at least two seconds after a 423
_POLICY_RETRIES = {"SECONDLY": timedelta(seconds=1), "DAILY": timedelta(hours=1)}
_LIMIT_RETRY = timedelta(seconds=10)
"""By the limit that refused a call; most are counted in ten seconds."""
_MAX_PAUSE = timedelta(minutes=1)
"""Longer and a raised daily limit would go unnoticed; the engine waits out the rest."""

_PROPERTY_NAME = re.compile(r'"name"\s*:\s*"([^"]+)"')
_SHOWN_CHARACTERS = 500


class SearchPage(NamedTuple):
    """Records by ascending id; the id that the next page begins behind, "" on the last page; and
    HubSpot's own time, where its answer states it."""

    records: list[JsonObject]
    next: str
    as_of: datetime | None


class HubSpotApi:
    """One HubSpot account behind one pooled client (of `pooled_client`); thread-safe.

    The token is revealed anew for each call, so that a rotated one takes effect at once.
    """

    def __init__(
        self,
        http: httpx.Client,
        token: Secret,
        *,
        calls_per_second: float = CALLS_PER_SECOND,
        searches_per_second: float = SEARCHES_PER_SECOND,
    ) -> None:
        self._http = http
        self._token = token
        self._calls = Throttle(calls_per_second, system=SYSTEM)
        self._searches = Throttle(searches_per_second, system=SYSTEM)

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._http.close()

    def read(self, object_type: str, record_id: str, properties: Sequence[str]) -> JsonObject:
        """One record's `id` and `properties`. Raises GatewayError, `not_found` among others."""
        path = f"/crm/v3/objects/{object_type}/{quote(record_id, safe='')}"
        return self._call("GET", path, params={"properties": list(properties)})

    def read_many(
        self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]
    ) -> list[JsonObject]:
        """The records of those ids that exist, in no particular order."""
        found: list[JsonObject] = []
        for start in range(0, len(record_ids), MAX_BATCH):
            ids = record_ids[start : start + MAX_BATCH]
            body = {
                "inputs": [{"id": record_id} for record_id in ids],
                "properties": list(properties),
                "propertiesWithHistory": [],
            }
            answer = self._call("POST", f"/crm/v3/objects/{object_type}/batch/read", body=body)
            _refuse_errors(answer, lambda error: error.get("category") == "OBJECT_NOT_FOUND")
            found += _results(answer)
        return found

    def update(self, object_type: str, record_id: str, values: dict[str, str]) -> None:
        """Set properties of a record. Raises GatewayError, `not_found` among others."""
        path = f"/crm/v3/objects/{object_type}/{quote(record_id, safe='')}"
        self._call("PATCH", path, body={"properties": values})

    def associated(
        self, from_type: str, record_id: str, to_type: str
    ) -> list[tuple[str, frozenset[str]]]:
        """Ids of the records associated with one record, each with its labels in lower case."""
        path = f"/crm/v4/associations/{from_type}/{to_type}/batch/read"
        found: list[tuple[str, frozenset[str]]] = []
        wanted = {"id": record_id}
        for _ in range(_MAX_PAGES):
            answer = self._call("POST", path, body={"inputs": [wanted]})
            _refuse_errors(answer, lambda error: error.get("subCategory") == _NO_ASSOCIATIONS)
            after = None
            for result in _results(answer):
                found += [_association(item) for item in result["to"]]
                after = _after(result)
            if after is None:
                return found
            wanted = {"id": record_id, "after": after}
        raise _unexpected(f"more than {_MAX_PAGES} pages of {to_type} of {from_type} {record_id}")

    def search(
        self,
        object_type: str,
        filters: Sequence[JsonObject],
        properties: Sequence[str],
        after: str = "",
    ) -> SearchPage:
        """A page of the records that meet all filters.

        Pages by "id greater than the last one seen" instead of HubSpot's `after`: an offset
        skips a record whenever one before it changes and leaves the result, and ends at 10,000
        results; this does neither, however many there are.
        """
        beyond = {"propertyName": "hs_object_id", "operator": "GT", "value": after or "0"}
        body = {
            "filterGroups": [{"filters": [*filters, beyond]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(properties),
            "limit": MAX_PAGE,
        }
        path = f"/crm/v3/objects/{object_type}/search"
        response = self._answered("POST", path, body=body, is_search=True)
        answer = _json(response)
        records = _results(answer)
        more = records and _after(answer) is not None
        return SearchPage(records, str(records[-1]["id"]) if more else "", date_of(response))

    def owner_email(self, owner_id: str) -> str | None:
        """The e-mail address of an owner, also one who has left; None if there is none."""
        path = f"/crm/v3/owners/{quote(owner_id, safe='')}"
        for archived in ("false", "true"):
            try:
                owner = self._call("GET", path, params={"idProperty": "id", "archived": archived})
            except GatewayError as error:
                if error.code != "not_found":
                    raise
            else:
                return owner.get("email") or None
        return None

    def properties(self, object_type: str) -> dict[str, str]:
        """The account's properties of an object type: name to type."""
        answer = self._call("GET", f"/crm/v3/properties/{object_type}", params={})
        return {item["name"]: item["type"] for item in _results(answer)}

    def create_property(self, object_type: str, definition: JsonObject) -> None:
        """Create a property; one of that name that is there already is left as it is."""
        try:
            self._call("POST", f"/crm/v3/properties/{object_type}", body=definition)
        except GatewayError as error:
            if error.code != "already_exists":
                raise

    def _call(self, method: str, path: str, **more: Any) -> JsonObject:
        return _json(self._answered(method, path, **more))

    def _answered(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | list[str]] | None = None,
        body: JsonObject | None = None,
        is_search: bool = False,
    ) -> httpx.Response:
        if is_search:
            self._searches.wait()
        self._calls.wait()
        headers = {"Authorization": self._token.bearer()}
        try:
            response = self._http.request(method, path, params=params, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, SYSTEM, "HubSpot") from None
        if response.is_success:
            return response
        refusal = self._error(response)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self._pause(refusal.retry_after, is_search)
        raise refusal

    def _pause(self, wait: timedelta | None, is_search: bool) -> None:
        """Hold our other threads back too; each refused call counts against the account.

        HubSpot limits searches on their own, so a refused search says nothing of other calls.
        """
        if wait is not None:
            (self._searches if is_search else self._calls).pause(min(wait, _MAX_PAUSE))

    def _error(self, response: httpx.Response) -> GatewayError:
        """HubSpot's refusal as a GatewayError: the only place that gives an answer its kind."""
        body = json_object(response) or {}
        status, category = response.status_code, str(body.get("category", ""))
        message = f"{_message(body, response)} (HTTP {status})"
        if status == 401:
            return errors.credentials(SYSTEM, "credentials_refused", message)
        if status == 403:
            scopes = ", ".join(_context(body, "requiredGranularScopes", "requiredScopes"))
            return errors.business(SYSTEM, "access_denied", message, field="scopes", value=scopes)
        if status == 404:
            return errors.business(SYSTEM, "not_found", message)
        if status == 409:
            return errors.business(SYSTEM, "already_exists", message)
        if status == 429:
            return errors.transient(SYSTEM, "rate_limited", message, _limit_retry(response, body))
        if status == 423:
            locked = retry_after(response) or _LOCKED_RETRY
            return errors.transient(SYSTEM, "locked", message, locked)
        if status >= 500 or status in (408, 477):  # 477: the account is moving between regions
            # HubSpot answers 502 to 504 and Cloudflare 520 to 524 for work that may have finished.
            wait = retry_after(response)
            return errors.transient(SYSTEM, "unavailable", message, wait, maybe_done=True)
        if status == 400:
            names = _properties_at_fault(body)
            first = names[0] if names else ""
            return errors.business(
                SYSTEM, "crm_refused", message, field=first, value=", ".join(names)
            )
        return _unexpected(f"{message} {category}".strip())


def _limit_retry(response: httpx.Response, body: JsonObject) -> timedelta:
    stated = retry_after(response)
    if stated is not None:
        return stated
    return _POLICY_RETRIES.get(str(body.get("policyName", "")), _LIMIT_RETRY)


def _association(item: JsonObject) -> tuple[str, frozenset[str]]:
    labels = (str(kind.get("label") or "").lower() for kind in item["associationTypes"])
    return str(item["toObjectId"]), frozenset(label for label in labels if label)


def _json(response: httpx.Response) -> JsonObject:
    answer = json_object(response)
    if answer is None:
        shown = response.text[:_SHOWN_CHARACTERS]
        raise _unexpected(f"an answer that is no JSON object: {shown}")
    return answer


def _results(answer: JsonObject) -> list[JsonObject]:
    results = answer.get("results")
    if not isinstance(results, list):
        raise _unexpected(f"an answer without results: {json.dumps(answer)[:_SHOWN_CHARACTERS]}")
    return results


def _after(result: JsonObject) -> str | None:
    """Where the next page starts, of an answer or of one result in it; None on the last one."""
    paging = result.get("paging") or {}
    after = (paging.get("next") or {}).get("after")
    return str(after) if after else None


def _message(body: JsonObject, response: httpx.Response) -> str:
    text = str(body.get("message") or response.text or response.reason_phrase)
    correlation = body.get("correlationId")
    shown = text[:_SHOWN_CHARACTERS]
    # The correlation id is what HubSpot's support asks for first.
    return f"{shown} [correlation id {correlation}]" if correlation else shown


def _context(body: JsonObject, *names: str) -> list[str]:
    """The values HubSpot gives under those names in the `context` of the error's details."""
    details = [body, *(item for item in body.get("errors") or [] if isinstance(item, dict))]
    values = []
    for detail in details:
        context = detail.get("context") or {}
        for name in names:
            values += [str(value) for value in context.get(name) or []]
    return list(dict.fromkeys(values))


def _properties_at_fault(body: JsonObject) -> list[str]:
    """The properties a 400 complains of: in the context of newer answers, inside the text of
    older ones ('Property values were not valid: [{... "name":"c2c_stage" ...}]')."""
    named = _context(body, "propertyName")
    return named or list(dict.fromkeys(_PROPERTY_NAME.findall(str(body.get("message", "")))))


def _refuse_errors(answer: JsonObject, expected: Callable[[JsonObject], bool]) -> None:
    """Raise for errors inside a 207 beyond the expected ones: half an answer is no answer."""
    for error in answer.get("errors") or []:
        if not expected(error):
            text = json.dumps(error, sort_keys=True)[:_SHOWN_CHARACTERS]
            raise errors.business(SYSTEM, "crm_refused", text)


def _unexpected(message: str) -> GatewayError:
    return errors.defect(SYSTEM, "unexpected_answer", message)
