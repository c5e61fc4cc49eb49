"""Requests to Odoo that may share one call: how they are joined, and how the answer is divided.

    request   one call holds                  each request gets
    -------   -----------------------------   --------------------------------------
    Load      the rows of all                 the ids of its own records
    Read      the ids of all                  its own rows, in the order it asked for
    Write     the ids of all, equal values    nothing
    Save      the ids of all, equal values    its own rows, as they are then
    Press     the ids of all                  nothing
    Find      the values of all               the rows that have one of its values
    Single    one request                     the answer as it is

Mail (mailing.py) takes several calls for all of its requests.

Requests share a call only if their keys are equal: model, method, context (hence company and
mode) and whatever else the call holds once. When and in whose thread they go: lanes.py.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

from gateways.errors import GatewayError
from gateways.odoo import errors

T = TypeVar("T")

Body = tuple[list[int], dict[str, Any]]
"""What one call holds: ids, and arguments by name."""


class Call(Protocol):
    """Makes one call; what `understand` makes of the answer is what comes back, and what it raises
    counts as the call's own failure. Raises GatewayError."""

    def __call__(
        self, model: str, method: str, body: Body, understand: Callable[[Any], T]
    ) -> T: ...


_log = logging.getLogger(__name__)


class Request(ABC):
    """What one caller wants of Odoo.

    `key` is None where it can share no call and need not wait for another. No two requests of one
    call may have one of `records` in common. `rows` and `characters` say how much of a call's room
    it takes. So many go together `at_first`, and `most` once Odoo is seen to be quick enough.
    """

    key: Hashable | None = None
    in_turn: bool = False
    """Whether those of a key go one after the other even where nothing is grouped."""
    yields: bool = False
    """Whether it is to wait while others are under way."""
    at_first: int = sys.maxsize
    most: int = sys.maxsize
    records: frozenset[Hashable] = frozenset()
    rows: int = 1
    characters: int = 0

    def __init__(self, model: str, method: str, arguments: Mapping[str, Any]) -> None:
        """`arguments` are all of the call's that its requests do not bring themselves, with its
        `context`, as JSON holds them."""
        self.model = model
        self.method = method
        self.arguments = arguments

    @abstractmethod
    def carry_out(self, requests: Sequence[Self], call: Call, until: float) -> list[Any]:
        """Each request's own answer, or the GatewayError that is its own; this is the first.

        After `until`, by the monotonic clock, nothing more may be changed. Raises GatewayError
        where no answer can be told from another's.
        """

    def blame(self, requests: Sequence[Self], error: BaseException) -> dict[int, GatewayError]:
        """Those of several requests, by position, that are certain to be the error's reason, each
        with its own error; none where that cannot be said."""
        return {}

    def _key(self, *more: str) -> Hashable:
        # As text: 1, 1.0 and True are equal in Python, and lists have no hash.
        arguments = json.dumps(self.arguments)
        return (type(self), self.model, self.method, arguments, *more)


class _InOneCall(Request):
    """One call for all: what each brings is joined, and the answer divided."""

    def carry_out(self, requests: Sequence[Self], call: Call, until: float) -> list[Any]:
        return call(
            self.model,
            self.method,
            self.join(requests),
            lambda answer: self.divide(requests, answer),
        )

    @abstractmethod
    def join(self, requests: Sequence[Self]) -> Body:
        """One call for all of these, of which this is the first."""

    @abstractmethod
    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        """Each request's own part of the answer, or the GatewayError that is its own.

        Raises GatewayError where the answer is none, or cannot be divided.
        """


class Single(_InOneCall):
    """A call that is made for one request, as it is."""

    def __init__(
        self,
        model: str,
        method: str,
        ids: Sequence[int],
        arguments: Mapping[str, Any],
    ) -> None:
        super().__init__(model, method, arguments)
        self.ids = list(ids)

    def join(self, requests: Sequence[Self]) -> Body:
        return self.ids, dict(self.arguments)

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        return [answer]


class Load(_InOneCall):
    """Rows of `load`; `data` are their cells, in the order of `columns`."""

    def __init__(
        self,
        model: str,
        columns: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        data: list[list[str]],
        context: Mapping[str, Any],
    ) -> None:
        super().__init__(model, "load", {"fields": list(columns), "context": context})
        self.given = rows
        self.data = data
        self.key = self._key()
        self.records = frozenset(_named(columns, data))
        self.rows = len(rows)
        self.characters = sum(len(cell) for cells in data for cell in cells)

    @property
    def count(self) -> int:
        """How many records the rows are: one without an id continues the one above."""
        return sum(1 for row in self.given if names_record(row))

    def join(self, requests: Sequence[Self]) -> Body:
        data = [cells for request in requests for cells in request.data]
        return [], {**self.arguments, "data": data}

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        rows = [row for request in requests for row in request.given]
        ids = _loaded(self.model, answer, rows, sum(request.count for request in requests))
        return [ids[start:end] for start, end in _spans(requests)]

    def blame(self, requests: Sequence[Self], error: BaseException) -> dict[int, GatewayError]:
        if not isinstance(error, errors.LoadRefused) or errors.is_conflict(error):
            return {}
        found: dict[int, GatewayError] = {}
        for position, (start, end) in enumerate(_spans(requests)):
            own = {
                record - start: blamed
                for record, blamed in error.by_record.items()
                if start <= record < end
            }
            if own:
                found[position] = errors.LoadRefused.of(own)
        return found


class _OfRecords(_InOneCall):
    """Does something to records, and each record may be in it once."""

    def __init__(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> None:
        super().__init__(model, method, arguments)
        self.ids = list(ids)
        self.key = self._key()
        self.records = frozenset(ids)
        self.rows = len(self.ids)

    def join(self, requests: Sequence[Self]) -> Body:
        return _united(request.ids for request in requests), dict(self.arguments)

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        return [None] * len(requests)


class Write(_OfRecords):
    """The same values for all records.

    Two writes of one record never share a call: values may be commands that add lines.
    """

    def __init__(
        self, model: str, ids: Sequence[int], values: Any, context: Mapping[str, Any]
    ) -> None:
        super().__init__(model, "write", ids, {"vals": values, "context": context})


class Save(_OfRecords):
    """The same values for all records, and what stands in their fields then."""

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

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        by_id = {row["id"]: row for row in rows_of(answer)}
        return [own_rows(self.model, request.ids, by_id) for request in requests]


class Press(_OfRecords):
    """A button: no arguments, and nobody wants its answer."""

    def __init__(
        self, model: str, method: str, ids: Sequence[int], context: Mapping[str, Any]
    ) -> None:
        super().__init__(model, method, ids, {"context": context})


class Read(_InOneCall):
    """The fields of records; any number of requests may ask for the same ones."""

    def __init__(
        self, model: str, ids: Sequence[int], fields: Sequence[str], context: Mapping[str, Any]
    ) -> None:
        super().__init__(model, "read", {"fields": list(fields), "context": context})
        self.ids = list(ids)
        self.key = self._key()
        self.rows = len(self.ids)

    def join(self, requests: Sequence[Self]) -> Body:
        return _united(request.ids for request in requests), dict(self.arguments)

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        by_id = {row["id"]: row for row in rows_of(answer)}
        return [own_rows(self.model, request.ids, by_id) for request in requests]


class Find(_InOneCall):
    """The records whose `field` has one of `values`, and that match `also`."""

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
        # Without fields Odoo answers all of them.
        self._added = bool(fields) and field not in (*fields, "id")
        asked = [*fields, field] if self._added else list(fields)
        arguments: dict[str, Any] = {"fields": asked, "context": context}
        arguments |= {"order": order} if order else {}
        super().__init__(model, "search_read", arguments)
        self._field = field
        self._also = list(also)
        self.values = list(values)
        self.rows = len(self.values)
        if "." not in field and all(_is_exact(value) for value in self.values):
            self.key = self._key(field, json.dumps(self._also), str(self._added))

    def join(self, requests: Sequence[Self]) -> Body:
        values = _united(request.values for request in requests)
        domain = [[self._field, "in", values], *self._also]
        return [], {**self.arguments, "domain": domain}

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        rows = rows_of(answer)
        if len(requests) == 1:
            return [[self._without_added(row) for row in rows]]
        held = [(row, _values_of(row[self._field])) for row in rows]
        wanted = [set(request.values) for request in requests]
        if not all(any(values & want for want in wanted) for _, values in held):
            # Odoo compares this field otherwise than we do (it ignores case, say).
            text = f"{self.model}.{self._field} was not answered as it was searched."
            raise errors.unexpected(text)
        return [
            [self._without_added(copy.deepcopy(row)) for row, values in held if values & want]
            for want in wanted
        ]

    def _without_added(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._added:
            row.pop(self._field, None)
        return row


def rows_of(answer: Any) -> list[dict[str, Any]]:
    """The rows of a read. Raises GatewayError where they are none."""
    if not isinstance(answer, list):
        raise errors.unexpected("Odoo answered a read with something that is no list.")
    return answer


def own_rows(model: str, ids: Sequence[int], by_id: Mapping[int, dict[str, Any]]) -> Any:
    """Copies of the rows of these ids, or the error that some are missing: Odoo just leaves them
    out."""
    missing = {record for record in ids if record not in by_id}
    if missing:
        return errors.record_missing(model, missing)
    return [copy.deepcopy(by_id[record]) for record in ids]


def names_record(row: Mapping[str, Any]) -> bool:
    """Whether a row of `load` begins a record; else it continues the one above."""
    return bool(row.get("id") or row.get(".id"))


def are_ids(answer: Any) -> bool:
    return isinstance(answer, list) and all(type(item) is int for item in answer)


def _loaded(model: str, answer: Any, rows: Sequence[Mapping[str, Any]], records: int) -> list[int]:
    if not isinstance(answer, Mapping):
        raise errors.unexpected(f"load of {model} answered something that is no mapping.")
    ids, messages = answer.get("ids"), answer.get("messages") or []
    if not ids:
        raise errors.from_load_messages(messages, rows)
    for message in messages:  # warnings only, else there were no ids; their text holds data
        _log.info("load of %s: a %s on %s", model, message.get("type"), message.get("field"))
    if not are_ids(ids) or len(ids) != records:
        # Going on would give a record the id of another.
        raise errors.unexpected(f"load of {records} {model} answered other than {records} ids.")
    return list(ids)


def _spans(requests: Sequence[Load]) -> list[tuple[int, int]]:
    """Where each request's records begin and end among those of all."""
    spans, start = [], 0
    for request in requests:
        spans.append((start, start + request.count))
        start += request.count
    return spans


def _named(columns: Sequence[str], data: Sequence[Sequence[str]]) -> Iterable[Hashable]:
    """The ids of all records that the rows create or change, lines included.

    `order_line/id` names a line where the line has other columns too; alone, as in
    `partner_id/id`, it refers to a record and changes nothing.
    """
    parts = [column.rpartition("/") for column in columns]
    changed = {parent for parent, _, leaf in parts if leaf not in ("id", ".id")} | {""}
    for position, (parent, _, leaf) in enumerate(parts):
        if leaf in ("id", ".id") and parent in changed:
            scope = "" if leaf == "id" else parent  # an external id is one record everywhere
            yield from ((leaf, scope, row[position]) for row in data if row[position])


def _united(lists: Iterable[Sequence[Any]]) -> list[Any]:
    return list(dict.fromkeys(item for items in lists for item in items))


def _is_exact(value: Any) -> bool:
    """Whether Odoo answers the value just as it was searched (it does not for no value at all)."""
    return (type(value) is int and value > 0) or (type(value) is str and value != "")


def _values_of(held: Any) -> set[Any]:
    """What a field of a row can be found by: a many2one is `[id, name]`, an x2many its ids."""
    if not isinstance(held, list):
        return {held}
    if len(held) == 2 and type(held[1]) is not int:
        return {held[0]}
    return set(held)
