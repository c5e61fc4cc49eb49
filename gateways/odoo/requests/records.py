"""Reading, changing and finding records: the ids or values of many requests in one call."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from gateways.odoo import errors
from gateways.odoo.requests.request import Body, OneCallRequest, rows_of, without_duplicates


class OnRecords(OneCallRequest):
    """A method of records, such as `read`, `write` or a button. One call holds the ids of all.

    `shares_records` says that requests of one call may have records in common: reads may, but two
    writes of one record are two calls, since values may be commands that add lines.
    `returns_rows` says that each request gets the rows of its ids; otherwise it gets nothing.
    """

    def __init__(
        self,
        model: str,
        method: str,
        ids: Sequence[int],
        arguments: Mapping[str, Any],
        *,
        shares_records: bool = False,
        returns_rows: bool = False,
    ) -> None:
        super().__init__(model, method, arguments)
        self.ids = list(ids)
        self.key = self._key()
        self.records = frozenset() if shares_records else frozenset(ids)
        self.rows = len(self.ids)
        self._returns_rows = returns_rows

    def merge(self, requests: Sequence[Self]) -> Body:
        return without_duplicates(request.ids for request in requests), dict(self.arguments)

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        if not self._returns_rows:
            return [None] * len(requests)
        by_id = {row["id"]: row for row in rows_of(answer)}
        return [_rows_by_id(self.model, request.ids, by_id) for request in requests]


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


class Matching(NamedTuple):
    """The records that match a domain. Not `is_complete`: there may be more."""

    rows: list[dict[str, Any]]
    is_complete: bool


class AnyOf(OneCallRequest):
    """Up to `limit` records that match a domain, in whichever order. Requests that share a call
    get the rows of all of them: each is to recognise its own."""

    max_batch_size = 10
    """Odoo tries each pattern on each record, so that a call for many takes as long as many."""

    def __init__(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        limit: int,
        context: Mapping[str, Any],
    ) -> None:
        arguments: dict[str, Any] = {"fields": list(fields), "order": "id", "context": context}
        super().__init__(model, "search_read", arguments)
        self.domain = list(domain)
        self.limit = self.rows = limit
        self.characters = len(json.dumps(self.domain))
        self.key = self._key()

    def merge(self, requests: Sequence[Self]) -> Body:
        either = ["|"] * (len(requests) - 1)
        domains = [term for request in requests for term in _as_one(request.domain)]
        return [], {**self.arguments, "domain": [*either, *domains], "limit": _limit(requests)}

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        rows = rows_of(answer)
        is_complete = len(rows) < _limit(requests)
        return [Matching(copy.deepcopy(rows), is_complete) for _ in requests]


def _limit(requests: Sequence[AnyOf]) -> int:
    return sum(request.limit for request in requests)


def _as_one(domain: Sequence[Any]) -> list[Any]:
    """The domain with its "and"s written out, to be joined with others."""
    operands = 0
    for term in domain:
        if term in ("|", "&"):
            operands -= 1
        elif term != "!":
            operands += 1
    return ["&"] * (operands - 1) + list(domain)


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
