"""A contract's core with everything around it played: Odoo, the CRM, invoices, people, the clock.

No Temporal: this is the shell of `workflows/shell.py` in a few lines, with acts that a test may
hold back, make fail, or lose the answer of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from contracts.agenda.actions import (
    Action,
    Answered,
    Began,
    ClockRang,
    Done,
    Event,
    Failed,
    SignalReceived,
    UpdateReceived,
)
from contracts.agenda.machine import Outcome
from contracts.approvals import ApprovalDecision, Decision
from contracts.audit.entries import Entry
from contracts.billing import account
from contracts.billing.account import Read, ReadKind
from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.billing.time import TimeEntry
from contracts.contract import (
    amendments,
    answers,
    delivery,
    endings,
    handing_over,
    holds,
    invoices,
    proposing,
    provisioning,
    reading,
    rules,
    signing,
    write_back,
)
from contracts.contract.messages import (
    InvoiceEnded,
    InvoiceLost,
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreachedInOdoo,
)
from contracts.contract.signature import SignedAttachment
from contracts.contract.state import ContractInput, ContractStage, ContractState, OdooRefs
from contracts.crm import ContractStatus
from contracts.handover import Burn, HandoverPlan, ServiceBurn, plan_of
from contracts.invoice.state import InvoiceReport, InvoiceStage
from contracts.model import Contract, JsonObject, Source
from contracts.money import Money
from contracts.parking import Action as Choice
from contracts.parking import Resolution, StepException
from contracts.problems import InvalidContract
from contracts.validation import validate
from tests.recorded import at_once
from tests.unit.examples import policy

PIA, OLGA, SAM, ANA, BOB = (
    f"{name}@northwind.example" for name in ("pia", "olga", "sam", "ana", "bob")
)
NO_ANSWER = Failed("transient", "no_answer", "nobody answered", maybe_done=True)
REFUSED = Failed("business", "not_today", "Odoo does not take it")
OPEN_STAGES = (InvoiceStage.OPEN, InvoiceStage.OVERDUE, InvoiceStage.PAID)


def eur(amount: str) -> Money:
    return Money(amount, "EUR")


class Refused(Exception):
    """An Update was refused."""


@dataclass(frozen=True)
class Worked:
    """A timesheet line in Odoo."""

    plan: str
    on: date
    hours: Decimal
    email: str = "petra@northwind.example"
    role: str = "Developer"
    approved: bool = True


@dataclass(frozen=True)
class Spent:
    """An expense in Odoo."""

    plan: str
    on: date
    cost: Money
    approved: bool = True


@dataclass
class Odoo:
    """What is true in Odoo, whatever the contract knows of it. `seen` is what was read already: a
    reading brings only what is new or has changed since."""

    refs: OdooRefs = field(default_factory=OdooRefs)
    reached: set[int] = field(default_factory=set)
    delivered: dict[str, Decimal] = field(default_factory=dict)
    lines: dict[int, Worked] = field(default_factory=dict)
    costs: dict[int, Spent] = field(default_factory=dict)
    order_version: Contract | None = None
    is_suspended: bool = False
    is_cancelled: bool = False
    is_archived: bool = False
    notes: list[str] = field(default_factory=list)
    handed: list[HandoverPlan] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    staffed: bool = False
    burned: list[ServiceBurn] = field(default_factory=list)
    seen: dict[tuple[str, int], object] = field(default_factory=dict)


@dataclass
class Invoice:
    """An invoice's workflow, as far as its contract sees it."""

    proposal: InvoiceProposal
    report: InvoiceReport
    reached: tuple[int, ...]
    requested_by: tuple[str, ...]
    is_ended: bool = False
    hold: Any = None
    asked_to_report: int = 0

    @property
    def is_credit(self) -> bool:
        return self.proposal.kind is InvoiceKind.CREDIT_NOTE


class Played:
    """One contract's life. `state` is the core's; everything else is played around it."""

    def __init__(
        self,
        contract_data: JsonObject,
        *,
        system: str = "file",
        start: datetime | None = None,
        held_back: Collection[str] = (),
        signature: str = "",
        started_by: str = "",
    ) -> None:
        self.now = start or datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        self.odoo = Odoo()
        self.invoices: dict[int, Invoice] = {}
        self.acts: dict[str, Action] = {}
        self.requests: dict[str, Any] = {}
        self.begun: list[str] = []
        self.recorded: tuple[Entry, ...] = ()
        self.held_back = set(held_back)
        self.fates: dict[str, list[Failed]] = {}
        self.crm: list[ContractStatus] = []
        self.deal: JsonObject = contract_data
        self.signature = signature
        self.steps, self.seconds = 0, 0.0
        self.state: ContractState = rules.begun(
            ContractInput(
                contract_id=contract_data["contract_id"],
                legal_entity=contract_data["legal_entity"],
                source=Source(system=system, id="9001"),
                started_by=started_by,
                contract_data={} if system != "file" else contract_data,
            ),
            self.now,
        )
        self.run()

    # --- the shell ------------------------------------------------------------------------------

    def tell(self, event: Event) -> Outcome[ContractState]:
        """One event; the state given is never changed."""
        self.steps += 1
        began = time.process_time()
        outcome = rules.AGENDA.apply(self.state, event, self.now)
        self.seconds += time.process_time() - began
        self.state = outcome.state
        return outcome

    def run(self) -> None:
        """Begin all that may begin, and end what is not held back, until nothing is left."""
        while True:
            began = time.process_time()
            action = rules.AGENDA.next_action(self.state)
            self.seconds += time.process_time() - began
            if action is not None:
                if not self._record(action):
                    self._begin(action)
                continue
            ready = next((k for k, a in self.acts.items() if a.kind not in self.held_back), None)
            if ready is None:
                return
            self.finish(ready)

    def _record(self, action: Action) -> bool:
        recorded = at_once(rules.AGENDA, self.state, action, self.now)
        if recorded is None:
            return False
        self.recorded += self.state.audit.pending
        self.state = recorded
        return True

    def _begin(self, action: Action) -> None:
        self.tell(Began(action))
        if self.state.running.get(action.key) is action:
            self.begun.append(action.key)
            self.acts[action.key] = action
            # As in the shell: what is asked for is decided in the moment in which the act begins.
            request = _REQUESTS.get(action.kind)
            self.requests[action.key] = request(self.state, action) if request else None

    def finish(self, key: str, *, lost: bool = False) -> None:
        """What came of an act; with `lost` it happened, and nobody heard the answer."""
        action, request = self.acts.pop(key), self.requests.pop(key)
        fates = self.fates.get(action.kind)
        if fates:
            self.tell(Answered(key, fates.pop(0)))
        else:
            value = _PERFORM[action.kind](self, action, request)
            result = value if isinstance(value, Failed) else Done(value)
            self.tell(Answered(key, NO_ANSWER if lost else result))

    def release(self, kind: str) -> None:
        """What was held back of a kind ends now."""
        self.held_back.discard(kind)
        self.run()

    def renew(self) -> None:
        """The workflow continues as new: the state travels as JSON, nothing else does."""
        assert not self.state.running
        text = self.state.model_dump_json()
        start = ContractInput(
            contract_id=self.state.contract_id,
            legal_entity=self.state.legal_entity,
            source=self.state.source,
            state=ContractState.model_validate_json(text),
        )
        self.state = rules.begun(start, self.now)
        self.run()

    # --- messages -------------------------------------------------------------------------------

    def send(self, message: Any) -> Any:
        """A person's Update. Raises Refused."""
        refusal = rules.AGENDA.refusal(self.state, message, self.now)
        outcome = self.tell(UpdateReceived(message))
        assert outcome.refusal == refusal
        if outcome.refusal is not None:
            raise Refused(outcome.refusal)
        self.run()
        return outcome.answer

    def signal(self, message: Any, words: str = "a message") -> None:
        """A system's Signal: a refusal is noted."""
        self.tell(SignalReceived(message, words))
        self.run()

    def reach(self, *keys: str) -> None:
        for key in keys:
            self.send(MilestoneReached(milestone=key, by=PIA))

    def resolve(self, action: Choice, step: str = "", **words: Any) -> None:
        words = {"reason": "agreed", **words}
        self.send(Resolution(action=action, by=OLGA, step=step, **words))

    def approve_change(self, *people: str, reject: str = "") -> None:
        """People decide about the pending change order."""
        for person in people or (ANA,):
            approval_round = amendments.pending(self.state)[1]
            subject = approval_round.subject
            decision = ApprovalDecision(
                decision=Decision.REJECT if reject else Decision.APPROVE,
                by=person,
                content_hash=subject.content_hash,
                amount=subject.amount,
                comment=reject,
            )
            self.send(decision)

    # --- time -----------------------------------------------------------------------------------

    def skip(self, **duration: float) -> None:
        self.skip_to(self.now + timedelta(**duration))

    def skip_to(self, at: datetime) -> None:
        """The timer rings whenever the core says it should."""
        while (wake := rules.AGENDA.next_wake(self.state)) is not None and wake <= at:
            assert wake > self.now
            self.now = wake
            self.tell(ClockRang())
            self.run()
        self.now = max(self.now, at)

    def skip_to_day(self, day: date) -> None:
        """To noon of a day."""
        self.skip_to(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))

    # --- invoices -------------------------------------------------------------------------------

    def _report(self, number: int, stage: InvoiceStage, **news: Any) -> None:
        invoice = self.invoices[number]
        invoice.report = invoice.report.model_copy(update={"stage": stage, **news})
        self.signal(invoice.report, f"a report of invoice {number}")

    def issue(self, *numbers: int) -> None:
        """These invoices are approved, posted and delivered."""
        for number in numbers:
            amount = self.invoices[number].proposal.amount
            total = -amount if amount.amount < 0 else amount
            self._report(
                number,
                InvoiceStage.OPEN,
                invoice_id=700 + number,
                odoo_number=f"INV/{number}",
                untaxed=total,
                total=total,
                residual=total,
                credited=Money.zero(total.currency),
                credited_untaxed=Money.zero(total.currency),
                written_off=Money.zero(total.currency),
            )

    def reject(self, number: int, why: str = "wrong") -> None:
        """The draft is cancelled, the contract gets the report, and the workflow ends."""
        self._report(number, InvoiceStage.REJECTED, because=f"{ANA}: {why}")
        self.end(number)

    def settle(self, *numbers: int) -> None:
        """These invoices are paid, and their settlement period is over."""
        for number in numbers:
            invoice = self.invoices[number]
            nothing = Money.zero(invoice.proposal.amount.currency)
            paid = {"stage": InvoiceStage.SETTLED, "residual": nothing}
            invoice.report = invoice.report.model_copy(update=paid)
            self.end(number)

    def end(self, number: int) -> None:
        """An invoice's workflow ends: this run hears it as the result of its child, any other one
        by Signal, if the invoice was asked to."""
        invoice = self.invoices[number]
        invoice.is_ended = True
        if number in self.state.followed:
            self.signal(InvoiceEnded(report=invoice.report))
        elif invoice.asked_to_report:
            self.signal(invoice.report)

    def lose(self, number: int) -> None:
        """An invoice's workflow is ended by force."""
        self.invoices[number].is_ended = True
        if number in self.state.followed:
            self.signal(InvoiceLost(number=number))

    def issue_and_settle_all(self) -> None:
        """Until nobody proposes anything any more."""
        while open_ones := [n for n, item in self.invoices.items() if not item.is_ended]:
            for number in open_ones:
                if self.invoices[number].report.total is None:
                    self.issue(number)
            self.settle(*open_ones)

    # --- what is looked at ----------------------------------------------------------------------

    @property
    def parked(self) -> dict[str, StepException]:
        return {item.step: item for item in self.state.exceptions}

    def stage(self) -> ContractStage:
        return self.state.stage

    @property
    def has_ended(self) -> bool:
        return rules.AGENDA.has_ended(self.state)

    @property
    def today(self) -> date:
        return self.now.date()

    def noted(self, text: str) -> bool:
        return any(text in entry.text for entry in self.state.journal.entries)

    def billed(self) -> Money:
        return account.sums(self.state.account, self.state.today).billed


# --- how each act is played ---------------------------------------------------------------------


def _attach_signed(life: Played, action: Action, asked: Any) -> SignedAttachment:
    return SignedAttachment(attachment_id=300, name=f"{action.basis}.pdf", sha256="5" * 64)


def _read_deal(life: Played, action: Action, asked: Any) -> answers.DealRead:
    return answers.DealRead(life.deal, life.signature)


def _validate(life: Played, action: Action, asked: Any) -> answers.Accepted | Failed:
    try:
        contract = validate(life.state.contract_data)
    except InvalidContract as error:
        return provisioning.invalid(error.problems)
    return answers.Accepted(contract, 1, "Europe/Brussels")


def _provision(life: Played, action: Action, asked: Any) -> OdooRefs:
    contract = life.state.terms
    ids = iter(range(1, 10_000))
    life.odoo.order_version = contract
    life.odoo.refs = OdooRefs(
        company_id=1,
        partner_id=2,
        project_id=3,
        project_name=contract.title,
        analytic_account_id=4,
        order_id=5,
        order_name="S00005",
        order_line_ids={line.key: next(ids) for line in (*contract.milestones, *contract.plans)},
        milestone_ids={item.key: 100 + next(ids) for item in contract.milestones},
        task_ids={plan.key: 200 + next(ids) for plan in contract.plans},
        order_confirmed=True,
    )
    return life.odoo.refs


def _read_time(life: Played, action: Action, asked: Any) -> answers.RecordsRead[TimeEntry]:
    read: Read = asked
    assert read.kind is ReadKind.TIME
    again = account.unrated_lines(life.state.account, read.plan)
    approved = {
        line: worked
        for line, worked in life.odoo.lines.items()
        if worked.approved and worked.plan == read.plan
    }
    entries = tuple(
        TimeEntry(
            line_id=line,
            plan=worked.plan,
            on=worked.on,
            hours=worked.hours,
            person=worked.email.partition("@")[0],
            email=worked.email,
            role=worked.role,
        )
        for line, worked in approved.items()
        if worked.on <= read.until
        and (line in again or life.odoo.seen.get(("line", line)) != replace(worked, role=""))
    )
    life.odoo.seen |= {
        ("line", entry.line_id): replace(approved[entry.line_id], role="") for entry in entries
    }
    known = account.known_lines(life.state.account, read.plan)
    gone = tuple(line for line in known if line not in approved)
    return answers.RecordsRead(entries, gone, life.now, read.until)


def _read_expenses(life: Played, action: Action, asked: Any) -> answers.RecordsRead[Expense]:
    read: Read = asked
    approved = {key: cost for key, cost in life.odoo.costs.items() if cost.approved}
    found = tuple(
        Expense(
            expense_id=key,
            plan=read.plan,
            on=cost.on,
            description="Train",
            employee="Ann",
            cost=cost.cost,
        )
        for key, cost in approved.items()
        if cost.on <= read.until and cost.plan == read.plan
        if life.odoo.seen.get(("cost", key)) != cost
    )
    life.odoo.seen |= {("cost", item.expense_id): approved[item.expense_id] for item in found}
    known = account.known_expenses(life.state.account)
    gone = tuple(key for key in known if key not in approved)
    return answers.RecordsRead(found, gone, life.now, read.until)


def _mark_milestone(life: Played, action: Action, asked: Any) -> datetime:
    milestone = {life.state.odoo.milestone_ids[action.subject]}
    is_reached = action.basis == delivery.REACHED
    life.odoo.reached = (
        life.odoo.reached | milestone if is_reached else life.odoo.reached - milestone
    )
    return life.now


def _look_up(life: Played, action: Action, asked: Any) -> tuple[delivery.Mark, ...]:
    number = life.state.odoo.milestone_ids[action.subject]
    if number in life.odoo.reached:
        return (MilestoneReachedInOdoo(milestone_id=number, as_of=life.now),)
    return (MilestoneUnreachedInOdoo(milestone_id=number, as_of=life.now),)


def _set_delivered(life: Played, action: Action, asked: Any) -> dict[str, Decimal]:
    quantities: dict[str, Decimal] = asked
    life.odoo.delivered |= quantities
    return quantities


def start_invoice(life: Played, action: Action, asked: Any) -> bool:
    number = int(action.subject)
    if number in life.invoices:
        return False
    start = life.state.starting[number]
    report = life.state.invoices[number]
    life.invoices[number] = Invoice(
        proposal=start.proposal,
        report=report.model_copy(update={"stage": InvoiceStage.AWAITING_APPROVAL}),
        reached=start.reached,
        requested_by=start.requested_by,
    )
    life.odoo.reached.update(start.reached)
    return True


def _note(life: Played, action: Action, asked: Any) -> None:
    life.odoo.notes.append(action.key)


def _tell_hold(life: Played, action: Action, asked: Any) -> Failed | None:
    invoice = life.invoices[int(action.subject)]
    if invoice.is_ended:
        return NO_ANSWER
    invoice.hold = action.basis or None
    return None


def _tell_renewal(life: Played, action: Action, asked: Any) -> Failed | None:
    invoice = life.invoices[int(action.subject)]
    if invoice.is_ended:
        return NO_ANSWER
    invoice.asked_to_report += 1
    return None


def _policy(life: Played, action: Action, asked: Any) -> Any:
    return policy


def _amend_order(life: Played, action: Action, asked: Any) -> dict[str, int]:
    _, after = asked
    known = life.state.odoo.order_line_ids
    life.odoo.order_version = after
    return {
        line.key: known.get(line.key, 900 + number)
        for number, line in enumerate((*after.milestones, *after.plans))
    }


def _amend_project(life: Played, action: Action, asked: Any) -> answers.ProjectAmended:
    _, after = asked
    odoo = life.state.odoo
    milestones = {
        item.key: odoo.milestone_ids.get(item.key, 1_000 + len(odoo.milestone_ids) + number)
        for number, item in enumerate(after.milestones)
    }
    tasks = {
        plan.key: odoo.task_ids.get(plan.key, 2_000 + number)
        for number, plan in enumerate(after.plans)
    }
    return answers.ProjectAmended(milestones, tasks)


def _project_status(life: Played, action: Action, asked: Any) -> str:
    text: str = asked
    life.odoo.is_suspended = text.startswith("Work is suspended")
    return text


def _hand_over(life: Played, action: Action, asked: Any) -> answers.HandedOver:
    plan = plan_of(asked)
    life.odoo.handed.append(plan)
    return answers.HandedOver(plan, {"design": 70}, {}, tuple(life.odoo.kept), life.odoo.staffed)


def _read_burn(life: Played, action: Action, asked: Any) -> answers.BurnRead:
    burn = Burn(services=tuple(life.odoo.burned), as_of=life.now)
    return answers.BurnRead(burn, life.odoo.staffed)


def _write_status(life: Played, action: Action, asked: Any) -> ContractStatus:
    status: ContractStatus = asked
    life.crm.append(status)
    return status


def _close_out(life: Played, action: Action, asked: Any) -> None:
    """What the checklist asks, of everything that the contract itself knows."""
    state: ContractState = asked
    billing, today = state.account, state.billing_day
    assert account.open_ends(billing, today) == []
    assert account.check(billing, today) == []
    sums = account.sums(billing, today)
    assert sums.billed == sums.value
    life.odoo.is_archived = True


def _cancel_order(life: Played, action: Action, asked: Any) -> None:
    life.odoo.is_cancelled = True


def _archive_project(life: Played, action: Action, asked: Any) -> None:
    life.odoo.is_archived = True


def _reading(state: ContractState, action: Action) -> Read:
    [found] = [read for read in reading.readings(state) if read.plan == action.subject]
    return found


_REQUESTS: dict[str, Callable[[ContractState, Action], Any]] = {
    reading.READ_TIME: _reading,
    reading.READ_EXPENSES: _reading,
    delivery.SET_DELIVERED: lambda state, act: delivery.delivered_news(state, act.subject),
    amendments.AMEND_ORDER: lambda state, _: amendments.versions_to_follow(state),
    amendments.AMEND_PROJECT: lambda state, _: amendments.versions_to_follow(state),
    amendments.PROJECT_STATUS: lambda state, _: amendments.status_text(state),
    handing_over.HAND_OVER: lambda state, _: state.terms,
    write_back.WRITE_STATUS: lambda state, _: write_back.status(state),
    endings.CLOSE_OUT: lambda state, _: state,
}
_PERFORM: dict[str, Callable[[Played, Action, Any], Any]] = {
    provisioning.READ_DEAL: _read_deal,
    provisioning.VALIDATE: _validate,
    provisioning.PROVISION: _provision,
    signing.ATTACH_SIGNED: _attach_signed,
    reading.READ_TIME: _read_time,
    reading.READ_EXPENSES: _read_expenses,
    delivery.MARK_MILESTONE: _mark_milestone,
    delivery.LOOK_UP: _look_up,
    delivery.SET_DELIVERED: _set_delivered,
    proposing.START_INVOICE: start_invoice,
    proposing.WARN: _note,
    holds.DUNNING_HOLD: _tell_hold,
    invoices.CONTRACT_RENEWED: _tell_renewal,
    amendments.POLICY: _policy,
    amendments.NOTIFY: _note,
    amendments.AMEND_ORDER: _amend_order,
    amendments.AMEND_PROJECT: _amend_project,
    amendments.PROJECT_STATUS: _project_status,
    handing_over.HAND_OVER: _hand_over,
    handing_over.READ_BURN: _read_burn,
    write_back.REFRESH: _read_deal,
    write_back.WRITE_STATUS: _write_status,
    endings.CLOSE_OUT: _close_out,
    endings.CANCEL_ORDER: _cancel_order,
    endings.ARCHIVE_PROJECT: _archive_project,
}

__all__ = ["ContractStage", "InvalidContract", "Played", "Refused"]
