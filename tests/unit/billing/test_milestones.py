"""A deposit is deducted in whole, retainage comes back in whole, and no cent is left over."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.billing import account
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.money import Money
from tests.unit.billing.desk import Desk
from tests.unit.billing.made import euros, holds_in_odoo

amounts = st.lists(st.integers(1, 10**7), min_size=1, max_size=8).map(
    lambda parts: [Money(Decimal(part).scaleb(-2), "EUR") for part in parts]
)
DEPOSIT = {"amount": "300", "service": "fees"}
RETAINAGE = {"percent": "10", "service": "fees"}
TIME = {"key": "dev", "service": "work", "rates": [{"price": "100"}]}
CARE = {"key": "care", "service": "work", "fee": "1000"}


def fixed(*parts: str | Money, **terms: Any) -> Desk:
    """A contract of milestones m1, m2, ... of these amounts."""
    rows = [
        {"key": f"m{n}", "name": f"Part {n}", "service": "work", "amount": _text(part)}
        for n, part in enumerate(parts, start=1)
    ]
    return Desk(milestones=rows, **terms)


def _text(amount: str | Money) -> str:
    return str(amount.amount) if isinstance(amount, Money) else amount


def invoiced(desk: Desk, milestone: str) -> InvoiceProposal:
    desk.reaches(milestone)
    return desk.bills(f"milestone:{milestone}")


def quantity(desk: Desk, order_line: str) -> Decimal:
    """What Odoo's order line has been invoiced in all."""
    return sum(
        (
            line.quantity
            for made in desk.proposals
            for line in made.lines
            if line.order_line == order_line
        ),
        Decimal(0),
    )


def on(made: InvoiceProposal, order_line: str) -> list[tuple[str, str]]:
    return [
        (str(line.quantity), str(line.amount.amount))
        for line in made.lines
        if line.order_line == order_line
    ]


# --- milestones -----------------------------------------------------------------------------


def test_a_milestone_is_billed_once_however_often_it_is_reached() -> None:
    desk = fixed("1000")
    (line,) = invoiced(desk, "m1").lines
    assert (line.order_line, line.service_code) == ("m1", "DEVELOPMENT")
    assert line.description == "Platform – Part 1"
    assert (line.quantity, line.unit_price, line.amount) == (Decimal(1), Decimal(1000), euros(1000))
    desk.reaches("m1")
    assert desk.due() == []
    assert desk.is_over


def test_a_change_order_changes_what_is_reached_but_not_proposed() -> None:
    desk = fixed("500", "500")
    desk.reaches("m1")
    desk.reaches("m2")
    desk.bills("milestone:m1")
    rows = [row.model_dump(mode="json") for row in desk.contract.milestones]
    rows[1]["amount"] = "700.00"
    desk.adopts(milestones=rows)
    assert desk.bills().amount == euros(700)
    assert desk.billed == euros(1200)


# --- deposit --------------------------------------------------------------------------------


def test_a_deposit_is_billed_once_and_deducted_share_by_share() -> None:
    desk = fixed("1000", "1000", "1000", deposit=DEPOSIT | {"amount": "1000"})
    (line,) = desk.bills("deposit").lines
    assert (line.order_line, line.service_code) == ("deposit", "DEPOSIT")
    assert (line.description, line.amount) == ("Platform – Down payment", euros(1000))
    found = [on(invoiced(desk, key), "deposit") for key in ("m2", "m1", "m3")]
    assert found == [[("-0.33", "-333.33")], [("-0.34", "-333.34")], [("-0.33", "-333.33")]]
    assert desk.billed == euros(3000)
    assert desk.due() == []


def test_a_change_order_in_between_moves_what_is_still_to_be_deducted() -> None:
    desk = fixed("500", "500", deposit=DEPOSIT)
    desk.bills("deposit")
    assert on(invoiced(desk, "m1"), "deposit") == [("-0.50", "-150.00")]
    rows = [row.model_dump(mode="json") for row in desk.contract.milestones]
    rows.append(rows[1] | {"key": "m3", "name": "Part 3", "amount": "1000.00"})
    desk.adopts(milestones=rows)
    invoiced(desk, "m2")
    invoiced(desk, "m3")
    assert desk.billed == euros(2000)
    assert quantity(desk, "deposit") == 0


def test_a_deposit_of_all_leaves_invoices_of_zero() -> None:
    desk = fixed("1000", deposit=DEPOSIT | {"amount": "1000"})
    desk.bills("deposit")
    assert invoiced(desk, "m1").amount == euros(0)
    assert desk.billed == euros(1000)


def test_a_deposit_nobody_deducts_is_given_back_at_the_end() -> None:
    desk = fixed("1000", "1000", deposit=DEPOSIT)
    desk.bills("deposit")
    invoiced(desk, "m1")
    rows = [row.model_dump(mode="json") for row in desk.contract.milestones]
    desk.adopts(milestones=rows[:1], ends_on="2026-01-31")
    assert desk.on("2026-02-01").bills_all() == euros(1000)
    assert quantity(desk, "deposit") == 0
    assert desk.is_over


@given(amounts, st.integers(1, 100), st.randoms(use_true_random=False))
def test_in_any_order_all_of_the_deposit_is_deducted(
    parts: list[Money], percent: int, chance: Any
) -> None:
    value = Money.total(parts, "EUR")
    deposit = Money.rounded(value.amount * percent / 100, "EUR")
    if not deposit.is_positive:
        return
    desk = fixed(*parts, deposit=DEPOSIT | {"amount": str(deposit.amount)})
    desk.bills("deposit")
    keys = [item.key for item in desk.contract.milestones]
    chance.shuffle(keys)
    for key in keys:
        assert invoiced(desk, key).amount.amount >= 0
    assert desk.billed == value
    assert all(holds_in_odoo(line) for made in desk.proposals for line in made.lines)


# --- retainage ------------------------------------------------------------------------------


def test_a_share_of_milestones_and_time_is_held_back() -> None:
    desk = fixed("1000", time=[TIME], retainers=[CARE], retainage=RETAINAGE | {"percent": "7.5"})
    assert on(desk.bills(), "retainage") == [], "nothing of a fee"
    made = invoiced(desk, "m1")
    assert on(made, "retainage") == [("-1.00", "-75.00")]
    assert made.lines[-1].description == "Retainage of 7.5 % held back"
    desk.works(1, "2026-01-10", "5.01")
    made = desk.on("2026-02-01").bills("period:2026-02-01")
    assert on(made, "retainage") == [("-1.00", "-37.58")]  # 37.575


def test_corrections_of_time_count_with_their_sign() -> None:
    desk = Desk(time=[TIME], retainage=RETAINAGE)
    desk.works(1, "2026-01-10", "5")
    desk.on("2026-02-01").bills()
    desk.works(1, "2026-01-10", "3")
    assert on(desk.on("2026-03-01").bills(), "retainage") == [("1.00", "20.00")]
    assert desk.billed == euros(270)


def test_an_invoice_never_turns_negative_by_what_is_held_back() -> None:
    desk = fixed("1000", deposit=DEPOSIT | {"amount": "960"}, retainage=RETAINAGE)
    desk.bills("deposit")
    made = invoiced(desk, "m1")
    assert (made.amount, on(made, "retainage")) == (euros(0), [("-1.00", "-40.00")])


def test_retainage_is_released_once() -> None:
    desk = fixed("1000", "500", retainage=RETAINAGE)
    invoiced(desk, "m1")
    desk.billing = account.release_retainage(desk.billing, desk.today, "handed over")
    made = desk.bills()
    assert (made.amount, made.reason) == (euros(100), "handed over")
    assert on(made, "retainage") == [("1.00", "100.00")]
    assert desk.due() == []
    invoiced(desk, "m2")
    desk.billing = account.release_retainage(desk.billing, desk.today, "all is done")
    assert desk.bills_all() == euros(1500)
    assert quantity(desk, "retainage") == 0
    assert desk.is_over


def test_from_the_day_of_its_release_on_nothing_is_held_back() -> None:
    desk = fixed("1000", "1000", retainage=RETAINAGE | {"release_on": "2026-03-01"})
    assert invoiced(desk.on("2026-02-28"), "m1").amount == euros(900)
    assert desk.on("2026-03-01").bills_all() == euros(1000)
    assert invoiced(desk, "m2").amount == euros(1000)


def test_an_hour_corrected_after_the_release_takes_back_what_was_released_of_it() -> None:
    desk = Desk(time=[TIME], retainage=RETAINAGE, ends_on="2026-03-31")
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills()
    desk.billing = account.release_retainage(desk.billing, desk.today, "agreed")
    assert desk.bills_all() == euros(1000)
    desk.works(1, "2026-01-10", "8")
    desk.on("2026-04-01").bills_all()
    assert desk.billed == euros(800)
    assert quantity(desk, "retainage") == 0


def test_a_release_that_is_given_up_is_forfeited() -> None:
    desk = fixed("1000", retainage=RETAINAGE)
    invoiced(desk, "m1")
    desk.billing = account.release_retainage(desk.billing, desk.today, "done")
    number = desk.proposes().number
    desk.rejects(number)
    desk.waives(number)
    assert desk.due() == []
    assert desk.billed == euros(900)
    assert [item.amount for item in account.unbilled(desk.billing, desk.today)] == [euros(100)]


def test_an_invoice_credited_after_the_release_gives_back_what_was_released_of_it() -> None:
    desk = fixed("1000", retainage=RETAINAGE)
    invoiced(desk, "m1")
    desk.billing = account.release_retainage(desk.billing, desk.today, "done")
    desk.bills()
    desk.credits(1)
    desk.on("2026-12-31").bills_all()
    desk.on("2027-01-01").bills_all()
    assert desk.billed == euros(0)
    assert quantity(desk, "retainage") == 0


@given(amounts, st.decimals("0.01", 100, places=2), st.sampled_from([0, 40, 100]))
def test_what_is_held_back_comes_back_to_the_cent(
    parts: list[Money], percent: Decimal, deposited: int
) -> None:
    value = Money.total(parts, "EUR")
    deposit = Money.rounded(value.amount * deposited / 100, "EUR")
    terms: dict[str, Any] = {"retainage": RETAINAGE | {"percent": str(percent)}}
    if deposit.is_positive:
        terms["deposit"] = DEPOSIT | {"amount": str(deposit.amount)}
    desk = fixed(*parts, **terms)
    for milestone in desk.contract.milestones:
        desk.reaches(milestone.key)
    desk.bills_all()
    if not account.sums(desk.billing, desk.today).retained.is_zero:
        desk.billing = account.release_retainage(desk.billing, desk.today, "done")
    assert desk.bills_all() == value
    assert quantity(desk, "retainage") == 0
    for made in desk.proposals:
        assert made.amount.amount >= 0
        assert made.kind is InvoiceKind.INVOICE
        assert all(holds_in_odoo(line) for line in made.lines)
