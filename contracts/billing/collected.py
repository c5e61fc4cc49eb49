"""A period's bill while it is put together: nothing is in the book until it is whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, TypeVar

from contracts.billing import expenses, retainers, time, usage
from contracts.billing.charges import QUANTITY_UNIT, Charge, total
from contracts.billing.credits import first_key
from contracts.billing.events import Due, EventStatus, Findings, Part, RatedUsage, Unbilled, Undo
from contracts.billing.expenses import BilledExpense, Expense
from contracts.billing.time import BilledTime, TimeEntry
from contracts.model import Contract, ExpensePlan, Plan, RetainerPlan, TimePlan, UsagePlan
from contracts.money import Money
from contracts.problems import Problem

if TYPE_CHECKING:
    from contracts.billing.book import Book

_NONE = Decimal("0.00")
K = TypeVar("K")
V = TypeVar("V")


class Collected:
    """The parts that are due on one day, charged from what was found in Odoo."""

    def __init__(
        self,
        book: Book,
        contract: Contract,
        findings: Findings,
        up_to_cap: bool,
        on: date,
        event: str,
    ) -> None:
        self._book, self._contract, self._findings = book, contract, findings
        # The event's key is new, and so is every charge's key that is made of it.
        self._up_to_cap, self._on, self._occasion = up_to_cap, on, event.partition(":")[2]
        self._in_doubt = book.in_doubt()
        self.charges: list[Charge] = []
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.as_planned = True
        self._through: dict[str, date] = {}
        self._time: dict[int, BilledTime] = {}
        self._moved: dict[int, TimeEntry] = {}
        self._settled: set[int] = set()
        self._expenses: dict[int, BilledExpense] = {}
        self._waiting: dict[int, Expense] = {}
        self._no_longer_waiting: set[int] = set()
        self._carried: dict[str, Decimal] = {}
        self._left: dict[str, Decimal] = {}
        self._rated: dict[str, RatedUsage] = {}
        self._corrected: dict[str, tuple[str, ...]] = {}
        self._unbilled: list[Unbilled] = []

    def in_order(self, dues: list[Due]) -> list[Due]:
        """The parts; those of plans whose lines have moved come first: others take them then."""
        ledger = self._book.time
        known = [entry for entry in self._findings.entries if entry.line_id in ledger]
        moved = [(_plan_of(ledger[item.line_id]), item.plan) for item in known]
        losing = {was for was, now in moved if was != now}
        losing -= {now for was, now in moved if was != now}
        return sorted(dues, key=lambda due: due.plan not in losing)

    def take(self, due: Due) -> None:
        """Add one part; what is wrong with it goes to `problems`."""
        plan = self._contract.plan(due.plan)
        if due.part is Part.FEE and isinstance(plan, RetainerPlan):
            self.charges.append(retainers.fee_charge(self._contract, plan, due.period))
        elif due.part is Part.HOURS and isinstance(plan, RetainerPlan):
            self._take_hours(plan, due)
        elif isinstance(plan, TimePlan):
            self._take_time(plan)
        elif isinstance(plan, UsagePlan):
            self._take_usage(plan, due)
        elif isinstance(plan, ExpensePlan):
            self._take_expenses(plan)
        self._through[due.track] = due.period.period.last

    def enter(self) -> Undo:
        """Enter all of it into the book; returns what it replaced."""
        book = self._book
        undo = Undo(
            time=replaced(book.time, self._time),
            moved={line: book.moved.get(line) for line in self._settled | self._moved.keys()},
            expenses=replaced(book.expenses, self._expenses),
            waiting={
                item: book.waiting.get(item)
                for item in self._no_longer_waiting | self._waiting.keys()
            },
            carried=replaced(book.carried, self._carried),
            left=replaced(book.left, self._left),
            rated=replaced(book.rated, self._rated),
            through=replaced(book.through, self._through),
            corrected=replaced(book.corrected, self._corrected),
            unbilled=self._unbilled,
        )
        for line in self._settled:
            book.moved.pop(line, None)
        book.moved |= self._moved
        for item in self._no_longer_waiting:
            book.waiting.pop(item, None)
        book.waiting |= self._waiting
        book.unbilled += self._unbilled
        undo.after = book.digest(undo)
        return undo

    # --- hours --------------------------------------------------------------------------------

    def _take_time(self, plan: TimePlan) -> None:
        bill = time.bill_time(
            self._contract,
            plan,
            self._entries(plan),
            self._ledger,
            self._gone(plan),
            self._spent(plan),
            self._occasion,
            up_to_cap=self._up_to_cap,
        )
        for entry in bill.unpriced:
            self.problems.append(
                Problem(
                    code="rate_missing",
                    field=f"time.{plan.key}.rates",
                    value=f"{entry.person} ({entry.role}), {entry.on}",
                    expected="a rate for this person, this role or all on that day",
                )
            )
        self._take_cap(plan, bill.over_cap)
        self.warnings += bill.warnings
        ledger = self._ledger
        for line, row in bill.billed.items():
            before = ledger.get(line)
            if before is not None and before.hours != row.hours:
                # What was taken back is billed anew, among other lines, not corrected.
                by = (row.charge,) if before.hours else ()
                self._correct(before.charge, *by)
        self._time |= bill.billed
        self._add_estimated(bill.charges)

    def _take_hours(self, plan: RetainerPlan, due: Due) -> None:
        """Hours of a retainer are counted once by the same ledger, at no price."""
        ledger, used = self._ledger, _NONE
        hours = {entry.line_id: entry.hours for entry in self._entries(plan)}
        for line_id in self._gone(plan):
            hours.setdefault(line_id, _NONE)
        for line_id, found in hours.items():
            row = ledger.get(line_id)
            if row is not None and row.hours and _plan_of(row) != plan.key:
                continue
            now = _two_decimals(found)
            used += now - (row.hours if row else 0)
            self._time[line_id] = BilledTime(hours=now, price=Decimal(0), charge=plan.key)
        carried = self._book.carried.get(plan.key, _NONE)
        if self._book.through.get(due.track) == due.period.period.last:
            # A second look at the period: it includes no more than it has left.
            plan = plan.model_copy(update={"included_hours": Decimal(0)})
            carried = self._book.left.get(plan.key, _NONE)
        bill = retainers.bill_hours(self._contract, plan, due.period, used, carried)
        self._carried[plan.key] = bill.carried_out
        self._left[plan.key] = bill.carried_in + bill.included - bill.used + bill.overage
        self._add_estimated([bill.charge] if bill.charge else [])

    @property
    def _ledger(self) -> Mapping[int, BilledTime]:
        return self._book.time | self._time

    def _entries(self, plan: Plan) -> list[TimeEntry]:
        """The plan's hours to look at: found now, or found when another plan still had them.

        A line that moved here stays with the plan that billed it until that has given it up; it
        is remembered for then, because nobody changes it a second time.
        """
        found = {
            entry.line_id: entry
            for entry in (*self._book.moved.values(), *self._findings.entries)
            if self._book.is_billable(f"line:{entry.line_id}", _two_decimals(entry.hours))
        }
        mine = [entry for entry in found.values() if entry.plan == plan.key]
        ledger = self._ledger
        for entry in mine:
            row = ledger.get(entry.line_id)
            moved = row is not None and row.hours and _plan_of(row) != plan.key
            if moved or self._is_doubtful(row):
                self._moved[entry.line_id] = entry
            else:
                self._settled.add(entry.line_id)
        # What was deleted, or is no longer approved, is not billed once it is free.
        waiting = {line for line, entry in self._book.moved.items() if entry.plan == plan.key}
        gone = waiting.intersection(self._findings.gone)
        self._settled |= gone
        waiting = {entry.line_id for entry in mine if self._is_doubtful(ledger.get(entry.line_id))}
        return [entry for entry in mine if entry.line_id not in gone | waiting]

    def _is_doubtful(self, row: BilledTime | BilledExpense | None) -> bool:
        return row is not None and row.charge in self._in_doubt

    def _gone(self, plan: Plan) -> list[int]:
        """The known lines of this plan that are gone, or another plan's now."""
        moved = {entry.line_id for entry in self._findings.entries if entry.plan != plan.key}
        lines = {*self._findings.gone, *moved}
        ledger = self._ledger
        return [
            line
            for line in sorted(lines & ledger.keys())
            if _plan_of(ledger[line]) == plan.key and self._book.is_billable(f"line:{line}", _NONE)
            if not self._is_doubtful(ledger[line])
        ]

    # --- usage --------------------------------------------------------------------------------

    def _take_usage(self, plan: UsagePlan, due: Due) -> None:
        quantity = self._book.usage_in(plan.key, due.period.period)
        key = f"{plan.key}:{due.period.period.first}"
        self._rated[key] = RatedUsage(period=due.period, quantity=quantity)
        self._add_estimated(usage.usage_charges(self._contract, plan, due.period, quantity))
        rated, corrected = late_usage(self._book, self._contract, plan, self._occasion)
        self._rated |= rated
        for charge, by in corrections(self._book, rated, corrected).items():
            self._correct(charge, *by)
        self._add_estimated(corrected)

    # --- expenses -----------------------------------------------------------------------------

    def _take_expenses(self, plan: ExpensePlan) -> None:
        found = self._spent_on(plan)
        bill = expenses.bill_expenses(
            self._contract,
            plan,
            [e for e in found if self._book.is_billable(f"expense:{e.expense_id}", e.cost)],
            self._book.expenses,
            self._spent(plan),
            self._occasion,
            up_to_cap=self._up_to_cap,
        )
        self._take_cap(plan, bill.over_cap)
        for expense, row in bill.billed.items():
            before = self._book.expenses.get(expense)
            if before is not None and before.cost != row.cost:
                self._correct(before.charge, row.charge)
        self._expenses |= bill.billed
        self._add_estimated(bill.charges)

    def _spent_on(self, plan: ExpensePlan) -> list[Expense]:
        """The plan's expenses to look at: found now, gone, or found when a credit note was on its
        way. Nobody changes them a second time, so they are remembered until that is decided."""
        known = (*self._book.waiting.values(), *self._findings.expenses)
        found = {item.expense_id: item for item in known if item.plan == plan.key}
        there = {item.expense_id for item in self._findings.expenses}
        gone = [item for item in self._findings.gone_expenses if item not in there]
        found |= {item: self._withdrawn(plan, item) for item in gone}
        doubtful = {
            key: item
            for key, item in found.items()
            if self._is_doubtful(self._book.expenses.get(key))
        }
        # What is gone is found to be so every time.
        self._waiting |= {key: item for key, item in doubtful.items() if key not in gone}
        self._no_longer_waiting |= found.keys() - self._waiting.keys()
        return [item for key, item in found.items() if key not in doubtful]

    def _withdrawn(self, plan: ExpensePlan, expense_id: int) -> Expense:
        """An expense that is gone, or no longer approved, costs nothing any more."""
        return Expense(
            expense_id=expense_id,
            plan=plan.key,
            on=self._on,
            description="withdrawn",
            employee="",
            cost=Money.zero(self._contract.currency),
        )

    # --- shared -------------------------------------------------------------------------------

    def _correct(self, charge: str, *by: str) -> None:
        """A charge of an earlier invoice is corrected by some of this. Where a part of that
        invoice was credited besides, only a person knows whether it was for the same."""
        known = self._corrected.get(charge, self._book.corrected.get(charge, ()))
        self._corrected[charge] = (*known, *by)
        credited = {item.credited_number for item in self._book.events.values() if item.counts}
        for event in self._book.events.values():
            if event.proposal in credited and any(item.key == charge for item in event.charges):
                self.warnings.append(
                    f"invoice {event.proposal}, credited in part, is corrected as well: "
                    "see that nothing is credited twice"
                )

    def _take_cap(self, plan: TimePlan | ExpensePlan, over: Money) -> None:
        if not over.is_positive:
            return
        if self._up_to_cap:
            reason = f"over the cap of {plan.cap}"
            self._unbilled.append(Unbilled(what=plan.key, amount=over, reason=reason))
            return
        self.problems.append(
            Problem(
                code="cap_reached",
                field=f"{plan.key}.cap",
                value=str(over),
                expected=f"at most {plan.cap} in all: raise the cap by a change order and retry, "
                "or skip to bill only up to it",
            )
        )

    def _spent(self, plan: Plan) -> Money:
        """What the plan has billed, or will. What is yet to be credited frees nothing of a cap:
        the credit may still be given up."""
        found = [
            charge
            for event in self._book.events.values()
            for charge in event.charges
            if charge.order_line == plan.key and event.counts
            if charge.amount.is_positive or event.status is EventStatus.BILLED
        ]
        waiting = (c for c in self._book.pending if c.order_line == plan.key)
        found += [charge for charge in waiting if charge.amount.is_positive]
        return total(found, self._contract.currency)

    def _add_estimated(self, charges: Iterable[Charge]) -> None:
        """Lines whose amounts are found out at the period's end, so no plan names them."""
        added = list(charges)
        self.charges += added
        self.as_planned = self.as_planned and not added


def late_usage(
    book: Book, contract: Contract, plan: UsagePlan, occasion: str
) -> tuple[dict[str, RatedUsage], list[Charge]]:
    """The rated periods whose quantity is another by now, as they are to be put into the book,
    and what that changes of their price."""
    changed: dict[str, RatedUsage] = {}
    charges: list[Charge] = []
    doubtful = book.in_doubt()
    for key, rated in book.rated.items():
        if any(item.startswith(f"{key}:") for item in doubtful):
            continue
        now = book.usage_in(plan.key, rated.period.period)
        if rated.period.period.last <= book.usage_closed.get(plan.key, date.min):
            continue
        billable = book.is_billable(f"usage:{key}", now)
        if not key.startswith(f"{plan.key}:") or now == rated.quantity or not billable:
            continue
        changed[key] = rated.model_copy(update={"quantity": now})
        correction = usage.usage_correction(
            contract, plan, rated.period, rated.quantity, now, occasion
        )
        charges += [correction] if correction else []
    return changed, charges


def corrections(
    book: Book, rated: Iterable[str], charges: Iterable[Charge]
) -> dict[str, tuple[str, ...]]:
    """The keys of periods of usage that are rated anew, and of what is billed of them, each with
    the keys of those of these charges that correct it."""
    new = [charge.key for charge in charges]
    events = (e for e in book.events.values() if e.counts and not e.credited_number)
    billed = {first_key(c) for event in events for c in event.charges}
    billed |= {first_key(c) for c in book.pending}
    return {
        charge: tuple(item for item in new if item.startswith(f"{key}:"))
        for key in rated
        for charge in [key, *sorted(item for item in billed if item.startswith(f"{key}:"))]
    }


def _two_decimals(hours: Decimal) -> Decimal:
    """Hours as they are billed."""
    return hours.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)


def _plan_of(row: BilledTime) -> str:
    """The plan that a timesheet line was billed by, or counted for."""
    return row.charge.partition(":")[0]


def replaced(book: dict[K, V], new: Mapping[K, V]) -> dict[K, V | None]:
    """Put the new rows into the book; returns what stood there before."""
    before = {key: book.get(key) for key in new}
    book.update(new)
    return before
