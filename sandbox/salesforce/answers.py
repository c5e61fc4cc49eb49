"""What a query finds among an org's records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.salesforce import soql
from sandbox.salesforce.errors import Json, SalesforceError, no_column
from sandbox.salesforce.objects import CHILDREN, Catalogue, Field
from sandbox.salesforce.records import Record

_NUMBERS = ("currency", "double", "percent", "int")
_LITERALS = {"date": "date", "datetime": "datetime", "boolean": "boolean"} | dict.fromkeys(
    _NUMBERS, "number"
)


class Answer:
    """One query's answer. It reads each object once."""

    def __init__(self, catalogue: Catalogue, records: Callable[[str], Sequence[Record]]) -> None:
        """`records` gives the records of an object that the query may find."""
        self._catalogue = catalogue
        self._records = records
        self._by_id: dict[str, dict[str, Record]] = {}

    def rows(self, query: soql.Query) -> list[Json]:
        """Raises SalesforceError for what the user does not see."""
        self._check_names(query, query.source)
        return self._found(query, query.source, self._records(query.source))

    def _check_names(self, query: soql.Query, kind: str) -> None:
        self._catalogue.fields(kind)
        for name in (*query.fields, *(name for name, _ in query.order)):
            self._field(kind, name)
        for comparison in soql.comparisons(query.where):
            self._check(kind, comparison)
        for child in query.children:
            self._check_names(child, self._child(kind, child.source)[0])

    def _found(self, query: soql.Query, kind: str, records: Sequence[Record]) -> list[Json]:
        def meets(record: Record) -> bool:
            return soql.holds(
                query.where, lambda comparison: self._compared(kind, record, comparison)
            )

        found = [record for record in records if meets(record)]
        for name, descends in reversed(query.order):
            field = self._field(kind, name)
            found.sort(
                key=lambda record: soql.sort_key(
                    _comparable(self._value(kind, record, name), field)
                ),
                reverse=descends,
            )
        if query.limit is not None:
            found = found[: query.limit]
        return [self._row(query, kind, record) for record in found]

    def _row(self, query: soql.Query, kind: str, record: Record) -> Json:
        row = self._shown(kind, record, [name.split(".") for name in query.fields])
        for child in query.children:
            row[child.source] = self._children(child, kind, record)
        return row

    def _shown(self, kind: str, record: Record, paths: Sequence[Sequence[str]]) -> Json:
        """The record as it is answered: what is asked of one parent is one object."""
        row: Json = {
            "attributes": {"type": kind, "url": f"/services/data/sobjects/{kind}/{record.id}"}
        }
        parents: dict[str, list[Sequence[str]]] = {}
        for path in paths:
            if len(path) == 1:
                field = self._catalogue.fields(kind)[path[0]]
                row[path[0]] = _answered(record.values.get(path[0]), field)
            else:
                parents.setdefault(path[0], []).append(path[1:])
        for name, rest in parents.items():
            parent_kind, parent = self._parent(kind, record, name)
            row[name] = self._shown(parent_kind, parent, rest) if parent else None
        return row

    def _children(self, query: soql.Query, kind: str, record: Record) -> list[Json]:
        child_kind, reference = self._child(kind, query.source)
        own = [
            child for child in self._records(child_kind) if child.fields.get(reference) == record.id
        ]
        return self._found(query, child_kind, own)

    def _child(self, kind: str, relationship: str) -> tuple[str, str]:
        if (kind, relationship) not in CHILDREN:
            text = f"Didn't understand relationship '{relationship}' in FROM part of query call."
            raise SalesforceError(400, "INVALID_TYPE", text)
        return CHILDREN[kind, relationship]

    def _field(self, kind: str, path: str) -> Field:
        *parents, name = path.split(".")
        for parent in parents:
            kind = self._reference(kind, parent).refers_to
        fields = self._catalogue.fields(kind)
        if name not in fields:
            raise no_column(name, kind)
        return fields[name]

    def _reference(self, kind: str, relationship: str) -> Field:
        for field in self._catalogue.fields(kind).values():
            if field.relationship == relationship:
                return field
        text = f"Didn't understand relationship '{relationship}' in field path."
        raise SalesforceError(400, "INVALID_FIELD", text)

    def _parent(self, kind: str, record: Record, relationship: str) -> tuple[str, Record | None]:
        field = self._reference(kind, relationship)
        if field.refers_to not in self._by_id:
            every = {item.id: item for item in self._records(field.refers_to)}
            self._by_id[field.refers_to] = every
        parent_id = str(record.fields.get(field.name))
        return field.refers_to, self._by_id[field.refers_to].get(parent_id)

    def _value(self, kind: str, record: Record, path: str) -> Any:
        *parents, name = path.split(".")
        found: Record | None = record
        for parent in parents:
            if found is None:
                return None
            kind, found = self._parent(kind, found, parent)
        return None if found is None else found.values.get(name)

    def _check(self, kind: str, comparison: soql.Comparison) -> None:
        field = self._field(kind, comparison.field)
        if not field.filterable:
            text = f"field '{field.name}' can not be filtered in a query call"
            raise SalesforceError(400, "INVALID_FIELD", text)
        wanted = _LITERALS.get(field.type, "text")
        for literal in comparison.literals:
            if literal.kind not in (wanted, "null"):
                text = (
                    f"value of filter criterion for field '{field.name}' must be of type "
                    f"{field.type}" + (" and should not be enclosed in quotes" * (wanted != "text"))
                )
                raise SalesforceError(400, "INVALID_FIELD", text)

    def _compared(self, kind: str, record: Record, comparison: soql.Comparison) -> bool:
        field = self._field(kind, comparison.field)
        stored = _comparable(self._value(kind, record, comparison.field), field)
        wanted = [
            None if item.kind == "null" else _comparable(item.value, field)
            for item in comparison.literals
        ]
        if comparison.operator in ("=", "IN"):
            return stored in wanted
        if comparison.operator == "!=":
            return stored not in wanted
        if stored is None or wanted[0] is None:
            return False
        if comparison.operator == ">":
            return bool(stored > wanted[0])
        if comparison.operator == ">=":
            return bool(stored >= wanted[0])
        if comparison.operator == "<":
            return bool(stored < wanted[0])
        return bool(stored <= wanted[0])


def _comparable(value: Any, field: Field) -> Any:
    """A value to compare by; texts regardless of case, ids with it."""
    if value is None or value == "":
        return None
    if field.type in _NUMBERS:
        return Decimal(str(value))
    if field.type == "boolean":
        return str(value).lower() == "true"
    if field.type == "datetime":
        return datetime.fromisoformat(str(value))
    if field.type == "date":
        return date.fromisoformat(str(value))
    return str(value) if field.type in ("id", "reference") else str(value).lower()


def _answered(value: Any, field: Field) -> Any:
    """A value as JSON has it. A boolean is never null."""
    if field.type == "boolean":
        return str(value).lower() == "true"
    if value is None or field.type not in _NUMBERS:
        return value
    return int(value) if field.type == "int" else float(value)
