"""HubSpot's CRM API of dated versions: calls and limits.

Knows paths and answers, not what a contract is; `gateways.crm.hubspot.crm` does. Written from
HubSpot's documentation and its official client, and not yet run against a live account.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.model import JsonObject
from gateways.crm.hubspot.errors import SHOWN_CHARACTERS, Refusals
from gateways.errors import GatewayError
from gateways.http import date_of, expected_object, unanswered
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

_NO_ASSOCIATIONS = "crm.associations.NO_ASSOCIATIONS_FOUND"


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

    `system` is the name it is configured under. The token is revealed anew for each call, so that
    a rotated one takes effect at once.
    """

    def __init__(
        self,
        http: httpx.Client,
        token: Secret,
        *,
        system: str = SYSTEM,
        version: str = DEFAULT_VERSION,
        calls_per_second: float = CALLS_PER_SECOND,
        searches_per_second: float = SEARCHES_PER_SECOND,
    ) -> None:
        self._http = http
        self._token = token
        self._system, self._version = system, version
        self._refusals = Refusals(system)
        self._calls = Throttle(calls_per_second, system=system)
        self._searches = Throttle(searches_per_second, system=system)

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._http.close()

    def properties_of(
        self, object_type: str, record_ids: Iterable[str], properties: Sequence[str]
    ) -> dict[str, JsonObject]:
        """The properties of those records that exist, by their ids."""
        ids = list(dict.fromkeys(record_ids))
        found = self.read_many(object_type, ids, properties)
        return {str(record["id"]): record["properties"] for record in found}

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
            self._refusals.raise_for_others(
                answer, lambda error: error.get("category") == "OBJECT_NOT_FOUND"
            )
            found += map(self._record, self._results(answer))
        return found

    def update_many(
        self, object_type: str, values: Mapping[str, Mapping[str, str]]
    ) -> dict[str, GatewayError]:
        """Set properties of up to MAX_BATCH records, by their ids. Returns why HubSpot refused some
        of them; it changed all others.

        HubSpot answers for each record by itself, wherever it can. It refuses a whole call because
        of one that it may not name: that is raised.
        """
        path = self._path("objects", object_type, "batch", "update")
        inputs = [
            # With a trace id HubSpot answers for each record by itself, wherever it can.
            {"id": record_id, "objectWriteTraceId": record_id, "properties": dict(properties)}
            for record_id, properties in values.items()
        ]
        answer = self._call("POST", path, body={"inputs": inputs})
        return self._refusals.of_records(answer, self._results(answer), list(values))

    def associated(
        self, from_type: str, record_ids: Sequence[str], to_type: str
    ) -> dict[str, list[Associated]]:
        """By each of those records: the records of a type that it is associated with."""
        path = self._path("associations", from_type, to_type, "batch", "read")
        found: dict[str, list[Associated]] = {record_id: [] for record_id in record_ids}
        wanted = [{"id": record_id} for record_id in found]
        for _ in range(_MAX_PAGES):
            if not wanted:
                return found
            asked, wanted = wanted[:MAX_BATCH], wanted[MAX_BATCH:]
            answer = self._call("POST", path, body={"inputs": asked})
            self._refusals.raise_for_others(
                answer, lambda error: error.get("subCategory") == _NO_ASSOCIATIONS
            )
            for result in self._results(answer):
                record_id = str(result["from"]["id"])
                found[record_id] += [_association(item) for item in result["to"]]
                if after := _after(result):
                    wanted.append({"id": record_id, "after": after})
        raise self._refusals.unexpected(f"more than {_MAX_PAGES} pages of {to_type} of {from_type}")

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
        answer = self._json(response)
        records = [self._record(item) for item in self._results(answer)]
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
                if "id" not in owner:
                    raise self._refusals.unexpected(f"an owner without an id: {sorted(owner)}")
                return owner.get("email") or None
        return None

    def properties(self, object_type: str) -> dict[str, str]:
        """The account's properties of an object type: name to type."""
        answer = self._call("GET", self._path("properties", object_type), params={})
        return {item["name"]: item["type"] for item in self._results(answer)}

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
        return self._json(self._answered(method, path, **more))

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
            raise unanswered(error, self._system, "HubSpot") from None
        if response.is_success:
            return response
        refusal = self._refusals.of_answer(response)
        # HubSpot limits searches on their own, so a refused search says nothing of other calls.
        (self._searches if is_search else self._calls).heed(refusal)
        raise refusal

    def _json(self, response: httpx.Response) -> JsonObject:
        return expected_object(response, self._refusals.unexpected)

    def _record(self, answer: Any) -> JsonObject:
        """A record, once it is known to be one."""
        is_record = isinstance(answer, dict) and "id" in answer
        if not is_record or not isinstance(answer.get("properties"), dict):
            shown = json.dumps(answer)[:SHOWN_CHARACTERS]
            raise self._refusals.unexpected(f"a record without its properties: {shown}")
        return dict(answer)

    def _results(self, answer: JsonObject) -> list[JsonObject]:
        results = answer.get("results")
        if not isinstance(results, list):
            shown = json.dumps(answer)[:SHOWN_CHARACTERS]
            raise self._refusals.unexpected(f"an answer without results: {shown}")
        return results


def _association(item: JsonObject) -> Associated:
    kinds = item["associationTypes"]
    own = (kind["typeId"] for kind in kinds if kind.get("category") == "HUBSPOT_DEFINED")
    labels = (str(kind.get("label") or "").lower() for kind in kinds)
    return Associated(str(item["toObjectId"]), frozenset(own), frozenset(filter(None, labels)))


def _after(result: JsonObject) -> str | None:
    """Where the next page starts, of an answer or of one result in it; None on the last one."""
    paging = result.get("paging") or {}
    after = (paging.get("next") or {}).get("after")
    return str(after) if after else None
