"""What a deal says again, again and again: its owner's value survives, and the writing stops.

The core with the CRM played: each round the deal is read as a webhook asks for it, which the
contract's own write of its status causes as well.
"""

from __future__ import annotations

from typing import Any

import pytest

from contracts.contract.messages import CustomerRefresh, MilestoneReachedInOdoo
from contracts.ownership import IN_A_DEAL, OWNERS, Owner
from contracts.validation import amended
from tests.unit.contract.examples import fixed_price
from tests.unit.contract.played import Played, eur

ROUNDS = 3
SALES = "sales@northwind.example"
SAYS: dict[str, Any] = {
    "requested_by": "ann@northwind.example",
    "title": "Another title",
    "value": "12000.00",
    "payment_term": "15 Days",
    "purchase_order": "PO-78",
    "signed_on": "2026-02-11",
    "starts_on": "2026-02-12",
    "ends_on": "2027-02-11",
    "services": [{"key": "build", "code": "BUILD", "description": "More", "amount": "10000.00"}],
    "milestones": [{"key": "design", "name": "Later", "service": "build", "amount": "10000.00"}],
    "customer.key": "acme-2",
    "customer.name": "Acme Group NV",
    "customer.country": "NL",
    "customer.street": "Meir 1",
    "customer.city": "Antwerp",
    "customer.zip": "2000",
    "customer.vat_number": "BE0403019261",
    "customer.billing_email": "invoices@acme.example",
    "customer.parent": {"key": "above", "name": "Above NV", "country": "BE"},
}


def in_crm() -> Played:
    return Played(fixed_price(), system="hubspot")


def echoed(life: Played) -> None:
    """A webhook of the deal, as any change of it causes, the contract's own status included."""
    life.send(CustomerRefresh(by="webhook"))


def test_each_field_of_a_deal_has_its_round() -> None:
    assert SAYS.keys() == IN_A_DEAL.keys()


@pytest.mark.parametrize("path", SAYS)
def test_what_a_deal_says_again_is_taken_once_or_never(path: str) -> None:
    life = in_crm()
    before = life.state.terms
    life.deal = amended(life.deal, {path: SAYS[path]})
    echoed(life)
    first, statuses, notes = life.state.terms, len(life.crm), life.state.journal
    for _ in range(ROUNDS):
        echoed(life)
    assert life.state.terms == first
    assert (len(life.crm), life.state.journal) == (statuses, notes), "nothing is news"
    is_crms = OWNERS[IN_A_DEAL[path]] is Owner.CRM
    assert (first != before) is is_crms
    assert life.state.change is None
    assert not life.state.exceptions


def test_the_status_written_to_a_deal_is_not_written_again_for_its_echo() -> None:
    life = in_crm()
    life.reach("design")
    life.issue(1)
    for _ in range(ROUNDS):
        before = len(life.crm)
        echoed(life)
        echoed(life)
        assert len(life.crm) == before
    assert life.crm[-1].invoiced == eur("3000.00")
    assert [status for at, status in enumerate(life.crm) if status in life.crm[:at]] == []


def test_a_milestone_that_we_marked_in_odoo_is_not_marked_again_for_its_echo() -> None:
    life = in_crm()
    life.reach("design")
    number = life.state.odoo.milestone_ids["design"]
    marked, proposed = list(life.begun), len(life.invoices)
    for _ in range(ROUNDS):
        mark = MilestoneReachedInOdoo(milestone_id=number, as_of=life.now, on=life.now.date())
        life.signal(mark, "a mark in Odoo")
    assert life.begun == marked
    assert len(life.invoices) == proposed
