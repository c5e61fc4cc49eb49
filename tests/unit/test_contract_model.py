"""The canonical models: immutable, strict about their fields; VAT numbers by country."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contracts.changes import ChangeOrder
from contracts.model import (
    Contract,
    Customer,
    Deposit,
    ExpensePlan,
    Indexation,
    Milestone,
    ParentCompany,
    Rate,
    Retainage,
    RetainerPlan,
    ServiceLine,
    Source,
    Term,
    Termination,
    Tier,
    TimePlan,
    UsagePlan,
    vat_problem,
)
from contracts.validation import InvalidContract, amended, validate
from tests.unit.examples import contract, contract_data, euros
from tests.unit.plans import managed_contract, mixed_contract


def customer(**changes: Any) -> Customer:
    return Customer.model_validate(contract_data()["customer"] | changes)


# --- VAT numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("BE0477472701", "BE"),
        ("BE 0477.472.701", "BE"),
        ("be0477472701", "BE"),
        ("NL123456782B90", "NL"),
        ("DE136695976", "DE"),
        ("FR 40 303 265 045", "FR"),
        ("EL094259216", "GR"),
        ("GB 980 7806 84", "GB"),
        ("980780684", "GB"),
        ("CHE-100.155.212 MWST", "CH"),
        ("NO995525828MVA", "NO"),
    ],
)
def test_a_vat_number_by_its_countrys_rules(number: str, country: str) -> None:
    assert vat_problem(number, country) is None


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("BE0477472702", "BE", "a valid VAT number of BE (its check digits do not add up)"),
        ("BE1", "BE", "a valid VAT number of BE"),
        ("0477472701", "BE", "starts with BE, as the customer's country is BE"),
        ("DE136695976", "BE", "starts with BE, as the customer's country is BE"),
        ("", "BE", "starts with BE"),
        ("...", "BE", "starts with BE"),
        ("GR094259216", "GR", "starts with EL, as the customer's country is GR"),
        ("GB980780685", "GB", "a valid VAT number of GB"),
        ("BE0477472701", "GB", "a valid VAT number of GB"),
    ],
)
def test_a_vat_number_its_country_does_not_give(number: str, country: str, expected: str) -> None:
    assert expected in str(vat_problem(number, country))


@pytest.mark.parametrize("country", ["US", "HK", "ZZ"])
def test_a_country_without_rules_is_not_checked(country: str) -> None:
    assert vat_problem("whatever it is", country) is None


countries = st.from_regex(r"[A-Z]{2}", fullmatch=True)


@given(st.text(max_size=20) | st.from_regex(r"[A-Z0-9]{0,16}", fullmatch=True), countries)
def test_no_number_of_no_country_makes_the_check_crash(number: str, country: str) -> None:
    for text in (number, country + number):
        problem = vat_problem(text, country)
        assert problem is None or country in problem


# --- models ---------------------------------------------------------------------------------


def test_text_is_trimmed_and_an_address_made_regular() -> None:
    read = customer(name="  Acme NV ", billing_email="AP@Acme.EXAMPLE", city=" Ghent ")
    assert (read.name, read.city) == ("Acme NV", "Ghent")
    assert read.billing_email == "AP@acme.example"


@pytest.mark.parametrize("name", ["Ærø & Søn", "株式会社", "Müller GmbH"])
def test_names_are_written_in_every_script(name: str) -> None:
    assert customer(name=name).name == name


@pytest.mark.parametrize("name", ["Line one\nline two", "Line one\r\nline two", "one\u2028two"])
def test_a_name_of_several_lines_is_refused(name: str) -> None:
    """It goes into the header of an e-mail."""
    with pytest.raises(ValidationError, match="text of one line"):
        customer(name=name)


def test_text_of_the_greatest_length_is_taken() -> None:
    assert customer(name="x" * 200, city="y" * 200).name == "x" * 200
    with pytest.raises(ValidationError):
        customer(city="y" * 201)


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\x00b", "a\x1bb", "a\uffffb", "\ud800"])
def test_text_no_other_system_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        customer(name=name)


@pytest.mark.parametrize(
    "address", ["", "acme.example", "@acme.example", "a@b@acme.example", "a b@acme.example", "a@-"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="e-mail address"):
        customer(billing_email=address)


def test_a_contract_finds_its_parts_by_their_keys() -> None:
    signed = contract()
    assert signed.service("train").description == "Training"
    milestone = signed.milestone("live")
    assert milestone is not None
    assert milestone.amount == euros("6000.00")
    assert signed.milestone("never") is None


def test_a_contract_finds_its_plans_by_their_keys() -> None:
    mixed, managed = mixed_contract(), managed_contract()
    assert mixed.plan("development") is mixed.time[0]
    assert mixed.plan("travel") is mixed.expenses[0]
    assert managed.plan("service-desk") is managed.retainers[0]
    assert managed.plan("shipments") is managed.usage[0]
    assert mixed.plan("pilot") is None
    assert managed.plans == (*managed.retainers, *managed.usage)


def test_the_fixed_price_is_what_the_milestones_come_to() -> None:
    assert contract().fixed_price == contract().value
    assert mixed_contract().fixed_price == euros("40000.00")
    assert managed_contract().fixed_price == euros("0")


def test_a_contract_starts_when_it_says_or_when_it_was_signed() -> None:
    assert contract().first_day == date(2026, 2, 1)
    assert contract(starts_on=None).first_day == date(2026, 1, 10)


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("month", True),
        ("quarter", True),
        ("year", True),
        ("1 week", True),
        ("2 weeks", True),
        ("0 weeks", False),
        ("02 weeks", False),
        ("100 weeks", False),
        ("weekly", False),
        ("month\n", False),
        ("2  weeks", False),
    ],
)
def test_cadences_are_few(value: str, accepted: bool) -> None:
    plan = {"key": "t", "service": "s", "every": value}
    if accepted:
        assert ExpensePlan.model_validate(plan).every == value
    else:
        with pytest.raises(ValidationError, match="month, quarter, year"):
            ExpensePlan.model_validate(plan)


@pytest.mark.parametrize("wrong", [0.5, "-1", "1e13", "NaN", "Infinity", "half", None, []])
def test_quantities_and_prices_per_unit_are_exact_and_not_below_zero(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Tier.model_validate({"price": wrong})
    if wrong is not None:
        with pytest.raises(ValidationError):
            Tier.model_validate({"price": "1", "up_to": wrong})


def test_a_price_per_unit_has_up_to_six_decimals() -> None:
    assert str(Tier.model_validate({"price": "0.000001"}).price) == "0.000001"
    with pytest.raises(ValidationError, match="6 decimal"):
        Tier.model_validate({"price": "0.0000001"})


@pytest.mark.parametrize(
    "model",
    [
        Contract,
        Customer,
        ServiceLine,
        Milestone,
        Source,
        Rate,
        TimePlan,
        Indexation,
        RetainerPlan,
        Tier,
        UsagePlan,
        ExpensePlan,
        Deposit,
        Retainage,
        Term,
        Termination,
    ],
)
def test_a_model_is_immutable_and_knows_its_fields(model: type[Any]) -> None:
    assert model.model_config["frozen"] is True
    with pytest.raises(ValidationError, match="Extra inputs"):
        model.model_validate({"surprise": 1})


# --- the page about them --------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "contract-file.md").read_text()
PLANS: dict[str, type[BaseModel]] = {
    "time": TimePlan,
    "retainers": RetainerPlan,
    "usage": UsagePlan,
    "expenses": ExpensePlan,
}
OF_EVERY_PLAN = {"key", "service", "every", "starts_on", "ends_on"}


def documented(section: str) -> list[str]:
    """The fields in the first cells of a section's tables."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every field by its path, as the page writes it: `time[].rates[].price`."""
    for name, field in model.model_fields.items():
        annotation = str(field.annotation)
        inner = next((item for item in INNER if f".{item.__name__}" in annotation), None)
        if inner is None:
            yield f"{prefix}{name}"
        else:
            rows = "[]" if "tuple[" in annotation else ""
            yield from fields(inner, f"{prefix}{name}{rows}.")


INNER = (
    Source,
    Customer,
    ParentCompany,
    ServiceLine,
    Milestone,
    Rate,
    Tier,
    Indexation,
    Deposit,
    Retainage,
    Termination,
    Term,
)


def test_the_page_names_every_field_of_a_contract_and_no_other() -> None:
    tables = {"services[]", "milestones[]", "deposit", "retainage", "term", "termination"}
    tables |= {f"{name}[]" for name in PLANS}
    own = [name for name in documented("The contract") if name not in tables]
    parts = ["Services and milestones", "Deposit and retainage", "Term and early end"]
    written = [*own, *(name for part in parts for name in documented(part))]
    there = [name for name in fields(Contract) if name not in PLANS]
    assert sorted(written) == sorted([*there, "milestones[].percent", "deposit.percent"])


def test_the_page_names_every_field_of_a_plan_and_no_other() -> None:
    there = [
        name
        for table, model in PLANS.items()
        for name in fields(model, f"{table}[].")
        if name.partition("[].")[2] not in OF_EVERY_PLAN
    ]
    assert sorted(documented("Plans")) == sorted([*there, *OF_EVERY_PLAN])
    assert all(model.model_fields.keys() >= OF_EVERY_PLAN for model in PLANS.values())


def test_the_page_names_every_field_of_a_change_order_and_no_other() -> None:
    # Who has signed it is added on the way.
    written = ChangeOrder.model_fields.keys() - {"actor"}
    assert sorted(documented("Change orders")) == sorted(written)


@pytest.mark.parametrize("place", ["title", "customer.name", "milestones.0.name", "requested_by"])
@pytest.mark.parametrize(
    "text", ["Acme\u202eVN", "Acme\tNV", "Ac\u200bme", "\u2066Acme\u2069", "Acme\x9b31m"]
)
def test_names_that_deceive_the_eye_or_break_a_table_are_refused(place: str, text: str) -> None:
    data = contract_data(requested_by="pia")
    data = amended(data, {place: text})
    with pytest.raises(InvalidContract) as raised:
        validate(data)
    assert [(item.field, item.code) for item in raised.value.problems] == [
        (place, "text_malformed")
    ]


@pytest.mark.parametrize(
    "text", ["Société Générale", "株式会社", "شركة", "क्‍ष Ltd", "O’Neill & Sons"]
)
def test_names_in_any_script_are_taken(text: str) -> None:
    assert validate(amended(contract_data(), {"customer.name": text})).customer.name == text
