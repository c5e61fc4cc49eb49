"""Who signed, amended or changed a contract approves nothing that follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.agenda.actions import Failed
from contracts.changes import ChangeOrder
from contracts.contract.amendments import open_round
from contracts.contract.messages import CreditRequest, CustomerRefresh, Side, TerminationRequest
from contracts.model import JsonObject
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from tests.unit.contract.examples import fixed_price, retained
from tests.unit.contract.played import ANA, BOB, OLGA, PIA, SAM, Played, Refused

REFUSED = Failed("business", "service_code_unknown", "Odoo has no product BUILD")


class Parked(Played):
    """Odoo refuses the contract once."""

    def run(self) -> None:
        if not self.begun:
            self.fates.setdefault("validate", [REFUSED])
        super().run()


def amend(life: Played, by: str, **changes: Any) -> None:
    life.send(Resolution(action=Choice.AMEND, by=by, step="validate", changes=changes))


def rejected() -> Played:
    life = Played(fixed_price())
    life.reach("design")
    life.reject(1)
    return life


def without(name: str) -> JsonObject:
    data = fixed_price()
    del data[name]
    return data


# --- who asked ------------------------------------------------------------------------------------


def test_who_amends_the_amounts_of_a_contract_does_not_approve_its_invoices() -> None:
    life = Parked(fixed_price())
    more = {"services.0.amount": "20000.00", "value": "20000.00", "milestones.1.amount": "16000.00"}
    amend(life, ANA, **more)
    life.reach("build")
    assert life.invoices[1].requested_by == (ANA, SAM)
    assert not life.invoices[1].proposal.as_planned, "a rule alone would pass it"


def test_who_started_a_contract_does_not_approve_its_invoices_whomever_its_data_names() -> None:
    life = Played(fixed_price(), started_by=ANA)
    life.renew()
    life.reach("build")
    assert life.invoices[1].requested_by == (ANA, SAM)


def test_an_invoice_of_a_contract_as_it_was_signed_is_as_planned() -> None:
    life = Parked(fixed_price())
    life.resolve(Choice.RETRY)
    life.reach("build")
    assert life.invoices[1].requested_by == (SAM,)
    assert life.invoices[1].proposal.as_planned


def test_who_amends_a_contract_after_a_rejection_does_not_approve_what_it_bills() -> None:
    life = rejected()
    life.resolve(Choice.AMEND, "proposal:design", changes={"payment_term": "90 Days"})
    assert life.invoices[2].requested_by == (SAM, OLGA)
    assert life.invoices[2].proposal.payment_term == "90 Days"
    assert not life.invoices[2].proposal.as_planned


def test_what_is_amended_is_another_version_which_the_order_follows() -> None:
    life = rejected()
    life.resolve(Choice.AMEND, "proposal:design", changes={"payment_term": "90 Days"})
    version = life.state.versions[-1]
    assert (version.version, version.by, version.reason) == (2, OLGA, "agreed")
    assert version.changes == ("payment_term: none -> 90 Days",)
    assert life.odoo.order_version == life.state.terms
    assert life.state.order_version == life.state.terms


def test_an_amendment_that_changes_nothing_is_no_version_and_asks_for_nothing() -> None:
    life = rejected()
    life.resolve(Choice.AMEND, "proposal:design", changes={"purchase_order": "PO-77"})
    assert life.state.terms.version == 1
    assert life.invoices[2].requested_by == (SAM,)
    assert life.invoices[2].proposal.as_planned


def test_who_asked_for_a_change_order_approves_no_invoice_after_it() -> None:
    life = Played(fixed_price())
    life.send(ChangeOrder(number=1, by=PIA, reason="more", reprice={"live": "1100.00"}))
    life.approve_change()
    life.reach("live")
    assert life.invoices[1].requested_by == (SAM, PIA)


def test_who_asked_for_a_change_order_that_was_rejected_may_approve() -> None:
    life = Played(fixed_price())
    life.send(ChangeOrder(number=1, by=BOB, reason="more", reprice={"live": "1100.00"}))
    life.approve_change(ANA, reject="not agreed")
    life.reach("live")
    assert life.invoices[1].requested_by == (SAM,)


def test_who_amended_a_contract_does_not_approve_its_next_change_order() -> None:
    life = rejected()
    life.resolve(Choice.AMEND, "proposal:design", changes={"payment_term": "90 Days"})
    life.send(ChangeOrder(number=1, by=PIA, reason="more", reprice={"live": "1100.00"}))
    asked = open_round(life.state)
    assert asked is not None
    assert asked.requirement.requested_by == (SAM, OLGA, PIA)


@pytest.mark.parametrize(
    ("side", "requesters"), [(Side.CUSTOMER, (SAM, ANA)), (Side.FIRM, (SAM,))], ids=str
)
def test_who_says_that_the_customer_ends_early_approves_no_fee_for_it(
    side: Side, requesters: tuple[str, ...]
) -> None:
    life = Played(retained(termination={"fee": "500.00", "fee_service": "desk"}))
    life.send(TerminationRequest(side=side, by=ANA, reason="sold", on=life.today, agreed=True))
    life.skip(days=2)
    assert life.state.terminated
    assert life.state.requesters == requesters


def test_who_asks_for_a_credit_does_not_approve_that_one_and_may_approve_others() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.issue(1)
    life.send(CreditRequest(number=1, by=ANA, reason="late"))
    assert life.invoices[2].requested_by == (SAM, ANA)
    assert life.state.requesters == (SAM,)


def test_who_has_the_deal_read_again_asked_for_what_that_changed() -> None:
    life = Played(fixed_price(), system="hubspot")
    life.send(CustomerRefresh(by=ANA))
    assert ANA not in life.state.requesters
    life.deal = life.deal | {"requested_by": BOB}
    life.send(CustomerRefresh(by=ANA))
    assert life.state.requesters == (SAM, BOB, ANA)


# --- by what the rules say who approves -----------------------------------------------------------


def test_who_asked_for_a_contract_does_not_name_another_in_their_place() -> None:
    life = Parked(fixed_price(requested_by=ANA))
    with pytest.raises(Refused, match="requested_by cannot be amended"):
        amend(life, ANA, requested_by=BOB)


@pytest.mark.parametrize(
    "changes",
    [{"customer.key": "another"}, {"customer": {**fixed_price()["customer"], "key": "another"}}],
    ids=["the key", "all of the customer"],
)
def test_the_customer_that_approval_rules_go_by_is_amended_by_nobody(changes: JsonObject) -> None:
    life = Parked(fixed_price())
    with pytest.raises(Refused, match=r"customer\.key cannot be amended"):
        amend(life, ANA, **changes)
    running = rejected()
    with pytest.raises(Refused, match=r"customer\.key cannot be amended"):
        running.resolve(Choice.AMEND, "proposal:design", changes=changes)


@pytest.mark.parametrize("data", [without("requested_by"), fixed_price(requested_by=" ")])
def test_who_asked_for_a_contract_can_be_given_where_nobody_has_said_it(data: JsonObject) -> None:
    life = Parked(data)
    amend(life, OLGA, requested_by=PIA)
    life.reach("design")
    assert life.invoices[1].requested_by == (OLGA, PIA)


def test_an_unreadable_key_of_a_customer_can_be_mended() -> None:
    customer = fixed_price()["customer"]
    life = Parked(fixed_price(customer={**customer, "key": "no key"}))
    amend(life, OLGA, **{"customer.key": "acme"})
    life.reach("design")
    assert life.invoices[1].proposal.customer_key == "acme"
