"""Hours by rate card: each billed once, whatever happens to its line, and never above the cap."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.billing.charges import ChargeKind, total
from contracts.billing.time import BilledTime, TimeBill, TimeEntry, bill_time, rate_for
from contracts.model import Contract, TimePlan
from contracts.money import Money
from tests.unit.billing.made import contract, euros, holds_in_odoo

CARD = [
    {"price": "100"},
    {"price": "110", "valid_from": "2026-07-01"},
    {"price": "150", "role": "Architect"},
    {"price": "165", "role": "Architect", "valid_from": "2026-07-01"},
    {"price": "180", "person": "ana@northwind.example"},
    {"price": "200", "person": "Ana Alba", "role": "Architect"},
    {"price": "220", "person": "Zed", "valid_from": "2027-01-01"},
]


def plan_of(**changes: Any) -> tuple[Contract, TimePlan]:
    row = {"key": "dev", "service": "work", "rates": [{"price": "100"}]} | changes
    made = contract(time=[row])
    return made, made.time[0]


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


class Client:
    """Bills a plan again and again, and keeps what a caller keeps: the ledger and what is spent."""

    def __init__(self, **plan: Any) -> None:
        self.contract, self.plan = plan_of(**plan)
        self.ledger: dict[int, BilledTime] = {}
        self.spent = euros(0)
        self.bills = 0

    def look(
        self, entries: Iterable[TimeEntry] = (), gone: Iterable[int] = (), up_to_cap: bool = False
    ) -> TimeBill:
        return bill_time(
            self.contract,
            self.plan,
            entries,
            self.ledger,
            list(gone),
            self.spent,
            f"bill{self.bills}",
            up_to_cap=up_to_cap,
        )

    def bill(self, *entries: TimeEntry, gone: Iterable[int] = (), cut: bool = False) -> TimeBill:
        found = self.look(entries, gone, cut)
        self.bills += 1
        self.ledger |= found.billed
        self.spent += total(found.charges, "EUR")
        return found


def lines(bill: TimeBill) -> list[tuple[str, str, str]]:
    return [(str(c.quantity), str(c.unit_price), str(c.amount)) for c in bill.charges]


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
    _, plan = plan_of(rates=CARD)
    assert rate_for(plan, entry(1, **changes)) == Decimal(price)


@given(st.permutations(CARD), st.sampled_from(["Architect", "Developer"]), st.dates())
def test_the_order_of_the_rate_card_does_not_matter(
    card: list[dict[str, str]], role: str, on: date
) -> None:
    sample = entry(1, role=role, on=on)
    assert rate_for(plan_of(rates=card)[1], sample) == rate_for(plan_of(rates=CARD)[1], sample)


def test_there_may_be_no_rate() -> None:
    _, plan = plan_of(rates=[{"price": "150", "role": "Architect"}])
    assert rate_for(plan, entry(1)) is None


def test_without_a_rate_nothing_is_billed_and_the_lines_are_named() -> None:
    client = Client(rates=[{"price": "150", "role": "Architect"}])
    found = client.bill(entry(1, role="Architect"), entry(2), entry(3))
    assert found.charges == ()
    assert found.billed == {}
    assert [item.line_id for item in found.unpriced] == [2, 3]


# --- new lines ------------------------------------------------------------------------------


def test_hours_are_one_charge_for_each_price_and_role_or_person() -> None:
    client = Client(rates=CARD)
    found = client.bill(
        entry(5, "2.5", role="Architect", on=date(2026, 3, 2)),
        entry(1, "3", on=date(2026, 3, 3)),
        entry(2, "4.25", role="Architect", person="Cleo", on=date(2026, 3, 31)),
        entry(3, "1", email="ana@northwind.example", person="Ana Alba"),
    )
    assert [(c.description, str(c.quantity), str(c.amount)) for c in found.charges] == [
        ("Development, 2026-03-03", "3.00", "300.00 EUR"),
        ("Development - Ana Alba, 2026-03-10", "1.00", "180.00 EUR"),
        ("Development - Architect, 2026-03-02 to 2026-03-31", "6.75", "1012.50 EUR"),
    ]
    assert [c.key for c in found.charges] == ["dev:bill0:1", "dev:bill0:2", "dev:bill0:3"]
    assert {c.kind for c in found.charges} == {ChargeKind.TIME}
    assert {(c.order_line, c.service_code) for c in found.charges} == {("dev", "DEVELOPMENT")}
    assert found.billed[2] == BilledTime(
        hours=Decimal("4.25"), price=Decimal("150.00"), charge="dev:bill0:3"
    )


def test_a_person_whose_rate_rises_within_the_period_has_two_charges() -> None:
    client = Client(rates=CARD)
    found = client.bill(entry(1, on=date(2026, 6, 30)), entry(2, on=date(2026, 7, 1)))
    assert [str(c.unit_price) for c in found.charges] == ["100", "110"]


def test_hours_are_rounded_by_line_not_by_sum() -> None:
    found = Client().bill(entry(1, "0.333"), entry(2, "0.333"), entry(3, "0.335"))
    assert lines(found) == [("1.00", "100", "100.00 EUR")]
    assert [str(row.hours) for row in found.billed.values()] == ["0.33", "0.33", "0.34"]


def test_a_line_of_no_time_is_not_billed_and_not_taken_for_billed() -> None:
    client = Client()
    assert client.bill(entry(1, "0.004")) == TimeBill(over_cap=euros(0))
    assert lines(client.bill(entry(1, "0.5"))) == [("0.50", "100", "50.00 EUR")]


def test_lines_of_other_plans_are_left_alone() -> None:
    assert Client().bill(entry(1, plan="support")) == TimeBill(over_cap=euros(0))


def test_of_a_line_that_comes_twice_the_last_counts() -> None:
    assert lines(Client().bill(entry(1, "1"), entry(1, "2"))) == [("2.00", "100", "200.00 EUR")]


@given(st.permutations([entry(n, f"{n}.{n}", role=f"R{n % 2}") for n in range(1, 7)]))
def test_the_order_of_the_lines_does_not_matter(entries: list[TimeEntry]) -> None:
    card = [{"price": "90", "role": "R0"}, {"price": "70"}]
    assert Client(rates=card).look(entries) == Client(rates=card).look(sorted(entries, key=str))


# --- billed lines ---------------------------------------------------------------------------


def test_a_billed_line_is_not_billed_again() -> None:
    client = Client()
    client.bill(entry(1, "8"))
    assert client.bill(entry(1, "8")) == TimeBill(over_cap=euros(0))
    assert client.bill(entry(1, "8.001")) == TimeBill(over_cap=euros(0))


def test_a_late_line_is_billed_with_the_next_period() -> None:
    client = Client()
    client.bill(entry(1, "8"))
    found = client.bill(entry(1, "8"), entry(2, "4", on=date(2026, 3, 31)))
    assert lines(found) == [("4.00", "100", "400.00 EUR")]


def test_a_correction_is_the_difference_at_the_price_it_was_billed_at() -> None:
    client = Client(rates=[{"price": "100"}])
    client.bill(entry(1, "8"), entry(2, "6"))
    client.plan = plan_of(rates=[{"price": "130"}])[1]
    found = client.bill(entry(1, "6.5"), entry(2, "7"), entry(3, "1"))
    assert lines(found) == [
        ("-1.50", "100", "-150.00 EUR"),
        ("1.00", "100", "100.00 EUR"),
        ("1.00", "130", "130.00 EUR"),
    ]
    kinds = [c.kind for c in found.charges]
    assert kinds == [ChargeKind.CORRECTION, ChargeKind.CORRECTION, ChargeKind.TIME]
    assert found.charges[0].description == (
        "Development - Bob Berg, 2026-03-10, 8.00 h corrected to 6.50 h"
    )
    assert client.ledger[1].price == 100


def test_a_line_that_is_gone_is_corrected_to_zero_once() -> None:
    client = Client()
    client.bill(entry(1, "8"))
    found = client.bill(gone=[1, 99])
    assert lines(found) == [("-8.00", "100", "-800.00 EUR")]
    assert client.spent == euros(0)
    assert client.bill(gone=[1]) == TimeBill(over_cap=euros(0))


def test_a_line_that_comes_back_is_new() -> None:
    client = Client()
    client.bill(entry(1, "8"))
    client.bill(gone=[1])
    client.plan = plan_of(rates=[{"price": "130"}])[1]
    found = client.bill(entry(1, "3"))
    assert lines(found) == [("3.00", "130", "390.00 EUR")]
    assert found.charges[0].kind is ChargeKind.TIME


def test_a_line_that_another_plan_gave_up_is_new() -> None:
    client = Client()
    client.ledger[1] = BilledTime(hours=Decimal(0), price=Decimal(90), charge="support:x:1")
    assert lines(client.bill(entry(1, "8"))) == [("8.00", "100", "800.00 EUR")]


def test_a_line_that_is_read_again_is_not_gone() -> None:
    client = Client()
    client.bill(entry(1, "8"))
    assert lines(client.bill(entry(1, "7"), gone=[1])) == [("-1.00", "100", "-100.00 EUR")]


def test_a_line_that_moved_from_a_plan_that_billed_it_is_not_billed_twice() -> None:
    client = Client()
    client.ledger[1] = BilledTime(hours=Decimal(8), price=Decimal(90), charge="support:x:1")
    found = client.bill(entry(1, "8"))
    assert found.charges == ()
    assert found.billed == {}
    assert "was billed by support" in found.warnings[0]
    assert client.bill(gone=[1]).charges == ()


# --- the cap --------------------------------------------------------------------------------


def test_the_bill_that_passes_the_threshold_warns_once() -> None:
    client = Client(cap="1000", warn_at="80")
    assert client.bill(entry(1, "7.99")).warnings == ()
    assert client.bill(entry(2, "0.01")).warnings == (
        "Development: 800.00 EUR of the cap of 1000.00 EUR is used, 80 % (plan dev)",
    )
    assert client.bill(entry(3, "1")).warnings == ()


def test_a_cap_that_is_reached_exactly_is_not_exceeded() -> None:
    client = Client(cap="1000")
    assert client.bill(entry(1, "10")).over_cap == euros(0)
    assert client.bill(entry(2, "0.01")).over_cap == euros(1)


def test_over_the_cap_the_charges_stay_whole_for_a_person_to_decide() -> None:
    found = Client(cap="1000").look([entry(1, "12")])
    assert found.over_cap == euros(200)
    assert lines(found) == [("12.00", "100", "1200.00 EUR")]
    assert found.uncharged == {}


def test_up_to_the_cap_the_last_charge_is_cut_and_every_line_is_dealt_with() -> None:
    client = Client(cap="1000", rates=[{"price": "100"}, {"price": "130", "role": "Architect"}])
    client.bill(entry(1, "7"))
    found = client.bill(entry(2, "2"), entry(3, "4", role="Architect"), cut=True)
    assert lines(found) == [("2.00", "100", "200.00 EUR"), ("1.00", "100", "100.00 EUR")]
    assert found.charges[1].description.endswith(", up to the cap")
    assert found.over_cap == euros(420)
    assert client.spent == euros(1000)
    assert list(found.uncharged) == [3]
    assert client.ledger[3].hours == 4
    assert client.ledger[3].uncharged == euros(420)
    assert client.bill(entry(2, "2"), entry(3, "4", role="Architect")).charges == ()


def test_a_charge_of_which_nothing_is_left_is_dropped() -> None:
    client = Client(cap="1000")
    client.bill(entry(1, "10"))
    found = client.bill(entry(2, "1"), cut=True)
    assert found.charges == ()
    assert client.ledger[2].uncharged == euros(100)
    assert client.ledger[2].charge.startswith("dev:")


def test_what_was_never_charged_is_not_credited() -> None:
    client = Client(cap="1000")
    client.bill(entry(1, "8"), entry(2, "8"), cut=True)
    # 16 hours were worked, 10 charged: 6 less leave the cap used up, 2 more are credited.
    assert client.bill(entry(1, "4"), entry(2, "6")).charges == ()
    assert client.spent == euros(1000)
    assert lines(client.bill(gone=[2], cut=True)) == [("-6.00", "100", "-600.00 EUR")]
    assert client.spent == euros(400)


def test_a_credit_is_made_for_the_part_that_was_charged() -> None:
    client = Client(cap="1000")
    client.bill(entry(1, "12"), cut=True)
    found = client.bill(entry(1, "7"))
    assert lines(found) == [("-1.00", "300", "-300.00 EUR")]
    assert client.ledger[1].uncharged == euros(0)


def test_what_the_cap_of_another_plan_left_out_is_that_plans() -> None:
    client = Client(cap="1000")
    client.bill(entry(1, "8"))
    client.ledger[9] = BilledTime(
        hours=Decimal(5), price=Decimal(90), charge="support:x:1", uncharged=euros(450)
    )
    assert lines(client.bill(entry(1, "6"))) == [("-2.00", "100", "-200.00 EUR")]
    assert client.ledger[9].uncharged == euros(450)


def test_a_cap_that_was_raised_does_not_bring_back_what_was_cut_off() -> None:
    client = Client(cap="1000")
    client.bill(entry(1, "12"), cut=True)
    client.plan = plan_of(cap="5000")[1]
    assert client.bill(entry(1, "12")).charges == ()
    assert lines(client.bill(entry(1, "13"))) == [("1.00", "100", "100.00 EUR")]
    assert client.ledger[1].uncharged == euros(200)


def test_a_cap_that_was_lowered_below_what_is_billed_blocks_only_what_is_new() -> None:
    client = Client(cap="1000")
    client.bill(entry(1, "9"))
    client.plan = plan_of(cap="500")[1]
    assert client.look([entry(1, "8")]).over_cap == euros(0)
    assert client.look([entry(2, "1")]).over_cap == euros(100)
    assert client.look([entry(2, "1")], up_to_cap=True).charges == ()


hours = st.decimals("0", "30", places=2)
steps = st.lists(
    st.dictionaries(st.integers(1, 6), hours | st.none(), min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)
"""Bill after bill, what each line is found as: so many hours, or gone."""


@given(steps, st.integers(1, 5000), st.sampled_from(["60", "95", "101"]))
def test_the_customer_pays_the_work_or_the_cap_whatever_happens_to_lines(
    story: list[dict[int, Decimal | None]], cap: int, price: str
) -> None:
    client = Client(
        cap=str(cap), rates=[{"price": price}, {"price": "140", "role": "R0"}], warn_at="100"
    )
    known: dict[int, Decimal] = {}
    for found in story:
        entries = [
            entry(line, str(worked), role=f"R{line % 2}")
            for line, worked in found.items()
            if worked is not None
        ]
        gone = [line for line, worked in found.items() if worked is None]
        bill = client.bill(*entries, gone=gone, cut=True)
        known |= {line: worked or Decimal(0) for line, worked in found.items()}
        work = sum(
            (h * (140 if line % 2 == 0 else int(price)) for line, h in known.items()), Decimal(0)
        )
        assert client.spent.amount == min(work, Decimal(cap))
        left_out = [row.uncharged for row in client.ledger.values() if row.uncharged]
        assert client.spent + Money.total(left_out, "EUR") == euros(work)
        assert all(amount.amount >= 0 for amount in left_out)
        assert all(holds_in_odoo(charge) for charge in bill.charges)
        for line, worked in known.items():
            assert worked == (client.ledger[line].hours if line in client.ledger else 0)
        # The same once more changes nothing: no hour is billed twice.
        assert client.look(entries, gone, True).charges == ()


@given(steps, st.decimals("0.01", "300", places=2))
def test_each_charge_is_hours_times_price_and_keys_are_unique(
    story: list[dict[int, Decimal | None]], price: Decimal
) -> None:
    client = Client(rates=[{"price": str(price)}])
    keys: list[str] = []
    for found in story:
        entries = [entry(line, str(worked)) for line, worked in found.items() if worked is not None]
        bill = client.bill(*entries, gone=[line for line, h in found.items() if h is None])
        keys += [charge.key for charge in bill.charges]
        assert all(holds_in_odoo(charge) for charge in bill.charges)
        assert {charge.unit_price for charge in bill.charges} <= {price}
    assert len(set(keys)) == len(keys)
