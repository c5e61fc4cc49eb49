"""The one interface to Odoo, whatever protocol carries it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from gateways.errors import GatewayError
from gateways.odoo import errors
from gateways.odoo.batch_policy import BATCH_SIZE, CALLS_AT_ONCE
from gateways.odoo.batching import CallBatcher
from gateways.odoo.requests.load import Load, begins_record
from gateways.odoo.requests.mail import Mail, Mailed, MailState
from gateways.odoo.requests.records import AnyOf, Find, Matching, OnRecords
from gateways.odoo.requests.request import Body, Request, Single, are_ids, rows_of

T = TypeVar("T")

LANGUAGE = "en_US"
"""`load` takes a selection's label in the caller's language, and errors are recognised by their
English text; so no call ever depends on the service user's preferences."""

# Odoo writes `noupdate` down when it creates a record and honours it in mode `update` only. So it
# is always sent: then `create_once` protects a record however that was first loaded.
_UPSERT = {"noupdate": True, "mode": "init"}
_CREATE_ONCE = {"noupdate": True, "mode": "update"}

OnCall = Callable[[str, str, float, str, int], None]
"""Told of every call: model, method, seconds, outcome ("ok" or the failure's kind), and how many
requests shared it. Called in the thread that made the call."""


class Transport(Protocol):
    """Carries one call to Odoo and back; thread-safe. Raises GatewayError, and nothing else
    that has to do with the remote."""

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any: ...

    def close(self) -> None: ...


class OdooClient:
    """Odoo's models by name: synchronous, thread-safe, one pool of connections.

    Each call is one transaction in Odoo. Requests that threads make at the same time share calls
    (batching.py): at most `calls_at_once` are in flight, each for up to `batch_size` requests.
    Every method raises GatewayError (gateways.odoo.errors says which); a transient one with
    `maybe_done` may have taken effect. Values go in as JSON holds them, besides Decimal (Odoo keeps
    doubles), date, and datetime with its time zone (Odoo keeps UTC, to the second).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        context: Mapping[str, Any] | None = None,
        on_call: OnCall | None = None,
        calls_at_once: int = CALLS_AT_ONCE,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """With a `batch_size` of 1 no requests share a call. Raises ValueError for limits below 1.

        It starts a thread, so it is not to be made by an activity.
        """
        self._transport = transport
        self._context: Mapping[str, Any] = {"lang": LANGUAGE, **(context or {})}
        self._mail_state = MailState()
        self._batcher = CallBatcher(
            _Sender(transport, on_call), calls_at_once=calls_at_once, batch_size=batch_size
        )

    def with_company(self, company_id: int) -> OdooClient:
        """The same client, acting in one company: a cheap view on the same connections.

        Closing a view closes the connections of all.
        """
        view = copy.copy(self)
        view._context = {**self._context, "allowed_company_ids": [company_id]}
        return view

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
        if not begins_record(rows[0]):
            # Without an external id a repeat would create the record a second time.
            raise ValueError(f"The first row for {model} needs an `id` or a `.id`.")
        columns = list(dict.fromkeys(column for row in rows for column in row))
        data = [[_cell(row.get(column)) for column in columns] for row in rows]
        extra = {**(context or {}), **(_CREATE_ONCE if create_once else _UPSERT)}
        ids: list[int] = self._batcher.run(Load(model, columns, rows, data, self._in(extra)))
        return ids

    def search_read(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        order: str = "",
    ) -> list[dict[str, Any]]:
        """The fields (and always `id`) of the records that match; a many2one is `[id, name]`."""
        arguments: dict[str, Any] = {"domain": list(domain), "fields": list(fields)}
        arguments |= {"limit": limit} if limit is not None else {}
        arguments |= {"order": order} if order else {}
        return rows_of(self.call(model, "search_read", **arguments))

    def find(
        self,
        model: str,
        field: str,
        values: Sequence[Any],
        fields: Sequence[str],
        *,
        also: Sequence[Any] = (),
        order: str = "",
    ) -> list[dict[str, Any]]:
        """As `search_read` of those whose `field` is one of `values`, and that match `also`; but
        many such requests at the same time share a call.

        `field` is one that Odoo compares exactly: ids (of `id` itself, of a many2one, of any of
        an x2many) and codes, no text that it also finds in other spellings.
        """
        if not values:
            return []
        wanted, domain = _plain(values), _plain(also)
        return self._rows(Find(model, field, wanted, fields, domain, order, self._in()))

    def matching(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], *, limit: int
    ) -> Matching:
        """The records that match, in the order of their ids, and whether these are all.

        Many such requests at the same time share a call, and then get each other's rows as well:
        it is for callers who look at each row again. The domain may hold patterns.
        """
        found: Matching = self._batcher.run(AnyOf(model, _plain(domain), fields, limit, self._in()))
        return found

    def by_id(
        self, model: str, ids: Iterable[int], fields: Sequence[str], *, also: Sequence[Any] = ()
    ) -> dict[int, dict[str, Any]]:
        """Those of these records that are there and match `also`, by their ids."""
        found = self.find(model, "id", sorted(set(ids)), fields, also=also)
        return {row["id"]: row for row in found}

    def read(self, model: str, ids: Sequence[int], fields: Sequence[str]) -> list[dict[str, Any]]:
        """The fields (and always `id`) of these records, in their order.

        Raises GatewayError `record_missing` where one of them is gone.
        """
        return self._read(model, "read", ids, {"fields": list(fields)})

    def read_related(
        self, model: str, ids: Sequence[int], specification: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """As `read`, and in the same call the fields of related records.

        `specification` maps each field to `{}`, or to `{"fields": specification}` of the records
        that it relates to: a many2one is then a dict or False, a list of records one of dicts.
        """
        return self._read(model, "web_read", ids, {"specification": dict(specification)})

    def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any]) -> None:
        """Set the same values on all of these records."""
        if ids:
            arguments = {"vals": _plain(values), "context": self._in()}
            self._batcher.run(OnRecords(model, "write", ids, arguments))

    def save(
        self, model: str, ids: Sequence[int], values: Mapping[str, Any], fields: Sequence[str]
    ) -> list[dict[str, Any]]:
        """As `write`, and the fields (and always `id`) of the records after it, in their order; a
        many2one is its id. Raises GatewayError `record_missing` where one of them is gone."""
        if not ids:
            return []
        specification: dict[str, Any] = {name: {} for name in fields}
        arguments = {"vals": _plain(values), "specification": specification, "context": self._in()}
        return self._rows(OnRecords(model, "web_save", ids, arguments, returns_rows=True))

    def press(
        self,
        model: str,
        method: str,
        ids: Sequence[int],
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Press a button of these records: a method without arguments, whose answer nobody reads.

        Where Odoo refuses it for one record it refuses the whole call. Then it is pressed again for
        the other requests of that call.
        """
        if ids:
            self._batcher.run(OnRecords(model, method, ids, {"context": self._in(context)}))

    def mail(
        self,
        invoice: int,
        expected: Mapping[str, str],
        *,
        again: bool = False,
        added: str = "",
    ) -> Mailed:
        """Send a posted invoice to its customer by e-mail, as PDF, unless an e-mail about it was
        sent already. Returns how the newest e-mail about it fared. Safe to repeat.

        Where the invoice does not say what is `expected` of it (by the names of `SHOWN`, such as
        `mailed_to`, its customer's address), nothing is sent.

        `added` is HTML that the mail says behind Odoo's own text.

        `again` says that this is a repeat, and that nobody knows what became of the attempt before:
        raises GatewayError `under_way`, transient, as long as that may still mail it.
        """
        request = Mail(invoice, expected, again, self._in(), self._mail_state, added)
        mailed: Mailed = self._batcher.run(request)
        return mailed

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
        if not are_ids(ids) or len(ids) != len(values):
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
        named = {**_plain(arguments), "context": self._in(context)}
        return self._batcher.run(Single(model, method, ids, named))

    def close(self) -> None:
        """Close the connections. Requests that wait or are in flight end with an error."""
        self._batcher.close()
        self._transport.close()

    def _read(
        self, model: str, method: str, ids: Sequence[int], arguments: dict[str, Any]
    ) -> list[dict[str, Any]]:
        if not ids:
            return []
        named = {**arguments, "context": self._in()}
        return self._rows(
            OnRecords(model, method, ids, named, shares_records=True, returns_rows=True)
        )

    def _rows(self, request: Request) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._batcher.run(request)
        return found

    def _in(self, context: Mapping[str, Any] | None = None) -> Any:
        return _plain({**self._context, **(context or {})})


class _Sender:
    """Sends requests that share calls, and reports each call to `on_call`."""

    def __init__(self, transport: Transport, on_call: OnCall | None) -> None:
        self._transport = transport
        self._on_call = on_call

    def __call__(self, requests: Sequence[Request], deadline: float) -> list[Any]:
        def call(model: str, method: str, body: Body, parse: Callable[[Any], T]) -> T:
            with self._observed(model, method, len(requests)):
                ids, arguments = body
                return parse(self._transport.execute(model, method, ids, arguments))

        return requests[0].send(requests, call, deadline)

    @contextmanager
    def _observed(self, model: str, method: str, requests: int) -> Iterator[None]:
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
                seconds = time.perf_counter() - started
                self._on_call(model, method, seconds, outcome, requests)


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
