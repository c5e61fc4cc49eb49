"""Money is exact, keeps its currency, and is never made of a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from contracts.currencies import EXPONENTS
from contracts.money import CurrencyMismatch, Money
from tests.unit.examples import MINOR_UNITS, amounts, euros

weights = st.lists(
    st.decimals(0, 1000, places=4) | st.integers(0, 1000), min_size=1, max_size=12
).filter(any)


def read(data: Any, currency: str | None = None) -> Money:
    return Money.model_validate(data, context={"currency": currency} if currency else None)


# --- reading and writing --------------------------------------------------------------------


@given(amounts)
def test_every_amount_survives_text_and_json(amount: Money) -> None:
    assert Money.parse(str(amount)) == amount
    assert Money.model_validate_json(amount.model_dump_json()) == amount


@given(amounts)
def test_equal_amounts_are_written_and_hashed_alike(amount: Money) -> None:
    longer = f"{amount.amount:.3f}"
    if amount.currency != "KWD":
        longer = longer.rstrip("0").rstrip(".")
    other = read(longer, amount.currency)
    assert (str(other), hash(other)) == (str(amount), hash(amount))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("4000 EUR", "4000.00 EUR"),
        ("  4000.5   EUR ", "4000.50 EUR"),
        ("+1.1 EUR", "1.10 EUR"),
        ("-0 EUR", "0.00 EUR"),
        ("0001 EUR", "1.00 EUR"),
        ("4000 JPY", "4000 JPY"),
        ("4000.0 JPY", "4000 JPY"),
        ("1.5 KWD", "1.500 KWD"),
        ("999999999999999.99 EUR", "999999999999999.99 EUR"),
    ],
)
def test_amounts_are_written_at_the_decimals_of_their_currency(text: str, written: str) -> None:
    assert str(Money.parse(text)) == written


def test_it_is_shown_as_what_it_is() -> None:
    assert repr(euros("4000")) == "Money('4000.00 EUR')"


def test_a_bare_amount_takes_the_currency_around_it() -> None:
    assert read("4000.00", "EUR") == euros("4000")
    assert read(4000, "EUR") == euros("4000")
    assert read({"amount": "4000"}, "EUR") == euros("4000")
    assert read("4000 USD", "EUR") == Money("4000", "USD")


def test_a_bare_amount_with_no_currency_around_it_is_refused() -> None:
    with pytest.raises(ValidationError):
        Money.parse("4000.00")


@pytest.mark.parametrize(
    "data",
    [
        4000.0,
        0.5,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        True,
        None,
        [],
        "",
        "EUR",
        "four",
        "NaN",
        "Infinity",
        "4,000.00",
        "4 000.00",
        "4_000.00",
        "4e3",
        ".5",
        "5.",
        "--5",
        "٤٠٠٠",
        "4000.00 EUR EUR",
        1_000_000_000_000_000,
        "1000000000000000",
        "9" * 100_000,
        Decimal("1E+999999"),
    ],
    ids=lambda data: repr(data)[:24],
)
def test_what_is_not_an_exact_amount_is_refused_however_it_comes(data: Any) -> None:
    for stated in (data, {"amount": data, "currency": "EUR"}):
        with pytest.raises(ValidationError, match="money_malformed"):
            read(stated, "EUR")
    with pytest.raises(ValidationError, match="money_malformed"):
        Money(data, "EUR")


@given(st.floats())
def test_no_float_ever_becomes_money(number: float) -> None:
    for stated in (number, {"amount": number, "currency": "EUR"}):
        with pytest.raises(ValidationError):
            read(stated, "EUR")
    with pytest.raises(ValidationError):
        Money(number, "EUR")  # type: ignore[arg-type]


def test_a_json_number_with_decimals_is_refused_and_a_whole_one_is_not() -> None:
    assert Money.model_validate_json("4000", context={"currency": "EUR"}) == euros("4000")
    with pytest.raises(ValidationError, match="cannot hold cents"):
        Money.model_validate_json("4000.5", context={"currency": "EUR"})


def test_a_misspelt_field_beside_the_amount_is_not_overlooked() -> None:
    with pytest.raises(ValidationError, match="nothing beside"):
        read({"amount": "4000", "curency": "USD"}, "EUR")


@pytest.mark.parametrize("text", ["1.5 JPY", "1.001 EUR", "1.0001 KWD"])
def test_an_amount_finer_than_its_currency_is_refused_not_rounded(text: str) -> None:
    with pytest.raises(ValidationError, match="money_too_precise"):
        Money.parse(text)


@pytest.mark.parametrize("currency", ["eur", "XXX", "EURO", "", "€"])
def test_a_currency_iso_4217_does_not_know_is_refused(currency: str) -> None:
    with pytest.raises(ValidationError, match="currency_unknown"):
        Money(1, currency)
    with pytest.raises(PydanticCustomError, match="ISO 4217"):
        Money.rounded(1, currency)


def test_currencies_have_the_decimals_of_iso_4217() -> None:
    assert {code: EXPONENTS[code] for code in ("JPY", "EUR", "KWD", "ISK", "TND")} == {
        "JPY": 0,
        "EUR": 2,
        "KWD": 3,
        "ISK": 0,
        "TND": 3,
    }
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)


def test_an_amount_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        euros("1").amount = Decimal(2)  # type: ignore[misc]


# --- arithmetic -----------------------------------------------------------------------------


@given(amounts)
def test_taking_away_what_was_added_leaves_what_there_was(amount: Money) -> None:
    unit = Money(MINOR_UNITS[amount.currency], amount.currency)
    assert amount + unit - unit == amount
    assert (amount + -amount).is_zero
    assert amount - unit < amount < amount + unit
    assert amount <= amount
    assert amount >= amount
    assert not amount > amount
    assert not amount < amount
    assert amount.is_positive == (amount > Money.zero(amount.currency))


@pytest.mark.parametrize(
    "mix",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
        lambda a, b: Money.total([a, b], a.currency),
    ],
)
def test_currencies_never_mix(mix: Any) -> None:
    with pytest.raises(CurrencyMismatch, match="different currencies"):
        mix(euros("1"), Money("1", "USD"))


def test_the_same_number_in_another_currency_is_another_amount() -> None:
    assert euros("1") != Money("1", "USD")


def test_a_total_of_nothing_is_zero_in_its_currency() -> None:
    assert Money.total([], "KWD") == Money("0.000", "KWD")
    assert Money.total([euros("1.10"), euros("2.20")], "EUR") == euros("3.30")


# --- rounding, for a remote's floats --------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "currency", "expected"),
    [
        (0.1 + 0.2, "EUR", "0.30 EUR"),
        (2.675, "EUR", "2.68 EUR"),
        (-2.675, "EUR", "-2.68 EUR"),
        (0.5, "JPY", "1 JPY"),
        (1.0005, "KWD", "1.001 KWD"),
        (-0.0, "EUR", "0.00 EUR"),
        (Decimal("1.005"), "EUR", "1.01 EUR"),
        (3, "EUR", "3.00 EUR"),
    ],
)
def test_a_remotes_number_is_rounded_half_away_from_zero(
    number: float, currency: str, expected: str
) -> None:
    assert str(Money.rounded(number, currency)) == expected


@given(amounts)
def test_odoos_double_of_an_amount_is_that_amount(amount: Money) -> None:
    assert Money.rounded(float(amount.amount), amount.currency) == amount


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_no_amount_is_made_of_what_is_not_a_number(number: float) -> None:
    with pytest.raises((ValidationError, InvalidOperation)):
        Money.rounded(number, "EUR")


# --- allocation -----------------------------------------------------------------------------


@given(amounts, weights)
def test_the_parts_add_up_to_the_whole(amount: Money, weights: list[Decimal | int]) -> None:
    parts = amount.allocate(weights)
    assert len(parts) == len(weights)
    assert Money.total(parts, amount.currency) == amount


@given(amounts, weights)
def test_no_part_has_the_wrong_sign(amount: Money, weights: list[Decimal | int]) -> None:
    for part in amount.allocate(weights):
        assert part.is_zero or part.is_positive == amount.is_positive


@given(amounts, weights)
def test_each_part_is_its_share_rounded_and_the_last_takes_the_remainder(
    amount: Money, weights: list[Decimal | int]
) -> None:
    unit = Fraction(MINOR_UNITS[amount.currency])
    whole = sum(map(Fraction, weights))
    *others, (last, last_weight) = [
        pair for pair in zip(amount.allocate(weights), weights, strict=True) if pair[1] > 0
    ]
    for part, weight in others:
        share = Fraction(amount.amount) * Fraction(weight) / whole
        assert abs(share - Fraction(part.amount)) < unit
    share = Fraction(amount.amount) * Fraction(last_weight) / whole
    assert abs(Fraction(last.amount) - share) < unit * len(others) or not others


def test_the_remainder_of_37_equal_parts_is_on_the_last() -> None:
    parts = euros("1000.00").allocate([1] * 37)
    assert parts[:36] == [euros("27.03")] * 36
    assert parts[36] == euros("26.92")
    assert euros("0.01").allocate([1] * 37) == [*[euros("0.00")] * 36, euros("0.01")]


@given(amounts, weights)
def test_a_part_without_weight_gets_nothing(amount: Money, weights: list[Decimal | int]) -> None:
    for part, weight in zip(amount.allocate(weights), weights, strict=True):
        assert weight > 0 or part.is_zero


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        ("100.00 EUR", [1, 1, 1], ["33.33", "33.33", "33.34"]),
        ("10000.00 EUR", [30, 40, 30], ["3000.00", "4000.00", "3000.00"]),
        ("0.01 EUR", [1, 1], ["0.01", "0.00"]),
        ("0.03 EUR", [1, 1, 1, 1, 1], ["0.00", "0.00", "0.00", "0.00", "0.03"]),
        ("-100.00 EUR", [1, 2], ["-33.33", "-66.67"]),
        ("1000 JPY", [1, 1, 1], ["333", "333", "334"]),
        ("1.000 KWD", [1, 1, 1], ["0.333", "0.333", "0.334"]),
        ("5.00 EUR", [Decimal("12.5"), Decimal("87.5")], ["0.63", "4.37"]),
        ("999999999999999.99 EUR", [1, 2], ["333333333333333.33", "666666666666666.66"]),
    ],
)
def test_allocations_by_hand(amount: str, weights: list[int], parts: list[str]) -> None:
    assert [str(part.amount) for part in Money.parse(amount).allocate(weights)] == parts


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [-1], [2, -1]])
def test_weights_that_share_nothing_out_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot allocate"):
        euros("1").allocate(weights)


def test_a_table_of_amounts_reads_text() -> None:
    table = TypeAdapter(dict[str, Money]).validate_json('{"a": "1 EUR", "b": "2 JPY"}')
    assert table == {"a": euros("1"), "b": Money(2, "JPY")}
