"""A deposit is deducted in whole, retainage comes back in whole, and no cent is left over."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.billing import account
from contracts.billing.account import NotPossible
from contracts.billing.lines import InvoiceKind
from contracts.money import Money
from tests.unit.billing.desk import Desk, rows
from tests.unit.billing.made import euros

amounts = st.lists(st.integers(1, 10**7), min_size=1, max_size=8).map(
    lambda parts: [f"{Decimal(part).scaleb(-2)}" for part in parts]
)
DEV = {"key": "dev", "service": "work", "rates": [{"price": "100"}]}
CARE = {"key": "care", "service": "work", "fee": "310"}
TRAVEL = {"key": "travel", "service": "work"}
NONE = Decimal(0)


def parts(*amounts: str) -> list[dict[str, str]]:
    return [
        {"key": f"m{n}", "name": f"Part {n}", "service": "work", "amount": amount}
        for n, amount in enumerate(amounts, start=1)
    ]


def signed(*amounts: str, deposit: str = "", percent: str = "", **terms: Any) -> Desk:
    """A contract of milestones whose deposit is billed."""
    if deposit:
        terms["deposit"] = {"amount": deposit, "service": "fees"}
    if percent:
        terms["retainage"] = {"percent": percent, "service": "fees"} | terms.pop("release", {})
    desk = Desk(milestones=parts(*amounts), **terms)
    desk.bills_all()
    return desk


def reached(desk: Desk, *keys: str) -> list[list[str]]:
    """The amounts of each milestone's invoice, reached in this order."""
    found = []
    for key in keys:
        desk.reaches(key)
        found.append([row[3] for row in rows(desk.bills(f"milestone:{key}"))])
    return found


# --- milestones -----------------------------------------------------------------------------


def test_a_milestone_is_one_line_on_an_invoice_of_its_own() -> None:
    desk = signed("1000", "500")
    desk.reaches("m1")
    desk.reaches("m2")
    assert desk.due() == ["milestone:m1", "milestone:m2"]
    proposal = desk.bills("milestone:m1")
    assert rows(proposal) == [("Platform – Part 1", "1.00", "1000", "1000.00")]
    [line] = proposal.lines
    assert (line.key, line.order_line, line.service_code) == ("1.1", "m1", "DEVELOPMENT")
    assert (proposal.title, proposal.as_planned) == ("Platform – Part 1", True)


def test_a_milestone_is_billed_once_however_often_it_is_reached() -> None:
    desk = signed("1000")
    reached(desk, "m1")
    desk.on("2026-01-02").reaches("m1")
    assert desk.due() == []
    with pytest.raises(NotPossible, match="has no milestone m2"):
        account.reach(desk.billing, "m2", desk.today)
    assert desk.is_over


@pytest.mark.parametrize(
    ("before", "after", "billed", "due"),
    [
        # What is reached and not proposed follows the change order.
        ("500", "700", "700", ["milestone:m1"]),
        ("500", None, "0", []),
    ],
)
def test_a_change_order_changes_what_is_reached_but_not_proposed(
    before: str, after: str | None, billed: str, due: list[str]
) -> None:
    desk = signed(before, "500")
    desk.reaches("m1")
    desk.adopts(milestones=[{**item, "amount": after or "0"} for item in parts(before, "500")
                            if after or item["key"] != "m1"])  # fmt: skip
    assert desk.due() == due
    assert desk.bills_all() == euros(billed)


def test_unreached_before_it_is_billed_it_is_forgotten() -> None:
    desk = signed("1000", deposit="300")
    desk.reaches("m1")
    desk.unreaches("m1")
    desk.unreaches("m1")
    assert desk.due() == []
    assert reached(desk, "m1") == [["1000.00", "-300.00"]]


def test_unreached_while_it_is_proposed_it_waits_for_that_invoice() -> None:
    desk = signed("1000")
    desk.reaches("m1")
    desk.proposes()
    desk.unreaches("m1")
    assert account.milestone_invoice(desk.billing, "m1") == 1
    assert desk.due() == []
    desk.billing = account.issued(desk.billing, 1)
    assert desk.bills("milestone:m1").amount == euros(-1000)


def test_a_milestone_that_is_given_up_is_out_of_the_contracts_value() -> None:
    desk = signed("1000")
    desk.reaches("m1")
    desk.gives_up()
    assert desk.unbilled == [("Part 1", euros(1000))]
    assert (desk.sums.value, desk.billed) == (euros(0), euros(0))
    assert desk.is_over


# --- deposit --------------------------------------------------------------------------------


def test_a_contract_without_a_deposit_starts_with_nothing_to_bill() -> None:
    desk = Desk(milestones=parts("1000"))
    assert desk.due() == []
    assert desk.open_ends == ["milestone m1 is not reached"]


def test_a_deposit_is_one_line_and_is_billed_once() -> None:
    desk = Desk(milestones=parts("1000"), deposit={"amount": "300", "service": "fees"})
    proposal = desk.bills()
    assert rows(proposal) == [("Platform – Down payment", "1.00", "300", "300.00")]
    [line] = proposal.lines
    assert (line.order_line, line.service_code) == ("deposit", "DEPOSIT")
    assert desk.due() == []
    assert (desk.billed, desk.sums.deposit_left) == (euros(300), euros(300))
    assert desk.sums.value == euros(1000)


def test_each_milestone_deducts_its_share_and_the_last_one_the_rest() -> None:
    desk = signed("1000", "1000", "1000", deposit="1000")
    assert reached(desk, "m2", "m1", "m3") == [
        ["1000.00", "-333.33"],
        ["1000.00", "-333.34"],
        ["1000.00", "-333.33"],
    ]
    lines = [proposal.lines[1] for proposal in desk.proposals[1:]]
    assert [f"{line.quantity}" for line in lines] == ["-0.33", "-0.34", "-0.33"]
    assert {(line.order_line, line.service_code) for line in lines} == {("deposit", "DEPOSIT")}
    assert lines[0].description == "Platform – Down payment deducted: Part 2"
    assert desk.sums.deposit_left == euros(0)
    assert desk.is_over


def test_a_share_too_small_for_odoos_quantities_is_still_exact_in_its_amount() -> None:
    desk = signed("0.10", "999.90", deposit="100")
    assert reached(desk, "m1", "m2") == [["0.10", "-0.01"], ["999.90", "-99.99"]]
    assert desk.quantity("deposit") == 0


@pytest.mark.parametrize("is_issued", [False, True])
def test_a_deposit_is_not_deducted_again_where_an_open_credit_gives_it_back(
    is_issued: bool,
) -> None:
    """The credit may still be rejected: then more than the deposit would be deducted."""
    desk = signed("1000", "1000", "1000", deposit="300")
    assert reached(desk, "m1") == [["1000.00", "-100.00"]]
    credit = desk.proposes(desk.asks_credit(2))
    assert reached(desk, "m2", "m3") == [["1000.00", "-150.00"], ["1000.00", "-50.00"]]
    if is_issued:
        desk.billing = account.issued(desk.billing, credit.number)
    else:
        desk.rejects(credit.number)
        desk.waives(credit.number)
    assert not account.check(desk.billing, desk.today)
    desk.bills_all()
    assert (desk.sums.deposit_left, desk.billed) == (euros(0), euros(2000 if is_issued else 3000))
    assert desk.is_over


def test_a_deposit_of_all_leaves_invoices_of_zero() -> None:
    desk = signed("500", "500", deposit="1000")
    assert reached(desk, "m1", "m2") == [["500.00", "-500.00"], ["500.00", "-500.00"]]
    assert desk.proposals[1].kind is InvoiceKind.INVOICE
    assert desk.is_over


def test_a_change_order_in_between_moves_what_is_still_to_be_deducted() -> None:
    desk = signed("500", "500", deposit="300")
    reached(desk, "m1")
    desk.adopts(milestones=parts("500", "200", "300"))
    assert desk.sums.value == euros(1000)
    assert reached(desk, "m2", "m3") == [["200.00", "-60.00"], ["300.00", "-90.00"]]
    assert desk.quantity("deposit") == 0
    assert desk.is_over


def test_never_more_is_deducted_than_the_milestone_is_worth() -> None:
    desk = signed("100", "900", deposit="800")
    desk.adopts(milestones=parts("100", "50"))
    assert reached(desk, "m1") == [["100.00", "-100.00"]]
    assert reached(desk, "m2") == [["50.00", "-50.00"]]
    assert desk.bills("settlement").amount == euros(-650)
    assert desk.is_over


def test_a_deposit_nobody_deducts_is_given_back_at_the_end() -> None:
    desk = signed("500", "500", deposit="300")
    reached(desk, "m1")
    desk.adopts(milestones=parts("500"))
    assert not desk.is_over
    refund = desk.bills("settlement")
    assert (refund.kind, refund.amount) == (InvoiceKind.CREDIT_NOTE, euros(-150))
    assert refund.lines[0].description == "Platform – Down payment given back"
    assert (desk.billed, desk.quantity("deposit")) == (euros(500), NONE)
    assert desk.is_over


def test_a_deposit_that_is_given_up_is_charged_where_it_was_deducted() -> None:
    desk = Desk(milestones=parts("500", "500"), deposit={"amount": "300", "service": "fees"})
    desk.proposes("deposit")
    assert reached(desk, "m1") == [["500.00", "-150.00"]]
    desk.rejects(1)
    desk.waives(1)
    assert desk.sums.deposit_left == euros(-150)
    # Nothing more is deducted, and what was is charged at the end.
    assert reached(desk, "m2") == [["500.00"]]
    charged = desk.bills("settlement")
    assert rows(charged) == [
        ("Platform – Down payment deducted, but never billed", "0.50", "300", "150.00")
    ]
    assert (desk.billed, desk.quantity("deposit")) == (euros(1000), NONE)
    assert desk.is_over


def test_a_deposit_added_by_a_change_order_is_billed_then() -> None:
    desk = signed("500")
    desk.adopts(deposit={"amount": "300", "service": "fees"})
    assert desk.due() == ["deposit"]
    assert desk.sums.value == euros(500)


def test_what_is_deducted_again_and_again_ends_at_quantity_zero() -> None:
    desk = signed(*["5"] * 60, deposit="7")
    reached(desk, *(f"m{number}" for number in range(1, 61)))
    assert desk.quantity("deposit") == 0
    assert desk.is_over


@settings(max_examples=50)
@given(amounts, st.integers(1, 100), st.randoms(use_true_random=False), st.integers(0, 8))
def test_in_any_order_all_of_the_deposit_is_deducted_or_given_back(
    found: list[str], percent: int, chance: Random, dropped: int
) -> None:
    value = Money.total(map(euros, found), "EUR")
    deposit = Money.rounded(value.amount * percent / 100, "EUR")
    desk = signed(*found, deposit=f"{deposit.amount}" if deposit.is_positive else "")
    order = [f"m{n}" for n in range(1, len(found) + 1)]
    chance.shuffle(order)
    kept = order[dropped:] if dropped < len(order) else order
    reached(desk, *kept)
    desk.adopts(milestones=[item for item in parts(*found) if item["key"] in kept])
    desk.bills_all()
    assert desk.billed == desk.sums.value == desk.contract.fixed_price
    assert (desk.sums.deposit_left, desk.quantity("deposit")) == (euros(0), NONE)
    assert all(proposal.amount.amount >= 0 for proposal in desk.proposals[: len(kept) + 1])
    assert desk.is_over


def test_issued_anew_a_deduction_is_shown_by_what_is_left_of_the_deposit_then() -> None:
    """Shares of 6.34 %, 43.43 % and 21.70 %, of which the last is issued once more at the end."""
    desk = signed("112.21", "768.15", "504.57", "383.77", deposit="17.69")
    reached(desk, "m1", "m2", "m4")
    desk.credits(4, reinvoice=True)
    reached(desk, "m3")
    desk.bills_all()
    assert (desk.sums.deposit_left, desk.quantity("deposit")) == (euros(0), NONE)
    assert desk.is_over


# --- retainage ------------------------------------------------------------------------------


def test_a_share_of_milestones_and_time_is_held_back() -> None:
    desk = signed("1000", percent="7.5", time=[DEV], expenses=[TRAVEL], retainers=[CARE])
    assert reached(desk, "m1") == [["1000.00", "-75.00"]]
    desk.works(1, "2026-01-10", "5")
    desk.spends(1, "2026-01-10", "99")
    proposal = desk.on("2026-02-01").bills()
    assert [row[3] for row in rows(proposal)] == ["310.00", "500.00", "99.00", "-37.50"]
    held = proposal.lines[-1]
    assert (held.order_line, held.service_code, held.quantity) == (
        "retainage",
        "DEPOSIT",
        Decimal(-1),
    )
    assert held.description == "Retainage of 7.5 % held back"


@pytest.mark.parametrize(
    ("hours", "terms"),
    [("0.04", {"percent": "1"}), ("1", {}), ("1", {"retainers": [CARE]})],
)
def test_nothing_is_held_back_without_terms_or_of_next_to_nothing(
    hours: str, terms: dict[str, Any]
) -> None:
    desk = signed("1000", time=[{**DEV, "rates": [{"price": "10"}]}], **terms)
    desk.works(1, "2026-01-10", hours)
    desk.on("2026-02-01").bills_all()
    assert desk.sums.retained == euros(0)


def test_a_correction_of_hours_frees_what_was_held_back_of_them() -> None:
    desk = signed("1000", percent="10", time=[DEV])
    desk.works(1, "2026-01-10", "5")
    desk.on("2026-02-01").bills_all()
    desk.works(1, "2026-01-10", "3")
    desk.works(2, "2026-02-10", "6")
    found = rows(desk.on("2026-03-01").bills())
    assert [(row[0].rpartition(", ")[2], row[3]) for row in found[2:]] == [
        ("Retainage of 10 % held back", "-60.00"),
        ("corrected", "20.00"),
    ]
    assert desk.sums.retained == euros(90)
    desk.releases()
    assert [row[1::2] for row in rows(desk.bills())] == [
        ("1.00", "50.00"),
        ("-1.00", "-20.00"),
        ("1.00", "60.00"),
    ]
    assert desk.quantity("retainage") == 0


def test_an_invoice_never_turns_negative_by_what_is_held_back() -> None:
    assert reached(signed("1000", deposit="1000", percent="10"), "m1") == [["1000.00", "-1000.00"]]
    nearly = signed("1000", deposit="960", percent="10")
    assert reached(nearly, "m1") == [["1000.00", "-960.00", "-40.00"]]


def test_retainage_is_held_back_and_released_once() -> None:
    desk = signed("1000", "500", percent="10")
    reached(desk, "m1")
    desk.reaches("m2")
    desk.proposes("milestone:m2")
    desk.releases("handed over")
    assert desk.due() == ["retainage:1"], "only what is issued"
    first = desk.bills()
    assert rows(first) == [("Platform – Retainage released", "1.00", "100", "100.00")]
    assert (first.reason, first.as_planned) == ("handed over", True)
    with pytest.raises(NotPossible, match="nothing is held back on issued invoices"):
        desk.releases("again")
    desk.billing = account.issued(desk.billing, 2)
    assert "50.00 EUR is still held back" in desk.open_ends
    desk.releases("all is done")
    assert desk.bills_all() == euros(1500)
    assert desk.quantity("retainage") == 0
    assert desk.is_over


def test_from_the_day_of_its_release_on_nothing_is_held_back() -> None:
    desk = signed("1000", "1000", percent="10", release={"release_on": "2026-03-01"})
    reached(desk.on("2026-02-28"), "m1")
    desk.on("2026-03-01").reaches("m2")
    assert rows(desk.bills("milestone:m2"))[0][3] == "1000.00"
    assert desk.sums.retained == euros(100)
    assert desk.bills_all() == euros(2000)


def test_a_release_that_is_given_up_is_forfeited() -> None:
    desk = signed("1000", percent="10")
    reached(desk, "m1")
    desk.releases("done")
    desk.gives_up()
    assert desk.due() == []
    assert (desk.sums.value, desk.billed, desk.sums.retained) == (euros(900), euros(900), euros(0))
    assert [amount for _, amount in desk.unbilled] == [euros(100)]
    assert desk.is_over


def test_an_invoice_credited_while_its_retainage_is_released_takes_that_back() -> None:
    desk = signed("1000", percent="10")
    reached(desk, "m1")
    credit = desk.asks_credit(1)
    desk.releases("done")
    desk.bills("retainage:1")
    desk.bills(credit)
    desk.bills_all()
    assert (desk.billed, desk.sums.value, desk.sums.retained) == (euros(0), euros(0), euros(0))
    assert desk.is_over


def test_hours_corrected_after_the_release_are_corrected_whole() -> None:
    desk = signed(percent="10", time=[DEV], ends_on="2026-02-28")
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    desk.releases("agreed")
    assert desk.bills_all() == euros(1000)
    desk.works(1, "2026-01-10", "8")
    assert desk.on("2026-03-01").bills_all() == euros(800)
    assert (desk.sums.value, desk.sums.retained) == (euros(800), euros(0))
    assert desk.is_over


@settings(max_examples=50)
@given(amounts, st.decimals("0.01", 100, places=2), st.integers(0, 100))
def test_what_is_held_back_comes_back_to_the_cent(
    found: list[str], percent: Decimal, deposited: int
) -> None:
    value = Money.total(map(euros, found), "EUR")
    deposit = Money.rounded(value.amount * deposited / 100, "EUR")
    desk = signed(
        *found,
        deposit=f"{deposit.amount}" if deposit.is_positive else "",
        percent=f"{percent}",
        ends_on=None,
    )
    reached(desk, *(f"m{n}" for n in range(1, len(found) + 1)))
    assert all(proposal.amount.amount >= 0 for proposal in desk.proposals)
    assert desk.bills_all() == value
    assert (desk.sums.retained, desk.quantity("retainage")) == (euros(0), NONE)
    assert desk.is_over


def test_nothing_is_held_back_later_where_retainage_is_agreed_no_more() -> None:
    """The invoice could not bear it, as the deposit took all of it."""
    desk = signed("500", "500", deposit="1000", percent="10")
    assert reached(desk, "m1") == [["500.00", "-500.00"]]
    desk.adopts(retainage=None, milestones=parts("500", "500", "200"))
    assert reached(desk, "m3") == [["200.00", "-83.33"]]
    desk.bills_all()
    assert desk.sums.retained == euros(0)
