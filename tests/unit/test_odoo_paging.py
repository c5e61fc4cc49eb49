"""However much has changed in Odoo, each result is small, and nothing is left out."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from activities.odoo.catalogue import Catalogue
from activities.odoo.paging import fitting
from activities.odoo.sweeps import OdooSweeps
from activities.odoo.timesheets import OdooTimesheets, TimeRequest
from contracts.agenda.actions import Action
from contracts.billing.account import Read
from contracts.billing.time import TimeEntry
from contracts.contract import answers
from contracts.identifiers import invoice_origin
from contracts.parking import Action as Choice
from contracts.sweeps import Kind, OdooChanges, SweepWindow
from gateways.odoo import OdooClient
from tests.unit.contract import played
from tests.unit.contract.examples import hourly
from tests.unit.contract.played import Played
from workflows.contract_acts import time_request

START = datetime(2026, 3, 1, tzinfo=UTC)
PAGE_MEMORY = 8_000_000
"""Some three times what it takes; a worker reads a few pages at a time."""
RESULT_LIMIT = 2 * 1024 * 1024
"""The engine's, for one payload."""


class Rows:
    """An Odoo that answers searches for rows of one model by id, and for no others."""

    def __init__(self, model: str, rows: Sequence[dict[str, Any]]) -> None:
        self._model, self._rows = model, rows
        self.calls = 0

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        self.calls += 1
        if model != self._model or method != "search_read":
            return []
        after = next((v for f, o, v in _terms(arguments) if (f, o) == ("id", ">")), 0)
        found = [row for row in self._rows if row["id"] > after]
        if arguments.get("order") == "write_date desc":
            found = sorted(found, key=lambda row: row["write_date"], reverse=True)
        return found[: arguments.get("limit")]

    def close(self) -> None:
        """Nothing is open."""


def sweeps_of(rows: Rows) -> OdooSweeps:
    client = OdooClient(rows, batch_size=1)
    return OdooSweeps(client, Catalogue(client))


def _terms(arguments: Mapping[str, Any]) -> list[Sequence[Any]]:
    return [term for term in arguments["domain"] if len(term) == 3]


def _invoice(number: int) -> dict[str, Any]:
    contract = f"contract/northwind/C-{number}"
    return {
        "id": number,
        "name": f"INV/2026/{number:05}",
        "state": "posted",
        "payment_state": "not_paid",
        "currency_id": [1, "EUR"],
        "amount_untaxed": 1000.0,
        "amount_total": 1210.0,
        "amount_residual": 1210.0,
        "show_payment_term_details": False,
        "invoice_date_due": "2026-04-01",
        "is_move_sent": True,
        "reversal_move_ids": [],
        "reversed_entry_id": False,
        "invoice_origin": invoice_origin(f"{contract}/invoice/1"),
        # All in one transaction: nothing but the id tells them apart.
        "write_date": "2026-03-02 10:00:00",
    }


def test_fifty_thousand_changed_invoices_are_read_in_results_that_fit() -> None:
    rows = [_invoice(number) for number in range(1, 50_001)]
    sweeps = sweeps_of(Rows("account.move", rows))
    pages: list[OdooChanges] = [sweeps.read_changes(SweepWindow(since=START))]
    while pages[-1].next is not None:
        pages.append(sweeps.read_changes(SweepWindow(since=START, after=pages[-1].next)))
    told = [item.workflow_id for page in pages for item in page.invoices]
    assert told == [f"contract/northwind/C-{number}/invoice/1" for number in range(1, 50_001)]
    assert max(len(page.model_dump_json()) for page in pages) < RESULT_LIMIT / 2
    assert pages[0].watermark == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert {page.next.kind for page in pages if page.next} == {Kind.INVOICES}


def test_a_page_takes_little_memory_however_much_has_changed() -> None:
    invoices = Rows("account.move", [_invoice(number) for number in range(1, 50_001)])
    lines = Rows("account.analytic.line", [_line(number) for number in range(1, 20_001)])
    time = OdooTimesheets(OdooClient(lines, batch_size=1), "x")
    hours = TimeRequest(order_lines={"dev": 5}, until=date(2026, 3, 31))
    for read in (
        partial(sweeps_of(invoices).read_changes, SweepWindow(since=START)),
        partial(time.read_time, hours),
    ):
        read()  # what is loaded once
        tracemalloc.start()
        try:
            read()
            assert tracemalloc.get_traced_memory()[1] < PAGE_MEMORY
        finally:
            tracemalloc.stop()


def test_an_invoice_that_changes_while_pages_are_read_comes_again_with_the_next_sweep() -> None:
    """The watermark is of the first page: what changes later than that is read again."""
    rows = [_invoice(number) for number in range(1, 1_201)]
    sweeps = sweeps_of(Rows("account.move", rows))
    first = sweeps.read_changes(SweepWindow(since=START))
    rows[0]["write_date"] = rows[1_100]["write_date"] = "2026-03-02 11:00:00"
    second = sweeps.read_changes(SweepWindow(since=START, after=first.next))
    assert first.watermark < datetime(2026, 3, 2, 11, tzinfo=UTC)
    assert first.next is not None
    assert second.next is not None
    assert second.invoices[0].workflow_id == "contract/northwind/C-501/invoice/1"


def test_what_is_settled_is_not_read_once_more() -> None:
    asked: list[Any] = []

    class Asked(Rows):
        def execute(self, model: str, method: str, ids: Any, arguments: Any) -> Any:
            asked.extend(value for name, _, value in _terms(arguments) if name == "write_date")
            return super().execute(model, method, ids, arguments)

    sweeps = sweeps_of(Asked("account.move", []))
    sweeps.read_changes(SweepWindow(since=START))
    sweeps.read_changes(SweepWindow(since=START, settled=True))
    assert asked == ["2026-02-28 23:55:00"] * 2 + ["2026-03-01 00:00:01"] * 2


def _line(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "task_id": [3, "Build"],
        "so_line": [5, "Hours"],
        "employee_id": [7, "Eva Ernst"],
        "date": "2026-03-02",
        "unit_amount": 0.25,
        "product_uom_id": [1, "Hours"],
        "name": "What was done that day, and the day after that. " * 5,
        "write_date": f"2026-03-{2 + number // 2_000:02} 10:00:00",
    }


def test_twenty_thousand_timesheet_lines_are_read_in_results_that_fit() -> None:
    rows = [_line(number) for number in range(1, 20_001)]
    time = OdooTimesheets(OdooClient(Rows("account.analytic.line", rows), batch_size=1), "x")
    request = TimeRequest(order_lines={"dev": 5}, until=date(2026, 3, 31), known=(1, 20_001))
    pages = [time.read_time(request)]
    while pages[-1].next is not None:
        pages.append(time.read_time(request.model_copy(update={"after": pages[-1].next})))
    assert [e.line_id for page in pages for e in page.found] == list(range(1, 20_001))
    assert max(len(page.model_dump_json()) for page in pages) < RESULT_LIMIT / 2
    # The newest of all, so that the next reading does not read them all again.
    assert pages[0].as_of == datetime(2026, 3, 12, 10, tzinfo=UTC)
    assert [page.gone for page in pages] == [*([[]] * (len(pages) - 1)), [20_001]]


class Lines(Rows):
    """Timesheet lines that are searched by when they changed, as well."""

    def execute(self, model: str, method: str, ids: Sequence[int], arguments: Any) -> Any:
        if model != self._model or method != "search_read":
            return []
        terms = {(name, operator): value for name, operator, value in _terms(arguments)}
        since = terms.get(("write_date", ">="), "")
        ahead = terms.get(("date", ">"), "9999-12-31")
        known = set(terms.get(("id", "in"), ())) or None
        rows = self._rows
        self._rows = [
            row
            for row in rows
            if (row["write_date"] >= since or row["date"] > ahead)
            and (known is None or row["id"] in known)
        ]
        try:
            return super().execute(model, method, ids, arguments)
        finally:
            self._rows = rows


def test_a_rejected_period_that_is_retried_reads_none_of_its_twenty_thousand_lines_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [_line(number) for number in range(1, 20_001)]
    time = OdooTimesheets(OdooClient(Lines("account.analytic.line", rows), batch_size=1), "x")
    counts: list[int] = []

    def read_time(life: Played, action: Action, asked: Read) -> answers.RecordsRead[TimeEntry]:
        request = time_request(life.state, asked)
        assert request.until == date(2026, 3, 31)
        request = request.model_copy(update={"order_lines": {"dev": 5}})
        pages = [time.read_time(request)]
        while pages[-1].next is not None:
            pages.append(time.read_time(request.model_copy(update={"after": pages[-1].next})))
        entries = tuple(entry for page in pages for entry in page.found)
        counts.append(len(entries))
        gone = tuple(line for page in pages for line in page.gone)
        return answers.RecordsRead(entries, gone, pages[0].as_of, request.until)

    monkeypatch.setitem(played._PERFORM, "read_time", read_time)
    life = Played(hourly())
    life.skip_to_day(date(2026, 4, 1))
    life.reject(1)
    life.resolve(Choice.RETRY)
    assert life.invoices[2].proposal.amount == life.invoices[1].proposal.amount
    # Only the newest: its transaction may have hidden others of the same minutes.
    assert counts == [20_000, 1]


class _Text(BaseModel):
    text: str


@pytest.mark.parametrize(("length", "held"), [(10, 1_200), (3_000, 332), (3_000_000, 1)])
def test_a_page_ends_before_it_holds_too_many_bytes(length: int, held: int) -> None:
    assert fitting([_Text(text="x" * length)] * 1_200) == held
