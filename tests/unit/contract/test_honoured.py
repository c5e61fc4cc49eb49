"""What a contract has accepted it serves, whatever else is parked, held or out of reach."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.agenda.actions import Failed
from contracts.billing.posting import ledger_of
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CustomerRefresh,
    Hold,
    HoldKind,
    HoldRequest,
    Side,
    TerminationRequest,
    TerminationWithdrawn,
    UsageReport,
    UsageTaken,
)
from contracts.contract.state import ContractStage, ContractState
from contracts.invoice.state import InvoiceStage
from contracts.model import JsonObject
from contracts.parking import Action as Choice
from tests.unit.contract.examples import fixed_price, hourly, retained
from tests.unit.contract.played import ANA, BOB, OLGA, REFUSED, SAM, Played, Refused, Worked, eur


def worked(life: Played, on: date, hours: str, plan: str = "dev", **more: Any) -> None:
    """A timesheet line is approved in Odoo."""
    number = len(life.odoo.lines) + 1
    life.odoo.lines[number] = Worked(plan=plan, on=on, hours=Decimal(hours), **more)


def changed(life: Played, **change: object) -> None:
    """A change order is proposed and approved."""
    number = life.state.change_orders + 1
    life.send(ChangeOrder(number=number, by=SAM, reason="as agreed", **change))
    for person in (ANA, BOB):
        if life.state.change is not None:
            life.approve_change(person)


# --- sums that do not agree -----------------------------------------------------------------------


def test_nothing_is_proposed_while_the_sums_of_billing_do_not_agree() -> None:
    life = Played(fixed_price())
    life.send(hold(HoldKind.BILLING))
    life.reach("design")
    index = ledger_of(life.state.account, life.state.billing_day).index
    index.entitled["milestone:design"] = index.entitled["milestone:design"]._replace(
        amount=Decimal("2000.00")
    )
    life.send(HoldRequest(kind=HoldKind.BILLING, by=OLGA))
    assert life.invoices == {}
    [parked] = life.state.exceptions
    assert parked.code == "billing_inconsistent"
    assert "the index of entitled is not up to date: milestone:design" in parked.message
    # Read again, the state is what it was: everything is derived from it anew.
    life.renew()
    life.resolve(Choice.RETRY)
    assert life.state.exceptions == ()
    assert life.invoices[1].proposal.amount == eur("3000.00")


# --- a hold, and many invoices --------------------------------------------------------------------


def many(count: int) -> JsonObject:
    """A milestone of 20 EUR each."""
    milestones = [
        {"key": f"m{n}", "name": f"Part {n}", "service": "build", "amount": "20.00"}
        for n in range(count)
    ]
    service = {"key": "build", "code": "BUILD", "description": "Build", "amount": f"{20 * count}"}
    return {
        **fixed_price(services=[service]),
        "value": f"{20 * count}.00",
        "milestones": milestones,
    }


def hold(kind: HoldKind) -> HoldRequest:
    return HoldRequest(kind=kind, by=OLGA, hold=Hold(by=OLGA, reason="talks"))


def test_a_hold_reaches_every_invoice_though_one_is_dead_and_one_is_only_starting() -> None:
    life = Played(fixed_price())
    life.reach("design", "build")
    life.issue(1, 2)
    life.invoices[1].is_ended = True  # Its workflow is gone, and nobody has noticed.
    life.held_back = {"dunning_hold", "start_invoice"}
    life.send(hold(HoldKind.DUNNING))
    life.reach("live")
    life.release("dunning_hold")
    life.release("start_invoice")
    assert [life.invoices[n].hold is not None for n in (1, 2, 3)] == [False, True, True]
    life.send(HoldRequest(kind=HoldKind.DUNNING, by=OLGA))
    assert [life.invoices[n].hold for n in (2, 3)] == [None, None]


def test_a_hold_that_is_released_while_an_invoice_is_told_of_it_is_released_there_too() -> None:
    life = Played(fixed_price(), held_back={"dunning_hold"})
    life.reach("design")
    life.issue(1)
    life.send(hold(HoldKind.DUNNING))
    assert "dunning_hold:1" in life.state.running
    life.send(HoldRequest(kind=HoldKind.DUNNING, by=OLGA))
    life.release("dunning_hold")
    assert life.invoices[1].hold is None


def test_each_of_many_open_invoices_is_asked_once_in_its_life_to_report_its_end() -> None:
    life = Played(many(60))
    life.reach(*(f"m{n}" for n in range(60)))
    life.issue(*range(1, 61))
    for _ in range(3):
        life.renew()
    assert {item.asked_to_report for item in life.invoices.values()} == {1}
    life.settle(*range(1, 61))
    assert life.state.stage is ContractStage.CLOSED


# --- one that is parked holds up no other ---------------------------------------------------------


def test_a_refresh_that_waits_for_the_crm_holds_up_no_invoice() -> None:
    life = Played(fixed_price(), system="hubspot", held_back={"refresh"})
    life.send(CustomerRefresh(by=SAM))
    assert "refresh" in life.state.running
    life.reach("design")
    life.issue(1)
    assert life.state.invoices[1].stage is InvoiceStage.OPEN


def test_a_deal_that_changes_while_it_is_refreshed_is_read_once_more() -> None:
    life = Played(fixed_price(), system="hubspot")
    life.held_back.add("refresh")
    life.deal = fixed_price(purchase_order="PO-2")
    life.send(CustomerRefresh(by="hubspot"))
    read = life.state.running["refresh"]
    life.send(CustomerRefresh(by="hubspot"))
    assert life.state.running["refresh"] is read
    life.release("refresh")
    assert life.begun.count("refresh") == 2


def test_a_plan_that_cannot_be_read_holds_up_no_other_plan() -> None:
    life = Played(hourly(second=True))
    worked(life, date(2026, 3, 10), "10")
    worked(life, date(2026, 3, 10), "5", plan="ops")
    life.fates["read_time"] = [REFUSED]
    life.skip_to_day(date(2026, 4, 2))
    assert list(life.parked) == ["read:dev"]
    assert [item.proposal.amount for item in life.invoices.values()] == [eur("400.00")]
    life.resolve(Choice.RETRY)
    assert life.invoices[2].proposal.amount == eur("1200.00")


def test_a_quantity_that_odoo_refuses_holds_up_only_the_invoice_of_its_line() -> None:
    service = {"key": "desk", "code": "RETAINER", "description": "Desk", "amount": "4000.00"}
    plans = [
        {"key": "care", "service": "desk", "fee": "1000.00"},
        {"key": "late", "service": "desk", "fee": "1000.00", "starts_on": "2026-03-15"},
    ]
    life = Played(
        {**retained(), "value": "4000.00", "services": [service], "retainers": plans},
        held_back={"set_delivered"},
    )
    life.fates["set_delivered"] = [REFUSED]
    life.release("set_delivered")
    assert list(life.parked) == ["delivered:1"]
    life.skip_to_day(date(2026, 3, 17))
    assert list(life.invoices) == [2]
    life.resolve(Choice.RETRY)
    assert list(life.invoices) == [2, 1]
    assert set(life.odoo.delivered) == {"care", "late"}


# --- the last look, and the notice period ---------------------------------------------------------


def looking_again(contract_data: JsonObject, role: str = "Developer") -> Played:
    """Everything is billed and settled, and the last look finds hours that were approved late."""
    life = Played(contract_data)
    worked(life, date(2026, 3, 10), "5")
    worked(life, date(2026, 4, 3), "10", role=role)
    late = life.odoo.lines.pop(2)
    life.skip_to_day(date(2026, 6, 2))
    assert life.state.exceptions == ()
    life.odoo.lines[2] = late
    life.issue_and_settle_all()
    return life


def test_hours_above_the_cap_at_the_last_look_are_billed_once_a_change_order_raises_it() -> None:
    life = looking_again(hourly(cap="1000.00", ends_on="2026-04-30"))
    assert list(life.parked) == ["cap:settlement"]
    changed(life, set={"time.0.cap": "5000.00"})
    assert life.state.exceptions == ()
    life.issue_and_settle_all()
    assert life.billed() == eur("1800.00")
    assert life.state.stage is ContractStage.CLOSED


RATES = [{"price": "120.00", "role": "Developer"}]


def test_hours_without_a_rate_at_the_last_look_are_billed_once_a_change_order_adds_it() -> None:
    life = looking_again(hourly(rates=RATES, ends_on="2026-04-30"), role="Architect")
    assert (
        life.parked["settlement" if "settlement" in life.parked else next(iter(life.parked))].code
        == "rate_missing"
    )
    changed(life, set={"time.0.rates": [*RATES, {"price": "150.00", "role": "Architect"}]})
    assert life.state.exceptions == ()
    life.issue_and_settle_all()
    assert life.billed() == eur("2100.00")
    assert life.state.stage is ContractStage.CLOSED


def test_hours_without_a_rate_at_the_last_look_are_read_again_by_a_retry() -> None:
    life = looking_again(hourly(rates=RATES, ends_on="2026-04-30"), role="Architect")
    corrected = Worked(
        plan="dev", on=date(2026, 4, 3), hours=Decimal(10), email="dana@northwind.example"
    )
    life.odoo.lines[2] = corrected
    life.resolve(Choice.RETRY)
    life.issue_and_settle_all()
    assert life.billed() == eur("1800.00")
    assert life.state.stage is ContractStage.CLOSED


def test_what_is_skipped_at_the_cap_waives_only_what_is_above_it() -> None:
    life = looking_again(hourly(cap="1000.00", ends_on="2026-04-30"))
    life.resolve(Choice.SKIP)
    life.issue_and_settle_all()
    assert life.billed() == eur("1000.00")


def test_a_period_without_a_rate_cannot_be_skipped() -> None:
    life = looking_again(hourly(rates=RATES, ends_on="2026-04-30"), role="Architect")
    with pytest.raises(Refused, match="not possible"):
        life.resolve(Choice.SKIP)


def ending_early(life: Played) -> None:
    life.send(
        TerminationRequest(
            side=Side.FIRM, by=OLGA, reason="budget", on=date(2026, 4, 30), agreed=True
        )
    )


def test_the_cap_can_be_raised_in_the_notice_period() -> None:
    life = Played(hourly(cap="1000.00"))
    ending_early(life)
    worked(life, date(2026, 3, 10), "10")
    life.skip_to_day(date(2026, 4, 10))
    assert life.parked["cap:2026-04-01:dev"].code == "cap_reached"
    changed(life, set={"time.0.cap": "5000.00"})
    assert life.invoices[1].proposal.amount == eur("1200.00")


def test_an_early_end_can_be_withdrawn_until_its_last_day_is_over() -> None:
    life = Played(hourly())
    ending_early(life)
    life.skip_to_day(date(2026, 4, 20))
    life.send(TerminationWithdrawn(by=OLGA, reason="they stay"))
    worked(life, date(2026, 5, 10), "10")
    life.skip_to_day(date(2026, 6, 2))
    assert (life.state.terminated, life.state.stage) == (False, ContractStage.ACTIVE)
    assert life.invoices[1].proposal.amount == eur("1200.00")
    life.send(
        TerminationRequest(
            side=Side.FIRM, by=OLGA, reason="budget", on=date(2026, 6, 3), agreed=True
        )
    )
    life.skip_to_day(date(2026, 6, 5))
    with pytest.raises(Refused, match="ended on 2026-06-03"):
        life.send(TerminationWithdrawn(by=OLGA))


def test_the_cap_can_be_raised_after_an_early_end() -> None:
    life = Played(hourly(cap="1000.00"))
    ending_early(life)
    worked(life, date(2026, 4, 10), "10")
    life.skip_to_day(date(2026, 5, 2))
    assert life.state.terminated
    assert list(life.parked) == ["cap:2026-05-01:dev"]
    with pytest.raises(Refused, match="ended early"):
        life.send(ChangeOrder(number=1, by=SAM, reason="more", set={"ends_on": "2026-12-31"}))
    changed(life, set={"time.0.cap": "5000.00"})
    assert life.state.exceptions == ()
    life.issue_and_settle_all()
    assert life.billed() == eur("1200.00")
    assert life.state.stage is ContractStage.CLOSED


def test_after_an_early_end_what_a_change_order_comes_to_decides_and_not_its_fields() -> None:
    """Issue 11, number 12."""
    life = Played(fixed_price())
    life.reach("design", "build")
    life.issue(1)
    life.send(hold(HoldKind.BILLING))
    life.reject(2)
    life.send(
        TerminationRequest(side=Side.FIRM, by=OLGA, reason="budget", on=life.today, agreed=True)
    )
    life.skip(days=1)
    assert life.state.terminated
    service = life.state.terms.milestones[0].service
    live = {"key": "live2", "name": "Live", "service": service, "amount": "1.00"}
    with pytest.raises(Refused, match="ended early"):
        life.send(ChangeOrder(number=1, by=SAM, reason="more", add_milestones=(live,)))
    # Build is reached and not billed: what it costs, and whether, is a term of what was done.
    changed(life, reprice={"build": "2500.00"})
    assert {item.key: str(item.amount) for item in life.state.terms.milestones} == {
        "design": "3000.00 EUR",
        "build": "2500.00 EUR",
    }
    changed(life, drop=("build",))
    assert [item.key for item in life.state.terms.milestones] == ["design"]


# --- the close-out --------------------------------------------------------------------------------


def closing(*fates: Failed) -> Played:
    life = Played(fixed_price())
    life.fates["close_out"] = list(fates)
    life.reach("design", "build", "live")
    life.issue(1, 2, 3)
    life.settle(1, 2, 3)
    return life


def test_the_close_out_waits_until_every_draft_is_gone() -> None:
    life = Played(fixed_price())
    life.reach("design", "build", "live")
    life.issue(1, 2)
    life.settle(1, 2)
    # It is rejected, and its draft is not cancelled yet: the contract is not told.
    assert "close_out" not in life.begun
    life.reject(3)
    life.resolve(Choice.SKIP, "proposal:live")
    assert life.state.stage is ContractStage.CLOSED


DIFFERS = Failed("business", "close_out_differs", "2.00 invoiced in Odoo, 1.00 billed")
LOCKED_OUT = Failed("credentials", "api_key_refused", "no entry")


def test_a_difference_that_goes_away_ends_its_exception_and_closes_the_contract() -> None:
    life = closing(DIFFERS)
    assert life.parked["close_out"].allowed == (Choice.RETRY, Choice.SKIP)
    life.skip(minutes=20)
    assert (life.state.exceptions, life.state.stage) == ((), ContractStage.CLOSED)


def test_a_close_out_that_could_not_be_checked_cannot_be_waived() -> None:
    life = closing(LOCKED_OUT)
    with pytest.raises(Refused, match="skip is not possible"):
        life.resolve(Choice.SKIP)
    life.skip(minutes=2)
    assert life.state.stage is ContractStage.CLOSED


def test_a_difference_is_accepted_by_name() -> None:
    life = closing(DIFFERS)
    life.resolve(Choice.SKIP)
    assert life.state.stage is ContractStage.CLOSED


# --- what is refused at the door, and what a state weighs -----------------------------------------


def metered(price: str = "0.10") -> JsonObject:
    service = {"key": "api", "code": "API", "description": "Calls", "amount": "5000.00"}
    plan = {"key": "calls", "service": "api", "unit": "call", "tiers": [{"price": price}]}
    terms = {**hourly(), "services": [service], "usage": [plan]}
    del terms["time"]
    return terms


def used(life: Played, *quantities: str, name: str = "r") -> UsageTaken:
    records = [
        {"id": f"{name}{n}", "plan": "calls", "on": "2026-03-02", "quantity": quantity}
        for n, quantity in enumerate(quantities)
    ]
    answer: UsageTaken = life.send(UsageReport.model_validate({"records": records}))
    return answer


def test_use_that_no_amount_can_hold_is_refused_and_all_that_is_taken_can_be_billed() -> None:
    life = Played(metered())
    assert "come to more than" in used(life, "1000000000000").refused[0]
    assert used(life, *["499999999999"] * 3_000).taken == 3_000
    life.skip_to_day(date(2026, 4, 2))
    assert life.state.exceptions == ()
    assert life.invoices[1].proposal.amount == eur("149999999999700.00")


_MOST_BYTES = 2_000_000
"""Temporal refuses more in one payload; a little is kept free for what is around a state."""


def test_ten_thousand_records_of_use_fit_into_the_state_whatever_their_ids() -> None:
    life = Played(metered())
    for half in ("a", "b"):
        used(life, *["1.25"] * 5_000, name=half + "x" * 90)
    assert "10000 usage records" in used(life, "1", name="one-more").refused[0]
    text = life.state.model_dump_json()
    assert len(text.encode()) < _MOST_BYTES
    assert ContractState.model_validate_json(text) == life.state
    with pytest.raises(ValidationError, match="at most 100 bytes"):
        used(life, "1", name="\N{EURO SIGN}" * 40)


def test_many_open_invoices_weigh_little() -> None:
    """A thousand of them, with five hundred milestones, fit into the state."""
    life = Played(many(40))
    before = len(life.state.model_dump_json())
    life.reach(*(f"m{n}" for n in range(40)))
    life.issue(*range(1, 41))
    each = (len(life.state.model_dump_json()) - before) / 40
    milestones = len(Played(many(500)).state.model_dump_json())
    assert milestones + 1_000 * each < _MOST_BYTES
