"""A statement adds up to the contract's value, whatever happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from contracts.billing import account
from contracts.contract.state import ContractState
from contracts.views.statement import Statement, statement
from tests.unit.engagements import active, at, example, issue, managed, mixed, propose, reach
from tests.unit.examples import contract, euros

END = date(2026, 6, 1)


def adds_up(found: Statement) -> bool:
    """Whether the parts come to the value, and the lines to what is billed."""
    billed = found.invoiced - found.credited
    kept = found.retained - found.deposit_left
    on_lines = sum(item.billed.amount for item in found.positions)
    whole = found.planned + found.earned + found.proposed + billed + kept
    return whole == found.value and on_lines == billed.amount and not found.violations


def test_a_contract_that_has_billed_nothing_is_all_planned() -> None:
    found = statement(active(contract()))
    assert found.planned == found.value == euros("10000.00")
    assert [(item.key, str(item.planned)) for item in found.positions] == [
        ("design", "3000.00 EUR"),
        ("live", "6000.00 EUR"),
        ("course", "1000.00 EUR"),
    ]
    assert adds_up(found)


def test_a_contract_that_is_not_provisioned_yet_is_all_planned_too() -> None:
    state = active(contract()).replace(billing=None)
    assert statement(state).planned == euros("10000.00")


def test_a_mixed_contract_part_by_part() -> None:
    found = statement(mixed())
    # 8,000 deposit; 12.5 h at 120 less 5 %; 10,000 less a quarter of the deposit, less 5 %.
    assert found.invoiced == euros("8000.00") + euros("1425.00") + euros("7500.00")
    assert found.credited == euros("100.00")
    # 20,000, less what brings the deposit to 29,900 of 39,900, less 5 % of what is billed net.
    assert found.proposed == euros("20000.00") - euros("3994.99") - euros("995.00")
    assert found.planned == euros("10000.00")
    assert found.deposit_left == euros("2005.01")
    assert found.retained == euros("75.00") + euros("500.00") + euros("995.00")
    assert found.earned.is_zero
    assert found.value == euros("40000.00") + euros("1500.00") - euros("100.00")
    assert adds_up(found)


def test_positions_say_what_each_line_has_billed() -> None:
    rows = {item.key: item for item in statement(mixed()).positions}
    assert rows["development"].name == "Development by the hour"
    assert rows["development"].billed == euros("1500.00")
    assert rows["concept"].billed == euros("9900.00")
    assert rows["pilot"].earned == euros("20000.00")
    assert rows["handover"].planned == euros("10000.00")
    assert rows["deposit"].billed == euros("6000.00")
    assert rows["retainage"].billed == -euros("575.00")


def test_what_is_reached_and_not_proposed_yet_is_earned() -> None:
    found = statement(reach(active(contract()), "design", date(2026, 3, 2)))
    assert (found.planned, found.earned) == (euros("7000.00"), euros("3000.00"))
    assert {item.key: item.earned for item in found.positions}["design"] == euros("3000.00")
    assert adds_up(found)


def test_what_waits_for_the_next_invoice_lowers_the_value() -> None:
    found = statement(managed())
    # 17 of January's 31 days of 3,000.
    assert found.invoiced == euros("1645.16")
    assert found.earned == -euros("50.00")
    assert found.value == euros("1595.16")


def test_what_is_waived_is_listed_and_no_part_of_the_value() -> None:
    on = date(2026, 3, 20)
    state = issue(active(example("mixed")), "deposit", on)
    state = propose(reach(state, "concept", on), "milestone:concept", on)
    billing = account.rejected(state.account, 2)
    billing = account.waive_rejected(billing, 2, "ana", "a favour", on)
    found = statement(at(state.replace(billing=billing), on))
    assert [item.reason for item in found.not_billed] == ["ana: a favour"]
    assert found.value == euros("30000.00")
    assert adds_up(found)


def test_a_line_that_left_the_order_is_listed_by_its_key() -> None:
    state = mixed()
    kept = state.terms.model_copy(update={"milestones": state.terms.milestones[1:]})
    billing = state.account.model_copy(update={"contract": kept})
    rows = statement(state.replace(contract=kept, billing=billing)).positions
    assert ("concept", euros("9900.00")) in [(item.name, item.billed) for item in rows]


def fees_credited(state: ContractState) -> ContractState:
    on = date(2026, 2, 1)
    billing = account.request_credit(state.account, 1, on, "by mistake", "ana")
    return issue(state.replace(billing=billing), "credit:1:1", on)


def reinvoiced(state: ContractState) -> ContractState:
    billing = account.request_credit(
        state.account, 1, date(2026, 2, 1), "wrong address", "ana", reinvoice=True
    )
    return state.replace(billing=billing)


def retainage_released(state: ContractState) -> ContractState:
    billing = account.release_retainage(state.account, END, "accepted")
    return issue(state.replace(billing=billing), "retainage:1", END)


def everything_reached(state: ContractState) -> ContractState:
    state = state.replace(billing=account.issued(state.account, 5))
    return issue(reach(state, "handover", END), "milestone:handover", END)


@pytest.mark.parametrize(
    ("start", "event"),
    [
        (managed, fees_credited),
        (managed, reinvoiced),
        (mixed, retainage_released),
        (mixed, everything_reached),
    ],
)
def test_it_adds_up_after(
    start: Callable[[], ContractState], event: Callable[[ContractState], ContractState]
) -> None:
    assert adds_up(statement(event(start())))
