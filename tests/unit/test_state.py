"""The state workflows carry: it survives JSON, and its figures follow from its invoices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contracts import parking
from contracts.approvals import Approval
from contracts.contract.messages import CancelRequest, MilestoneReached
from contracts.contract.state import (
    ContractState,
    MilestoneProgress,
    MoneyTable,
    OdooRefs,
    money_table,
)
from contracts.crm import ContractStatus
from contracts.dunning import DunningState
from contracts.invoice.messages import PaymentReceived
from contracts.invoice.state import InvoiceReport, InvoiceStage
from contracts.journal import MAX_ENTRIES, Journal
from contracts.money import CurrencyMismatch, Money
from contracts.parking import Waiting
from tests.unit.examples import (
    ANA,
    MONDAY,
    NOON,
    approval_round,
    balance,
    contract,
    contract_data,
    contract_state,
    euros,
    invoice_state,
    parked,
    proposal,
    report,
)

# --- continue-as-new ------------------------------------------------------------------------


def journal() -> Journal:
    written = Journal()
    return written.noted(NOON, "Signed")


def full_contract() -> ContractState:
    return contract_state(
        contract_data=contract_data(),
        amended=True,
        odoo=OdooRefs(company_id=1, order_name="S00042", milestone_ids={"design": 11}),
        milestones={"design": MilestoneProgress(reached_on=MONDAY, reached_by=ANA, proposal=1)},
        early_milestones=[MilestoneReached(milestone="live", on=MONDAY)],
        invoices={1: report(1, InvoiceStage.OPEN, total="3630.00", residual="3630.00")},
        cancel=CancelRequest(by=ANA, reason="the customer left"),
        crm_written=ContractStatus(deal_id="9001", stage="active", paid=euros("0")),
        waiting=Waiting(on="exception", since=NOON),
        exceptions=[parked(parking.ORDER)],
        journal=journal(),
        started_at=NOON,
        closed_at=NOON,
    )


def full_invoice() -> BaseModel:
    signed = Approval(by=ANA, content_hash=proposal().content_hash, at=NOON)
    return invoice_state(
        stage=InvoiceStage.PARTIALLY_PAID,
        approval_round=approval_round().model_copy(update={"approvals": (signed,)}),
        invoice_on=MONDAY,
        balance=balance(residual="630.00"),
        payments=(PaymentReceived(reference="T-1", amount=euros("3000"), paid_on=MONDAY),),
        known_payments={"T-1": euros("3000")},
        dunning=DunningState(level=2, sent_on=MONDAY),
        reported=report(1, InvoiceStage.OPEN, total="3630.00"),
        settles_at=NOON,
        exceptions=[parked(parking.REMIND)],
        journal=journal(),
    )


@pytest.mark.parametrize("state", [full_contract(), full_invoice()])
def test_a_state_is_the_same_after_continuing_as_new(state: BaseModel) -> None:
    read = type(state).model_validate_json(state.model_dump_json())
    assert read == state
    assert read.model_dump_json() == state.model_dump_json()


def test_nothing_is_done_yet_in_a_new_contract() -> None:
    fresh = contract_state(contract=None)
    assert not fresh.amended
    assert not any(value for _, value in fresh.odoo)
    assert not MilestoneProgress().marked_in_odoo
    assert not any((fresh.milestones, fresh.invoices, fresh.exceptions, fresh.early_milestones))


# --- a contract's figures -------------------------------------------------------------------


def figures(*reports: InvoiceReport) -> dict[str, str]:
    table = money_table(contract_state(invoices={item.number: item for item in reports}))
    assert table is not None
    return {name: str(amount.amount) for name, amount in table}


def posted(number: int, stage: InvoiceStage, residual: str, **credits: str) -> InvoiceReport:
    """An invoice of 3,000.00 with 21 % tax."""
    credited = {"credited": "0", "credited_untaxed": "0"} | credits
    return report(number, stage, untaxed="3000.00", total="3630.00", residual=residual, **credited)


def test_there_are_no_figures_before_there_is_a_contract() -> None:
    assert money_table(contract_state(contract=None)) is None


def test_a_contract_that_billed_nothing_has_all_of_it_to_invoice() -> None:
    assert figures() == {
        "value": "10000.00",
        "invoiced": "0.00",
        "credited": "0.00",
        "to_invoice": "10000.00",
        "total": "0.00",
        "paid": "0.00",
        "open": "0.00",
        "overdue": "0.00",
    }


def test_a_proposal_is_not_invoiced_before_it_is_posted() -> None:
    proposed = report(1, InvoiceStage.AWAITING_APPROVAL)
    assert figures(proposed) == figures()


def test_the_figures_of_invoices_in_every_state() -> None:
    assert figures(
        posted(1, InvoiceStage.PAID, "0"),
        posted(2, InvoiceStage.OVERDUE, "630.00"),
        posted(3, InvoiceStage.OPEN, "3630.00"),
        report(4, InvoiceStage.REJECTED),
    ) == {
        "value": "10000.00",
        "invoiced": "9000.00",
        "credited": "0.00",
        "to_invoice": "1000.00",
        "total": "10890.00",
        "paid": "6630.00",
        "open": "4260.00",
        "overdue": "630.00",
    }


def test_what_was_credited_is_to_be_invoiced_again_and_was_not_paid() -> None:
    credited = posted(1, InvoiceStage.CREDITED, "0", credited="3630.00", credited_untaxed="3000.00")
    again = figures(credited)
    assert (again["invoiced"], again["credited"], again["to_invoice"]) == (
        "3000.00",
        "3000.00",
        "10000.00",
    )
    assert (again["total"], again["paid"], again["open"]) == ("0.00", "0.00", "0.00")


shares = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 100), st.integers(0, 100), st.booleans()),
    max_size=6,
)


@given(shares)
def test_the_figures_always_balance(invoices: list[tuple[int, int, int, bool]]) -> None:
    reports = {}
    for number, (cents, unpaid, late_credit, overdue) in enumerate(invoices, start=1):
        total = Money.rounded(cents * Decimal("0.01"), "EUR")
        residual, rest = total.allocate([unpaid, 101 - unpaid])
        credited, _ = rest.allocate([late_credit, 101 - late_credit])
        reports[number] = InvoiceReport(
            number=number,
            stage=InvoiceStage.OVERDUE if overdue else InvoiceStage.OPEN,
            amount=total,
            untaxed=total,
            total=total,
            residual=residual,
            credited=credited,
            credited_untaxed=credited,
            overdue=overdue,
        )
    table = money_table(contract_state(invoices=reports))
    assert table is not None
    assert table.invoiced - table.credited + table.to_invoice == table.value
    assert table.paid + table.open == table.total
    assert euros("0") <= table.overdue <= table.open
    assert MoneyTable.model_validate_json(table.model_dump_json()) == table


def test_an_invoice_in_another_currency_is_not_added_up() -> None:
    foreign = posted(1, InvoiceStage.OPEN, "0").model_copy(update={"total": Money("1", "USD")})
    with pytest.raises(CurrencyMismatch):
        figures(foreign)


# --- balances -------------------------------------------------------------------------------


def test_what_was_paid_is_neither_open_nor_credited() -> None:
    assert balance(residual="3630.00").paid == euros("0")
    assert balance(residual="1000.00").paid == euros("2630.00")
    assert balance(residual="0", credited="3630.00").paid == euros("0")


@pytest.mark.parametrize(
    ("changes", "clear"),
    [
        ({"residual": "0"}, True),
        ({"residual": "-5.00"}, True),
        ({"residual": "0.01"}, False),
        ({"residual": "0", "in_payment": True}, False),
        ({"residual": "0", "posted": False}, False),
    ],
)
def test_an_invoice_is_clear_once_its_money_has_arrived(
    changes: dict[str, Any], clear: bool
) -> None:
    assert balance(**changes).is_clear is clear


# --- messages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "contract_data"),
    [
        (MilestoneReached, {"milestone": "a b"}),
        (MilestoneReached, {"milestone": "design", "date": "2026-03-02"}),
        (CancelRequest, {"by": ""}),
        (CancelRequest, {"by": ANA, "why": "x"}),
        (PaymentReceived, {"reference": " ", "amount": "1 EUR", "paid_on": "2026-03-02"}),
        (PaymentReceived, {"reference": "T", "amount": "1", "paid_on": "2026-03-02"}),
        (PaymentReceived, {"reference": "T", "amount": 1.5, "paid_on": "2026-03-02"}),
    ],
)
def test_a_message_with_a_field_wrong_or_unheard_of_is_refused(
    message: type[BaseModel], contract_data: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        message.model_validate(contract_data)


def test_a_milestone_may_be_reached_without_a_word_on_when() -> None:
    assert MilestoneReached(milestone="design").on is None
    assert MilestoneReached(milestone="design", on=date(2026, 3, 2)).on == MONDAY


# --- the journal ----------------------------------------------------------------------------


def test_a_journal_keeps_the_latest_entries_newest_last() -> None:
    written = Journal()
    for number in range(MAX_ENTRIES + 5):
        written = written.noted(NOON, f"event {number}")
    texts = [entry.text for entry in written.entries]
    assert texts == [f"event {number}" for number in range(5, MAX_ENTRIES + 5)]


def test_the_contracts_value_is_what_was_signed() -> None:
    table = money_table(contract_state())
    assert table is not None
    assert table.value == contract().value
