"""Contracts in the middle of their lives, for whatever shows them: the examples of the docs."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

from contracts.billing.book import Book, Findings, milestone_event, period_event
from contracts.billing.lines import InvoiceKind
from contracts.billing.time import TimeEntry
from contracts.contract.state import ContractStage, ContractState, MilestoneProgress, OdooRefs
from contracts.invoice.state import InvoiceReport, InvoiceStage
from contracts.model import Contract, Source
from contracts.money import Money
from contracts.validation import validate

_EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def example(name: str) -> Contract:
    """A contract of docs/examples."""
    contract_data = json.loads((_EXAMPLES / f"{name}.json").read_text())
    return validate(
        {"source": {"system": "file", "id": contract_data["contract_id"]}, **contract_data}
    )


def issue(state: ContractState, key: str, on: date) -> InvoiceReport:
    """Propose and issue an event: an invoice that is open, or a credit note that is settled."""
    assert state.contract
    number = len(state.invoices) + 1
    proposal = state.book.propose(state.contract, key, number, on)
    state.book.issued(number)
    zero = Money.zero(state.contract.currency)
    is_note = proposal.kind is InvoiceKind.CREDIT_NOTE
    amount = -proposal.amount if is_note else proposal.amount
    report = InvoiceReport(
        number=number,
        kind=proposal.kind,
        credited_number=proposal.credited_number,
        stage=InvoiceStage.CREDITED if is_note else InvoiceStage.OPEN,
        amount=proposal.amount,
        charges=tuple(line.key for line in proposal.lines),
        odoo_number=f"{'RINV' if is_note else 'INV'}/2026/{number:05}",
        due_on=on,
        untaxed=amount,
        total=amount,
        residual=zero if is_note else amount,
        credited=zero,
        credited_untaxed=zero,
    )
    state.invoices[number] = report
    credited = state.invoices.get(proposal.credited_number)
    if credited is not None and credited.residual is not None:
        credited.residual -= amount
    return report


def active(contract: Contract) -> ContractState:
    """The contract as it is once everything is provisioned, with nothing billed yet."""
    return ContractState(
        contract_id=contract.contract_id,
        legal_entity=contract.legal_entity,
        source=Source(system="file", id=contract.contract_id),
        contract=contract,
        order_version=contract,
        stage=ContractStage.ACTIVE,
        time_zone="Europe/Brussels",
        book=Book(),
        odoo=OdooRefs(order_id=42, order_name="S00042", project_name=contract.title),
        milestones={item.key: MilestoneProgress() for item in contract.milestones},
    )


def mixed() -> ContractState:
    """After two months: 12.5 hours and the concept (10,000, less 2,000 of the deposit and 5 %
    retainage) are invoiced, 100 of the concept's invoice credited; the pilot is proposed."""
    state = active(example("mixed"))
    contract, book = state.contract, state.book
    assert contract
    start, period = date(2026, 2, 1), date(2026, 3, 1)
    deposit = book.start(contract, start)
    assert deposit
    issue(state, deposit.key, start)
    hours = TimeEntry(
        line_id=1,
        plan="development",
        on=date(2026, 2, 10),
        hours=Decimal("12.5"),
        person="Petra Developer",
        email="petra@northwind.example",
        role="Developer",
    )
    book.bill_period(contract, book.due_now(contract, period), Findings(entries=(hours,)))
    issue(state, period_event(period), period)
    reach(state, "concept", date(2026, 3, 20))
    concept = issue(state, milestone_event("concept"), date(2026, 3, 20))
    credit = book.credit(
        contract,
        concept.number,
        date(2026, 3, 25),
        "late (ana)",
        amount=Money("100.00", "EUR"),
    )
    issue(state, credit.key, date(2026, 3, 25))
    reach(state, "pilot", date(2026, 3, 30))
    book.propose(contract, milestone_event("pilot"), 5, date(2026, 3, 30))
    return state


def reach(state: ContractState, key: str, on: date) -> None:
    assert state.contract
    state.book.reach(state.contract, key, on)
    state.milestones[key] = MilestoneProgress(reached_on=on, reached_by="pm")


def managed() -> ContractState:
    """The first month's fee is invoiced; a service credit of 50 waits for the next."""
    state = active(example("managed"))
    contract, book = state.contract, state.book
    assert contract
    book.bill_period(contract, book.due_now(contract, contract.first_day), Findings())
    issue(state, period_event(contract.first_day), contract.first_day)
    amount = Money("50.00", "EUR")
    book.credit_service(contract, "service-desk", "sla-1", "two hours of standstill", amount)
    return state
