"""Random lives of contracts: facts, decisions and days in any order, billed by difference.

It carries no rule of its own: it plays Odoo, the people and the calendar around the core.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from contracts import changes
from contracts.billing import account
from contracts.billing.account import BillingState, Composition, NotPossible, Occasion, ReadKind
from contracts.billing.expenses import Expense
from contracts.billing.lines import total
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.model import Contract
from contracts.money import Money
from contracts.problems import InvalidContract
from contracts.validation import validate
from tests.unit.billing.strategies import (
    HOURS,
    PEOPLE,
    QUANTITIES,
    ROLES,
    contract_data,
    in_units,
    milestone,
    money,
)
from tests.unit.examples import SAM

DAY = timedelta(days=1)
MOST_STEPS_TO_THE_END = 400


@dataclass(frozen=True)
class Line:
    """A timesheet line in Odoo."""

    plan: str
    on: date
    hours: Decimal
    person: int
    approved: bool = True


@dataclass(frozen=True)
class Cost:
    """An expense in Odoo."""

    on: date
    cost: Money
    approved: bool = True


def worked_plans(contract: Contract) -> list[str]:
    """The plans that hours are booked on."""
    return [*(plan.key for plan in contract.time), *(plan.key for plan in contract.retainers)]


class Life:
    """One contract and the world around it; each step is one thing that happens."""

    def __init__(self, random: Random, contract: Contract | None = None) -> None:
        self.random = random
        self.contract = contract or validate(contract_data(random))
        self.today = self.contract.first_day
        self.billing: BillingState = account.begin(self.contract, self.today)
        self.lines: dict[int, Line] = {}
        self.costs: dict[int, Cost] = {}
        self.invoices = 0
        self.ended: date | None = None
        self.steps = 0

    @property
    def currency(self) -> str:
        return self.contract.currency

    # --- steps --------------------------------------------------------------------------------

    def step(self) -> None:
        """One thing happens: a fact, a decision, an invoice's fate, or days go by."""
        self.steps += 1
        choose = self.random.random()
        if choose < 0.35:
            self._fact()
        elif choose < 0.60:
            self._bill()
        elif choose < 0.72:
            self._decide()
        elif choose < 0.80:
            self._agree()
        else:
            self.today += DAY * self.random.randint(1, 25)

    def _fact(self) -> None:
        kinds = [self._reach, self._work, self._work, self._rework, self._spend, self._meter]
        self.random.choice(kinds)()

    def _day(self) -> date:
        return self.today + DAY * self.random.randint(-25, 10)

    def _amount(self, most: int) -> Money:
        return money(self.random.randint(0, most), self.currency)

    def _reach(self) -> None:
        key = f"m{self.random.randint(1, 5)}"
        try:
            if self.random.random() < 0.2:
                self.billing = account.unreach(self.billing, key)
            else:
                self.billing = account.reach(self.billing, key, self.today)
        except NotPossible:
            assert self.contract.milestone(key) is None

    def _work(self) -> None:
        plans = worked_plans(self.contract)
        if plans:
            line = Line(
                self.random.choice(plans),
                self._day(),
                self.random.choice(HOURS),
                self.random.randint(0, 2),
            )
            self.lines[len(self.lines) + 1] = line

    def _rework(self) -> None:
        """A timesheet line is changed, withdrawn or approved again, moved, dated elsewhere, or
        booked on another person; so is an expense."""
        plans = worked_plans(self.contract)
        if self.lines:
            number = self.random.randint(1, len(self.lines))
            line = self.lines[number]
            what = self.random.randint(0, 4)
            self.lines[number] = Line(
                self.random.choice(plans) if what == 0 else line.plan,
                line.on + DAY * 9 if what == 1 else line.on,
                self.random.choice(HOURS) if what == 2 else line.hours,
                self.random.randint(0, 2) if what == 3 else line.person,
                not line.approved if what == 4 else line.approved,
            )
        if self.costs:
            number = self.random.randint(1, len(self.costs))
            known = self.costs[number]
            self.costs[number] = Cost(known.on, self._amount(30_000), self.random.random() < 0.8)

    def _spend(self) -> None:
        if self.contract.expenses:
            self.costs[len(self.costs) + 1] = Cost(self._day(), self._amount(30_000))

    def _meter(self) -> None:
        record = UsageRecord(
            id=f"r{self.random.randint(1, 12)}",
            plan="calls",
            on=self._day(),
            quantity=self.random.choice(QUANTITIES),
        )
        self.billing = account.record_usage(self.billing, [record]).billing

    # --- invoices -----------------------------------------------------------------------------

    def _bill(self) -> None:
        """What is due is read, and one occasion is proposed."""
        self.read()
        found = account.occasions(self.billing, self.today)
        if found:
            self.propose(self.random.choice(found))

    def read(self) -> None:
        """Read from Odoo all that billing asks for."""
        for read in account.reads(self.billing, self.today):
            if read.kind is ReadKind.TIME:
                self._read_time(read.plan, read.until)
            else:
                self._read_expenses(read.plan, read.until)

    def look_once_more(self) -> bool:
        """Read what was approved too late for its period, as a contract does before it closes;
        whether there is any."""
        before = self.billing
        for plan in worked_plans(self.contract):
            self._read_time(plan, self.today)
        for item in self.contract.expenses:
            self._read_expenses(item.key, self.today)
        return (before.hours, before.expenses) != (self.billing.hours, self.billing.expenses)

    def _read_time(self, plan: str, until: date) -> None:
        scope = {k: v for k, v in self.lines.items() if v.approved and v.plan == plan}
        entries = [self._entry(key, line) for key, line in scope.items() if line.on <= until]
        self.random.shuffle(entries)
        gone = [key for key in account.known_lines(self.billing, plan) if key not in scope]
        self.billing = account.take_time(self.billing, plan, entries, gone, until)

    def _entry(self, key: int, line: Line) -> TimeEntry:
        return TimeEntry(
            line_id=key,
            plan=line.plan,
            on=line.on,
            hours=line.hours,
            person=PEOPLE[line.person].partition("@")[0],
            email=PEOPLE[line.person],
            role=ROLES[line.person],
        )

    def _read_expenses(self, plan: str, until: date) -> None:
        there = {k: v for k, v in self.costs.items() if v.approved}
        found = [
            Expense(
                expense_id=k, plan=plan, on=v.on, description="Train", employee="Ann", cost=v.cost
            )
            for k, v in there.items()
            if v.on <= until
        ]
        gone = [key for key in account.known_expenses(self.billing) if key not in there]
        self.billing = account.take_expenses(self.billing, plan, found, gone, until)

    def propose(self, occasion: Occasion) -> None:
        """Propose an occasion; what a person has to decide first is decided."""
        composed = account.compose(self.billing, occasion.key, self.invoices + 1, self.today)
        if isinstance(composed, Composition):
            self.billing = account.propose(self.billing, composed)
            self.invoices += composed.proposal is not None
            return
        codes = {problem.code for problem in composed}
        if "rate_missing" in codes:
            self.lines = {
                key: Line(line.plan, line.on, line.hours, 0, line.approved)
                for key, line in self.lines.items()
            }
            for plan in self.contract.time:
                self._read_time(plan.key, self.billing.read_until.get(plan.key, self.today))
        else:
            for key in occasion.plans or [plan.key for plan in self.contract.plans]:
                if getattr(self.contract.plan(key), "cap", None):
                    self.billing = account.allow_cap(
                        self.billing, key, max(self.today, occasion.due_on), SAM, "agreed"
                    )

    def _decide(self) -> None:
        """An invoice on its way is issued or rejected; a rejected one is retried or waived."""
        waiting = [item for item in self.billing.invoices.values() if item.is_open]
        if not waiting:
            return
        invoice = self.random.choice(waiting)
        number = invoice.number
        if not invoice.counts:
            if self.random.random() < 0.6:
                self.billing = account.retry_rejected(self.billing, number)
            else:
                self.billing = account.waive_rejected(
                    self.billing, number, SAM, "agreed", self.today
                )
        elif self.random.random() < 0.25:
            self.billing = account.rejected(self.billing, number)
        else:
            self.billing = account.issued(self.billing, number)

    # --- agreements ---------------------------------------------------------------------------

    def _agree(self) -> None:
        self.random.choice(
            [self._credit, self._credit, self._owe, self._release, self._change, self._end]
        )()

    def _credit(self) -> None:
        if not self.invoices:
            return
        number = self.random.randint(1, self.invoices)
        with suppress(NotPossible):
            invoice = self.billing.invoices.get(number)
            whole_amount = total(invoice.lines, self.currency).amount if invoice else Decimal(0)
            part = Money.rounded(whole_amount * self.random.randint(1, 120) / 100, self.currency)
            whole = self.random.random() < 0.5
            self.billing = account.request_credit(
                self.billing,
                number,
                self.today,
                "agreed",
                SAM,
                None if whole else part,
                reinvoice=whole and self.random.random() < 0.5,
            )

    def _owe(self) -> None:
        reference, amount = f"ref{self.random.randint(1, 9)}", self._amount(200_000)
        with suppress(NotPossible):
            self.billing, _ = account.credit_service(
                self.billing, "care", reference, "outage", amount, self.today
            )

    def _release(self) -> None:
        with suppress(NotPossible):
            self.billing = account.release_retainage(self.billing, self.today, "handed over")

    def _change(self) -> None:
        """A change order, if it is possible."""
        if self.ended:
            return
        currency, count = self.currency, self.random.randint(1, 900_000)
        amount, key = in_units(count, currency), f"m{self.random.randint(1, 4)}"
        rate = in_units(count % 20_000 + 1, currency)
        plans = [plan.key for plan in self.contract.plans] or ["none"]
        late = {"key": "ops", "service": "work", "every": "month", "rates": [{"price": rate}]}
        possible: list[dict[str, object]] = [
            {"add_milestones": (milestone(key, count, currency),)},
            {"drop": (key,)},
            {"reprice": {key: amount}},
            {"end_plans": {self.random.choice(plans): str(self._day() + 30 * DAY)}},
            {"set": {"ends_on": str(self._day() + 60 * DAY)}},
            {"add_time": (late,)},
            {"set": {"time.0.cap": in_units(count + 900_000, currency)}},
            {"set": {"time.0.rates": [{"price": rate}]}},
            {"set": {"retainers.0.fee": amount}},
            {"set": {"usage.0.tiers": [{"price": rate}]}},
            {"set": {"expenses.0.markup": "7"}},
            {"set": {"deposit": {"amount": amount, "service": "fees"}}},
            {"set": {"retainage": {"percent": "7", "service": "fees"}}},
            {"set": {"retainage": None}},
        ]
        self.change(self.random.choice(possible))

    def change(self, what: dict[str, object]) -> bool:
        order = ChangeOrder.model_validate({"number": 1, "by": SAM, "reason": "agreed", **what})
        try:
            after = changes.changed(self.contract, order, account.billed_keys(self.billing))
        except InvalidContract:
            return False
        self.adopt(after)
        return True

    def adopt(self, after: Contract) -> None:
        self.contract = after
        self.billing = account.adopt(self.billing, after, self.today)

    def _end(self) -> None:
        """The contract is ended early."""
        if self.random.random() > 0.7 and self.ended is None:
            self.end(self.today + DAY * self.random.randint(0, 30), self.random.random() < 0.5)

    def end(self, on: date, fee: bool) -> None:
        unreached = [
            item.key for item in self.contract.milestones if item.key not in self.billing.reached
        ]
        after = changes.ended_early(self.contract, on, unreached)
        self.adopt(after)
        self.billing = account.end_early(self.billing, on, fee=fee)
        self.ended = on

    # --- to the end ---------------------------------------------------------------------------

    def to_the_end(self) -> None:
        """Everything happens that still has to, until the contract is over."""
        if self.contract.ends_on is None and self.ended is None:
            self.end(self.today, False)
        for item in self.contract.milestones:
            self.billing = account.reach(self.billing, item.key, self.today)
        for _ in range(MOST_STEPS_TO_THE_END):
            if not self._go_on():
                break
        left = account.open_ends(self.billing, self.today)
        assert account.is_over(self.billing, self.today), left
        assert left == []

    def _go_on(self) -> bool:
        """The next thing that has to happen; False at the end."""
        waiting = [item for item in self.billing.invoices.values() if item.is_open]
        if waiting:
            number = waiting[0].number
            if not waiting[0].counts:
                self.billing = account.retry_rejected(self.billing, number)
            else:
                self.billing = account.issued(self.billing, number)
            return True
        self.read()
        found = account.occasions(self.billing, self.today)
        if found:
            self.propose(found[0])
            return True
        if account.is_over(self.billing, self.today):
            return self.look_once_more()
        day = account.next_day(self.billing, self.today)
        self.today = day or self.today + DAY
        return True
