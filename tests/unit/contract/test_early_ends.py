"""Early ends: a fee that is owed is billed, and what is taken back afterwards comes no more."""

from __future__ import annotations

from datetime import date

from contracts.contract.messages import (
    CreditRequest,
    MilestoneUnreached,
    Side,
    TerminationRequest,
)
from contracts.contract.state import ContractStage
from tests.unit.contract.examples import fixed_price
from tests.unit.contract.played import ANA, PIA, Played, eur


def _ends(life: Played, on: date, *, agreed: bool = False) -> None:
    words = {"side": Side.CUSTOMER, "by": ANA, "reason": "sold the branch"}
    life.send(TerminationRequest(on=on, agreed=agreed, **words))


def test_the_fee_of_an_early_end_that_was_accepted_is_billed() -> None:
    life = Played(fixed_price(termination={"fee": "500.00", "fee_service": "build"}))
    _ends(life, date(2026, 4, 30))
    life.reach("design", "build", "live")
    life.issue_and_settle_all()
    life.skip_to_day(date(2026, 5, 2))
    life.issue_and_settle_all()
    assert life.billed() == eur("10500.00")


def test_a_contract_that_ended_early_closes_once_a_milestone_is_credited() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.issue(1)
    life.send(MilestoneUnreached(milestone="design", by=PIA))
    _ends(life, life.today, agreed=True)
    life.skip(days=2)
    life.send(CreditRequest(number=1, by=ANA, reason="not delivered after all"))
    life.issue(2)
    life.settle(1, 2)
    life.skip(days=400)
    assert life.stage() is ContractStage.CLOSED
