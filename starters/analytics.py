"""Reads what the analytics export says of one legal entity on one day, and hands it on in batches.

Odoo's records are read in pages, two calls at a time at most; rows leave as soon as a page of them
is there, while the next is read. Beside that, contracts are read in pages from Temporal, which wait
in a file for their turn: so rows come in the same order however fast either answers. What is kept
until the end are sums and counts: by month, currency and employee, never by contract.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TypeVar

from pydantic import TypeAdapter
from temporalio.client import Client

from activities.odoo.analytics_invoices import OdooPostedInvoices, invoice_dates
from activities.odoo.analytics_work import Hours, OdooWork
from activities.odoo.catalogue import Catalogue
from activities.policies import Policies, PolicyRequest
from contracts.analytics import invoices, kpis, rows, tables
from contracts.analytics.columns import BATCH_ROWS, Batch, Row, Table
from contracts.analytics.contract import ContractFacts
from contracts.analytics.kpis import Tally
from contracts.analytics.work import Employee, PersonMonth, months_until, spent, utilization
from contracts.calendar import BusinessCalendar
from gateways.analytics.parquet import day_export
from gateways.analytics.places import Place
from gateways.odoo import OdooClient
from starters.client.errors import Refused
from starters.client.listing import ContractRow
from starters.client.portfolio import ContractPage, contract_pages, waiting_since
from starters.spool import spooled
from wiring import remotes
from wiring.settings import ConfigurationError, Settings

T = TypeVar("T")

_PAGE = TypeAdapter(ContractPage)

_CALLS_AT_ONCE = 2

MOST_UNREADABLE = 50
"""More contracts than these are not left out: then no worker answers."""


class TooManyUnreadable(Exception):
    """So many contracts give no answer that the export would say nothing: or no worker answers."""


@dataclass(frozen=True)
class Exported:
    """What was exported of a legal entity: rows by table. `left_out` are the contracts that gave no
    answer, with the reasons."""

    entity: str
    day: date
    to: str
    rows: dict[str, int]
    left_out: dict[str, str] = field(default_factory=dict)


async def export_day(
    client: Client,
    settings: Settings,
    place: Place,
    entity: str,
    day: date,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Export a day of a legal entity. Raises ConfigurationError, GatewayError, TooManyUnreadable,
    and what `starters.client` and `gateways.analytics` do."""
    company = settings.entities[entity].odoo_company
    request = PolicyRequest(legal_entity=entity, today=months_until(day)[0])
    policy = Policies(settings.entities).entity_policy(request)
    # Each thread of the loop's own pool would keep memory of its own.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_CALLS_AT_ONCE))
    with contextlib.closing(remotes.odoo(settings)) as odoo:
        company_id = Catalogue(odoo).company(company)
        if company_id is None:
            raise ConfigurationError(f"Odoo has no single company {company}: see c2c check")
        export = Export(client, odoo, company_id, entity, policy.calendar, day, progress=progress)
        with day_export(place, entity, day, tables.TABLES) as files:
            async for table, found in export.batches():
                files.write(table, found)
    return Exported(entity, day, place.name, dict(files.rows), export.unreadable)


@dataclass
class Export:
    """One export: of which legal entity, on which day. `calendar` has the holidays of the months
    that utilization is of. `unreadable` are the contracts that were left out, with the reasons."""

    client: Client
    odoo: OdooClient
    company_id: int
    legal_entity: str
    calendar: BusinessCalendar
    day: date
    progress: Callable[[str], None] = lambda _: None
    unreadable: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tally = Tally(self.day)
        self._since = self.calendar.begins(months_until(self.day)[0])
        self._billed: dict[tuple[str, date], Decimal] = {}
        self._is_answered = False

    async def batches(self) -> AsyncIterator[Batch]:
        """All rows; batches of several tables come in turn. Raises GatewayError, and what
        `starters.client` raises."""
        work = OdooWork(self.odoo, self.company_id, self.legal_entity, self.day)
        # Workers answer for the contracts while Odoo is asked for invoices and projects.
        async with spooled(self._pages(), _PAGE) as pages:
            # People's hours are the last: billable by projects, and billed by contracts.
            for read in (
                self._invoices(),
                self._projects(work),
                self._contracts(pages),
                self._people(work),
            ):
                async for table, found in read:
                    for start in range(0, len(found), BATCH_ROWS):
                        yield Batch(table, list(found[start : start + BATCH_ROWS]))
        yield Batch(tables.KPIS, list(self._tally.kpis()))

    # --- invoices -------------------------------------------------------------------------------

    async def _invoices(self) -> AsyncIterator[tuple[Table, Sequence[Row]]]:
        source = OdooPostedInvoices(self.odoo, self.company_id, self.legal_entity, self.day)
        count = 0
        async for page in _paged(source.pages()):
            count += len(page)
            self.progress(f"{self.legal_entity}: {count} invoices and credit notes")
            payers = {item.payer for item in page if item.is_open}
            await asyncio.to_thread(source.look_up_delays, payers)
            took = [row for item in page for row in kpis.of_invoice(item)]
            for item in page:
                self._tally.invoice(item)
            for row in took:
                self._tally.took(row)
            yield tables.BILLED, [invoices.billed(item) for item in page]
            yield tables.MARGIN, [invoices.revenue(item) for item in page]
            yield tables.COLLECTED, _each(page, invoices.collected)
            yield tables.ADJUSTED, _each(page, invoices.adjusted)
            yield tables.AGING, _each(page, lambda item: invoices.aging(item, self.day))
            yield tables.CYCLE_TIMES, took
            yield tables.FORECAST, _each(page, source.cash_in)

    # --- contracts ------------------------------------------------------------------------------

    def _pages(self) -> AsyncIterator[ContractPage]:
        return contract_pages(self.client, self.legal_entity, self._since, self._left_out)

    async def _contracts(
        self, pages: AsyncIterator[ContractPage]
    ) -> AsyncIterator[tuple[Table, Sequence[Row]]]:
        count = 0
        async for page in pages:
            self._is_answered = self._is_answered or bool(page.facts)
            self._refuse_too_many_unreadable()
            count += len(page.pipeline) + len(page.facts)
            self.progress(f"{self.legal_entity}: {count} contracts")
            async for found in self._of_contracts(page):
                yield found
        if self.unreadable and not self._is_answered:
            raise TooManyUnreadable(f"no contract gave an answer, {self._last_unreadable()}")
        for what, words in kpis.WAITING.items():
            async for since in waiting_since(self.client, self.legal_entity, words):
                self._tally.waits(what, self.calendar.today(since))

    async def _of_contracts(self, page: ContractPage) -> AsyncIterator[tuple[Table, Sequence[Row]]]:
        yield tables.PIPELINE, [_pipeline(row) for row in page.pipeline]
        facts = page.facts
        ids = {item.invoice_id for one in facts for item in one.earned}
        dates = await asyncio.to_thread(invoice_dates, self.odoo, ids, self.day)
        took = [row for one in facts for row in kpis.of_contract(one, dates, self.day)]
        for row in took:
            self._tally.took(row)
        for one in facts:
            self._count(one)
        yield tables.CONTRACTS, [rows.contract(one) for one in facts]
        yield tables.BACKLOG, _each(facts, rows.backlog)
        yield tables.FORECAST, _each(facts, lambda one: rows.forecast(one, self.day))
        yield tables.CYCLE_TIMES, took

    def _count(self, facts: ContractFacts) -> None:
        if facts.ended_at is not None:
            self._tally.ended(self.calendar.today(facts.ended_at), touchless=facts.touchless)
        for item in facts.billed_hours:
            key = item.person, item.month
            self._billed[key] = self._billed.get(key, invoices.ZERO) + item.hours

    def _left_out(self, workflow_id: str, error: Exception) -> None:
        self.unreadable[workflow_id] = str(error)
        self._is_answered = self._is_answered or isinstance(error, Refused)  # by a worker

    def _refuse_too_many_unreadable(self) -> None:
        if len(self.unreadable) > MOST_UNREADABLE:
            raise TooManyUnreadable(
                f"more than {MOST_UNREADABLE} contracts gave no answer, {self._last_unreadable()}"
            )

    def _last_unreadable(self) -> str:
        *_, last = self.unreadable.values()
        return f"the last: {last}"

    # --- work -----------------------------------------------------------------------------------

    async def _projects(self, source: OdooWork) -> AsyncIterator[tuple[Table, Sequence[Row]]]:
        count = 0
        async for spent_of in _paged(source.pages()):
            count += len(spent_of)
            self.progress(f"{self.legal_entity}: {count} months of projects' costs")
            yield tables.MARGIN, [spent(item) for item in spent_of]

    async def _people(self, source: OdooWork) -> AsyncIterator[tuple[Table, Sequence[Row]]]:
        async for page in _paged(source.employees()):
            worked = await asyncio.to_thread(source.worked, page)
            self.progress(f"{self.legal_entity}: {len(page)} employees")
            yield tables.UTILIZATION, self._utilization(page, worked, source.billable)

    def _utilization(
        self, employees: Sequence[Employee], worked: Hours, billable: Hours
    ) -> list[Row]:
        return [
            row
            for one in employees
            for row in utilization(
                one, self._months(one, worked, billable), self.day, self.calendar
            )
        ]

    def _months(
        self, employee: Employee, worked: Hours, billable: Hours
    ) -> dict[date, PersonMonth]:
        found = {}
        for month in months_until(self.day):
            hours = worked.get((employee.id, month), invoices.ZERO)
            if employee.has_row(month, hours):
                # Taken by the first, where several have one address: hours are billed once.
                billed = self._billed.pop((employee.email or employee.name, month), invoices.ZERO)
                of_these = billable.get((employee.id, month), invoices.ZERO)
                found[month] = PersonMonth(worked=hours, billable=of_these, billed=billed)
        return found


def _pipeline(row: ContractRow) -> Row:
    return rows.pipeline(
        contract=row.contract_id,
        customer=row.customer,
        stage=row.stage,
        value=row.value,
        waits_for=row.waiting_on,
        waiting_since=row.waiting_since,
        began_at=row.started_at,
    )


def _each(items: Iterable[T], of: Callable[[T], Iterable[Row]]) -> list[Row]:
    return [row for item in items for row in of(item)]


def _paged(pages: Iterator[T]) -> AsyncIterator[T]:
    """What a generator yields whose work would hold up the event loop."""

    async def each() -> AsyncIterator[T]:
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            yield page

    return _ahead(each())


async def _ahead(pages: AsyncIterator[T]) -> AsyncIterator[T]:
    """The same pages; while one is worked on, the next is read."""
    following = asyncio.ensure_future(anext(pages, None))
    try:
        while (page := await following) is not None:
            following = asyncio.ensure_future(anext(pages, None))
            yield page
    finally:
        following.cancel()
