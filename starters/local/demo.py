"""Six contracts from signature to cash, told as they happen and checked against Odoo.

The stories are in `stories`; months pass in seconds, because each workflow's own clock is moved
forward on the real server.
"""

from __future__ import annotations

import asyncio
import contextlib

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from temporalio.client import Client

from contracts.contract.state import money_table
from gateways.errors import GatewayError
from starters import operations, schedules
from starters.local import clock
from starters.local.reckoning import Chapter, differences, figures, unsettled
from starters.local.stack import Stack
from starters.local.stories import chapters
from starters.local.telling import ACCOUNTANT, CRM, DemoError, Teller
from wiring import remotes
from wiring.settings import CrmSettings, Settings, SweepSettings, load_settings

_SWEEP_SECONDS = 5
_TOLD = (DemoError, clock.NeverAtRest, operations.Refused, operations.NoAnswer, GatewayError)
"""What ends one story and leaves the others to go on."""
_COLUMNS = ("Value", "Invoiced", "Credited", "Paid", "Open")


class Demo:
    """Tells the stories on a running stack, and counts what does not agree."""

    def __init__(
        self, stack: Stack, client: Client, console: Console, *, kill_worker: bool
    ) -> None:
        self._teller = Teller(stack, client, console, kill_worker=kill_worker)
        self._console = console
        self._settings = load_settings()
        self.contracts = 0

    async def run(self) -> int:
        """Tell the stories beside each other; returns the number of errors."""
        await schedules.ensure_sweeps(self._teller.client, self._demo_settings())
        self._prepare_hubspot()
        told = chapters()
        self.contracts = len(told)
        results = await asyncio.gather(
            *(story(self._teller, chapter) for chapter, story in told), return_exceptions=True
        )
        failures = 0
        for (chapter, _), error in zip(told, results, strict=True):
            if isinstance(error, _TOLD):
                failures += 1
                self._console.print(f"[red]{escape(chapter.customer)}: {escape(str(error))}[/]")
            elif isinstance(error, BaseException):
                raise error
        return failures + await self._report([chapter for chapter, _ in told])

    def _demo_settings(self) -> Settings:
        """A quick sweep of Odoo, and none of the CRM: the stories sign their deals themselves."""
        changed = {"crm": CrmSettings(), "sweeps": SweepSettings(odoo_seconds=_SWEEP_SECONDS)}
        return self._settings.model_copy(update=changed)

    def _prepare_hubspot(self) -> None:
        """Create the custom properties, as `c2c setup --crm` does for a real account."""
        with contextlib.closing(remotes.odoo(self._settings)) as odoo:
            left = remotes.crms(self._settings, odoo)[CRM].ensure_setup()
        if left:
            raise DemoError("; ".join(map(str, left)))

    async def _report(self, told: list[Chapter]) -> int:
        """The table of what happened, with Odoo's own figures; returns the differences."""
        table = Table(
            title="Contracts, and what Odoo says about them (paid and open with tax)",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("Customer", no_wrap=True)
        table.add_column("Stage", no_wrap=True)
        for column in _COLUMNS:
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("Odoo", no_wrap=True)
        errors = 0
        for chapter in told:
            errors += await self._row(table, chapter)
        self._console.print()
        self._console.print(table)
        return errors

    async def _row(self, table: Table, chapter: Chapter) -> int:
        """One contract's line; its differences are told, and counted."""
        try:
            state = await operations.contract_state(self._teller.client, chapter.workflow_id)
        except operations.NotFound:
            self._console.print(f"[red]{escape(chapter.customer)}: there is no contract[/]")
            return 1
        odoo = await self._teller.act(ACCOUNTANT, figures, state)
        found = differences(chapter, state, odoo)
        found += await self._teller.act(ACCOUNTANT, unsettled, state)
        money = money_table(state)
        amounts = (
            money.value if money else None,
            odoo.invoiced,
            odoo.credited,
            odoo.paid,
            odoo.open,
        )
        table.add_row(
            chapter.customer,
            str(state.stage),
            *("-" if amount is None else str(amount.amount) for amount in amounts),
            odoo.order.currency,
            "[red]differs[/]" if found else "[green]agrees[/]",
        )
        for difference in found:
            self._console.print(f"[red]{escape(chapter.customer)}: {escape(difference)}[/]")
        return len(found)
