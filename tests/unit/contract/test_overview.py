"""What the page of a contract says of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from contracts.agenda.actions import ClockRang
from contracts.contract.messages import CancelRequest
from contracts.contract.state import ContractStage
from contracts.views.overview import contract_overview
from contracts.views.timeline import timeline
from tests.unit.contract import examples
from tests.unit.contract.played import OLGA, Played


def test_a_milestone_is_late_until_it_is_reached_or_the_contract_has_ended() -> None:
    data = examples.fixed_price()
    data["milestones"][0]["due_on"] = "2026-03-09"
    life = Played(data)
    key = data["milestones"][0]["key"]

    def late() -> list[str]:
        return [row.key for row in contract_overview(life.state).milestones if row.is_late]

    life.now += timedelta(days=7)
    life.tell(ClockRang())
    assert late() == []
    life.now += timedelta(days=1)
    life.tell(ClockRang())
    assert late() == [key]
    life.send(CancelRequest(by=OLGA, reason="the customer has no budget"))
    life.run()
    assert life.state.stage is ContractStage.CANCELLED
    assert late() == []


def test_what_is_proposed_before_business_opens_is_dated_on_its_own_day() -> None:
    life = Played(examples.fixed_price())
    life.run()
    life.skip_to(datetime(2026, 3, 10, 5, tzinfo=UTC))
    life.reach(examples.fixed_price()["milestones"][0]["key"])
    life.run()
    assert life.state.billing is not None
    [invoice] = life.state.billing.invoices.values()
    assert invoice.proposed_on == date(2026, 3, 9)  # the billing day
    [on] = [item.on for item in timeline(life.state).past if item.text.startswith("Proposed")]
    assert on == date(2026, 3, 10)
