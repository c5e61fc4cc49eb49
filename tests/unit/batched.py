"""An Odoo of dictionaries that can be held up, and callers in threads, to test batching."""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient

PATIENCE_SECONDS = 20.0
ADDRESS = "ap@acme.example"
TO = {"mailed_to": ADDRESS}
"""What an invoice must say to be mailed."""
"""Of the customer of every invoice."""


class Call(NamedTuple):
    """One call as it reached Odoo."""

    model: str
    method: str
    ids: list[int]
    arguments: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """The external ids of a `load`'s records."""
        column = self.arguments["fields"].index("id")
        return [cells[column] for cells in self.arguments["data"] if cells[column]]


class Wizard(NamedTuple):
    """What invoices a wizard was made for, and when."""

    model: str
    invoices: list[int]
    made_at: datetime


Trouble = Callable[[Call], Any]
"""Raises in place of Odoo, or answers in its place; None lets Odoo answer."""


class FakeOdoo:
    """A transport with records behind it: one call is one transaction, carried out under a lock."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.records: dict[int, dict[str, Any]] = {}
        self.by_name: dict[str, int] = {}
        self.mails: dict[int, int] = {}
        self.now = datetime.fromisoformat("2026-03-02 12:00:00")
        self.wizards: dict[int, Wizard] = {}
        self._wizard_ids = itertools.count(1)
        self.trouble: Trouble = lambda call: None
        self.most_at_once = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Calls reach it but get no answer until the block is left."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        call = Call(model, method, list(ids), dict(arguments))
        with self._lock:
            self.calls.append(call)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            assert self._open.wait(PATIENCE_SECONDS)
            with self._lock:
                answer = self.trouble(call)
                return self._answer(call) if answer is None else answer
        finally:
            with self._lock:
                self._under_way -= 1

    def close(self) -> None:
        self._open.set()

    def add(self, **row: Any) -> int:
        record = len(self.records) + 1
        self.records[record] = {"id": record, **row}
        return record

    def invoice(self, company: int = 1, state: str = "posted") -> int:
        """One that can be mailed."""
        record = self.add(
            state=state, posted=0, company_id=company, email=ADDRESS, notifications=[]
        )
        self.mails[record] = 0
        return record

    def in_wizard(self, wizard: int) -> int:
        """How many invoices a wizard was made for."""
        return len(self.wizards[wizard].invoices)

    def _answer(self, call: Call) -> Any:
        if call.method in ("write", "action_post") and not self.records.keys() >= set(call.ids):
            raise business("record_missing", "gone")
        match call.method:
            case "load":
                return self._load(call)
            case "read":
                return [dict(self.records[record]) for record in call.ids if record in self.records]
            case "search_read":
                return self._search(call)
            case "write":
                for record in call.ids:
                    self.records[record].update(call.arguments["vals"])
            case "action_post":
                self._post(call)
            case "web_save":
                return self._save(call)
            case "web_read":
                return [self._shown(record) for record in call.ids if record in self.records]
            case "action_send_and_print":
                self._send(call)
            case "unlink":
                del self.wizards[call.ids[0]]
        return True

    def _save(self, call: Call) -> Any:
        vals, wanted = call.arguments["vals"], call.arguments["specification"]
        if call.ids:
            if not self.records.keys() >= set(call.ids):
                raise business("record_missing", "gone")
            for record in call.ids:
                self.records[record].update(vals)
            fields = ["id", *wanted]
            return [{name: self.records[n][name] for name in fields} for n in call.ids]
        field = next(iter(wanted))
        invoices = vals[field][0][2] if field == "move_ids" else [vals[field]]
        if any(self.records[record]["state"] != "posted" for record in invoices):
            raise business("odoo_refused", "You can't generate invoices that are not posted.")
        wizard = next(self._wizard_ids)
        self.wizards[wizard] = Wizard(call.model, invoices, self.now)
        shown = [self._shown(record) for record in invoices]
        held = shown if field == "move_ids" else shown[0]
        return [{"id": wizard, field: held, "create_date": str(self.now)}]

    def _search_wizards(self, model: str, wanted: list[int]) -> Any:
        return [
            {
                "id": number,
                "create_date": str(wizard.made_at),
                **({"move_ids": wizard.invoices} if model.endswith("batch.wizard") else {}),
                **({} if model.endswith("batch.wizard") else {"move_id": [*wizard.invoices, "x"]}),
            }
            for number, wizard in self.wizards.items()
            if wizard.model == model and not set(wanted).isdisjoint(wizard.invoices)
        ]

    def _shown(self, record: int) -> dict[str, Any]:
        row = self.records[record]
        messages = [{"id": 1, "notification_ids": [dict(item) for item in row["notifications"]]}]
        return {
            "id": record,
            "company_id": row["company_id"],
            "partner_id": {"id": 1, "email": row["email"]},
            "message_ids": messages,
        }

    def _send(self, call: Call) -> None:
        [wizard] = call.ids
        invoices = self.wizards[wizard].invoices
        many = call.model == "account.move.send.batch.wizard"
        assert many == (len(invoices) > 1) == call.arguments.get("force_synchronous", False)
        assert len({self.records[record]["company_id"] for record in invoices}) == 1
        if any(self.records[record].get("refused") for record in invoices):
            raise business("odoo_refused", "no report")
        for record in invoices:
            self.mails[record] += 1
            self.notify(record, self.records[record].get("fares", "sent"))

    def notify(self, record: int, status: str, kind: str = "email", reason: str = "") -> None:
        """A mail about an invoice, and how it fared."""
        notifications = self.records[record]["notifications"]
        notifications.insert(
            0,
            {
                "id": len(notifications) + 1,
                "notification_type": kind,
                "notification_status": status,
                "failure_type": reason,
                "failure_reason": False,
            },
        )

    def _load(self, call: Call) -> Any:
        columns = call.arguments["fields"]
        rows = [dict(zip(columns, cells, strict=True)) for cells in call.arguments["data"]]
        heads = [row for row in rows if row["id"]]
        refused = [index for index, row in enumerate(heads) if row.get("name") == "bad"]
        if refused:
            return refusal(*refused)
        ids = []
        for row in heads:
            record = self.by_name.get(row["id"]) or self.add(state="draft", posted=0)
            self.by_name[row["id"]] = record
            self.records[record].update({key: row[key] for key in row if key != "id"})
            ids.append(record)
        return {"ids": ids, "messages": []}

    def _post(self, call: Call) -> None:
        if any(self.records[record]["state"] != "draft" for record in call.ids):
            raise business("wrong_state", "must be in draft")
        assert len(set(call.ids)) == len(call.ids)
        for record in call.ids:
            self.records[record]["state"] = "posted"
            self.records[record]["posted"] += 1

    def _search(self, call: Call) -> Any:
        if call.model.endswith(".wizard"):
            return self._search_wizards(call.model, call.arguments["domain"][0][2])
        [field, operator, values], *also = call.arguments["domain"]
        assert operator in ("in", "=")
        found = []
        for row in self.records.values():
            held = row[field]
            held = held[:1] if isinstance(held, list) and isinstance(held[-1], str) else held
            matches = not set(held if isinstance(held, list) else [held]).isdisjoint(values)
            if matches and all(row[name] == value for name, _, value in also):
                found.append(row)
        fields = call.arguments["fields"]
        return [{name: row[name] for name in (["id", *fields] if fields else row)} for row in found]


def refusal(*records: int, message: str = "No matching record found for 'nobody'") -> Any:
    """What `load` answers where it refuses records, by their index."""
    messages = [
        {
            "type": "error",
            "record": record,
            "rows": {"from": record, "to": record},
            "field": "partner_id",
            "message": message,
        }
        for record in records
    ]
    return {"ids": False, "messages": messages}


def business(code: str = "refused", message: str = "no") -> GatewayError:
    return GatewayError(FailureKind.BUSINESS, system="odoo", code=code, message=message)


def transient(code: str, **details: Any) -> GatewayError:
    return GatewayError(FailureKind.TRANSIENT, system="odoo", code=code, message="later", **details)


class Cancelled(Exception):
    """What the engine raises in the thread of an activity that is to end."""


class Caller(threading.Thread):
    """Makes one request in a thread, as an activity does, and keeps what came of it."""

    def __init__(self, request: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._request = request
        self._answer: Any = None
        self._lock = threading.Lock()
        self._cancellable = False
        self.start()

    def run(self) -> None:
        try:
            with self._lock:
                self._cancellable = True
            try:
                self._answer = self._request()
            finally:
                with self._lock:
                    self._cancellable = False
        except BaseException as error:
            self._answer = error

    def cancel(self) -> None:
        """Raise Cancelled in the thread, at whatever line it is, if it is in its request."""
        with self._lock:
            if self._cancellable:
                assert self.ident is not None
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self.ident), ctypes.py_object(Cancelled)
                )

    @property
    def outcome(self) -> Any:
        """What was answered or raised."""
        self.join(PATIENCE_SECONDS)
        assert not self.is_alive(), "the caller waits for ever"
        return self._answer


def until(condition: Callable[[], bool]) -> None:
    """Wait for the condition; fails after a while."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.001)


def gather(client: OdooClient, requests: Sequence[Callable[[], Any]]) -> list[Caller]:
    """Callers of these, one after the other, once all of them wait to be sent."""
    callers = []
    for request in requests:
        waiting = client._batcher.waiting
        callers.append(Caller(request))
        until(lambda waiting=waiting: client._batcher.waiting > waiting)  # type: ignore[misc]
    return callers


def together(
    odoo: FakeOdoo, client: OdooClient, requests: Sequence[Callable[[], Any]]
) -> list[Any]:
    """The outcomes of requests that all wait while the one call allowed at a time is held up."""
    before = len(odoo.calls)
    with odoo.held_up():
        first = Caller(lambda: client.call("x", "hold_up"))
        until(lambda: len(odoo.calls) > before)
        callers = gather(client, requests)
    assert first.outcome is True
    odoo.calls = [call for call in odoo.calls if call.method != "hold_up"]
    return [caller.outcome for caller in callers]
