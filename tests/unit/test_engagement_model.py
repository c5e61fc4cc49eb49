"""Random lives of a contract, in any order, against what must always hold of its money.

`Engagement` plays what is around the rules: Odoo's timesheets and documents, the customer, the
people who approve, the calendar. It carries no rule of its own; the rules under test are the
book, change orders, approvals and collections, driven as the workflows drive them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from contracts import changes, collecting
from contracts.approvals import (
    ApprovalDecision,
    ApprovalKind,
    ApprovalRound,
    Decision,
    Subject,
)
from contracts.billing import usage
from contracts.billing.book import (
    DEPOSIT_EVENT,
    BillingEvent,
    Book,
    Due,
    EventStatus,
    Findings,
    NotPossible,
    Part,
    milestone_event,
)
from contracts.billing.charges import Charge, ChargeKind
from contracts.billing.expenses import Expense
from contracts.billing.order import order_lines
from contracts.billing.proposals import Document, InvoiceProposal
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.dunning import Act, DunningHold, DunningState
from contracts.model import Contract, RetainageOnTermination
from contracts.money import Money
from contracts.problems import InvalidContract
from contracts.receivable import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    InvoiceBalance,
    InvoiceStage,
    OwnCredit,
    PaymentPromised,
    ReceivableState,
)
from contracts.state import ContractState, money_table
from contracts.statement import statement
from tests.unit.billing.strategies import (
    PEOPLE,
    ROLES,
    contracts,
    hours,
    in_units,
    milestone,
    money,
    quantities,
)
from tests.unit.examples import ANA, BOB, CLEO, DORA, EMIL, MINOR_UNITS, SAM, policy

_DAY = timedelta(days=1)
_TAX = Decimal("0.21")
_TERM = timedelta(days=30)
_DEPOSIT = (ChargeKind.DEPOSIT, ChargeKind.DEPOSIT_DEDUCTION)
_RETAINAGE = (ChargeKind.RETAINAGE, ChargeKind.RETAINAGE_RELEASE)
_TIME = (ChargeKind.TIME, ChargeKind.CORRECTION)
_REWORK = ["hours", "gone", "moved", "day"]
_STEPS_TO_THE_END = 400
"""More than any contract here needs: beyond it something goes round in circles."""


@dataclass
class Line:
    """A timesheet line in Odoo; `changed` is Odoo's clock."""

    plan: str
    on: date
    hours: Decimal
    person: int
    changed: int
    approved: bool = True


@dataclass
class Cost:
    """An expense in Odoo."""

    on: date
    cost: Money
    changed: int
    approved: bool = True


@dataclass
class Mark:
    """How far a plan was read, as the workflow keeps it."""

    since: int | None = None
    until: date | None = None


@dataclass
class Paper:
    """A document with its receivable."""

    state: ReceivableState
    round: ApprovalRound
    issued: bool = False
    rejected: bool = False
    references: set[str] = field(default_factory=set)
    looks: list[tuple[ReceivableState, date]] = field(default_factory=list)

    @property
    def proposal(self) -> InvoiceProposal:
        return self.state.proposal

    @property
    def balance(self) -> InvoiceBalance:
        assert self.state.balance is not None
        return self.state.balance

    def owes(self, residual: Money) -> None:
        self.state.balance = self.balance.model_copy(update={"residual": residual})


class Engagement:
    """One contract, the book of it, and the world around."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.book = Book()
        self.today = contract.first_day
        self.clock = 0
        self.lines: dict[int, Line] = {}
        self.costs: dict[int, Cost] = {}
        self.marks: dict[str, Mark] = {}
        self.papers: dict[int, Paper] = {}
        self.held = False
        self.noticed = False
        self.ends: tuple[date, bool] | None = None
        self.terminated = False
        self.cash = Money.zero(contract.currency)
        self.free_hours = Counter[str]()
        """Hours that cost nothing, and so are on no document."""
        self.book.start(contract, self.today)

    @property
    def currency(self) -> str:
        return self.contract.currency

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    # --- periods ------------------------------------------------------------------------------

    def forward(self, days: int) -> None:
        """Days go by; what the calendar brings happens on its day."""
        until = self.today + timedelta(days=days)
        while self.today < until:
            self.today = min(until, *self._coming())
            self.calendar()
            for number in self.papers:
                self.dun(number)

    def _coming(self) -> list[date]:
        days = [due.on for due in self.book.dues(self.contract)]
        if self.ends and not self.terminated:
            days.append(self.ends[0] + _DAY)
        return [day for day in days if day > self.today] + [self.today + timedelta(days=10)]

    def calendar(self) -> None:
        if self.ends and not self.terminated and self.today > self.ends[0]:
            self._end_early(*self.ends)
        term, ends_on = self.contract.term, self.contract.ends_on
        renews = term.auto_renew and not self.noticed and not self.ends
        if renews and ends_on and self.today > ends_on - timedelta(days=term.notice_days):
            self.adopt(changes.renewed(self.contract)[1])
        while not self.held and (dues := self.book.due_now(self.contract, self.today)):
            self._collect(dues)

    def _collect(self, dues: list[Due]) -> None:
        findings, marks = self._read(dues)
        before, worked = _snapshot(self.book), self._hours(dues)
        bill = self.book.bill_period(self.contract, dues, findings)
        codes = {problem.code for problem in bill.problems}
        if codes:
            assert _snapshot(self.book) == before, "with problems nothing is booked"
        if "rate_missing" in codes:
            for line in self.lines.values():
                line.person = 0
            findings, marks = self._read(dues)
        if codes:
            bill = self.book.bill_period(self.contract, dues, findings, up_to_cap=True)
        assert not bill.problems
        if bill.event is None:
            for plan, now in self._hours(dues).items():
                self.free_hours[plan] += now - worked[plan]
        self.marks |= marks
        self._check_read(dues)

    def _hours(self, dues: list[Due]) -> dict[str, Decimal]:
        return {due.plan: _hours(self.book, due.plan) for due in dues if due.part is Part.TIME}

    def _read(self, dues: list[Due]) -> tuple[Findings, dict[str, Mark]]:
        """As the activities read: what changed since, and what lay ahead of the last reading."""
        timed = [due.plan for due in dues if due.part in (Part.TIME, Part.HOURS)]
        spent = [due.plan for due in dues if due.part is Part.EXPENSES]
        until = max(due.period.period.last for due in dues)
        findings, marks = Findings(), {}
        if timed:
            mark = self._earliest(timed)
            scope = {k: v for k, v in self.lines.items() if v.approved and v.plan in timed}
            found = {k: v for k, v in scope.items() if _is_seen(v, mark, until)}
            known = set(self.book.lines_of(timed))
            findings.entries = tuple(_entry(key, line) for key, line in found.items())
            findings.gone = tuple(sorted(known - scope.keys()))
            since = max((line.changed for line in found.values()), default=mark.since)
            marks |= {plan: Mark(since, until) for plan in timed}
        for plan in spent:
            mark = self.marks.get(plan, Mark())
            there = {k: v for k, v in self.costs.items() if v.approved}
            seen = {k: v for k, v in there.items() if _is_seen(v, mark, until)}
            findings.expenses = tuple(_expense(plan, key, cost) for key, cost in seen.items())
            findings.gone_expenses = tuple(sorted(self.book.expenses.keys() - there.keys()))
            since = max((cost.changed for cost in seen.values()), default=mark.since)
            marks[plan] = Mark(since, until)
        return findings, marks

    def _earliest(self, plans: list[str]) -> Mark:
        marks = [self.marks.get(plan, Mark()) for plan in plans]
        if any(mark.since is None for mark in marks):
            return Mark()
        return Mark(
            since=min(mark.since for mark in marks if mark.since is not None),
            until=min((mark.until for mark in marks if mark.until), default=None),
        )

    def _check_read(self, dues: list[Due]) -> None:
        """Right after a period's bill the ledger says what Odoo says: nothing is missed."""
        for due in dues:
            until = due.period.period.last
            if due.part in (Part.TIME, Part.HOURS):
                self._check_lines(due.plan, until)
            elif due.part is Part.EXPENSES:
                self._check_costs(due.plan, until)

    def _check_lines(self, plan: str, until: date) -> None:
        book = self.book
        for key, line in self.lines.items():
            row = book.time.get(key)
            owner = row.charge.partition(":")[0] if row else ""
            if not book.is_billable(f"line:{key}"):
                continue
            if line.approved and line.plan == plan and line.on <= until:
                rounded = line.hours.quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")
                if row is None:
                    assert rounded == 0, f"line {key} is missed"
                elif owner != plan and row.hours:
                    assert key in book.moved, f"line {key} is lost between two plans"
                else:
                    assert row.hours == rounded, f"line {key}"
            elif owner == plan and row is not None and not (line.approved and line.plan == plan):
                assert row.hours == 0, f"line {key} is billed, and gone"

    def _check_costs(self, plan: str, until: date) -> None:
        for key, cost in self.costs.items():
            row = self.book.expenses.get(key)
            if not self.book.is_billable(f"expense:{key}") or (
                row is not None and not row.charge.startswith(f"{plan}:")
            ):
                continue
            if not cost.approved:
                assert row is None or row.cost.is_zero
            elif cost.on <= until:
                assert (row.cost if row else money(0, self.currency)) == cost.cost

    # --- documents ----------------------------------------------------------------------------

    def propose(self, event: BillingEvent) -> int:
        number = len(self.papers) + 1
        proposal = self.book.propose(self.contract, event.key, number, self.today)
        state = ReceivableState(
            contract_workflow_id="contract/northwind/C-1",
            company_id=1,
            order_id=2,
            partner_id=3,
            requested_by=SAM,
            proposal=proposal,
            policy=policy,
            delivered=True,
        )
        self.papers[number] = Paper(state=state, round=self._round(proposal))
        return number

    def _round(self, proposal: InvoiceProposal) -> ApprovalRound:
        credit = proposal.document is Document.CREDIT_NOTE
        subject = Subject(
            kind=ApprovalKind.CREDIT_NOTE if credit else ApprovalKind.INVOICE,
            title=f"document {proposal.number}",
            amount=proposal.amount,
            content_hash=proposal.content_hash,
            requested_by=(SAM,),
            as_planned=proposal.as_planned,
        )
        return ApprovalRound.begin(policy.approval, policy.calendar, subject, self.today)

    def undecided(self) -> list[int]:
        return [n for n, p in self.papers.items() if not p.issued and not p.rejected]

    def amend(self, number: int, order: str) -> None:
        """A person corrects the draft: what was approved of it counts no more."""
        paper = self.papers[number]
        old = paper.round
        changed = paper.proposal.model_copy(update={"purchase_order": order})
        if changed == paper.proposal:
            return
        paper.state.proposal = changed
        paper.round = self._round(changed)
        word = self._word(old, CLEO)
        assert paper.round.refusal(word, self.today), "an approval of what it was before"
        assert not paper.round.approvals

    def _word(self, of: ApprovalRound, by: str) -> ApprovalDecision:
        return ApprovalDecision(
            by=by, content_hash=of.subject.content_hash, amount=of.subject.amount, comment="no"
        )

    def approve(self, number: int) -> None:
        self._approve(self.papers[number].round)

    def _approve(self, round: ApprovalRound) -> None:
        for person in (SAM, ANA, BOB, CLEO, DORA, EMIL):
            word = self._word(round, person)
            if round.refusal(word, self.today) is None:
                round.decide(word, datetime.combine(self.today, datetime.min.time(), UTC))
        assert round.is_met
        assert SAM not in [item.by for item in round.approvals]

    def reject(self, number: int) -> None:
        paper = self.papers[number]
        word = self._word(paper.round, ANA).model_copy(update={"decision": Decision.REJECT})
        if paper.round.refusal(word, self.today) is not None:
            return
        paper.round.decide(word, datetime.combine(self.today, datetime.min.time(), UTC))
        paper.rejected = True
        self.book.rejected(number)

    def issue(self, number: int) -> None:
        """Post a document that is approved as it is; Odoo computes it from its lines."""
        paper = self.papers[number]
        proposal, round = paper.proposal, paper.round
        assert round.is_met
        assert {item.content_hash for item in round.approvals} <= {proposal.content_hash}
        unit = MINOR_UNITS[self.currency]
        amounts = [_as_odoo(line.quantity * line.unit_price, unit) for line in proposal.lines]
        computed = sum(amounts, Decimal(0))
        assert computed == proposal.amount.amount
        is_credit = proposal.document is Document.CREDIT_NOTE
        assert (computed < 0 or proposal.credits > 0) == is_credit
        untaxed = Money(abs(computed), self.currency)
        total = untaxed + Money(_as_odoo(untaxed.amount * _TAX, unit), self.currency)
        zero = Money.zero(self.currency)
        paper.state.balance = InvoiceBalance(
            invoice_id=number,
            as_of=datetime.combine(self.today, datetime.min.time(), UTC),
            number=f"INV/{number}",
            posted=True,
            due_on=self.today + _TERM,
            untaxed=untaxed,
            total=total,
            residual=total,
            credited=zero,
            credited_untaxed=zero,
        )
        paper.state.issued = paper.issued = True
        paper.state.stage = InvoiceStage.OPEN
        self.book.issued(number)
        if proposal.credits:
            self._set_off(paper, self.papers[proposal.credits])

    def _set_off(self, note: Paper, invoice: Paper) -> None:
        """Odoo reconciles a credit note with its invoice, as far as that is open."""
        applied = min(note.balance.residual, invoice.balance.residual)
        note.owes(note.balance.residual - applied)
        invoice.owes(invoice.balance.residual - applied)
        credit = OwnCredit(untaxed=note.balance.untaxed, applied=applied)
        invoice.state.own_credits[note.proposal.number] = credit

    def bill(self, event: BillingEvent) -> None:
        number = self.propose(event)
        self.approve(number)
        self.issue(number)

    # --- collections --------------------------------------------------------------------------

    def posted(self) -> list[Paper]:
        return [paper for paper in self.papers.values() if paper.issued]

    def pay(self, paper: Paper, reference: str, amount: Money) -> None:
        """A payment; what is too much stays with the customer's account in Odoo."""
        if reference in paper.references:
            return
        paper.references.add(reference)
        amount = min(amount, paper.balance.residual)
        paper.owes(paper.balance.residual - amount)
        self.cash += -amount if collecting.is_credit_note(paper.state) else amount

    def undo_payments(self, paper: Paper) -> None:
        """A chargeback or a refund: what was paid is owed again."""
        paid = collecting.paid(paper.state, paper.balance)
        paper.owes(paper.balance.residual + paid)
        paper.references.clear()
        self.cash -= paid

    def write_off(self, paper: Paper) -> None:
        subject = Subject(
            kind=ApprovalKind.WRITE_OFF,
            title="write-off",
            amount=paper.balance.residual,
            content_hash=f"{paper.proposal.content_hash}",
            requested_by=(SAM,),
        )
        round = ApprovalRound.begin(policy.approval, policy.calendar, subject, self.today)
        assert not round.is_met, "nobody's rule approves a write-off"
        self._approve(round)
        before = paper.balance.written_off
        amount = paper.balance.residual + before if before else paper.balance.residual
        paper.state.balance = paper.balance.model_copy(
            update={"written_off": amount, "residual": Money.zero(self.currency)}
        )

    def dun(self, number: int) -> None:
        """Remind as the receivable does, and hold each decision to the rules."""
        paper = self.papers[number]
        if not paper.issued or paper.proposal.document is Document.CREDIT_NOTE:
            return
        state, today = paper.state, self.today
        if state.promise is not None and today > state.promise.on:
            state.promise = None
        paper.looks.append((state.model_copy(), today))
        before = state.dunning.level
        _remind(state, today)
        after = state.dunning.level
        if after > before:
            assert after == before + 1
            assert collecting.is_overdue(state, policy, today)
            assert not any(hold.covers(today) for hold in collecting.holds(state))
            assert state.promise is None
            assert collecting.undisputed(state, paper.balance).is_positive

    # --- changes and ends ---------------------------------------------------------------------

    def change(self, order: ChangeOrder) -> bool:
        """A change order, approved; False if it is refused."""
        if self.ends:
            return False
        try:
            _, after = changes.changed(self.contract, order, self._billed())
        except InvalidContract:
            return False
        subject = Subject(
            kind=ApprovalKind.CHANGE_ORDER,
            title="change order",
            amount=changes.weight(self.contract, after),
            content_hash=changes.content_hash(after),
            requested_by=(SAM,),
        )
        round = ApprovalRound.begin(policy.approval, policy.calendar, subject, self.today)
        self._approve(round)
        assert round.subject.content_hash == changes.content_hash(after)
        self.adopt(after)
        return True

    def _billed(self) -> set[str]:
        done = (EventStatus.PROPOSED, EventStatus.BILLED)
        keys = {
            item.key
            for item in self.contract.milestones
            if (event := self.book.events.get(milestone_event(item.key))) and event.status in done
        }
        keys |= {track.partition(":")[0] for track in self.book.through}
        keys |= {DEPOSIT_EVENT} & self.book.events.keys()
        return keys | {c.order_line for c in self.book.charges() if c.kind in _RETAINAGE}

    def adopt(self, after: Contract) -> None:
        self.contract = after
        self.book.refresh(after)
        self.book.start(after, self.today)

    def _end_early(self, on: date, fee: bool) -> None:
        unreached = [
            item.key
            for item in self.contract.milestones
            if milestone_event(item.key) not in self.book.events
        ]
        _, after = changes.ended_early(self.contract, on, unreached)
        self.terminated = True
        self.adopt(after)
        self.book.end_early(after, on, fee=fee)

    def settle(self) -> bool:
        """The next step of the settlement, if it is time; as the workflow takes it."""
        book, contract = self.book, self.contract
        waits = (EventStatus.READY, EventStatus.PROPOSED)
        if any(event.status in waits for event in book.events.values()) or self.held:
            return False
        if not book.planned(contract).is_zero or book.dues(contract):
            return False
        release_on = contract.retainage.release_on if contract.retainage else None
        left = book.releasable(contract)
        forfeits = contract.termination.retainage is RetainageOnTermination.FORFEIT
        if self.terminated and forfeits and left.is_positive:
            book.forfeit_retainage(contract, "ended early")
            return True
        if not left.is_zero:
            if release_on is None or self.terminated or self.today >= release_on:
                book.release_retainage(contract, self.today, "everything is billed")
                return True
            return False
        if not book.is_settled(contract):
            book.finish(contract, self.today)
            return True
        return False

    def to_the_end(self) -> None:
        """Everything happens that still has to, nothing else, until the contract is over."""
        self.held = False
        if self.contract.ends_on is None and not self.ends:
            self.ends = (self.today, False)
        for item in self.contract.milestones:
            self.book.reach(self.contract, item.key, self.today)
        self.noticed = True
        for number, paper in self.papers.items():
            if not paper.issued and not paper.rejected:
                if not paper.round.is_met:
                    self.approve(number)
                self.issue(number)
        for _ in range(_STEPS_TO_THE_END):
            ready = self.book.ready()
            if ready:
                self.bill(ready[0])
            elif not self.settle():
                if not self.book.open_ends(self.contract):
                    break
                self.forward(20)
        assert self.book.open_ends(self.contract) == []
        for paper in self.posted():
            self.pay(paper, "the rest", paper.balance.residual)


def _snapshot(book: Book) -> tuple[object, ...]:
    """The book as it is; what stands in its tables is never changed, only replaced."""
    events = [(key, e.status, e.proposal, e.charges, e.key) for key, e in book.events.items()]
    tables: list[Any] = [getattr(book, name) for name in Book.model_fields if name != "events"]
    copies = [item.copy() if isinstance(item, (dict, list)) else item for item in tables]
    return (events, *copies)


def _hours(book: Book, plan: str) -> Decimal:
    """The hours that the ledger has of a plan."""
    rows = (row for row in book.time.values() if row.charge.startswith(f"{plan}:"))
    return sum((row.hours for row in rows), Decimal(0))


def _remind(state: ReceivableState, today: date) -> None:
    """What the receivable does about reminders on a day."""
    assert state.balance is not None
    if not state.balance.residual.is_positive:
        state.dunning = DunningState()
        return
    decision = collecting.dunning_decision(state, policy, today)
    if decision.level < state.dunning.level:
        state.dunning = DunningState()
    if decision.act is Act.SEND:
        state.dunning = DunningState(level=decision.level, sent_on=today)


def _is_seen(record: Line | Cost, mark: Mark, until: date) -> bool:
    if record.on > until:
        return False
    if mark.since is None or record.changed >= mark.since:
        return True
    return mark.until is not None and record.on > mark.until


def _entry(key: int, line: Line) -> TimeEntry:
    return TimeEntry(
        line_id=key,
        plan=line.plan,
        on=line.on,
        hours=line.hours,
        person=PEOPLE[line.person].partition("@")[0],
        email=PEOPLE[line.person],
        role=ROLES[line.person],
    )


def _expense(plan: str, key: int, cost: Cost) -> Expense:
    return Expense(
        expense_id=key, plan=plan, on=cost.on, description="Train", employee="Ann", cost=cost.cost
    )


def _as_odoo(amount: Decimal, unit: Decimal) -> Decimal:
    return amount.quantize(unit, rounding="ROUND_HALF_UP")


# --- what must always hold ----------------------------------------------------------------------


def check_keys(engagement: Engagement) -> None:
    """Nothing is billed under a key twice."""
    book = engagement.book
    keys = Counter(c.key for c in [*book.charges(), *book.pending])
    assert [key for key, count in keys.items() if count > 1] == []


def check_charges(engagement: Engagement, seen: dict[str, tuple[Charge, ...]]) -> None:
    """Quantity times price is the amount, to the smallest unit, as Odoo computes it."""
    unit = MINOR_UNITS[engagement.currency]
    for event in engagement.book.events.values():
        if seen.get(event.key) is event.charges:
            continue
        seen[event.key] = event.charges
        for c in event.charges:
            assert c.quantity == c.quantity.quantize(Decimal("0.01"))
            assert c.quantity != 0 or c.amount.is_zero
            assert _as_odoo(c.quantity * c.unit_price, unit) == c.amount.amount, c
            assert c.amount.amount == c.amount.amount.quantize(unit)
            Charge.model_validate(c.model_dump())


def check_value(engagement: Engagement) -> None:
    """No money is made or lost on its way from planned to billed."""
    book, contract = engagement.book, engagement.contract
    every = [*book.charges(), *book.pending]
    parts = sum((c.amount.amount for c in every), book.planned(contract).amount)
    parts += book.retained(contract).amount - book.deposit_left(contract).amount
    assert parts == book.value(contract).amount
    billed = sum(
        paper.proposal.amount.amount for paper in engagement.papers.values() if paper.issued
    )
    assert billed == book.billed(contract).amount


def check_obligations(engagement: Engagement) -> None:
    """Every milestone and every event is planned, on its way, billed, or listed as not billed."""
    book, contract = engagement.book, engagement.contract
    planned = sum(
        item.amount.amount
        for item in contract.milestones
        if milestone_event(item.key) not in book.events
    )
    assert book.planned(contract).amount == planned
    dropped = [e for e in book.events.values() if e.status is EventStatus.DROPPED]
    listed = [item for item in book.unbilled if item.reason == "given up"]
    assert len(listed) == len(dropped)
    numbers = {event.proposal for event in book.events.values() if event.proposal}
    for number, paper in engagement.papers.items():
        assert (number in numbers) != paper.rejected
    deposit = book.events.get(DEPOSIT_EVENT)
    if deposit is not None and deposit.counts:
        assert not book.deposit_left(contract).amount < 0


def check_ledgers(engagement: Engagement) -> None:
    """Hours, expenses and usage are on documents (or given up) as the ledgers say, once."""
    book, contract = engagement.book, engagement.contract
    first: dict[str, list[Charge]] = {}
    for event in book.events.values():
        for c in event.charges if not event.credits else ():
            if ":again" not in c.key:
                first.setdefault(c.order_line, []).append(c)
    for plan in contract.time:
        charges = [c for c in first.get(plan.key, []) if c.kind in _TIME]
        if plan.cap is None and all(c.unit_price for c in charges):
            charged = sum(c.quantity for c in charges) + engagement.free_hours[plan.key]
            assert charged == _hours(book, plan.key), plan.key
    for plan in contract.expenses:
        billed = sum(row.billed.amount for row in book.expenses.values())
        assert sum(c.amount.amount for c in first.get(plan.key, [])) == billed
    for plan in contract.usage:
        metered = (c for c in first.get(plan.key, []) if ":commitment" not in c.key)
        rated = (
            usage.period_amount(contract, plan, row.period, row.quantity).amount
            for row in book.rated.values()
        )
        assert sum(c.amount.amount for c in metered) == sum(rated)


def check_caps(engagement: Engagement) -> None:
    """A plan never bills more than its cap."""
    for plan in (*engagement.contract.time, *engagement.contract.expenses):
        if plan.cap is not None:
            billed = (c.amount for c in engagement.book.charges() if c.order_line == plan.key)
            assert Money.total(billed, engagement.currency) <= plan.cap


def check_money(engagement: Engagement) -> None:
    """What the contract tells people of its money is what happened."""
    reports = {n: collecting.report(paper.state) for n, paper in engagement.papers.items()}
    state = ContractState(
        contract_id="C-1",
        legal_entity="northwind",
        source=engagement.contract.source,
        contract=engagement.contract,
        book=engagement.book,
        invoices=reports,
    )
    table = money_table(state)
    assert table is not None
    assert table.invoiced - table.credited == engagement.book.billed(engagement.contract)
    assert table.paid == engagement.cash
    told = statement(engagement.contract, engagement.book)
    assert told.difference.is_zero
    assert told.invoiced - told.credited == engagement.book.billed(engagement.contract)


def check_dunning(engagement: Engagement) -> None:
    """Told again from the beginning, the same days give the same reminders."""
    for paper in engagement.posted():
        sent = DunningState()
        for state, day in paper.looks:
            state.dunning = sent
            _remind(state, day)
            sent = state.dunning
        assert sent == paper.state.dunning or not paper.looks


def check_end(engagement: Engagement) -> None:
    """At the end everything is billed, released, deducted and paid, and adds up."""
    book, contract = engagement.book, engagement.contract
    assert book.billed(contract) == book.value(contract)
    assert book.deposit_left(contract).is_zero
    assert book.retained(contract).is_zero
    assert all(paper.balance.residual.is_zero for paper in engagement.posted())
    quantity = Counter[str]()
    for c in book.charges():
        quantity[(c.kind in _DEPOSIT and "deposit") or (c.kind in _RETAINAGE and "retainage")] += (
            c.quantity
        )
    if book.kept is None:
        assert quantity["deposit"] == 0
    if book.forfeited is None:
        assert quantity["retainage"] == 0
    assert {line.key for line in order_lines(contract)} >= book.delivered(contract).keys()


class Lives(RuleBasedStateMachine):
    """What people, Odoo, the customer and the calendar do to a contract, in any order."""

    e: Engagement

    @initialize(contract=contracts())
    def sign(self, contract: Contract) -> None:
        self.e = Engagement(contract)
        self.seen: dict[str, tuple[Charge, ...]] = {}

    def _allowed(self, work: Callable[[], object]) -> None:
        """Do what the book may refuse; then it has changed nothing."""
        before = _snapshot(self.e.book)
        try:
            work()
        except NotPossible:
            assert _snapshot(self.e.book) == before

    def _picked(self, index: int) -> Paper:
        posted = self.e.posted()
        return posted[index % len(posted)]

    # --- delivery

    @precondition(lambda self: self.e.book.planned(self.e.contract).amount)
    @rule(index=st.integers(0, 4))
    def reach(self, index: int) -> None:
        key = f"m{index + 1}"
        self._allowed(lambda: self.e.book.reach(self.e.contract, key, self.e.today))

    @precondition(lambda self: any(event.milestone for event in self.e.book.events.values()))
    @rule(index=st.integers(0, 3))
    def unreach(self, index: int) -> None:
        event = self.e.book.unreach(f"m{index + 1}")
        assert event is None or event.status in (EventStatus.PROPOSED, EventStatus.BILLED)

    @precondition(lambda self: self.e.contract.time or self.e.contract.retainers)
    @rule(
        index=st.integers(0, 3),
        days=st.lists(st.integers(-30, 20), min_size=1, max_size=4),
        worked=hours,
        person=st.integers(0, 2),
    )
    def work(self, index: int, days: list[int], worked: Decimal, person: int) -> None:
        e = self.e
        plans = [plan.key for plan in (*e.contract.time, *e.contract.retainers)]
        plan = plans[index % len(plans)]
        for day in days:
            on = e.today + timedelta(days=day)
            e.lines[len(e.lines) + 1] = Line(plan, on, worked, person, e.tick())

    @precondition(lambda self: self.e.lines)
    @rule(index=st.integers(0, 9), how=st.sampled_from(_REWORK), now=hours)
    def rework(self, index: int, how: str, now: Decimal) -> None:
        e = self.e
        line = e.lines[index % len(e.lines) + 1]
        line.changed = e.tick()
        if how == "hours":
            line.hours = now
        elif how == "gone":
            line.approved = not line.approved
        elif how == "moved":
            line.plan = {"dev": "ops", "ops": "care", "care": "dev"}[line.plan]
        else:
            line.on += timedelta(days=9)

    @precondition(lambda self: self.e.contract.expenses)
    @rule(day=st.integers(-40, 20), count=st.integers(1, 30_000))
    def spend(self, day: int, count: int) -> None:
        e = self.e
        on = e.today + timedelta(days=day)
        e.costs[len(e.costs) + 1] = Cost(on, money(count, e.currency), e.tick())

    @precondition(lambda self: self.e.costs)
    @rule(index=st.integers(0, 9), count=st.integers(0, 30_000))
    def respend(self, index: int, count: int) -> None:
        e = self.e
        cost = e.costs[index % len(e.costs) + 1]
        cost.changed = e.tick()
        cost.approved, cost.cost = bool(count), money(count, e.currency)

    @precondition(lambda self: self.e.contract.usage)
    @rule(name=st.sampled_from("abcdef"), day=st.integers(-40, 3), quantity=quantities)
    def meter(self, name: str, day: int, quantity: Decimal) -> None:
        e = self.e
        on = e.today + timedelta(days=day)
        record = UsageRecord(id=name, plan="calls", on=on, quantity=quantity)
        self._allowed(lambda: e.book.record_usage(e.contract, record))
        self._allowed(lambda: e.book.record_usage(e.contract, record))

    @precondition(lambda self: self.e.contract.retainers)
    @rule(reference=st.sampled_from("xyz"), count=st.integers(0, 200_000))
    def owe(self, reference: str, count: int) -> None:
        e, amount = self.e, money(count, self.e.currency)
        self._allowed(
            lambda: e.book.credit_service(e.contract, "care", reference, "outage", amount)
        )

    # --- the calendar, holds

    @rule(days=st.integers(1, 45))
    def forward(self, days: int) -> None:
        self.e.forward(days)

    @rule()
    def hold(self) -> None:
        self.e.held = not self.e.held
        self.e.calendar()

    # --- documents

    @precondition(lambda self: self.e.book.ready() and not self.e.held)
    @rule(fate=st.sampled_from(["issue", "issue", "issue", "wait", "reject", "amend"]))
    def bill(self, fate: str) -> None:
        e = self.e
        event = e.book.ready()[0]
        number = e.propose(event)
        if fate == "amend":
            e.amend(number, "PO-2")
        if fate in ("issue", "amend"):
            e.approve(number)
            e.issue(number)
        elif fate == "reject":
            e.reject(number)

    @precondition(lambda self: self.e.undecided())
    @rule(index=st.integers(0, 5), approve=st.booleans())
    def decide(self, index: int, approve: bool) -> None:
        e = self.e
        open_ones = e.undecided()
        number = open_ones[index % len(open_ones)]
        if not approve:
            e.reject(number)
            return
        if not e.papers[number].round.is_met:
            e.approve(number)
        e.issue(number)

    @precondition(lambda self: self.e.book.ready())
    @rule(index=st.integers(0, 5), drop=st.booleans())
    def mend(self, index: int, drop: bool) -> None:
        """A rejected (or any ready) event is given up, or collected anew."""
        e = self.e
        event = e.book.ready()[index % len(e.book.ready())]
        if drop:
            e.book.drop(event.key, "given up")
        elif e.book.reopen(event.key):
            e.marks.clear()
            e.calendar()

    @precondition(lambda self: self.e.papers)
    @rule(number=st.integers(1, 9))
    def tell_again(self, number: int) -> None:
        """News of a document that was told before."""
        number = number % len(self.e.papers) + 1
        paper = self.e.papers[number]
        if paper.issued or paper.rejected:
            self.e.book.issued(number)
        if paper.issued:
            self.e.book.rejected(number)

    @precondition(lambda self: self.e.papers)
    @rule(
        number=st.integers(1, 9),
        share=st.sampled_from([None, None, 1, 30, 100, 120]),
        reissue=st.booleans(),
    )
    def credit(self, number: int, share: int | None, reissue: bool) -> None:
        e = self.e
        number = number % (len(e.papers) + 1)
        paper = e.papers.get(number)
        amount = None
        if share is not None and paper is not None:
            part = paper.proposal.amount.amount * share / 100
            amount = Money.rounded(part, e.currency)
        self._allowed(
            lambda: e.book.credit(
                e.contract, number, e.today, "agreed", amount=amount, reissue=reissue
            )
        )

    # --- collections

    @precondition(lambda self: self.e.posted())
    @rule(index=st.integers(0, 9), share=st.integers(20, 130), ref=st.integers(0, 3))
    def pay(self, index: int, share: int, ref: int) -> None:
        paper = self._picked(index)
        amount = Money.rounded(paper.balance.total.amount * share / 100, self.e.currency)
        for _ in range(2):
            self.e.pay(paper, f"ref-{ref}", amount)

    @precondition(lambda self: self.e.posted())
    @rule(index=st.integers(0, 9))
    def charge_back(self, index: int) -> None:
        self.e.undo_payments(self._picked(index))

    @precondition(lambda self: self.e.posted())
    @rule(index=st.integers(0, 9))
    def give_up_money(self, index: int) -> None:
        paper = self._picked(index)
        if collecting.write_off_refusal(paper.state) is None:
            self.e.write_off(paper)

    @precondition(lambda self: self.e.posted())
    @rule(index=st.integers(0, 9), share=st.integers(1, 120))
    def dispute(self, index: int, share: int) -> None:
        paper = self._picked(index)
        amount = Money.rounded(paper.balance.total.amount * share / 100, self.e.currency)
        opened = DisputeOpened(by="ap@acme.example", reason="late", amount=amount)
        if collecting.dispute_refusal(paper.state, opened, self.e.today) is None:
            paper.state.dispute = collecting.opened_dispute(paper.state, opened, self.e.today)

    @precondition(lambda self: any(paper.state.dispute for paper in self.e.posted()))
    @rule(index=st.integers(0, 9), share=st.sampled_from([0, 50, 100, 200]))
    def resolve(self, index: int, share: int) -> None:
        """A dispute ends: some of it is credited, by way of the book."""
        e = self.e
        papers = [paper for paper in e.posted() if paper.state.dispute]
        state = papers[index % len(papers)].state
        dispute = state.dispute
        assert dispute is not None
        accepted = Money.rounded(dispute.amount.amount * share / 100, e.currency)
        resolved = DisputeResolved(by=ANA, accepted=accepted, comment="agreed")
        if collecting.resolution_refusal(state, resolved, e.today) is not None:
            return
        if not accepted.is_positive:
            state.dispute = None
            return
        state.dispute = collecting.accepted_dispute(state, dispute, accepted)
        asked = collecting.credit_request(state, state.dispute, resolved)
        self._allowed(
            lambda: e.book.credit(
                e.contract, asked.number, e.today, asked.reason, amount=asked.untaxed
            )
        )
        state.dispute = None

    @precondition(lambda self: self.e.posted())
    @rule(index=st.integers(0, 9), days=st.integers(-1, 30))
    def promise(self, index: int, days: int) -> None:
        paper = self._picked(index)
        promised = PaymentPromised(by=ANA, on=self.e.today + timedelta(days=days))
        if collecting.promise_refusal(paper.state, promised, self.e.today) is None:
            paper.state.promise = collecting.taken_promise(paper.state, promised, self.e.today)

    @precondition(lambda self: self.e.posted())
    @rule(index=st.integers(0, 9), days=st.none() | st.integers(0, 20))
    def hold_reminders(self, index: int, days: int | None) -> None:
        paper, e = self._picked(index), self.e
        until = None if days is None else e.today + timedelta(days=days)
        on = paper.state.hold is None
        change = HoldChange(on=on, by=ANA, reason="talks", until=until if on else None)
        if collecting.hold_refusal(paper.state, change, e.today) is None:
            hold = DunningHold(by=ANA, reason="talks", since=e.today, until=until)
            paper.state.hold = hold if on else None

    # --- changes and ends

    @rule(
        what=st.sampled_from(
            ["add", "drop", "reprice", "reschedule", "end", "ends_on", "time", "cap", "deposit"]
        ),
        index=st.integers(0, 3),
        count=st.integers(1, 900_000),
    )
    def change(self, what: str, index: int, count: int) -> None:
        e = self.e
        key, plans = f"m{index + 1}", e.contract.plans
        day = e.today + timedelta(days=count % 60 - 20)
        changes_of: dict[str, dict[str, Any]] = {
            "add": {"add_milestones": (milestone(f"m{count % 4 + 1}", count, e.currency),)},
            "drop": {"drop": (key,)},
            "reprice": {"reprice": {key: in_units(count, e.currency)}},
            "reschedule": {"reschedule": {key: str(day)}},
            "end": {"end_plans": {plans[index % len(plans)].key: str(day)} if plans else {}},
            "ends_on": {"set": {"ends_on": str(day + timedelta(days=40))}},
            "time": {"add_time": (_late_plan(e, count),)},
            "cap": {"set": {"time.0.cap": in_units(count + 900_000, e.currency)}},
            "deposit": {
                "set": {"deposit": {"amount": in_units(count, e.currency), "service": "fees"}}
            },
        }
        e.change(ChangeOrder(number=1, by=SAM, reason="agreed", **changes_of[what]))

    @precondition(lambda self: self.e.contract.retainage)
    @rule()
    def release(self) -> None:
        self.e.book.release_retainage(self.e.contract, self.e.today, "handed over")

    @precondition(lambda self: self.e.contract.term.auto_renew)
    @rule()
    def notice(self) -> None:
        self.e.noticed = True

    @rule(days=st.integers(0, 40), fee=st.booleans())
    def terminate(self, days: int, fee: bool) -> None:
        e = self.e
        on = e.today + timedelta(days=days)
        if e.ends is None and (e.contract.ends_on is None or on < e.contract.ends_on):
            e.ends = (on, fee)

    @rule()
    def settle(self) -> None:
        self.e.settle()

    @rule()
    def audit(self) -> None:
        check_money(self.e)
        check_dunning(self.e)
        copy = Book.model_validate_json(self.e.book.model_dump_json())
        assert copy == self.e.book, "it is carried from run to run as text"

    # --- always

    @invariant()
    def it_adds_up(self) -> None:
        check_value(self.e)
        check_obligations(self.e)
        check_keys(self.e)
        check_charges(self.e, self.seen)
        check_ledgers(self.e)
        check_caps(self.e)

    def teardown(self) -> None:
        if not hasattr(self, "e"):
            return
        self.e.to_the_end()
        self.it_adds_up()
        check_money(self.e)
        check_dunning(self.e)
        check_end(self.e)


def _late_plan(engagement: Engagement, count: int) -> dict[str, Any]:
    return {
        "key": "ops",
        "service": "work",
        "every": "month",
        "rates": [{"price": in_units(count % 20_000 + 1, engagement.currency)}],
    }


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=300,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
