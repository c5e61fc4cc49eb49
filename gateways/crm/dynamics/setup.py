"""What an organisation needs to have: the table `c2c_billing` with its key, columns, and rights.

All of it is read from Dataverse's own metadata. What the setup creates is in an unmanaged solution
of ours, so that people see what it is and can move it from one organisation to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.model import JsonObject
from contracts.validation import Problem
from gateways.crm import terms
from gateways.crm.dynamics.api import DynamicsApi
from gateways.crm.dynamics.columns import OURS, TEXT, Columns, UsedColumn
from gateways.crm.status import STARTED, STATUS_LABELS
from gateways.errors import GatewayError

TABLE, BILLINGS = "c2c_billing", "c2c_billings"
KEY, KEY_LABEL = "c2c_contract", "Contract"
LOOKUP, LOOKUP_LABEL = "c2c_opportunity", "Opportunity"
NAVIGATION = "c2c_opportunity_billings"
"""From an opportunity to its rows; also the relationship's name."""

SOLUTION, PUBLISHER, PREFIX = "ContractToCash", "contracttocash", "c2c"
_OPTION_PREFIX = 41_120
"""Of choices that a publisher makes; ours makes none, but each needs a number of its own."""

_READ = (
    "opportunity",
    "account",
    "contact",
    "opportunityproduct",
    "product",
    "quote",
    "quotedetail",
    "transactioncurrency",
    "systemuser",
    TABLE,
)
_OF_ROLES = ("connection", "connectionrole")
_WRITTEN = ((TABLE, "Create"), (TABLE, "Write"), (TABLE, "Append"), ("opportunity", "AppendTo"))
_EVERYWHERE = "Global"
"""The depth that Dataverse's roles call Organization: a lesser one hides other people's deals
without a word."""

_KEY_IN_USE = "Active"
_KEY_LENGTH = 100
_TEXT_LENGTH = 2_000
_MEMO_LENGTH = 100_000
_WRITTEN_BY_US = "Written by Contract to Cash; what is typed here is overwritten."


def missing(api: DynamicsApi, columns: Columns, *, with_role: bool) -> list[Problem]:
    """What is not there yet, with the names that a person needs to create it."""
    read = (*_READ, *(_OF_ROLES if with_role else ()))
    tables = _tables(api, read)
    return [
        *_missing_table(tables),
        *_missing_columns(tables, columns),
        *_missing_relationship(api, tables),
        *_missing_key(tables),
        *_missing_rights(api, tables, read),
    ]


def create(api: DynamicsApi, problems: Sequence[Problem], columns: Columns) -> Problem | None:
    """Create what the problems name, as far as it is ours. What Dataverse refuses is returned for a
    person, who may create it by hand; the rest is then left, too, as it builds on that."""
    lacking = {problem.field for problem in problems if problem.code.endswith("_missing")}
    try:
        _create(api, lacking, columns)
    except GatewayError as error:
        if error.code != "access_denied":
            raise
        return Problem(
            code="crm_right_missing",
            field="systemuser",
            value=error.value,
            expected="the role System Customizer for the setup alone, or what follows by hand",
        )
    return None


def _create(api: DynamicsApi, lacking: set[str], columns: Columns) -> None:
    wanted = [item for item in _columns(columns) if f"{item.table}.{item.name}" in lacking]
    relationship, key = f"opportunity.{NAVIGATION}", f"{TABLE}.{KEY}.key"
    if not (wanted or lacking & {TABLE, relationship, key}):
        return
    language = _language(api)
    _create_solution(api)
    if TABLE in lacking:
        api.post("EntityDefinitions", _table_definition(language), solution=SOLUTION)
    for item in wanted:
        if item.name == STARTED and TABLE in lacking:
            continue  # it came with the table, whose name it is
        path = f"EntityDefinitions(LogicalName='{item.table}')/Attributes"
        api.post(path, _column_definition(item, language), solution=SOLUTION)
    if relationship in lacking:
        api.post("RelationshipDefinitions", _relationship_definition(language), solution=SOLUTION)
    if key in lacking:
        path = f"EntityDefinitions(LogicalName='{TABLE}')/Keys"
        api.post(path, _key_definition(language), solution=SOLUTION)


def _columns(columns: Columns) -> Iterator[UsedColumn]:
    """The columns that the setup makes where they are missing."""
    for name, label in STATUS_LABELS.items():
        yield UsedColumn(TABLE, name, label, TEXT)
    yield UsedColumn(TABLE, KEY, KEY_LABEL, TEXT[:1])
    yield from (item for item in columns.used() if item.name.startswith(OURS))


def _tables(api: DynamicsApi, names: Iterable[str]) -> Mapping[str, JsonObject]:
    rows = api.definitions(
        "EntityDefinitions",
        {
            "$select": "LogicalName,Privileges",
            "$expand": (
                "Attributes($select=LogicalName,AttributeType),"
                "Keys($select=KeyAttributes,EntityKeyIndexStatus)"
            ),
            "$filter": " or ".join(f"LogicalName eq '{name}'" for name in names),
        },
    )
    return {_in(api, row, "LogicalName"): row for row in rows}


def _missing_table(tables: Mapping[str, JsonObject]) -> Iterator[Problem]:
    if TABLE not in tables:
        yield Problem(
            code="crm_table_missing",
            field=TABLE,
            expected=f"a table of this name, owned by the organization, with {STARTED} as its name",
        )


def _missing_columns(tables: Mapping[str, JsonObject], columns: Columns) -> Iterator[Problem]:
    every = {(item.table, item.name): item for item in (*_columns(columns), *columns.used())}
    for item in every.values():
        found = _types(tables, item.table).get(item.attribute)
        if found not in item.types:
            yield Problem(
                code="crm_property_wrong" if found else "crm_property_missing",
                field=f"{item.table}.{item.name}",
                value=found or "",
                expected=f"a column {item.label!r} of type {' or '.join(item.types)}",
            )


def _types(tables: Mapping[str, JsonObject], table: str) -> dict[str, str]:
    """By column of a table its type; empty without the table."""
    attributes = tables.get(table, {}).get("Attributes") or []
    return {item["LogicalName"]: item["AttributeType"] for item in attributes}


def _missing_relationship(api: DynamicsApi, tables: Mapping[str, JsonObject]) -> Iterator[Problem]:
    if TABLE in tables and _has_relationship(api):
        return
    yield Problem(
        code="crm_property_missing",
        field=f"opportunity.{NAVIGATION}",
        expected=f"a relationship of this name by a lookup {TABLE}.{LOOKUP} to the opportunity",
    )


def _has_relationship(api: DynamicsApi) -> bool:
    path = f"RelationshipDefinitions(SchemaName='{NAVIGATION}')"
    try:
        found = api.get(path, {"$select": "SchemaName"}, fresh=True)
    except GatewayError as error:
        if error.code == "not_found":
            return False
        raise
    return bool(_in(api, found, "SchemaName") == NAVIGATION)


def _in(api: DynamicsApi, answer: JsonObject, name: str) -> Any:
    """A value that the answer must have. Raises GatewayError where it has not."""
    if name not in answer:
        raise api.unexpected(f"an answer without {name}, but with {sorted(answer)}")
    return answer[name]


def _missing_key(tables: Mapping[str, JsonObject]) -> Iterator[Problem]:
    keys = tables.get(TABLE, {}).get("Keys") or []
    states = [item["EntityKeyIndexStatus"] for item in keys if item["KeyAttributes"] == [KEY]]
    if not states:
        yield Problem(
            code="crm_key_missing",
            field=f"{TABLE}.{KEY}.key",
            expected=f"an alternate key on {KEY} alone",
        )
    elif _KEY_IN_USE not in states:
        yield Problem(
            code="crm_key_not_active",
            field=f"{TABLE}.{KEY}.key",
            value=states[0],
            expected="its index built, which Dataverse does by itself in the minutes after",
        )


def _missing_rights(
    api: DynamicsApi, tables: Mapping[str, JsonObject], read: Sequence[str]
) -> Iterator[Problem]:
    """Privileges that no role of the application's user has, and those it has for a part only."""
    user = _in(api, api.get("WhoAmI", {}), "UserId")
    held = api.get(f"systemusers({user})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()", {})
    roles = _in(api, held, "RolePrivileges")
    depths = {_in(api, item, "PrivilegeId"): _in(api, item, "Depth") for item in roles}
    needed = [*((table, "Read") for table in read), *_WRITTEN]
    for table, kind in needed:
        for privilege in tables.get(table, {}).get("Privileges") or []:
            depth = depths.get(privilege["PrivilegeId"], "none")
            if privilege["PrivilegeType"] == kind and depth != _EVERYWHERE:
                yield Problem(
                    code="crm_right_missing",
                    field=table,
                    value=depth,
                    expected=f"the privilege {privilege['Name']} at the level Organization",
                )


def _language(api: DynamicsApi) -> int:
    """The organisation's base language, in which each label is required."""
    rows = api.rows("organizations", {"$select": "languagecode"})
    [row] = rows or [{}]
    return int(_in(api, row, "languagecode"))


def _create_solution(api: DynamicsApi) -> None:
    """Our publisher and its solution, unless they are there; the prefix of names is its."""
    if not api.rows("solutions", {"$select": "uniquename", "$filter": _named(SOLUTION)}):
        found = api.rows(
            "publishers",
            {"$select": "publisherid", "$filter": f"customizationprefix eq '{PREFIX}'"},
        )
        if not found:
            api.post(
                "publishers",
                {
                    "uniquename": PUBLISHER,
                    "friendlyname": "Contract to Cash",
                    "customizationprefix": PREFIX,
                    "customizationoptionvalueprefix": _OPTION_PREFIX,
                },
            )
            found = api.rows("publishers", {"$select": "publisherid", "$filter": _named(PUBLISHER)})
        api.post(
            "solutions",
            {
                "uniquename": SOLUTION,
                "friendlyname": "Contract to Cash",
                "version": "1.0.0.0",
                "publisherid@odata.bind": f"/publishers({found[0]['publisherid']})",
            },
        )


def _named(name: str) -> str:
    return f"uniquename eq '{name}'"


def _table_definition(language: int) -> JsonObject:
    """Owned by the organization: who may see a deal's status is no matter of who wrote it."""
    label = STATUS_LABELS[STARTED]
    name = _column_definition(UsedColumn(TABLE, STARTED, label, TEXT), language)
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata",
        "SchemaName": TABLE,
        "DisplayName": _label("Contract billing", language),
        "DisplayCollectionName": _label("Contract billings", language),
        "Description": _label(_WRITTEN_BY_US, language),
        "OwnershipType": "OrganizationOwned",
        "IsActivity": False,
        "HasActivities": False,
        "HasNotes": False,
        "Attributes": [name | {"IsPrimaryName": True}],
    }


def _column_definition(column: UsedColumn, language: int) -> JsonObject:
    kind = column.types[0]
    described = _WRITTEN_BY_US if column.table == TABLE else _help(column)
    return {
        "@odata.type": f"Microsoft.Dynamics.CRM.{kind}AttributeMetadata",
        "SchemaName": column.name,
        "DisplayName": _label(column.label, language),
        "Description": _label(described, language),
        "RequiredLevel": {"Value": "None"},
        **_facets(column),
    }


def _facets(column: UsedColumn) -> JsonObject:
    if column.types[0] == "DateTime":
        return {"Format": "DateOnly", "DateTimeBehavior": {"Value": "DateOnly"}}
    if column.types[0] == "Memo":
        return {"Format": "TextArea", "MaxLength": _MEMO_LENGTH}
    length = _KEY_LENGTH if column.name == KEY else _TEXT_LENGTH
    return {"FormatName": {"Value": "Text"}, "MaxLength": length}


def _help(column: UsedColumn) -> str:
    if column.label == "Milestones":
        return "For example: Design 40% 2026-03-01; Go-live 60% 2026-06-30"
    return terms.HELP if column.label == "Contract terms" else "Optional."


def _relationship_definition(language: int) -> JsonObject:
    """An opportunity that is deleted leaves its row: whether it had a contract stays known."""
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        "SchemaName": NAVIGATION,
        "ReferencedEntity": "opportunity",
        "ReferencedAttribute": "opportunityid",
        "ReferencingEntity": TABLE,
        "CascadeConfiguration": {
            "Assign": "NoCascade",
            "Delete": "RemoveLink",
            "Merge": "NoCascade",
            "Reparent": "NoCascade",
            "Share": "NoCascade",
            "Unshare": "NoCascade",
        },
        "Lookup": {
            "@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata",
            "SchemaName": LOOKUP,
            "DisplayName": _label(LOOKUP_LABEL, language),
            "Description": _label(_WRITTEN_BY_US, language),
            "RequiredLevel": {"Value": "None"},
        },
    }


def _key_definition(language: int) -> JsonObject:
    return {
        "SchemaName": f"{KEY}_key",
        "DisplayName": _label("Contract", language),
        "KeyAttributes": [KEY],
    }


def _label(text: str, language: int) -> dict[str, Any]:
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.Label",
        "LocalizedLabels": [
            {
                "@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel",
                "Label": text,
                "LanguageCode": language,
            }
        ],
    }
