"""A random life of a contract: people, systems, invoices, Odoo and days, in any order.

Whatever is refused changes nothing; whatever fails parks. In the end everything that has to happen
happens, and then the contract must be over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from contracts.agenda.actions import Failed
from contracts.billing import account
from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CancelRequest,
    CreditRequest,
    Hold,
    HoldKind,
    HoldRequest,
    MilestoneReached,
    MilestoneUnreached,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    Side,
    TerminationRequest,
    TerminationWithdrawn,
    UsageReport,
)
from contracts.contract.state import ENDED, RUNNING, ContractStage
from contracts.invoice.messages import CreditRequested
from contracts.invoice.state import InvoiceStage
from contracts.money import Money
from contracts.parking import Action as Choice
from tests.unit.billing.lives import worked_plans
from tests.unit.billing.strategies import (
    HOURS,
    PEOPLE,
    QUANTITIES,
    ROLES,
    SIGNED,
    contract_data,
    in_units,
    milestone,
    money,
)
from tests.unit.contract.played import OLGA, PIA, REFUSED, SAM, Played, Refused, Spent, Worked

_ZONE = ZoneInfo("Europe/Brussels")
_MOST_TO_THE_END = 600
_FAILING = (
    "validate",
    "provision",
    "read_time",
    "read_expenses",
    "mark_milestone",
    "set_delivered",
    "start_invoice",
    "policy",
    "notify",
    "amend_order",
    "amend_project",
    "project_status",
    "write_back",
    "close_out",
    "cancel_order",
    "archive_project",
)
_LOSABLE = ("provision", "start_invoice", "close_out")
BUSY = Failed("transient", "unreachable", "Odoo is down")


class RandomLife:
    """One contract, and what happens to it by the numbers of a `Random`."""

    def __init__(self, random: Random) -> None:
        self.random = random
        system = random.choice(("file", "file", "hubspot"))
        held = [kind for kind in ("validate", "provision") if random.random() < 0.2]
        start = datetime.combine(SIGNED, time(12), _ZONE)
        self.life = Played(contract_data(random), system=system, start=start, held_back=held)

    @property
    def currency(self) -> str:
        return self.life.state.terms.currency

    def step(self) -> None:
        """One thing happens; then everything must still hold."""
        kinds = self._weighted()
        with contextlib.suppress(Refused):
            self.random.choice(kinds)()
        self.life.run()
        self.check()

    def _weighted(self) -> list[Callable[[], None]]:
        state = self.life.state
        steps = [self._pass, self._pass, self._resolve, self._disturb, self._hear]
        if state.contract is None:
            return [*steps, self._cancel]
        steps += [self._reach, self._reach, self._unreach, self._work, self._rework, self._spend]
        if state.stage in RUNNING:
            steps += [self._invoice] * 5
            steps += [self._meter, self._credit, self._owe, self._release, self._change, self._hold]
            steps += [self._decide, self._decide, self._end, self._renew]
        if self.random.random() < 0.05:
            steps += [self._cancel]
        return steps

    # --- delivery -------------------------------------------------------------------------------

    def _pass(self) -> None:
        self.life.skip(days=self.random.randint(1, 25))

    def _reach(self) -> None:
        key = f"m{self.random.randint(1, 5)}"
        self.life.signal(MilestoneReached(milestone=key, by=PIA))

    def _unreach(self) -> None:
        self.life.send(MilestoneUnreached(milestone=f"m{self.random.randint(1, 4)}", by=PIA))

    def _day(self) -> Any:
        return self.life.today + timedelta(days=self.random.randint(-25, 10))

    def _amount(self, most: int) -> Money:
        return money(self.random.randint(1, most), self.currency)

    def _work(self) -> None:
        plans, lines = worked_plans(self.life.state.terms), self.life.odoo.lines
        if plans:
            person = self.random.randint(0, 2)
            lines[len(lines) + 1] = Worked(
                self.random.choice(plans),
                self._day(),
                self.random.choice(HOURS),
                PEOPLE[person],
                ROLES[person],
            )

    def _rework(self) -> None:
        """A line is changed, withdrawn, approved again, or moved to another plan or day."""
        plans, lines = worked_plans(self.life.state.terms), self.life.odoo.lines
        if not lines or not plans:
            return
        number = self.random.randint(1, len(lines))
        line, what = lines[number], self.random.randint(0, 3)
        lines[number] = Worked(
            self.random.choice(plans) if what == 0 else line.plan,
            line.on + timedelta(days=9) if what == 1 else line.on,
            self.random.choice(HOURS) if what == 2 else line.hours,
            line.email,
            line.role,
            not line.approved if what == 3 else line.approved,
        )

    def _spend(self) -> None:
        costs = self.life.odoo.costs
        if self.life.state.terms.expenses:
            costs[len(costs) + 1] = Spent("travel", self._day(), self._amount(30_000))

    def _meter(self) -> None:
        record = UsageRecord(
            id=f"r{self.random.randint(1, 12)}",
            plan="calls",
            on=self._day(),
            quantity=self.random.choice(QUANTITIES),
        )
        self.life.send(UsageReport(records=(record,)))

    # --- invoices -------------------------------------------------------------------------------

    def _invoice(self) -> None:
        """An invoice is issued, rejected, settled, or its workflow is lost."""
        alive = [number for number, item in self.life.invoices.items() if not item.is_ended]
        if not alive:
            return
        number = self.random.choice(alive)
        is_issued = self.life.invoices[number].report.total is not None
        chance = self.random.random()
        if chance < 0.02 and number in self.life.state.followed:
            self.life.lose(number)
        elif is_issued:
            self.life.settle(number)
        elif chance < 0.25:
            self.life.reject(number)
        else:
            self.life.issue(number)

    def _credit(self) -> None:
        if not self.life.invoices:
            return
        number = self.random.choice(list(self.life.invoices))
        amount = self._amount(200_000)
        if self.random.random() < 0.3:
            asked = CreditRequested(
                number=number, amount=amount, untaxed=amount, by=OLGA, reason="late"
            )
            self.life.signal(asked)
            return
        whole = self.random.random() < 0.5
        request = CreditRequest(
            number=number,
            amount=None if whole else amount,
            by=OLGA,
            reason="agreed",
            reinvoice=whole and self.random.random() < 0.5,
        )
        self.life.send(request)

    def _owe(self) -> None:
        credit = ServiceCredit(
            retainer="care",
            reference=f"ref{self.random.randint(1, 9)}",
            reason="outage",
            amount=self._amount(200_000),
            by=OLGA,
        )
        self.life.send(credit)

    def _release(self) -> None:
        self.life.send(RetainageRelease(by=OLGA, reason="accepted"))

    # --- terms ----------------------------------------------------------------------------------

    def _change(self) -> None:
        currency, count = self.currency, self.random.randint(1, 900_000)
        amount, key = in_units(count, currency), f"m{self.random.randint(1, 4)}"
        rate = in_units(count % 20_000 + 1, currency)
        plans = [plan.key for plan in self.life.state.terms.plans] or ["none"]
        late = {"key": "ops", "service": "work", "every": "month", "rates": [{"price": rate}]}
        possible: list[dict[str, Any]] = [
            {"add_milestones": (milestone(key, count, currency),)},
            {"drop": (key,)},
            {"reprice": {key: amount}},
            {"end_plans": {self.random.choice(plans): str(self._day() + timedelta(days=30))}},
            {"set": {"ends_on": str(self._day() + timedelta(days=60))}},
            {"add_time": (late,)},
            {"set": {"time.0.cap": in_units(count + 900_000, currency)}},
            {"set": {"time.0.rates": [{"price": rate}]}},
            {"set": {"retainers.0.fee": amount}},
            {"set": {"deposit": {"amount": amount, "service": "fees"}}},
            {"set": {"retainage": {"percent": "7", "service": "fees"}}},
        ]
        order = {"number": 1, "by": SAM, "reason": "agreed", **self.random.choice(possible)}
        self.life.send(ChangeOrder.model_validate(order))

    def _decide(self) -> None:
        """The pending change order is decided, by everybody who may."""
        change = self.life.state.change
        if change is None or change.approval_round is None:
            return
        if self.random.random() < 0.3:
            self.life.approve_change(self._approvers()[0], reject="no")
            return
        for person in self._approvers():
            if change is None or self.life.state.change is not change:
                break
            try:
                self.life.approve_change(person)
            except Refused:
                continue
            change = self.life.state.change

    def _approvers(self) -> tuple[str, ...]:
        change = self.life.state.change
        assert change is not None
        assert change.approval_round is not None
        return change.approval_round.requirement.approvers

    def _hold(self) -> None:
        kind = self.random.choice(list(HoldKind))
        hold = None
        if kind not in self.life.state.holds:
            until = self.life.today + timedelta(days=self.random.randint(1, 30))
            hold = Hold(by=OLGA, reason="audit", until=self.random.choice((None, until)))
        self.life.send(HoldRequest(kind=kind, by=OLGA, hold=hold))

    def _end(self) -> None:
        """The contract is ended early, goes on after all, or is not renewed."""
        what = self.random.randint(0, 3)
        if what == 0:
            on = self.life.today + timedelta(days=self.random.randint(0, 30))
            side = self.random.choice(list(Side))
            request = TerminationRequest(side=side, by=SAM, reason="over", on=on, agreed=True)
            self.life.send(request)
        elif what == 1:
            self.life.send(TerminationWithdrawn(by=SAM))
        elif what == 2:
            self.life.send(NoticeGiven(side=Side.CUSTOMER, by=OLGA))

    def _cancel(self) -> None:
        self.life.send(CancelRequest(by=SAM, reason="changed their mind"))

    def _renew(self) -> None:
        if not self.life.state.running:
            self.life.renew()

    # --- what goes wrong --------------------------------------------------------------------------

    def _disturb(self) -> None:
        """An act of a kind takes long, fails, or its answer is lost."""
        kind, chance = self.random.choice(_FAILING), self.random.random()
        if chance < 0.5:
            self.life.held_back.add(kind)
        elif chance < 0.8 or kind not in _LOSABLE:
            self.life.fates.setdefault(kind, []).append(self.random.choice((REFUSED, BUSY)))
        else:
            self.life.held_back.add(kind)

    def _hear(self) -> None:
        """Something that takes long ends, or its answer is lost."""
        if not self.life.acts:
            self.life.held_back.clear()
            return
        key = self.random.choice(list(self.life.acts))
        is_lost = self.life.acts[key].kind in _LOSABLE and self.random.random() < 0.3
        self.life.finish(key, lost=is_lost)

    def _resolve(self) -> None:
        exceptions = self.life.state.exceptions
        if not exceptions:
            return
        parked = self.random.choice(exceptions)
        allowed = [item for item in parked.allowed if item is not Choice.AMEND]
        self.life.resolve(self.random.choice(allowed), parked.step)

    # --- what must hold ---------------------------------------------------------------------------

    def check(self) -> None:
        """What must hold after each step."""
        state = self.life.state
        exclusive = [act for act in state.running.values() if act.exclusive]
        if exclusive:
            assert all(act.exclusive or act.aside for act in state.running.values())
        if state.billing is not None and self.life.steps % 7 == 0:
            assert account.check(state.billing, state.billing_day) == []
        started = set(self.life.invoices) | set(state.starting)
        withdrawn = {n for n, r in state.invoices.items() if r.stage is InvoiceStage.REJECTED}
        assert started | withdrawn == set(state.invoices) | started
        if state.stage is ContractStage.CANCELLED:
            self._check_cancelled()

    def _check_cancelled(self) -> None:
        life = self.life
        assert all(item.report.total is None for item in life.invoices.values())
        assert all(item.is_ended for item in life.invoices.values())
        assert life.state.starting == {}

    # --- to the end -------------------------------------------------------------------------------

    def to_the_end(self) -> None:
        """Everything happens that still has to: acts succeed, people decide, the customer pays."""
        life = self.life
        life.held_back.clear()
        life.fates.clear()
        life.run()
        for _ in range(_MOST_TO_THE_END):
            if life.state.stage in ENDED:
                break
            self._go_on()
        shown = [item.model_dump() for item in life.state.exceptions]
        assert life.state.stage in ENDED, (life.state.stage, life.state.waiting, shown)
        life.run()
        assert life.has_ended

    def _go_on(self) -> None:
        life, state = self.life, self.life.state
        if state.exceptions:
            parked = state.exceptions[0]
            usable = [Choice.SKIP, Choice.RETRY]
            if parked.key.startswith(("proposal:", "bill_period:")) and self.random.random() < 0.5:
                usable.reverse()
            if parked.code == "rate_missing":
                self._give_rates()
            life.resolve(next(item for item in usable if item in parked.allowed), parked.step)
            return
        if state.change is not None and state.change.approval_round is not None:
            life.approve_change(self._approvers()[0], reject="no more changes")
            return
        for kind in list(state.holds):
            life.send(HoldRequest(kind=kind, by=OLGA))
        alive = [number for number, item in life.invoices.items() if not item.is_ended]
        for number in alive:
            if life.invoices[number].report.total is None:
                life.issue(number)
            life.settle(number)
        if alive:
            return
        if state.contract is not None and state.stage in RUNNING:
            self._let_it_end()
        life.skip(days=20)

    def _give_rates(self) -> None:
        """Everybody's work counts as that of the one who has a rate of her own."""
        lines = self.life.odoo.lines
        for number, line in lines.items():
            lines[number] = Worked(
                line.plan, line.on, line.hours, PEOPLE[0], ROLES[0], line.approved
            )

    def _let_it_end(self) -> None:
        """What is left is delivered; a contract without an end is ended."""
        state = self.life.state
        for key, progress in state.milestones.items():
            if progress.reached_on is None:
                self.life.signal(MilestoneReached(milestone=key, by=PIA))
        if state.contract and state.contract.term.auto_renew and state.notice is None:
            with contextlib.suppress(Refused):
                self.life.send(NoticeGiven(side=Side.CUSTOMER, by=OLGA))
        ends = state.contract.ends_on if state.contract else None
        plans = state.contract.plans if state.contract else ()
        if plans and ends is None and state.termination is None:
            on = self.life.today
            request = TerminationRequest(side=Side.FIRM, by=SAM, reason="over", on=on, agreed=True)
            self.life.send(request)
