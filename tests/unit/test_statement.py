"""A statement adds up to the contract's value, whatever happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from contracts.billing.book import Book, milestone_event
from contracts.contract.state import ContractState
from contracts.money import Money
from contracts.views.statement import Statement, statement
from tests.unit.engagements import active, example, issue, managed, mixed, reach
from tests.unit.examples import contract, euros


def of(state: ContractState) -> Statement:
    assert state.contract
    return statement(state.contract, state.book)


def test_a_contract_that_has_billed_nothing_is_all_planned() -> None:
    found = statement(contract(), Book())
    assert found.planned == found.value == euros("10000.00")
    assert [(item.key, str(item.planned)) for item in found.positions] == [
        ("design", "3000.00 EUR"),
        ("live", "6000.00 EUR"),
        ("course", "1000.00 EUR"),
    ]
    assert found.difference.is_zero


def test_a_mixed_contract_part_by_part() -> None:
    found = of(mixed())
    # 8,000 deposit; 12.5 h at 120 less 5 %; 10,000 less a quarter of the deposit, less 5 %.
    assert found.invoiced == euros("8000.00") + euros("1425.00") + euros("7500.00")
    assert found.credited == euros("100.00")
    # 20,000, less two thirds of what is left of the deposit, less 5 %.
    assert found.proposed == euros("20000.00") - euros("4000.00") - euros("1000.00")
    assert found.planned == euros("10000.00")
    assert found.deposit_left == euros("2000.00")
    assert found.retained == euros("75.00") + euros("500.00") + euros("1000.00")
    assert found.ready.is_zero
    assert found.value == euros("40000.00") + euros("1500.00") - euros("100.00")
    assert found.difference.is_zero


def test_positions_say_what_each_line_has_billed() -> None:
    rows = {item.key: item for item in of(mixed()).positions}
    assert rows["development"].name == "Development by the hour"
    assert rows["development"].billed == euros("1500.00")
    assert rows["concept"].billed == euros("9900.00")
    assert rows["pilot"].earned == euros("20000.00")
    assert rows["handover"].planned == euros("10000.00")
    assert rows["deposit"].billed == euros("6000.00")
    assert rows["retainage"].billed == -euros("575.00")


def test_what_waits_for_the_next_invoice_lowers_the_value() -> None:
    found = of(managed())
    # 17 of January's 31 days of 3,000.
    assert found.invoiced == euros("1645.16")
    assert found.pending == -euros("50.00")
    assert found.value == euros("1595.16")


def test_what_is_given_up_is_listed_and_no_part_of_the_value() -> None:
    state = active(example("mixed"))
    assert state.contract
    reach(state, "concept", date(2026, 3, 20))
    state.book.drop(milestone_event("concept"), "a favour")
    found = of(state)
    assert [item.reason for item in found.not_billed] == ["a favour"]
    assert found.value == euros("30000.00")
    assert found.difference.is_zero


def test_a_line_that_left_the_order_is_listed_by_its_key() -> None:
    state = mixed()
    assert state.contract
    kept = state.contract.model_copy(update={"milestones": state.contract.milestones[1:]})
    rows = statement(kept, state.book).positions
    assert ("concept", euros("9900.00")) in [(item.name, item.billed) for item in rows]


def fees_credited(state: ContractState) -> None:
    assert state.contract
    credit = state.book.credit(state.contract, 1, date(2026, 2, 1), "by mistake")
    issue(state, credit.key, date(2026, 2, 1))


def reinvoiced(state: ContractState) -> None:
    assert state.contract
    state.book.credit(state.contract, 1, date(2026, 2, 1), "wrong address", reinvoice=True)


def retainage_forfeited(state: ContractState) -> None:
    assert state.contract
    state.book.forfeit_retainage(state.contract, "ended early")


def retainage_released(state: ContractState) -> None:
    assert state.contract
    event = state.book.release_retainage(state.contract, date(2026, 6, 1), "accepted")
    assert event
    issue(state, event.key, date(2026, 6, 1))


@pytest.mark.parametrize(
    ("start", "event"),
    [
        (managed, fees_credited),
        (managed, reinvoiced),
        (mixed, retainage_forfeited),
        (mixed, retainage_released),
    ],
)
def test_it_adds_up_after(
    start: Callable[[], ContractState], event: Callable[[ContractState], None]
) -> None:
    state = start()
    event(state)
    found = of(state)
    assert found.difference == Money.zero("EUR")
    assert (
        sum(item.billed.amount for item in found.positions)
        == (found.invoiced - found.credited).amount
    )
