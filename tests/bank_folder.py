"""Sweeps of a place for a bank's files, each asked for by a test."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowHandle

from contracts.bank.arrivals import BankSweepResult
from starters import schedules
from wiring.settings import Settings

WITHIN_SECONDS = 150.0


@dataclass
class Place:
    """A folder and the schedule that looks through it."""

    client: Client
    folder: Path
    schedule: str

    @classmethod
    async def prepared(cls, client: Client, settings: Settings, name: str, folder: Path) -> Self:
        """Of the place that is configured under the name; all sweeps wait to be asked for."""
        for kept in ("done", "refused"):
            (folder / kept).mkdir(exist_ok=True)
        await schedules.ensure_sweeps(client, settings)
        for sweep in schedules.sweeps(settings):
            await client.get_schedule_handle(sweep.id).pause()
        return cls(client, folder, f"c2c-bank-sweep-{name}")

    async def begin_sweep(self) -> WorkflowHandle[Any, BankSweepResult]:
        """The next sweep, by its schedule, so that it has what the one before it has found."""
        handle = self.client.get_schedule_handle(self.schedule)
        before = (await handle.describe()).info.num_actions
        await handle.trigger()
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            info = (await handle.describe()).info
            if info.num_actions > before:
                break
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        action = info.recent_actions[-1].action
        assert isinstance(action, ScheduleActionExecutionStartWorkflow)
        return self.client.get_workflow_handle(action.workflow_id, result_type=BankSweepResult)

    async def sweep(self) -> BankSweepResult:
        return await (await self.begin_sweep()).result()

    async def sweep_twice(self) -> BankSweepResult:
        """A file is taken by the second look that finds it."""
        await self.sweep()
        return await self.sweep()

    def names(self, folder: str = "") -> set[str]:
        return {item.name for item in (self.folder / folder).iterdir() if item.is_file()}
