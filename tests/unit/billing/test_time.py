"""Hours by rate card: each billed once, whatever happens to its line, and never above the cap."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.billing import account
from contracts.billing.account import Composition
from contracts.billing.time import TimeEntry, rate
from contracts.model import TimePlan
from tests.unit.billing.desk import Desk, Row, rows
from tests.unit.billing.made import contract, euros

CARD = [
    {"price": "100"},
    {"price": "110", "valid_from": "2026-07-01"},
    {"price": "150", "role": "Architect"},
    {"price": "165", "role": "Architect", "valid_from": "2026-07-01"},
    {"price": "180", "person": "ana@northwind.example"},
    {"price": "200", "person": "Ana Alba", "role": "Architect"},
    {"price": "220", "person": "Zed", "valid_from": "2027-01-01"},
]
DEV = {"key": "dev", "service": "work", "rates": [{"price": "100"}]}
OPS = {"key": "ops", "service": "work", "rates": [{"price": "50"}]}
CAPPED = {**DEV, "cap": "1000"}


def plan_of(card: list[dict[str, str]]) -> TimePlan:
    return contract(time=[{**DEV, "rates": card}]).time[0]


def entry(line_id: int, hours: str = "1", **changes: Any) -> TimeEntry:
    fields: dict[str, Any] = {
        "line_id": line_id,
        "plan": "dev",
        "on": date(2026, 3, 10),
        "hours": Decimal(hours),
        "person": "Bob Berg",
        "email": "bob@northwind.example",
        "role": "Developer",
    }
    return TimeEntry(**fields | changes)


def price_for(card: list[dict[str, str]], worked: TimeEntry) -> Decimal | None:
    found = rate(plan_of(card), worked)
    return found.price.amount if found else None


def billed(desk: Desk, month: int) -> list[Row]:
    """The lines billed on the first of a month; none if there is nothing to invoice."""
    before = len(desk.proposals)
    desk.on(f"2026-{month:02}-01").bills_all()
    return [row for proposal in desk.proposals[before:] for row in rows(proposal)]


def figures(found: list[Row]) -> list[tuple[str, ...]]:
    return [row[1:] for row in found]


# --- the rate card --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        ({}, "100"),
        ({"on": date(2026, 6, 30)}, "100"),
        ({"on": date(2026, 7, 1)}, "110"),
        ({"role": "Architect"}, "150"),
        ({"role": " architect "}, "150"),
        ({"role": "Architect", "on": date(2026, 12, 1)}, "165"),
        ({"person": "Ana", "email": "Ana@Northwind.example"}, "180"),
        # A rate for the person goes before a newer one for the role.
        ({"email": "ana@northwind.example", "role": "Architect", "on": date(2026, 7, 1)}, "180"),
        ({"person": "Ana Alba", "role": "Architect"}, "200"),
        ({"person": "Ana Alba", "role": "Developer"}, "100"),
        # One that is not valid yet does not count, however specific.
        ({"person": "Zed", "on": date(2026, 12, 31)}, "110"),
        ({"person": "Zed", "on": date(2027, 1, 1)}, "220"),
        ({"role": ""}, "100"),
    ],
)
def test_the_most_specific_rate_that_is_valid_counts(changes: dict[str, Any], price: str) -> None:
    assert price_for(CARD, entry(1, **changes)) == Decimal(price)


@given(st.permutations(CARD), st.sampled_from(["Architect", "Developer"]), st.dates())
def test_the_order_of_the_rate_card_does_not_matter(
    card: list[dict[str, str]], role: str, on: date
) -> None:
    sample = entry(1, role=role, on=on)
    assert price_for(card, sample) == price_for(CARD, sample)


def test_there_may_be_no_rate() -> None:
    assert price_for([{"price": "150", "role": "Architect"}], entry(1)) is None


def test_without_a_rate_nothing_is_billed_and_the_lines_are_named() -> None:
    desk = Desk(time=[{**DEV, "rates": [{"price": "150", "role": "Architect"}]}])
    desk.works(1, "2026-01-10", "1", role="Architect")
    desk.works(2, "2026-01-11", "1", role="Developer")
    desk.works(3, "2026-01-12", "1", role="Developer")
    [key] = desk.on("2026-02-01").due()
    found = desk.composes(key)
    assert not isinstance(found, Composition)
    assert [(item.code, item.field, item.value) for item in found] == [
        ("rate_missing", "time.dev.rates", "Petra (Developer), 2026-01-11"),
        ("rate_missing", "time.dev.rates", "Petra (Developer), 2026-01-12"),
    ]
    assert desk.billing.invoices == {}


# --- new lines ------------------------------------------------------------------------------


def test_hours_are_one_line_for_each_price_and_role_or_person() -> None:
    desk = Desk(time=[{**DEV, "rates": CARD}])
    desk.works(5, "2026-01-02", "2.5", role="Architect")
    desk.works(1, "2026-01-03", "3", role="Developer")
    desk.works(2, "2026-01-31", "4.25", role="Architect", person="Cleo")
    desk.works(3, "2026-01-10", "1", person="Ana Alba", email="ana@northwind.example")
    proposal = desk.on("2026-02-01").bills()
    assert rows(proposal) == [
        ("Development, 2026-01-03", "3.00", "100", "300.00"),
        ("Development - Ana Alba, 2026-01-10", "1.00", "180", "180.00"),
        ("Development - Architect, 2026-01-02 to 2026-01-31", "6.75", "150", "1012.50"),
    ]
    assert [line.key for line in proposal.lines] == ["1.1", "1.2", "1.3"]
    assert {(line.order_line, line.service_code) for line in proposal.lines} == {
        ("dev", "DEVELOPMENT")
    }
    assert not proposal.as_planned


def test_a_person_whose_rate_rises_within_the_period_has_two_lines() -> None:
    desk = Desk(time=[{**DEV, "rates": CARD, "every": "quarter"}])
    desk.works(1, "2026-07-01", "1")
    desk.works(2, "2026-06-30", "1")
    assert figures(billed(desk, 7)) == [("1.00", "100", "100.00")]
    assert figures(billed(desk, 10)) == [("1.00", "110", "110.00")]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        # Rounded line by line, not in sum.
        (["0.333", "0.333", "0.335"], [("1.00", "100", "100.00")]),
        # A line of no time is not billed.
        (["0.004"], []),
        (["0.004", "0.5"], [("0.50", "100", "50.00")]),
        ([], []),
    ],
)
def test_hours_count_at_two_decimals_a_line(
    hours: list[str], expected: list[tuple[str, ...]]
) -> None:
    desk = Desk(time=[DEV])
    for line, worked in enumerate(hours, start=1):
        desk.works(line, "2026-01-10", worked)
    assert figures(billed(desk, 2)) == expected


@pytest.mark.parametrize(
    ("read", "gone", "known"),
    [
        # Lines of other plans are left alone.
        ([entry(1, plan="support")], [], {}),
        # Of a line that comes twice the last counts.
        ([entry(1, "1"), entry(1, "2")], [], {1: "2.00"}),
        # What is read again is not gone.
        ([entry(1, "7")], [1, 99], {1: "7.00"}),
        # A line of no time is not taken for known.
        ([entry(1, "0")], [], {}),
    ],
)
def test_what_is_read_is_what_is_known(
    read: list[TimeEntry], gone: list[int], known: dict[int, str]
) -> None:
    desk = Desk(time=[DEV, {**DEV, "key": "support"}])
    until = date(2026, 3, 31)
    billing = account.take_time(desk.billing, "dev", read, gone, until)
    assert {line: f"{fact.hours}" for line, fact in billing.hours.items()} == known
    assert account.known_lines(billing, "dev") == tuple(known)


@given(st.permutations([(n, f"{n}.{n}", f"R{n % 2}") for n in range(1, 7)]))
def test_the_order_of_the_lines_does_not_matter(found: list[tuple[int, str, str]]) -> None:
    def lines(worked: list[tuple[int, str, str]]) -> list[Row]:
        desk = Desk(time=[{**DEV, "rates": [{"price": "90", "role": "R0"}, {"price": "70"}]}])
        for line, hours, role in worked:
            desk.works(line, "2026-01-10", hours, role=role)
        return billed(desk, 2)

    assert lines(found) == lines(sorted(found))


# --- billed lines ---------------------------------------------------------------------------

Step = dict[int, str | None]
"""What each line is found as: so many hours, or gone."""


def told(desk: Desk, story: list[Step], on: str = "2026-01-10") -> list[list[Row]]:
    """What each month bills of lines of January."""
    found = []
    for month, step in enumerate(story, start=2):
        for line, hours in step.items():
            if hours is None:
                desk.entries.pop(line, None)
            else:
                desk.works(line, on, hours)
        found.append(billed(desk, month))
    return found


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param(
            [{1: "8"}, {1: "8"}, {1: "8.001"}],
            [[("8.00", "100", "800.00")], [], []],
            id="once",
        ),
        pytest.param(
            [{1: "8"}, {2: "4"}],
            [[("8.00", "100", "800.00")], [("4.00", "100", "400.00")]],
            id="late",
        ),
        pytest.param(
            [{1: "8", 2: "6"}, {1: "6.5", 2: "7", 3: "1"}],
            [
                [("14.00", "100", "1400.00")],
                [
                    ("-1.50", "100", "-150.00"),
                    ("1.00", "100", "100.00"),
                    ("1.00", "100", "100.00"),
                ],
            ],
            id="corrected",
        ),
        pytest.param(
            [{1: "8"}, {1: None}, {1: None}],
            [[("8.00", "100", "800.00")], [("-8.00", "100", "-800.00")], []],
            id="gone",
        ),
        pytest.param(
            [{1: "8"}, {1: None}, {1: "3"}],
            [
                [("8.00", "100", "800.00")],
                [("-8.00", "100", "-800.00")],
                [("3.00", "100", "300.00")],
            ],
            id="back again",
        ),
        pytest.param(
            [{1: "-2"}, {1: "3"}],
            [[("-2.00", "100", "-200.00")], [("5.00", "100", "500.00")]],
            id="taken back in Odoo",
        ),
    ],
)
def test_every_hour_is_billed_once_and_its_changes_as_the_difference(
    story: list[Step], expected: list[list[tuple[str, ...]]]
) -> None:
    assert [figures(found) for found in told(Desk(time=[DEV]), story)] == expected


def test_a_correction_says_what_was_billed_and_what_is_true() -> None:
    _, [less], [removed] = told(Desk(time=[DEV]), [{1: "8"}, {1: "6.5"}, {1: None}])
    assert less[0] == "Development - Petra, 2026-01-10, 8.00 h corrected to 6.50 h"
    assert removed[0] == "Development - timesheet line 1 of 6.50 h removed"


def test_a_moved_line_that_is_deleted_is_given_back_and_not_billed_anew() -> None:
    desk = Desk(time=[DEV, {**OPS, "every": "2 weeks"}])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    desk.works(1, "2026-01-10", "10", "ops")
    desk.on("2026-02-20").bills_all()
    del desk.entries[1]
    assert desk.on("2026-03-01").bills_all() == euros(0)
    assert desk.on("2026-06-01").bills_all() == euros(0)


def test_what_another_plan_gives_back_may_be_refused_and_is_not_billed_twice() -> None:
    desk = Desk(time=[DEV, OPS])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    desk.works(1, "2026-01-10", "10", "ops")
    assert desk.on("2026-03-01").gives_up().amount == euros(-1000)
    desk.on("2026-06-01").bills_all()
    assert desk.billed == euros(1000)


# --- the cap --------------------------------------------------------------------------------


def capped(story: list[Step], **plan: Any) -> tuple[Desk, list[list[tuple[str, ...]]]]:
    """What each month bills, up to the cap."""
    desk = Desk(time=[{**CAPPED, **plan}])
    found = []
    for month, step in enumerate(story, start=2):
        desk.on(f"2026-{month:02}-01").lets_cap_pass()
        for line, hours in step.items():
            if hours is None:
                desk.entries.pop(line, None)
            else:
                desk.works(line, "2026-01-10", hours, role="Architect" if line == 9 else "")
        found.append(figures(billed(desk, month)))
    return desk, found


def test_the_bill_that_passes_the_threshold_warns_once() -> None:
    desk, seen = Desk(time=[{**CAPPED, "warn_at": "80"}]), []
    for month, hours in enumerate(["7.99", "0.01", "1"], start=2):
        desk.works(month, "2026-01-10", hours)
        desk.on(f"2026-{month:02}-01").bills_all()
        seen.append(len(desk.warnings))
    assert seen == [0, 1, 1]
    assert desk.warnings == [
        "Development: 800.00 EUR of the cap of 1000.00 EUR is used, 80 % (plan dev)"
    ]


def test_a_cap_that_is_reached_exactly_is_not_exceeded() -> None:
    desk = Desk(time=[CAPPED])
    desk.works(1, "2026-01-10", "10")
    assert desk.on("2026-02-01").bills_all() == euros(1000)
    desk.works(2, "2026-02-10", "0.01")
    [key] = desk.on("2026-03-01").due()
    found = desk.composes(key)
    assert not isinstance(found, Composition)
    assert [(item.code, item.value) for item in found] == [("cap_reached", "1.00 EUR")]


@pytest.mark.parametrize(
    ("story", "expected", "above"),
    [
        pytest.param(
            [{1: "7"}, {2: "2", 9: "4"}, {2: "2"}],
            [
                [("7.00", "100", "700.00")],
                [("2.00", "100", "200.00"), ("1.00", "100", "100.00")],
                [],
            ],
            "420.00",
            id="the last line is cut",
        ),
        pytest.param(
            [{1: "10"}, {2: "1"}],
            [[("10.00", "100", "1000.00")], []],
            "100.00",
            id="nothing is left of a line",
        ),
        pytest.param(
            # 16 hours are worked, 10 billed: 6 less leave the cap used up, 6 more are credited.
            [{1: "8", 2: "8"}, {1: "4", 2: "6"}, {2: None}],
            [[("1.00", "1000", "1000.00")], [], [("-6.00", "100", "-600.00")]],
            "0.00",
            id="what was never billed is not credited",
        ),
        pytest.param(
            [{1: "12"}, {1: "7"}],
            [[("1.00", "1000", "1000.00")], [("-1.00", "300", "-300.00")]],
            "0.00",
            id="the part that was billed is credited",
        ),
        pytest.param(
            [{1: "12"}, {1: "11"}, {1: "9"}],
            [[("1.00", "1000", "1000.00")], [], [("-1.00", "100", "-100.00")]],
            "0.00",
            id="step by step",
        ),
    ],
)
def test_up_to_the_cap_what_is_above_is_cut_and_listed(
    story: list[Step], expected: list[list[tuple[str, ...]]], above: str
) -> None:
    rates = [{"price": "100"}, {"price": "130", "role": "Architect"}]
    desk, found = capped(story, rates=rates)
    assert found == expected
    listed = [("dev", euros(above))] if euros(above).is_positive else []
    assert desk.unbilled == listed


def test_a_cut_line_says_so() -> None:
    desk = Desk(time=[CAPPED])
    desk.works(1, "2026-01-10", "12")
    desk.on("2026-02-01").lets_cap_pass()
    assert rows(desk.bills())[0][0] == "Development, 2026-01-10, up to the cap"
    desk.works(1, "2026-01-10", "7")
    assert rows(desk.on("2026-03-01").bills())[0][0] == (
        "Development - Petra, 2026-01-10, 12.00 h corrected to 7.00 h, "
        "less what the cap left uncharged"
    )


def test_what_an_open_invoice_cuts_off_counts_once_the_cap_is_raised() -> None:
    """It is billed as soon as that invoice is issued."""
    desk = Desk(time=[CAPPED])
    desk.works(1, "2026-01-10", "12")
    desk.on("2026-02-01").lets_cap_pass()
    first = desk.proposes()
    assert desk.sums.value == euros(1000)
    desk.adopts(time=[{**CAPPED, "cap": "1150"}])
    assert desk.sums.value == euros(1150)
    desk.billing = account.issued(desk.billing, first.number)
    assert desk.sums.value == euros(1150)
    assert desk.on("2026-03-01").bills_all() == euros(1150)


def test_each_plan_has_a_cap_of_its_own() -> None:
    desk = Desk(time=[CAPPED, {**OPS, "cap": "450"}])
    desk.works(1, "2026-01-10", "8")
    desk.works(2, "2026-01-10", "10", "ops")
    desk.on("2026-02-01").lets_cap_pass("ops")
    desk.bills_all()
    desk.works(1, "2026-01-10", "6")
    assert figures(billed(desk, 3)) == [("-2.00", "100", "-200.00")]
    assert desk.unbilled == [("ops", euros(50))]


def test_a_lowered_cap_blocks_only_what_is_new() -> None:
    desk = Desk(time=[CAPPED])
    desk.works(1, "2026-01-10", "9")
    desk.on("2026-02-01").bills_all()
    desk.adopts(time=[{**CAPPED, "cap": "500"}])
    desk.works(2, "2026-02-10", "1")
    [key] = desk.on("2026-03-01").due()
    found = desk.composes(key)
    assert not isinstance(found, Composition)
    assert [(item.code, item.value) for item in found] == [("cap_reached", "100.00 EUR")]
    del desk.entries[2]
    desk.works(1, "2026-01-10", "8")
    assert desk.on("2026-04-01").bills_all() == euros(800)


hours = st.decimals("0", "30", places=2).map(str)
steps = st.lists(
    st.dictionaries(st.integers(1, 6), hours | st.none(), min_size=1, max_size=4),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60)
@given(steps, st.integers(1, 5000), st.sampled_from(["60", "95", "101"]))
def test_the_customer_pays_the_work_or_the_cap_whatever_happens_to_lines(
    story: list[Step], cap: int, price: str
) -> None:
    card = [{"price": price}, {"price": "140", "role": "R0"}]
    desk = Desk(time=[{**DEV, "cap": str(cap), "rates": card, "warn_at": "100"}])
    known: dict[int, Decimal] = {}
    for month, step in enumerate(story, start=2):
        desk.on(f"2026-{month:02}-01").lets_cap_pass()
        for line, worked in step.items():
            if worked is None:
                desk.entries.pop(line, None)
            else:
                desk.works(line, "2026-01-10", worked, role=f"R{line % 2}")
            known[line] = Decimal(worked or 0)
        desk.bills_all()
        work = sum((h * (140 if n % 2 == 0 else int(price)) for n, h in known.items()), Decimal(0))
        assert desk.billed.amount == min(work, Decimal(cap))
        above = [amount for what, amount in desk.unbilled if what == "dev"]
        assert sum((amount.amount for amount in above), desk.billed.amount) == work
        # The same once more changes nothing: no hour is billed twice.
        assert desk.due() == []


@settings(max_examples=60)
@given(steps, st.decimals("0.01", "300", places=2))
def test_each_line_is_hours_times_price(story: list[Step], price: Decimal) -> None:
    desk = Desk(time=[{**DEV, "rates": [{"price": str(price)}]}])
    found = [line for lines in told(desk, story) for line in lines]
    assert {Decimal(shown) for _, _, shown, _ in found} <= {price}
    keys = [line.key for proposal in desk.proposals for line in proposal.lines]
    assert len(set(keys)) == len(keys)
