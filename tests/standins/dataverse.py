"""Tables as Dataverse keeps them, and what its queries select; URLs are read by `odatapy`, which is
a parser of OData v4 that nobody here wrote.

The names are Dynamics 365's own, as far as contracts use them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from odatapy.edm.csdl import (
    CsdlAbstractEdmProvider,
    CsdlEntityContainer,
    CsdlEntitySet,
    CsdlEntityType,
    CsdlNavigationProperty,
    CsdlProperty,
    CsdlPropertyRef,
    CsdlSchema,
)
from odatapy.edm.model import Edm
from odatapy.errors import ODataException
from odatapy.server.eval import evaluate_filter, evaluate_value
from odatapy.server.uri import Parser

Json = dict[str, Any]
Row = dict[str, Any]

NAMESPACE = "Microsoft.Dynamics.CRM"
FORMATTED = "OData.Community.Display.V1.FormattedValue"
MAX_PAGE = 5_000
PRIVILEGES = ("Create", "Read", "Write", "Delete", "Append", "AppendTo")

_EDM = {
    "String": "Edm.String",
    "Memo": "Edm.String",
    "DateTime": "Edm.DateTimeOffset",
    "DateOnly": "Edm.Date",
    "Money": "Edm.Decimal",
    "Decimal": "Edm.Decimal",
    "Integer": "Edm.Int32",
    "State": "Edm.Int32",
    "Picklist": "Edm.Int32",
    "Boolean": "Edm.Boolean",
    "Uniqueidentifier": "Edm.Guid",
    "Lookup": "Edm.Guid",
    "Untyped": "Edm.String",
}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class DataverseError(Exception):
    """An error as Dataverse answers it."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {"error": {"code": code, "message": message}}


@dataclass
class Column:
    """`type` is the AttributeType of Dataverse's metadata, or DateOnly."""

    name: str
    type: str
    max_length: int = 4_000
    labels: dict[int, str] = field(default_factory=dict)

    @property
    def attribute_type(self) -> str:
        return "DateTime" if self.type == "DateOnly" else self.type


@dataclass
class Lookup:
    """A navigation to one row of another table, by a column of this one."""

    navigation: str
    column: str
    target: str

    @property
    def value(self) -> str:
        """The lookup as a row holds it."""
        return f"_{self.column}_value"


@dataclass
class Table:
    name: str
    entity_set: str
    id: str
    columns: dict[str, Column]
    lookups: dict[str, Lookup] = field(default_factory=dict)
    collections: dict[str, Lookup] = field(default_factory=dict)
    """By navigation: the lookup of another table that leads here, with its table as target."""
    keys: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    """By name: the columns of an alternate key, and the state of its index."""

    def column_of(self, name: str) -> Column | None:
        """The column behind a property of a row."""
        if name in self.columns:
            return self.columns[name]
        lookup = next((item for item in self.lookups.values() if item.value == name), None)
        return Column(name, "Lookup") if lookup else None


def table(name: str, entity_set: str, id: str, columns: str, lookups: str = "") -> Table:
    """A table by words: `name:String` for a column, `navigation:column>target` for a lookup."""
    pairs = (word.split(":") for word in f"{id}:Uniqueidentifier {columns}".split())
    every = {name: Column(name, kind) for name, kind in pairs}
    every |= {name: Column(name, "DateTime") for name in ("createdon", "modifiedon")}
    found = Table(name, entity_set, id, every)
    for word in lookups.split():
        navigation, _, rest = word.partition(":")
        column, _, target = rest.partition(">")
        found.lookups[navigation] = Lookup(navigation, column, target)
    return found


def standard_tables() -> list[Table]:
    """Those of Dynamics 365 Sales that contracts are read from, with their own columns only."""
    address = "address1_line1:String address1_city:String address1_postalcode:String"
    address += " address1_country:String emailaddress1:String"
    line = """productdescription:Memo extendedamount:Money tax:Money priceperunit:Money
        quantity:Decimal producttypecode:Picklist lineitemnumber:Integer sequencenumber:Integer"""
    currency = "transactioncurrencyid:transactioncurrencyid>transactioncurrency"
    opportunity = table(
        "opportunity",
        "opportunities",
        "opportunityid",
        """name:String statecode:State actualclosedate:DateOnly totalamountlessfreight:Money
        actualvalue:Money new_terms:Picklist""",
        f"""customerid_account:customerid>account customerid_contact:customerid>contact
        parentcontactid:parentcontactid>contact owninguser:owninguser>systemuser {currency}""",
    )
    opportunity.columns["statecode"].labels = {0: "Open", 1: "Won", 2: "Lost"}
    opportunity.columns["new_terms"].labels = {1: "30 Days", 2: "60 Days"}
    return [
        opportunity,
        table(
            "account",
            "accounts",
            "accountid",
            f"name:String {address}",
            "primarycontactid:primarycontactid>contact parentaccountid:parentaccountid>account",
        ),
        table("contact", "contacts", "contactid", f"fullname:String {address}"),
        table(
            "opportunityproduct",
            "opportunityproducts",
            "opportunityproductid",
            line,
            "opportunityid:opportunityid>opportunity productid:productid>product",
        ),
        table(
            "quote",
            "quotes",
            "quoteid",
            "name:String statecode:State totalamountlessfreight:Money",
            f"opportunityid:opportunityid>opportunity {currency}",
        ),
        table(
            "quotedetail",
            "quotedetails",
            "quotedetailid",
            line,
            "quoteid:quoteid>quote productid:productid>product",
        ),
        table("product", "products", "productid", "name:String productnumber:String"),
        table(
            "transactioncurrency",
            "transactioncurrencies",
            "transactioncurrencyid",
            "isocurrencycode:String",
        ),
        table("systemuser", "systemusers", "systemuserid", "internalemailaddress:String"),
        table("connectionrole", "connectionroles", "connectionroleid", "name:String"),
        table(
            "connection",
            "connections",
            "connectionid",
            "",
            """record1id_opportunity:record1id>opportunity record2id_contact:record2id>contact
            record2roleid:record2roleid>connectionrole""",
        ),
        table("organization", "organizations", "organizationid", "languagecode:Integer"),
        table(
            "publisher",
            "publishers",
            "publisherid",
            """uniquename:String friendlyname:String customizationprefix:String
            customizationoptionvalueprefix:Integer""",
        ),
        table(
            "solution",
            "solutions",
            "solutionid",
            "uniquename:String friendlyname:String version:String",
            "publisherid:publisherid>publisher",
        ),
    ]


class _Seen(dict[str, Any]):
    """A row as a filter sees it: its columns, and by navigation the rows it leads to."""

    def __init__(self, row: Row, follow: Callable[[str], Any]) -> None:
        super().__init__(row)
        self._follow = follow

    def get(self, name: str, default: Any = None) -> Any:
        value = self[name] if name in self else self._follow(name)
        is_id = isinstance(value, str) and _GUID.fullmatch(value)
        return uuid.UUID(value) if is_id else value


class Tables:
    """An organisation's tables and rows. Every row has `createdon`, `modifiedon`, `versionnumber`,
    and its lookups under `_<column>_value`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._version = 1_000
        self.tables: dict[str, Table] = {}
        self.rows: dict[str, dict[str, Row]] = {}
        self.relationships: dict[str, Json] = {}
        self._parser: Parser | None = None
        for item in standard_tables():
            self.define(item)

    # What an administrator does

    def define(self, item: Table) -> None:
        self.tables[item.name] = item
        self.rows.setdefault(item.name, {})
        self._parser = None

    def define_column(self, name: str, column: Column) -> None:
        self.tables[name].columns[column.name] = column
        self._parser = None

    def relate(self, name: str, child: str, lookup: Lookup) -> None:
        """A relationship of this name, which is also the way back to the rows of `child`."""
        self.tables[child].lookups[lookup.navigation] = lookup
        self.tables[child].columns[lookup.column] = Column(lookup.column, "Lookup")
        self.tables[lookup.target].collections[name] = Lookup(name, lookup.column, child)
        self.relationships[name] = {"SchemaName": name, "MetadataId": str(uuid.uuid4())}
        self._parser = None

    # Rows

    def by_set(self, entity_set: str) -> Table:
        for item in self.tables.values():
            if item.entity_set == entity_set:
                return item
        text = f"Resource not found for the segment '{entity_set}'."
        raise DataverseError(404, "0x8006088a", text)

    def insert(self, name: str, values: Row, *, modified_at: datetime | None = None) -> str:
        """Create a row and return its id. `modified_at`: it was changed then, by a transaction
        that ended only now."""
        item = self.tables[name]
        key = str(values.get(item.id) or uuid.uuid4())
        at = modified_at or self._now()
        row = {item.id: key, "createdon": at, "modifiedon": at, **self._checked(item, values)}
        self.rows[name][key] = row | {"versionnumber": self._next_version()}
        return key

    def update(self, name: str, key: str, values: Row) -> None:
        item = self.tables[name]
        row = self.get(name, key)
        row |= self._checked(item, values)
        row |= {"modifiedon": self._now(), "versionnumber": self._next_version()}

    def delete(self, name: str, key: str) -> None:
        """Delete a row, and the links that lead to it."""
        del self.rows[name][key]
        for item in self.tables.values():
            for lookup in item.lookups.values():
                for row in self.rows[item.name].values():
                    if lookup.target == name and row.get(lookup.value) == key:
                        row[lookup.value] = None

    def get(self, name: str, key: str) -> Row:
        if key not in self.rows[name]:
            text = f"Entity '{name}' With Id = {key} Does Not Exist"
            raise DataverseError(404, "0x80040217", text)
        return self.rows[name][key]

    def found(self, item: Table, predicate: str) -> tuple[Row | None, Row]:
        """The row of a key in parentheses, and what the key says of it. An id or an alternate key
        whose index is built."""
        text = predicate.strip().lower()
        if _GUID.fullmatch(text):
            return self.rows[item.name].get(text), {item.id: text}
        pairs = re.findall(r"(\w+)='((?:[^']|'')*)'", predicate)
        named = {name: value.replace("''", "'") for name, value in pairs}
        built = [set(columns) for columns, state in item.keys.values() if state == "Active"]
        if set(named) not in built:
            text = f"Bad Request - Error in query syntax: no key {sorted(named)} of {item.name}."
            raise DataverseError(400, "0x80060888", text)
        for row in self.rows[item.name].values():
            if all(row.get(name) == value for name, value in named.items()):
                return row, named
        return None, named

    def _next_version(self) -> int:
        self._version += 1
        return self._version

    def _checked(self, item: Table, values: Row) -> Row:
        """The values as a row holds them. Raises DataverseError for what the table does not have,
        for a text too long, and for a link that leads nowhere."""
        found: Row = {}
        for name, value in values.items():
            if name.endswith("@odata.bind"):
                lookup = item.lookups.get(name.removesuffix("@odata.bind"))
                if lookup is None:
                    raise _undeclared(item, name.removesuffix("@odata.bind"))
                found[lookup.value] = self._bound(lookup, value)
                continue
            column = item.column_of(name)
            if column is None or (column.type == "Lookup" and name in item.columns):
                raise _undeclared(item, name)
            if isinstance(value, str) and len(value) > column.max_length:
                text = (
                    f"A validation error occurred.  The length of the '{name}' attribute of the "
                    f"'{item.name}' entity exceeded the maximum allowed length of "
                    f"'{column.max_length}'."
                )
                raise DataverseError(400, "0x80044331", text)
            found[name] = _stored(column, value)
        return found

    def _bound(self, lookup: Lookup, link: str | None) -> str | None:
        if link is None:
            return None
        match = re.fullmatch(r"(?:https?://[^/]+/api/data/v9.2)?/?(\w+)\((.+)\)", link)
        if match is None or self.by_set(match[1]).name != lookup.target:
            text = f"{link} is no link to {lookup.target}"
            raise DataverseError(400, "0x80060888", text)
        return str(self.get(lookup.target, match[2])[self.tables[lookup.target].id])

    # Queries

    def answer(self, item: Table, row: Row, query: str, annotations: bool) -> Json:
        """One row as a query selects it."""
        options = self._options(item, query)
        return self._shown(item, row, options.select, options.expand, annotations)

    def page(
        self, item: Table, query: str, size: int, annotations: bool
    ) -> tuple[list[Json], str | None]:
        """The rows that a query selects, and where the next page begins: by the last row's place
        and not by its number, as in Dataverse's paging cookies."""
        options = self._options(item, query)
        order = [entry.expression for entry in options.orderby.items] if options.orderby else []
        rows: list[Any] = [
            row
            for row in self.rows[item.name].values()
            if options.filter is None or self._meets(item, row, options)
        ]

        def place(row: Any) -> tuple[str, ...]:
            return (*(_sortable(evaluate_value(row, by)) for by in order), str(row[item.id]))

        rows.sort(key=place)
        if options.orderby and options.orderby.items[0].descending:
            rows.reverse()
        if options.skiptoken:
            last = tuple(options.skiptoken.split("|"))
            rows = [row for row in rows if place(row) > last]
        top = options.top.value if options.top else None
        page = rows[: min(size, MAX_PAGE) if top is None else top]
        more = top is None and len(rows) > len(page)
        shown = [
            self._shown(item, row, options.select, options.expand, annotations) for row in page
        ]
        return shown, "|".join(place(page[-1])) if more else None

    def _options(self, item: Table, query: str) -> Any:
        if self._parser is None:
            self._parser = parser(list(self.tables.values()))
        try:
            return self._parser.parse_uri(item.entity_set, query or None)
        except ODataException as error:
            raise DataverseError(400, "0x80060888", _in_its_words(item, error)) from error

    def _meets(self, item: Table, row: Row, options: Any) -> bool:
        seen: Any = self._seen(item, row)
        return evaluate_filter(seen, options.filter.expression, options.aliases)

    def _seen(self, item: Table, row: Row) -> _Seen:
        return _Seen(row, lambda navigation: self._followed(item, row, navigation))

    def _followed(self, item: Table, row: Row, navigation: str) -> Any:
        if navigation in item.collections:
            target = self.tables[item.collections[navigation].target]
            return [self._seen(target, found) for found in self._related(item, row, navigation)]
        found = self._looked_up(item, row, navigation)
        if found is None:
            return None
        return self._seen(self.tables[item.lookups[navigation].target], found)

    def _looked_up(self, item: Table, row: Row, navigation: str) -> Row | None:
        lookup = item.lookups.get(navigation)
        return self.rows[lookup.target].get(str(row.get(lookup.value))) if lookup else None

    def _related(self, item: Table, row: Row, navigation: str) -> Iterator[Row]:
        way = item.collections[navigation]
        for found in self.rows[way.target].values():
            if found.get(way.value) == row[item.id]:
                yield found

    def _shown(self, item: Table, row: Row, select: Any, expand: Any, annotations: bool) -> Json:
        names = [*select.selected_paths] if select else [*item.columns]
        shown: Json = {"@odata.etag": f'W/"{row["versionnumber"]}"'}
        for name in dict.fromkeys([*names, item.id]):
            column = item.column_of(name)
            value = row.get(name)
            shown[name] = _written(column, value)
            if annotations and column and column.labels and value is not None:
                shown[f"{name}@{FORMATTED}"] = column.labels[value]
        for entry in expand.items if expand else []:
            shown |= self._expanded(item, row, entry, annotations)
        return shown

    def _expanded(self, item: Table, row: Row, entry: Any, annotations: bool) -> Json:
        name = entry.path_str
        if name in item.lookups:
            target = self.tables[item.lookups[name].target]
            found = self._looked_up(item, row, name)
            shown = (
                self._shown(target, found, entry.select, entry.expand, annotations)
                if found
                else None
            )
            return {name: shown}
        target = self.tables[item.collections[name].target]
        related = list(self._related(item, row, name))
        kept = related[: entry.top.value if entry.top else None]
        link = f"{item.entity_set}({row[item.id]})/{name}"
        return {
            name: [
                self._shown(target, found, entry.select, entry.expand, annotations)
                for found in kept
            ],
            f"{name}@odata.nextLink": link,
        }


def parser(tables: Sequence[Table]) -> Parser:
    """Reads URLs about these tables, and refuses what they do not have."""
    return Parser(Edm.from_provider(_Provider(tables)))


class _Provider(CsdlAbstractEdmProvider):
    """The tables as the entity model that the parser holds URLs against."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables

    def get_schemas(self) -> list[Any]:
        return [
            CsdlSchema(
                namespace=NAMESPACE,
                entity_types=[self._type(item) for item in self._tables],
                entity_container=CsdlEntityContainer(
                    name="System",
                    entity_sets=[
                        CsdlEntitySet(name=item.entity_set, type=f"{NAMESPACE}.{item.name}")
                        for item in self._tables
                    ],
                ),
            )
        ]

    def _type(self, item: Table) -> Any:
        own = [
            CsdlProperty(name=column.name, type=_EDM[column.type])
            for column in item.columns.values()
            if column.type != "Lookup"
        ]
        values = dict.fromkeys(lookup.value for lookup in item.lookups.values())
        own += [CsdlProperty(name=value, type="Edm.Guid") for value in values]
        ways = [
            CsdlNavigationProperty(
                name=way.navigation, type=f"{NAMESPACE}.{way.target}", collection=is_many
            )
            for ways, is_many in ((item.lookups, False), (item.collections, True))
            for way in ways.values()
        ]
        return CsdlEntityType(
            name=item.name,
            key=[CsdlPropertyRef(name=item.id)],
            properties=own,
            navigation_properties=ways,
        )


def _undeclared(item: Table, name: str) -> DataverseError:
    kind = f"{NAMESPACE}.{item.name}"
    text = (
        "An error occurred while validating input parameters: Microsoft.OData.ODataException: "
        f"The property '{name}' does not exist on type '{kind}'. Make sure to only use property "
        "names that are defined by the type or mark the type as open type."
    )
    return DataverseError(400, "0x80048d19", text)


def _in_its_words(item: Table, error: ODataException) -> str:
    """What the parser says, as Dataverse does of a name that it does not know."""
    named = re.search(r"'([\w.]+)'", str(error))
    if named and "is not a property of" in str(error):
        return f"Could not find a property named '{named[1]}' on type '{NAMESPACE}.{item.name}'."
    return str(error)


def _stored(column: Column, value: Any) -> Any:
    """A value as filters compare it."""
    if value is None:
        return None
    match _EDM[column.type]:
        case "Edm.Decimal":
            return Decimal(str(value))
        case "Edm.Date":
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        case "Edm.DateTimeOffset":
            is_time = isinstance(value, datetime)
            return value if is_time else datetime.fromisoformat(str(value))
        case _:
            return value


def _written(column: Column | None, value: Any) -> Any:
    """A value as JSON has it; Dataverse shows times to the second."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal) and column and column.type == "Money":
        return value.quantize(Decimal("0.0000000001"))
    return value


def _sortable(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:012d}"
    return "" if value is None else str(_written(None, value))
