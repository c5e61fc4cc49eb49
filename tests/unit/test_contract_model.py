"""The canonical models: immutable, strict about their fields; VAT numbers by country."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.model import Contract, Customer, Milestone, ServiceLine, Source, vat_problem
from tests.unit.examples import contract, document, euros


def customer(**changes: Any) -> Customer:
    return Customer.model_validate(document()["customer"] | changes)


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


@pytest.mark.parametrize("name", ["Ærø & Søn", "株式会社", "Müller\tGmbH", "Line one\nline two"])
def test_names_are_written_in_every_script(name: str) -> None:
    assert customer(name=name).name == name


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


@pytest.mark.parametrize("model", [Contract, Customer, ServiceLine, Milestone, Source])
def test_a_model_is_immutable_and_knows_its_fields(model: type[Any]) -> None:
    assert model.model_config["frozen"] is True
    with pytest.raises(ValidationError, match="Extra inputs"):
        model.model_validate({"surprise": 1})
