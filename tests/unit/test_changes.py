"""Change orders: the next version of a contract, or every reason why there is none."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.change_weight import weight
from contracts.changes import (
    ChangeOrder,
    changed,
    content_hash,
    contract_data_of,
    difference,
    ended_early,
    renewed,
    summary,
)
from contracts.model import Contract, JsonObject
from contracts.money import Money
from contracts.validation import InvalidContract, Problem, validate
from tests.unit.examples import MINOR_UNITS, SAM, contract, euros, json_values
from tests.unit.plans import example, managed_contract, mixed_contract

EXTRA = {"key": "extra", "name": "Extra report", "service": "build", "amount": "500.00"}


def order(**operations: Any) -> ChangeOrder:
    return ChangeOrder(number=1, by=SAM, reason="The customer asked for it", **operations)


def after(before: Contract, billed: Collection[str] = (), **operations: Any) -> Contract:
    result = changed(before, order(**operations), billed)
    assert validate(contract_data_of(result)) == result
    return result


def refused(
    before: Contract, billed: Collection[str] = (), **operations: Any
) -> set[tuple[str, str]]:
    with pytest.raises(InvalidContract) as caught:
        changed(before, order(**operations), billed)
    return {(problem.code, problem.field) for problem in caught.value.problems}


def amounts(version: Contract) -> dict[str, Money]:
    return {item.key: item.amount for item in version.milestones}


# --- the contract data of a contract -------------------------------------------------------------


@pytest.mark.parametrize("name", ["small", "full", "yen", "mixed", "managed"])
def test_the_contract_data_of_a_contract_gives_the_same_contract(name: str) -> None:
    before = validate({"legal_entity": "northwind", **example(name)})
    contract_data = contract_data_of(before)
    assert validate(contract_data) == before
    assert contract_data_of(validate(contract_data)) == contract_data


def test_amounts_in_contract_data_are_text_with_their_currency() -> None:
    contract_data = contract_data_of(mixed_contract())
    assert contract_data["milestones"][1]["amount"] == "20000.00 EUR"
    assert contract_data["deposit"] == {"amount": "8000.00 EUR", "service": "down-payment"}


def test_a_version_has_a_hash_of_its_own() -> None:
    first = mixed_contract()
    assert content_hash(first) == content_hash(mixed_contract())
    second = after(first, reprice={"pilot": "20000.01"})
    back = after(second, reprice={"pilot": "20000.00"})
    # The third says what the first said, and is another version all the same.
    assert len({content_hash(version) for version in (first, second, back)}) == 3


# --- what a change order does ---------------------------------------------------------------


def test_a_milestone_is_repriced_and_its_service_and_the_value_follow() -> None:
    before = contract()
    result = after(before, reprice={"live": "7000.00"})
    assert amounts(result) == {
        "design": euros("3000.00"),
        "live": euros("7000.00"),
        "course": euros("1000.00"),
    }
    assert result.service("build").amount == euros("10000.00")
    assert result.value == euros("11000.00")
    assert result.version == before.version + 1
    assert difference(before, result) == euros("1000.00")


def test_a_milestone_is_added_to_a_service_and_another_dropped() -> None:
    result = after(contract(), add_milestones=[EXTRA], drop=["design"])
    assert list(amounts(result)) == ["live", "course", "extra"]
    assert result.service("build").amount == euros("6500.00")
    assert result.value == euros("7500.00")


def test_a_service_whose_milestones_are_all_dropped_comes_to_nothing() -> None:
    result = after(contract(), drop=["course"])
    assert result.service("train").amount == euros("0")
    assert result.value == euros("9000.00")


def test_a_service_is_added_with_its_milestones() -> None:
    service = {"key": "docs", "code": "CONSULTING", "description": "Manual"}
    parts = [
        {"key": "draft", "name": "Draft", "service": "docs", "amount": "400.00"},
        {"key": "final", "name": "Final", "service": "docs", "amount": "600.00 EUR"},
    ]
    result = after(contract(), add_services=[service], add_milestones=parts)
    assert result.service("docs").amount == euros("1000.00")
    assert result.value == euros("11000.00")


def test_milestones_of_an_added_service_may_be_percentages() -> None:
    service = {"key": "docs", "code": "CONSULTING", "description": "Manual", "amount": "999.99"}
    parts = [
        {"key": f"part-{n}", "name": "Part", "service": "docs", "percent": percent}
        for n, percent in enumerate(("33.33", "66.67"))
    ]
    result = after(contract(), add_services=[service], add_milestones=parts)
    assert result.value == euros("10999.99")


def test_a_milestone_is_rescheduled_and_loses_its_date() -> None:
    before = mixed_contract()
    result = after(before, reschedule={"concept": "2026-04-15", "pilot": None})
    due = {item.key: item.due_on for item in result.milestones}
    assert due == {"concept": date(2026, 4, 15), "pilot": None, "handover": date(2026, 11, 30)}
    assert difference(before, result) == euros("0")


def test_other_fields_are_set_by_their_paths() -> None:
    result = after(
        mixed_contract(),
        set={
            "time.0.cap": "25000.00",
            "time.0.rates.1.price": "125.00 EUR",
            "expenses.0.cap": None,
            "purchase_order": "PO-9",
            "purchase_order_limit": "80000",
            "ends_on": "2027-03-31",
            "retainage.percent": "10",
            "termination.notice_days": 60,
            "term.renew_months": 6,
        },
    )
    assert result.time[0].cap == euros("25000.00")
    assert result.time[0].rates[1].price == euros("125.00")
    assert result.expenses[0].cap is None
    assert (result.purchase_order, result.purchase_order_limit) == ("PO-9", euros("80000.00"))
    assert result.ends_on == date(2027, 3, 31)
    assert result.retainage is not None
    assert result.retainage.percent == 10
    assert (result.termination.notice_days, result.term.renew_months) == (60, 6)
    assert result.value == mixed_contract().value


def test_an_estimate_is_set_and_the_value_follows() -> None:
    before = mixed_contract()
    result = after(before, set={"services.1.amount": "25000"})
    assert result.value == euros("67000.00")
    assert difference(before, result) == euros("0")


def test_plans_are_added_and_ended() -> None:
    result = after(
        managed_contract(),
        add_services=[
            {"key": "dev", "code": "DEVELOPMENT", "description": "Development", "amount": "0"},
            {"key": "trips", "code": "EXPENSES", "description": "Trips", "amount": "100.00"},
        ],
        add_time=[{"key": "hours", "service": "dev", "rates": [{"price": "99"}]}],
        add_retainers=[{"key": "night", "service": "desk", "fee": "700"}],
        add_usage=[
            {"key": "api", "service": "platform", "unit": "call", "tiers": [{"price": "1"}]}
        ],
        add_expenses=[{"key": "trips", "service": "trips"}],
        end_plans={"shipments": "2026-06-30"},
    )
    assert [plan.key for plan in result.plans] == [
        "hours",
        "service-desk",
        "night",
        "shipments",
        "api",
        "trips",
    ]
    assert result.usage[0].ends_on == date(2026, 6, 30)
    assert result.value == euros("48100.00")


def test_the_contract_that_was_changed_stays_as_it_was() -> None:
    before = mixed_contract()
    contract_data = contract_data_of(before)
    after(before, drop=["pilot"], set={"time.0.rates.0.price": "1"}, end_plans={"travel": DAY})
    assert contract_data_of(before) == contract_data


DAY = date(2026, 6, 30)

keys = st.sampled_from(["design", "live", "course"])


@given(
    currency=st.sampled_from(sorted(MINOR_UNITS)),
    reprice=st.dictionaries(keys, st.integers(1, 10**9), max_size=3),
    drop=st.sets(keys, max_size=2),
    added=st.lists(st.integers(1, 10**9), max_size=3),
    billed=st.sets(keys, max_size=3),
)
def test_after_any_change_all_adds_up_and_what_is_billed_stays(
    currency: str,
    reprice: dict[str, int],
    drop: set[str],
    added: list[int],
    billed: set[str],
) -> None:
    unit = MINOR_UNITS[currency]
    start = contract_data_of(contract())
    rows = [*start["services"], *start["milestones"], start]
    for row, name in [(row, "value" if row is start else "amount") for row in rows]:
        row[name] = str(Money(int(row[name].split(".")[0]), currency))
    before = validate(start | {"currency": currency})
    operations: dict[str, Any] = {
        "reprice": {key: str(count * unit) for key, count in reprice.items() if key not in drop},
        "drop": sorted(drop),
        "add_milestones": [
            {"key": f"n{n}", "name": "New", "service": "build", "amount": str(count * unit)}
            for n, count in enumerate(added)
        ],
    }
    try:
        result = changed(before, order(**operations), billed)
    except InvalidContract as refusal:
        codes = {problem.code for problem in refusal.problems}
        touched = drop | operations["reprice"].keys()
        assert ("already_billed" in codes) == bool(touched & billed)
        assert codes <= {"already_billed", "nothing_changed"}
        return
    assert Money.total((line.amount for line in result.services), currency) == result.value
    assert result.value - before.value == difference(before, result)
    assert result.version == 2
    for key in billed:
        assert result.milestone(key) == before.milestone(key)


# --- what a change order may not do ---------------------------------------------------------

MIXED_REFUSED: list[tuple[str, JsonObject, set[tuple[str, str]]]] = [
    (
        "what is billed",
        {
            "drop": ["concept"],
            "reschedule": {"concept": DAY},
            "set": {"deposit.amount": "1.00", "starts_on": "2026-03-01", "retainage": None},
        },
        {
            ("already_billed", "drop.0"),
            ("already_billed", "reschedule.concept"),
            ("changed_twice", "reschedule.concept"),
            ("already_billed", "deposit.amount"),
            ("already_billed", "starts_on"),
            ("already_billed", "retainage"),
        },
    ),
    (
        "the price of what is billed",
        {"reprice": {"concept": "1"}},
        {("already_billed", "reprice.concept")},
    ),
    (
        "the periods of a plan that has billed",
        {"set": {"time.0.every": "quarter", "time.0.service": "travel", "time.0.cap": "1"}},
        {("already_billed", "time.0.every"), ("already_billed", "time.0.service")},
    ),
    (
        "milestones and plans that are not there",
        {
            "drop": ["never"],
            "reprice": {"nowhere": "1"},
            "reschedule": {"": DAY},
            "end_plans": {"pilot": DAY},
        },
        {
            ("milestone_unknown", "drop.0"),
            ("milestone_unknown", "reprice.nowhere"),
            ("milestone_unknown", "reschedule.''"),
            ("plan_unknown", "end_plans.pilot"),
        },
    ),
    (
        "who and what the contract is",
        {
            "set": {
                "contract_id": "C-9",
                "legal_entity": "x",
                "source.id": "9",
                "currency": "USD",
                "customer.name": "Other",
                "requested_by": "nobody@x",
                "value": "1",
                "version": 9,
                "signed_on": "2026-01-01",
                "title": "Other",
                "milestones.1.amount": "1",
                "milestones": [],
                "services.0.code": "OTHER",
                "services.0.amount": "50000.00",
                "time": [],
                "time.0": {},
                "time.0.key": "other",
                "surprise": 1,
                "": 1,
            }
        },
        {
            ("not_changeable", field)
            for field in (
                "contract_id",
                "legal_entity",
                "source.id",
                "currency",
                "customer.name",
                "requested_by",
                "value",
                "version",
                "signed_on",
                "title",
                "milestones.1.amount",
                "milestones",
                "services.0.code",
                "services.0.amount",
                "time",
                "time.0",
                "time.0.key",
                "surprise",
                "''",
            )
        },
    ),
    (
        "paths that lead nowhere",
        {"set": {"time.7.cap": "1", "services.9.amount": "1", "purchase_order": "PO-1"}},
        {("path_unknown", "time.7.cap"), ("path_unknown", "services.9.amount")},
    ),
    (
        "a field that a plan has not",
        {"set": {"time.0.colour": "red", "term.forever": True}},
        {("field_unknown", "time.0.colour"), ("field_unknown", "term.forever")},
    ),
    (
        "a percentage of a service that follows from its milestones",
        {"add_milestones": [{"key": "m", "name": "M", "service": "build", "percent": "10"}]},
        {("amount_needed", "add_milestones.0.percent"), ("milestones_do_not_add_up", "milestones")},
    ),
    (
        "rows that are wrong, where the change order has them",
        {
            "drop": ["handover"],
            "reprice": {"pilot": "lots"},
            "reschedule": {"pilot": "2026-01-31"},
            "end_plans": {"travel": "2026-01-31"},
            "add_services": [{"key": "build", "code": "B", "description": "B", "amount": "0"}],
            "add_milestones": [{"key": "pilot", "name": "P", "service": "void", "amount": "1"}],
            "add_time": [{"key": "t", "service": "changes", "rates": [{"price": "x"}]}],
        },
        {
            ("money_malformed", "reprice.pilot"),
            ("dates_out_of_order", "reschedule.pilot"),
            ("dates_out_of_order", "end_plans.travel"),
            ("key_not_unique", "services.0.key"),
            ("key_not_unique", "add_services.0.key"),
            ("amount_not_positive", "add_services.0.amount"),
            ("key_not_unique", "milestones.1.key"),
            ("key_not_unique", "add_milestones.0.key"),
            ("service_unknown", "add_milestones.0.service"),
            ("money_malformed", "add_time.0.rates.0.price"),
        },
    ),
    (
        "less than the deposit comes to",
        {"drop": ["pilot", "handover"], "reprice": {"concept": "7000.00"}},
        {("already_billed", "reprice.concept"), ("deposit_too_large", "deposit.amount")},
    ),
    ("no change", {}, {("nothing_changed", "contract_data")}),
    (
        "a change to what is there already",
        {"reprice": {"pilot": "20000.00"}, "set": {"time.0.cap": "20000 EUR"}},
        {("nothing_changed", "contract_data")},
    ),
]


@pytest.mark.parametrize(
    ("operations", "expected"),
    [case[1:] for case in MIXED_REFUSED],
    ids=[case[0] for case in MIXED_REFUSED],
)
def test_what_a_change_order_may_not_do(
    operations: JsonObject, expected: set[tuple[str, str]]
) -> None:
    billed = {"deposit", "retainage", "concept", "development"}
    assert refused(mixed_contract(), billed, **operations) == expected


def test_what_is_not_billed_yet_may_still_change() -> None:
    result = after(
        mixed_contract(),
        reprice={"concept": "12000.00"},
        set={"deposit.amount": "9000.00", "starts_on": "2026-03-01", "time.0.every": "2 weeks"},
    )
    assert result.deposit is not None
    assert result.deposit.amount == euros("9000.00")
    assert result.time[0].every == "2 weeks"


def test_a_deposit_and_a_retainage_may_be_given_up_before_they_are_billed() -> None:
    result = after(mixed_contract(), set={"deposit": None, "retainage": None})
    assert (result.deposit, result.retainage) == (None, None)


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(InvalidContract) as caught:
        changed(contract(), order(drop=["design"]), {"design"})
    assert str(caught.value) == (
        "drop.0: expected a milestone that is not billed yet: what is billed changes by a credit "
        "note (found 'design') [already_billed]"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 0},
        {"by": ""},
        {"reason": " "},
        {"reschedule": {"live": 5}},
        {"surprise": 1},
        {"drop": ["m"] * 501},
    ],
)
def test_a_change_order_is_read_strictly(wrong: JsonObject) -> None:
    with pytest.raises(ValidationError):
        ChangeOrder.model_validate({"number": 1, "by": SAM, "reason": "So"} | wrong)


def test_a_change_order_survives_json() -> None:
    full = order(
        reprice={"live": "1"},
        reschedule={"live": None, "design": DAY},
        set={"time.0.cap": None},
        add_time=[{"key": "t"}],
        end_plans={"p": DAY},
    )
    assert ChangeOrder.model_validate_json(full.model_dump_json()) == full


PATHS = [
    "time",
    "time.0",
    "time.0.rates",
    "time.0.rates.0",
    "time.0.key",
    "time.x.cap",
    "expenses.0.service",
    "services",
    "services.0",
    "services.1.amount",
    "services.²",
    "milestones",
    "term",
    "retainage.percent",
    "deposit",
    "value",
    "ends_on",
]
rows_of_anything = st.lists(
    st.dictionaries(st.sampled_from(["key", "service", "amount", "percent", "rates"]), json_values),
    max_size=2,
)


@given(
    settings=st.dictionaries(st.sampled_from(PATHS) | st.text(max_size=9), json_values, max_size=4),
    tables=st.fixed_dictionaries(
        {},
        optional={
            f"add_{name}": rows_of_anything
            for name in ("services", "milestones", "time", "retainers", "usage", "expenses")
        },
    ),
    reprice=st.dictionaries(st.sampled_from(["pilot", "x"]), st.text(max_size=9), max_size=2),
)
def test_no_change_order_at_all_makes_it_crash(
    settings: JsonObject, tables: JsonObject, reprice: dict[str, str]
) -> None:
    before = mixed_contract()
    try:
        wild = order(set=settings, reprice=reprice, **tables)
    except ValidationError:
        return
    problems: list[Problem] = []
    try:
        result = changed(before, wild, {"concept"})
    except InvalidContract as refusal:
        problems = refusal.problems
    else:
        assert validate(contract_data_of(result)) == result
        assert all(summary(before, result))
        return
    assert problems
    assert all(problem.model_dump_json() for problem in problems)


# --- what a change comes to -----------------------------------------------------------------


def test_a_change_is_told_in_sentences() -> None:
    before = mixed_contract()
    result = after(
        before,
        add_services=[
            {"key": "train", "code": "TRAINING", "description": "Training", "amount": "800.00"}
        ],
        add_milestones=[
            {"key": "course", "name": "Course", "service": "train", "percent": "100"},
            EXTRA | {"due_on": "2026-10-01"},
        ],
        drop=["handover"],
        reprice={"pilot": "21000"},
        reschedule={"pilot": "2026-08-31", "concept": None},
        set={
            "time.0.cap": "25000",
            "term.auto_renew": True,
            "purchase_order": "PO-9",
            "services.1.amount": "25000",
        },
        add_expenses=[
            {"key": "hotels", "service": "travel", "starts_on": "2026-07-01", "markup": "2.5"}
        ],
        end_plans={"travel": DAY},
    )
    assert summary(before, result) == [
        "service Training (TRAINING) added: 800.00 EUR",
        "service Development by the hour: 20000.00 EUR -> 25000.00 EUR",
        "milestone Concept accepted due: 2026-03-31 -> none",
        "milestone Pilot live: 20000.00 EUR -> 21000.00 EUR",
        "milestone Pilot live due: 2026-07-31 -> 2026-08-31",
        "milestone Handover dropped: 10000.00 EUR",
        "milestone Course added: 800.00 EUR",
        "milestone Extra report added: 500.00 EUR, due 2026-10-01",
        "time plan development, cap: 20000.00 EUR -> 25000.00 EUR",
        "expense plan travel, ends_on: none -> 2026-06-30",
        "expense plan hotels added: service travel, starts_on 2026-07-01, markup 2.5",
        "purchase_order: PO-4712 -> PO-9",
        "term.auto_renew: no -> yes",
        "fixed price: 40000.00 EUR -> 32300.00 EUR",
        "value: 62000.00 EUR -> 59300.00 EUR",
    ]


def test_of_no_change_there_is_nothing_to_tell() -> None:
    assert summary(mixed_contract(), mixed_contract()) == []
    assert difference(mixed_contract(), mixed_contract()) == euros("0")
    assert weight(mixed_contract(), mixed_contract()) == euros("0")


@pytest.mark.parametrize(
    ("operations", "size"),
    [
        ({"reprice": {"pilot": "21000"}}, "1000.00"),
        ({"reprice": {"pilot": "19000"}}, "1000.00"),
        ({"reschedule": {"pilot": None}}, "0.00"),
        ({"set": {"time.0.cap": "25000"}}, "25000.00"),
        # Without a cap there is no telling: at least what it was.
        ({"set": {"time.0.cap": None}}, "20000.00"),
        ({"set": {"time.0.rates.0.price": "115"}}, "20000.00"),
        ({"set": {"time.0.rates.0.price": "1150", "time.0.cap": None}}, "209090.91"),
        ({"set": {"expenses.0.markup": "10"}}, "2000.00"),
        ({"set": {"expenses.0.markup": "900", "expenses.0.cap": None}}, "19047.62"),
        ({"set": {"retainage.percent": "15"}}, "6200.00"),
        ({"set": {"time.0.cap": "25000", "expenses.0.cap": "3000"}}, "25000.00"),
        ({"set": {"time.0.cap": "25000"}, "reprice": {"pilot": "21000"}}, "26000.00"),
        ({"set": {"services.1.amount": "22000"}}, "22000.00"),
        ({"set": {"purchase_order_limit": "90000"}}, "90000.00"),
        ({"add_retainers": [{"key": "r", "service": "travel", "fee": "700"}]}, "700.00"),
    ],
)
def test_an_approval_is_sized_by_what_may_come_of_it(operations: JsonObject, size: str) -> None:
    before = mixed_contract()
    assert weight(before, after(before, **operations)) == euros(size)


@pytest.mark.parametrize(
    ("operations", "size"),
    [
        ({"usage.0.tiers.1.price": "0.18"}, "0.00"),
        ({"usage.0.tiers.1.price": "1.80"}, "120000.00"),
        ({"usage.0.tiers.1.price": "0.10"}, "12000.00"),
        ({"usage.0.tiers.1.up_to": "60000"}, "12000.00"),
        ({"usage.0.pricing": "volume"}, "12000.00"),
        ({"retainers.0.overage_price": "280"}, "72000.00"),
        ({"retainers.0.included_hours": "10"}, "36000.00"),
        ({"retainers.0.indexation.percent": "50"}, "52427.18"),
    ],
)
def test_the_price_of_a_unit_weighs_what_the_units_are_estimated_at(
    operations: JsonObject, size: str
) -> None:
    before = managed_contract()
    changed_paths = {path.replace(".", "__"): value for path, value in operations.items()}
    assert weight(before, managed_contract(**changed_paths)) == euros(size)


@pytest.mark.parametrize(
    "free",
    [
        {"usage__0__tiers__0__price": "0", "usage__0__tiers__1__price": "0"},
        {"services__1__amount": "0", "services__0__amount": "48000.00"},
    ],
    ids=["what was free", "what nobody has estimated"],
)
def test_what_nobody_can_estimate_is_beyond_every_limit(free: JsonObject) -> None:
    before = managed_contract(**free)
    after = managed_contract(**free | {"usage__0__tiers__0__price": "0.30"})
    assert weight(before, after) == euros("999999999999999")


# --- renewal --------------------------------------------------------------------------------


def ends_after(starts_on: str, ends_on: str, months: int, times: int) -> list[str]:
    """When a contract ends after each of so many renewals."""
    version = managed_contract(
        signed_on="2020-01-01",
        starts_on=starts_on,
        ends_on=ends_on,
        term__renew_months=months,
        retainers__0__indexation=None,
    )
    found = []
    for _ in range(times):
        version = renewed(version)
        found.append(str(version.ends_on))
    return found


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "months", "expected"),
    [
        ("2026-01-15", "2026-12-31", 12, ["2027-12-31", "2028-12-31"]),
        ("2026-07-01", "2026-12-31", 6, ["2027-06-30", "2027-12-31", "2028-06-30"]),
        # February has its last day too, in a leap year another one.
        ("2026-03-01", "2027-02-28", 12, ["2028-02-29", "2029-02-28"]),
        ("2025-12-01", "2025-12-31", 1, ["2026-01-31", "2026-02-28", "2026-03-31"]),
        # From the 31st: a short month does not make all later ones shorter.
        ("2025-12-31", "2026-01-30", 1, ["2026-02-27", "2026-03-30", "2026-04-29", "2026-05-30"]),
        ("2026-01-10", "2027-01-09", 24, ["2029-01-09"]),
        # A term of no whole months goes on from its end.
        ("2026-01-10", "2026-06-19", 12, ["2027-06-19", "2028-06-19"]),
    ],
)
def test_a_term_is_renewed_by_calendar_months(
    starts_on: str, ends_on: str, months: int, expected: list[str]
) -> None:
    assert ends_after(starts_on, ends_on, months, len(expected)) == expected


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)), st.integers(1, 24))
def test_every_term_begins_on_the_day_of_the_month_that_the_first_did(
    start: date, months: int
) -> None:
    next_month = date(start.year + start.month // 12, start.month % 12 + 1, 1)
    second = next_month.replace(day=min(start.day, monthrange(*next_month.timetuple()[:2])[1]))
    first_end = second - timedelta(days=1)
    before = second
    for text in ends_after(str(start), str(first_end), months, 13):
        begins = date.fromisoformat(text) + timedelta(days=1)
        assert begins.day == min(start.day, monthrange(begins.year, begins.month)[1])
        assert (begins.year - before.year) * 12 + begins.month - before.month == months
        before = begins


def test_a_renewal_is_a_version_and_changes_nothing_but_the_end() -> None:
    before = managed_contract()
    result = renewed(before)
    assert validate(contract_data_of(result)) == result
    assert result.version == 2
    assert summary(before, result) == ["ends_on: 2026-12-31 -> 2027-12-31"]


def test_what_has_no_end_is_not_renewed() -> None:
    with pytest.raises(InvalidContract) as caught:
        renewed(contract(ends_on=None))
    assert [problem.code for problem in caught.value.problems] == ["end_needed"]


def test_nothing_is_renewed_beyond_all_reason() -> None:
    endless = managed_contract(ends_on="2199-12-31")
    with pytest.raises(InvalidContract) as caught:
        renewed(endless)
    assert {problem.code for problem in caught.value.problems} == {"date_out_of_range"}


# --- an early end ---------------------------------------------------------------------------


def test_an_early_end_clips_plans_and_drops_what_is_named() -> None:
    before = mixed_contract(expenses__0__ends_on="2026-09-30")
    result = ended_early(before, DAY, {"pilot", "handover"})
    assert validate(contract_data_of(result)) == result
    assert summary(before, result) == [
        "milestone Pilot live dropped: 20000.00 EUR",
        "milestone Handover dropped: 10000.00 EUR",
        "expense plan travel, ends_on: 2026-09-30 -> 2026-06-30",
        "ends_on: 2026-12-31 -> 2026-06-30",
        "fixed price: 40000.00 EUR -> 10000.00 EUR",
        "value: 62000.00 EUR -> 32000.00 EUR",
    ]
    assert result.version == before.version + 1


def test_an_early_end_may_leave_nothing() -> None:
    before = mixed_contract(
        starts_on="2026-08-01", milestones__0__due_on=None, milestones__1__due_on=None
    )
    result = ended_early(before, DAY, {"concept", "pilot", "handover"})
    assert (result.milestones, result.plans) == ((), ())
    assert result.fixed_price == euros("0")
    assert result.service("build").amount == euros("0")
    assert result.ends_on == DAY
    assert result.first_day == date(2026, 1, 5)


def test_a_plan_that_would_start_after_the_end_is_dropped_and_nothing_is_renewed() -> None:
    before = managed_contract(usage__0__starts_on="2026-07-01")
    result = ended_early(before, DAY, ())
    assert [plan.key for plan in result.plans] == ["service-desk"]
    assert result.term.auto_renew is False


def test_an_early_end_is_never_a_later_one() -> None:
    result = ended_early(mixed_contract(), date(2028, 1, 1), ())
    assert result.ends_on == date(2026, 12, 31)


def test_what_has_no_end_gets_one() -> None:
    result = ended_early(contract(ends_on=None), DAY, ["course"])
    assert (result.ends_on, result.value) == (DAY, euros("9000.00"))
