"""The one interface to Odoo, whatever protocol carries it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

from gateways.errors import GatewayError
from gateways.odoo import errors

LANGUAGE = "en_US"
"""`load` takes a selection's label in the caller's language, and errors are recognised by their
English text; so no call ever depends on the service user's preferences."""

# Odoo writes `noupdate` down when it creates a record and honours it in mode `update` only. So it
# is always sent: then `create_once` protects a record however that was first loaded.
_UPSERT = {"noupdate": True, "mode": "init"}
_CREATE_ONCE = {"noupdate": True, "mode": "update"}

OnCall = Callable[[str, str, float, str], None]
"""Told of every call: model, method, seconds, outcome ("ok" or the failure's kind)."""

_log = logging.getLogger(__name__)


class Transport(Protocol):
    """Carries one call to Odoo and back; thread-safe. Raises GatewayError, and nothing else
    that has to do with the remote."""

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any: ...

    def close(self) -> None: ...


class OdooClient:
    """Odoo's models by name: synchronous, thread-safe, one pool of connections.

    Each call is one transaction in Odoo. Every method raises GatewayError (gateways.odoo.errors
    says which); a transient one with `maybe_done` may have taken effect. Values go in as JSON
    holds them, besides Decimal (Odoo keeps doubles), date, and datetime with its time zone (Odoo
    keeps UTC, to the second).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        context: Mapping[str, Any] | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        self._transport = transport
        self._context: Mapping[str, Any] = {"lang": LANGUAGE, **(context or {})}
        self._on_call = on_call

    def with_company(self, company_id: int) -> OdooClient:
        """The same client, acting in one company: a cheap view on the same connections."""
        return self.with_context(allowed_company_ids=[company_id])

    def with_context(self, **context: Any) -> OdooClient:
        """The same client with more in its default context: a cheap view on the same connections.

        Closing a view closes the connections of all.
        """
        return OdooClient(
            self._transport, context={**self._context, **context}, on_call=self._on_call
        )

    def load(
        self,
        model: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        create_once: bool = False,
        context: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """Create or update records by their external ids; all of them or none. Safe to repeat.

        A row maps columns to values: `name`, `id` (the external id), `partner_id/.id`,
        `order_line/id`... Columns are taken together in the order they first appear. A row
        without `id` and `.id` continues the record above it with another of its lines.
        `create_once` leaves records that exist already as people have edited them; a record that
        they deleted is created anew either way.

        Returns one database id a record, in the order of the rows. Raises LoadRefused where Odoo
        refused a record, and ValueError where the first row names no record.
        """
        if not rows:
            return []
        records = sum(1 for row in rows if _names_record(row))
        if not _names_record(rows[0]):
            # Without an external id a repeat would create the record a second time.
            raise ValueError(f"The first row for {model} needs an `id` or a `.id`.")
        columns = list(dict.fromkeys(column for row in rows for column in row))
        arguments = {
            "fields": columns,
            "data": [[_cell(row.get(column)) for column in columns] for row in rows],
        }
        extra = {**(context or {}), **(_CREATE_ONCE if create_once else _UPSERT)}
        with self._observed(model, "load"):
            answer = self._execute(model, "load", (), extra, arguments)
            return _loaded(model, answer, rows, records)

    def search_read(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        offset: int = 0,
        order: str = "",
        context: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The fields (and always `id`) of the records that match; a many2one is `[id, name]`."""
        arguments: dict[str, Any] = {"domain": list(domain), "fields": list(fields)}
        arguments |= {"limit": limit} if limit is not None else {}
        arguments |= {"offset": offset} if offset else {}
        arguments |= {"order": order} if order else {}
        return self._records(self.call(model, "search_read", context=context, **arguments))

    def read(
        self,
        model: str,
        ids: Sequence[int],
        fields: Sequence[str],
        *,
        context: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The fields (and always `id`) of these records, in their order.

        Raises GatewayError `record_missing` where one of them is gone.
        """
        if not ids:
            return []
        found = self._records(self.call(model, "read", ids, context=context, fields=list(fields)))
        missing = set(ids) - {row["id"] for row in found}
        if missing:  # Odoo just leaves them out
            raise errors.record_missing(model, missing)
        return found

    def write(
        self,
        model: str,
        ids: Sequence[int],
        values: Mapping[str, Any],
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Set the same values on all of these records."""
        if ids:
            self.call(model, "write", ids, context=context, vals=values)

    def create(
        self,
        model: str,
        values: Sequence[Mapping[str, Any]],
        *,
        context: Mapping[str, Any] | None = None,
    ) -> list[int]:
        """Create records; not safe to repeat (`load` is). Returns one database id a record."""
        if not values:
            return []
        ids = self.call(model, "create", context=context, vals_list=list(values))
        if not _are_ids(ids) or len(ids) != len(values):
            raise errors.unexpected(f"create of {len(values)} {model} answered something else.")
        return list(ids)

    def call(
        self,
        model: str,
        method: str,
        ids: Sequence[int] = (),
        *,
        context: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> Any:
        """Call any public method, on the model or on records, with its arguments by name."""
        with self._observed(model, method):
            return self._execute(model, method, ids, context or {}, arguments)

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._transport.close()

    def _execute(
        self,
        model: str,
        method: str,
        ids: Sequence[int],
        context: Mapping[str, Any],
        arguments: Mapping[str, Any],
    ) -> Any:
        named = {**arguments, "context": {**self._context, **context}}
        return self._transport.execute(model, method, list(ids), _plain(named))

    @contextmanager
    def _observed(self, model: str, method: str) -> Iterator[None]:
        started = time.perf_counter()
        outcome = "defect"
        try:
            yield
            outcome = "ok"
        except GatewayError as error:
            outcome = error.kind.value
            raise
        finally:
            if self._on_call is not None:
                self._on_call(model, method, time.perf_counter() - started, outcome)

    @staticmethod
    def _records(answer: Any) -> list[dict[str, Any]]:
        if not isinstance(answer, list):
            raise errors.unexpected("Odoo answered a read with something that is no list.")
        return answer


def _names_record(row: Mapping[str, Any]) -> bool:
    return bool(row.get("id") or row.get(".id"))


def _loaded(model: str, answer: Any, rows: Sequence[Mapping[str, Any]], records: int) -> list[int]:
    if not isinstance(answer, Mapping):
        raise errors.unexpected(f"load of {model} answered something that is no mapping.")
    ids, messages = answer.get("ids"), answer.get("messages") or []
    if not ids:
        raise errors.from_load_messages(messages, rows)
    for message in messages:  # warnings only, else there were no ids; their text holds data
        _log.info("load of %s: a %s on %s", model, message.get("type"), message.get("field"))
    if not _are_ids(ids) or len(ids) != records:
        # Going on would give a record the id of another.
        raise errors.unexpected(f"load of {records} {model} answered other than {records} ids.")
    return list(ids)


def _are_ids(answer: Any) -> bool:
    return isinstance(answer, list) and all(type(item) is int for item in answer)


def _cell(value: Any) -> str:
    """`load` reads text, as from a spreadsheet; empty means no value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return f"{value:f}"
    plain = _plain(value)
    if not isinstance(plain, str | int):
        raise TypeError(f"{type(value).__name__} is no value for a cell; Decimal, not float.")
    return str(plain)


def _plain(value: Any) -> Any:
    """The value as JSON and Odoo hold it. Raises ValueError for a datetime without time zone."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("A datetime for Odoo needs its time zone.")
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return value.isoformat() if isinstance(value, date) else value
