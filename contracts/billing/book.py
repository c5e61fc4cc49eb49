"""The book: everything a contract has earned, and what became of it.

Every line that is ever billed comes from here, once. A billing event is an occasion that becomes
one invoice: a milestone, a period's end, a release, a credit. The workflow tells the book what
happened and carries out what it says; nothing here knows of time, Odoo or Temporal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256
from itertools import count
from typing import Any, TypeVar

from pydantic import BaseModel, Field

from contracts.billing import milestones, retainers, usage
from contracts.billing.charges import QUANTITY_UNIT, Charge, ChargeKind, total
from contracts.billing.collected import Collected, corrections, late_usage, replaced
from contracts.billing.credits import again, first_key, partial_credit, whole_credit
from contracts.billing.events import (
    DEPOSIT_EVENT,
    FINAL_EVENT,
    BillingEvent,
    Due,
    EventStatus,
    Findings,
    NotPossible,
    Part,
    PeriodBill,
    RatedUsage,
    Unbilled,
    Undo,
    milestone_event,
    parts_of,
    period_event,
    track_of,
)
from contracts.billing.expenses import BilledExpense, Expense
from contracts.billing.ledger import TimeLedger
from contracts.billing.order import TERMINATION, LineKind, order_lines
from contracts.billing.periods import BillingPeriod, Period, billing_period, life
from contracts.billing.proposals import InvoiceKind, InvoiceProposal
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.model import Contract, Milestone, Plan, RetainerPlan, UsagePlan
from contracts.money import Money

__all__ = [
    "DEPOSIT_EVENT",
    "FINAL_EVENT",
    "FORFEITED",
    "BillingEvent",
    "Book",
    "Due",
    "EventStatus",
    "Findings",
    "NotPossible",
    "Part",
    "PeriodBill",
    "Unbilled",
    "milestone_event",
    "period_event",
]

_DAY = timedelta(days=1)
_PRICE_UNIT = Decimal("0.000001")
_LATEST_USAGE = timedelta(days=400)
"""How long after a period its usage may still be corrected."""
MAX_USAGE_RECORDS = 10_000
"""Of a contract at a time: they travel with its workflow's state."""
_DEPOSIT = frozenset({ChargeKind.DEPOSIT, ChargeKind.DEPOSIT_DEDUCTION})
_RETAINAGE = frozenset({ChargeKind.RETAINAGE, ChargeKind.RETAINAGE_RELEASE})
_TABLES = (
    "time",
    "moved",
    "expenses",
    "waiting",
    "carried",
    "left",
    "rated",
    "through",
    "corrected",
)
"""What a period's bill changes, and can be taken back to what it was."""
_COMMITTED = (EventStatus.PROPOSED, EventStatus.BILLED)
FORFEITED = "forfeited"
"""Stands in for the event that released it, where retainage is lost."""

K = TypeVar("K")
V = TypeVar("V")


class Book(BaseModel):
    """All billing events of one contract, and the ledgers that keep anything from being billed
    twice: timesheet lines, expenses, usage records, and how far each plan is billed (`through`,
    the last day of the last period, by plan and part).

    `carried` are the included hours that a retainer's next period starts with, `left` those that
    its last one did not use. `usage_closed` is the last day whose usage is settled for good.
    `moved` are timesheet lines that wait until another plan has given them up, or (as the
    expenses in `waiting`) a credit note that may take them back is decided on. `given_up` are
    timesheet lines, expenses and periods of usage that will never be billed (again), or not as
    they stood when a correction was given up: see `is_billable`. `corrected` names, by the key
    of a charge or of a period of usage, the charges that later invoices correct it by; none
    where what it took back was billed anew. `forfeited` is retainage that nobody will get;
    `kept` is what was deposited, never deducted, and is not given back.
    """

    events: dict[str, BillingEvent] = Field(default_factory=dict)
    time: TimeLedger = Field(default_factory=dict)
    moved: dict[int, TimeEntry] = Field(default_factory=dict)
    expenses: dict[int, BilledExpense] = Field(default_factory=dict)
    waiting: dict[int, Expense] = Field(default_factory=dict)
    records: dict[str, UsageRecord] = Field(default_factory=dict)
    rated: dict[str, RatedUsage] = Field(default_factory=dict)
    usage_closed: dict[str, date] = Field(default_factory=dict)
    carried: dict[str, Decimal] = Field(default_factory=dict)
    left: dict[str, Decimal] = Field(default_factory=dict)
    through: dict[str, date] = Field(default_factory=dict)
    pending: list[Charge] = Field(default_factory=list)
    released: dict[str, str] = Field(default_factory=dict)
    given_up: list[str] = Field(default_factory=list)
    corrected: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    forfeited: Money | None = None
    kept: Money | None = None
    unbilled: list[Unbilled] = Field(default_factory=list)

    # --- figures, without tax ----------------------------------------------------------------

    def charges(self, *statuses: EventStatus) -> Iterator[Charge]:
        """The charges of the events of these statuses; of all that count, if none is given."""
        for event in self.events.values():
            if event.status in statuses if statuses else event.counts:
                yield from event.charges

    def billed(self, contract: Contract) -> Money:
        """The sum of all invoices that are issued, credit notes negative."""
        return total(list(self.charges(EventStatus.BILLED)), contract.currency)

    def committed(self, contract: Contract) -> Money:
        """What is billed or proposed."""
        found = self.charges(*_COMMITTED)
        return total(list(found), contract.currency)

    def planned(self, contract: Contract) -> Money:
        """The milestones that no event bills yet."""
        return Money.total((item.amount for item in self._planned(contract)), contract.currency)

    def deposit_left(self, contract: Contract) -> Money:
        """The part of the deposit that no invoice has deducted yet. Below zero where invoices
        deducted a deposit that was never billed."""
        left = self._sum(contract, _DEPOSIT)
        return left - self.kept if self.kept else left

    def _deductible(self, currency: str) -> Money:
        """What of the deposit may be deducted, or credited, now. What a credit note would free
        is not, before it is issued: it may be given up, or its invoice issued anew."""
        found = [
            charge
            for event in self.events.values()
            for charge in event.charges
            if charge.kind in _DEPOSIT and event.counts
            if not (event.credited_number and charge.amount.is_positive)
            or event.status is EventStatus.BILLED
        ]
        return total(found, currency)

    def retained(self, contract: Contract) -> Money:
        """What is held back and neither released nor forfeited."""
        held = -self._sum(contract, _RETAINAGE)
        return held - self.forfeited if self.forfeited else held

    def value(self, contract: Contract) -> Money:
        """What the contract comes to as amended: all that is still planned, earned or billed.

        Once everything is billed this is the sum of the invoices less the credit notes.
        """
        earned = (c for c in self.charges() if c.kind not in _DEPOSIT | _RETAINAGE)
        parts = [self.planned(contract), *(c.amount for c in [*earned, *self.pending])]
        if self.forfeited:
            parts.append(-self.forfeited)
        if self.kept:
            parts.append(self.kept)
        return Money.total(parts, contract.currency)

    def delivered(self, contract: Contract) -> dict[str, Decimal]:
        """Cumulative quantity by order line, of the lines whose delivery Odoo learns from us."""
        manual = {line.key for line in order_lines(contract) if line.kind is LineKind.MANUAL}
        result: dict[str, Decimal] = {}
        for charge in self.charges():
            if charge.order_line in manual:
                so_far = result.get(charge.order_line, Decimal(0))
                result[charge.order_line] = so_far + charge.quantity
        return result

    def _sum(self, contract: Contract, kinds: frozenset[ChargeKind]) -> Money:
        found = [charge for charge in self.charges() if charge.kind in kinds]
        return total(found, contract.currency)

    def _planned(self, contract: Contract) -> list[Milestone]:
        return [
            item for item in contract.milestones if milestone_event(item.key) not in self.events
        ]

    # --- deposit and milestones ---------------------------------------------------------------

    def start(self, contract: Contract, on: date) -> BillingEvent | None:
        """The contract starts, or got a deposit: that becomes ready to be invoiced, once."""
        if contract.deposit is None or DEPOSIT_EVENT in self.events:
            return None
        charge = milestones.deposit_charge(contract)
        return self._add(contract, DEPOSIT_EVENT, "Deposit", on, [charge], as_planned=True)

    def reach(self, contract: Contract, key: str, on: date) -> BillingEvent | None:
        """A milestone is reached; None if that is known. Raises NotPossible for an unknown one."""
        milestone = contract.milestone(key)
        if milestone is None:
            raise NotPossible(f"the contract has no milestone {key}")
        if milestone_event(key) in self.events:
            return None
        charges = milestones.milestone_charges(
            contract,
            milestone,
            deposit_left=self._deductible(contract.currency),
            unbilled=self.planned(contract),
        )
        name = milestone_event(key)
        return self._add(contract, name, milestone.name, on, charges, as_planned=True)

    def unreach(self, key: str) -> BillingEvent | None:
        """A milestone is not reached after all. What is not proposed, or was credited in whole, is
        forgotten (None): it can be reached anew. Otherwise its event is returned for a person to
        review."""
        event = self.events.get(milestone_event(key))
        if event is None or event.status is EventStatus.DROPPED:
            return None
        if event.status is EventStatus.READY:
            self._forget(event)
            return None
        if self._is_taken_back(event):
            self._rename(event)
            return None
        return event

    def _is_taken_back(self, event: BillingEvent) -> bool:
        return any(
            item.whole
            and item.credited_number == event.proposal
            and item.status is EventStatus.BILLED
            for item in self.events.values()
        )

    def refresh(self, contract: Contract) -> None:
        """After a new version of the contract: what is reached but not proposed follows the new
        amounts, and fees billed in advance are given back where a plan ends sooner."""
        waiting = [item for item in self.ready() if item.milestone]
        for event in waiting:
            self._forget(event)
        for event in waiting:
            if event.milestone and contract.milestone(event.milestone):
                again = self.reach(contract, event.milestone, event.on)
                if again is not None and again.charges == event.charges:
                    # Nothing is different, so whoever waits for this very event may go on.
                    self.events[event.key] = event
        for plan in contract.retainers:
            _, last_day = life(contract, plan)
            if last_day is not None:
                self._give_back_fee(contract, plan, last_day)

    # --- periods ------------------------------------------------------------------------------

    def dues(self, contract: Contract) -> list[Due]:
        """The next part of every plan to be billed, earliest first; none where a plan is over."""
        found = [due for plan in contract.plans for due in self._dues_of(contract, plan)]
        return sorted(found, key=lambda due: (due.on, due.plan, due.part))

    def due_now(self, contract: Contract, today: date) -> list[Due]:
        """The parts due on the earliest day that has come: they go on one invoice."""
        found = [due for due in self.dues(contract) if due.on <= today]
        return [due for due in found if due.on == found[0].on]

    def _dues_of(self, contract: Contract, plan: Plan) -> Iterator[Due]:
        for part in parts_of(plan):
            period = self._next_period(contract, plan, track_of(plan.key, part))
            if period is not None:
                days = period.period
                in_advance = part is Part.FEE and isinstance(plan, RetainerPlan) and plan.in_advance
                on = days.first if in_advance else days.last + _DAY
                yield Due(plan=plan.key, part=part, period=period, on=on)

    def _next_period(self, contract: Contract, plan: Plan, track: str) -> BillingPeriod | None:
        first_day, last_day = life(contract, plan)
        through = self.through.get(track)
        first = first_day if through is None else max(first_day, through + _DAY)
        found = billing_period(plan.every, first_day, last_day, first)
        if found is None:
            return None
        days = Period(first=first, last=found.period.last)
        return found.model_copy(update={"period": days})

    def bill_period(
        self, contract: Contract, dues: list[Due], findings: Findings, *, up_to_cap: bool = False
    ) -> PeriodBill:
        """Bill parts that are due on one day, from what was found in Odoo.

        With problems (an hour without a rate, a cap that is reached) nothing is booked. With
        `up_to_cap` only what the caps allow is billed and the rest is listed as unbilled. Where
        all that is found costs nothing there is no event.
        """
        on = max(due.on for due in dues)
        key = self._free(period_event(on))
        bill = Collected(self, contract, findings, up_to_cap, on, key)
        for due in bill.in_order(dues):
            bill.take(due)
        if bill.problems:
            return PeriodBill(problems=bill.problems, warnings=bill.warnings)
        late = all(self.through.get(due.track) == due.period.period.last for due in dues)
        undo = bill.enter()
        self._fold_usage(dues, undo)
        if all(charge.amount.is_zero for charge in bill.charges):
            return PeriodBill(warnings=bill.warnings)
        names = dict.fromkeys(due.period.period.name for due in dues)
        title = ", ".join(names) + (" (approved late)" if late else "")
        event = self._add(contract, key, title, on, bill.charges, as_planned=bill.as_planned)
        event.undo = undo
        return PeriodBill(event=event.key, warnings=bill.warnings)

    def last_look(self, contract: Contract) -> list[Due]:
        """The last period once more of every plan that is over and bills what people approve: to
        be billed before the contract closes, as hours and expenses may be approved late. None
        while anything else is on its way."""
        waits = (EventStatus.READY, EventStatus.PROPOSED)
        if self.dues(contract) or any(event.status in waits for event in self.events.values()):
            return []
        found = []
        for plan in contract.plans:
            first_day, last_day = life(contract, plan)
            for part in parts_of(plan):
                last = self.through.get(track_of(plan.key, part))
                if part in (Part.FEE, Part.USAGE) or last is None:
                    continue
                period = billing_period(plan.every, first_day, last_day, last)
                if period is not None:
                    on = last + _DAY
                    found.append(Due(plan=plan.key, part=part, period=period, on=on))
        return sorted(found, key=lambda due: (due.on, due.plan, due.part))

    def lines_of(self, plans: Iterable[str]) -> list[int]:
        """The known timesheet lines of these plans."""
        wanted = set(plans)
        known = {line for line, row in self.time.items() if row.charge.partition(":")[0] in wanted}
        return sorted(known | {line for line, entry in self.moved.items() if entry.plan in wanted})

    def is_billable(self, record: str, content: object) -> bool:
        """Whether a record (`line:7`, `expense:9`, `usage:calls:2026-01-01`) may be billed as it
        stands: not if it was given up, whole or as a correction to just this content."""
        return record not in self.given_up and f"{record}={content}" not in self.given_up

    def in_doubt(self) -> set[str]:
        """The keys of the charges that a credit note on its way takes back for good. Until it is
        issued, or given up, nothing of them is corrected: it would be credited twice."""
        waits = (EventStatus.READY, EventStatus.PROPOSED)
        credited = {
            event.credited_number
            for event in self.events.values()
            if event.whole and not event.reinvoice and event.status in waits
        }
        found = (event for event in self.events.values() if event.proposal in credited)
        return {first_key(charge) for event in found for charge in event.charges}

    def record_usage(self, contract: Contract, record: UsageRecord) -> bool:
        """Take a metered record; the same id again replaces it. Returns whether anything changed.

        Raises NotPossible for an unknown plan or a day outside the plan's life.
        """
        plan = contract.plan(record.plan)
        if not isinstance(plan, UsagePlan):
            raise NotPossible(f"the contract has no usage plan {record.plan}")
        first_day, last_day = life(contract, plan)
        if record.on < first_day or (last_day is not None and record.on > last_day):
            days = f"from {first_day} to {last_day}" if last_day else f"from {first_day} on"
            raise NotPossible(f"{record.on} is outside the plan, {days}")
        key = f"{record.plan}:{record.id}"
        if self.records.get(key) == record:
            return False
        closed = self.usage_closed.get(record.plan)
        before = self.records.get(key)
        if closed is not None and min(record.on, before.on if before else record.on) <= closed:
            raise NotPossible(f"{record.on} is too late: usage until {closed} is settled for good")
        if before is None and len(self.records) >= MAX_USAGE_RECORDS:
            raise NotPossible(
                f"{MAX_USAGE_RECORDS} usage records are kept at most; report sums of days instead"
            )
        self.records[key] = record
        return True

    def _fold_usage(self, dues: list[Due], undo: Undo) -> None:
        """Settle usage for good once it is long rated: its records are not kept any longer."""
        for due in dues:
            if due.part is not Part.USAGE:
                continue
            until = due.period.period.last - _LATEST_USAGE
            old = [
                rated.period.period.last
                for key, rated in self.rated.items()
                if key.startswith(f"{due.plan}:") and key not in undo.rated
                if rated.period.period.last <= until
            ]
            if old:
                closed = max(old)
                self.usage_closed[due.plan] = closed
                self.records = {
                    key: record
                    for key, record in self.records.items()
                    if record.plan != due.plan or record.on > closed
                }

    def usage_in(self, plan: str, period: Period) -> Decimal:
        """The quantity metered in a period, as known now."""
        found = (r for r in self.records.values() if r.plan == plan)
        return sum((r.quantity for r in found if period.first <= r.on <= period.last), Decimal(0))

    def credit_service(
        self, contract: Contract, plan_key: str, reference: str, reason: str, amount: Money
    ) -> bool:
        """Owe the customer a service credit, deducted from the next invoice. A reference counts
        once. Raises NotPossible for an unknown plan or an amount that is not above zero."""
        plan = contract.plan(plan_key)
        if not isinstance(plan, RetainerPlan):
            raise NotPossible(f"the contract has no retainer {plan_key}")
        if not amount.is_positive or amount.currency != contract.currency:
            raise NotPossible(f"a service credit is above zero in {contract.currency}")
        key = f"{plan_key}:credit:{reference}"
        if key in self._keys():
            return False
        self.pending.append(retainers.service_credit(contract, plan, key, reason, amount))
        return True

    # --- invoices ----------------------------------------------------------------------------

    def ready(self) -> list[BillingEvent]:
        """The events that wait to be proposed, oldest first."""
        return [item for item in self.events.values() if item.status is EventStatus.READY]

    def event_of(self, number: int) -> BillingEvent | None:
        """The event of an invoice's number."""
        found = (e for e in self.events.values() if e.proposal == number)
        return next(found, None)

    def propose(self, contract: Contract, key: str, number: int, today: date) -> InvoiceProposal:
        """The proposal of a ready event; `number` counts the contract's invoices from 1."""
        event = self.events[key]
        if event.status is not EventStatus.READY:
            raise NotPossible(f"{key} is {event.status}, not ready to be proposed")
        # Others may have been proposed, or given up, since it was made.
        event.charges = tuple(self._in_quantity(contract, event.charges, *_COMMITTED))
        event.status, event.proposal = EventStatus.PROPOSED, number
        return InvoiceProposal(
            contract_id=contract.contract_id,
            legal_entity=contract.legal_entity,
            number=number,
            kind=event.kind,
            credited_number=event.credited_number,
            title=f"{contract.title} – {event.title}",
            customer_key=contract.customer.key,
            customer_name=contract.customer.name,
            billing_email=contract.customer.billing_email,
            lines=event.charges,
            payment_term=contract.payment_term,
            purchase_order=contract.purchase_order,
            reason=event.reason,
            proposed_on=today,
            as_planned=event.as_planned and not event.taken,
        )

    def issued(self, number: int) -> None:
        """The invoice was posted: what it bills is billed for good, and what a whole credit takes
        back is taken back. Repeating changes nothing."""
        event = self.event_of(number)
        if event is None or event.status is not EventStatus.PROPOSED:
            return
        event.status, event.undo = EventStatus.BILLED, None
        credited = self.event_of(event.credited_number) if event.whole else None
        if credited is not None and event.reinvoice:
            self._reinvoice(credited, event)
        elif credited is not None:
            self._take_back(credited)

    def rejected(self, number: int) -> None:
        """The proposal was rejected: its event is ready again."""
        event = self.event_of(number)
        if event is not None and event.status is EventStatus.PROPOSED:
            event.status, event.proposal = EventStatus.READY, None

    def reopen(self, key: str) -> bool:
        """Forget an unbilled period's bill so that it is collected anew; false if a later one
        builds on it: then corrections follow with the next."""
        event = self.events[key]
        undo = event.undo
        if event.status is not EventStatus.READY or undo is None:
            return False
        if self._is_corrected(event) or self.digest(undo) != undo.after:
            return False
        for table in _TABLES:
            _restore(getattr(self, table), getattr(undo, table))
        for item in undo.unbilled:
            self.unbilled.remove(item)
        self._forget(event)
        return True

    def digest(self, undo: Undo) -> str:
        """What stands by now in the rows that a period's bill has replaced, in short."""
        rows: dict[str, Any] = {
            table: {key: getattr(self, table).get(key) for key in getattr(undo, table)}
            for table in _TABLES
        }
        return sha256(Undo.model_construct(**rows).model_dump_json().encode()).hexdigest()

    def _is_corrected(self, event: BillingEvent) -> bool:
        """Whether a later invoice corrects, or bills anew, something of this one."""
        return any(first_key(charge) in self.corrected for charge in event.charges)

    def drop(self, key: str, reason: str) -> None:
        """Give up a ready event: it is listed as not billed, for that reason.

        Deductions it took along come with the next invoice, and so do its corrections that were
        corrected once more since: the later ones count from there. Corrections of what it bills
        for the first time are undone. What it was to settle for good is given up with it: retainage
        is forfeited, a deposit is not given back.
        """
        event = self.events[key]
        if event.status is not EventStatus.READY:
            raise NotPossible(f"{key} is {event.status}; only what is not billed can be dropped")
        if not event.is_final:
            self._put_back(event)
            event.charges = tuple(c for c in event.charges if c.key not in event.taken)
            event.taken = ()
        if self._keep_corrected(event):
            return
        found = self._give_up_found(event.charges, event.undo) if event.undo else None
        event.status, event.reason, event.undo = EventStatus.DROPPED, reason, None
        for charge in event.charges:
            if charge.kind is ChargeKind.RETAINAGE_RELEASE and not event.credited_number:
                self._forfeit(charge.amount)
            elif charge.kind is ChargeKind.DEPOSIT_DEDUCTION and event.is_final:
                self.kept = -charge.amount + self.kept if self.kept else -charge.amount
        if not event.credited_number:
            self._give_up(event.charges, found)
        amount = total(event.charges, event.charges[0].amount.currency)
        self.unbilled.append(Unbilled(what=event.title, amount=amount, reason=reason))

    def _forget(self, event: BillingEvent) -> None:
        """An event that never was: what it took along waits for the next."""
        self._put_back(event)
        del self.events[event.key]

    def _put_back(self, event: BillingEvent) -> None:
        self.pending += [item for item in event.charges if item.key in event.taken]

    def _keep_corrected(self, event: BillingEvent) -> bool:
        """Take the corrections that later ones build on out of an event that is given up: they
        wait for the next. Returns whether that is all of it: then it never was."""
        kept = [
            charge
            for charge in event.charges
            if charge.kind is ChargeKind.CORRECTION and charge.key not in event.taken
            if first_key(charge) in self.corrected
        ]
        if not kept:
            return False
        self.pending += kept
        event.charges = tuple(charge for charge in event.charges if charge not in kept)
        # What is held back of nothing is no more.
        if all(charge.kind is ChargeKind.RETAINAGE for charge in event.charges):
            del self.events[event.key]
            return True
        return False

    def _give_up_found(self, charges: Iterable[Charge], undo: Undo) -> set[str]:
        """What was found for a period is not billed: never what was new, and what was billed
        before stays as it was billed until it changes once more. Returns what was new: the keys
        of charges and of periods of usage."""
        keys = {c.key for c in charges}
        live = self._standing().keys() - keys
        lost: set[str] = set()
        for line, worked in undo.time.items():
            now = self.time[line]
            if worked is None or not worked.hours:
                first = self._first_of(now.charge)
                # Taken back and billed anew since, it is another event's.
                if first not in live:
                    lost.add(first)
                    self.given_up.append(f"line:{line}")
            elif now.charge in keys:
                self.time[line] = worked
                self.given_up.append(f"line:{line}={now.hours}")
        for expense, spent in undo.expenses.items():
            row = self.expenses[expense]
            if spent is None:
                lost.add(self._first_of(row.charge))
                self.given_up.append(f"expense:{expense}")
            elif row.charge in keys:
                self.expenses[expense] = spent
                self.given_up.append(f"expense:{expense}={row.cost}")
        for key, rated in undo.rated.items():
            if rated is None:
                lost.add(key)
                self.given_up.append(f"usage:{key}")
            elif any(item.startswith(f"{key}:") for item in keys):
                self.given_up.append(f"usage:{key}={self.rated[key].quantity}")
                self.rated[key] = rated
        self.corrected = {
            charge: left
            for charge, by in self.corrected.items()
            if (left := tuple(key for key in by if key not in keys)) or not by
        }
        return lost

    def _give_up(self, charges: Iterable[Charge], found: set[str] | None = None) -> None:
        """What these charges bill is not billed (again), nor is any change of it credited. What
        corrects them, or those that `found` names, is undone. Without `found` the charges
        correct nothing any more: it stays as it was billed last."""
        charges = list(charges)
        kinds = {ChargeKind.TIME, ChargeKind.EXPENSE, ChargeKind.USAGE, ChargeKind.COMMITMENT}
        if found is None:
            kinds.add(ChargeKind.CORRECTION)
        lost = {first_key(c) for c in charges if c.kind in kinds}
        gone = [f"line:{line}" for line, row in self.time.items() if row.charge in lost]
        gone += [f"expense:{item}" for item, row in self.expenses.items() if row.charge in lost]
        gone += [f"usage:{k}" for k in self.rated if any(c.startswith(f"{k}:") for c in lost)]
        self.given_up += [item for item in gone if item not in self.given_up]
        self._undo_corrections(lost | (found or set()))
        # A fee that is not billed after all has nothing to be given back.
        unused = {f"{first_key(c)}:unused" for c in charges if c.kind is ChargeKind.RETAINER}
        self.pending = [item for item in self.pending if item.key not in unused]
        deducted = [c for c in self.charges() if c.key in unused]
        self.pending += self._unique(
            c.reversed(f"{c.key}:again", f"{c.description}: not billed") for c in deducted
        )

    def _undo_corrections(self, charges: Iterable[str]) -> None:
        """Nothing remains of what was ever corrected of these charges: corrections that wait are
        forgotten, and those on an invoice are made up for with the next invoice."""
        standing = self._standing()
        for key in self._corrections_of(charges):
            charge = standing.get(key)
            if charge is None:
                continue
            if charge in self.pending:
                self.pending.remove(charge)
                continue
            text = f"{charge.description}: not billed"
            [undone] = self._unique([charge.reversed(f"{key}:undone", text)])
            self.pending.append(undone)
            self.corrected[key] = (*self.corrected.get(key, ()), undone.key)

    def _corrections_of(self, charges: Iterable[str]) -> list[str]:
        """The keys of what corrects these charges, and of what corrects that, in turn."""
        found: list[str] = []
        waiting = list(charges)
        while waiting:
            by = [key for key in self.corrected.get(waiting.pop(), ()) if key not in found]
            found += by
            waiting += by
        return found

    def _first_of(self, charge: str) -> str:
        """The charge that a chain of corrections begins with."""
        while before := next((key for key, by in self.corrected.items() if charge in by), None):
            charge = before
        return charge

    def _standing(self) -> dict[str, Charge]:
        """The charges that wait, or stand on an invoice that is not credited in whole, by the
        key that each had first."""
        found = [
            charge
            for event in self.events.values()
            if event.counts and not event.credited_number and not self._is_taken_back(event)
            for charge in event.charges
        ]
        return {first_key(charge): charge for charge in (*found, *self.pending)}

    # --- credits ------------------------------------------------------------------------------

    def creditable(self, number: int) -> Money:
        """What of a billed invoice is not credited yet. Raises NotPossible for anything else."""
        event = self._billed_invoice(number)
        currency = event.charges[0].amount.currency
        left = total(event.charges, currency)
        for credit in self._credits_of(number):
            left += total(credit.charges, currency)
        if any(item.kind is ChargeKind.DEPOSIT for item in event.charges):
            # What invoices have deducted already is theirs.
            left = max(min(left, self._deductible(currency)), Money.zero(currency))
        return left

    def credit(
        self,
        contract: Contract,
        number: int,
        on: date,
        reason: str,
        *,
        amount: Money | None = None,
        reinvoice: bool = False,
    ) -> BillingEvent:
        """Credit a billed invoice: in whole, or an amount of it (without tax). With `reinvoice` its
        lines become ready to be invoiced anew once the credit note is issued. Raises NotPossible
        with the reason."""
        event = self._billed_invoice(number)
        left = self.creditable(number)
        billed = total(event.charges, left.currency)
        if amount is None and self._is_corrected(event):
            raise NotPossible(
                f"a later invoice corrects what invoice {number} bills, and has credited or "
                "charged the difference: name the amount that is to be credited besides"
            )
        whole = (
            (billed if amount is None else amount) == billed == left
            and not self._credits_of(number)
            and not any(item.key in self.released for item in event.charges)
        )
        amount = left if amount is None else amount
        possible = amount.currency == left.currency and amount <= left
        # An invoice may come to nothing, its deposit deducted, and still be credited in whole.
        if not possible or not (amount.is_positive or (whole and amount.is_zero)):
            raise NotPossible(f"{left} of invoice {number} can still be credited, not {amount}")
        if reinvoice and not whole:
            raise NotPossible(
                "only an invoice that is credited in whole, with nothing of its retainage "
                "released, can be issued anew"
            )
        credits = sum(item.credited_number == number for item in self.events.values())
        name = f"credit:{number}:{credits + 1}"
        lines = (
            whole_credit(event.charges, name, reinvoice=reinvoice)
            if whole
            else partial_credit(event.charges, name, amount)
        )
        title = f"Credit of {event.title}"
        credit = self._add(contract, name, title, on, lines, credited_number=number, reason=reason)
        credit.whole, credit.reinvoice = whole, reinvoice
        return credit

    def _credits_of(self, number: int) -> list[BillingEvent]:
        return [
            item for item in self.events.values() if item.credited_number == number and item.counts
        ]

    def _reinvoice(self, credited: BillingEvent, credit: BillingEvent) -> None:
        """The lines of a credited invoice once more, as an event that stands for it from now."""
        key, number = credited.key, credit.credited_number
        self._rename(credited)
        owed = [c for c in credited.charges if c.key in credited.taken]
        self.events[key] = BillingEvent(
            key=key,
            title=f"{credited.title} (issued anew)",
            on=credit.on,
            charges=tuple(again(credited.charges, number)),
            reason=credit.reason,
            taken=tuple(c.key for c in again(owed, number)),
        )

    def _take_back(self, credited: BillingEvent) -> None:
        """An invoice is credited for good: it is not credited a second time by corrections, and
        what the customer was owed on it is still owed."""
        self._give_up(credited.charges)
        owed = [c for c in credited.charges if c.key in credited.taken and not c.amount.is_positive]
        self.pending += self._unique(again(owed, credited.proposal or 0))

    def _rename(self, event: BillingEvent) -> None:
        """An event that was credited makes room for the one that comes after it."""
        del self.events[event.key]
        event.key = self._free(f"{event.key}:{event.proposal}")
        self.events[event.key] = event

    def _billed_invoice(self, number: int) -> BillingEvent:
        event = self.event_of(number)
        if event is None or event.status is not EventStatus.BILLED:
            raise NotPossible(f"invoice {number} is not issued, so it cannot be credited")
        if event.kind is not InvoiceKind.INVOICE:
            raise NotPossible(f"invoice {number} is a credit note itself")
        return event

    # --- retainage ----------------------------------------------------------------------------

    def release_retainage(self, contract: Contract, on: date, reason: str) -> BillingEvent | None:
        """Bill what was held back on issued invoices; None if nothing is.

        Where invoices that held it back were credited since it was released, what is left to
        release is below zero: the event is a credit then.
        """
        held = self._held()
        if self.releasable(contract).is_zero:
            return None
        number = 1 + sum(key.startswith("retainage:") for key in self.events)
        charges = milestones.release(contract, held, number)
        event = self._add(
            contract,
            f"retainage:{number}",
            "Retainage released",
            on,
            charges,
            reason=reason,
            as_planned=True,
        )
        self.released |= dict.fromkeys((item.key for item in held), event.key)
        return event

    def forfeit_retainage(self, contract: Contract, reason: str) -> Money:
        """Give up what is held back, as the terms of an early end say; returns how much."""
        amount = self.releasable(contract)
        if amount.is_positive:
            self._forfeit(amount)
            self.released |= dict.fromkeys((item.key for item in self._held()), FORFEITED)
            self.unbilled.append(Unbilled(what="retainage", amount=amount, reason=reason))
        return amount

    def _forfeit(self, amount: Money) -> None:
        self.forfeited = amount + self.forfeited if self.forfeited else amount

    def releasable(self, contract: Contract) -> Money:
        """What is held back on issued invoices and is to be released. Below zero where more was
        released than is held back by now: that is to be credited."""
        return -total(self._held(), contract.currency)

    def _held(self) -> list[Charge]:
        found = self.charges(EventStatus.BILLED)
        return [c for c in found if c.kind is ChargeKind.RETAINAGE and c.key not in self.released]

    # --- the end ------------------------------------------------------------------------------

    def end_early(self, contract: Contract, on: date, *, fee: bool) -> None:
        """The contract (already amended to end on that day) is over early: fees billed in advance
        for later days are owed back, and the terms' fee is charged where it applies."""
        for plan in contract.retainers:
            self._give_back_fee(contract, plan, on)
        terms = contract.termination
        if fee and terms.fee and terms.fee_service:
            self.pending.append(
                Charge.of_amount(
                    "termination:fee",
                    ChargeKind.TERMINATION,
                    TERMINATION,
                    contract.service(terms.fee_service).code,
                    "Fee for ending the contract early",
                    terms.fee,
                )
            )

    def _give_back_fee(self, contract: Contract, plan: RetainerPlan, on: date) -> None:
        """Owe the customer the fee of the days after `on`, the plan's last. It counts as billed
        until then: if the plan is prolonged after all, it goes on from there."""
        track = track_of(plan.key, Part.FEE)
        last = self.through.get(track)
        if last is None or last <= on:
            return
        fees = {
            first_key(c): date.fromisoformat(first_key(c).removeprefix(f"{plan.key}:"))
            for c in self.charges()
            if c.kind is ChargeKind.RETAINER and first_key(c).count(":") == 1
            if c.order_line == plan.key
        }
        for key, first in sorted(fees.items(), key=lambda item: item[1], reverse=True):
            days = Period(first=first, last=last)
            if last > on:
                period = BillingPeriod(period=days, whole=days)
                billed = self._billed_fee(contract, key)
                charge = retainers.unused_fee(contract, plan, period, on, billed)
                self.pending += self._unique([charge] if charge else [])
            last = first - _DAY
        self.through[track] = on

    def _billed_fee(self, contract: Contract, key: str) -> Money:
        """What a period's fee comes to with all that was credited or given back of it."""
        found = [
            c
            for c in (*self.pending, *self.charges())
            if c.kind is ChargeKind.RETAINER and (c.key == key or c.key.startswith(f"{key}:"))
        ]
        return total(found, contract.currency)

    def is_settled(self, contract: Contract) -> bool:
        """Whether nothing is left that only a final settlement brings: see `finish`."""
        charges, rated = self._settlement(contract, FINAL_EVENT)
        return not charges and not rated and not self.pending

    def finish(self, contract: Contract, today: date) -> BillingEvent | None:
        """Once all else is billed: what is left to settle, as one event (None: nothing is).

        Usage that was reported late, missing commitments, the rest of the deposit, and deductions
        no invoice came for.
        """
        key = self._free(FINAL_EVENT)
        charges, rated = self._settlement(contract, key)
        corrected = {
            charge: (*self.corrected.get(charge, ()), *by)
            for charge, by in corrections(self, rated, charges).items()
        }
        undo = Undo(
            rated=replaced(self.rated, rated), corrected=replaced(self.corrected, corrected)
        )
        undo.after = self.digest(undo)
        # Every deduction goes along: after this no other invoice comes.
        taken, self.pending = self.pending, []
        if not charges and not taken:
            return None
        lines = self._in_quantity(contract, self._unique(charges))
        event = BillingEvent(
            key=key,
            title="Final settlement",
            on=today,
            charges=(*lines, *taken),
            taken=tuple(item.key for item in taken),
            undo=undo,
        )
        self.events[key] = event
        return event

    def _settlement(
        self, contract: Contract, occasion: str
    ) -> tuple[list[Charge], dict[str, RatedUsage]]:
        """What the book itself has to settle, and the usage that is rated anew by it."""
        charges: list[Charge] = []
        rated: dict[str, RatedUsage] = {}
        for plan in contract.usage:
            changed, corrections = late_usage(self, contract, plan, occasion)
            rated |= changed
            met = total([*self._towards_commitment(plan), *corrections], contract.currency)
            missing = usage.true_up(contract, plan, met)
            charges += [*corrections, missing] if missing else corrections
        left = self.deposit_left(contract)
        if left.is_positive:
            charges.append(milestones.deposit_refund(contract, left))
        elif not left.is_zero:
            owed = milestones.deposit_refund(contract, left)
            text = f"{contract.title} – Down payment deducted, but never billed"
            charges.append(owed.model_copy(update={"description": text}))
        return charges, rated

    def _towards_commitment(self, plan: UsagePlan) -> Iterator[Charge]:
        """What counts towards a plan's commitment: what was billed, and what was given up or
        credited since. The firm's word not to charge that is not taken back at the end."""
        for event in self.events.values():
            if not event.credited_number or (event.reinvoice and event.counts):
                yield from (c for c in event.charges if c.order_line == plan.key)
        # What waits once more was counted where it was charged first.
        waiting = (c for c in self.pending if c.key == first_key(c))
        yield from (c for c in waiting if c.order_line == plan.key)

    def open_ends(self, contract: Contract) -> list[str]:
        """What still stands between the book and its end, in words; empty if nothing does."""
        found = [f"milestone {item.key} is not reached" for item in self._planned(contract)]
        found += [
            f"{due.plan} is to be billed for {due.period.period.name}"
            for due in self.dues(contract)
        ]
        for event in self.events.values():
            if event.status in (EventStatus.READY, EventStatus.PROPOSED):
                found.append(f"{event.title} is {event.status}")
        for amount, what in (
            (self.deposit_left(contract), "of the deposit is not deducted"),
            (self.retained(contract), "is still held back"),
        ):
            if not amount.is_zero:
                found.append(f"{amount} {what}")
        found += [f"{item.description} ({item.amount}) is not deducted" for item in self.pending]
        charges, rated = self._settlement(contract, FINAL_EVENT)
        found += [f"the usage of {item.period.period.name} has changed" for item in rated.values()]
        found += [
            f"{item.description} ({item.amount}) is not billed"
            for item in charges
            if item.kind is ChargeKind.COMMITMENT
        ]
        return found

    # --- shared -------------------------------------------------------------------------------

    def _add(
        self,
        contract: Contract,
        key: str,
        title: str,
        on: date,
        charges: Iterable[Charge],
        *,
        as_planned: bool = False,
        credited_number: int = 0,
        reason: str = "",
    ) -> BillingEvent:
        """A new event, with what is held back of it and the deductions that fit into it."""
        key = self._free(key)
        lines = self._in_quantity(contract, self._unique(charges))
        taken: list[Charge] = []
        if not credited_number:
            if _holds_back(contract, on):
                held = milestones.holdback(contract, lines, key)
                lines += self._unique([held] if held else [])
            taken = self._take_pending(total(lines, contract.currency))
        event = BillingEvent(
            key=key,
            title=title,
            on=on,
            charges=(*lines, *taken),
            credited_number=credited_number,
            reason=reason,
            as_planned=as_planned,
            taken=tuple(item.key for item in taken),
        )
        self.events[event.key] = event
        return event

    def _free(self, key: str) -> str:
        """The key, or with a number if it has been used: a day may bring two bills."""
        return _numbered(key, self.events.keys())

    def _keys(self) -> set[str]:
        """The keys of every charge there ever was."""
        charged = {c.key for event in self.events.values() for c in event.charges}
        return charged | {c.key for c in self.pending}

    def _unique(self, charges: Iterable[Charge]) -> list[Charge]:
        """The charges with keys that no other charge has or had: a milestone may be reached again
        after its invoice was credited."""
        taken = self._keys()
        result = []
        for charge in charges:
            key = _numbered(charge.key, taken)
            taken.add(key)
            result.append(charge.model_copy(update={"key": key}))
        return result

    def _in_quantity(
        self, contract: Contract, charges: Iterable[Charge], *statuses: EventStatus
    ) -> list[Charge]:
        """Show each charge of the deposit as the share by which it changes what is left of it
        after the events of these statuses (or all that count), so that the quantities on its
        order line end at 0 where the amounts do."""
        charges = list(charges)
        if contract.deposit is None:
            return charges
        whole = contract.deposit.amount.amount
        before = [c for c in self.charges(*statuses) if c.kind in _DEPOSIT]
        left = total(before, contract.currency).amount - (self.kept.amount if self.kept else 0)
        shown = sum((c.quantity for c in before), Decimal(0))
        result = []
        for charge in charges:
            if charge.kind in _DEPOSIT:
                left += charge.amount.amount
                change = _change_of_share(left / whole, shown, charge.amount)
                shown += change
                result.append(_shown_as(charge, change))
            else:
                result.append(charge)
        return result

    def _take_pending(self, room: Money) -> list[Charge]:
        """The pending deductions that an invoice of this amount can bear, in their order."""
        taken, kept = [], []
        for item in self.pending:
            if (room + item.amount).amount >= 0:
                taken.append(item)
                room += item.amount
            else:
                kept.append(item)
        self.pending = kept
        return taken


def _holds_back(contract: Contract, on: date) -> bool:
    """From the day of its release on, nothing more is retained."""
    retainage = contract.retainage
    return retainage is not None and (retainage.release_on is None or on < retainage.release_on)


def _numbered(key: str, taken: Collection[str]) -> str:
    """The key; with the first number that makes it new, if it has been used."""
    if key not in taken:
        return key
    return next(new for n in count(2) if (new := f"{key}:{n}") not in taken)


def _shown_as(charge: Charge, quantity: Decimal) -> Charge:
    """The charge with the same amount as that quantity."""
    price = (charge.amount.amount / quantity).quantize(_PRICE_UNIT).normalize()
    # Without an exponent: 1E+3 and 1000 must give the same text, and so the same hash.
    update = {"quantity": quantity, "unit_price": Decimal(f"{price:f}")}
    return charge.model_copy(update=update)


def _change_of_share(share: Decimal, shown: Decimal, amount: Money) -> Decimal:
    """The quantity, at two decimals and never 0, that brings what is shown to a share.

    What is shown is 0 only where the share is, so that the last change is one, too.
    """
    wanted = share.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
    if wanted == 0 and share != 0:
        wanted = QUANTITY_UNIT.copy_sign(share)
    if wanted != shown:
        return wanted - shown
    step = QUANTITY_UNIT.copy_sign(amount.amount)
    return -step if shown + step == 0 and share != 0 else step


def _restore(book: dict[K, V], before: dict[K, V | None]) -> None:
    for key, value in before.items():
        if value is None:
            book.pop(key, None)
        else:
            book[key] = value
