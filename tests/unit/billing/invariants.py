"""What must hold of a contract's money, whatever happens in whichever order."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal

from contracts.billing import usage
from contracts.billing.book import (
    DEPOSIT_EVENT,
    EventStatus,
    milestone_event,
)
from contracts.billing.charges import Charge, ChargeKind
from contracts.billing.order import order_lines
from contracts.contract.state import ContractState, money_table
from contracts.dunning import DunningState
from contracts.invoice import collecting
from contracts.model import RetainerPlan
from contracts.money import Money
from contracts.views.statement import statement
from tests.unit.billing.engagement import (
    Engagement,
    as_odoo,
    first_charge,
    hours_of,
    reminded,
)
from tests.unit.examples import MINOR_UNITS

_NONE = Decimal(0)
_DEPOSIT = (ChargeKind.DEPOSIT, ChargeKind.DEPOSIT_DEDUCTION)
_RETAINAGE = (ChargeKind.RETAINAGE, ChargeKind.RETAINAGE_RELEASE)
_TIME = (ChargeKind.TIME, ChargeKind.CORRECTION)

Prices = dict[tuple[str, date, Decimal], Decimal]
"""What a rated period of usage comes to, to compute it once."""


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
            assert as_odoo(c.quantity * c.unit_price, unit) == c.amount.amount, c
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


def check_ledgers(engagement: Engagement, prices: Prices) -> None:
    """Hours, expenses and usage are on invoices, or wait for one, as the ledgers say, once; of
    what was given up before it was ever billed, nothing is."""
    book, contract = engagement.book, engagement.contract
    first: dict[str, list[Charge]] = {}
    dropped: set[str] = set()
    for event in book.events.values():
        for c in event.charges:
            if event.counts or c.key in event.taken:
                if not event.credited_number:
                    first.setdefault(c.order_line, []).append(c)
            else:
                dropped.add(c.key)
    for c in book.pending:
        first.setdefault(c.order_line, []).append(c)
    first = {line: [c for c in found if ":again" not in c.key] for line, found in first.items()}
    for timed in contract.time:
        charges = [c for c in first.get(timed.key, []) if c.kind in _TIME]
        # What a cap has cut is an amount, no longer so many hours.
        if timed.cap is None:
            free = engagement.free_hours.get(timed.key, _NONE)
            charged = sum((c.quantity for c in charges), free)
            assert charged == hours_of(book, timed.key, dropped), timed.key
    for spent in contract.expenses:
        billed = sum(
            (
                row.billed.amount
                for row in book.expenses.values()
                if first_charge(book, row.charge) not in dropped
            ),
            _NONE,
        )
        assert sum((c.amount.amount for c in first.get(spent.key, [])), _NONE) == billed
    for used in contract.usage:
        metered = [c for c in first.get(used.key, []) if ":commitment" not in c.key]
        for key, row in book.rated.items():
            found = (key, row.period.period.last, row.quantity)
            if found not in prices:
                amount = usage.period_amount(contract, used, row.period, row.quantity)
                prices[found] = amount.amount
            charged = sum((c.amount.amount for c in metered if c.key.startswith(f"{key}:")), _NONE)
            given_up = f"usage:{key}" in book.given_up
            assert charged == prices[found] or (given_up and charged == 0), key


def check_credits(engagement: Engagement) -> None:
    """Nobody gets more back than was charged, unless a person agreed on a part of it, or credits
    in whole what has been corrected before."""
    book, contract = engagement.book, engagement.contract
    agreed: set[str] = set()
    corrected: set[str] = set()
    net: dict[str, Decimal] = {}
    for event in book.events.values():
        lines = {c.order_line for c in event.charges}
        if event.credited_number:
            agreed |= lines & corrected if event.whole else lines
        corrected |= {c.order_line for c in event.charges if c.kind is ChargeKind.CORRECTION}
        if event.reinvoice and event.status is not EventStatus.BILLED:
            agreed |= lines
    for c in [*book.charges(), *book.pending]:
        net[c.order_line] = net.get(c.order_line, _NONE) + c.amount.amount
    for plan in contract.plans:
        if plan.key not in agreed and not isinstance(plan, RetainerPlan):
            assert net.get(plan.key, _NONE) >= 0, plan.key


def check_owed(engagement: Engagement) -> None:
    """What the customer is owed comes off the invoices, once, and none turns negative by it."""
    book = engagement.book
    for event in book.events.values():
        deducted = [c for c in event.charges if c.key in event.taken and c.amount.amount < 0]
        if deducted and not event.is_final:
            assert sum(c.amount.amount for c in event.charges) >= 0, event.key
    if any(e.whole and e.status is not EventStatus.BILLED for e in book.events.values()):
        return
    dropped = [event for event in book.events.values() if not event.counts]
    given_up = {c.key for e in dropped for c in e.charges if e.is_final or ":again" in c.key}
    charges = [*book.pending, *book.charges()]
    for key, amount in engagement.owed.items():
        found = [c for c in charges if c.key == key or c.key.startswith(f"{key}:")]
        if not any(item == key or item.startswith(f"{key}:") for item in given_up):
            assert Money.total((c.amount for c in found), engagement.currency) == -amount, key


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
            sent = reminded(state.replace(dunning=sent), day)
        assert sent == paper.state.dunning or not paper.looks


def check_end(engagement: Engagement) -> None:
    """At the end everything is billed, released, deducted and paid, and adds up."""
    book, contract = engagement.book, engagement.contract
    assert book.billed(contract) == book.value(contract)
    for plan in contract.plans:
        through = [day for track, day in book.through.items() if track == f"{plan.key}:fee"]
        assert all(day <= (contract.ends_on or day) for day in through), "a fee beyond the end"
    assert book.deposit_left(contract).is_zero
    assert book.retained(contract).is_zero
    assert all(paper.balance.residual.is_zero for paper in engagement.posted())
    if book.kept is None:
        assert sum(c.quantity for c in book.charges() if c.kind in _DEPOSIT) == 0
    if book.forfeited is None:
        retained = [c for c in book.charges() if c.kind in _RETAINAGE]
        # Held back and freed again by corrections to nothing, it is never released.
        cancelled = [c for c in book.charges() if c.kind is ChargeKind.RETAINAGE]
        cancelled = [c for c in cancelled if c.key not in book.released]
        assert sum(c.quantity for c in retained) == sum(c.quantity for c in cancelled)
    assert {line.key for line in order_lines(contract)} >= book.delivered(contract).keys()
