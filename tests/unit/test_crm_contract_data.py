"""What every CRM gateway shares: milestones from text, keys, numbers, batches."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.crm import ContractStatus
from contracts.identifiers import KEY
from contracts.model import JsonObject
from contracts.money import Money
from contracts.validation import InvalidContract, validate
from gateways.crm.batches import chunks, write_apart
from gateways.crm.contract_data import (
    decimal_text,
    default_due_on,
    end_of_term,
    milestones_of,
    present,
    unique_keys,
    utc_date,
)
from gateways.crm.status import STATUS_LABELS, status_texts
from gateways.errors import FailureKind, GatewayError


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


def refused(kind: FailureKind = FailureKind.BUSINESS) -> GatewayError:
    return GatewayError(kind, system="s", code="c", message="no")


@given(st.sets(st.integers(0, 40)), st.integers(0, 41))
def test_only_the_culprits_of_a_batch_are_refused(bad: set[int], size: int) -> None:
    rows = list(range(size))
    written: list[int] = []

    def write(some: Sequence[int]) -> None:
        if bad & set(some):
            raise refused()
        written.extend(some)

    culprits = [row for row, _ in write_apart(rows, write)]

    assert culprits == [row for row in rows if row in bad]
    assert sorted(written) == [row for row in rows if row not in bad]


def test_one_culprit_among_a_hundred_costs_few_calls() -> None:
    calls = 0

    def write(some: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        if 61 in some:
            raise refused()

    write_apart(range(100), write)
    assert calls <= 15


@pytest.mark.parametrize("kind", [FailureKind.TRANSIENT, FailureKind.CREDENTIALS])
def test_what_is_no_rows_fault_is_raised(kind: FailureKind) -> None:
    def write(some: Sequence[int]) -> None:
        raise refused(kind)

    with pytest.raises(GatewayError):
        write_apart([1, 2], write)


def test_chunks_hold_every_row_once() -> None:
    assert [list(part) for part in chunks([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]


def test_money_text_is_what_a_status_shows() -> None:
    texts = status_texts(ContractStatus(deal_id="1", stage="billing", paid=Money("5", "EUR")))
    assert texts["c2c_paid"] == "5.00 EUR"
    assert texts["c2c_invoiced"] == ""
    assert texts.keys() == STATUS_LABELS.keys()


@pytest.mark.parametrize(
    ("first", "duration", "last"),
    [
        ("2026-02-01", "P12M", "2027-01-31"),
        ("2026-01-31", "P1M", "2026-02-27"),
        ("2026-12-15", "P1Y6M", "2028-06-14"),
        ("2026-03-02", "P2W", "2026-03-15"),
        ("2026-03-02", "P1D", "2026-03-02"),
        ("2026-03-02", "P0D", None),
        ("2026-03-02", "P", None),
        ("2026-03-02", "12", None),
        ("2026-03-02", "P999Y9999M", "3858-06-01"),
        ("9000-03-02", "P999Y9999M", None),
        ("soon", "P12M", None),
    ],
)
def test_a_term_ends_the_day_before_its_return(first: str, duration: str, last: str | None) -> None:
    assert end_of_term(first, duration) == last
