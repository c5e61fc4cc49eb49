"""Each canonical field has one owner, and Odoo's are written once only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.changes import contract_data_of
from contracts.model import Contract, JsonObject
from contracts.ownership import OWNERS, Owner, Refreshed, create_once, refreshed
from contracts.validation import amended
from tests.unit.examples import contract, contract_data, json_values
from tests.unit.plans import mixed_contract


@pytest.mark.parametrize(
    ("field", "owner"),
    [
        ("deal.stage", Owner.CRM),
        ("deal.c2c_status", Owner.CONTRACT),
        ("contract.requested_by", Owner.CRM),
        ("order_line.delivered", Owner.CONTRACT),
        ("timesheet.approval", Owner.ODOO),
        ("expense", Owner.ODOO),
        ("project.status", Owner.CONTRACT),
        ("customer.identity", Owner.CRM),
        ("customer.vat_number", Owner.ODOO),
        ("contract.milestones", Owner.CONTRACT),
        ("milestone.deadline", Owner.ODOO),
        ("milestone.reached", Owner.CONTRACT),
        ("draft_invoice.lines", Owner.CONTRACT),
        ("invoice.balance", Owner.ODOO),
        ("payment", Owner.ODOO),
    ],
)
def test_who_owns_what(field: str, owner: Owner) -> None:
    assert OWNERS[field] is owner


@pytest.mark.parametrize(
    ("fields", "once"),
    [
        (("customer.name", "customer.vat_number"), True),
        (("project.name",), True),
        (("project.archived",), False),
        (("milestone.reached",), False),
        (("milestone.deadline",), True),
        (("milestone.rescheduled",), False),
        (("order.lines",), False),
        (("order_line.delivered",), False),
        (("draft_invoice.lines", "draft_invoice.references"), False),
        # One field of Odoo's is enough: the whole write may only create.
        (("milestone.reached", "milestone.name"), True),
        (("deal.stage",), False),
        ((), False),
    ],
)
def test_what_people_edit_in_odoo_is_written_once(fields: tuple[str, ...], once: bool) -> None:
    assert create_once(*fields) is once


def test_a_field_without_an_owner_is_not_written_at_all() -> None:
    with pytest.raises(KeyError):
        create_once("milestone.reached", "milestone.colour")


# --- a deal that changes after signature ----------------------------------------------------


def read_again(**changes: Any) -> Refreshed:
    """The good contract, its deal read again with values by path, `__` for a dot."""
    deal = contract_data()
    for name in ("contract_id", "legal_entity"):
        del deal[name]
    values = {path.replace("__", "."): value for path, value in changes.items()}
    return refreshed(contract(), amended(deal, values))


def test_a_deal_that_says_the_same_changes_nothing() -> None:
    assert read_again() == (contract(), (), ())


def test_a_deal_written_in_other_words_says_the_same() -> None:
    again = read_again(
        value="10000 EUR",
        title=" ERP roll-out ",
        milestones__0={
            "key": "design",
            "name": "Design",
            "service": "build",
            "percent": "33.33333",
        },
        milestones__1={"key": "live", "name": "Go-live", "service": "build", "percent": "66.66667"},
    )
    assert again == (contract(), (), ())


def test_whoever_owns_the_deal_now_is_taken() -> None:
    again = read_again(requested_by="ann@northwind.example")
    assert again.contract.requested_by == "ann@northwind.example"
    assert again.changes == ("requested_by: sam@northwind.example -> ann@northwind.example",)
    assert again.ignored == ()
    assert again.contract.model_copy(update={"requested_by": contract().requested_by}) == contract()


def test_the_id_of_a_merged_customer_is_taken() -> None:
    again = read_again(customer__key="acme-2")
    assert again.contract.customer.key == "acme-2"
    assert again.changes == ("customer.key: acme -> acme-2",)


def test_a_deal_given_to_another_customer_changes_no_party() -> None:
    other = {"key": "b", "name": "Borealis", "vat_number": "BE0403019261", "country": "BE"}
    again = read_again(customer=other)
    assert again == (
        contract(),
        (),
        ("customer: Acme NV -> Borealis (a contract keeps its party)",),
    )


def test_the_customers_record_is_odoos_and_the_difference_is_shown() -> None:
    again = read_again(
        customer__name="Acme Group NV",
        customer__billing_email="invoices@acme.example",
        customer__city="Ghent",
        customer__vat_number="BE0403019261",
    )
    assert again.contract == contract()
    assert again.changes == ()
    assert again.ignored == (
        "customer.name: Acme NV -> Acme Group NV (Odoo's: change it there)",
        "customer.vat_number: BE0477472701 -> BE0403019261 (Odoo's: change it there)",
        "customer.billing_email: ap@acme.example -> invoices@acme.example"
        " (Odoo's: change it there)",
        "customer.city: none -> Ghent (Odoo's: change it there)",
    )


def test_the_terms_change_by_a_change_order_only() -> None:
    again = read_again(
        value="11000.00",
        services__0__amount="10000.00",
        milestones__1__amount="7000.00",
        milestones__2__due_on="2026-09-01",
        ends_on="2027-06-30",
        purchase_order="PO-78",
        payment_term="60 Days",
    )
    assert again.contract == contract()
    assert again.changes == ()
    assert again.ignored == tuple(
        f"{line} (needs a change order)"
        for line in (
            "milestone Go-live: 6000.00 EUR -> 7000.00 EUR",
            "milestone Course due: none -> 2026-09-01",
            "ends_on: 2026-12-31 -> 2027-06-30",
            "payment_term: 30 Days -> 60 Days",
            "purchase_order: PO-77 -> PO-78",
            "fixed price: 10000.00 EUR -> 11000.00 EUR",
            "value: 10000.00 EUR -> 11000.00 EUR",
        )
    )


def test_lines_that_come_and_go_in_the_deal_are_shown() -> None:
    again = read_again(
        services=[{"key": "build", "code": "BUILD", "description": "Build", "amount": "9000"}],
        milestones=contract_data()["milestones"][:2],
        value="9000",
    )
    assert [line.removesuffix(" (needs a change order)") for line in again.ignored] == [
        "service Training (TRAIN) dropped: 1000.00 EUR",
        "milestone Course dropped: 1000.00 EUR",
        "fixed price: 10000.00 EUR -> 9000.00 EUR",
        "value: 10000.00 EUR -> 9000.00 EUR",
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"currency": "USD", "value": "1"},
            "currency: EUR -> USD (cannot be changed)",
        ),
        (
            {"milestones__0": {"key": "a", "name": "A", "service": "build", "percent": "x"}},
            "milestones.0.percent: expected a percentage above 0 up to 100 as text, such as "
            "\"33.5\" (found 'x') [percent_malformed] (in the CRM)",
        ),
        (
            {"ends_on": "soon"},
            "ends_on: expected a date such as 2026-03-01 (found 'soon') [date_malformed]"
            " (in the CRM)",
        ),
        (
            {"milestones__0__amount": "5 USD"},
            "milestones: expected amounts in EUR that add up (in the CRM)",
        ),
    ],
)
def test_what_cannot_be_compared_is_told(changes: JsonObject, told: str) -> None:
    again = read_again(**changes)
    assert again == (contract(), (), (told,))


@pytest.mark.parametrize(
    "deal", [{}, {"customer": {}}, {"requested_by": None}, {"customer": None, "milestones": None}]
)
def test_what_the_deal_leaves_out_changes_nothing(deal: JsonObject) -> None:
    assert refreshed(contract(), deal) == (contract(), (), ())


def test_plans_that_no_deal_can_say_stay() -> None:
    before = mixed_contract()
    deal = {"requested_by": "ann@northwind.example", "title": before.title}
    again = refreshed(before, deal)
    assert contract_data_of(again.contract) == contract_data_of(before) | {
        "requested_by": "ann@northwind.example"
    }


IN_A_DEAL = [
    "value",
    "currency",
    "services",
    "milestones",
    "customer",
    "ends_on",
    "requested_by",
    "customer.key",
    "customer.name",
    "milestones.0.amount",
    "milestones.1",
    "services.0",
]


@given(
    st.dictionaries(
        st.sampled_from(IN_A_DEAL),
        json_values | st.sampled_from(["999999999999999", "-999999999999999", "acme-3"]),
        max_size=4,
    )
)
def test_no_deal_makes_it_crash_and_none_changes_what_is_not_the_crms(values: JsonObject) -> None:
    try:
        deal = amended(contract_data(), values)
    except ValueError:
        return
    again = refreshed(contract(), deal)
    theirs = {"requested_by": again.contract.requested_by, "customer": again.contract.customer}
    assert again.contract == contract().model_copy(update=theirs)
    assert Contract.model_validate(contract_data_of(again.contract)) == again.contract
    kept = contract().customer.model_copy(update={"key": again.contract.customer.key})
    assert again.contract.customer == kept


# --- the page ---------------------------------------------------------------------------------


def test_the_page_names_the_owner_of_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "customers.md").read_text(encoding="utf-8")
    table = page.partition("| owner | fields |")[2]
    found = {
        field: owner
        for owner, fields in re.findall(r"^\| (\w+) \| (`.*) \|$", table, re.MULTILINE)
        for field in re.findall(r"`([^`]+)`", fields)
    }
    assert found == {field: str(owner) for field, owner in OWNERS.items()}
