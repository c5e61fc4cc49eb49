"""A machine is lost, and what is restored is of different moments: what differs is found, and
nothing is billed twice."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.model import JsonObject
from contracts.reconciling import Kind
from faultlab import lab as labs
from faultlab.contract_generator import ENTITY
from faultlab.lab import Lab
from starters.reconciling import Reconciled, reconcile
from tests.world import ANA, contract_data
from wiring import audit

pytestmark = pytest.mark.timeout(600)

PIA = "pia@northwind.example"
WITHIN_SECONDS = 120
KEYS = ("first", "second", "third")


def signed(contract_id: str) -> JsonObject:
    """Three milestones of 1,000.00 each."""
    return contract_data(
        contract_id=contract_id,
        value="3000.00",
        services=[{"key": "s", "code": "BUILD", "description": "B", "amount": "3000.00"}],
        milestones=[
            {"key": key, "name": key.title(), "service": "s", "amount": "1000.00"} for key in KEYS
        ],
    )


@dataclass
class Firm:
    """A stack that can be lost, and the people who work with it."""

    lab: Lab

    async def until(self, is_so: Callable[[], Awaitable[bool]], what: str) -> None:
        async with asyncio.timeout(WITHIN_SECONDS):
            while not await is_so():  # noqa: ASYNC110 - what it looks at is elsewhere
                await asyncio.sleep(0.1)

    async def active(self, contract_id: str) -> str:
        name = (await self.lab.c2c.start(signed(contract_id))).workflow_id
        await self.stage(name, ContractStage.ACTIVE)
        return name

    async def stage(self, name: str, stage: ContractStage) -> None:
        async def is_so() -> bool:
            return (await self.lab.c2c.contract(name).state()).stage is stage

        await self.until(is_so, f"{name} {stage}")

    async def reach(self, name: str, number: int) -> None:
        """A milestone is reached, and its invoice awaits approval."""
        await self.lab.c2c.contract(name).reach_milestone(KEYS[number - 1], by=PIA)
        await self.invoice(f"{name}/invoice/{number}", InvoiceStage.AWAITING_APPROVAL)

    async def invoice(self, name: str, *stages: InvoiceStage) -> None:
        async def is_so() -> bool:
            try:
                return (await self.lab.c2c.invoice(name).state()).stage in stages
            except Exception:  # it is yet to be started
                return False

        await self.until(is_so, f"{name} {stages}")

    async def approve(self, name: str, number: int) -> None:
        invoice = f"{name}/invoice/{number}"
        await self.lab.c2c.invoice(invoice).approve(by=ANA)
        await self.invoice(invoice, InvoiceStage.OPEN, InvoiceStage.OVERDUE)

    async def bill(self, name: str, number: int) -> None:
        await self.reach(name, number)
        await self.approve(name, number)

    # --- copies -----------------------------------------------------------------------------------

    def copy(self, database: Path, to: Path) -> None:
        """As a backup is made of a database in use."""
        with closing(sqlite3.connect(database)) as used, closing(sqlite3.connect(to)) as copy:
            used.backup(copy)

    async def lose(self) -> None:
        """Everything ends at once."""
        self.lab.gateway.stop()
        for part in (self.lab.workflow_workers, self.lab.activity_workers):
            part.stop()
        self.lab.temporal.kill()
        self.lab.temporal.stop()
        self.lab.sandbox.kill()
        self.lab.sandbox.stop()

    async def restore(self, temporal: Path, odoo: Path) -> Reconciled:
        """Put copies in place, start those who decide and nobody who sends, and compare."""
        for copy, place in (
            (temporal, self.lab.temporal.database),
            (odoo, self.lab.sandbox.database),
        ):
            for end in ("", "-wal", "-shm"):
                Path(f"{place}{end}").unlink(missing_ok=True)
            shutil.copy(copy, place)
        await self.lab.temporal.start()
        await self.lab.sandbox.start()
        await self.lab.workflow_workers.start()
        return await self.compared()

    async def compared(self) -> Reconciled:
        return await reconcile(self.lab.client, self.lab.settings, ENTITY)

    # --- what came of it --------------------------------------------------------------------------

    def posted(self) -> Counter[str]:
        """How many posted invoices each proposal has, by Odoo's own database."""
        return Counter(
            move.workflow_id for move in self.lab.books.moves() if move.state == "posted"
        )


def kinds(found: Reconciled) -> set[tuple[str, Kind]]:
    return {(item.contract.rpartition("/")[2], item.kind) for item in found.differences}


async def test_a_temporal_that_is_older_than_odoo_bills_nothing_twice(tmp_path: Path) -> None:
    async with labs.running(tmp_path / "lab") as lab:
        firm = Firm(lab)
        rest, awaits, ahead = [await firm.active(name) for name in ("REST", "AWAITS", "AHEAD")]
        for name in (rest, awaits, ahead):
            await firm.bill(name, 1)
        await firm.reach(awaits, 2)
        assert (await firm.compared()).is_whole
        firm.copy(lab.temporal.database, tmp_path / "temporal.db")

        await firm.approve(awaits, 2)
        await firm.bill(ahead, 2)
        lost = await firm.active("LOST")
        await firm.bill(lost, 1)
        firm.copy(lab.sandbox.database, tmp_path / "odoo.sqlite")
        before = firm.posted()
        assert sum(before.values()) == 6
        await firm.bill(rest, 2)

        await firm.lose()
        found = await firm.restore(tmp_path / "temporal.db", tmp_path / "odoo.sqlite")
        assert kinds(found) == {
            ("AWAITS", Kind.INVOICE_POSTED),
            ("AHEAD", Kind.INVOICE_UNKNOWN),
            ("LOST", Kind.CONTRACT_UNKNOWN),
        }
        assert found.contracts == 3
        assert firm.posted() == before, "nothing is sent while there is nobody who sends"

        # As the words of each difference say.
        await lab.activity_workers.start()
        await firm.active("LOST")
        for name, number in ((awaits, 2), (ahead, 2), (lost, 1), (rest, 2)):
            if (name, number) != (awaits, 2):
                await firm.reach(name, number)
            await firm.approve(name, number)
        assert (await firm.compared()).is_whole
        assert set(firm.posted().values()) == {1}
        assert firm.posted().keys() == before.keys() | {f"{rest}/invoice/2"}


async def test_an_odoo_that_is_older_than_temporal_is_seen_and_nothing_is_billed_again(
    tmp_path: Path,
) -> None:
    async with labs.running(tmp_path / "lab") as lab:
        firm = Firm(lab)
        rest, draft, gone = [await firm.active(name) for name in ("REST", "DRAFT", "GONE")]
        await firm.bill(rest, 1)
        await firm.reach(draft, 1)
        firm.copy(lab.sandbox.database, tmp_path / "odoo.sqlite")
        before = firm.posted()

        await firm.approve(draft, 1)
        await firm.bill(gone, 1)
        new = await firm.active("NEW")
        firm.copy(lab.temporal.database, tmp_path / "temporal.db")

        await firm.lose()
        found = await firm.restore(tmp_path / "temporal.db", tmp_path / "odoo.sqlite")
        assert kinds(found) == {
            ("DRAFT", Kind.INVOICE_NOT_POSTED),
            ("GONE", Kind.INVOICE_MISSING),
            ("NEW", Kind.ORDER_MISSING),
            ("NEW", Kind.PROJECT_MISSING),
        }
        await lab.activity_workers.start()
        for name in (rest, draft, gone, new):
            await lab.c2c.contract(name).reach_milestone("second", by=PIA)
        await firm.invoice(f"{rest}/invoice/2", InvoiceStage.AWAITING_APPROVAL)
        assert firm.posted() == before
        assert kinds(await firm.compared()) >= kinds(found)


async def test_a_record_store_that_is_older_holds_no_billing_up_and_fails_its_verification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = tmp_path / "records"
    monkeypatch.setenv("C2C_RECORDS__FOLDER", str(records))
    async with labs.running(tmp_path / "lab") as lab:
        firm = Firm(lab)
        name = await firm.active("C-1")
        await firm.bill(name, 1)
        # What is just being written has a name of its own, and is gone the next moment.
        shutil.copytree(records, tmp_path / "copy", ignore=shutil.ignore_patterns(".*"))
        await firm.bill(name, 2)

        for part in (lab.workflow_workers, lab.activity_workers):
            part.stop()
        shutil.rmtree(records)
        shutil.copytree(tmp_path / "copy", records)
        for part in (lab.workflow_workers, lab.activity_workers):
            await part.start()
        await firm.bill(name, 3)
        assert set(firm.posted().values()) == {1}
        assert len(firm.posted()) == 3

        reader = audit.reader(lab.settings)
        broken = [
            item.of for item in reader.every(ENTITY, reader.anchors(ENTITY)) if not item.is_whole
        ]
        assert name in broken
        assert f"{name}/invoice/3" not in broken
