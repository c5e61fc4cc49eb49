"""The bank of the demo: the file of a day, with what customers paid, and one line nobody can place.

Scenarios hand in what their customers pay. Once all of it is there, the file is put where the bank
puts its files, and two sweeps find it.
"""

from __future__ import annotations

import asyncio
import hashlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from temporalio.client import Client, ScheduleActionExecutionStartWorkflow

from contracts.bank.file import BankFileState, FileStage
from contracts.bank.statement import BankLine
from contracts.identifiers import bank_workflow_id
from contracts.money import Money
from sandbox.bank_files import made_line, made_statement, statement_file
from sandbox.stack import BANK, BANK_ACCOUNT
from starters import schedules
from starters.client import NotFound, bank

PAYMENTS = 4
"""Lines of the file: three pay four invoices."""
ENTITY = "northwind"
_SWEEP = f"c2c-bank-sweep-{BANK}"
_OPENING = Money("25000.00", "EUR")
_WAIT_SECONDS = 300
_POLL_SECONDS = 0.2
_WIDTH, _SHOWN = 80, 3


@dataclass
class BankDay:
    """A day's file, and the folder that it is put into."""

    client: Client
    folder: Path
    day: date
    lines: list[BankLine] = field(default_factory=list)
    workflow_id: str = ""
    _applied: asyncio.Event = field(default_factory=asyncio.Event)

    async def pay(self, payer: str, amount: Money, text: str, iban: str = "") -> None:
        """A line of the file; returns when all of that is applied. Raises TimeoutError."""
        reference = f"{self.day:%m%d}-{len(self.lines) + 1}"
        self.lines.append(
            made_line(
                BANK_ACCOUNT,
                self.day,
                reference,
                amount,
                counterparty=payer,
                counterparty_iban=iban,
                texts=(text,),
            )
        )
        async with asyncio.timeout(_WAIT_SECONDS):
            if len(self.lines) == PAYMENTS:
                await self._apply()
                self._applied.set()
            await self._applied.wait()

    async def state(self) -> BankFileState:
        """How the file stands. Raises NotFound."""
        return (await bank.show(self.client, self.workflow_id)).state

    async def _apply(self) -> None:
        statement = made_statement(f"{self.day}", self.lines, _OPENING)
        content = statement_file([statement])
        self.workflow_id = bank_workflow_id(ENTITY, hashlib.sha256(content).hexdigest())
        written = self.folder / f".{self.day}.part"
        written.write_bytes(content)
        written.rename(self.folder / f"{self.day}.xml")
        for _ in range(2):
            await self._sweep()
        while True:
            if await self._is_open():
                break
            await asyncio.sleep(_POLL_SECONDS)
        await self.client.get_schedule_handle(schedules.ODOO_SWEEP).trigger()

    async def _sweep(self) -> None:
        """One sweep, from beginning to end."""
        handle = self.client.get_schedule_handle(_SWEEP)
        before = (await handle.describe()).info.num_actions
        await handle.trigger()
        while True:
            info = (await handle.describe()).info
            if info.num_actions > before:
                break
            await asyncio.sleep(_POLL_SECONDS)
        action = info.recent_actions[-1].action
        assert isinstance(action, ScheduleActionExecutionStartWorkflow)
        await self.client.get_workflow_handle(action.workflow_id).result()

    async def _is_open(self) -> bool:
        try:
            return (await self.state()).stage is FileStage.OPEN
        except NotFound:
            return False


def bank_report(state: BankFileState, workbench: str) -> Iterator[str]:
    """What became of the file, and where a person decides about each line that waits, in lines of
    80 characters."""
    counts, waiting = state.counts, len(state.parked)
    yield (
        f"The bank's file {state.file.name}: {state.lines} lines, {counts.booked} booked, "
        f"{waiting} for a person"
    )
    for line in state.parked:
        payer = line.counterparty or "an unknown payer"
        yield f'Line {line.number}: {line.amount} of {payer}, "{line.text}"'
        yield from textwrap.wrap(f"Parked: {line.problem}", _WIDTH)
        for place, candidate in enumerate(line.candidates[:_SHOWN], start=1):
            numbers = ", ".join(candidate.invoices)
            why = ", ".join(candidate.hints)
            of = f"Candidate {place}: {numbers} of {candidate.customer} ({why})"
            yield from textwrap.wrap(of, _WIDTH)
        file = bank.short_id(state.file.workflow_id)
        yield f"A person decides: {workbench}/bank/{file}"
