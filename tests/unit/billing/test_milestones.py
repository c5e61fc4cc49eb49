"""A deposit is deducted in whole, retainage comes back in whole, and no cent is left over."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.billing.charges import Charge, ChargeKind, total
from contracts.billing.milestones import (
    deposit_charge,
    deposit_refund,
    holdback,
    milestone_charges,
    release,
)
from contracts.billing.periods import BillingPeriod, Period
from contracts.billing.retainers import fee_charge
from contracts.model import Contract
from contracts.money import Money
from tests.unit.billing.made import contract, euros, holds_in_odoo

amounts = st.lists(st.integers(1, 10**7), min_size=1, max_size=12).map(
    lambda parts: [Money(Decimal(part).scaleb(-2), "EUR") for part in parts]
)
TIME = {"key": "dev", "service": "work", "rates": [{"price": "100"}]}
CARE = {"key": "care", "service": "work", "fee": "1000"}


def signed(
    milestones: list[Money], deposit: Money | None = None, percent: str | None = None, **rest: Any
) -> Contract:
    return contract(
        milestones=[
            {"key": f"m{n}", "name": f"Part {n}", "service": "work", "amount": str(amount)}
            for n, amount in enumerate(milestones, start=1)
        ],
        deposit={"amount": str(deposit), "service": "fees"} if deposit else None,
        retainage={"percent": percent, "service": "fees"} if percent else None,
        **rest,
    )


def charge(kind: ChargeKind, amount: str, order_line: str = "dev", key: str = "k") -> Charge:
    return Charge.of_amount(key, kind, order_line, "CODE", "text", euros(amount))


def reached(made: Contract, keys: list[str]) -> tuple[list[Charge], Money]:
    """The charges of milestones reached in this order, and what is left of the deposit."""
    left = made.deposit.amount if made.deposit else euros(0)
    unbilled = made.fixed_price
    found: list[Charge] = []
    for key in keys:
        milestone = made.milestone(key)
        assert milestone is not None
        charges = milestone_charges(made, milestone, deposit_left=left, unbilled=unbilled)
        unbilled -= milestone.amount
        left += total(charges[1:], "EUR")
        found += charges
    return found, left


# --- deposit --------------------------------------------------------------------------------


def test_a_deposit_is_one_charge() -> None:
    found = deposit_charge(signed([euros(1000)], euros(300)))
    assert (found.key, found.kind, found.order_line) == ("deposit", ChargeKind.DEPOSIT, "deposit")
    assert (found.service_code, found.description) == ("DEPOSIT", "Platform – Down payment")
    assert (found.quantity, found.amount) == (Decimal(1), euros(300))


def test_a_milestone_is_one_charge_of_its_own_key() -> None:
    (found,), _ = reached(signed([euros(1000)]), ["m1"])
    assert (found.key, found.kind, found.order_line) == ("m1", ChargeKind.MILESTONE, "m1")
    assert (found.service_code, found.description) == ("DEVELOPMENT", "Platform – Part 1")
    assert (found.quantity, found.unit_price, found.amount) == (
        Decimal(1),
        Decimal(1000),
        euros(1000),
    )


def test_each_milestone_deducts_its_share_and_the_last_one_the_rest() -> None:
    made = signed([euros(1000), euros(1000), euros(1000)], euros(1000))
    found, left = reached(made, ["m2", "m1", "m3"])
    deductions = found[1::2]
    assert [c.key for c in deductions] == ["m2:deposit", "m1:deposit", "m3:deposit"]
    assert [str(c.amount) for c in deductions] == ["-333.33 EUR", "-333.34 EUR", "-333.33 EUR"]
    assert [str(c.quantity) for c in deductions] == ["-0.33", "-0.34", "-0.33"]
    assert {(c.kind, c.order_line) for c in deductions} == {
        (ChargeKind.DEPOSIT_DEDUCTION, "deposit")
    }
    assert deductions[0].description == "Platform – Down payment deducted: Part 2"
    assert left == euros(0)


def test_never_more_is_deducted_than_the_milestone_is_worth() -> None:
    made = signed([euros(100)], euros(100))
    milestone = made.milestones[0]
    found = milestone_charges(made, milestone, deposit_left=euros(100), unbilled=euros(50))
    assert total(found, "EUR") == euros(0)
    made = signed([euros(100), euros(900)], euros(800))
    found = milestone_charges(
        made, made.milestones[0], deposit_left=euros(800), unbilled=euros(100)
    )
    assert total(found, "EUR") == euros(0)
    # As after a change order that dropped most of the milestones.
    found = milestone_charges(
        made, made.milestones[0], deposit_left=euros(800), unbilled=euros(200)
    )
    assert total(found, "EUR") == euros(0)
    refund = deposit_refund(made, euros(700))
    assert (refund.key, refund.amount) == ("deposit:refund:1", euros(-700))
    assert refund.kind is ChargeKind.DEPOSIT_DEDUCTION


def test_without_a_deposit_left_nothing_is_deducted() -> None:
    made = signed([euros(100), euros(900)], euros(800))
    (only,) = milestone_charges(
        made, made.milestones[0], deposit_left=euros(0), unbilled=euros(1000)
    )
    assert only.kind is ChargeKind.MILESTONE


def test_a_contract_without_a_deposit_has_none_to_invoice() -> None:
    with pytest.raises(ValueError, match="no deposit"):
        deposit_charge(signed([euros(1)]))
    with pytest.raises(ValueError, match="no deposit"):
        deposit_refund(signed([euros(1)]), euros(1))


@given(amounts, st.integers(1, 100), st.randoms(use_true_random=False))
def test_in_any_order_all_of_the_deposit_is_deducted(
    parts: list[Money], percent: int, chance: Any
) -> None:
    value = Money.total(parts, "EUR")
    deposit = Money.rounded(value.amount * percent / 100, "EUR")
    if not deposit.is_positive:
        return
    made = signed(parts, deposit)
    keys = [item.key for item in made.milestones]
    chance.shuffle(keys)
    found, left = reached(made, keys)
    assert left == euros(0)
    assert total([deposit_charge(made), *found], "EUR") == value
    assert all(holds_in_odoo(item) for item in found)
    by_milestone = [total([c for c in found if c.key in (k, f"{k}:deposit")], "EUR") for k in keys]
    assert all(amount.amount >= 0 for amount in by_milestone)


@given(
    st.lists(st.integers(20, 100), min_size=1, max_size=15), st.integers(0, 15), st.integers(1, 5)
)
def test_deductions_and_refund_together_show_one_whole_deposit(
    weights: list[int], reaches: int, size: int
) -> None:
    """So that the deposit's order line ends at zero in Odoo, where no share is below 1 %."""
    made = signed([euros(100 * weight) for weight in weights], euros(20 * size * len(weights)))
    keys = [item.key for item in made.milestones][:reaches]
    found, left = reached(made, keys)
    if left.is_positive:
        found.append(deposit_refund(made, left))
    deposits = [c for c in found if c.kind is ChargeKind.DEPOSIT_DEDUCTION]
    assert sum(c.quantity for c in deposits) == -1
    assert total(deposits, "EUR") == -deposit_charge(made).amount


def test_a_share_too_small_for_odoos_quantities_is_still_exact_in_its_amount() -> None:
    made = signed([euros("0.10"), euros("999.90")], euros(100))
    found, left = reached(made, ["m1", "m2"])
    assert [(str(c.quantity), str(c.amount)) for c in found[1::2]] == [
        ("-0.01", "-0.01 EUR"),
        ("-1.00", "-99.99 EUR"),
    ]
    assert left == euros(0)


# --- retainage ------------------------------------------------------------------------------


def test_a_share_of_milestones_and_time_is_held_back() -> None:
    made = signed([euros(1000)], percent="7.5", time=[TIME])
    charges = [
        charge(ChargeKind.MILESTONE, "1000", "m1"),
        charge(ChargeKind.TIME, "500.10"),
        charge(ChargeKind.EXPENSE, "99", "travel"),
    ]
    found = holdback(made, charges, "period:2026-04-01")
    assert found is not None
    assert (found.key, found.kind) == ("period:2026-04-01:retainage", ChargeKind.RETAINAGE)
    assert (found.order_line, found.service_code) == ("retainage", "DEPOSIT")
    assert found.description == "Retainage of 7.5 % held back"
    assert (found.quantity, found.amount) == (Decimal(-1), euros("-112.51"))  # 112.5075


def test_nothing_is_held_back_of_anything_else_or_without_terms() -> None:
    made = signed([euros(1000)], percent="10", time=[TIME], retainers=[CARE])
    march = Period(first=date(2026, 3, 1), last=date(2026, 3, 31))
    fee = fee_charge(made, made.retainers[0], BillingPeriod(period=march, whole=march))
    correction = charge(ChargeKind.CORRECTION, "100", order_line="care")
    assert holdback(made, [fee, correction], "x") is None
    assert holdback(signed([euros(1000)]), [charge(ChargeKind.MILESTONE, "100")], "x") is None
    assert holdback(made, [charge(ChargeKind.TIME, "0.04")], "x") is None


def test_corrections_of_time_count_with_their_sign() -> None:
    made = signed([euros(1000)], percent="10", time=[TIME])
    less = [charge(ChargeKind.TIME, "500"), charge(ChargeKind.CORRECTION, "-200")]
    found = holdback(made, less, "x")
    assert found is not None
    assert found.amount == euros(-30)
    credit = holdback(made, [charge(ChargeKind.CORRECTION, "-200")], "y")
    assert credit is not None
    assert (credit.quantity, credit.amount) == (Decimal(1), euros(20))


def test_an_invoice_never_turns_negative_by_what_is_held_back() -> None:
    made = signed([euros(1000)], euros(1000), percent="10")
    found, _ = reached(made, ["m1"])
    assert total(found, "EUR") == euros(0)
    assert holdback(made, found, "x") is None
    nearly = [*found[:1], charge(ChargeKind.DEPOSIT_DEDUCTION, "-960", "deposit")]
    held = holdback(made, nearly, "x")
    assert held is not None
    assert held.amount == euros(-40)


def test_a_release_mirrors_what_was_held_back() -> None:
    made = signed([euros(1000), euros(500)], percent="10")
    held = [
        found
        for item in reached(made, ["m1", "m2"])[0]
        if (found := holdback(made, [item], f"milestone:{item.key}"))
    ]
    back = release(made, held, 2)
    assert [(c.key, str(c.quantity), str(c.amount)) for c in back] == [
        ("retainage:2:1", "1.00", "100.00 EUR"),
        ("retainage:2:2", "1.00", "50.00 EUR"),
    ]
    assert {(c.kind, c.order_line) for c in back} == {(ChargeKind.RETAINAGE_RELEASE, "retainage")}
    assert back[0].description == "Platform – Retainage released"


@given(amounts, st.decimals("0.01", 100, places=2), st.integers(0, 100))
def test_what_is_held_back_comes_back_to_the_cent(
    parts: list[Money], percent: Decimal, deposited: int
) -> None:
    value = Money.total(parts, "EUR")
    deposit = Money.rounded(value.amount * deposited / 100, "EUR")
    made = signed(parts, deposit if deposit.is_positive else None, str(percent))
    keys = [item.key for item in made.milestones]
    charges, _ = reached(made, keys)
    invoices = [[c for c in charges if c.key.partition(":")[0] == key] for key in keys]
    for lines, key in zip(invoices, keys, strict=True):
        found = holdback(made, lines, key)
        lines += [found] if found else []
        assert total(lines, "EUR").amount >= 0
    held = [c for lines in invoices for c in lines if c.kind is ChargeKind.RETAINAGE]
    released = release(made, held, 1)
    assert sum(c.quantity for c in (*held, *released)) == 0
    everything = [*(c for lines in invoices for c in lines), *released]
    everything += [deposit_charge(made)] if made.deposit else []
    assert total(everything, "EUR") == value
    assert all(holds_in_odoo(item) for item in everything)
