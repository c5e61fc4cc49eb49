"""A stand-in for Dynamics 365 and for Entra: the calls `gateways.crm.dynamics` makes, and those of
Microsoft's own client that the tests drive it with.

Shapes of answers and errors follow Microsoft's documentation. It has not been held against a live
organisation.
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from threading import RLock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from odatapy.server.eval import evaluate_filter
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.standins.dataverse import (
    FORMATTED,
    MAX_PAGE,
    PRIVILEGES,
    Column,
    DataverseError,
    Json,
    Lookup,
    Row,
    Table,
    Tables,
    parser,
    table,
)

ROOT = "/api/data/v9.2/"
TENANT, CLIENT_ID, SECRET = "contoso.example", "11111111-2222-3333-4444-555555555555", "s3cr3t~x"
USER = "99999999-0000-0000-0000-000000000001"
TOKEN_SECONDS = 3_599
_NUMBER = re.compile(r'"\\u0000(-?[0-9.]+)\\u0000"')


class Failure(StrEnum):
    """What may become of a call instead of its answer; the last three do its work first."""

    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    FORBIDDEN = "forbidden"
    NOT_JSON = "not_json"
    NO_ROWS = "no_rows"
    HALF = "half"
    """The connection breaks off within the answer."""
    BATCH_SHORT = "batch_short"
    """The last part of a batch has no answer."""


@dataclass
class Reply:
    status: int = 204
    body: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    content_type: str = "application/json; odata.metadata=minimal"

    @property
    def raw(self) -> bytes:
        if self.body is None:
            return self.content
        # Decimals keep their digits: Dataverse writes money with ten of them.
        text = json.dumps(self.body, default=lambda value: f"\0{value:f}\0")
        return _NUMBER.sub(r"\1", text).encode()


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    """Behind the service's root, as it was sent."""
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def options(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.query).items()}


class Organisation:
    """An organisation of Dynamics 365, its application user, and its tenant in Entra. Thread-safe.

    Without `set_up` it is as it was bought. `now` is its clock.
    """

    def __init__(
        self,
        *,
        set_up: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.lock = RLock()
        self.now = now
        self.tables = Tables(now)
        self.secret = SECRET
        self.tokens: set[str] = set()
        self.tokens_given = 0
        self.requests: list[Received] = []
        self.failures: deque[Failure] = deque()
        self.row_failures: dict[str, DataverseError] = {}
        """By alternate key: what a write of this row comes to."""
        self.denied: set[str] = set()
        """Names of privileges that the application user lacks."""
        self.depths: dict[str, str] = {}
        """Of privileges that it has for a part of the organisation only."""
        self.key_state = "Active"
        """What the index of a new alternate key is."""
        self.tables.insert("organization", {"languagecode": 1033})
        if set_up:
            self.set_up()

    # What tests do to it

    def set_up(self) -> None:
        """The table, columns and key that docs/connectors/dynamics.md asks for, by hand."""
        texts = (
            "stage project waiting_on invoiced paid overdue next_invoice_on open_exceptions burn"
        )
        columns = " ".join(f"c2c_{name}:String" for name in (*texts.split(), "contract"))
        billing = table("c2c_billing", "c2c_billings", "c2c_billingid", columns)
        billing.keys["c2c_contract_key"] = (("c2c_contract",), "Active")
        self.tables.define(billing)
        link = Lookup("c2c_opportunity", "c2c_opportunity", "opportunity")
        self.tables.relate("c2c_opportunity_billings", "c2c_billing", link)
        for name, kind in (
            ("c2c_terms", "Memo"),
            ("c2c_starts_on", "DateOnly"),
            ("c2c_ends_on", "DateOnly"),
            ("c2c_payment_term", "String"),
            ("c2c_purchase_order", "String"),
        ):
            self.tables.define_column("opportunity", Column(name, kind, max_length=100_000))
        self.tables.define_column("account", Column("c2c_vat_number", "String"))
        for owner in ("opportunityproduct", "quotedetail"):
            self.tables.define_column(owner, Column("c2c_milestones", "Memo"))

    def add_deal(
        self,
        *,
        name: str = "Website",
        value: str | None = "10500.50",
        currency: str | None = "EUR",
        closed_on: str | None = "2026-01-10",
        won: bool = True,
        account: Row | None = None,
        contact: Row | None = None,
        owner: str | None = None,
        lines: Sequence[Row] = (),
        modified_at: datetime | None = None,
        **columns: Any,
    ) -> str:
        """A deal with what hangs on it. `account` may hold a `parent` and a `primary` contact, a
        line a `product` (its number); `contact` is the deal's own."""
        with self.lock:
            values: Row = {
                "name": name,
                "statecode": 1 if won else 0,
                "actualclosedate": closed_on,
                "totalamountlessfreight": value,
                **columns,
            }
            if currency:
                values |= self._link("transactioncurrencyid", "transactioncurrency", currency)
            if account is not None:
                values["customerid_account@odata.bind"] = f"/accounts({self.add_account(account)})"
            if contact is not None:
                key = self.tables.insert("contact", contact)
                values["parentcontactid@odata.bind"] = f"/contacts({key})"
            if owner:
                values |= self._link("owninguser", "systemuser", owner)
            deal = self.tables.insert("opportunity", values, modified_at=modified_at)
            for line in lines:
                self.add_line("opportunity", deal, line)
            return deal

    def add_account(self, values: Row) -> str:
        own = {name: value for name, value in values.items() if name not in ("parent", "primary")}
        if parent := values.get("parent"):
            key = self.add_account(parent)
            own["parentaccountid@odata.bind"] = f"/accounts({key})"
        if primary := values.get("primary"):
            key = self.tables.insert("contact", primary)
            own["primarycontactid@odata.bind"] = f"/contacts({key})"
        return self.tables.insert("account", own)

    def add_line(self, owner: str, key: str, line: Row) -> str:
        """A line of an opportunity or of a quote."""
        own = {name: value for name, value in line.items() if name != "product"}
        if number := line.get("product"):
            own |= self._link("productid", "product", number)
        parent, child = ("opportunities", "opportunityproduct")
        if owner == "quote":
            parent, child = ("quotes", "quotedetail")
        return self.tables.insert(child, own | {f"{owner}id@odata.bind": f"/{parent}({key})"})

    def add_quote(
        self, deal: str, *, won: bool, value: str, lines: Sequence[Row], currency: str = "EUR"
    ) -> str:
        values = {"statecode": 2 if won else 1, "totalamountlessfreight": value}
        link = {"opportunityid@odata.bind": f"/opportunities({deal})"}
        money = self._link("transactioncurrencyid", "transactioncurrency", currency)
        key = self.tables.insert("quote", values | link | money)
        for line in lines:
            self.add_line("quote", key, line)
        return key

    def connect(self, deal: str, email: str | None, role: str) -> None:
        """Make a contact a stakeholder of a deal, in a role."""
        contact = self.tables.insert("contact", {"emailaddress1": email})
        self.tables.insert(
            "connection",
            {
                "record1id_opportunity@odata.bind": f"/opportunities({deal})",
                "record2id_contact@odata.bind": f"/contacts({contact})",
                **self._link("record2roleid", "connectionrole", role),
            },
        )

    def change(self, key: str, **columns: Any) -> None:
        """Change a deal."""
        with self.lock:
            self.tables.update("opportunity", key, columns)

    def delete(self, key: str) -> None:
        """Delete a deal."""
        with self.lock:
            self.tables.delete("opportunity", key)

    def billing(self, deal: str) -> Row | None:
        """The status that is written for a deal."""
        with self.lock:
            rows = self.tables.rows["c2c_billing"].values()
            return next((row for row in rows if row.get("_c2c_opportunity_value") == deal), None)

    def expire_tokens(self) -> None:
        with self.lock:
            self.tokens.clear()

    def fail_next(self, failure: Failure, calls: int = 1) -> None:
        """Let the next calls for data end like this."""
        self.failures.extend([failure] * calls)

    def calls(self, method: str = "") -> Counter[str]:
        """The calls for data so far, by the first word of their paths."""
        return Counter(
            re.split(r"[(/?]", item.path)[0]
            for item in self.requests
            if method in ("", item.method)
        )

    def _link(self, navigation: str, name: str, text: str) -> Row:
        """A link to the row of a small table with this text in its one column; made if need be."""
        item = self.tables.tables[name]
        column = {
            "transactioncurrency": "isocurrencycode",
            "systemuser": "internalemailaddress",
            "product": "productnumber",
            "connectionrole": "name",
        }[name]
        rows = self.tables.rows[name].values()
        found = next((row[item.id] for row in rows if row.get(column) == text), None)
        key = found or self.tables.insert(name, {column: text})
        return {f"{navigation}@odata.bind": f"/{item.entity_set}({key})"}

    # Entra

    def token(self, tenant: str, form: Mapping[str, str], scope: str) -> Reply:
        if tenant != TENANT:
            return _entra(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            return _entra(400, "unsupported_grant_type", "AADSTS70003: The grant type is unknown.")
        if form.get("client_id") != CLIENT_ID:
            return _entra(400, "unauthorized_client", "AADSTS700016: The application is unknown.")
        if form.get("client_secret") != self.secret:
            text = "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 5f"
            return _entra(401, "invalid_client", text)
        if form.get("scope") != scope:
            return _entra(400, "invalid_scope", "AADSTS70011: The provided scope is not valid.")
        with self.lock:
            self.tokens_given += 1
            token = f"eyJ.{uuid.uuid4().hex}"
            self.tokens.add(token)
        body = {"token_type": "Bearer", "expires_in": TOKEN_SECONDS, "access_token": token}
        return Reply(200, body, content_type="application/json; charset=utf-8")

    # Rights

    def demand(self, kind: str, name: str) -> None:
        """Raise DataverseError where the application user lacks the privilege."""
        privilege = f"prv{kind}{name}"
        if privilege in self.denied:
            text = (
                f"Principal user (Id={USER}, type=8, roleCount=1, privilegeCount=40, "
                f"accessMode='4 Non-interactive') is missing {privilege} privilege "
                f"(Id={_privilege_id(privilege)}) on OTC=10234 for entity '{name}'."
            )
            raise DataverseError(403, "0x80040220", text)

    def privileges_held(self) -> Iterator[Json]:
        for name in self.tables.tables:
            for kind in PRIVILEGES:
                privilege = f"prv{kind}{name}"
                if privilege not in self.denied:
                    depth = self.depths.get(privilege, "Global")
                    yield {"PrivilegeId": _privilege_id(privilege), "Depth": depth}


class WebApi:
    """Dataverse's Web API over an organisation."""

    def __init__(self, organisation: Organisation) -> None:
        self._org = organisation

    def handle(self, request: Received) -> Reply:
        """The answer to a request, or a part of a batch."""
        with self._org.lock:
            try:
                return self._handled(request)
            except DataverseError as error:
                return Reply(error.status, error.body, error.headers)

    def _handled(self, request: Received) -> Reply:
        if request.path == "$batch":
            return self._batch(request)
        if request.path == "WhoAmI":
            return Reply(200, {"UserId": USER})
        if request.path == f"systemusers({USER})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()":
            return Reply(200, {"RolePrivileges": list(self._org.privileges_held())})
        if re.match(r"(Entity|Relationship)Definitions\b", request.path):
            return Metadata(self._org).handle(request)
        match = re.fullmatch(r"(\w+)(?:\((.*)\))?(/[\w.]+)?", unquote(request.path))
        if match is None:
            raise DataverseError(404, "0x8006088a", f"No such resource: {request.path}")
        entity_set, predicate, action = match.groups()
        item = self._org.tables.by_set(entity_set)
        if action == "/Microsoft.Dynamics.CRM.UpsertMultiple":
            return self._upsert_multiple(item, request.json["Targets"])
        if predicate is None:
            return (
                self._list(item, request)
                if request.method == "GET"
                else self._create(item, request)
            )
        return self._one(item, predicate, request)

    def _list(self, item: Table, request: Received) -> Reply:
        self._org.demand("Read", item.name)
        prefer = request.headers.get("prefer", "")
        size = re.search(r"odata\.maxpagesize=(\d+)", prefer)
        rows, after = self._org.tables.page(
            item, request.query, int(size[1]) if size else MAX_PAGE, FORMATTED in prefer
        )
        answer: Json = {"@odata.context": f"$metadata#{item.entity_set}", "value": rows}
        if after is not None:
            query = re.sub(r"&?\$skiptoken=[^&]*", "", request.query)
            base = f"{request.headers['x-scheme']}://{request.headers['host']}{ROOT}"
            answer["@odata.nextLink"] = f"{base}{item.entity_set}?{query}&$skiptoken={after}"
        return Reply(200, answer)

    def _create(self, item: Table, request: Received) -> Reply:
        self._org.demand("Create", item.name)
        return self._created(item, self._org.tables.insert(item.name, request.json))

    def _one(self, item: Table, predicate: str, request: Received) -> Reply:
        row, named = self._org.tables.found(item, predicate)
        if request.method == "PATCH":
            return self._upsert(item, row, named, request)
        if row is None:
            text = f"Entity '{item.name}' With Id = {predicate} Does Not Exist"
            raise DataverseError(404, "0x80040217", text)
        if request.method == "DELETE":
            self._org.demand("Delete", item.name)
            self._org.tables.delete(item.name, row[item.id])
            return Reply()
        self._org.demand("Read", item.name)
        annotations = FORMATTED in request.headers.get("prefer", "")
        return Reply(200, self._org.tables.answer(item, row, request.query, annotations))

    def _upsert(self, item: Table, row: Row | None, named: Row, request: Received) -> Reply:
        for value in named.values():
            if value in self._org.row_failures:
                raise self._org.row_failures[value]
        if row is None and request.headers.get("if-match") == "*":
            raise DataverseError(404, "0x80040217", f"{named} Does Not Exist")
        if row is not None and request.headers.get("if-none-match") == "*":
            raise DataverseError(412, "0x80040237", "A record with matching key values exists.")
        if row is None:
            self._org.demand("Create", item.name)
            return self._created(item, self._org.tables.insert(item.name, named | request.json))
        self._org.demand("Write", item.name)
        self._org.tables.update(item.name, row[item.id], request.json)
        return self._created(item, row[item.id])

    def _upsert_multiple(self, item: Table, targets: Sequence[Json]) -> Reply:
        """All or none."""
        kept = {name: {**rows} for name, rows in self._org.tables.rows.items()}
        try:
            for target in targets:
                match = re.fullmatch(r"\w+\((.*)\)", target["@odata.id"])
                assert match is not None
                own = {key: value for key, value in target.items() if key[0] != "@"}
                part = Received("PATCH", "", "", {}, json.dumps(own).encode())
                self._upsert(item, *self._org.tables.found(item, match[1]), part)
        except DataverseError:
            self._org.tables.rows = kept
            raise
        return Reply()

    def _created(self, item: Table, key: str) -> Reply:
        return Reply(204, headers={"OData-EntityId": f"{ROOT}{item.entity_set}({key})"})

    def _batch(self, request: Received) -> Reply:
        boundary = re.search(r'boundary="?([^";]+)"?', request.headers["content-type"])
        if boundary is None:
            raise DataverseError(400, "0x80060888", "The batch has no boundary.")
        sections = request.body.decode().split(f"--{boundary[1]}")[1:-1]
        goes_on = "odata.continue-on-error" in request.headers.get("prefer", "")
        name = f"batchresponse_{uuid.uuid4()}"
        parts: list[str] = []
        failed = False
        for section in sections:
            reply = self.handle(_part(section, request))
            parts.append(_part_answer(name, reply))
            failed = reply.status >= 400
            if failed and not goes_on:
                break
        if self._org.failures and self._org.failures[0] is Failure.BATCH_SHORT:
            self._org.failures.popleft()
            parts.pop()
        content = "".join([*parts, f"--{name}--\r\n"]).encode()
        status = 400 if failed and not goes_on else 200
        return Reply(status, content=content, content_type=f"multipart/mixed; boundary={name}")


class Metadata:
    """The definitions of tables, columns, keys and relationships."""

    def __init__(self, organisation: Organisation) -> None:
        self._org = organisation
        self._tables = organisation.tables

    def handle(self, request: Received) -> Reply:
        path = unquote(request.path)
        if request.method == "POST":
            self._org.demand("Create", "entity")
            return self._create(path, request.json)
        if path == "EntityDefinitions":
            return Reply(200, {"value": list(self._rows(request))})
        named = re.fullmatch(r"RelationshipDefinitions\(SchemaName='(\w+)'\)", path)
        if named and named[1] in self._tables.relationships:
            return Reply(200, self._tables.relationships[named[1]])
        part = re.fullmatch(r"EntityDefinitions\(LogicalName='(\w+)'\)/([\w./]+)", path)
        if part and part[2] == "Keys":
            return Reply(200, {"value": _keys(self._tables.tables[part[1]])})
        if part and part[2] == "Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata":
            return Reply(200, {"value": _choices(self._tables.tables[part[1]])})
        raise DataverseError(404, "0x80040217", f"Could not find {path}")

    def _rows(self, request: Received) -> Iterator[Json]:
        """The tables that the filter selects, with all that may be asked of one."""
        options: Any = _definitions().parse_uri("EntityDefinitions", request.query or None)
        for name, item in self._tables.tables.items():
            row: Any = {"LogicalName": name}
            if not evaluate_filter(row, options.filter.expression, options.aliases):
                continue
            yield {
                "LogicalName": name,
                "SchemaName": name,
                "EntitySetName": item.entity_set,
                "PrimaryIdAttribute": item.id,
                "MetadataId": _metadata_id(name),
                "Privileges": [
                    {
                        "Name": f"prv{kind}{name}",
                        "PrivilegeId": _privilege_id(f"prv{kind}{name}"),
                        "PrivilegeType": kind,
                    }
                    for kind in PRIVILEGES
                ],
                "Attributes": [
                    {"LogicalName": column.name, "AttributeType": column.attribute_type}
                    for column in item.columns.values()
                ],
                "Keys": _keys(item),
            }

    def _create(self, path: str, body: Json) -> Reply:
        if path == "EntityDefinitions":
            self._create_table(body)
        elif path == "RelationshipDefinitions":
            lookup = body["Lookup"]["SchemaName"].lower()
            way = Lookup(body["Lookup"]["SchemaName"], lookup, body["ReferencedEntity"])
            self._tables.relate(body["SchemaName"], body["ReferencingEntity"], way)
        else:
            match = re.fullmatch(
                r"EntityDefinitions\((?:LogicalName='(\w+)'|([\w-]+))\)/(\w+)", path
            )
            assert match is not None
            name = match[1] or next(
                name for name in self._tables.tables if _metadata_id(name) == match[2]
            )
            if match[3] == "Keys":
                key = (tuple(body["KeyAttributes"]), self._org.key_state)
                self._tables.tables[name].keys[body["SchemaName"].lower()] = key
            else:
                self._tables.define_column(name, _column(body))
        return Reply(204, headers={"OData-EntityId": f"{ROOT}{path}({uuid.uuid4()})"})

    def _create_table(self, body: Json) -> None:
        name = body["SchemaName"].lower()
        primary = [item for item in body["Attributes"] if item.get("IsPrimaryName")]
        if len(primary) != 1 or len(body["Attributes"]) != 1:
            text = "An entity is created with its primary name attribute, and with no other."
            raise DataverseError(400, "0x80040203", text)
        item = table(name, f"{name}s", f"{name}id", "")
        item.columns |= {column.name: column for column in map(_column, body["Attributes"])}
        self._tables.define(item)


def dynamics_app(organisation: Organisation) -> Starlette:
    """The organisation and its login over HTTP, under one address."""

    async def token(request: Request) -> Response:
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        scope = f"{str(request.base_url).rstrip('/')}/.default"
        return _response(organisation.token(request.path_params["tenant"], form, scope))

    async def data(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        raw = request.scope["raw_path"].decode().split("?")[0]
        received = Received(
            request.method,
            raw.removeprefix(ROOT),
            request.scope["query_string"].decode(),
            headers | {"x-scheme": request.url.scheme},
            await request.body(),
        )
        return await run_in_threadpool(_answered, organisation, received)

    methods = ["GET", "POST", "PATCH", "DELETE"]
    return Starlette(
        routes=[
            Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
            Route(f"{ROOT}{{path:path}}", data, methods=methods),
        ]
    )


def _answered(organisation: Organisation, request: Received) -> Response:
    organisation.requests.append(request)
    bearer = request.headers.get("authorization", "")
    if bearer.removeprefix("Bearer ") not in organisation.tokens:
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
    failures = organisation.failures
    failure = failures.popleft() if failures and failures[0] is not Failure.BATCH_SHORT else None
    if failure is Failure.RATE_LIMITED:
        text = "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
        return _error(429, "0x80072322", text, {"Retry-After": "7"})
    if failure is Failure.UNAVAILABLE:
        return _error(503, "0x80040216", "The server is busy.", {})
    if failure is Failure.FORBIDDEN:
        text = f"Principal user (Id={USER}) is missing prvReadOpportunity privilege"
        return _error(403, "0x80040220", text, {})
    if failure is Failure.NOT_JSON:
        return Response("<html>a proxy</html>", media_type="text/html")
    if failure is Failure.NO_ROWS:
        return Response("{}", media_type="application/json")
    response = _response(WebApi(organisation).handle(request))
    if failure is Failure.HALF:
        response.headers["Content-Length"] = str(len(response.body) + 1_000)
    return response


def _error(status: int, code: str, text: str, headers: dict[str, str]) -> Response:
    return _response(Reply(status, {"error": {"code": code, "message": text}}, headers))


def _response(reply: Reply) -> Response:
    headers = {**reply.headers, "OData-Version": "4.0"}
    return Response(reply.raw, reply.status, headers, media_type=reply.content_type)


def _entra(status: int, error: str, text: str) -> Reply:
    return Reply(status, {"error": error, "error_description": text})


def _part(section: str, request: Received) -> Received:
    """A request within a batch; its address may be absolute."""
    _, _, http = section.replace("\r\n", "\n").partition("\n\n")
    head, _, body = http.lstrip("\n").partition("\n\n")
    first, *lines = head.split("\n")
    method, address, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    parts = urlsplit(address)
    kept = {name: request.headers[name] for name in ("host", "x-scheme")}
    path = parts.path.removeprefix(ROOT)
    return Received(method, path, parts.query, kept | headers, body.strip().encode())


def _part_answer(boundary: str, reply: Reply) -> str:
    lines = [f"--{boundary}", "Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    lines += ["", f"HTTP/1.1 {reply.status} X", "OData-Version: 4.0"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return "\r\n".join([*lines, "", reply.raw.decode(), ""])


def _column(body: Json) -> Column:
    kind = body["@odata.type"].removeprefix("Microsoft.Dynamics.CRM.")
    kind = kind.removeprefix("#").removesuffix("AttributeMetadata")
    if body.get("DateTimeBehavior", {}).get("Value") == "DateOnly":
        kind = "DateOnly"
    return Column(body["SchemaName"].lower(), kind, max_length=body.get("MaxLength", 4_000))


def _choices(item: Table) -> list[Json]:
    """The columns with choices; Microsoft's client asks for them before it writes."""
    return [
        {
            "LogicalName": column.name,
            "OptionSet": {
                "Options": [
                    {"Value": value, "Label": {"LocalizedLabels": [{"Label": label}]}}
                    for value, label in column.labels.items()
                ]
            },
        }
        for column in item.columns.values()
        if column.type == "Picklist"
    ]


def _keys(item: Table) -> list[Json]:
    return [
        {
            "SchemaName": name,
            "LogicalName": name,
            "KeyAttributes": list(columns),
            "EntityKeyIndexStatus": state,
        }
        for name, (columns, state) in item.keys.items()
    ]


@functools.cache
def _definitions() -> Any:
    """Reads queries of the definitions."""
    columns = "LogicalName:String SchemaName:String EntitySetName:String PrimaryIdAttribute:String"
    columns += " PrimaryNameAttribute:String Privileges:Untyped"
    entity = table("EntityMetadata", "EntityDefinitions", "MetadataId", columns)
    attribute = table(
        "AttributeMetadata", "Attributes", "MetadataId", "LogicalName:String AttributeType:String"
    )
    key = table(
        "EntityKeyMetadata",
        "Keys",
        "MetadataId",
        "KeyAttributes:Untyped EntityKeyIndexStatus:String",
    )
    for child in (attribute, key):
        navigation = child.entity_set
        entity.collections[navigation] = Lookup(navigation, "", child.name)
    return parser([entity, attribute, key])


def _privilege_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _metadata_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
