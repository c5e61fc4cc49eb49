"""Random lives of a contract, in any order, against what must always hold of its money.

`Engagement` plays what is around the rules: Odoo's timesheets and documents, the customer, the
people who approve, the calendar. It carries no rule of its own; the rules under test are the
book, change orders, approvals and collections, driven as the workflows drive them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
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
from contracts.model import Contract, RetainageOnTermination, RetainerPlan
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
    HOURS,
    PEOPLE,
    QUANTITIES,
    ROLES,
    contracts,
    in_units,
    milestone,
    money,
)
from tests.unit.examples import ANA, BOB, CLEO, DORA, EMIL, MINOR_UNITS, SAM, policy

_DAY = timedelta(days=1)
_NONE = Decimal(0)
_TAX = Decimal("0.21")
_TERM = timedelta(days=30)
_DEPOSIT = (ChargeKind.DEPOSIT, ChargeKind.DEPOSIT_DEDUCTION)
_RETAINAGE = (ChargeKind.RETAINAGE, ChargeKind.RETAINAGE_RELEASE)
_TIME = (ChargeKind.TIME, ChargeKind.CORRECTION)
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
        self.owed: set[str] = set()
        self.cash = Money.zero(contract.currency)
        self.free_hours: dict[str, Decimal] = {}
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
                self.free_hours[plan] = self.free_hours.get(plan, _NONE) + now - worked[plan]
        self.marks |= marks
        self._check_read(dues)

    def _hours(self, dues: list[Due]) -> dict[str, Decimal]:
        return {due.plan: _hours(self.book, due.plan) for due in dues if due.part is Part.TIME}

    def _read(self, dues: list[Due]) -> tuple[Findings, dict[str, Mark]]:
        """As the activities read: what changed since, and what lay ahead of the last reading."""
        timed = [due.plan for due in dues if due.part in (Part.TIME, Part.HOURS)]
        spent = [due.plan for due in dues if due.part is Part.EXPENSES]
        until = max(due.period.period.last for due in dues)
        findings = Findings()
        marks: dict[str, Mark] = {}
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
            if not book.is_billable(f"line:{key}", _as_billed(line.hours)):
                continue
            if line.approved and line.plan == plan and line.on <= until:
                rounded = _as_billed(line.hours)
                if row is None:
                    assert rounded == 0, f"line {key} is missed"
                elif owner != plan and row.hours:
                    assert key in book.moved, f"line {key} is lost between two plans"
                else:
                    assert row.hours == rounded, f"line {key}"
            elif owner == plan and row is not None and not (line.approved and line.plan == plan):
                billable = book.is_billable(f"line:{key}", "0.00")
                assert row.hours == 0 or not billable, f"line {key} is billed, and gone"

    def _check_costs(self, plan: str, until: date) -> None:
        for key, cost in self.costs.items():
            row = self.book.expenses.get(key)
            stands = cost.cost if cost.approved else Money.zero(self.currency)
            if not self.book.is_billable(f"expense:{key}", stands) or (
                row is not None and not row.charge.startswith(f"{plan}:")
            ):
                continue
            if not cost.approved:
                assert row is None or row.cost.is_zero
            elif cost.on <= until:
                assert (row.cost if row else money(0, self.currency)) == cost.cost

    def owe(self, reference: str, amount: Money) -> None:
        if self.book.credit_service(self.contract, "care", reference, "outage", amount):
            self.owed.add(f"care:credit:{reference}")

    # --- documents ----------------------------------------------------------------------------

    def propose(self, event: BillingEvent) -> int:
        number = len(self.papers) + 1
        proposal = self.book.propose(self.contract, event.key, number, self.today)
        state = ReceivableState(
            contract_workflow_id="contract/northwind/C-1",
            company_id=1,
            order_id=2,
            partner_id=3,
            requested_by=(SAM,),
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
        assert self.book.open_ends(self.contract) == [], [e.key for e in self.book.events.values()]
        for paper in self.posted():
            self.pay(paper, "the rest", paper.balance.residual)


def _snapshot(book: Book) -> tuple[object, ...]:
    """The book as it is; what stands in its tables is never changed, only replaced."""
    events = [(key, e.status, e.proposal, e.charges, e.key) for key, e in book.events.items()]
    tables: list[Any] = [getattr(book, name) for name in Book.model_fields if name != "events"]
    copies = [item.copy() if isinstance(item, (dict, list)) else item for item in tables]
    return (events, *copies)


def _hours(book: Book, plan: str, dropped: Collection[str] = ()) -> Decimal:
    """The hours that the ledger has of a plan, without those of dropped charges."""
    rows = (row for row in book.time.values() if row.charge.startswith(f"{plan}:"))
    return sum((row.hours for row in rows if row.charge not in dropped), _NONE)


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


def _as_billed(worked: Decimal) -> Decimal:
    return worked.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def _as_odoo(amount: Decimal, unit: Decimal) -> Decimal:
    return amount.quantize(unit, rounding=ROUND_HALF_UP)


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
    """Hours, expenses and usage are on documents as the ledgers say, once; or were given up."""
    book, contract = engagement.book, engagement.contract
    first: dict[str, list[Charge]] = {}
    dropped: set[str] = set()
    for event in book.events.values():
        for c in event.charges:
            if not event.counts:
                dropped.add(c.key)
            elif not event.credits and ":again" not in c.key:
                first.setdefault(c.order_line, []).append(c)
    for timed in contract.time:
        charges = [c for c in first.get(timed.key, []) if c.kind in _TIME]
        # What a cap has cut is an amount, no longer so many hours.
        if timed.cap is None:
            charged = sum(
                (c.quantity for c in charges), engagement.free_hours.get(timed.key, _NONE)
            )
            assert charged == _hours(book, timed.key, dropped), timed.key
    for spent in contract.expenses:
        rows = [row for row in book.expenses.values() if row.charge not in dropped]
        billed = sum((row.billed.amount for row in rows), _NONE)
        assert sum((c.amount.amount for c in first.get(spent.key, [])), _NONE) == billed
    for used in contract.usage:
        metered = (c for c in first.get(used.key, []) if ":commitment" not in c.key)
        given_up = {key.rpartition(":")[0] for key in dropped}
        rated = (
            usage.period_amount(contract, used, row.period, row.quantity).amount
            for key, row in book.rated.items()
            if f"usage:{key}" not in book.given_up or key not in given_up
        )
        assert sum((c.amount.amount for c in metered), _NONE) == sum(rated, _NONE)


def check_credits(engagement: Engagement) -> None:
    """Nobody gets more back than was charged, unless a person agreed on a part of it."""
    book, contract = engagement.book, engagement.contract
    agreed = {
        c.order_line
        for event in book.events.values()
        for c in event.charges
        if event.credits and (not event.whole or c.kind is ChargeKind.CORRECTION)
    }
    net: dict[str, Decimal] = {}
    for c in book.charges():
        net[c.order_line] = net.get(c.order_line, _NONE) + c.amount.amount
    for plan in contract.plans:
        if plan.key not in agreed and not isinstance(plan, RetainerPlan):
            assert net.get(plan.key, _NONE) >= 0, plan.key
    owed = {c.key for c in book.pending} | {c.key for c in book.charges()}
    for event in book.events.values():
        if event.is_final:
            owed |= {c.key for c in event.charges}
    assert engagement.owed <= owed, "a service credit is forgotten"


def check_caps(engagement: Engagement) -> None:
    """A plan never bills more than its cap."""
    caps = [(plan.key, plan.cap) for plan in engagement.contract.time]
    caps += [(plan.key, plan.cap) for plan in engagement.contract.expenses]
    for key, cap in caps:
        if cap is not None:
            billed = (c.amount for c in engagement.book.charges() if c.order_line == key)
            assert Money.total(billed, engagement.currency) <= cap


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
    if book.kept is None:
        assert sum(c.quantity for c in book.charges() if c.kind in _DEPOSIT) == 0
    if book.forfeited is None:
        assert sum(c.quantity for c in book.charges() if c.kind in _RETAINAGE) == 0
    assert {line.key for line in order_lines(contract)} >= book.delivered(contract).keys()


@dataclass(frozen=True)
class Draw:
    """What a step may choose by: which one, how much, how many days from today, and whether."""

    index: int
    count: int
    days: int
    flag: bool


_draws = st.builds(
    Draw,
    index=st.integers(0, 11),
    count=st.integers(0, 900_000),
    days=st.integers(-40, 45),
    flag=st.booleans(),
)
_DOCUMENTS = ["bill", "bill", "bill", "propose", "decide", "mend", "credit", "credit", "tell_again"]
_COLLECTION = ["pay", "pay", "charge_back", "write_off", "dispute", "resolve", "promise", "hush"]
_TERMS = ["change", "change", "owe", "release", "notice", "terminate", "hold", "settle", "audit"]


class Lives(RuleBasedStateMachine):
    """What people, Odoo, the customer and the calendar do to a contract, in any order.

    A step that is not possible just now lets the day's business go on instead.
    """

    e: Engagement

    @initialize(contract=contracts())
    def sign(self, contract: Contract) -> None:
        self.e = Engagement(contract)
        self.seen: dict[str, tuple[Charge, ...]] = {}

    @rule(what=st.integers(0, 59), draw=_draws)
    def deliver(self, what: int, draw: Draw) -> None:
        """Of what the contract is about; and sometimes of what it is not."""
        contract, found = self.e.contract, ["reach", "work", "spend", "meter"]
        found += ["reach", "reach", "unreach"] * bool(contract.milestones)
        found += ["work", "work", "rework", "rework"] * bool(contract.time or contract.retainers)
        found += ["spend", "respend"] * bool(contract.expenses)
        found += ["meter", "meter"] * bool(contract.usage)
        self._do(found[what % len(found)], draw)

    @rule(what=st.sampled_from(_DOCUMENTS), draw=_draws)
    def document(self, what: str, draw: Draw) -> None:
        self._do(what, draw)

    @rule(what=st.sampled_from(_COLLECTION), draw=_draws)
    def collect(self, what: str, draw: Draw) -> None:
        self._do(what, draw)

    @rule(what=st.sampled_from(_TERMS), draw=_draws)
    def agree(self, what: str, draw: Draw) -> None:
        self._do(what, draw)

    @rule(days=st.integers(1, 45))
    def forward(self, days: int) -> None:
        self.e.forward(days)

    def _do(self, what: str, draw: Draw) -> None:
        done = getattr(self, f"_{what}")(draw)
        if done is False and self._bill(draw) is False:
            self.e.forward(abs(draw.days) + 1)

    def _allowed(self, work: Callable[[], object]) -> None:
        """Do what the book may refuse; then it has changed nothing."""
        before = _snapshot(self.e.book)
        try:
            work()
        except NotPossible:
            assert _snapshot(self.e.book) == before

    def _day(self, draw: Draw) -> date:
        return self.e.today + timedelta(days=draw.days)

    def _amount(self, draw: Draw, most: int) -> Money:
        return money(draw.count % most, self.e.currency)

    # --- delivery

    def _reach(self, draw: Draw) -> bool:
        """A milestone, one that is known already, or one there is none of."""
        e, key = self.e, f"m{draw.index % 5 + 1}"
        self._allowed(lambda: e.book.reach(e.contract, key, e.today))
        return bool(e.contract.milestones)

    def _unreach(self, draw: Draw) -> bool:
        event = self.e.book.unreach(f"m{draw.index % 4 + 1}")
        assert event is None or event.status in (EventStatus.PROPOSED, EventStatus.BILLED)
        return bool(self.e.contract.milestones)

    def _work(self, draw: Draw) -> bool:
        e = self.e
        plans = [plan.key for plan in e.contract.time]
        plans += [plan.key for plan in e.contract.retainers]
        for number in range(draw.count % 4 + 1) if plans else ():
            on = self._day(draw) - timedelta(days=7 * number)
            worked = HOURS[(draw.count + number) % len(HOURS)]
            line = Line(plans[draw.index % len(plans)], on, worked, number % 3, e.tick())
            e.lines[len(e.lines) + 1] = line
        return bool(plans)

    def _rework(self, draw: Draw) -> bool:
        """A timesheet line is changed, withdrawn or approved again, moved, or dated elsewhere."""
        e = self.e
        if not e.lines:
            return False
        line = e.lines[draw.count % len(e.lines) + 1]
        line.changed = e.tick()
        if draw.index < 4:
            line.hours = HOURS[draw.count % len(HOURS)]
        elif draw.index < 7:
            line.approved = not line.approved
        elif draw.index < 10:
            line.plan = {"dev": "ops", "ops": "care", "care": "dev"}[line.plan]
        else:
            line.on += timedelta(days=9)
        return True

    def _spend(self, draw: Draw) -> bool:
        e = self.e
        e.costs[len(e.costs) + 1] = Cost(self._day(draw), self._amount(draw, 30_000), e.tick())
        return bool(e.contract.expenses)

    def _respend(self, draw: Draw) -> bool:
        e = self.e
        if not e.costs:
            return False
        cost = e.costs[draw.index % len(e.costs) + 1]
        cost.changed, cost.approved = e.tick(), draw.flag
        cost.cost = self._amount(draw, 30_000)
        return True

    def _meter(self, draw: Draw) -> bool:
        """A record of usage, twice: new, changed, late, or of a day there is no plan for."""
        e = self.e
        record = UsageRecord(
            id=f"r{draw.index}",
            plan="calls",
            on=self._day(draw),
            quantity=QUANTITIES[draw.count % len(QUANTITIES)],
        )
        for _ in range(2):
            self._allowed(lambda: e.book.record_usage(e.contract, record))
        return bool(e.contract.usage)

    # --- documents

    def _bill(self, draw: Draw) -> bool:
        """The oldest event becomes a document, that may be amended on its way."""
        e = self.e
        if e.held or not e.book.ready():
            return False
        number = e.propose(e.book.ready()[0])
        if draw.index == 11:
            e.amend(number, "PO-2")
        e.approve(number)
        e.issue(number)
        return True

    def _propose(self, draw: Draw) -> bool:
        e = self.e
        if e.held or not e.book.ready():
            return False
        e.propose(e.book.ready()[draw.index % len(e.book.ready())])
        return True

    def _decide(self, draw: Draw) -> bool:
        e = self.e
        waiting = e.undecided()
        if not waiting:
            return False
        number = waiting[draw.index % len(waiting)]
        if draw.flag:
            e.reject(number)
        else:
            e.approve(number)
            e.issue(number)
        return True

    def _mend(self, draw: Draw) -> bool:
        """An event that waits, rejected or not, is collected anew or given up."""
        e = self.e
        ready = e.book.ready()
        if not ready:
            return False
        event = ready[draw.index % len(ready)]
        if e.book.reopen(event.key):
            e.marks.clear()
            e.calendar()
        elif draw.flag:
            e.book.drop(event.key, "given up")
        return True

    def _credit(self, draw: Draw) -> bool:
        """A document in whole, in part, or by more than there is; some of them anew."""
        e = self.e
        number = draw.index % (len(e.papers) + 1) + 1
        paper, amount = e.papers.get(number), None
        if paper is not None and draw.count % 3:
            part = paper.proposal.amount.amount * (draw.count % 120) / 100
            amount = Money.rounded(part, e.currency)
        self._allowed(
            lambda: e.book.credit(
                e.contract, number, e.today, "agreed", amount=amount, reissue=draw.flag
            )
        )
        return paper is not None

    def _tell_again(self, draw: Draw) -> bool:
        """News of a document that was told before, or comes after it was overtaken."""
        e = self.e
        paper = e.papers.get(draw.index)
        if paper is None or not (paper.issued or paper.rejected):
            return False
        e.book.issued(draw.index)
        if paper.issued:
            e.book.rejected(draw.index)
        return True

    # --- collections

    def _posted(self, draw: Draw) -> Paper | None:
        posted = self.e.posted()
        return posted[draw.index % len(posted)] if posted else None

    def _share(self, draw: Draw, paper: Paper) -> Money:
        """From nothing to more than the document comes to."""
        part = paper.balance.total.amount * (draw.count % 130) / 100
        return Money.rounded(part, self.e.currency)

    def _pay(self, draw: Draw) -> bool:
        paper = self._posted(draw)
        if paper is None:
            return False
        for _ in range(2):
            self.e.pay(paper, f"ref-{draw.days}", self._share(draw, paper))
        return True

    def _charge_back(self, draw: Draw) -> bool:
        paper = self._posted(draw)
        if paper is None or collecting.is_credit_note(paper.state):
            return False
        self.e.undo_payments(paper)
        return True

    def _write_off(self, draw: Draw) -> bool:
        paper = self._posted(draw)
        if paper is None or collecting.write_off_refusal(paper.state) is not None:
            return False
        self.e.write_off(paper)
        return True

    def _dispute(self, draw: Draw) -> bool:
        paper, today = self._posted(draw), self.e.today
        if paper is None:
            return False
        opened = DisputeOpened(by=ANA, reason="late", amount=self._share(draw, paper))
        if collecting.dispute_refusal(paper.state, opened, today) is not None:
            return False
        paper.state.dispute = collecting.opened_dispute(paper.state, opened, today)
        return True

    def _resolve(self, draw: Draw) -> bool:
        """A dispute ends: some of it is credited, by way of the book."""
        e = self.e
        found = [paper.state for paper in e.posted() if paper.state.dispute]
        if not found:
            return False
        state = found[draw.index % len(found)]
        dispute = state.dispute
        assert dispute is not None
        accepted = Money.rounded(dispute.amount.amount * (draw.count % 120) / 100, e.currency)
        resolved = DisputeResolved(by=ANA, accepted=accepted, comment="agreed")
        if collecting.resolution_refusal(state, resolved, e.today) is not None:
            return False
        state.dispute = None
        if accepted.is_positive:
            kept = collecting.accepted_dispute(state, dispute, accepted)
            asked = collecting.credit_request(state, kept, resolved)
            self._allowed(
                lambda: e.book.credit(
                    e.contract, asked.number, e.today, asked.reason, amount=asked.untaxed
                )
            )
        return True

    def _promise(self, draw: Draw) -> bool:
        paper, today = self._posted(draw), self.e.today
        if paper is None:
            return False
        promised = PaymentPromised(by=ANA, on=self._day(draw))
        if collecting.promise_refusal(paper.state, promised, today) is not None:
            return False
        paper.state.promise = collecting.taken_promise(paper.state, promised, today)
        return True

    def _hush(self, draw: Draw) -> bool:
        """Reminders are held, for some days or for good, or go on."""
        paper, today = self._posted(draw), self.e.today
        if paper is None:
            return False
        until = self._day(draw) if draw.flag else None
        on = paper.state.hold is None
        change = HoldChange(on=on, by=ANA, reason="talks", until=until if on else None)
        if collecting.hold_refusal(paper.state, change, today) is not None:
            return False
        hold = DunningHold(by=ANA, reason="talks", since=today, until=until)
        paper.state.hold = hold if on else None
        return True

    # --- terms

    def _change(self, draw: Draw) -> bool:
        e, plans = self.e, self.e.contract.plans
        key, count, day = f"m{draw.index % 4 + 1}", draw.count + 1, self._day(draw)
        amount = in_units(count, e.currency)
        late = {
            "key": "ops",
            "service": "work",
            "every": "month",
            "rates": [{"price": in_units(count % 20_000 + 1, e.currency)}],
        }
        plan = plans[draw.count % len(plans)].key if plans else "none"
        possible: list[dict[str, Any]] = [
            {"add_milestones": (milestone(key, count, e.currency),)},
            {"drop": (key,)},
            {"reprice": {key: amount}},
            {"reprice": {key: amount}, "add_milestones": (milestone("m9", count, e.currency),)},
            {"reschedule": {key: str(day)}},
            {"end_plans": {plan: str(day)}},
            {"set": {"ends_on": str(day + timedelta(days=40))}},
            {"add_time": (late,)},
            {"set": {"time.0.cap": in_units(count + 900_000, e.currency)}},
            {"set": {"deposit": {"amount": amount, "service": "fees"}}},
            {"set": {"retainage": {"percent": "7", "service": "fees"}}},
            {"set": {"retainage": None}},
        ]
        return e.change(ChangeOrder(number=1, by=SAM, reason="agreed", **possible[draw.index]))

    def _owe(self, draw: Draw) -> bool:
        """A service credit, twice."""
        e, amount = self.e, self._amount(draw, 200_000)
        key = f"ref{draw.index}"
        for _ in range(2):
            self._allowed(lambda: e.owe(key, amount))
        return bool(e.contract.retainers)

    def _release(self, draw: Draw) -> bool:
        e = self.e
        return e.book.release_retainage(e.contract, e.today, "handed over") is not None

    def _notice(self, draw: Draw) -> bool:
        self.e.noticed = True
        return self.e.contract.term.auto_renew

    def _terminate(self, draw: Draw) -> bool:
        e, on = self.e, self.e.today + timedelta(days=abs(draw.days))
        if e.ends is not None or (e.contract.ends_on and on >= e.contract.ends_on):
            return False
        e.ends = (on, draw.flag)
        return True

    def _hold(self, draw: Draw) -> bool:
        self.e.held = not self.e.held
        self.e.calendar()
        return True

    def _settle(self, draw: Draw) -> bool:
        return self.e.settle()

    def _audit(self, draw: Draw) -> bool:
        check_money(self.e)
        check_dunning(self.e)
        copy = Book.model_validate_json(self.e.book.model_dump_json())
        assert copy == self.e.book, "it is carried from run to run as text"
        return True

    # --- always

    @invariant()
    def it_adds_up(self) -> None:
        check_value(self.e)
        check_obligations(self.e)
        check_keys(self.e)
        check_charges(self.e, self.seen)
        check_ledgers(self.e)
        check_caps(self.e)
        check_credits(self.e)

    def teardown(self) -> None:
        if not hasattr(self, "e"):
            return
        self.e.to_the_end()
        self.it_adds_up()
        check_money(self.e)
        check_dunning(self.e)
        check_end(self.e)


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
