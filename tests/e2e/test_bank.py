"""A bank's file from its place to paid invoices, in both Odoos."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.bank.file import BankFileState, FileDecision, FileRef, FileStage, Settlement
from contracts.bank.statement import compact
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.state import InvoiceStage
from contracts.money import Money
from gateways.settings import BankSettings
from starters.client import Refused, bank
from starters.client.references import NO_ENTITIES
from tests.bank_source import BANK, Account, FilesInMemory, paid
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, World, single, unique
from wiring import remotes
from wiring.remotes import Gateways
from workers import worker

ANA = "ana@northwind.example"
ACCOUNT = compact(unique("account"))


@dataclass
class BankingWorld(World):
    """Workers with a place for a bank's files."""

    source: FilesInMemory
    account: Account

    async def apply(self, file: FileRef) -> BankFileState:
        """The file once all of it is applied but what waits."""
        assert await bank.start(self.client, file)
        found = await self.until(
            lambda: bank.show(self.client, file.workflow_id), lambda view: view.state.is_put_away
        )
        return found.state

    async def file(self, file: FileRef, *stages: FileStage) -> BankFileState:
        found = await self.until(
            lambda: bank.show(self.client, file.workflow_id),
            lambda view: view.state.stage in stages and view.state.exception is None,
        )
        return found.state

    async def invoiced(self) -> tuple[str, InvoiceBalance, str]:
        """An open invoice of 1,000 EUR: its workflow, what Odoo says of it, whose it is."""
        data = single()
        invoice = await self.open(data)
        state = await self.invoice(invoice)
        assert state.balance is not None
        return invoice, state.balance, data["customer"]["name"]


@pytest.fixture(scope="module")
async def world(temporal_client: Client, odoo_server: OdooServer) -> AsyncIterator[BankingWorld]:
    namespace = await new_namespace(temporal_client, f"bank-{odoo_server.name}")
    table = BankSettings(
        kind="memory",
        legal_entity=ENTITY,
        accounts={ACCOUNT: "BNK1"},
        tolerance=(Money("1.00", "EUR"),),
        difference_account="650000",
    )
    settings = settings_for(odoo_server).model_copy(update={"bank": {BANK: table}})
    source = FilesInMemory()
    odoo = remotes.odoo(settings)
    gateways = Gateways(odoo, bank={BANK: source})
    skipper = TimeSkipper(namespace, config=TimeSkippingConfig(enabled=False))
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(worker.running(namespace, settings, gateways=gateways))
        yield BankingWorld(skipper.client, skipper, odoo_server, source, Account(ACCOUNT))
        await end_all(namespace)
    odoo.close()


async def test_a_file_pays_invoices_and_a_person_decides_the_rest(world: BankingWorld) -> None:
    invoice, named, customer = await world.invoiced()
    other, unnamed, _ = await world.invoiced()
    number, total = named.number, named.total
    file = world.source.take(
        world.account.statement(
            paid(str(total.amount), f"Invoice {number}", customer),
            paid(str(total.amount), "thank you", "Somebody"),
            paid("-3.00", "Fees"),
            paid("4.00", "hello"),
        )
    )
    found = await world.apply(file)
    assert (found.counts.booked, found.counts.not_ours) == (1, 1)
    assert [line.number for line in found.parked] == [2, 4]
    assert file.name in world.source.put_away

    # What waits is listed with all that does.
    listed = await world.c2c.exceptions()
    steps = [item.exception.step for item in listed.items if item.workflow_id == file.workflow_id]
    assert sorted(steps) == ["line-2", "line-4"]
    begin = file.workflow_id.removesuffix(file.sha256[8:])
    assert await bank.find(world.client, begin, NO_ENTITIES) == file.workflow_id

    # Everything that is wrong with a decision is said at once, and nothing of it is done.
    wrong = Settlement(line=9, by=ANA, invoices=(number,), ignore="no")
    with pytest.raises(Refused, match=r"line_not_parked.*settlement_unclear"):
        await bank.settle(world.client, file.workflow_id, wrong)
    paid_twice = Settlement(line=2, by=ANA, invoices=(number, "INV/1999/7"))
    with pytest.raises(Refused, match="invoice_number_unknown"):
        await bank.settle(world.client, file.workflow_id, paid_twice)

    # The same request counts once.
    right = Settlement(line=2, by=ANA, invoices=(unnamed.number,))
    request = unique("request")
    answers = [await bank.settle(world.client, file.workflow_id, right, request) for _ in range(2)]
    assert answers == [f"line 2, {total}, is applied"] * 2
    ignored = Settlement(line=4, by=ANA, ignore="a gift")
    await bank.settle(world.client, file.workflow_id, ignored)
    done = await world.file(file, FileStage.DONE)
    assert (done.counts.ignored, done.parked) == (1, ())

    # The invoices hear of it as of any payment in Odoo.
    await world.sweep()
    for workflow_id in (invoice, other):
        await world.invoice(workflow_id, InvoiceStage.PAID)


async def test_a_file_that_does_not_add_up_waits_and_can_be_refused(world: BankingWorld) -> None:
    statement = world.account.statement(paid("5.00", "hello"))
    wrong = statement.replace(closing=Money("1.00", "EUR"))
    file = world.source.take(wrong)
    assert await bank.start(world.client, file)
    assert not await bank.start(world.client, file), "it is under way"
    found = await world.until(
        lambda: bank.show(world.client, file.workflow_id),
        lambda view: view.state.exception is not None,
    )
    assert found.state.exception is not None
    assert found.state.exception.code == "statement_totals_differ"
    with pytest.raises(Refused, match="nothing_to_accept"):
        await bank.decide(world.client, file.workflow_id, FileDecision.ACCEPT, by=ANA)
    await bank.decide(
        world.client, file.workflow_id, FileDecision.REFUSE, by=ANA, reason="ask the bank"
    )
    done = await world.client.get_workflow_handle(file.workflow_id).result()
    assert done["state"]["stage"] == FileStage.REFUSED
    assert world.source.refused[file.name] == f"{ANA}: ask the bank"

    # The bank sends the right one; what came between is missed, and noticed.
    world.account.statement(paid("1.00", "never sent"))
    late = await world.apply(world.source.take(world.account.statement(paid("6.00", "hello"))))
    assert [item.code for item in late.notices] == ["statement_gap"]
    await bank.decide(world.client, late.file.workflow_id, FileDecision.ACCEPT, by=ANA)
    asked = Settlement(line=1, by=ANA, ignore="unknown")
    await bank.settle(world.client, late.file.workflow_id, asked)
    await world.file(late.file, FileStage.DONE)
