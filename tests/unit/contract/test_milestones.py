"""Milestones that are reached, taken back, and reached again: what is billed, what Odoo shows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from contracts.changes import ChangeOrder
from contracts.contract import amendments, answers
from contracts.contract.messages import (
    Hold,
    HoldKind,
    HoldRequest,
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreached,
    MilestoneUnreachedInOdoo,
)
from contracts.contract.state import ContractState
from contracts.parking import Action as Choice
from tests.unit.contract import played
from tests.unit.contract.examples import fixed_price
from tests.unit.contract.played import ANA, NO_ANSWER, PIA, REFUSED, Played, Refused

TAKEN_BACK = MilestoneUnreached(milestone="design", by=PIA, reason="by mistake")


def is_reached(life: Played, key: str = "design") -> bool:
    return life.state.milestones[key].reached_on is not None


def id_of(life: Played, key: str = "design") -> int:
    return life.state.odoo.milestone_ids[key]


def hold_billing(life: Played) -> None:
    hold = Hold(by=ANA, reason="the order number is missing")
    life.send(HoldRequest(kind=HoldKind.BILLING, by=ANA, hold=hold))


def reached_and_held() -> Played:
    """Design is reached and marked so in Odoo; nothing of it is billed."""
    life = Played(fixed_price())
    hold_billing(life)
    life.reach("design")
    assert id_of(life) in life.odoo.reached
    return life


# --- what Odoo shows ------------------------------------------------------------------------------


def test_a_milestone_that_is_taken_back_is_unmarked_in_odoo() -> None:
    life = reached_and_held()
    life.send(TAKEN_BACK)
    assert id_of(life) not in life.odoo.reached
    assert life.state.milestones["design"].marked_in_odoo is False


def test_news_of_our_own_mark_reaches_no_milestone_that_was_taken_back() -> None:
    life = reached_and_held()
    marked_as_of = life.state.milestones["design"].marked_as_of
    found = MilestoneReachedInOdoo(milestone_id=id_of(life), as_of=marked_as_of)
    life.held_back = {"mark_milestone"}
    life.send(TAKEN_BACK)
    life.signal(found)  # while Odoo still shows it
    life.release("mark_milestone")
    life.signal(found)  # and afterwards
    assert not is_reached(life)


def test_a_mark_that_a_person_sets_after_it_was_taken_back_is_news() -> None:
    life = reached_and_held()
    life.send(TAKEN_BACK)
    later = life.now + timedelta(minutes=1)
    life.signal(MilestoneReachedInOdoo(milestone_id=id_of(life), as_of=later))
    assert life.state.milestones["design"].reached_by == "odoo"
    life.signal(
        MilestoneUnreachedInOdoo(milestone_id=id_of(life), as_of=later + timedelta(minutes=1))
    )
    assert not is_reached(life)


@pytest.mark.parametrize("in_order", [True, False], ids=["in order", "the later one first"])
@pytest.mark.parametrize("ends_reached", [True, False], ids=["reached", "not reached"])
def test_of_two_marks_within_a_second_the_one_that_odoo_shows_counts_in_any_order(
    ends_reached: bool, in_order: bool
) -> None:
    life = Played(fixed_price())
    hold_billing(life)
    if not ends_reached:
        life.reach("design")
    life.skip(minutes=1)
    news = [
        MilestoneReachedInOdoo(milestone_id=id_of(life), as_of=life.now),
        MilestoneUnreachedInOdoo(milestone_id=id_of(life), as_of=life.now),
    ]
    # As when somebody sets it, takes it back and perhaps sets it again: this is how it ends there.
    life.odoo.reached = {id_of(life)} if ends_reached else set()
    for mark in news if ends_reached is not in_order else reversed(news):
        life.signal(mark)
    assert is_reached(life) is ends_reached
    assert not life.state.milestones["design"].is_unclear


def test_a_second_look_that_odoo_refuses_is_an_exception_and_leaves_the_milestone_as_it_was() -> (
    None
):
    life = reached_and_held()
    seen = life.state.milestones["design"].marked_as_of
    life.fates["look_up_milestone"] = [REFUSED]
    life.signal(MilestoneUnreachedInOdoo(milestone_id=id_of(life), as_of=seen))
    assert life.parked["look_up_milestone:design"].allowed == (Choice.RETRY, Choice.SKIP)
    life.resolve(Choice.SKIP)
    assert is_reached(life)
    assert not life.parked


def test_a_milestone_is_not_marked_over_what_somebody_may_have_set_in_the_same_second() -> None:
    life = reached_and_held()
    life.send(TAKEN_BACK)
    seen = life.state.milestones["design"].marked_as_of
    life.odoo.reached = {id_of(life)}
    life.held_back = {"look_up_milestone"}
    life.signal(MilestoneReachedInOdoo(milestone_id=id_of(life), as_of=seen))
    life.reach("design")
    life.send(TAKEN_BACK)
    assert life.begun.count("mark_milestone:design") == 2
    life.release("look_up_milestone")
    assert is_reached(life)


def test_a_milestone_whose_invoice_was_rejected_is_unmarked_and_not_billed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    amends = played._PERFORM[amendments.AMEND_PROJECT]

    def reports_marks(life: Played, action: object, asked: object) -> answers.ProjectAmended:
        found: answers.ProjectAmended = amends(life, action, asked)  # type: ignore[arg-type]
        marks = [MilestoneReachedInOdoo(milestone_id=i, as_of=life.now) for i in life.odoo.reached]
        return answers.ProjectAmended(found.milestone_ids, found.task_ids, tuple(marks))

    monkeypatch.setitem(played._PERFORM, amendments.AMEND_PROJECT, reports_marks)
    life = Played(fixed_price())
    life.reach("design")
    life.send(TAKEN_BACK)
    life.reject(1)
    later = {"design": date(2027, 3, 1)}
    life.send(ChangeOrder(number=1, by=PIA, reason="later", reschedule=later))
    life.approve_change()
    assert life.state.terms.version == 2
    assert not is_reached(life)
    assert list(life.invoices) == [1]


def test_a_milestone_that_stands_after_its_review_stays_marked() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.send(TAKEN_BACK)
    life.resolve(Choice.SKIP, "review:design")
    assert id_of(life) in life.odoo.reached
    assert life.begun.count("mark_milestone:design") == 0


def test_a_mark_that_may_have_been_set_is_taken_back_with_its_milestone() -> None:
    life = Played(fixed_price())
    hold_billing(life)
    life.held_back = {"mark_milestone"}
    life.reach("design")
    life.finish("mark_milestone:design", lost=True)
    assert id_of(life) in life.odoo.reached
    life.held_back = set()
    life.send(TAKEN_BACK)
    assert id_of(life) not in life.odoo.reached


def test_a_milestone_that_odoo_cannot_unmark_is_left_as_it_is_by_a_skip() -> None:
    life = reached_and_held()
    seen = life.state.milestones["design"].marked_as_of
    life.fates["mark_milestone"] = [REFUSED]
    life.send(TAKEN_BACK)
    assert life.parked["mark_milestone:design"].basis == "planned"
    life.skip(minutes=1)
    life.resolve(Choice.SKIP)
    life.signal(MilestoneReachedInOdoo(milestone_id=id_of(life), as_of=seen))
    assert not is_reached(life)


def test_an_unmark_that_nobody_answers_is_tried_again() -> None:
    life = reached_and_held()
    life.fates["mark_milestone"] = [NO_ANSWER]
    life.send(TAKEN_BACK)
    life.skip(minutes=5)
    assert id_of(life) not in life.odoo.reached
    assert life.state.exceptions == ()


# --- reports --------------------------------------------------------------------------------------


def test_a_report_that_is_delivered_again_reaches_nothing_that_was_taken_back() -> None:
    life = Played(fixed_price())
    hold_billing(life)
    report = MilestoneReached(milestone="design", by="jira", as_of=life.now)
    life.signal(report)
    life.send(TAKEN_BACK)
    life.signal(report)
    assert not is_reached(life)
    life.signal(report.model_copy(update={"as_of": life.now + timedelta(seconds=1)}))
    assert is_reached(life)


def test_a_milestone_is_not_reached_on_a_day_that_lies_ahead() -> None:
    life = Played(fixed_price())
    for on in (date(2099, 1, 1), life.today + timedelta(days=1)):
        with pytest.raises(Refused, match="lies ahead"):
            life.send(MilestoneReached(milestone="design", by=PIA, on=on))
    life.send(MilestoneReached(milestone="design", by=PIA, on=life.today))
    assert list(life.invoices) == [1]


def test_a_day_that_lies_ahead_is_refused_before_the_contract_is_validated_too() -> None:
    life = Played(fixed_price(), held_back={"validate"})
    # Which day it is there is known once the contract is validated.
    ahead = MilestoneReached(milestone="design", by=PIA, on=life.today + timedelta(days=1))
    life.send(ahead)
    with pytest.raises(Refused, match="lies ahead"):
        life.send(ahead.model_copy(update={"on": life.today + timedelta(days=2)}))
    life.release("validate")
    assert life.noted("Refused milestone design: 2026-03-03 lies ahead")
    assert not is_reached(life)


# --- before the contract is validated -------------------------------------------------------------


def test_a_milestone_that_is_taken_back_before_the_contract_is_validated_is_not_billed() -> None:
    life = Played(fixed_price(), held_back={"validate"})
    life.reach("design", "live")
    life.send(TAKEN_BACK)
    carried = ContractState.model_validate_json(life.state.model_dump_json())
    assert carried.early_milestones == life.state.early_milestones
    life.release("validate")
    assert [item.proposal.amount.amount for item in life.invoices.values()] == [1000]


def test_what_is_reported_early_counts_in_its_order() -> None:
    life = Played(fixed_price(), held_back={"validate"})
    life.send(TAKEN_BACK)
    life.reach("design")
    life.release("validate")
    assert list(life.invoices) == [1]
