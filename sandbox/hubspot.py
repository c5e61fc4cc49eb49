"""A small stand-in for HubSpot's CRM API of dated versions: the calls `gateways.crm` makes, and
the single update of a script.

It keeps its records in SQLite, so that a demo survives a restart. The shapes of its answers and
errors follow HubSpot's documentation and what HubSpot's official client can read
(tests/unit/test_crm_hubspot.py drives it with that client); it has not been held against a live
account. What HubSpot computes is computed here too: whether a deal is won, a line item's amount,
and when a record was last modified.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = dict[str, Any]
Properties = Mapping[str, str | None]

VERSIONS = ("2026-03", "2026-09")
_HAS_RULES = "2026-09"
"""From this version on the account's rules about required properties count for the API as well."""
MAX_BATCH = 100
MAX_PAGE = 200
MAX_RESULTS = 10_000
_ASSOCIATION_PAGE = 500
_LAST_ID = 1000
_WON_STAGE = "closedwon"

# Object type to its standard properties and their types, as far as contracts use them.
_STANDARD: dict[str, dict[str, str]] = {
    "deals": {
        "dealname": "string",
        "dealstage": "enumeration",
        "pipeline": "enumeration",
        "amount": "number",
        "deal_currency_code": "enumeration",
        "closedate": "datetime",
        "hubspot_owner_id": "enumeration",
        "hs_is_closed_won": "bool",
    },
    "companies": {
        "name": "string",
        "domain": "string",
        "country": "string",
        "hs_country_code": "string",
        "address": "string",
        "city": "string",
        "zip": "string",
    },
    "contacts": {"email": "string", "firstname": "string", "lastname": "string"},
    "line_items": {
        "name": "string",
        "hs_sku": "string",
        "quantity": "number",
        "price": "number",
        "discount": "number",
        "hs_discount_percentage": "number",
        "amount": "number",
        "hs_position_on_quote": "number",
        "recurringbillingfrequency": "enumeration",
        "hs_recurring_billing_start_date": "date",
        "hs_recurring_billing_period": "string",
        "hs_billing_start_delay_days": "number",
        "hs_billing_start_delay_months": "number",
    },
}
_TYPE_IDS = {"0-3": "deals"}
"""The official client names some types by their ids."""
_OF_EVERY_TYPE = {"createdate": "datetime", "hs_object_id": "number"}
_READ_ONLY = {"hs_is_closed_won", "hs_object_id", "createdate", "hs_lastmodifieddate"}
# Association type ids of HubSpot's own, by the type a deal is associated with; a custom label
# gets an id of the account.
_DEFAULT_TYPE_IDS = {"companies": 341, "contacts": 3, "line_items": 19}
_PRIMARY_TYPE_ID = 5
_LABEL_TYPE_ID = 101
_PARENT_TYPE_ID = 14

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, properties TEXT NOT NULL,
    created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS association (
    from_id INTEGER NOT NULL, to_type TEXT NOT NULL, to_id INTEGER NOT NULL,
    kinds TEXT NOT NULL, PRIMARY KEY (from_id, to_id)
);
CREATE TABLE IF NOT EXISTS property (
    type TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL, PRIMARY KEY (type, name)
);
CREATE TABLE IF NOT EXISTS required (
    type TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (type, name)
);
CREATE TABLE IF NOT EXISTS owner (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
"""


class HubSpotError(Exception):
    """An error as HubSpot answers it."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid.uuid4()),
            "category": category,
            **more,
        }


@dataclass(frozen=True)
class Record:
    """A stored object. Times are milliseconds since 1970, UTC."""

    id: int
    type: str
    properties: dict[str, str]
    created_ms: int
    modified_ms: int

    @property
    def every_property(self) -> dict[str, str]:
        """Those stored and those computed."""
        computed = {
            "hs_object_id": str(self.id),
            "createdate": _iso(self.created_ms),
            _modified_name(self.type): _iso(self.modified_ms),
        }
        if self.type == "deals":
            won = self.properties.get("dealstage") == _WON_STAGE
            computed["hs_is_closed_won"] = "true" if won else "false"
        if self.type == "line_items" and "amount" not in self.properties:
            computed |= _line_amount(self.properties)
        return {**self.properties, **computed}

    def answer(self, names: Collection[str]) -> Json:
        """As HubSpot returns it: the properties asked for and three it always adds. One that is
        unknown is left out; one that is known and empty is null."""
        every = self.every_property
        always = ("hs_object_id", "createdate", _modified_name(self.type))
        return {
            "id": str(self.id),
            "properties": {name: every.get(name) for name in dict.fromkeys([*names, *always])},
            "createdAt": _iso(self.created_ms),
            "updatedAt": _iso(self.modified_ms),
            "archived": False,
        }


class HubSpotStore:
    """The account: records, associations, property definitions and owners. Thread-safe.

    `path` is an SQLite file, made if need be, or ":memory:". `now` is the clock.
    """

    def __init__(
        self, path: str | Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._now = now
        self._lock = RLock()
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        with self._lock:
            self._db.executescript(_SCHEMA)
            if not self._db.execute("SELECT 1 FROM sqlite_sequence").fetchone():
                # Ids of some length, which nobody takes for a position or a count.
                self._db.execute("INSERT INTO sqlite_sequence VALUES ('record', ?)", [_LAST_ID])
            for kind, standard in _STANDARD.items():
                every = {**standard, **_OF_EVERY_TYPE, _modified_name(kind): "datetime"}
                for name, type_ in every.items():
                    self._define(kind, _standard_definition(name, type_))

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def add_deal(
        self,
        *,
        name: str,
        amount: str | None,
        currency: str | None = "EUR",
        closed_at: str | None = None,
        won: bool = True,
        company: Properties | None = None,
        parent: Properties | None = None,
        contacts: Sequence[Properties] = (),
        line_items: Sequence[Properties] = (),
        owner_email: str | None = None,
        **properties: str | None,
    ) -> str:
        """Seed a deal with what hangs on it, and return its id.

        `parent` is the company's parent. A contact's extra key `label` is the label of its
        association. `closed_at` is an ISO time; now if not given. Custom properties that the
        account lacks are refused as HubSpot does.
        """
        deal = {
            "dealname": name,
            "amount": amount,
            "deal_currency_code": currency,
            "closedate": closed_at or _iso(self._now_ms()),
            "dealstage": _WON_STAGE if won else "contractsent",
            "pipeline": "default",
            "hubspot_owner_id": self.add_owner(owner_email) if owner_email else None,
            **properties,
        }
        with self._lock:
            deal_id = self.add("deals", deal)
            if company is not None:
                company_id = self.add("companies", company)
                primary = _hubspots_own(_PRIMARY_TYPE_ID, "Deal with Primary Company")
                self._associate(deal_id, "companies", company_id, primary, _plain("companies"))
                if parent is not None:
                    above = _hubspots_own(_PARENT_TYPE_ID, "Parent Company")
                    parent_id = self.add("companies", parent)
                    self._associate(company_id, "companies", parent_id, above)
            for contact in contacts:
                label = contact.get("label")
                values = {key: value for key, value in contact.items() if key != "label"}
                custom = {"category": "USER_DEFINED", "typeId": _LABEL_TYPE_ID, "label": label}
                kinds = [*([custom] if label else []), _plain("contacts")]
                self._associate(deal_id, "contacts", self.add("contacts", values), *kinds)
            for item in line_items:
                line_id = self.add("line_items", item)
                self._associate(deal_id, "line_items", line_id, _plain("line_items"))
        return deal_id

    def add(self, kind: str, properties: Properties) -> str:
        """Create a record and return its id. Raises HubSpotError for an unknown property."""
        values = {key: value for key, value in properties.items() if value is not None}
        with self._lock:
            self.check_writable(kind, values)
            now = self._now_ms()
            cursor = self._db.execute(
                "INSERT INTO record (type, properties, created_ms, modified_ms)"
                " VALUES (?, ?, ?, ?)",
                [kind, json.dumps(values), now, now],
            )
        return str(cursor.lastrowid)

    def add_owner(self, email: str) -> str:
        """The id of the owner with this address, created if need be."""
        with self._lock:
            found = self._db.execute("SELECT id FROM owner WHERE email = ?", [email]).fetchone()
            if found:
                return str(found[0])
            return str(self._db.execute("INSERT INTO owner (email) VALUES (?)", [email]).lastrowid)

    def owner_email(self, owner_id: str) -> str | None:
        with self._lock:
            query = "SELECT email FROM owner WHERE CAST(id AS TEXT) = ?"
            found = self._db.execute(query, [owner_id]).fetchone()
        return found[0] if found else None

    def get(self, kind: str, record_id: str) -> Record | None:
        with self._lock:
            row = self._db.execute(
                "SELECT id, type, properties, created_ms, modified_ms FROM record"
                " WHERE type = ? AND CAST(id AS TEXT) = ?",
                [kind, record_id],
            ).fetchone()
        return _record(row) if row else None

    def all(self, kind: str) -> list[Record]:
        with self._lock:
            rows = self._db.execute(
                "SELECT id, type, properties, created_ms, modified_ms FROM record WHERE type = ?",
                [kind],
            ).fetchall()
        return [_record(row) for row in rows]

    def update(
        self, kind: str, record_id: str, properties: Properties, *, rules: bool = False
    ) -> Record | None:
        """Set properties; an empty text clears one. None if there is no such record.

        Raises HubSpotError for a property that is unknown or read-only and, where `rules` are
        enforced, for one that the record lacks.
        """
        with self._lock:
            self.check_writable(kind, properties)
            record = self.get(kind, record_id)
            if record is None:
                return None
            merged = {**record.properties, **properties}
            if rules:
                self._check_required(kind, merged)
            values = json.dumps({key: value for key, value in merged.items() if value})
            # Strictly later, so that a change never hides behind an equal time.
            moment = max(self._now_ms(), record.modified_ms + 1)
            self._db.execute(
                "UPDATE record SET properties = ?, modified_ms = ? WHERE id = ?",
                [values, moment, record.id],
            )
            return self.get(kind, record_id)

    def require(self, kind: str, name: str) -> None:
        """A rule of the account: a record needs this property to be written."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO required VALUES (?, ?)", [kind, name])

    def _check_required(self, kind: str, values: Properties) -> None:
        """Raise HubSpotError where a record would lack what a rule of the account requires."""
        rules = self._db.execute("SELECT name FROM required WHERE type = ?", [kind])
        missing = [name for (name,) in rules if not values.get(name)]
        if missing:
            details = [
                {
                    "message": f"Required property '{name}' is missing",
                    "code": "MISSING_REQUIRED_PROPERTY",
                    "context": {"propertyName": [name]},
                }
                for name in missing
            ]
            text = f"Some required properties were not set: {missing}"
            raise HubSpotError(400, "VALIDATION_ERROR", text, errors=details)

    def check_writable(self, kind: str, names: Iterable[str]) -> None:
        """Raise HubSpotError for properties that are unknown or read-only."""
        known = self.definitions(kind)
        problems = []
        for name in names:
            if name not in known:
                problems.append(_invalid(name, "PROPERTY_DOESNT_EXIST", "does not exist"))
            elif name in _READ_ONLY:
                problems.append(_invalid(name, "READ_ONLY_VALUE", "is a read only property"))
        if problems:
            details = [
                {
                    "message": item["message"],
                    "code": item["error"],
                    "context": {"propertyName": [item["name"]]},
                }
                for item in problems
            ]
            text = f"Property values were not valid: {json.dumps(problems, separators=(',', ':'))}"
            raise HubSpotError(400, "VALIDATION_ERROR", text, errors=details)

    def delete(self, kind: str, record_id: str) -> None:
        with self._lock:
            query = "DELETE FROM record WHERE type = ? AND CAST(id AS TEXT) = ?"
            self._db.execute(query, [kind, record_id])
            self._db.execute("DELETE FROM association WHERE CAST(to_id AS TEXT) = ?", [record_id])

    def associated(self, record_id: str, to_type: str, after: int, limit: int) -> list[Json]:
        """Associations beyond the id `after`, by ascending id."""
        with self._lock:
            rows = self._db.execute(
                "SELECT to_id, kinds FROM association WHERE CAST(from_id AS TEXT) = ?"
                " AND to_type = ? AND to_id > ? ORDER BY to_id LIMIT ?",
                [record_id, to_type, after, limit],
            ).fetchall()
        return [{"toObjectId": row[0], "associationTypes": json.loads(row[1])} for row in rows]

    def definitions(self, kind: str) -> dict[str, Json]:
        """Property definitions by name."""
        with self._lock:
            query = "SELECT name, definition FROM property WHERE type = ?"
            return {name: json.loads(text) for name, text in self._db.execute(query, [kind])}

    def define(self, kind: str, definition: Json) -> bool:
        """Add a property; False if one of that name is there."""
        with self._lock:
            return self._define(kind, definition)

    def _define(self, kind: str, definition: Json) -> bool:
        row = [kind, definition["name"], json.dumps(definition)]
        cursor = self._db.execute("INSERT OR IGNORE INTO property VALUES (?, ?, ?)", row)
        return cursor.rowcount == 1

    def _associate(self, from_id: str, to_type: str, to_id: str, *kinds: Json) -> None:
        row = [int(from_id), to_type, int(to_id), json.dumps(kinds)]
        self._db.execute("INSERT INTO association VALUES (?, ?, ?, ?)", row)

    def _now_ms(self) -> int:
        return (self._now() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@dataclass
class _SearchLimit:
    """HubSpot's limit on searches: so many in any second; none at zero."""

    per_second: int
    starts: deque[float] = field(default_factory=deque)
    lock: Lock = field(default_factory=Lock)

    def take(self) -> None:
        if not self.per_second:
            return
        with self.lock:
            now = time.monotonic()
            while self.starts and now - self.starts[0] >= 1:
                self.starts.popleft()
            if len(self.starts) >= self.per_second:
                raise HubSpotError(
                    429,
                    "RATE_LIMITS",
                    "You have reached your secondly limit.",
                    errorType="RATE_LIMIT",
                    policyName="SECONDLY",
                )
            self.starts.append(now)


def hubspot_app(store: HubSpotStore, *, token: str, searches_per_second: int = 0) -> Starlette:
    """The API over a store, to be served at the root of a host or mounted below a path.

    Every call needs the token as a Bearer. `searches_per_second` above zero refuses further
    searches with 429, as HubSpot does at five.
    """
    limit = _SearchLimit(searches_per_second)

    def route(method: str, path: str, handle: Callable[[HubSpotStore, _Call], Json]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                if request.path_params["version"] not in VERSIONS:
                    raise HubSpotError(404, "NOT_FOUND", "resource not found")
                _authorise(request, token)
                if path.endswith("/search"):
                    limit.take()
                call = await _call_of(request)
                return _response(await run_in_threadpool(handle, store, call))
            except HubSpotError as error:
                return JSONResponse(error.body, status_code=error.status)

        return Route(path, endpoint, methods=[method])

    objects = "/crm/objects/{version}/{type}"
    associations = "/crm/associations/{version}/{type}/{to_type}/batch/read"
    properties = "/crm/properties/{version}/{type}"
    return Starlette(
        routes=[
            route("POST", f"{objects}/search", _search),
            route("POST", f"{objects}/batch/read", _batch_read),
            route("POST", f"{objects}/batch/update", _batch_update),
            route("GET", f"{objects}/{{id}}", _read),
            route("PATCH", f"{objects}/{{id}}", _update),
            route("POST", associations, _associations),
            route("GET", "/crm/owners/{version}/{id}", _owner),
            route("GET", properties, _properties),
            route("POST", properties, _create_property),
        ]
    )


@dataclass(frozen=True)
class _Call:
    """What a request asks: the names in its path, its query and its JSON body."""

    path: Mapping[str, str]
    query: list[tuple[str, str]]
    body: Json

    @property
    def has_rules(self) -> bool:
        return self.path["version"] >= _HAS_RULES

    @property
    def type(self) -> str:
        kind = _TYPE_IDS.get(self.path["type"], self.path["type"])
        if kind not in _STANDARD:
            text = f"Unable to infer object type from: {kind}"
            raise HubSpotError(400, "VALIDATION_ERROR", text)
        return kind

    @property
    def inputs(self) -> list[Json]:
        inputs = self.body.get("inputs")
        if not isinstance(inputs, list) or not inputs:
            raise HubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required")
        if len(inputs) > MAX_BATCH:
            text = f"Batch input size cannot exceed {MAX_BATCH}"
            raise HubSpotError(400, "VALIDATION_ERROR", text)
        ids = [str(item.get("id")) for item in inputs]
        if len(set(ids)) < len(ids):
            text = "Duplicate IDs found in batch input; IDs in the batch must be unique"
            raise HubSpotError(400, "VALIDATION_ERROR", text)
        return inputs


async def _call_of(request: Request) -> _Call:
    body: Any = {}
    if request.method in ("POST", "PATCH"):
        try:
            body = await request.json()
        except ValueError:
            body = None
    if not isinstance(body, dict):
        raise HubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON: an object is expected")
    return _Call(request.path_params, request.query_params.multi_items(), body)


def _authorise(request: Request, token: str) -> None:
    if request.headers.get("Authorization") != f"Bearer {token}":
        raise HubSpotError(
            401,
            "INVALID_AUTHENTICATION",
            "Authentication credentials not found. This API supports OAuth 2.0 authentication",
        )


def _response(answer: Json) -> Response:
    """With the status the answer's content asks for: 207 for a batch with errors."""
    status = 201 if answer.pop("created", False) else 207 if answer.get("errors") else 200
    return JSONResponse(answer, status_code=status)


def _read(store: HubSpotStore, call: _Call) -> Json:
    record = store.get(call.type, call.path["id"])
    if record is None:
        # HubSpot's words for it are no more telling.
        raise HubSpotError(404, "OBJECT_NOT_FOUND", "resource not found")
    asked = [name for key, value in call.query if key == "properties" for name in value.split(",")]
    return record.answer(_known(store, call.type, asked))


def _batch_read(store: HubSpotStore, call: _Call) -> Json:
    names = _known(store, call.type, call.body.get("properties") or [])
    found = {str(item["id"]): store.get(call.type, str(item["id"])) for item in call.inputs}
    results = [record.answer(names) for record in found.values() if record]
    return _batch(
        results, _missing(call.type, [key for key, record in found.items() if not record])
    )


def _batch_update(store: HubSpotStore, call: _Call) -> Json:
    """Each record by itself where all have a trace id, as HubSpot documents it; else what one is
    refused for refuses them all."""
    inputs = call.inputs
    each = _answers_each(inputs)
    for item in inputs:  # what no record may have refuses the call
        store.check_writable(call.type, item.get("properties") or {})
    results: list[Json] = []
    failed: list[Json] = []
    for item in inputs:
        key, properties = str(item["id"]), item.get("properties") or {}
        try:
            record = store.update(call.type, key, properties, rules=call.has_rules)
        except HubSpotError as error:
            if not each:
                raise
            trace = {"objectWriteTraceId": [item["objectWriteTraceId"]]}
            failed.append({**error.body, "context": trace})
            continue
        if record is None:
            failed += _missing(call.type, [key])
        else:
            trace_id = {"objectWriteTraceId": item["objectWriteTraceId"]} if each else {}
            results.append({**record.answer(list(properties)), **trace_id})
    return _batch(results, failed)


def _answers_each(inputs: Sequence[Json]) -> bool:
    return all(item.get("objectWriteTraceId") for item in inputs)


def _update(store: HubSpotStore, call: _Call) -> Json:
    properties = call.body.get("properties") or {}
    store.check_writable(call.type, properties)
    record = store.update(call.type, call.path["id"], properties, rules=call.has_rules)
    if record is None:
        raise HubSpotError(404, "OBJECT_NOT_FOUND", "resource not found")
    return record.answer(list(properties))


def _search(store: HubSpotStore, call: _Call) -> Json:
    limit, after = int(call.body.get("limit") or 10), int(call.body.get("after") or 0)
    if limit > MAX_PAGE:
        text = f"Invalid limit {limit}: the maximum is {MAX_PAGE}"
        raise HubSpotError(400, "VALIDATION_ERROR", text)
    if after + limit > MAX_RESULTS:
        text = f"The search endpoint returns at most {MAX_RESULTS} results"
        raise HubSpotError(400, "VALIDATION_ERROR", text)
    types = {name: item["type"] for name, item in store.definitions(call.type).items()}
    groups = [group["filters"] for group in call.body.get("filterGroups") or []]
    for name in (condition["propertyName"] for group in groups for condition in group):
        if name not in types:
            text = f"There was a problem with the request: property {name} does not exist"
            raise HubSpotError(400, "VALIDATION_ERROR", text)
    matches = [
        record
        for record in store.all(call.type)
        if not groups or any(all(_meets(record, f, types) for f in group) for group in groups)
    ]
    matches = _sorted(matches, call.body.get("sorts") or [], types)
    names = _known(store, call.type, call.body.get("properties") or [])
    page = matches[after : after + limit]
    answer: Json = {"total": len(matches), "results": [record.answer(names) for record in page]}
    if after + limit < len(matches):
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return answer


def _associations(store: HubSpotStore, call: _Call) -> Json:
    from_type, to_type = call.type, call.path["to_type"]
    results, errors = [], []
    for item in call.inputs:
        found = store.associated(
            str(item["id"]), to_type, int(item.get("after") or 0), _ASSOCIATION_PAGE + 1
        )
        if not found:
            errors.append(_no_associations(str(item["id"]), from_type, to_type))
            continue
        page = found[:_ASSOCIATION_PAGE]
        result: Json = {"from": {"id": str(item["id"])}, "to": page}
        if len(found) > len(page):
            result["paging"] = {"next": {"after": str(page[-1]["toObjectId"])}}
        results.append(result)
    return _batch(results, errors)


def _owner(store: HubSpotStore, call: _Call) -> Json:
    email = store.owner_email(call.path["id"])
    if email is None or ("archived", "true") in call.query:
        raise HubSpotError(404, "OBJECT_NOT_FOUND", f"Owner {call.path['id']} was not found")
    moment = _iso(0)
    return {
        "id": call.path["id"],
        "email": email,
        "type": "PERSON",
        "createdAt": moment,
        "updatedAt": moment,
        "archived": False,
    }


def _properties(store: HubSpotStore, call: _Call) -> Json:
    return {"results": list(store.definitions(call.type).values())}


def _create_property(store: HubSpotStore, call: _Call) -> Json:
    required = ("name", "label", "type", "fieldType", "groupName")
    missing = [name for name in required if not call.body.get(name)]
    if missing:
        text = f"Some required fields were not set: {missing}"
        raise HubSpotError(400, "VALIDATION_ERROR", text)
    definition = {"description": "", "options": [], **call.body}
    if not store.define(call.type, definition):
        name = call.body["name"]
        raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"Property named '{name}' already exists")
    return {**definition, "created": True}


def _batch(results: list[Json], errors: list[Json]) -> Json:
    now = _iso(time.time_ns() // 1_000_000)
    answer: Json = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    return {**answer, "numErrors": len(errors), "errors": errors} if errors else answer


def _missing(kind: str, ids: list[str]) -> list[Json]:
    if not ids:
        return []
    text = f"Could not get some {kind} objects, they may be deleted or not exist"
    return [_item_error(text, {"ids": ids})]


def _no_associations(record_id: str, from_type: str, to_type: str) -> Json:
    context = {
        "fromObjectId": [record_id],
        "fromObjectType": [from_type],
        "toObjectType": [to_type],
    }
    text = f"No {to_type} is associated with {from_type} {record_id}."
    return _item_error(text, context) | {
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
    }


def _item_error(message: str, context: Mapping[str, list[str]]) -> Json:
    """An error inside a batch's answer."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": message,
        "context": context,
        "errors": [],
        "links": {},
    }


def _known(store: HubSpotStore, kind: str, names: Iterable[str]) -> list[str]:
    """HubSpot ignores unknown properties in a read."""
    known = store.definitions(kind)
    return [name for name in names if name in known]


def _meets(record: Record, condition: Json, types: Mapping[str, str]) -> bool:
    name, operator = condition["propertyName"], condition["operator"]
    stored = record.every_property.get(name)
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return bool((stored is None) == (operator == "NOT_HAS_PROPERTY"))
    if stored is None:
        return False
    value = _comparable(stored, types[name])
    if operator == "IN":
        return value in [_comparable(item, types[name]) for item in condition["values"]]
    wanted = _comparable(str(condition["value"]), types[name])
    if operator == "EQ":
        return bool(value == wanted)
    if operator == "GT":
        return bool(value > wanted)
    if operator == "GTE":
        return bool(value >= wanted)
    if operator == "LT":
        return bool(value < wanted)
    if operator == "LTE":
        return bool(value <= wanted)
    raise HubSpotError(400, "VALIDATION_ERROR", f"Invalid operator {operator}")


def _sorted(records: list[Record], sorts: Sequence[Any], types: Mapping[str, str]) -> list[Record]:
    """By one property at most, as HubSpot allows; by age without one."""
    if len(sorts) > 1:
        raise HubSpotError(400, "VALIDATION_ERROR", "A search can have only one sort")
    if not sorts:
        return sorted(records, key=lambda record: record.id)
    # The official client sends a sort as a name, HubSpot's documentation as an object.
    sort = sorts[0] if isinstance(sorts[0], dict) else {"propertyName": sorts[0]}
    name = sort["propertyName"]
    zero = Decimal(0)

    def key(record: Record) -> tuple[bool, Any]:
        value = record.every_property.get(name)
        return value is not None, _comparable(value, types[name]) if value is not None else zero

    return sorted(records, key=key, reverse=sort.get("direction") == "DESCENDING")


def _comparable(text: str, type_: str) -> Any:
    """A value to compare by: a number, milliseconds, or the text in lower case."""
    if type_ == "datetime" and not text.isdigit():
        moment = datetime.fromisoformat(text)
        return Decimal((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))
    if type_ in ("number", "datetime"):
        try:
            return Decimal(text)
        except InvalidOperation:
            text = f"Invalid value {text!r} for a {type_}"
            raise HubSpotError(400, "VALIDATION_ERROR", text) from None
    return text.lower()


def _line_amount(properties: Mapping[str, str]) -> dict[str, str]:
    """HubSpot's net price of a line item; nothing without a price."""
    if not properties.get("price"):
        return {}
    price, quantity = Decimal(properties["price"]), Decimal(properties.get("quantity") or "1")
    percentage = Decimal(properties.get("hs_discount_percentage") or "0")
    off_each = Decimal(properties.get("discount") or "0") or price * percentage / 100
    return {"amount": f"{(price - off_each) * quantity:f}"}


def _hubspots_own(type_id: int, label: str | None) -> Json:
    return {"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": label}


def _plain(to_type: str) -> Json:
    """The association of a deal that has no label."""
    return _hubspots_own(_DEFAULT_TYPE_IDS[to_type], None)


def _invalid(name: str, error: str, what: str) -> Json:
    return {
        "isValid": False,
        "message": f'Property "{name}" {what}',
        "error": error,
        "name": name,
    }


def _standard_definition(name: str, type_: str) -> Json:
    return {
        "name": name,
        "label": name,
        "type": type_,
        "fieldType": "number" if type_ == "number" else "text",
        "groupName": "standard",
        "description": "",
        "options": [],
        "hubspotDefined": True,
    }


def _modified_name(kind: str) -> str:
    """Contacts call it by another name than all other objects."""
    return "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(row: Sequence[Any]) -> Record:
    return Record(row[0], row[1], json.loads(row[2]), row[3], row[4])
