"""Whole lives of contracts, driven through the pure core: signature to close-out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CreditRequest,
    Hold,
    HoldKind,
    HoldRequest,
    MilestoneUnreached,
    NoticeGiven,
    Side,
    TerminationRequest,
    TerminationWithdrawn,
)
from contracts.contract.state import ContractStage, Ending
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action as Choice
from tests.unit.contract.examples import fixed_price, hourly, retained
from tests.unit.contract.played import (
    ANA,
    BOB,
    OLGA,
    PIA,
    REFUSED,
    SAM,
    Played,
    Refused,
    Worked,
    eur,
)


def change(life: Played, **what: Any) -> None:
    order: dict[str, Any] = {"number": 1, "by": SAM, "reason": "agreed", **what}
    life.send(ChangeOrder.model_validate(order))


def test_a_contract_of_three_milestones_is_billed_settled_and_closed() -> None:
    life = Played(fixed_price())
    assert life.stage() is ContractStage.ACTIVE
    life.reach("design", "build", "live")
    assert [item.proposal.amount for item in life.invoices.values()] == [
        eur("3000.00"),
        eur("6000.00"),
        eur("1000.00"),
    ]
    life.issue(1, 2, 3)
    assert life.stage() is ContractStage.CLOSING
    life.settle(1, 2)
    assert life.stage() is ContractStage.CLOSING
    life.settle(3)
    assert (life.state.stage, life.state.ending) == (ContractStage.CLOSED, Ending.COMPLETED)
    assert life.has_ended
    assert life.odoo.is_archived
    assert life.begun == [
        "validate",
        "provision",
        "start:1",
        "start:2",
        "start:3",
        "close_out",
    ]


def test_milestones_are_marked_by_the_draft_or_at_once_where_billing_is_on_hold() -> None:
    life = Played(fixed_price())
    life.reach("design")
    ids = life.state.odoo.milestone_ids
    assert life.odoo.reached == {ids["design"]}
    hold = Hold(by=OLGA, reason="audit")
    life.send(HoldRequest(kind=HoldKind.BILLING, by=OLGA, hold=hold))
    life.reach("build")
    assert list(life.invoices) == [1]
    assert life.odoo.reached == {ids["design"], ids["build"]}
    assert life.state.waiting.on == "hold"
    life.send(HoldRequest(kind=HoldKind.BILLING, by=OLGA))
    assert list(life.invoices) == [1, 2]
    assert life.invoices[2].reached == ()
    with pytest.raises(Refused, match="no billing hold"):
        life.send(HoldRequest(kind=HoldKind.BILLING, by=OLGA))


def test_a_hold_on_dunning_is_told_to_each_open_invoice_once_and_to_those_that_come() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.issue(1)
    hold = Hold(by=OLGA, reason="talks")
    life.send(HoldRequest(kind=HoldKind.DUNNING, by=OLGA, hold=hold))
    life.reach("build")
    assert [bool(item.hold) for item in life.invoices.values()] == [True, True]
    assert life.begun.count("dunning_hold:1") == 1
    life.send(HoldRequest(kind=HoldKind.DUNNING, by=OLGA))
    assert [bool(item.hold) for item in life.invoices.values()] == [False, False]


def test_a_billing_hold_ends_by_itself_after_its_last_day() -> None:
    life = Played(fixed_price())
    hold = Hold(by=OLGA, reason="audit", until=life.today + timedelta(days=20))
    life.send(HoldRequest(kind=HoldKind.BILLING, by=OLGA, hold=hold))
    life.reach("design")
    life.skip(days=19)
    assert life.invoices == {}
    life.skip(days=3)
    assert list(life.invoices) == [1]
    assert life.noted("The billing hold until")


def test_a_rejected_proposal_is_proposed_again_with_a_new_number_or_waived() -> None:
    life = Played(fixed_price())
    life.reach("design", "build")
    life.reject(1)
    assert life.parked["proposal:design"].code == "proposal_rejected"
    # One does not hold up the other.
    life.issue(2)
    life.resolve(Choice.RETRY)
    assert list(life.invoices) == [1, 2, 3]
    life.reject(3)
    life.resolve(Choice.SKIP, "proposal:design")
    life.reach("live")
    life.issue(4)
    life.settle(2, 4)
    assert life.stage() is ContractStage.CLOSED
    assert life.billed() == eur("7000.00")


def test_a_draft_that_was_never_made_leaves_its_milestone_to_the_next_one() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.reject(1)
    assert not life.state.milestones["design"].marked_in_odoo
    life.resolve(Choice.RETRY)
    assert life.invoices[2].reached == (life.state.odoo.milestone_ids["design"],)


def test_an_invoice_is_credited_and_billed_again_and_the_contract_comes_back_for_it() -> None:
    life = Played(fixed_price())
    life.reach("design", "build", "live")
    life.issue(1, 2, 3)
    life.send(CreditRequest(number=1, by=OLGA, reason="wrong address", reinvoice=True))
    assert life.stage() is ContractStage.ACTIVE
    assert OLGA in life.invoices[4].requested_by
    assert life.invoices[4].is_credit
    life.issue(4)
    assert life.invoices[5].proposal.amount == eur("3000.00")
    life.issue(5)
    life.settle(1, 2, 3, 4, 5)
    assert life.stage() is ContractStage.CLOSED
    assert life.billed() == eur("10000.00")


def test_a_milestone_unreached_before_it_is_proposed_can_be_reached_again() -> None:
    life = Played(fixed_price())
    hold = Hold(by=OLGA, reason="audit")
    life.send(HoldRequest(kind=HoldKind.BILLING, by=OLGA, hold=hold))
    life.reach("design")
    life.send(MilestoneUnreached(milestone="design", by=PIA))
    life.send(HoldRequest(kind=HoldKind.BILLING, by=OLGA))
    assert life.invoices == {}
    life.reach("design")
    assert list(life.invoices) == [1]


def test_a_milestone_unreached_after_its_invoice_goes_to_review_and_back_once_credited() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.issue(1)
    life.send(MilestoneUnreached(milestone="design", by=PIA))
    assert life.parked["review:design"].code == "milestone_unreached"
    assert list(life.invoices) == [1]
    life.send(CreditRequest(number=1, by=OLGA, reason="not reached"))
    life.issue(2)
    assert life.state.exceptions == ()
    assert life.state.milestones["design"].reached_on is None
    life.reach("design")
    assert life.invoices[3].proposal.amount == eur("3000.00")


def test_a_reviewed_invoice_stands_by_a_persons_word_or_is_reached_again() -> None:
    life = Played(fixed_price())
    life.reach("design", "build")
    life.issue(1, 2)
    for key in ("design", "build"):
        life.send(MilestoneUnreached(milestone=key, by=PIA))
    life.resolve(Choice.SKIP, "review:design")
    assert life.state.milestones["design"].reached_on is not None
    life.reach("build")
    assert life.state.exceptions == ()
    assert list(life.invoices) == [1, 2]


# --- plans ----------------------------------------------------------------------------------------


def test_hours_are_read_and_billed_after_their_period_and_looked_at_once_more_at_the_end() -> None:
    life = Played(hourly(ends_on="2026-04-30"))
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("7.5"))
    life.skip_to_day(date(2026, 4, 1))
    assert life.invoices[1].proposal.amount == eur("900.00")
    life.issue(1)
    life.skip_to_day(date(2026, 5, 1))
    assert list(life.invoices) == [1]
    life.odoo.lines[2] = Worked("dev", date(2026, 4, 29), Decimal("1"))
    life.settle(1)
    assert life.invoices[2].proposal.amount == eur("120.00")
    life.issue(2)
    life.settle(2)
    assert life.stage() is ContractStage.CLOSED
    assert life.state.ending is Ending.EXPIRED


def test_one_plan_that_cannot_be_read_holds_up_no_other() -> None:
    life = Played(hourly(second=True))
    life.held_back = {"read_time"}
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("7.5"))
    life.odoo.lines[2] = Worked("ops", date(2026, 3, 5), Decimal("1"))
    life.skip_to_day(date(2026, 4, 1))
    assert set(life.acts) == {"read:dev", "read:ops"}
    life.finish("read:dev")
    life.run()
    # It is about to be read: what is due on the same day is one invoice.
    assert life.invoices == {}
    life.fates["read_time"] = [REFUSED]
    life.finish("read:ops")
    life.held_back = set()
    life.run()
    assert [item.proposal.amount for item in life.invoices.values()] == [eur("900.00")]
    assert life.parked["read:ops"].allowed == (Choice.RETRY, Choice.CANCEL)
    life.resolve(Choice.RETRY)
    assert life.invoices[2].proposal.amount == eur("80.00")


def test_a_cap_is_let_pass_by_name_and_holds_up_no_other_plan() -> None:
    life = Played(hourly(second=True, cap="500.00"))
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("7.5"))
    life.odoo.lines[2] = Worked("ops", date(2026, 3, 5), Decimal("1"))
    life.skip_to_day(date(2026, 4, 1))
    assert life.invoices[1].proposal.amount == eur("80.00")
    [parked] = life.state.exceptions
    assert (parked.code, parked.allowed) == (
        "cap_reached",
        (Choice.RETRY, Choice.SKIP, Choice.CANCEL),
    )
    life.resolve(Choice.SKIP, parked.step)
    assert life.invoices[2].proposal.amount == eur("500.00")
    assert life.state.account.caps_allowed["dev"].by == OLGA


def test_hours_without_a_rate_are_not_skipped_and_go_on_once_a_rate_is_agreed() -> None:
    life = Played(hourly(rates=[{"price": "120.00", "role": "Architect"}]))
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("2"))
    life.skip_to_day(date(2026, 4, 1))
    [parked] = life.state.exceptions
    assert (parked.code, parked.allowed) == ("rate_missing", (Choice.RETRY, Choice.CANCEL))
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("2"), role="Architect")
    reads = life.begun.count("read:dev")
    life.resolve(Choice.RETRY, parked.step)
    assert life.begun.count("read:dev") == reads + 1
    assert life.state.exceptions == ()
    assert life.invoices[1].proposal.amount == eur("240.00")


def test_a_corrected_job_title_ends_a_missing_rate_by_itself_and_a_promotion_changes_no_price() -> (
    None
):
    """Issue 11, number 11: a job title in Odoo changes no timesheet line there."""
    life = Played(hourly(rates=[{"price": "120.00", "role": "Architect"}]))
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("2"))
    life.skip_to(datetime(2026, 4, 1, 7, 30, tzinfo=UTC))
    [parked] = life.state.exceptions
    assert (parked.code, life.begun.count("read:dev")) == ("rate_missing", 2)
    assert parked.since == datetime(2026, 4, 1, 7, 0, tzinfo=UTC)
    life.skip(hours=1)
    [parked] = life.state.exceptions
    assert (parked.attempts, life.begun.count("read:dev")) == (3, 3), "ever more seldom"
    assert parked.since == datetime(2026, 4, 1, 7, 0, tzinfo=UTC)
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("2"), role="Architect")
    life.skip(hours=2)
    assert life.state.exceptions == ()
    assert life.invoices[1].proposal.amount == eur("240.00")
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("3"), role="Partner")
    life.issue_and_settle_all()
    life.skip_to_day(date(2026, 5, 2))
    assert life.invoices[2].proposal.amount == eur("120.00")


def test_what_exceeds_the_purchase_order_waits_for_a_person() -> None:
    life = Played(fixed_price(purchase_order_limit="5000.00"))
    life.reach("design", "build", "live")
    assert life.parked["purchase_order:build"].code == "purchase_order_limit"
    assert sorted(item.proposal.amount for item in life.invoices.values()) == [
        eur("1000.00"),
        eur("3000.00"),
    ]
    # Odoo shows it as reached all the same.
    assert life.state.odoo.milestone_ids["build"] in life.odoo.reached
    life.resolve(Choice.SKIP)
    assert life.invoices[3].proposal.amount == eur("6000.00")


# --- changes --------------------------------------------------------------------------------------


def test_a_change_order_is_approved_and_odoo_follows_before_anything_is_billed() -> None:
    life = Played(fixed_price())
    life.held_back = {"amend_project"}
    change(life, reprice={"live": "3500.00"})
    assert life.state.waiting.on == "approval"
    life.reach("design")
    assert list(life.invoices) == [1]
    with pytest.raises(Refused, match="awaits its approval first"):
        change(life, drop=["live"])
    life.approve_change(ANA, BOB)
    assert life.state.terms.version == 2
    life.reach("build")
    assert list(life.invoices) == [1]
    life.release("amend_project")
    assert list(life.invoices) == [1, 2]
    assert life.odoo.order_version == life.state.terms
    assert life.state.versions[-1].approved == f"{ANA}, {BOB}"


def test_two_versions_reach_odoo_one_after_the_other() -> None:
    life = Played(fixed_price())
    life.held_back = {"amend_order"}
    change(life, reprice={"live": "3500.00"})
    life.approve_change(ANA, BOB)
    change(life, reprice={"live": "5500.00"})
    life.approve_change(ANA, BOB)
    assert life.state.terms.version == 3
    life.release("amend_order")
    assert life.begun.count("amend_order") == life.begun.count("amend_project") == 2
    assert life.state.order_version == life.state.terms


def test_a_rejected_or_void_change_order_leaves_everything_as_it_was() -> None:
    life = Played(fixed_price())
    change(life, drop=["live"])
    life.approve_change(ANA, reject="they must pay for it")
    assert (life.state.change, life.state.terms.version) == (None, 1)
    change(life, reprice={"design": "1.00"})
    life.reach("design")
    life.approve_change(ANA, BOB)
    assert life.noted("is void")
    assert life.state.terms.version == 1


def test_approvers_are_reminded_then_others_are_asked_and_may_decide() -> None:
    life = Played(fixed_price())
    change(life, reprice={"live": "3500.00"})
    life.skip(days=3)
    assert life.odoo.notes == ["notify:change_order"]
    life.skip(days=10)
    assert life.odoo.notes == ["notify:change_order"] * 2
    assert life.state.change is not None
    life.approve_change("cleo@northwind.example", ANA)
    assert life.state.terms.version == 2


def test_an_early_end_is_withdrawn_or_takes_effect_after_its_last_day() -> None:
    life = Played(fixed_price())
    on = life.today + timedelta(days=10)
    request = TerminationRequest(side=Side.FIRM, by=SAM, reason="stopped", on=on, agreed=True)
    life.send(request)
    with pytest.raises(Refused, match="already ends on"):
        life.send(request)
    life.send(TerminationWithdrawn(by=SAM))
    life.skip(days=20)
    assert life.state.terms.version == 1
    request = request.model_copy(update={"on": life.today + timedelta(days=10)})
    life.reach("design")
    life.send(request)
    # A change order is possible in the notice period.
    change(life, reprice={"live": "3500.00"})
    life.approve_change(ANA, BOB)
    life.skip(days=12)
    assert life.state.terminated
    assert [item.key for item in life.state.terms.milestones] == ["design"]
    with pytest.raises(Refused, match="ended on"):
        life.send(TerminationWithdrawn(by=SAM))
    life.issue(1)
    life.settle(1)
    assert (life.state.stage, life.state.ending) == (ContractStage.CLOSED, Ending.TERMINATED)


def test_a_term_is_renewed_unless_notice_is_given_in_time() -> None:
    life = Played(
        retained(
            ends_on="2026-04-30", term={"auto_renew": True, "renew_months": 2, "notice_days": 10}
        )
    )
    life.skip_to_day(date(2026, 4, 25))
    assert life.state.terms.ends_on == date(2026, 6, 30)
    life.send(NoticeGiven(side=Side.CUSTOMER, by=OLGA))
    life.skip_to_day(date(2026, 6, 30))
    life.issue_and_settle_all()
    assert life.stage() is ContractStage.ACTIVE
    life.skip_to_day(date(2026, 7, 1))
    assert (life.state.stage, life.state.ending) == (ContractStage.CLOSED, Ending.EXPIRED)
    assert life.billed() == eur("4000.00")


# --- invoices that end otherwise ------------------------------------------------------------------


def test_an_invoice_hears_of_a_renewed_run_once_in_its_life() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.issue(1)
    life.renew()
    life.renew()
    life.reach("build")
    life.renew()
    assert [item.asked_to_report for item in life.invoices.values()] == [1, 1]
    life.reach("live")
    life.issue(2, 3)
    life.settle(1, 2, 3)
    assert life.stage() is ContractStage.CLOSED
    assert life.state.reporting_end == life.state.followed == ()


def test_an_invoice_of_an_earlier_run_that_is_gone_is_noticed_once_it_is_told_something() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.issue(1)
    life.renew()
    life.lose(1)
    assert life.state.exceptions == ()
    life.send(HoldRequest(kind=HoldKind.DUNNING, by=OLGA, hold=Hold(by=OLGA, reason="talks")))
    assert life.parked["follow:1"].code == "invoice_ended"
    life.resolve(Choice.SKIP, "follow:1")
    assert life.state.invoices[1].stage is InvoiceStage.SETTLED


def test_an_invoice_whose_workflow_is_gone_is_for_a_person_and_then_goes_on() -> None:
    life = Played(fixed_price())
    life.reach("design", "build", "live")
    life.issue(1, 2)
    life.lose(2)
    assert life.parked["follow:2"].code == "invoice_ended"
    life.lose(3)
    life.resolve(Choice.SKIP, "follow:2")
    life.resolve(Choice.SKIP, "follow:3")
    assert life.state.invoices[2].stage is InvoiceStage.SETTLED
    assert life.parked["proposal:live"].code == "proposal_rejected"
    life.resolve(Choice.SKIP)
    life.settle(1)
    assert life.stage() is ContractStage.CLOSED


def test_the_crm_hears_of_every_change_and_last_of_the_end() -> None:
    life = Played(fixed_price(), system="hubspot")
    life.reach("design", "build", "live")
    life.issue(1, 2, 3)
    life.held_back = {"write_back"}
    life.settle(1, 2, 3)
    assert life.stage() is ContractStage.CLOSED
    assert not life.has_ended
    life.release("write_back")
    assert life.has_ended
    assert life.crm[-1].stage == "closed"


def test_a_crm_that_cannot_be_told_is_tried_again_and_not_told_of_itself() -> None:
    life = Played(fixed_price(), system="hubspot")
    life.fates["write_back"] = [REFUSED]
    life.reach("design")
    life.issue(1)
    assert life.parked["write_back"].code == "not_today"
    count = life.begun.count("write_back")
    life.reach("build")
    life.issue(2)
    assert life.begun.count("write_back") == count
    life.resolve(Choice.RETRY, "write_back")
    assert life.crm[-1].waiting_on == "milestone"


def test_hours_of_a_period_settled_for_good_are_for_a_person() -> None:
    life = Played(hourly(ends_on="2028-12-31"))
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("7.5"))
    for month in range(20):
        life.skip(days=31)
        life.issue_and_settle_all()
        life.odoo.lines[2 + month] = Worked("dev", life.today, Decimal("1"))
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("9"))
    life.skip(days=31)
    assert life.parked["too_late:dev"].code == "period_settled"
    count = len(life.invoices)
    life.resolve(Choice.SKIP, "too_late:dev")
    life.odoo.lines[99] = Worked("dev", life.today, Decimal("1"))
    life.skip(days=31)
    life.issue_and_settle_all()
    assert len(life.invoices) > count
