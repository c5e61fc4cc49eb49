"""The world around one contract: Odoo's timesheets and invoices, the customer, the people who
approve, the calendar.

It carries no rule of its own. What it drives, as the workflows do, are the rules under test: the
book, change orders, approvals and collections.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from contracts import changes
from contracts.approvals import (
    ApprovalDecision,
    ApprovalKind,
    ApprovalRound,
    Decision,
    Subject,
)
from contracts.billing.book import (
    DEPOSIT_EVENT,
    BillingEvent,
    Book,
    Due,
    EventStatus,
    Findings,
    Part,
    milestone_event,
)
from contracts.billing.charges import ChargeKind
from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.billing.time import TimeEntry
from contracts.changes import ChangeOrder
from contracts.dunning import Act, DunningState
from contracts.invoice import collecting
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.state import InvoiceStage, InvoiceState, OwnCredit
from contracts.model import Contract, RetainageOnTermination
from contracts.money import Money
from contracts.problems import InvalidContract
from tests.unit.billing.strategies import (
    PEOPLE,
    ROLES,
    money,
)
from tests.unit.examples import ANA, BOB, CLEO, DORA, EMIL, MINOR_UNITS, SAM, policy

_DAY = timedelta(days=1)
_NONE = Decimal(0)
_TAX = Decimal("0.21")
_TERM = timedelta(days=30)
_RETAINAGE = (ChargeKind.RETAINAGE, ChargeKind.RETAINAGE_RELEASE)
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
    """An invoice: its workflow's state and its approval."""

    state: InvoiceState
    approval_round: ApprovalRound
    issued: bool = False
    rejected: bool = False
    references: set[str] = field(default_factory=set)
    looks: list[tuple[InvoiceState, date]] = field(default_factory=list)

    @property
    def proposal(self) -> InvoiceProposal:
        return self.state.proposal

    @property
    def balance(self) -> InvoiceBalance:
        assert self.state.balance is not None
        return self.state.balance

    def change(self, **fields: object) -> None:
        """The invoice is another one in these fields."""
        self.state = self.state.replace(**fields)

    def owes(self, residual: Money) -> None:
        self.change(balance=self.balance.model_copy(update={"residual": residual}))


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
        self.owed: dict[str, Money] = {}
        self.cash = Money.zero(contract.currency)
        self.free_hours: dict[str, Decimal] = {}
        """Hours that cost nothing, and so are on no invoice."""
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
        before, worked = snapshot(self.book), self._hours(dues)
        bill = self.book.bill_period(self.contract, dues, findings)
        codes = {problem.code for problem in bill.problems}
        if codes:
            assert snapshot(self.book) == before, "with problems nothing is booked"
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
        return {due.plan: hours_of(self.book, due.plan) for due in dues if due.part is Part.TIME}

    def _read(self, dues: list[Due]) -> tuple[Findings, dict[str, Mark]]:
        """As the activities read: what changed since, and what lay ahead of the last reading."""
        timed = [due.plan for due in dues if due.part in (Part.TIME, Part.HOURS)]
        spent = [due.plan for due in dues if due.part is Part.EXPENSES]
        worked = (due.period.period.last for due in dues if due.part is not Part.FEE)
        until = max(worked, default=dues[0].on)
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
            doubtful = row is not None and row.charge in book.in_doubt()
            if doubtful or not book.is_billable(f"line:{key}", _as_billed(line.hours)):
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
            if row is not None and row.charge in self.book.in_doubt():
                continue
            if not cost.approved:
                assert row is None or row.cost.is_zero
            elif cost.on <= until:
                assert (row.cost if row else money(0, self.currency)) == cost.cost

    def owe(self, reference: str, amount: Money) -> None:
        if self.book.credit_service(self.contract, "care", reference, "outage", amount):
            self.owed[f"care:credit:{reference}"] = amount

    # --- invoices ----------------------------------------------------------------------------

    def propose(self, event: BillingEvent) -> int:
        number = len(self.papers) + 1
        proposal = self.book.propose(self.contract, event.key, number, self.today)
        state = InvoiceState(
            clock=datetime.combine(self.today, datetime.min.time(), UTC),
            contract_workflow_id="contract/northwind/C-1",
            company_id=1,
            order_id=2,
            partner_id=3,
            requested_by=(SAM,),
            proposal=proposal,
            policy=policy,
            delivered=True,
        )
        self.papers[number] = Paper(state=state, approval_round=self._round(proposal))
        return number

    def _round(self, proposal: InvoiceProposal) -> ApprovalRound:
        credit = proposal.kind is InvoiceKind.CREDIT_NOTE
        subject = Subject(
            kind=ApprovalKind.CREDIT_NOTE if credit else ApprovalKind.INVOICE,
            title=f"invoice {proposal.number}",
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
        old = paper.approval_round
        changed = paper.proposal.model_copy(update={"purchase_order": order})
        if changed == paper.proposal:
            return
        paper.change(proposal=changed)
        paper.approval_round = self._round(changed)
        word = self._word(old, CLEO)
        assert paper.approval_round.refusal(word, self.today), "an approval of what it was before"
        assert not paper.approval_round.approvals

    def _word(self, of: ApprovalRound, by: str) -> ApprovalDecision:
        return ApprovalDecision(
            by=by, content_hash=of.subject.content_hash, amount=of.subject.amount, comment="no"
        )

    def approve(self, number: int) -> None:
        paper = self.papers[number]
        paper.approval_round = self._approve(paper.approval_round)

    def _approve(self, approval_round: ApprovalRound) -> ApprovalRound:
        now = datetime.combine(self.today, datetime.min.time(), UTC)
        for person in (SAM, ANA, BOB, CLEO, DORA, EMIL):
            word = self._word(approval_round, person)
            if approval_round.refusal(word, self.today) is None:
                approval_round = approval_round.decided(word, now)
        assert approval_round.is_met
        assert SAM not in [item.by for item in approval_round.approvals]
        return approval_round

    def reject(self, number: int) -> None:
        paper = self.papers[number]
        word = self._word(paper.approval_round, ANA).model_copy(
            update={"decision": Decision.REJECT}
        )
        if paper.approval_round.refusal(word, self.today) is not None:
            return
        now = datetime.combine(self.today, datetime.min.time(), UTC)
        paper.approval_round = paper.approval_round.decided(word, now)
        paper.rejected = True
        self.book.rejected(number)

    def issue(self, number: int) -> None:
        """Post an invoice that is approved as it is; Odoo computes it from its lines."""
        paper = self.papers[number]
        proposal, approval_round = paper.proposal, paper.approval_round
        assert approval_round.is_met
        assert {item.content_hash for item in approval_round.approvals} <= {proposal.content_hash}
        unit = MINOR_UNITS[self.currency]
        amounts = [as_odoo(line.quantity * line.unit_price, unit) for line in proposal.lines]
        computed = sum(amounts, Decimal(0))
        assert computed == proposal.amount.amount
        is_credit = proposal.kind is InvoiceKind.CREDIT_NOTE
        assert (computed < 0 or proposal.credited_number > 0) == is_credit
        untaxed = Money(abs(computed), self.currency)
        total = untaxed + Money(as_odoo(untaxed.amount * _TAX, unit), self.currency)
        zero = Money.zero(self.currency)
        balance = InvoiceBalance(
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
        paper.issued = True
        paper.change(balance=balance, issued=True, stage=InvoiceStage.OPEN)
        self.book.issued(number)
        if proposal.credited_number:
            self._reconcile(paper, self.papers[proposal.credited_number])

    def _reconcile(self, note: Paper, invoice: Paper) -> None:
        """Odoo reconciles a credit note with its invoice, as far as that is open."""
        applied = min(note.balance.residual, invoice.balance.residual)
        note.owes(note.balance.residual - applied)
        invoice.owes(invoice.balance.residual - applied)
        credit = OwnCredit(untaxed=note.balance.untaxed, applied=applied)
        invoice.state.own_credits[note.proposal.number] = credit

    def _bill_or_give_up(self, event: BillingEvent, *, give_up: bool) -> None:
        number = self.propose(event)
        if give_up:
            self.reject(number)
        if self.papers[number].rejected:
            self.book.drop(event.key, "given up")
        else:
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
        approval_round = ApprovalRound.begin(policy.approval, policy.calendar, subject, self.today)
        assert not approval_round.is_met, "nobody's rule approves a write-off"
        self._approve(approval_round)
        before = paper.balance.written_off
        amount = paper.balance.residual + before if before else paper.balance.residual
        written_off = {"written_off": amount, "residual": Money.zero(self.currency)}
        paper.change(balance=paper.balance.model_copy(update=written_off))

    def dun(self, number: int) -> None:
        """Remind as the invoice does, and hold each decision to the rules."""
        paper = self.papers[number]
        if not paper.issued or paper.proposal.kind is InvoiceKind.CREDIT_NOTE:
            return
        state, today = paper.state, self.today
        if state.promise is not None and today > state.promise.on:
            state = state.replace(promise=None)
        paper.looks.append((state, today))
        before = state.dunning.level
        state = paper.state = state.replace(dunning=reminded(state, today))
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
        approval_round = ApprovalRound.begin(policy.approval, policy.calendar, subject, self.today)
        self._approve(approval_round)
        assert approval_round.subject.content_hash == changes.content_hash(after)
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
        return self._look_again()

    def _look_again(self) -> bool:
        """Before it closes: what people approved late. True if that came to something."""
        dues = self.book.last_look(self.contract)
        if dues:
            self._collect(dues)
        return bool(self.book.ready())

    def to_the_end(self, fate: int) -> None:
        """Everything happens that still has to, nothing else, until the contract is over. By the
        digits of `fate` to the base 4 some of it is rejected and given up."""
        self.held = False
        if self.contract.ends_on is None and not self.ends:
            self.ends = (self.today, False)
        for item in self.contract.milestones:
            self.book.reach(self.contract, item.key, self.today)
        self.noticed = True
        for number, paper in self.papers.items():
            if not paper.issued and not paper.rejected:
                if not paper.approval_round.is_met:
                    self.approve(number)
                self.issue(number)
        for _ in range(_STEPS_TO_THE_END):
            ready = self.book.ready()
            if ready:
                fate, digit = divmod(fate, 4)
                self._bill_or_give_up(ready[0], give_up=digit == 3)
            elif not self.settle():
                if not self.book.open_ends(self.contract):
                    break
                self.forward(20)
        assert self.book.open_ends(self.contract) == [], [e.key for e in self.book.events.values()]
        for paper in self.posted():
            self.pay(paper, "the rest", paper.balance.residual)


def snapshot(book: Book) -> tuple[object, ...]:
    """The book as it is; what stands in its tables is never changed, only replaced."""
    events = [(key, e.status, e.proposal, e.charges, e.key) for key, e in book.events.items()]
    tables: list[Any] = [getattr(book, name) for name in Book.model_fields if name != "events"]
    copies = [item.copy() if isinstance(item, (dict, list)) else item for item in tables]
    return (events, *copies)


def hours_of(book: Book, plan: str, dropped: Collection[str] = ()) -> Decimal:
    """The hours that the ledger has of a plan, without those that dropped charges billed first."""
    rows = (row for row in book.time.values() if row.charge.startswith(f"{plan}:"))
    counted = (row.hours for row in rows if first_charge(book, row.charge) not in dropped)
    return sum(counted, _NONE)


def first_charge(book: Book, charge: str) -> str:
    """The charge that this one corrects, if it does, and that did not correct another."""
    corrected = {key: before for before, by in book.corrected.items() for key in by}
    while charge in corrected:
        charge = corrected[charge]
    return charge


def reminded(state: InvoiceState, today: date) -> DunningState:
    """What an invoice has sent once it has done what is due about reminders on a day."""
    assert state.balance is not None
    if not state.balance.residual.is_positive:
        return DunningState()
    decision = collecting.dunning_decision(state, policy, today)
    if decision.act is Act.SEND:
        return DunningState(level=decision.level, sent_on=today)
    return DunningState() if decision.level < state.dunning.level else state.dunning


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


def as_odoo(amount: Decimal, unit: Decimal) -> Decimal:
    return amount.quantize(unit, rounding=ROUND_HALF_UP)
