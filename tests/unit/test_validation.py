"""At the door: contract data is accepted whole, or refused with every problem at once."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.billing.order import RESERVED
from contracts.model import MAX_MILESTONES, MAX_PLANS, Contract, JsonObject
from contracts.money import Money
from contracts.validation import InvalidContract, Problem, amended, show, validate
from tests.unit.examples import MINOR_UNITS, contract_data, euros, json_values
from tests.unit.plans import managed, mixed

T = TypeVar("T")

HALF_A_PAIR = "\ud800"
"""Python's JSON reader lets it in; neither UTF-8 nor JSON can carry it on."""

FIELDS = [
    "contract_id",
    "source",
    "source.id",
    "title",
    "customer",
    "customer.key",
    "customer.country",
    "customer.vat_number",
    "customer.billing_email",
    "currency",
    "value",
    "signed_on",
    "starts_on",
    "ends_on",
    "services",
    "services.0",
    "services.0.key",
    "services.0.amount",
    "milestones",
    "milestones.1",
    "milestones.1.key",
    "milestones.1.service",
    "milestones.1.amount",
    "milestones.1.percent",
    "milestones.1.due_on",
    "unheard_of",
]
"""Where contract data can be spoilt."""


def problems(spoilt: Any) -> list[Problem]:
    with pytest.raises(InvalidContract) as refused:
        validate(spoilt)
    return refused.value.problems


def found(spoilt: Any) -> set[tuple[str, str]]:
    return {(problem.code, problem.field) for problem in problems(spoilt)}


def outcome(attempt: Callable[[], T]) -> tuple[T | None, list[Problem]]:
    """What came of it, or None and the problems; any other exception is the test's failure."""
    try:
        return attempt(), []
    except InvalidContract as refused:
        return None, refused.problems


def accepted(base: JsonObject, values: JsonObject) -> Contract:
    """The contract of contract data with values by path."""
    return validate(amended(base, values))


def with_values(**values: Any) -> JsonObject:
    """The good contract data with values by path, `__` for a dot."""
    return amended(
        contract_data(), {path.replace("__", "."): value for path, value in values.items()}
    )


def without(path: str) -> JsonObject:
    """The good contract data without one field."""
    spoilt = contract_data()
    node: Any = spoilt
    *way, last = path.split(".")
    for step in way:
        node = node[int(step)] if step.isdigit() else node[step]
    del node[last]
    return spoilt


def by_percent(amount: str, percents: list[str], currency: str = "EUR") -> JsonObject:
    """One service of an amount, billed by percentages."""
    return contract_data(
        currency=currency,
        value=amount,
        services=[{"key": "build", "code": "BUILD", "description": "Build", "amount": amount}],
        milestones=[
            {"key": f"m{n}", "name": f"Part {n}", "service": "build", "percent": percent}
            for n, percent in enumerate(percents)
        ],
    )


# --- what is accepted -----------------------------------------------------------------------


def test_good_contract_data_becomes_a_contract() -> None:
    contract = validate(contract_data())
    assert contract.value == euros("10000.00")
    assert contract.service("train").amount == euros("1000.00")
    assert [item.amount for item in contract.milestones] == [
        euros("3000.00"),
        euros("6000.00"),
        euros("1000.00"),
    ]
    assert contract.customer.vat_number == "BE0477472701"


def test_a_contract_survives_json() -> None:
    contract = validate(contract_data())
    assert Contract.model_validate_json(contract.model_dump_json()) == contract
    assert validate(json.loads(contract.model_dump_json())) == contract


def test_reading_contract_data_leaves_it_as_it_was() -> None:
    given_contract_data = by_percent("100.00", ["50", "50"])
    before = copy.deepcopy(given_contract_data)
    validate(given_contract_data)
    assert given_contract_data == before


@pytest.mark.parametrize(
    "field", ["customer.vat_number", "starts_on", "ends_on", "payment_term", "purchase_order"]
)
def test_what_a_contract_may_leave_out(field: str) -> None:
    validate(without(field))


def test_a_date_may_come_with_a_midnight() -> None:
    assert validate(with_values(signed_on="2026-01-10T00:00:00")).signed_on.day == 10


def test_all_may_happen_on_one_day() -> None:
    day = "2026-01-10"
    validate(with_values(signed_on=day, starts_on=day, ends_on=day, milestones__0__due_on=day))


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_customer_may_have_no_vat_number(blank: str | None) -> None:
    assert not validate(with_values(customer__vat_number=blank)).customer.vat_number


def test_amounts_may_say_the_contracts_currency() -> None:
    assert validate(with_values(value="10000 EUR")) == validate(contract_data())


def test_null_for_a_percent_or_an_amount_is_no_percent_and_no_amount() -> None:
    stated = by_percent("100.00", ["40", "60"])
    stated["milestones"][0]["amount"] = None
    stated["milestones"][1] |= {"amount": "60.00", "percent": None}
    assert [item.amount for item in validate(stated).milestones] == [euros("40"), euros("60")]


# --- percentages ----------------------------------------------------------------------------


@given(
    currency=st.sampled_from(sorted(MINOR_UNITS)),
    # Enough of the smallest unit that a percent of it is something.
    count=st.integers(10_000, 10**14),
    cuts=st.sets(st.integers(1, 99), max_size=12),
)
def test_percentages_share_an_amount_without_losing_a_cent(
    currency: str, count: int, cuts: set[int]
) -> None:
    value = Money(count * MINOR_UNITS[currency], currency)
    edges = [0, *sorted(cuts), 100]
    percents = [str(end - start) for start, end in itertools.pairwise(edges)]
    contract = validate(by_percent(str(value.amount), percents, currency))
    assert Money.total((item.amount for item in contract.milestones), currency) == value
    for percent, item in zip(percents[:-1], contract.milestones, strict=False):
        exact = value.amount * Decimal(percent) / 100
        assert abs(exact - item.amount.amount) <= MINOR_UNITS[currency] / 2


def test_thirds_of_a_hundred_percent() -> None:
    contract = validate(by_percent("10000.00", ["33.33", "33.33", "33.34"]))
    assert [str(item.amount.amount) for item in contract.milestones] == [
        "3333.00",
        "3333.00",
        "3334.00",
    ]


def test_percentages_are_of_their_own_service_and_mix_with_amounts() -> None:
    mixed = contract_data()
    mixed["milestones"][0] = {"key": "a", "name": "A", "service": "build", "percent": "33.5"}
    mixed["milestones"][1]["amount"] = "5985.00"
    mixed["milestones"][2] = {"key": "c", "name": "C", "service": "train", "percent": 100}
    assert [item.amount for item in validate(mixed).milestones] == [
        euros("3015.00"),
        euros("5985.00"),
        euros("1000.00"),
    ]


@pytest.mark.parametrize(
    ("percents", "field", "told"),
    [
        (["60", "60"], "milestones.1.percent", "120"),
        (["60", "40.01"], "milestones.1.percent", "100.01"),
        # A total below a hundred shows in what is left unbilled.
        (["30", "60"], "milestones", "9000.00 EUR"),
    ],
)
def test_percentages_that_are_not_a_hundred_are_one_problem(
    percents: list[str], field: str, told: str
) -> None:
    [problem] = problems(by_percent("10000.00", percents))
    assert (problem.code, problem.field) == ("milestones_do_not_add_up", field)
    assert problem.value == told


@pytest.mark.parametrize(
    "percent", ["forty", "0", "-5", "101", "NaN", "1e400", 40.0, float("nan"), True, [], {}, ""]
)
def test_a_percent_that_is_none_is_one_problem(percent: Any) -> None:
    [problem] = problems(by_percent("10000.00", ["60", percent]))
    assert (problem.code, problem.field) == ("percent_malformed", "milestones.1.percent")


def test_a_milestone_states_an_amount_or_a_percent_not_both() -> None:
    spoilt = with_values(milestones__1__percent="60")
    assert found(spoilt) == {("milestone_amount_twice", "milestones.1.percent")}


def test_percentages_of_a_service_that_is_not_there_are_one_problem() -> None:
    spoilt = by_percent("100.00", ["40", "60"])
    spoilt["milestones"][0]["service"] = "travel"
    spoilt["milestones"][1] |= {"percent": None, "amount": "100.00"}
    assert found(spoilt) == {("service_unknown", "milestones.0.service")}


def test_percentages_of_an_amount_that_cannot_be_read_are_its_problem() -> None:
    spoilt = amended(by_percent("100.00", ["40", "60"]), {"services.0.amount": "lots"})
    assert found(spoilt) == {("money_malformed", "services.0.amount")}


def test_a_share_too_small_to_bill_is_told() -> None:
    spoilt = by_percent("1.00", ["0.1", "99.9"])
    assert found(spoilt) == {("amount_not_positive", "milestones.0.amount")}


# --- what is refused, code by code ----------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        "contract_id",
        "legal_entity",
        "source",
        "source.system",
        "title",
        "customer",
        "customer.key",
        "customer.name",
        "customer.country",
        "customer.billing_email",
        "currency",
        "value",
        "signed_on",
        "services",
        "services.0.key",
        "services.0.code",
        "services.0.amount",
        "milestones.1.name",
        "milestones.1.service",
        "milestones.1.amount",
    ],
)
@pytest.mark.parametrize("left", ["out", "blank", "null"])
def test_what_a_contract_must_state(field: str, left: str) -> None:
    blank = {"blank": "", "null": None}
    spoilt = without(field) if left == "out" else amended(contract_data(), {field: blank[left]})
    told = {problem.field: problem for problem in problems(spoilt)}
    assert (told[field].code, told[field].expected, told[field].value) == ("missing", "a value", "")


SPOILT: list[tuple[str, JsonObject, set[tuple[str, str]]]] = [
    (
        "an unknown currency is told once, not with each amount",
        with_values(currency="XXX"),
        {("currency_unknown", "currency")},
    ),
    (
        "an amount in an unknown currency",
        with_values(services__0__amount="9000 XXX"),
        {("currency_unknown", "services.0.amount.currency")},
    ),
    (
        "an amount in another currency",
        with_values(milestones__0__amount="3000.00 USD"),
        {("currency_mismatch", "milestones.0.amount")},
    ),
    (
        "a value in another currency",
        with_values(value="10000.00 USD"),
        {("currency_mismatch", "value")},
    ),
    (
        "services that do not add up to the value",
        with_values(value="10000.01"),
        {("services_do_not_add_up", "value")},
    ),
    (
        "milestones that do not add up to their service",
        with_values(milestones__1__amount="5999.99"),
        {("milestones_do_not_add_up", "milestones")},
    ),
    (
        "a service that no milestone bills",
        contract_data(milestones=contract_data()["milestones"][:2]),
        {("service_not_billed", "services.1.amount")},
    ),
    (
        "a milestone of a service the contract has not",
        with_values(milestones__2__service="travel"),
        {("service_unknown", "milestones.2.service")},
    ),
    (
        "two services by one key",
        with_values(services__1__key="build", milestones__2__service="build"),
        {
            ("key_not_unique", "services.0.key"),
            ("key_not_unique", "services.1.key"),
            ("milestones_do_not_add_up", "milestones"),
        },
    ),
    (
        "two milestones by one key",
        with_values(milestones__1__key="design"),
        {("key_not_unique", "milestones.0.key"), ("key_not_unique", "milestones.1.key")},
    ),
    (
        "an amount of nothing and one below it",
        with_values(milestones__0__amount="0", milestones__1__amount="-1", value="0.00"),
        {
            ("amount_not_positive", "milestones.0.amount"),
            ("amount_not_positive", "milestones.1.amount"),
            ("milestones_do_not_add_up", "milestones"),
            ("amount_not_positive", "value"),
            ("services_do_not_add_up", "value"),
        },
    ),
    (
        "an amount as a JSON number with decimals",
        with_values(value=10000.5),
        {("money_malformed", "value")},
    ),
    ("an amount that is no number", with_values(value="lots"), {("money_malformed", "value")}),
    ("an amount of NaN", with_values(value=float("nan")), {("money_malformed", "value")}),
    (
        "an amount finer than its currency",
        with_values(value="10000.001"),
        {("money_too_precise", "value")},
    ),
    (
        "an end before the start",
        with_values(ends_on="2026-01-31"),
        {("dates_out_of_order", "ends_on")},
    ),
    (
        "an end before the signature where there is no start",
        with_values(starts_on=None, ends_on="2026-01-09"),
        {("dates_out_of_order", "ends_on")},
    ),
    (
        "a milestone due before the start",
        with_values(milestones__1__due_on="2026-01-31"),
        {("dates_out_of_order", "milestones.1.due_on")},
    ),
    (
        "a milestone due before the signature where there is no start",
        with_values(starts_on=None, milestones__1__due_on="2026-01-09"),
        {("dates_out_of_order", "milestones.1.due_on")},
    ),
    ("a date in words", with_values(signed_on="10 January"), {("date_malformed", "signed_on")}),
    (
        "a number for a date, which is no day of 1970",
        with_values(signed_on=0, starts_on="86400", milestones__0__due_on=1768003200),
        {
            ("date_malformed", "signed_on"),
            ("date_malformed", "starts_on"),
            ("date_malformed", "milestones.0.due_on"),
        },
    ),
    (
        "a day the calendar has not",
        with_values(signed_on="2026-02-29"),
        {("date_from_datetime_parsing", "signed_on")},
    ),
    (
        "a VAT number whose check digits are wrong",
        with_values(customer__vat_number="BE0477472702"),
        {("vat_invalid", "customer.vat_number")},
    ),
    (
        "a VAT number of another country",
        with_values(customer__vat_number="NL001234567B01"),
        {("vat_invalid", "customer.vat_number")},
    ),
    ("an object for a title", with_values(title={}), {("string_type", "title")}),
    (
        "a VAT number that is a number",
        with_values(customer__vat_number=477472701),
        {("string_type", "customer.vat_number")},
    ),
    (
        "a country in lower case",
        with_values(customer__country="be"),
        {("country_malformed", "customer.country")},
    ),
    (
        "a country in letters ISO 3166 does not use",
        with_values(customer__country="ÉÀ"),
        {("country_malformed", "customer.country")},
    ),
    (
        "no e-mail address to bill",
        with_values(customer__billing_email="accounts payable"),
        {("email_malformed", "customer.billing_email")},
    ),
    (
        "a key with a blank",
        with_values(contract_id="C 1", legal_entity="north/wind"),
        {("key_malformed", "contract_id"), ("key_malformed", "legal_entity")},
    ),
    (
        "a key with a line break behind it",
        with_values(contract_id="C-1\n"),
        {("key_malformed", "contract_id")},
    ),
    (
        "fields nobody knows",
        with_values(discount="10", customer__fax="1", milestones__0__price="1"),
        {
            ("field_unknown", "discount"),
            ("field_unknown", "customer.fax"),
            ("field_unknown", "milestones.0.price"),
        },
    ),
    ("no service at all", contract_data(services=[]), {("too_short", "services")}),
    ("no milestone and no plan", contract_data(milestones=[]), {("missing", "milestones")}),
    ("nothing that says what is billed", without("milestones"), {("missing", "milestones")}),
    ("services that are no list", contract_data(services="many"), {("tuple_type", "services")}),
    (
        "a milestone that is no object",
        with_values(milestones__2="Course"),
        {("model_type", "milestones.2")},
    ),
    ("a title too long", with_values(title="x" * 201), {("string_too_long", "title")}),
    (
        "a character no database and no printed invoice can hold",
        with_values(title="ERP\x00", purchase_order="PO\x1b77"),
        {("text_malformed", "title"), ("text_malformed", "purchase_order")},
    ),
]


@pytest.mark.parametrize(
    ("spoilt", "expected"), [case[1:] for case in SPOILT], ids=[case[0] for case in SPOILT]
)
def test_exactly_this_is_told_of(spoilt: JsonObject, expected: set[tuple[str, str]]) -> None:
    assert found(spoilt) == expected


def test_every_problem_is_told_at_once() -> None:
    spoilt = with_values(
        title="",
        customer__vat_number="BE0477472702",
        customer__billing_email="nobody",
        value="9999.00",
        ends_on="2025-01-01",
        milestones__0__due_on="soon",
        milestones__1__key="design",
        milestones__2__amount=1000.0,
        surprise=1,
    )
    assert found(spoilt) == {
        ("missing", "title"),
        ("vat_invalid", "customer.vat_number"),
        ("email_malformed", "customer.billing_email"),
        ("services_do_not_add_up", "value"),
        ("dates_out_of_order", "ends_on"),
        ("date_malformed", "milestones.0.due_on"),
        ("key_not_unique", "milestones.0.key"),
        ("key_not_unique", "milestones.1.key"),
        ("money_malformed", "milestones.2.amount"),
        ("field_unknown", "surprise"),
    }


def test_a_problem_reads_as_a_sentence() -> None:
    spoilt = with_values(customer__country="Belgium", title="")
    with pytest.raises(InvalidContract) as refused:
        validate(spoilt)
    assert str(refused.value) == (
        "title: expected a value [missing]; "
        "customer.country: expected an ISO 3166 code in capitals, such as BE "
        "(found 'Belgium') [country_malformed]"
    )


def test_without_a_currency_there_is_none_to_compare_amounts_with() -> None:
    spoilt = without("currency")
    for row in [*spoilt["services"], *spoilt["milestones"]]:
        row["amount"] += " EUR"
    spoilt["value"] += " EUR"
    assert found(spoilt) == {("missing", "currency")}


def test_missing_services_are_the_one_problem_they_are() -> None:
    assert found(without("services")) == {("missing", "services")}


def test_the_sum_that_does_not_add_up_is_told_even_if_no_amount_could_hold_it() -> None:
    most = "999999999999999.99"
    spoilt = contract_data(
        value=most,
        services=[
            {"key": key, "code": key, "description": key, "amount": most}
            for key in ("build", "train")
        ],
        milestones=[
            {"key": f"m{n}", "name": "Part", "service": ("build", "train")[n % 2], "amount": most}
            for n in range(4)
        ],
    )
    told = {problem.field: problem.expected for problem in problems(spoilt)}
    assert told["value"] == "the sum of the services, 1999999999999999.98 EUR"


# --- contract data from hell --------------------------------------------------------------------


@pytest.mark.parametrize("contract_data", [None, [], "contract", 7, 1.5, True, [contract_data()]])
def test_what_is_no_object_is_told_so(contract_data: Any) -> None:
    assert found(contract_data) == {("not_an_object", "contract_data")}


@pytest.mark.parametrize("name", ["services", "milestones"])
@pytest.mark.parametrize("row", [{}, 1, {"key": "m", "percent": "0.01", "service": "build"}])
def test_a_table_too_long_is_refused_without_looking_at_its_rows(name: str, row: Any) -> None:
    [problem] = problems(contract_data(**{name: [row] * 10_000}))
    assert (problem.code, problem.field, problem.value) == ("too_long", name, "10000 rows")
    assert str(MAX_MILESTONES) in problem.expected


def test_the_longest_table_that_is_accepted() -> None:
    rows = [
        {"key": f"m{n}", "name": "Part", "service": "build", "percent": "0.2"}
        for n in range(MAX_MILESTONES)
    ]
    full = by_percent("10000.00", []) | {"milestones": rows}
    assert len(validate(full).milestones) == MAX_MILESTONES


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "value",
    [
        "x" * 1_000_000,
        "9" * 100_000,
        HALF_A_PAIR,
        [HALF_A_PAIR],
        "\x00",
        float("nan"),
        float("-inf"),
        10**400,
        [[[[]]]],
        {"": {"": ""}},
    ],
    ids=lambda value: ascii(value)[:16],
)
def test_a_monstrous_value_is_told_in_a_few_words(field: str, value: Any) -> None:
    told = problems(amended(contract_data(), {field: value}))
    assert any(problem.field.startswith(field.split(".")[0]) for problem in told)
    for problem in told:
        assert len(problem.model_dump_json()) < 2_000


def test_the_name_of_an_unknown_field_may_be_monstrous_too() -> None:
    [problem] = problems(contract_data(**{"x" * 1_000_000: 1}))
    assert problem.code == "field_unknown"
    assert len(problem.field) < 200
    assert problems(contract_data(**{HALF_A_PAIR: 1}))[0].model_dump_json()


@given(st.dictionaries(st.sampled_from(FIELDS), json_values, min_size=1, max_size=4))
def test_contract_data_spoilt_anywhere_is_accepted_or_refused_but_never_crashes(
    values: dict[str, Any],
) -> None:
    contract, told = outcome(lambda: validate(amended(contract_data(), values)))
    if contract is None:
        assert told
        assert all(problem.model_dump_json() for problem in told)
    else:
        assert Contract.model_validate_json(contract.model_dump_json()) == contract


@given(json_values)
def test_no_json_at_all_makes_it_crash(value: Any) -> None:
    assert problems(value)


@given(st.fixed_dictionaries({}, optional={name: json_values for name in contract_data()}))
def test_no_object_with_a_contracts_fields_makes_it_crash(spoilt: JsonObject) -> None:
    assert problems(spoilt)


# --- plans, deposit, retainage, term and termination ----------------------------------------


def test_a_contract_may_bill_by_all_at_once() -> None:
    contract = validate(mixed())
    assert contract.fixed_price == euros("40000.00")
    assert [plan.key for plan in contract.plans] == ["development", "travel"]
    assert contract.deposit is not None
    assert contract.deposit.amount == euros("8000.00")


def test_a_contract_may_bill_by_periods_alone() -> None:
    contract = validate(managed())
    assert contract.fixed_price == euros("0")
    assert contract.value == euros("48000.00")
    assert contract.milestones == ()


def test_nothing_needs_an_estimate() -> None:
    nothing = {"services.0.amount": "0", "services.1.amount": "0.00", "value": "0"}
    assert validate(amended(managed(), nothing)).value == euros("0")


@pytest.mark.parametrize(
    ("percent", "amount"), [("20", "8000.00"), ("100", "40000.00"), ("33.333", "13333.20")]
)
def test_a_deposit_may_be_a_percentage_of_the_milestones(percent: str, amount: str) -> None:
    deposit = validate(mixed(deposit__percent=percent)).deposit
    assert deposit is not None
    assert deposit.amount == euros(amount)


def test_a_deposit_may_be_an_amount() -> None:
    deposit = {"amount": "5000.00", "percent": None, "service": "down-payment"}
    assert validate(mixed(deposit=deposit)) == validate(mixed(deposit__percent="12.5"))


@pytest.mark.parametrize("every", ["month", "quarter", "year", "1 week", "2 weeks", "52 weeks"])
def test_how_often_a_plan_may_bill(every: str) -> None:
    assert validate(mixed(time__0__every=every)).time[0].every == every


def test_expense_plans_may_follow_one_another() -> None:
    first = {"key": "travel", "service": "travel", "ends_on": "2026-06-30"}
    second = {"key": "travel-2", "service": "travel", "starts_on": "2026-07-01", "markup": "10"}
    assert len(validate(mixed(expenses=[first, second])).expenses) == 2


def test_the_hours_of_some_may_cost_nothing() -> None:
    assert validate(mixed(time__0__rates__1__price="0")).time[0].rates[1].price == euros("0")


def test_rates_that_differ_in_their_day_alone_are_several() -> None:
    rates = [{"price": "1", "valid_from": f"2026-0{month}-01"} for month in (2, 3, 4)]
    assert len(validate(mixed(time__0__rates=rates)).time[0].rates) == 3


TIERS = "usage__0__tiers"
WRONG_PLANS: list[tuple[str, JsonObject, set[tuple[str, str]]]] = [
    (
        "a service of an amount that nothing bills",
        mixed(time=[]),
        {("service_not_billed", "services.1.amount")},
    ),
    (
        "an estimate below zero",
        managed(services__1__amount="-1.00", value="35999.00"),
        {("amount_not_positive", "services.1.amount")},
    ),
    (
        "a fixed price that the milestones do not fill",
        mixed(services__0__amount="41000.00", value="63000.00", milestones__1__percent="49.99"),
        {("milestones_do_not_add_up", "milestones")},
    ),
    (
        "a plan by the key of a milestone and of another plan",
        mixed(time__0__key="pilot", expenses__0__key="pilot"),
        {
            ("key_not_unique", "milestones.1.key"),
            ("key_not_unique", "time.0.key"),
            ("key_not_unique", "expenses.0.key"),
        },
    ),
    (
        "a key that is ours",
        mixed(milestones__0__key="deposit", time__0__key="retainage"),
        {("key_reserved", "milestones.0.key"), ("key_reserved", "time.0.key")},
    ),
    (
        "services that are not there",
        mixed(
            time__0__service="a", deposit__service="b", retainage__service="c", termination__fee="1"
        )
        | {"termination": {"fee": "1", "fee_service": "d"}},
        {
            ("service_unknown", "time.0.service"),
            ("service_unknown", "deposit.service"),
            ("service_unknown", "retainage.service"),
            ("service_unknown", "termination.fee_service"),
        },
    ),
    (
        "amounts in other currencies",
        mixed(
            time__0__cap="1 USD",
            time__0__rates__1__price="1 USD",
            expenses__0__cap="1 USD",
            deposit={"amount": "1 USD", "service": "down-payment"},
            purchase_order_limit="1 USD",
            termination={"fee": "1 USD", "fee_service": "build"},
        ),
        {
            ("currency_mismatch", "time.0.cap"),
            ("currency_mismatch", "time.0.rates.1.price"),
            ("currency_mismatch", "expenses.0.cap"),
            ("currency_mismatch", "deposit.amount"),
            ("currency_mismatch", "purchase_order_limit"),
            ("currency_mismatch", "termination.fee"),
        },
    ),
    (
        "recurring amounts in other currencies",
        managed(
            retainers__0__fee="1 USD",
            retainers__0__overage_price="1 USD",
            usage__0__minimum="1 USD",
            usage__0__commitment="1 USD",
        ),
        {
            ("currency_mismatch", "retainers.0.fee"),
            ("currency_mismatch", "retainers.0.overage_price"),
            ("currency_mismatch", "usage.0.minimum"),
            ("currency_mismatch", "usage.0.commitment"),
        },
    ),
    (
        "amounts of nothing",
        mixed(
            time__0__cap="0",
            time__0__rates__0__price="-0.01",
            expenses__0__cap="-5",
            deposit={"amount": "0", "service": "down-payment"},
            purchase_order_limit="0",
            termination={"fee": "0", "fee_service": "build"},
        ),
        {
            ("amount_not_positive", "time.0.cap"),
            ("amount_not_positive", "time.0.rates.0.price"),
            ("amount_not_positive", "expenses.0.cap"),
            ("amount_not_positive", "deposit.amount"),
            ("amount_not_positive", "purchase_order_limit"),
            ("amount_not_positive", "termination.fee"),
        },
    ),
    (
        "recurring amounts of nothing",
        managed(
            retainers__0__fee="0",
            retainers__0__overage_price="-1",
            usage__0__minimum="0",
            usage__0__commitment="0",
        ),
        {
            ("amount_not_positive", "retainers.0.fee"),
            ("amount_not_positive", "retainers.0.overage_price"),
            ("amount_not_positive", "usage.0.minimum"),
            ("amount_not_positive", "usage.0.commitment"),
        },
    ),
    (
        "a deposit above the fixed price",
        mixed(deposit={"amount": "40000.01", "service": "down-payment"}),
        {("deposit_too_large", "deposit.amount")},
    ),
    (
        "a deposit without milestones to deduct it from",
        managed(deposit={"amount": "1.00", "service": "desk"}),
        {("deposit_too_large", "deposit.amount")},
    ),
    (
        "a percentage of no milestones",
        managed(deposit={"percent": "10", "service": "desk"}),
        {("deposit_too_large", "deposit.percent")},
    ),
    (
        "a deposit that is an amount and a percentage",
        mixed(deposit__amount="8000.00"),
        {("deposit_amount_twice", "deposit.percent")},
    ),
    (
        "a deposit of no percentage",
        mixed(deposit__percent="101"),
        {("percent_malformed", "deposit.percent")},
    ),
    (
        "a deposit of neither",
        mixed(deposit={"service": "down-payment"}),
        {("missing", "deposit.amount")},
    ),
    (
        "a percentage of milestones that cannot be read",
        mixed(milestones__0={"key": "m", "name": "M", "service": "build", "amount": "lots"}),
        {("money_malformed", "milestones.0.amount")},
    ),
    (
        "tiers that do not ascend",
        managed(**{f"{TIERS}__1__up_to": "10000", f"{TIERS}__0__up_to": "10000.0"}),
        {("tiers_out_of_order", "usage.0.tiers.1.up_to")},
    ),
    (
        "a first tier of nothing",
        managed(**{f"{TIERS}__0__up_to": "0"}),
        {("tiers_out_of_order", "usage.0.tiers.0.up_to")},
    ),
    (
        "an open tier before the last",
        managed(**{f"{TIERS}__0__up_to": None}),
        {("tiers_out_of_order", "usage.0.tiers.0.up_to")},
    ),
    (
        "a last tier that ends",
        managed(**{f"{TIERS}__2__up_to": "90000"}),
        {("tiers_out_of_order", "usage.0.tiers.2.up_to")},
    ),
    (
        "a price of more decimals than Odoo holds",
        managed(**{f"{TIERS}__2__price": "0.1234567"}),
        {("number_out_of_range", "usage.0.tiers.2.price")},
    ),
    (
        "tiers that cost nothing, and no minimum",
        managed(
            usage__0__tiers=[{"price": "0"}], usage__0__minimum=None, usage__0__commitment=None
        ),
        {("amount_not_positive", "usage.0.tiers")},
    ),
    ("no tier", managed(usage__0__tiers=[]), {("too_short", "usage.0.tiers")}),
    ("no rate", mixed(time__0__rates=[]), {("too_short", "time.0.rates")}),
    (
        "two rates for the same",
        mixed(time__0__rates__2={"price": "126.00", "role": " developer "}),
        {("rate_not_unique", "time.0.rates.2")},
    ),
    (
        "a renewal of what has no end",
        managed(ends_on=None, usage__0__commitment=None),
        {("end_needed", "term.auto_renew")},
    ),
    (
        "a commitment for a term without an end",
        managed(ends_on=None, term__auto_renew=False),
        {("end_needed", "usage.0.commitment")},
    ),
    (
        "a renewal of milestones",
        contract_data(term={"auto_renew": True}),
        {("nothing_to_renew", "term.auto_renew")},
    ),
    (
        "plans outside the contract",
        mixed(
            time__0__starts_on="2026-01-31",
            time__0__ends_on="2027-01-01",
            expenses__0__starts_on="2027-01-01",
        ),
        {
            ("dates_out_of_order", "time.0.starts_on"),
            ("dates_out_of_order", "time.0.ends_on"),
            ("dates_out_of_order", "expenses.0.starts_on"),
        },
    ),
    (
        "plans that end before they start",
        managed(
            retainers__0__starts_on="2026-05-01",
            retainers__0__ends_on="2026-04-30",
            usage__0__ends_on="2026-01-14",
        ),
        {
            ("dates_out_of_order", "retainers.0.ends_on"),
            ("dates_out_of_order", "usage.0.ends_on"),
        },
    ),
    (
        "an index from the first day, and a release before it",
        managed(
            retainers__0__indexation__first_on="2026-01-15",
            retainage={"percent": "5", "service": "desk", "release_on": "2026-01-14"},
        ),
        {
            ("dates_out_of_order", "retainers.0.indexation.first_on"),
            ("dates_out_of_order", "retainage.release_on"),
        },
    ),
    (
        "days of other centuries",
        mixed(signed_on="0206-01-05", ends_on="9999-12-31"),
        {("date_out_of_range", "signed_on"), ("date_out_of_range", "ends_on")},
    ),
    (
        "cadences nobody bills by",
        mixed(time__0__every="53 weeks", expenses__0__every="fortnight"),
        {("cadence_malformed", "time.0.every"), ("cadence_malformed", "expenses.0.every")},
    ),
    (
        "a limit of an order without a number",
        mixed(purchase_order=" "),
        {("missing", "purchase_order")},
    ),
    (
        "a fee that is booked on nothing",
        managed(termination__fee_service=None),
        {("missing", "termination.fee_service")},
    ),
    (
        "two plans for the same expenses",
        mixed(
            expenses=[
                {"key": "travel", "service": "travel", "ends_on": "2026-06-30"},
                {"key": "travel-2", "service": "travel", "starts_on": "2026-06-30"},
            ]
        ),
        {("expense_plans_overlap", "expenses.1")},
    ),
    (
        "values of other kinds",
        managed(
            retainers__0__in_advance="perhaps",
            retainers__0__included_hours=12.5,
            retainers__0__carry_over="forever",
            term__renew_months=0,
            term__notice_days="soon",
            usage__0__unit="",
        ),
        {
            ("yes_or_no_expected", "retainers.0.in_advance"),
            ("number_malformed", "retainers.0.included_hours"),
            ("choice_malformed", "retainers.0.carry_over"),
            ("number_out_of_range", "term.renew_months"),
            ("number_malformed", "term.notice_days"),
            ("missing", "usage.0.unit"),
        },
    ),
]


@pytest.mark.parametrize(
    ("spoilt", "expected"),
    [case[1:] for case in WRONG_PLANS],
    ids=[case[0] for case in WRONG_PLANS],
)
def test_of_plans_exactly_this_is_told(spoilt: JsonObject, expected: set[tuple[str, str]]) -> None:
    assert found(spoilt) == expected


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_no_milestone_takes_the_key_of_an_order_line_of_ours(key: str) -> None:
    assert found(with_values(milestones__0__key=key)) == {("key_reserved", "milestones.0.key")}


@pytest.mark.parametrize("table", ["time", "retainers", "usage", "expenses"])
def test_too_many_plans_are_refused_without_looking_at_them(table: str) -> None:
    [problem] = problems(mixed(**{table: [1] * 10_000}))
    assert (problem.code, problem.field, problem.value) == ("too_long", table, "10000 rows")
    assert str(MAX_PLANS) in problem.expected


@pytest.mark.parametrize(
    ("spoilt", "field"),
    [
        (mixed(time__0__rates=[{}] * 201), "time.0.rates"),
        (managed(usage__0__tiers=[{}] * 51), "usage.0.tiers"),
    ],
    ids=["rates", "tiers"],
)
def test_so_are_too_many_rates_and_tiers(spoilt: JsonObject, field: str) -> None:
    assert found(spoilt) == {("too_long", field)}


def paths_of(node: Any, path: str = "") -> list[str]:
    """Every path into contract data that leads to something, and to one field nobody knows."""
    if isinstance(node, dict):
        items = [*node.items(), ("unheard_of", None)]
    elif isinstance(node, list):
        items = [(str(index), item) for index, item in enumerate(node)]
    else:
        return [path]
    found = [inner for key, item in items for inner in paths_of(item, f"{path}.{key}".strip("."))]
    return [path, *found] if path else found


@pytest.mark.parametrize("base", [mixed(), managed()], ids=["mixed", "managed"])
@pytest.mark.parametrize(
    "value",
    [HALF_A_PAIR, "9" * 5000, float("nan"), 10**5000, {"": []}, True],
    ids=["half a pair", "digits", "NaN", "number", "object", "true"],
)
def test_a_monstrous_value_anywhere_in_a_plan_is_told(base: JsonObject, value: Any) -> None:
    for path in paths_of(base):
        contract, told = outcome(partial(accepted, base, {path: value}))
        assert contract or told
        for problem in told:
            assert len(problem.model_dump_json()) < 2_000


@given(st.data(), st.sampled_from([mixed(), managed()]))
def test_contract_data_with_plans_is_accepted_or_refused_but_never_crashes(
    data: st.DataObject, base: JsonObject
) -> None:
    some = st.dictionaries(st.sampled_from(paths_of(base)), json_values, min_size=1, max_size=4)
    values = data.draw(some)
    contract, told = outcome(lambda: validate(amended(base, values)))
    if contract is None:
        assert told
        assert all(problem.model_dump_json() for problem in told)
    else:
        assert Contract.model_validate_json(contract.model_dump_json()) == contract


# --- showing values -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abc", "abc"),
        ("", "''"),
        (1.5, "1.5"),
        (None, "None"),
        ({"a": 1}, "{'a': 1}"),
        ({}, "{}"),
        ({"amount": "1.001", "currency": "EUR"}, "1.001 EUR"),
        ({"amount": "1.001", "currency": None}, "1.001"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        (f"a{HALF_A_PAIR}", "a?"),
    ],
)
def test_a_value_as_short_text(value: Any, shown: str) -> None:
    assert show(value) == shown


# --- amending -------------------------------------------------------------------------------


def test_amending_replaces_values_by_their_paths() -> None:
    result = amended(
        contract_data(),
        {"title": "CRM", "customer.vat_number": None, "milestones.1.amount": "6000.01"},
    )
    expected = contract_data(title="CRM")
    expected["customer"]["vat_number"] = None
    expected["milestones"][1]["amount"] = "6000.01"
    assert result == expected


def test_amending_leaves_the_contract_data_it_started_from() -> None:
    original = contract_data()
    amended(original, {"milestones.0.name": "Concept", "customer.name": "Acme SA"})
    assert original == contract_data()


def test_amending_a_row_or_a_table_replaces_all_of_it() -> None:
    assert amended(contract_data(), {"milestones.2": {"key": "c"}})["milestones"][2] == {"key": "c"}
    assert amended(contract_data(), {"milestones": []})["milestones"] == []


def test_a_path_through_nothing_makes_objects_on_its_way() -> None:
    assert amended({}, {"customer.name": "Acme"}) == {"customer": {"name": "Acme"}}
    assert amended({"customer": None}, {"customer.name": "A"}) == {"customer": {"name": "A"}}


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "title.",
        ".title",
        "customer..name",
        "milestones.3",
        "milestones.-1",
        "milestones.first.name",
        "milestones.3.name",
        "title.text",
        "title.text.style",
        "milestones.0.amount.currency",
    ],
)
def test_a_path_that_leads_nowhere_is_named(path: str) -> None:
    with pytest.raises(InvalidContract) as refused:
        amended(contract_data(), {path: "x", "title": "CRM"})
    [problem] = refused.value.problems
    assert (problem.code, problem.field, problem.value) == ("path_unknown", path, "x")


def test_every_path_that_leads_nowhere_is_named() -> None:
    with pytest.raises(InvalidContract) as refused:
        amended(contract_data(), {"milestones.9": 1, "title": "CRM", "title.x": 2})
    assert [problem.field for problem in refused.value.problems] == ["milestones.9", "title.x"]


def test_a_path_of_a_thousand_steps_is_no_way_in() -> None:
    endless = amended(contract_data(), {".".join("a" * 5000): 1})
    assert [problem.code for problem in problems(endless)] == ["field_unknown"]


@given(st.text(max_size=20), json_values)
def test_no_path_makes_amending_crash(path: str, value: Any) -> None:
    result, told = outcome(lambda: amended(contract_data(), {path: value}))
    if result is None:
        assert [problem.code for problem in told] == ["path_unknown"]
    else:
        assert result.keys() >= contract_data().keys()
