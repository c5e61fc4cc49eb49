"""HubSpot's CRM API of dated versions: calls, limits, and the one mapping of errors.

Knows paths and answers, not what a contract is; `gateways.crm.hubspot.crm` does. Written from
HubSpot's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways import errors
from gateways.errors import FailureKind, GatewayError
from gateways.http import date_of, json_object, retry_after, unanswered
from gateways.secrets import Secret
from gateways.throttle import Throttle

SYSTEM = "hubspot"
DEFAULT_URL = "https://api.hubapi.com"
DEFAULT_VERSION = "2026-03"
"""Of the API, in every path. HubSpot ends the numbered ones, v1 to v4, in 2027."""

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

_UNKNOWN_PROPERTY = "PROPERTY_DOESNT_EXIST"
_OF_THE_ACCOUNT = frozenset({"access_denied", "crm_property_unknown"})
"""Refusals that have nothing to do with single records."""

_NO_ASSOCIATIONS = "crm.associations.NO_ASSOCIATIONS_FOUND"
_LOCKED_RETRY = timedelta(seconds=2)  # HubSpot asks for at least two seconds after a 423
_POLICY_RETRIES = {"SECONDLY": timedelta(seconds=1), "DAILY": timedelta(hours=1)}
_LIMIT_RETRY = timedelta(seconds=10)
"""By the limit that refused a call; most are counted in ten seconds."""
_MAX_PAUSE = timedelta(minutes=1)
"""Longer and a raised daily limit would go unnoticed; the engine waits out the rest."""

_PROPERTY_NAME = re.compile(r'"name"\s*:\s*"([^"]+)"|[Rr]equired property "?\'?(\w+)')
_NAMES_PROPERTIES = ("propertyName", "propertyNames", "properties", "requiredProperties")
_SHOWN_CHARACTERS = 500


class Associated(NamedTuple):
    """A record that another one is associated with, by HubSpot's own types (their ids) and by the
    labels of the association, in lower case."""

    id: str
    types: frozenset[int]
    labels: frozenset[str]


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
        version: str = DEFAULT_VERSION,
        calls_per_second: float = CALLS_PER_SECOND,
        searches_per_second: float = SEARCHES_PER_SECOND,
    ) -> None:
        self._http = http
        self._token = token
        self._version = version
        self._calls = Throttle(calls_per_second, system=SYSTEM)
        self._searches = Throttle(searches_per_second, system=SYSTEM)

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._http.close()

    def read(self, object_type: str, record_id: str, properties: Sequence[str]) -> JsonObject:
        """One record's `id` and `properties`. Raises GatewayError, `not_found` among others."""
        path = self._path("objects", object_type, record_id)
        return self._call("GET", path, params={"properties": ",".join(properties)})

    def read_many(
        self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]
    ) -> list[JsonObject]:
        """The records of those ids that exist, in no particular order."""
        path = self._path("objects", object_type, "batch", "read")
        found: list[JsonObject] = []
        for start in range(0, len(record_ids), MAX_BATCH):
            ids = record_ids[start : start + MAX_BATCH]
            body = {
                "inputs": [{"id": record_id} for record_id in ids],
                "properties": list(properties),
                "propertiesWithHistory": [],
            }
            answer = self._call("POST", path, body=body)
            _refuse_errors(answer, lambda error: error.get("category") == "OBJECT_NOT_FOUND")
            found += _results(answer)
        return found

    def update_many(
        self, object_type: str, values: Mapping[str, Mapping[str, str]]
    ) -> dict[str, GatewayError]:
        """Set properties of up to MAX_BATCH records, by their ids. Returns why HubSpot refused some
        of them; it changed all others.

        HubSpot answers for each record by itself, or refuses the whole call because of one that it
        may not name. Then the two halves are sent, until it is found.
        """
        path = self._path("objects", object_type, "batch", "update")
        inputs = [
            # With a trace id HubSpot answers for each record by itself, wherever it can.
            {"id": record_id, "objectWriteTraceId": record_id, "properties": dict(properties)}
            for record_id, properties in values.items()
        ]
        try:
            answer = self._call("POST", path, body={"inputs": inputs})
        except GatewayError as error:
            if error.kind is not FailureKind.BUSINESS or error.code in _OF_THE_ACCOUNT:
                raise
            ids = list(values)
            if len(ids) == 1:
                return {ids[0]: error}
            half = len(ids) // 2
            refused: dict[str, GatewayError] = {}
            for part in (ids[:half], ids[half:]):
                refused |= self.update_many(object_type, {key: values[key] for key in part})
            return refused
        return _refused_records(answer, list(values))

    def associated(self, from_type: str, record_id: str, to_type: str) -> list[Associated]:
        """The records that one record is associated with."""
        path = self._path("associations", from_type, to_type, "batch", "read")
        found: list[Associated] = []
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
        path = self._path("objects", object_type, "search")
        response = self._answered("POST", path, body=body, is_search=True)
        answer = _json(response)
        records = _results(answer)
        more = records and _after(answer) is not None
        return SearchPage(records, str(records[-1]["id"]) if more else "", date_of(response))

    def owner_email(self, owner_id: str) -> str | None:
        """The e-mail address of an owner, also one who has left; None if there is none."""
        path = self._path("owners", owner_id)
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
        answer = self._call("GET", self._path("properties", object_type), params={})
        return {item["name"]: item["type"] for item in _results(answer)}

    def create_property(self, object_type: str, definition: JsonObject) -> None:
        """Create a property; one of that name that is there already is left as it is."""
        try:
            self._call("POST", self._path("properties", object_type), body=definition)
        except GatewayError as error:
            if error.code != "already_exists":
                raise

    def _path(self, api: str, *parts: str) -> str:
        """Parts are quoted, so that an id adds no part of its own."""
        return "/".join((f"/crm/{api}/{self._version}", *(quote(part, safe="") for part in parts)))

    def _call(self, method: str, path: str, **more: Any) -> JsonObject:
        return _json(self._answered(method, path, **more))

    def _answered(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
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
            return _values_refused(body, message)
        return _unexpected(f"{message} {category}".strip())


def _limit_retry(response: httpx.Response, body: JsonObject) -> timedelta:
    stated = retry_after(response)
    if stated is not None:
        return stated
    return _POLICY_RETRIES.get(str(body.get("policyName", "")), _LIMIT_RETRY)


def _association(item: JsonObject) -> Associated:
    kinds = item["associationTypes"]
    own = (kind["typeId"] for kind in kinds if kind.get("category") == "HUBSPOT_DEFINED")
    labels = (str(kind.get("label") or "").lower() for kind in kinds)
    return Associated(str(item["toObjectId"]), frozenset(own), frozenset(filter(None, labels)))


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
    values: list[str] = []
    for detail in details:
        stated = detail.get("context")
        context = stated if isinstance(stated, dict) else {}
        for name in names:
            found = context.get(name) or []
            values += map(str, found if isinstance(found, list) else [found])
    return list(dict.fromkeys(values))


def _values_refused(body: JsonObject, message: str) -> GatewayError:
    """HubSpot's refusal of values, also for a property that a rule of the account requires."""
    names = _properties_at_fault(body)
    is_unknown = _UNKNOWN_PROPERTY in json.dumps(body)
    return errors.business(
        SYSTEM,
        "crm_property_unknown" if is_unknown else "crm_refused",
        message,
        field=names[0] if names else "",
        value=", ".join(names),
    )


def _properties_at_fault(body: JsonObject) -> list[str]:
    """The properties a 400 complains of: in the context of newer answers, inside the text of
    older ones ('Property values were not valid: [{... "name":"c2c_stage" ...}]')."""
    if named := _context(body, *_NAMES_PROPERTIES):
        return named
    texts = [body, *(item for item in body.get("errors") or [] if isinstance(item, dict))]
    found = [_PROPERTY_NAME.findall(str(item.get("message", ""))) for item in texts]
    return list(dict.fromkeys(first or second for pairs in found for first, second in pairs))


def _refused_records(answer: JsonObject, ids: Sequence[str]) -> dict[str, GatewayError]:
    """Why each record is refused that is not among the results of a batch."""
    written = {str(record.get("id")) for record in _results(answer)}
    named: dict[str, JsonObject] = {}
    unnamed: list[JsonObject] = []
    for item in answer.get("errors") or []:
        about = _context(item, "ids", "id", "objectWriteTraceId")
        named |= dict.fromkeys(about, item)
        unnamed += [] if about else [item]
    refused = [record_id for record_id in ids if record_id not in written]
    if any(record_id not in named for record_id in refused) and not unnamed:
        raise _unexpected("an answer to a batch that lacks some of its records")
    return {record_id: _record_error(named.get(record_id) or unnamed[0]) for record_id in refused}


def _record_error(item: JsonObject) -> GatewayError:
    """An error inside a batch's answer: by its category, as there is no status for each record."""
    category = str(item.get("category", ""))
    message = f"{str(item.get('message') or category)[:_SHOWN_CHARACTERS]} ({category})"
    if category == "OBJECT_NOT_FOUND":
        return errors.business(SYSTEM, "not_found", message)
    if category in ("RATE_LIMITS", "RATE_LIMIT"):
        return errors.transient(SYSTEM, "rate_limited", message, _LIMIT_RETRY)
    if category in ("INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"):
        return errors.transient(SYSTEM, "unavailable", message, maybe_done=True)
    return _values_refused(item, message)


def _refuse_errors(answer: JsonObject, expected: Callable[[JsonObject], bool]) -> None:
    """Raise for errors inside a 207 beyond the expected ones: half an answer is no answer."""
    for error in answer.get("errors") or []:
        if not expected(error):
            text = json.dumps(error, sort_keys=True)[:_SHOWN_CHARACTERS]
            raise errors.business(SYSTEM, "crm_refused", text)


def _unexpected(message: str) -> GatewayError:
    return errors.defect(SYSTEM, "unexpected_answer", message)
