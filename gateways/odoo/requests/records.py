"""Reading, changing and finding records: the ids or values of many requests in one call."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from gateways.odoo import errors
from gateways.odoo.requests.request import Body, OneCallRequest, rows_of, without_duplicates


class _OfRecords(OneCallRequest):
    """A method of records: one call holds the ids of all requests."""

    def __init__(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> None:
        super().__init__(model, method, arguments)
        self.ids = list(ids)
        self.key = self._key()
        self.rows = len(self.ids)

    def merge(self, requests: Sequence[Self]) -> Body:
        return without_duplicates(request.ids for request in requests), dict(self.arguments)


class _ReturningRows(_OfRecords):
    """The answer holds a row for each record."""

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        by_id = {row["id"]: row for row in rows_of(answer)}
        return [_rows_by_id(self.model, request.ids, by_id) for request in requests]


class _ReturningNothing(_OfRecords):
    """Nobody reads the answer."""

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        return [None] * len(requests)


class Read(_ReturningRows):
    """The fields of records. Requests of one call may ask for the same records."""

    def __init__(
        self, model: str, ids: Sequence[int], fields: Sequence[str], context: Mapping[str, Any]
    ) -> None:
        super().__init__(model, "read", ids, {"fields": list(fields), "context": context})


class Write(_ReturningNothing):
    """The same values for all records.

    Two writes of one record never share a call: values may be commands that add lines.
    """

    def __init__(
        self, model: str, ids: Sequence[int], values: Any, context: Mapping[str, Any]
    ) -> None:
        super().__init__(model, "write", ids, {"vals": values, "context": context})
        self.records = frozenset(ids)


class Save(_ReturningRows):
    """As Write, and it returns the records' fields as they are afterwards."""

    def __init__(
        self,
        model: str,
        ids: Sequence[int],
        values: Any,
        fields: Sequence[str],
        context: Mapping[str, Any],
    ) -> None:
        specification: dict[str, Any] = {name: {} for name in fields}
        arguments = {"vals": values, "specification": specification, "context": context}
        super().__init__(model, "web_save", ids, arguments)
        self.records = frozenset(ids)


class Press(_ReturningNothing):
    """A button: a method without arguments. A record is once in a call."""

    def __init__(
        self, model: str, method: str, ids: Sequence[int], context: Mapping[str, Any]
    ) -> None:
        super().__init__(model, method, ids, {"context": context})
        self.records = frozenset(ids)


class Find(OneCallRequest):
    """The records whose `field` has one of `values`, and that match the domain `also`."""

    def __init__(
        self,
        model: str,
        field: str,
        values: Sequence[Any],
        fields: Sequence[str],
        also: Sequence[Any],
        order: str,
        context: Mapping[str, Any],
    ) -> None:
        # Whose row it is, is seen by the field; so it is read too. Without fields Odoo answers all.
        self._field_added = bool(fields) and field not in (*fields, "id")
        asked = [*fields, field] if self._field_added else list(fields)
        arguments: dict[str, Any] = {"fields": asked, "context": context}
        arguments |= {"order": order} if order else {}
        super().__init__(model, "search_read", arguments)
        self._field = field
        self._also = list(also)
        self.values = list(values)
        self.rows = len(self.values)
        if "." not in field and all(_is_exact(value) for value in self.values):
            self.key = self._key(field, json.dumps(self._also), str(self._field_added))

    def merge(self, requests: Sequence[Self]) -> Body:
        values = without_duplicates(request.values for request in requests)
        domain = [[self._field, "in", values], *self._also]
        return [], {**self.arguments, "domain": domain}

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        rows = rows_of(answer)
        if len(requests) == 1:
            return [[self._without_added_field(row) for row in rows]]
        found = [(row, _values_in(row[self._field])) for row in rows]
        wanted = [set(request.values) for request in requests]
        if not all(any(values & want for want in wanted) for _, values in found):
            # Odoo compares this field otherwise than we do (it ignores case, for instance).
            text = f"{self.model}.{self._field} was not answered as it was searched."
            raise errors.unexpected(text)
        return [
            [
                self._without_added_field(copy.deepcopy(row))
                for row, values in found
                if values & want
            ]
            for want in wanted
        ]

    def _without_added_field(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._field_added:
            row.pop(self._field, None)
        return row


def _rows_by_id(model: str, ids: Sequence[int], by_id: Mapping[int, dict[str, Any]]) -> Any:
    """Copies of the rows of these ids, or an error that names the ids without a row."""
    missing = {record for record in ids if record not in by_id}
    if missing:
        return errors.record_missing(model, missing)
    return [copy.deepcopy(by_id[record]) for record in ids]


def _is_exact(value: Any) -> bool:
    """Whether Odoo answers the value just as it was searched; it does not for an empty one."""
    return (type(value) is int and value > 0) or (type(value) is str and value != "")


def _values_in(held: Any) -> set[Any]:
    """The values by which a row is found: a many2one is `[id, name]`, an x2many its ids."""
    if not isinstance(held, list):
        return {held}
    if len(held) == 2 and type(held[1]) is not int:
        return {held[0]}
    return set(held)
