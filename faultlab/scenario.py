"""One contract from signature to close, by messages that come three times and shuffled.

Messages come as webhook senders and impatient people send them: several times, by Update and by
Signal, some of it before the contract exists and all of it again after it has
closed. Nobody here waits for anything but what a person would see.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from contracts.approvals import ApprovalDecision, ApprovalRound, Decision
from contracts.changes import ChangeOrder
from contracts.contract.messages import CancelRequest, CreditRequest, MilestoneReached
from contracts.contract.state import FILE_SOURCE, ContractInput, ContractStage, ContractState
from contracts.identifiers import (
    EVENT_PREFIX,
    contract_workflow_id,
    deal_contract_id,
    invoice_workflow_id,
)
from contracts.invoice.messages import PaymentReceived, WriteOffAsked
from contracts.invoice.state import CLEARED, PENDING, UNBILLED, InvoiceReport, InvoiceState
from contracts.model import Source
from contracts.money import Money
from contracts.parking import Action, Resolution, StepException
from faultlab.books import PAYMENT
from faultlab.contract_generator import (
    COST,
    ENTITY,
    HOURS,
    SELLER,
    Flavour,
    GeneratedContract,
    last_month,
    milestone,
)
from faultlab.lab import Lab
from faultlab.ledger import patiently
from faultlab.online import OnlineCustomer
from faultlab.webhooks import STRIPE
from gateways.odoo import OdooClient
from sandbox import clock, people
from starters.client import NotFound, messages
from starters.client.protocol import Update
from workflows import options, search_attributes, task_queues
from workflows.contract import ContractWorkflow

CRM = "hubspot"
ANA, CLEO = "ana@northwind.example", "cleo@northwind.example"
CLERK, MANAGER = "clara@northwind.example", "pia@northwind.example"
COPIES = 3
STUCK_SECONDS = 150.0
"""Longer than an attempt that lost its worker and the longest pause between attempts together."""
MOST_SECONDS = 900.0
"""No scenario takes longer on a busy machine: one that is tried again and again is stuck."""
_WHY_SECONDS = 10.0
_NOTES = 5
"""Of a contract's journal, where nothing moves."""
_QUIET_SECONDS = 30.0
_LOOKS = 8
_PATIENCE_SECONDS = 4.0
_LOOK_SECONDS = 10.0
"""A scenario looks again after this even without changes: not everything is listed."""
_DAYS_AT_ONCE = timedelta(days=12)
_ENDED = (ContractStage.CLOSED, ContractStage.CANCELLED)
_HEALING = frozenset({"credentials", "defect", "transient"})


@dataclass
class ScenarioResult:
    """How a scenario came out; `wrong` says in words what must not be."""

    generated: GeneratedContract
    workflow_id: str = ""
    worth: Decimal = Decimal(0)
    seconds: float = 0.0
    closed: bool = False
    parked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    deal_id: str = ""
    events: list[str] = field(default_factory=list)
    """The workflows of the events of its payments."""


class Stuck(Exception):
    """Nothing has happened for too long; the message says what was awaited."""


class GivenUp(Exception):
    """Something is wrong with this scenario, and is noted."""


@dataclass(frozen=True)
class Habits:
    """How often people do what they may do in several ways."""

    hasty: float = 0.3
    """An approval of something else comes long before the right one."""
    in_odoo: float = 0.3
    """An accountant registers the payment in Odoo: no message reports it."""
    in_parts: float = 0.5
    one_by_one: float = 0.5
    """Parts come when what came before is booked, not all at once."""
    by_webhook: float = 0.7
    """The payment processor says what happened; otherwise its sweep finds it."""


EVERYDAY = Habits()
EVERY_SAFEGUARD_NEEDED = Habits(hasty=1, in_odoo=0, in_parts=1, one_by_one=1)
"""Each safeguard is needed: an approval of something else stays alone for a while, and a payment is
reported again while there is still something to pay."""


class Scenario:
    """One contract's, from its signature to its close."""

    def __init__(
        self,
        lab: Lab,
        generated: GeneratedContract,
        named: Callable[[ScenarioResult], None] = lambda result: None,
        habits: Habits = EVERYDAY,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._lab = lab
        self._most_seconds = most_seconds
        self._named = named
        self._habits = habits
        self._generated = generated
        self._random = Random(f"scenario {generated.seed}")  # noqa: S311 - to repeat
        self._contract_data = generated.contract_data
        self._done: set[str] = set()
        self._approved_at: dict[str, float] = {}
        self._payments: dict[int, list[PaymentReceived]] = {}
        """What each invoice's customer has yet to pay, in the order of paying."""
        self._owed: dict[int, Money] = {}
        """What was owed when they paid last."""
        self._online: dict[int, OnlineCustomer] = {}
        """Who pays an invoice through the payment processor."""
        self._sent: list[Callable[[], Any]] = []
        """Every message once more, for after the close."""
        self.result = ScenarioResult(generated, worth=generated.worth)

    async def run(self) -> ScenarioResult:
        """Lead it to its end, whatever happens on the way."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._most_seconds):
                await self._sign()
                await self._go_on()
                for customer in self._online.values():
                    await self._processor_tells(customer.ask_back())
                await self._send_all_again()
        except TimeoutError:
            self.result.wrong.append(await self._why_late())
        except GivenUp:
            pass  # what is wrong with it is said
        except Stuck as stuck:
            self.result.wrong.append(str(stuck))
        except Exception as error:  # a defect of ours must not end the others' scenarios
            self.result.wrong.append(f"{type(error).__name__}: {error}")
        self.result.seconds = time.monotonic() - began
        return self.result

    # --- signature ----------------------------------------------------------------------------

    async def _sign(self) -> None:
        if self._generated.deal is None:
            self._called(contract_workflow_id(ENTITY, self._contract_data["contract_id"]))
            await self._sign_contract_data()
            return
        async with self._lab.odoo_mending:
            deal_id = await self._lab.add_deal(self._generated.deal)
        self.result.deal_id = deal_id
        self._called(contract_workflow_id(ENTITY, deal_contract_id(CRM, deal_id)))
        way = self._random.choice(("start", "webhook", "sweep"))  # the last finds it by itself
        if way == "start":
            for _ in range(COPIES):
                await patiently(lambda: self._lab.c2c.start_deal(CRM, deal_id, ENTITY))
            self._lab.ledger.started(self._id)
        if way == "webhook":
            await self._shuffled(self._deal_changed(number) for number in range(1, COPIES + 1))
            self._sent.append(self._deal_changed(COPIES))
            self._sent.append(self._deal_changed(COPIES + 1))

    def _deal_changed(self, number: int) -> Callable[[], Awaitable[None]]:
        """One of the CRM's webhooks about the deal."""
        return lambda: self._lab.webhooks.deal_changed(self.result.deal_id, number)

    async def _shuffled(self, sends: Iterable[Callable[[], Awaitable[None]]]) -> None:
        """Each of these three times, all at once, in any order."""
        doors = [send for send in sends for _ in range(COPIES)]
        self._random.shuffle(doors)
        await asyncio.gather(*(door() for door in doors))

    def _called(self, workflow_id: str) -> None:
        self._id = self.result.workflow_id = workflow_id
        self._named(self.result)

    async def _sign_contract_data(self) -> None:
        """Several starts at once, one of them with a milestone that is reached already."""
        early = self._reached("m1")
        known = await self._lab.ledger.signal(self._id, "milestone_reached", early)
        if known:
            self.result.wrong.append("a signal was taken before the contract was there")
        starts = [self._start() for _ in range(COPIES)]
        if self._generated.flavour is not Flavour.CANCELLED:  # what is billed cannot be cancelled
            starts.append(self._start_with(early))
        self._random.shuffle(starts)
        await asyncio.gather(*starts)
        self._lab.ledger.started(self._id)

    async def _start(self) -> None:
        await patiently(lambda: self._lab.c2c.start(self._contract_data))

    async def _start_with(self, early: MilestoneReached) -> None:
        """Signal-with-start: how a system reports what may come before the contract does."""
        contract = ContractInput(
            contract_id=self._contract_data["contract_id"],
            legal_entity=ENTITY,
            source=Source(system=FILE_SOURCE, id=self._contract_data["contract_id"]),
            contract_data=self._contract_data,
        )
        await patiently(
            lambda: self._lab.client.start_workflow(
                ContractWorkflow.run,
                contract,
                id=self._id,
                task_queue=task_queues.CONTRACTS,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=options.TASK_TIMEOUT,
                search_attributes=search_attributes.at_start(contract.contract_id, ENTITY),
                start_signal="milestone_reached",
                start_signal_args=[early],
            )
        )
        self._lab.ledger.signalled_with_start(self._id, "milestone_reached", early)
        self._done.add("reach m1")

    # --- on the way ---------------------------------------------------------------------------

    async def _go_on(self) -> None:
        moved_at, seen, tries = time.monotonic(), "", ""
        while True:
            state = await self._look()
            if state is not None:
                looks = state.model_dump_json()
                moved = looks != seen or await self._attend(state)
                if looks != seen:
                    await self._attend(state)
                seen = looks
                if moved:
                    moved_at = time.monotonic()
                if state.stage in _ENDED and await self._has_ended():
                    self.result.closed = True
                    return
            if time.monotonic() - moved_at > _QUIET_SECONDS:
                tried = await self._tries(state)
                if tried != tries:
                    moved_at, tries = time.monotonic(), tried
                elif time.monotonic() - moved_at > STUCK_SECONDS:
                    why = await self._why(state)
                    raise Stuck(f"nothing moved for {STUCK_SECONDS:.0f} s: {why}")
            await self._lab.changes.of(self._id, _LOOK_SECONDS)

    async def _look(self) -> ContractState | None:
        with contextlib.suppress(NotFound):  # the sweep has not found the deal yet
            return await patiently(lambda: self._lab.c2c.contract(self._id).state())
        return None

    async def _has_ended(self) -> bool:
        """Whether the workflow is over, and all its invoices' too."""
        for workflow_id in self._ids(await self._look()):
            described = await self._described(workflow_id)
            if described.status is not WorkflowExecutionStatus.COMPLETED:
                return False
        return True

    def _ids(self, state: ContractState | None) -> list[str]:
        """Its workflow, and those of its invoices."""
        numbers = state.invoices if state is not None else {}
        return [self._id, *(invoice_workflow_id(self._id, number) for number in numbers)]

    async def _described(self, workflow_id: str) -> WorkflowExecutionDescription:
        return await patiently(self._lab.client.get_workflow_handle(workflow_id).describe)

    async def _tries(self, state: ContractState | None) -> str:
        """How often what is under way was tried: a new attempt is a move, too."""
        marks = []
        for workflow_id in self._ids(state):
            with contextlib.suppress(RPCError):
                handle = self._lab.client.get_workflow_handle(workflow_id)
                raw = (await handle.describe()).raw_description
                marks.append(str(raw.workflow_execution_info.history_length))
                marks += [f"{item.activity_id}:{item.attempt}" for item in raw.pending_activities]
        return " ".join(marks)

    async def _why_late(self) -> str:
        """What it waits for that is not over in time, as far as anybody answers."""
        why = "nobody answers"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WHY_SECONDS):
                why = await self._why(await self._look())
        return f"not over after {self._most_seconds:.0f} s: {why}"

    async def _why(self, state: ContractState | None) -> str:
        """What it waits for, in words."""
        if state is None:
            return "the contract never began"
        pending = [
            f"{item.activity_type.name} (attempt {item.attempt}: {item.last_failure.message})"
            for workflow_id in self._ids(state)
            for item in (await self._described(workflow_id)).raw_description.pending_activities
        ]
        invoices = {number: str(item.stage) for number, item in state.invoices.items()}
        parked = [f"{item.step}: {item.message}" for item in self._exceptions(state)]
        noted = " | ".join(entry.text for entry in state.journal.entries[-_NOTES:])
        return (
            f"{state.stage}, invoices {invoices}, "
            f"pending {pending}, parked {parked}; it noted last: {noted}"
        )

    @staticmethod
    def _exceptions(state: ContractState) -> list[StepException]:
        return [*state.exceptions, *(e for d in state.invoices.values() for e in d.exceptions)]

    async def _attend(self, state: ContractState) -> bool:
        """Do what there is to do for people; whether there was anything."""
        did = await self._mend(state)
        if state.stage is ContractStage.ACTIVE:
            did |= await self._act(state)
        for number, report in sorted(state.invoices.items()):
            did |= await self._attend_invoice(state, number, report)
        return did

    async def _mend(self, state: ContractState) -> bool:
        """Resolve what the scenario itself brought about; anything else parked is wrong."""
        did = False
        for item in self._exceptions(state):
            known = f"{item.step} [{item.code}] {item.message}"
            if item.code == "proposal_rejected" and self._generated.flavour is Flavour.REJECTED:
                resolution = Resolution(step=item.step, action=Action.RETRY, by=CLERK)
                update = messages.RESOLVE_EXCEPTION
                did |= await self._lab.ledger.update(self._id, update, resolution)
            elif known not in self.result.parked:
                self.result.parked.append(known)
                if item.kind not in _HEALING:
                    self.result.wrong.append(f"left to a person: {known}")
        if self.result.wrong:
            raise GivenUp
        return did

    async def _act(self, state: ContractState) -> bool:
        """What happens once in an active contract."""
        flavour = self._generated.flavour
        special = {
            Flavour.HOURS: self._work,
            Flavour.EXPENSES: self._spend,
            Flavour.CANCELLED: self._cancel,
        }.get(flavour)
        if special is not None and self._first("special"):
            await special(state)
            return True
        if flavour is Flavour.CANCELLED:
            return False
        if state.change is not None:
            approval_round = state.change.approval_round
            return (
                approval_round is not None
                and not approval_round.is_decided
                and await self._approve(self._id)
            )
        if flavour is Flavour.CHANGED and state.contract and state.contract.version == 1:
            return await self._change()
        missing = [key for key, known in state.milestones.items() if known.reached_on is None]
        did = False
        self._random.shuffle(missing)
        for key in missing:
            if self._first(f"reach {key}"):
                await self._reach(key)
                did = True
        return did

    def _first(self, what: str) -> bool:
        """Whether this is done for the first time."""
        if what in self._done:
            return False
        self._done.add(what)
        return True

    async def _once(self, what: str, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Ask for this until it is accepted; whether it was just now. A Query may have shown what
        a worker that is gone knew, and the next one does not know yet what the request is about."""
        if what in self._done or not await ask():
            return False
        return self._first(what)

    # --- milestones -----------------------------------------------------------------------------

    def _reached(self, key: str) -> MilestoneReached:
        return MilestoneReached(milestone=key, by=MANAGER)

    async def _reach(self, key: str) -> None:
        """By a message, by webhooks, or by both at once."""
        ways = self._random.choice(("message", "webhook", "message webhook"))
        by_message, by_webhook = "message" in ways, "webhook" in ways
        sends = []
        if by_message:
            reached = self._reached(key)
            sends.append(
                self._send(self._id, messages.REACH_MILESTONE, "milestone_reached", reached)
            )
        if by_webhook:
            events = [self._milestone_event(key, number) for number in (1, 2)]
            sends.append(self._shuffled(events))
            self._sent += [events[0], self._milestone_event(key, 3)]
        await asyncio.gather(*sends)

    def _milestone_event(self, key: str, number: int) -> Callable[[], Awaitable[None]]:
        event_id = f"{self._generated.seed}-{key}-{number}"
        return lambda: self._lab.webhooks.milestone_reached(self._id, key, event_id)

    async def _send(
        self, workflow_id: str, update: Update[Any, Any], signal: str, message: Any
    ) -> None:
        """Three times, by either door, all at once."""
        ledger = self._lab.ledger

        async def by_update() -> None:
            await ledger.update(workflow_id, update, message)

        async def by_signal() -> None:
            await ledger.signal(workflow_id, signal, message)

        doors = [by_update, by_signal, self._random.choice((by_update, by_signal))]
        self._random.shuffle(doors)
        await asyncio.gather(*(door() for door in doors))
        self._sent.append(by_signal)
        self._sent.append(by_update)

    # --- special scenarios ----------------------------------------------------------------------

    async def _person(self, login: str, what: Callable[..., object], *arguments: object) -> None:
        """Let somebody do something in Odoo, while nobody restarts it."""

        def work() -> None:
            with contextlib.closing(self._lab.odoo(login)) as client:
                what(client, *arguments)

        async with self._lab.odoo_mending:
            await asyncio.to_thread(work)

    async def _work(self, state: ContractState) -> None:
        on = last_month()[1]
        await self._person("pm", people.log_hours, state, "dev", people.PETRA, f"{HOURS:f}", on)

    async def _spend(self, state: ContractState) -> None:
        on = last_month()[1]
        await self._person("pm", people.spend, state, people.PETRA, "Train", f"{COST:f}", on)

    async def _cancel(self, state: ContractState) -> None:
        self.result.worth = Decimal(0)
        request = CancelRequest(by=SELLER, reason="changed their mind")
        await self._send(self._id, messages.REQUEST_CANCEL, "cancel_requested", request)

    async def _change(self) -> bool:
        """The second part is dropped, the third repriced and moved, a fourth agreed; the first is
        as it was. Asked for again where it is refused: a Query may have shown what a worker that
        is gone knew, and the next one does not know yet that the contract is active."""
        random = Random(f"change {self._generated.seed}")  # noqa: S311 - to repeat
        price, more = (Decimal(random.randint(100_00, 900_00)).scaleb(-2) for _ in range(2))
        order = ChangeOrder(
            number=1,
            by=SELLER,
            reason="agreed by mail",
            add_milestones=(milestone(4, more),),
            drop=("m2",),
            reprice={"m3": f"{price:f}"},
            reschedule={"m3": datetime.now(UTC).date() + timedelta(days=60)},
        )
        self.result.worth = self._generated.amounts[0] + price + more
        return await self._lab.ledger.update(self._id, messages.PROPOSE_CHANGE, order)

    # --- invoices ------------------------------------------------------------------------------

    async def _attend_invoice(
        self, state: ContractState, number: int, report: InvoiceReport
    ) -> bool:
        workflow_id = invoice_workflow_id(self._id, number)
        if report.stage in PENDING:  # how far it is on the way, only the invoice knows
            return await self._decide(workflow_id, number)
        if report.total is None or report.stage in CLEARED | UNBILLED:
            return False
        flavour = self._generated.flavour
        if number == 1 and flavour is Flavour.CREDITED and "credit" not in self._done:
            return await self._once("credit", lambda: self._credit(number, report))
        if number == 1 and flavour is Flavour.WRITTEN_OFF:
            return await self._write_off(workflow_id)
        if number == 1 and self._awaits_credit(state):
            return False
        if number == 1 and flavour is Flavour.OVERDUE and "overdue" not in self._done:
            # Whether it is delivered, only the invoice knows: an address is forgotten after that.
            if not (await self._invoice(workflow_id)).delivered:
                return False
            self._done.add("overdue")
            await self._let_it_fall_due(state, workflow_id)
            return True
        if (
            report.residual is not None
            and report.residual.is_positive
            and not report.credited_number
        ):
            return await self._pay(workflow_id, number, report, report.residual)
        return False

    async def _decide(self, workflow_id: str, number: int) -> bool:
        flavour = self._generated.flavour
        if number == 1 and flavour in (Flavour.OVERDUE, Flavour.REJECTED):
            # Its contract says at once that it awaits approval; the draft takes a moment.
            if not await self._open_rounds(workflow_id):
                return False
            if flavour is Flavour.REJECTED:
                return await self._once("reject", lambda: self._reject(workflow_id))
            if self._first("remind approvers"):
                await self._let_approvers_be_reminded(workflow_id)
        return await self._approve(workflow_id)

    async def _reject(self, workflow_id: str) -> bool:
        decision = ApprovalDecision(decision=Decision.REJECT, by=ANA, comment="wrong month")
        return await self._lab.ledger.update(workflow_id, messages.DECIDE_APPROVAL, decision)

    async def _approve(self, workflow_id: str, *also: str) -> bool:
        """Approve what is open, after approvals of something else have come."""
        if time.monotonic() - self._approved_at.get(workflow_id, 0) < _PATIENCE_SECONDS:
            return False
        self._approved_at[workflow_id] = time.monotonic()
        rounds = await self._open_rounds(workflow_id)
        for open_round in rounds:
            subject = open_round.subject
            right = ApprovalDecision(
                by=ANA, content_hash=subject.content_hash, amount=subject.amount
            )
            for stale in self._stale(right):
                await self._lab.ledger.signal(workflow_id, "approval_decided", stale)
            if self._random.random() < self._habits.hasty and self._first(f"hasty {workflow_id}"):
                return True  # the right one comes later: what is posted before has none
            for person in (ANA, *also):
                decision = right.model_copy(update={"by": person})
                await self._send(
                    workflow_id, messages.DECIDE_APPROVAL, "approval_decided", decision
                )
        return bool(rounds)

    async def _open_rounds(self, workflow_id: str) -> list[ApprovalRound]:
        with contextlib.suppress(NotFound):  # its contract speaks of it before it begins
            found = self._lab.c2c.contract_or_invoice(workflow_id)
            return [item.approval_round for item in await patiently(found.approvals)]
        return []

    def _stale(self, right: ApprovalDecision) -> list[ApprovalDecision]:
        """Approvals of other content and of another amount."""
        assert right.amount is not None
        more = Money(right.amount.amount + 1, right.amount.currency)
        other = right.model_copy(update={"content_hash": "0" * 12})
        return [other, right.model_copy(update={"amount": more})]

    async def _pay(self, workflow_id: str, number: int, report: InvoiceReport, owed: Money) -> bool:
        """Pay what is owed, or the next part of it; whether there was anything to do."""
        if self._generated.flavour is Flavour.ONLINE:
            return await self._pay_online(workflow_id, number, report, owed)
        today = datetime.now(UTC).date()
        if self._first(f"pay {number}"):
            if self._random.random() < self._habits.in_odoo:
                await self._pay_in_odoo(report, owed, today)
                return True
            self._payments[number] = self._drawn_payments(number, owed, today)
        left = self._payments.get(number, [])
        if not left or owed >= self._owed.get(number, owed + owed):
            return False  # what was paid is not booked yet
        self._owed[number] = owed
        if len(left) == 1:  # the rest, whatever was credited meanwhile
            left = [left[0].model_copy(update={"amount": owed})]
        now = left[:1] if self._random.random() < self._habits.one_by_one else left
        self._payments[number] = left[len(now) :]
        await asyncio.gather(
            *(
                self._send(workflow_id, messages.RECORD_PAYMENT, "payment_received", payment)
                for payment in now
            )
        )
        return True

    async def _pay_online(
        self, workflow_id: str, number: int, report: InvoiceReport, owed: Money
    ) -> bool:
        """Let the customer go on once all that happened before is booked."""
        if number not in self._online:
            customer = OnlineCustomer(self._lab.stripe, workflow_id, owed, self._random)
            self._online[number] = customer
        customer = self._online[number]
        if owed != customer.owed:
            return False
        at_once = self._random.random() >= self._habits.one_by_one
        events = customer.go_on(at_once=at_once) or customer.pay_rest(report.odoo_number)
        await self._processor_tells(events)
        return True

    async def _processor_tells(self, events: list[dict[str, Any]]) -> None:
        """By webhooks, or not at all: then the sweep finds it."""
        self.result.events += [f"{EVENT_PREFIX}{STRIPE}/{event['id']}" for event in events]
        self._named(self.result)
        told = [event for event in events if self._random.random() < self._habits.by_webhook]
        sends = [partial(self._lab.webhooks.payment_changed, event) for event in told]
        await self._shuffled(sends)
        self._sent += sends

    def _drawn_payments(self, number: int, owed: Money, on: date) -> list[PaymentReceived]:
        parts = [owed]
        if self._random.random() < self._habits.in_parts:
            half = Money.rounded(owed.amount / 2, owed.currency)
            parts = [half, owed - half]
        payments = [
            PaymentReceived(
                reference=f"{PAYMENT}{self._generated.seed}-{number}-{part}",
                amount=amount,
                paid_on=on,
            )
            for part, amount in enumerate(parts, start=1)
        ]
        self._random.shuffle(payments)
        return payments

    async def _pay_in_odoo(self, report: InvoiceReport, amount: Money, on: date) -> None:
        """An accountant registers it; the sweep has to find it."""
        assert report.invoice_id is not None
        await self._person(
            "accountant", people.register_payment, report.invoice_id, report.odoo_number, amount, on
        )

    async def _credit(self, number: int, report: InvoiceReport) -> bool:
        assert report.untaxed is not None
        amount = Money.rounded(report.untaxed.amount / 3, report.untaxed.currency)
        request = CreditRequest(number=number, amount=amount, by=SELLER, reason="goodwill")
        accepted = await self._lab.ledger.update(self._id, messages.REQUEST_CREDIT, request)
        self.result.worth -= amount.amount if accepted else 0
        return accepted

    def _awaits_credit(self, state: ContractState) -> bool:
        """Whether the first invoice is to be credited and its credit note is not set off yet."""
        if self._generated.flavour is not Flavour.CREDITED:
            return False
        notes = [item for item in state.invoices.values() if item.credited_number == 1]
        invoice = state.invoices[1]
        is_told = invoice.residual != invoice.total
        return not is_told or not notes or any(item.stage not in CLEARED for item in notes)

    async def _write_off(self, workflow_id: str) -> bool:
        asked = WriteOffAsked(by=CLERK, reason="the customer is bankrupt")
        ask = partial(self._lab.ledger.update, workflow_id, messages.ASK_WRITE_OFF, asked)
        return await self._once("ask to write off", ask) or await self._approve(workflow_id, CLEO)

    async def _invoice(self, workflow_id: str) -> InvoiceState:
        return await patiently(lambda: self._lab.c2c.invoice(workflow_id).state())

    async def _let_it_fall_due(self, state: ContractState, workflow_id: str) -> None:
        """Months pass until work is stopped; for some customers there is nobody to mail."""
        if self._generated.seed % 2:
            await self._person("admin", _forget_address, state.odoo.partner_id)
        for _ in range(_LOOKS):
            await self._later(workflow_id, _DAYS_AT_ONCE)
            if (await self._invoice(workflow_id)).dunning.level >= 3:
                return
            await self._lab.changes.of(self._id, _PATIENCE_SECONDS)

    async def _let_approvers_be_reminded(self, workflow_id: str) -> None:
        await self._later(workflow_id, timedelta(days=5))
        for _ in range(_LOOKS):
            found = await self._invoice(workflow_id)
            if found.approval_round is None or found.approval_round.reminded:
                return
            await self._lab.changes.of(self._id, _PATIENCE_SECONDS)

    async def _later(self, workflow_id: str, duration: timedelta) -> None:
        """Time passes for an invoice, while nobody restarts Temporal."""
        async with self._lab.temporal_mending:
            with contextlib.suppress(RPCError):  # it may be over by now
                await clock.forward(self._lab.clocks, workflow_id, duration)

    # --- after the end --------------------------------------------------------------------------

    async def _send_all_again(self) -> None:
        """Send every message once more: after the close none is acknowledged."""
        before = len(self._lab.ledger.acknowledged_of(self._id))
        for again in self._sent:
            await again()
        if len(self._lab.ledger.acknowledged_of(self._id)) != before:
            self.result.wrong.append("something was acknowledged after the close")


def _forget_address(odoo: OdooClient, partner_id: int) -> None:
    odoo.write("res.partner", [partner_id], {"email": False})
