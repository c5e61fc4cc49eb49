"""What every CRM gateway shares: milestones from text, keys, numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.identifiers import KEY
from contracts.model import JsonObject
from contracts.validation import InvalidContract, validate
from gateways.crm.contract_data import (
    decimal_text,
    default_due_on,
    milestones_of,
    present,
    unique_keys,
    utc_date,
)


def contract_with(milestones: list[JsonObject]) -> JsonObject:
    return {
        "contract_id": "C-1",
        "legal_entity": "be",
        "source": {"system": "hubspot", "id": "1"},
        "title": "Website",
        "customer": {
            "key": "a",
            "name": "Acme",
            "country": "BE",
            "billing_email": "ap@acme.example",
        },
        "currency": "EUR",
        "value": "10000",
        "signed_on": "2026-01-10",
        "services": [{"key": "S", "code": "BUILD", "description": "Build", "amount": "10000"}],
        "milestones": milestones,
    }


def bare(text: str) -> list[JsonObject]:
    """The milestones without their keys."""
    rows = milestones_of("S", text)
    return [{k: v for k, v in row.items() if k not in ("key", "service")} for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Design 40% 2026-03-01", {"name": "Design", "percent": "40", "due_on": "2026-03-01"}),
        ("Design 33.5 %", {"name": "Design", "percent": "33.5"}),
        (
            "Design 4000.00 2026-03-01",
            {"name": "Design", "amount": "4000.00", "due_on": "2026-03-01"},
        ),
        ("Design 4000 EUR", {"name": "Design", "amount": "4000 EUR"}),
        ("Phase 2 4000.00", {"name": "Phase 2", "amount": "4000.00"}),
        ("Phase 2 of 3 40%", {"name": "Phase 2 of 3", "percent": "40"}),
        ("Go-live: 60%", {"name": "Go-live", "percent": "60"}),
        ("Go-live – 60%", {"name": "Go-live", "percent": "60"}),
        ("  Design\t40%  ", {"name": "Design", "percent": "40"}),
        ("40%", {"percent": "40"}),
        ("100", {"amount": "100"}),
        ("Design -5.00", {"name": "Design", "amount": "-5.00"}),
        # Unreadable: kept as it is, for validation to show.
        ("Design 33,5%", {"name": "Design 33,5%", "percent": "Design 33,5%"}),
        ("Design 4,000.00", {"name": "Design 4,000.00", "percent": "Design 4,000.00"}),
        ("Design 40% soon", {"name": "Design 40% soon", "percent": "Design 40% soon"}),
        ("Design 40% 1/3/2026", {"name": "Design 40% 1/3/2026", "percent": "Design 40% 1/3/2026"}),
        ("Design", {"name": "Design", "percent": "Design"}),
        ("Kick-off 2026-03-01", {"name": "Kick-off 2026-03-01", "percent": "Kick-off 2026-03-01"}),
    ],
)
def test_a_milestone_as_people_write_it(text: str, expected: JsonObject) -> None:
    assert bare(text) == [expected]


def test_milestones_are_numbered_by_service() -> None:
    rows = milestones_of("BUILD", "Design 40% 2026-03-01;\n Go-live 60% 2026-06-30;;")

    assert [(row["key"], row["service"]) for row in rows] == [
        ("BUILD-1", "BUILD"),
        ("BUILD-2", "BUILD"),
    ]
    contract = validate(contract_with(milestones_of("S", "Design 40%; Go-live 60%")))
    assert [str(item.amount) for item in contract.milestones] == ["4000.00 EUR", "6000.00 EUR"]


@pytest.mark.parametrize(
    ("text", "code", "field", "value"),
    [
        ("Design 40%; Go-live soon", "percent_malformed", "milestones.1.percent", "Go-live soon"),
        ("Design 40%; 60%", "missing", "milestones.1.name", ""),
        ("A 40%; B 60% 2026-02-30", None, "milestones.1.due_on", "2026-02-30"),
        ("A 40%; B 50%", "milestones_do_not_add_up", "milestones", "9000.00 EUR"),
        ("A 40%; B 70%", "milestones_do_not_add_up", "milestones.1.percent", "110"),
        ("A 40%; B 60% 2025-01-01", "dates_out_of_order", "milestones.1.due_on", "2025-01-01"),
    ],
)
def test_what_people_wrote_wrong_is_reported_by_validation(
    text: str, code: str | None, field: str, value: str
) -> None:
    with pytest.raises(InvalidContract) as caught:
        validate(contract_with(milestones_of("S", text)))

    found = {problem.field: problem for problem in caught.value.problems}
    assert found[field].value == value
    assert code is None or found[field].code == code


@given(st.text(max_size=200))
def test_no_text_is_lost_and_none_is_an_error(text: str) -> None:
    rows = milestones_of("S", text)

    assert bool(rows) == any(part.strip() for part in text.replace("\n", ";").split(";"))
    for row in rows:
        assert ("percent" in row) != ("amount" in row)


@given(st.lists(st.text(max_size=70), max_size=30))
def test_keys_are_unique_stable_and_well_formed(stems: list[str]) -> None:
    keys = unique_keys(stems, "line")

    assert len(set(keys)) == len(stems)
    assert all(KEY.match(f"{key}-500") for key in keys)
    assert keys == unique_keys(stems, "line")


def test_a_numbered_key_does_not_take_one_that_is_there() -> None:
    assert unique_keys(["A", "A-2", "A", "é b", ""], "line") == ["A", "A-2", "A-3", "b", "line"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10000", "10000"),
        ("10000.00", "10000"),
        ("4000.50", "4000.5"),
        ("4.0005E+3", "4000.5"),
        ("1E-3", "0.001"),
        ("33.333", "33.333"),
        ("0", "0"),
        ("ten", "ten"),
        ("", ""),
        ("NaN", "NaN"),
        ("1E+999999", "1E+999999"),
    ],
)
def test_numbers_keep_their_value(text: str, expected: str) -> None:
    assert decimal_text(text) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=0, max_value=10**12))
def test_no_number_changes_its_value(number: Decimal) -> None:
    assert Decimal(decimal_text(str(number))) == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T23:30:00Z", "2026-03-01"),
        ("2026-03-01T23:30:00.000-05:00", "2026-03-02"),
        ("2026-03-01 23:30:00", "2026-03-01"),
        ("2026-03-01", "2026-03-01"),
        ("yesterday", "yesterday"),
        ("", ""),
    ],
)
def test_dates_are_calendar_dates_in_utc(text: str, expected: str) -> None:
    assert utc_date(text) == expected


def test_a_default_due_date_is_never_before_the_start() -> None:
    assert default_due_on({"signed_on": "2026-01-10"}) == "2026-01-10"
    later = {"signed_on": "2026-01-10", "starts_on": "2026-02-01"}
    assert default_due_on(later) == "2026-02-01"
    assert default_due_on({"signed_on": "soon"}) is None


def test_only_what_says_something_is_present() -> None:
    values: JsonObject = {"a": None, "b": False, "c": "", "d": "  ", "e": " x ", "f": 0, "g": []}
    assert present(values) == {"e": "x", "f": 0, "g": []}
