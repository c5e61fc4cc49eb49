"""The life of a contract, step by step, each chosen by a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from contracts.billing.book import (
    Book,
    EventStatus,
    NotPossible,
)
from contracts.billing.charges import Charge
from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.dunning import DunningHold
from contracts.invoice import collecting
from contracts.invoice.messages import DisputeOpened, DisputeResolved, HoldChange, PaymentPromised
from contracts.model import Contract
from contracts.money import Money
from tests.unit.billing.engagement import Cost, Engagement, Line, Paper, snapshot
from tests.unit.billing.invariants import (
    Prices,
    check_caps,
    check_charges,
    check_credits,
    check_dunning,
    check_end,
    check_keys,
    check_ledgers,
    check_money,
    check_obligations,
    check_owed,
    check_value,
)
from tests.unit.billing.strategies import (
    HOURS,
    QUANTITIES,
    in_units,
    milestone,
    money,
)
from tests.unit.examples import ANA, SAM


@dataclass(frozen=True)
class Draw:
    """What a step may choose by: which one, how much, how many days from today, and whether."""

    what: int
    index: int
    count: int
    days: int
    flag: bool


STEPS = {
    "invoice": ["bill"] * 5 + ["propose", "propose", "decide", "decide", "mend", "mend"],
    "credit": ["credit", "credit", "tell_again"],
    "collect": ["pay", "pay", "charge_back", "write_off", "dispute", "resolve", "promise", "hush"],
    "agree": ["change"] * 6 + ["owe"] * 3 + ["release"] * 2 + ["settle", "audit", "hold"],
    "end": ["pass"] * 14 + ["terminate", "notice"],
    "pass": ["pass"],
}
GROUPS = ("deliver", "deliver", "invoice", "invoice", "credit", "collect", "agree", "end", "pass")


class Story:
    """What people, Odoo, the customer and the calendar do to a contract, in any order.

    A step that is not possible just now lets the day's business go on instead.
    """

    def __init__(self, contract: Contract) -> None:
        self.e = Engagement(contract)
        self.seen: dict[str, tuple[Charge, ...]] = {}
        self.checked: object = None
        self.fate = 0
        self.prices: Prices = {}
        self.check()

    def step(self, group: str, draw: Draw) -> None:
        """One thing of a group happens; then everything must still add up."""
        steps = self._deliveries() if group == "deliver" else STEPS[group]
        what = steps[draw.what % len(steps)]
        self.fate = draw.count if draw.flag else 0
        done = getattr(self, f"_{what}")(draw)
        if done is False and self._bill(draw) is False:
            self.e.forward(draw.index + 1)
        self.check()

    def _deliveries(self) -> list[str]:
        """Of what the contract is about; and sometimes of what it is not."""
        contract, found = self.e.contract, ["reach", "work", "spend", "meter"]
        found += ["reach", "reach", "unreach"] * bool(contract.milestones)
        found += ["work", "work", "rework", "rework"] * bool(contract.time or contract.retainers)
        found += ["spend", "respend"] * bool(contract.expenses)
        found += ["meter", "meter"] * bool(contract.usage)
        return found

    def check(self) -> None:
        """What must hold after each step; where the book is as it was, it was looked at."""
        now = (snapshot(self.e.book), self.e.contract.version, len(self.e.posted()))
        if now != self.checked:
            self.checked = now
            check_value(self.e)
            check_obligations(self.e)
            check_keys(self.e)
            check_charges(self.e, self.seen)
            check_ledgers(self.e, self.prices)
            check_caps(self.e)
            check_credits(self.e)
            check_owed(self.e)

    def end(self) -> None:
        """Lead it to its end; then it all has to come out even."""
        self.e.to_the_end(self.fate)
        self.check()
        check_money(self.e)
        check_dunning(self.e)
        check_end(self.e)

    def _allowed(self, work: Callable[[], object]) -> None:
        """Do what the book may refuse; then it has changed nothing."""
        before = snapshot(self.e.book)
        try:
            work()
        except NotPossible:
            assert snapshot(self.e.book) == before

    def _day(self, draw: Draw) -> date:
        return self.e.today + timedelta(days=draw.days)

    def _amount(self, draw: Draw, most: int) -> Money:
        return money(draw.count % most, self.e.currency)

    def _pass(self, draw: Draw) -> bool:
        self.e.forward(draw.count % 30 + 1)
        return True

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

    # --- invoices

    def _bill(self, draw: Draw) -> bool:
        """The oldest event becomes an invoice, that may be amended on its way."""
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
        """An invoice in whole, in part, or by more than there is; some of them anew."""
        e = self.e
        number = draw.index % (len(e.papers) + 1) + 1
        paper, amount = e.papers.get(number), None
        if paper is not None and draw.count % 3:
            part = paper.proposal.amount.amount * (draw.count % 120) / 100
            amount = Money.rounded(part, e.currency)
        self._allowed(
            lambda: e.book.credit(
                e.contract, number, e.today, "agreed", amount=amount, reinvoice=draw.flag
            )
        )
        return paper is not None

    def _tell_again(self, draw: Draw) -> bool:
        """News of an invoice that was told before, or comes after it was overtaken."""
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
        """From nothing to more than the invoice comes to."""
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
        paper.change(dispute=collecting.opened_dispute(paper.state, opened, today))
        return True

    def _resolve(self, draw: Draw) -> bool:
        """A dispute ends: some of it is credited, by way of the book."""
        e = self.e
        found = [paper for paper in e.posted() if paper.state.dispute]
        if not found:
            return False
        paper = found[draw.index % len(found)]
        state = paper.state
        dispute = state.dispute
        assert dispute is not None
        accepted = Money.rounded(dispute.amount.amount * (draw.count % 120) / 100, e.currency)
        resolved = DisputeResolved(by=ANA, accepted=accepted, comment="agreed")
        if collecting.resolution_refusal(state, resolved, e.today) is not None:
            return False
        paper.change(dispute=None)
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
        paper.change(promise=collecting.taken_promise(paper.state, promised, today))
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
        paper.change(hold=hold if on else None)
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
