"""F8: everything a contract and its invoices are told, in any order, twice, too early, too late.

Whatever the order, the money is the same, nothing is billed or paid twice, and each message that
was taken stands in a history. What comes too late is refused to whoever sends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.proofs import Proofs
from contracts.actors import NOBODY_SIGNS
from contracts.agenda import actions
from contracts.approvals import ApprovalDecision
from contracts.billing import account
from contracts.billing.usage import UsageRecord
from contracts.contract.messages import CancelRequest, MilestoneReached, ServiceCredit, UsageReport
from contracts.contract.state import ContractStage
from contracts.invoice.acts import TELL_CONTRACT
from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceInput, InvoiceReport, InvoiceStage, InvoiceState
from contracts.model import JsonObject
from contracts.money import Money
from contracts.parking import Action, Resolution
from starters.client import Refused, messages
from starters.client.protocol import Update
from tests.e2e.telling import last_of, month
from tests.unit import examples
from tests.unit.contract.played import Played
from tests.world import ANA, World, contract_data, eur, odoo_invoices, single, undo_payment, unique
from workflows.invoice import InvoiceWorkflow
from workflows.invoice_acts import PERFORM

ORDERS = 200
LIVES = 12
AT_ONCE = 6
PIA = "pia@northwind.example"
TODAY = datetime.now(UTC).date()


# --- the core ---------------------------------------------------------------------------------


def _services(*named: tuple[str, str]) -> list[JsonObject]:
    return [{"key": k, "code": c, "description": c.title(), "amount": "0.00"} for k, c in named]


def _signed() -> JsonObject:
    """Milestones, a metered service and a monthly fee, over the first half of a year."""
    base = examples.contract_data()
    tiers = [{"up_to": "50", "price": "0.123456"}, {"price": "0.07"}]
    return base | {
        "starts_on": "2026-02-01",
        "ends_on": "2026-07-31",
        "services": [*base["services"], *_services(("api", "USAGE"), ("care", "RETAINER"))],
        "usage": [{"key": "calls", "service": "api", "unit": "calls", "tiers": tiers}],
        "retainers": [{"key": "care", "service": "care", "fee": "333.33"}],
    }


def _told(random: Random) -> tuple[Money, Money]:
    """All that is said of a contract within its first month, in an order by chance and twice;
    then everything is billed and paid. What it is worth, and what its invoices come to."""
    life = Played(_signed(), start=datetime(2026, 2, 1, 12, tzinfo=UTC))
    contract = life.state.terms
    said: list[BaseModel] = [MilestoneReached(milestone=m.key) for m in contract.milestones]
    said += [
        UsageReport(
            records=(
                UsageRecord(
                    id=f"r{n}", plan="calls", on=date(2026, 2, n), quantity=Decimal(n * 7) / 4
                ),
            )
        )
        for n in range(1, 9)
    ]
    said += [
        ServiceCredit(
            retainer="care",
            reference=f"sla-{n}",
            reason="outage",
            amount=examples.euros(f"{n}.07"),
            by=PIA,
        )
        for n in range(1, 4)
    ]
    everything = [*said, *said]
    random.shuffle(everything)
    for number, message in enumerate(everything):
        life.signal(message)
        assert account.check(life.state.account, life.state.billing_day) == []
        if number % 9 == 8:
            life.skip(days=1)
        waiting = [n for n, item in life.invoices.items() if item.report.total is None]
        if waiting and random.random() < 0.3:
            life.issue(random.choice(waiting))
    for _ in range(12):
        life.issue_and_settle_all()
        life.skip(days=31)
    assert life.state.stage is ContractStage.CLOSED
    amounts = (item.proposal.amount for item in life.invoices.values())
    return life.billed(), Money.total(amounts, contract.currency)


def test_in_whatever_order_a_contract_is_told_it_comes_to_the_same_cent() -> None:
    outcomes = Counter(_told(Random(seed)) for seed in range(ORDERS))  # noqa: S311
    [(worth, invoiced)] = outcomes
    assert worth == invoiced


# --- the workflows ----------------------------------------------------------------------------


@dataclass
class Sent:
    """One message to a workflow, as an Update or a Signal of the same meaning."""

    update: Update[Any, Any]
    signal: str
    message: BaseModel


class Life:
    """A contract that is told everything in an order by chance, some of it far too early."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed)  # noqa: S311 - to repeat, not to keep a secret
        self.workflow_id = ""
        self.signals: Counter[str] = Counter()
        """Signals that the server has taken, by workflow."""
        self.references: list[str] = []

    async def lead(self) -> None:
        await self._begin()
        await self._deliver()
        for number in (1, 2):
            await self._decide(number)
        for number in (1, 2):
            await self._collect(number)
        await self._close()
        await self._agrees()

    def _shuffled(self, messages: list[Sent]) -> list[Sent]:
        every = [*messages, *messages]
        self._random.shuffle(every)
        return every

    async def _send(self, workflow_id: str, sent: Sent) -> None:
        """By Update, where it may be refused, or by Signal."""
        handle = self._world.client.get_workflow_handle(workflow_id)
        if self._random.random() < 0.5:
            with contextlib.suppress(Refused):
                await self._world.tell(workflow_id, sent.update, sent.message)
        else:
            await handle.signal(sent.signal, sent.message)
            self.signals[workflow_id] += 1

    async def _begin(self) -> None:
        """Parked at the door, it is told of a milestone; then it is amended."""
        contract = contract_data(
            value="1000.00",
            starts_on=str(month(1)),
            ends_on=str(last_of(1)),
            services=[{"key": "s", "code": "BUILD", "description": "B", "amount": "1000.00"}],
            milestones=[
                {"key": "one", "name": "One", "service": "s", "amount": "333.33"},
                {"key": "two", "name": "Two", "service": "s", "amount": "666.67"},
            ],
        )
        contract["customer"]["billing_email"] = ""
        self.workflow_id = await self._world.start(contract)
        await self._world.parked(self.workflow_id)
        early = [self._reached("one"), self._reached("other"), self._usage(), self._cancelled()]
        for sent in self._shuffled(early[:3]):
            await self._send(self.workflow_id, sent)
        mend = Resolution(
            action=Action.AMEND,
            by="olga",
            changes={"customer.billing_email": "ap@acme.example.com"},
        )
        for sent in self._shuffled([Sent(messages.RESOLVE_EXCEPTION, "exception_resolved", mend)]):
            await self._send(self.workflow_id, sent)
        await self._world.stage(self.workflow_id, ContractStage.ACTIVE)

    async def _deliver(self) -> None:
        """Both milestones, one of them perhaps known already; and what is to be refused."""
        told = [self._reached("one"), self._reached("two"), self._usage(), self._reached("other")]
        for sent in self._shuffled(told):
            await self._send(self.workflow_id, sent)
        # Nobody cancels any more: something is billed or about to be.
        await self._invoice(1, InvoiceStage.AWAITING_APPROVAL)
        for sent in self._shuffled([self._cancelled()]):
            await self._send(self.workflow_id, sent)

    async def _decide(self, number: int) -> None:
        """The approval, among a payment that is too early, wrong hashes and wrong amounts."""
        state = await self._invoice(number, InvoiceStage.AWAITING_APPROVAL)
        assert state.approval_round is not None
        subject = state.approval_round.subject
        right = ApprovalDecision(by=ANA, content_hash=subject.content_hash, amount=subject.amount)
        stale = right.model_copy(update={"content_hash": "0" * 12})
        other = right.model_copy(update={"amount": subject.amount + subject.amount})
        decisions = [
            Sent(messages.DECIDE_APPROVAL, "approval_decided", m) for m in (right, stale, other)
        ]
        for sent in self._shuffled(decisions):
            await self._send(self._invoice_id(number), sent)
        await self._invoice(number, until=lambda found: found.delivered)

    async def _collect(self, number: int) -> None:
        """Three transfers that come to the whole, a dispute, a promise, a hold, a write-off."""
        state = await self._invoice(number)
        assert state.balance is not None
        parts = state.balance.residual.allocate([1, 2, 3])
        payments = [
            PaymentReceived(reference=unique("PAY"), amount=part, paid_on=TODAY) for part in parts
        ]
        self.references += [item.reference for item in payments]
        told = [Sent(messages.RECORD_PAYMENT, "payment_received", item) for item in payments]
        told += [
            Sent(messages.OPEN_DISPUTE, "dispute_opened", DisputeOpened(by=ANA, reason="late")),
            Sent(
                messages.RESOLVE_DISPUTE, "dispute_resolved", DisputeResolved(by=ANA, comment="no")
            ),
            Sent(
                messages.PROMISE_PAYMENT, "payment_promised", PaymentPromised(by=ANA, on=last_of(1))
            ),
            Sent(messages.CHANGE_DUNNING_HOLD, "dunning_hold", HoldChange(by=ANA, reason="call")),
            Sent(messages.ASK_WRITE_OFF, "write_off_asked", WriteOffAsked(by=ANA, reason="small")),
        ]
        for sent in self._shuffled(told):
            await self._send(self._invoice_id(number), sent)
        await self._invoice(number, InvoiceStage.PAID)

    async def _close(self) -> None:
        for number in (1, 2):
            await self._world.skip(self._invoice_id(number), days=31)
        await self._world.stage(self.workflow_id, ContractStage.CLOSED)
        await self._world.client.get_workflow_handle(self.workflow_id).result()

    async def _agrees(self) -> None:
        """Odoo's money, and each message that was taken in a history."""
        world = self._world
        moves = odoo_invoices(world.admin, self.workflow_id)
        assert sorted(move["amount_untaxed"] for move in moves) == [333.33, 666.67]
        assert [move["payment_state"] for move in moves] == ["paid", "paid"]
        paid = world.admin.search_read(
            "account.payment", [("memo", "in", self.references)], ["memo"]
        )
        assert sorted(row["memo"] for row in paid) == sorted(self.references), "each once"
        for workflow_id, count in self.signals.items():
            assert await self._signalled(workflow_id) >= count
        state = await world.contract(self.workflow_id)
        texts = [entry.text for entry in state.journal.entries]
        assert sum("Milestone one reached" in text for text in texts) == 1

    async def _signalled(self, workflow_id: str) -> int:
        """Signals in all runs of a workflow."""
        count = 0
        async for run in self._world.client.list_workflows(f"WorkflowId = '{workflow_id}'"):
            handle = self._world.client.get_workflow_handle(workflow_id, run_id=run.run_id)
            async for event in handle.fetch_history_events():
                count += event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
        return count

    async def _invoice(self, number: int, *args: Any, **more: Any) -> InvoiceState:
        return await self._world.invoice(self._invoice_id(number), *args, **more)

    def _invoice_id(self, number: int) -> str:
        return f"{self.workflow_id}/invoice/{number}"

    def _reached(self, key: str) -> Sent:
        return Sent(
            messages.REACH_MILESTONE, "milestone_reached", MilestoneReached(milestone=key, by=PIA)
        )

    def _usage(self) -> Sent:
        record = UsageRecord(id="r", plan="none", on=month(1), quantity=Decimal(1))
        return Sent(messages.RECORD_USAGE, "usage_reported", UsageReport(records=(record,)))

    def _cancelled(self) -> Sent:
        return Sent(messages.REQUEST_CANCEL, "cancel_requested", CancelRequest(by="sam"))


async def test_in_whatever_order_workflows_are_told_odoo_has_everything_once(world: World) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> None:
        async with turns:
            try:
                await Life(world, seed).lead()
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error

    done = await asyncio.gather(*(one(seed) for seed in range(LIVES)), return_exceptions=True)
    failed = [item for item in done if isinstance(item, Exception)]
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {LIVES} lives", failed)


# --- after the close --------------------------------------------------------------------------

_AFTER: list[tuple[str, BaseModel]] = [
    ("milestone_reached", MilestoneReached(milestone="all")),
    ("cancel_requested", CancelRequest(by="sam")),
    ("exception_resolved", Resolution(action=Action.RETRY, by="olga")),
]


async def _settled(world: World) -> tuple[str, str]:
    """A contract that has closed, and its only invoice."""
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await world.collect(workflow_id, 1)
    for each in (invoice, workflow_id):
        await world.client.get_workflow_handle(each).result()
    return workflow_id, invoice


async def test_what_comes_after_the_close_is_refused_to_whoever_sends_it(world: World) -> None:
    workflow_id, invoice = await _settled(world)
    payment = PaymentReceived(reference="late", amount=eur("1.00"), paid_on=TODAY)
    for target, signal, message in (
        *((workflow_id, name, message) for name, message in _AFTER),
        (invoice, "payment_received", payment),
    ):
        with pytest.raises(RPCError) as refused:
            await world.client.get_workflow_handle(target).signal(signal, message)
        assert refused.value.status is RPCStatusCode.NOT_FOUND
    with pytest.raises(Refused, match="has ended"):
        await world.tell(invoice, messages.RECORD_PAYMENT, payment)


async def test_money_undone_after_the_close_is_left_to_a_person_in_odoo(world: World) -> None:
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    payment = await world.pay(invoice)
    await world.sweep()
    await world.collect(workflow_id, 1)
    state = await world.invoice(invoice, InvoiceStage.SETTLED)
    assert state.balance is not None
    await world.client.get_workflow_handle(workflow_id).result()
    undo_payment(world.accountant, payment)
    for _ in range(2):
        swept = await world.sweep()
        assert invoice in swept.unfollowed
    todos = world.admin.search_read(
        "mail.activity", [("res_id", "=", state.balance.invoice_id)], ["summary"]
    )
    number = state.balance.number
    assert [row["summary"] for row in todos] == [
        f"{number}: {state.balance.total} open, and nobody follows it"
    ]


async def tell_slowly(state: InvoiceState, action: actions.Action) -> object:
    """The last word to the contract takes until a payment has come."""
    if state.stage is InvoiceStage.SETTLED:
        found = workflow.instance()
        await workflow.wait_condition(
            lambda: bool(found.state.known_payments or found.state.payments_given_up)
        )
    return await PERFORM[TELL_CONTRACT](state, action)


@workflow.defn(name="SlowToTell")
class SlowToTell(InvoiceWorkflow):
    """An invoice whose last word to its contract takes until a payment has come."""

    core = dataclasses.replace(
        InvoiceWorkflow.core, perform={**PERFORM, TELL_CONTRACT: tell_slowly}
    )

    @workflow.init
    def __init__(self, start: InvoiceInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: InvoiceInput) -> InvoiceReport:
        return await super().run(start)


async def test_a_payment_in_the_moment_an_invoice_settles_reaches_a_person(
    world: World,
) -> None:
    invoice = await world.open(single())
    await world.pay(invoice)
    await world.sweep()
    state = await world.invoice(invoice, InvoiceStage.PAID)
    assert state.settles_at is not None
    settles_at = state.settles_at - timedelta(days=60)
    # Its contract has begun another run since.
    state = state.replace(settles_at=settles_at, tells_its_end=True)
    payment = PaymentReceived(reference=unique("PAY"), amount=eur("0.01"), paid_on=TODAY)
    queue = unique("slow")
    async with Worker(
        world.client,
        task_queue=queue,
        workflows=[SlowToTell],
        activities=[Proofs(NOBODY_SIGNS).verify_signatures],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = await world.client.start_workflow(
            SlowToTell.run, InvoiceInput(state=state), id=unique("slow"), task_queue=queue
        )
        for _ in range(200):
            found = await handle.query(SlowToTell.invoice)
            if found.stage is InvoiceStage.SETTLED:
                break
            await asyncio.sleep(0.05)
        await handle.signal("payment_received", payment)
        for _ in range(200):
            found = await handle.query(SlowToTell.invoice)
            if found.exceptions:
                break
            await asyncio.sleep(0.05)
        # Odoo books no money on a paid invoice: a person says where it goes.
        assert [item.step for item in found.exceptions] == [f"register_payment:{payment.reference}"]
        skipped = Resolution(action=Action.SKIP, by="olga", reason="paid back")
        await handle.signal("exception_resolved", skipped)
        assert (await handle.result()).stage is InvoiceStage.SETTLED
