"""`load`: the rows of many requests in one call, and a refused row fails its own request only."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Self

from gateways.errors import GatewayError
from gateways.odoo import errors
from gateways.odoo.requests.request import Body, OneCallRequest, are_ids

_log = logging.getLogger(__name__)


class Load(OneCallRequest):
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
        self.given_rows = rows
        self.data = data
        self.key = self._key()
        # Odoo can make two records of one external id that comes twice in a call.
        self.records = frozenset(_changed_records(columns, data))
        self.rows = len(rows)
        self.characters = sum(len(cell) for cells in data for cell in cells)

    @property
    def record_count(self) -> int:
        return sum(1 for row in self.given_rows if begins_record(row))

    def merge(self, requests: Sequence[Self]) -> Body:
        data = [cells for request in requests for cells in request.data]
        return [], {**self.arguments, "data": data}

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        rows = [row for request in requests for row in request.given_rows]
        count = sum(request.record_count for request in requests)
        ids = _loaded_ids(self.model, answer, rows, count)
        return [ids[start:end] for start, end in _record_ranges(requests)]

    def failed_requests(
        self, requests: Sequence[Self], error: BaseException
    ) -> dict[int, GatewayError]:
        """Those whose records Odoo names as refused."""
        if not isinstance(error, errors.LoadRefused) or errors.is_conflict(error):
            return {}
        failed: dict[int, GatewayError] = {}
        for position, (start, end) in enumerate(_record_ranges(requests)):
            own = {
                record - start: refusal
                for record, refusal in error.by_record.items()
                if start <= record < end
            }
            if own:
                failed[position] = errors.LoadRefused.of(own)
        return failed


def begins_record(row: Mapping[str, Any]) -> bool:
    """Whether a row begins a record; otherwise it continues the record above."""
    return bool(row.get("id") or row.get(".id"))


def _loaded_ids(
    model: str, answer: Any, rows: Sequence[Mapping[str, Any]], record_count: int
) -> list[int]:
    if not isinstance(answer, Mapping):
        raise errors.unexpected(f"load of {model} answered something that is no mapping.")
    ids, messages = answer.get("ids"), answer.get("messages") or []
    if not ids:
        raise errors.from_load_messages(messages, rows)
    for message in messages:  # warnings, since there are ids; their text holds data
        _log.info("load of %s: a %s on %s", model, message.get("type"), message.get("field"))
    if not are_ids(ids) or len(ids) != record_count:
        # Going on would give a record the id of another one.
        raise errors.unexpected(f"load of {record_count} {model} answered other ids than as many.")
    return list(ids)


def _record_ranges(requests: Sequence[Load]) -> list[tuple[int, int]]:
    """Where each request's records begin and end among the records of all."""
    ranges, start = [], 0
    for request in requests:
        ranges.append((start, start + request.record_count))
        start += request.record_count
    return ranges


def _changed_records(columns: Sequence[str], data: Sequence[Sequence[str]]) -> Iterable[Hashable]:
    """The ids of all records that the rows create or change, lines included.

    `order_line/id` names a line where the line has other columns too. Alone, as in
    `partner_id/id`, it refers to a record and changes nothing.
    """
    parts = [column.rpartition("/") for column in columns]
    changed = {parent for parent, _, leaf in parts if leaf not in ("id", ".id")} | {""}
    for position, (parent, _, leaf) in enumerate(parts):
        if leaf in ("id", ".id") and parent in changed:
            scope = "" if leaf == "id" else parent  # an external id is one record everywhere
            yield from ((leaf, scope, row[position]) for row in data if row[position])
