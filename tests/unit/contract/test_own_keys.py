"""Credits of one invoice, metered records, milestones and service credits have their own keys."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CreditRequest,
    Hold,
    HoldKind,
    HoldRequest,
    ServiceCredit,
    UsageReport,
)
from contracts.money import Money
from tests.unit.contract.examples import _contract, fixed_price, retained
from tests.unit.contract.played import ANA, BOB, PIA, Played, Refused, eur


def test_every_credit_that_was_accepted_is_proposed() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.issue(1)
    life.send(CreditRequest(number=1, amount=eur("10.00"), by=ANA, reason="late"))
    life.send(CreditRequest(number=1, amount=eur("20.00"), by=ANA, reason="half a day"))
    hold = Hold(by=ANA, reason="the order number is missing")
    life.send(HoldRequest(kind=HoldKind.BILLING, by=ANA, hold=hold))
    life.issue(2)  # the first credit note, which was proposed before the hold
    life.send(CreditRequest(number=1, amount=eur("30.00"), by=ANA, reason="a whole day"))
    life.send(HoldRequest(kind=HoldKind.BILLING, by=ANA))
    while waiting := [n for n, item in life.invoices.items() if item.report.total is None]:
        life.issue(*waiting)
    credited = [item.proposal.amount for item in life.invoices.values() if item.is_credit]
    assert credited == [eur("-10.00"), eur("-20.00"), eur("-30.00")]


def _metered() -> Any:
    service = {"key": "net", "code": "USAGE", "description": "Network", "amount": "2000.00"}
    plans = [
        {"key": key, "service": "net", "unit": key, "tiers": [{"price": price}]}
        for key, price in (("calls", "0.50"), ("messages", "1.00"))
    ]
    days = {"starts_on": "2026-03-01", "ends_on": "2026-12-31"}
    return _contract(value="2000.00", services=[service], usage=plans, **days)


def _report(plan: str) -> UsageReport:
    record = UsageRecord(id="r1", plan=plan, on=date(2026, 3, 10), quantity=Decimal(100))
    return UsageReport(records=(record,))


def test_a_metered_record_is_billed_once_whatever_plan_it_was_reported_for_first() -> None:
    life = Played(_metered())
    life.send(_report("calls"))
    assert life.send(_report("messages")).taken == 1
    life.skip_to_day(date(2026, 4, 2))
    billed = [item.proposal.amount for item in life.invoices.values()]
    assert Money.total(billed, "EUR") == eur("100.00")


def _changes(life: Played, **what: object) -> None:
    order = {"number": 1, "by": PIA, "reason": "agreed", **what}
    life.send(ChangeOrder.model_validate(order))
    for person in (ANA, BOB):
        if life.state.change is not None:
            life.approve_change(person)


def test_a_new_milestone_under_an_old_key_is_billed_once_it_is_reached() -> None:
    life = Played(fixed_price())
    hold = Hold(by=ANA, reason="the scope changes")
    life.send(HoldRequest(kind=HoldKind.BILLING, by=ANA, hold=hold))
    life.reach("live")
    _changes(life, drop=("live",))
    life.send(HoldRequest(kind=HoldKind.BILLING, by=ANA))
    again = {"key": "live", "name": "Phase 2", "service": "build", "amount": "9000.00"}
    _changes(life, add_milestones=(again,))
    assert life.state.terms.version == 3
    assert life.state.milestones["live"].reached_on is None
    assert [item.proposal.amount for item in life.invoices.values()] == []


def test_a_service_credit_that_is_known_with_another_amount_is_refused() -> None:
    life = Played(retained())

    def owed(amount: str) -> ServiceCredit:
        words = {"retainer": "care", "reference": "SLA-1", "reason": "two hours", "by": ANA}
        return ServiceCredit(amount=eur(amount), **words)

    life.send(owed("100.00"))
    life.send(owed("100.00"))
    with pytest.raises(Refused, match=r"SLA-1 of care is known as 100\.00 EUR, not 200\.00 EUR"):
        life.send(owed("200.00"))
