"""Leads contracts from signature to cash, shows what happens, and checks it against Odoo.

The scenarios are in `scenarios`; months pass in seconds, because each workflow's own clock is moved
forward on the real server.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from temporalio.client import Client

from contracts.contract.state import money_table
from gateways.errors import GatewayError
from sandbox import clock, demo_audit, demo_figures
from sandbox.accounts import prepare
from sandbox.demo_bank import PAYMENTS, bank_report
from sandbox.demo_driver import ACCOUNTANT, DemoDriver, DemoError
from sandbox.expected_totals import Scenario, differences, totals_in_odoo, unsettled
from sandbox.scenarios import scenarios
from sandbox.stack import WEB_URL, Stack
from sandbox.staff import Staff
from starters import schedules
from starters.client import NoAnswer, NotFound, Refused
from wiring.settings import Settings, SweepSettings, load_settings

_SWEEP_SECONDS = 5
_INVOICES_AHEAD = timedelta(days=31)
"""Customers pay on the due day, and an invoice's clock goes on until it is settled: both may be so
far ahead of the contract's."""
_EXPECTED_FAILURES = (
    DemoError,
    clock.NeverAtRest,
    Refused,
    NoAnswer,
    GatewayError,
)
"""What ends one scenario and leaves the others to go on."""
_COLUMNS = ("Value", "Invoiced", "Credit", "Paid", "Open")


class Demo:
    """Runs the scenarios on a running stack, and counts what does not agree."""

    def __init__(
        self, stack: Stack, client: Client, console: Console, *, kill_worker: bool
    ) -> None:
        self._settings = load_settings()
        staff = Staff.of(self._settings)
        self._driver = DemoDriver(stack, client, console, staff, kill_worker=kill_worker)
        self._console = console
        self.contracts = 0
        self._latest = self._driver.today

    async def run(self) -> int:
        """Run the scenarios beside each other; returns the number of errors."""
        await schedules.ensure_sweeps(self._driver.client, self._demo_settings())
        if left := prepare(self._settings, self._driver.stack.sandbox):
            raise DemoError("; ".join(map(str, left)))
        both = scenarios()
        self.contracts = len(both)
        results = await asyncio.gather(
            *(steps(self._driver, scenario) for scenario, steps in both),
            return_exceptions=True,
        )
        failures = 0
        for (scenario, _), error in zip(both, results, strict=True):
            if isinstance(error, _EXPECTED_FAILURES):
                failures += 1
                self._console.print(f"[red]{escape(scenario.customer)}: {escape(str(error))}[/]")
            elif isinstance(error, BaseException):
                raise error
        failures += await self._report([scenario for scenario, _ in both])
        failures += await self._bank()
        failures += await self._audit()
        day = self._latest + _INVOICES_AHEAD
        figures = await demo_figures.exported(self._driver.client, self._settings, day)
        self._console.print(escape(figures))
        return failures

    def _demo_settings(self) -> Settings:
        """A quick sweep of Odoo, that of the bank's files, which the scenarios ask for, and none of
        the others: they sign their deals, and DocuSign's stand-in reports what is signed."""
        changed = {"crm": {}, "esign": {}, "sweeps": SweepSettings(odoo_seconds=_SWEEP_SECONDS)}
        return self._settings.model_copy(update=changed)

    async def _bank(self) -> int:
        """What the bank's file came to, and what a person would decide; returns what is wrong with
        that: nothing waits at the end but one line of it."""
        try:
            state = await self._driver.bank.state()
        except NotFound:
            self._console.print("[red]the bank's file was not applied[/]")
            return 1
        self._console.print()
        for text in bank_report(state, self._driver.stack.environment[WEB_URL]):
            self._console.print(escape(text))
        found = (await self._driver.c2c.exceptions()).items
        others = [it for it in found if it.workflow_id != self._driver.bank.workflow_id]
        for item in others:
            self._console.print(f"[red]{item.workflow_id}: {escape(item.exception.message)}[/]")
        as_meant = (state.counts.booked, len(state.parked)) == (PAYMENTS - 1, 1)
        return len(others) + (not as_meant)

    async def _audit(self) -> int:
        """The audit record is whole; returns what is wrong with it."""
        await demo_audit.anchor(self._driver.client, self._settings)
        line, problems = await asyncio.to_thread(demo_audit.verified, self._settings)
        self._console.print(f"\n{escape(line)}")
        for text in problems:
            self._console.print(f"[red]{escape(text)}[/]")
        return len(problems)

    async def _report(self, ran: list[Scenario]) -> int:
        """The table of what happened, with Odoo's own figures; returns the differences."""
        table = Table(
            title="Contracts, and what Odoo says about them (paid and open with tax)",
            title_justify="left",
            box=None,  # eight columns of amounts and words fit 80 characters just so
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        table.add_column("Customer", no_wrap=True)
        table.add_column("Stage", no_wrap=True)
        for column in _COLUMNS:
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("Odoo", no_wrap=True)
        errors = 0
        for scenario in ran:
            errors += await self._row(table, scenario)
        self._console.print()
        self._console.print(table)
        return errors

    async def _row(self, table: Table, scenario: Scenario) -> int:
        """Add a contract's line to the table and print its differences; returns how many."""
        try:
            state = await self._driver.on(scenario).state()
        except NotFound:
            self._console.print(f"[red]{escape(scenario.customer)}: there is no contract[/]")
            return 1
        self._latest = max(self._latest, state.today)
        odoo = await self._driver.act(ACCOUNTANT, totals_in_odoo, state)
        found = differences(scenario, state, odoo)
        found += await self._driver.act(ACCOUNTANT, unsettled, state)
        money = money_table(state)
        amounts = (
            money.value if money else None,
            odoo.invoiced,
            odoo.credited,
            odoo.paid,
            odoo.open,
        )
        table.add_row(
            scenario.customer,
            str(state.stage),
            *("-" if amount is None else str(amount.amount) for amount in amounts),
            odoo.order.currency,
            "[red]differs[/]" if found else "[green]agrees[/]",
        )
        for difference in found:
            self._console.print(f"[red]{escape(scenario.customer)}: {escape(difference)}[/]")
        return len(found)
