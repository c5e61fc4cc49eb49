"""The project is handed over to delivery, follows change orders, and is watched."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from contracts.agenda.actions import Answered, Done, Failed
from contracts.changes import ChangeOrder
from contracts.contract.messages import BurnRequest
from contracts.contract.state import ContractStage
from contracts.handover import ServiceBurn
from contracts.metrics import STAFFED
from contracts.money import Money
from contracts.parking import Action as Choice
from contracts.views.details import contract_details
from contracts.views.statement import statement
from contracts.views.status import delivery
from tests.unit.contract import played as played_module
from tests.unit.contract.examples import fixed_price
from tests.unit.contract.played import ANA, PIA, Played, Refused

HANDOVER = {
    "manager": PIA,
    "people": [{"task": "design", "person": PIA, "hours": "8"}],
    "services": [{"service": "build", "hours": "100", "cost": "5000.00"}],
}
UNKNOWN = Failed("business", "person_not_in_odoo", "Odoo has no user with this address")


def played(**more: Any) -> Played:
    return Played(fixed_price(handover=HANDOVER), **more)


def change(life: Played, **what: Any) -> None:
    life.send(ChangeOrder(number=1, by="sam@northwind.example", reason="agreed", **what))
    life.approve_change(ANA)


def test_a_contract_without_a_hand_over_does_nothing_for_it() -> None:
    life = Played(fixed_price())
    change(life, reschedule={"live": "2026-06-01"})
    assert "hand_over" not in life.begun
    assert delivery(life.state) == []
    with pytest.raises(Refused, match="has no hand-over"):
        life.send(BurnRequest(by=PIA))


def test_a_project_is_handed_over_once_it_is_provisioned() -> None:
    life = played()
    assert life.begun == ["validate", "provision", "hand_over"]
    [plan] = life.odoo.handed
    assert (plan.version, plan.manager, plan.hours) == (1, PIA, Decimal(100))
    assert life.state.handed_over == plan
    assert life.state.odoo.task_ids["design"] == 70


def test_what_people_had_edited_is_noted() -> None:
    life = played(held_back={"hand_over"})
    life.odoo.kept = ["the manager: Ben, not pia"]
    life.release("hand_over")
    assert life.noted("Kept in the project, as people have edited it: the manager: Ben, not pia")


def test_each_version_is_handed_over_once_the_project_has_its_tasks() -> None:
    life = played()
    change(life, set={"handover.manager": "ben@northwind.example"})
    assert life.begun[-3:] == ["amend_order", "amend_project", "hand_over"]
    assert life.odoo.handed[-1].manager == "ben@northwind.example"
    assert life.state.handed_over is not None
    assert life.state.handed_over.version == 2


def test_a_hand_over_that_odoo_refuses_keeps_nothing_from_being_billed() -> None:
    life = played(held_back={"hand_over"})
    life.fates["hand_over"] = [UNKNOWN]
    life.release("hand_over")
    assert life.parked["hand_over"].allowed == (Choice.RETRY, Choice.SKIP)
    life.reach("design")
    assert list(life.invoices) == [1]
    life.resolve(Choice.RETRY, "hand_over")
    assert life.odoo.handed[-1].version == 1


def test_a_skipped_hand_over_leaves_the_project_until_the_next_version() -> None:
    life = played(held_back={"hand_over"})
    life.fates["hand_over"] = [UNKNOWN]
    life.release("hand_over")
    life.resolve(Choice.SKIP, "hand_over")
    assert (life.odoo.handed, life.state.exceptions) == ([], ())
    change(life, reschedule={"live": "2026-06-01"})
    assert [plan.version for plan in life.odoo.handed] == [2]


def test_a_change_order_that_takes_the_hand_over_away_is_the_last_one_handed_over() -> None:
    life = played()
    change(life, set={"handover": None})
    assert life.odoo.handed[-1].manager == ""
    assert life.begun.count("hand_over") == 2
    life.renew()
    assert life.begun.count("hand_over") == 2


# --- a staffed project ----------------------------------------------------------------------------


def measured(life: Played) -> list[tuple[str, Decimal | int]]:
    """What is measured when the burn is read."""
    life.held_back.add("burn")
    life.send(BurnRequest(by="the daily sweep"))
    action = life.acts.pop("burn")
    answer = Done(played_module._read_burn(life, action, None))
    found = life.tell(Answered("burn", answer)).metrics
    return [(item.name, item.value) for item in found]


def test_the_time_to_a_staffed_project_is_measured_once() -> None:
    life = played()
    assert life.state.staffed_on is None
    life.skip(days=3)
    life.odoo.staffed = True
    assert measured(life) == [(STAFFED, 23)]
    assert life.state.staffed_on == life.today
    life.skip(days=3)
    assert measured(life) == []


# --- burn -----------------------------------------------------------------------------------------


def burned(life: Played, hours: str, cost: str) -> None:
    life.odoo.burned = [ServiceBurn(service="build", hours=Decimal(hours), cost=Money(cost, "EUR"))]


def test_the_burn_is_read_for_whoever_asks_and_shown_everywhere() -> None:
    life = Played(fixed_price(handover=HANDOVER), system="hubspot")
    burned(life, "40", "2000.00")
    life.reach("design")
    life.issue(1)
    life.send(BurnRequest(by=PIA))
    assert life.state.burn_asked is None
    whole = "40 of 100 hours (40 %), 2000.00 EUR of 5000.00 EUR (40 %)"
    assert life.crm[-1].burn == f"{whole}, 30 % billed"
    assert f"In all: {whole}" in delivery(life.state)
    assert whole in contract_details(life.state)
    assert statement(life.state).burn[-1].percent_of_hours == 40


def test_what_is_asked_while_the_burn_is_read_is_read_once_more() -> None:
    """It may have been read before the news that somebody asks about."""
    life = played()
    life.held_back.add("burn")
    for _ in range(3):
        life.send(BurnRequest(by=PIA))
    assert life.begun.count("burn") == 1
    life.held_back.remove("burn")
    life.run()
    assert life.begun.count("burn") == 2
    assert life.state.burn_asked is None


def test_nothing_of_the_burn_is_written_before_it_is_known() -> None:
    life = Played(fixed_price(handover=HANDOVER), system="hubspot")
    assert life.crm[-1].burn == ""


def test_a_burn_that_cannot_be_read_keeps_what_was_known() -> None:
    life = played()
    burned(life, "40", "2000.00")
    life.send(BurnRequest(by=PIA))
    life.fates["burn"] = [Failed("business", "access_denied", "no right")]
    life.send(BurnRequest(by=PIA))
    assert life.parked["burn"].code == "access_denied"
    life.resolve(Choice.SKIP, "burn")
    assert life.state.burn is not None
    assert life.state.burn.services[0].hours == 40


def test_a_contract_with_a_hand_over_closes_as_any_other() -> None:
    life = played()
    life.reach("design", "build", "live")
    life.issue_and_settle_all()
    assert life.stage() is ContractStage.CLOSED


def test_a_run_that_goes_on_hands_nothing_over_again() -> None:
    life = played()
    life.renew()
    assert life.begun.count("hand_over") == 1
