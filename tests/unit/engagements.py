"""Contracts in the middle of their lives, for whatever shows them: the examples of the docs."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from contracts.billing import account
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


def issue(state: ContractState, occasion: str, on: date) -> ContractState:
    """Propose and issue an occasion: an invoice that is open, or a credit note that is settled."""
    state = propose(state, occasion, on)
    number = max(state.invoices)
    billing = account.issued(state.account, number)
    before = state.invoices[number]
    zero = Money.zero(state.terms.currency)
    is_note = before.kind is InvoiceKind.CREDIT_NOTE
    amount = -before.amount if is_note else before.amount
    posted = {
        "stage": InvoiceStage.CREDITED if is_note else InvoiceStage.OPEN,
        "odoo_number": f"{'RINV' if is_note else 'INV'}/2026/{number:05}",
        "due_on": on,
        "untaxed": amount,
        "total": amount,
        "residual": zero if is_note else amount,
        "credited": zero,
        "credited_untaxed": zero,
    }
    state = state.replace(billing=billing).with_invoice(before.model_copy(update=posted))
    credited = state.invoices.get(before.credited_number)
    if credited is not None and credited.residual is not None:
        rest = {"residual": credited.residual - amount}
        state = state.with_invoice(credited.model_copy(update=rest))
    return state


def propose(state: ContractState, occasion: str, on: date) -> ContractState:
    """Propose an occasion: it awaits its approval."""
    number = len(state.invoices) + 1
    composed = account.compose(state.account, occasion, number, on)
    assert isinstance(composed, account.Composition), composed
    proposal = composed.proposal
    assert proposal is not None
    report = InvoiceReport(
        number=number,
        kind=proposal.kind,
        credited_number=proposal.credited_number,
        stage=InvoiceStage.AWAITING_APPROVAL,
        amount=proposal.amount,
    )
    return state.replace(billing=account.propose(state.account, composed)).with_invoice(report)


def active(contract: Contract, on: date = date(2026, 2, 1)) -> ContractState:
    """The contract as it is once everything is provisioned, with nothing billed yet."""
    return ContractState(
        clock=datetime(on.year, on.month, on.day, 12, tzinfo=UTC),
        contract_id=contract.contract_id,
        legal_entity=contract.legal_entity,
        source=Source(system="file", id=contract.contract_id),
        contract=contract,
        order_version=contract,
        stage=ContractStage.ACTIVE,
        time_zone="Europe/Brussels",
        billing=account.begin(contract, on),
        odoo=OdooRefs(order_id=42, order_name="S00042", project_name=contract.title),
        milestones={item.key: MilestoneProgress() for item in contract.milestones},
    )


def at(state: ContractState, on: date) -> ContractState:
    """The same at noon of another day."""
    return state.replace(clock=datetime(on.year, on.month, on.day, 12, tzinfo=UTC))


def mixed() -> ContractState:
    """After two months: 12.5 hours and the concept (10,000, less 2,000 of the deposit and 5 %
    retainage) are invoiced, 100 of the concept's invoice credited; the pilot is proposed."""
    start, period = date(2026, 2, 1), date(2026, 3, 1)
    state = issue(active(example("mixed"), start), "deposit", start)
    hours = TimeEntry(
        line_id=1,
        plan="development",
        on=date(2026, 2, 10),
        hours=Decimal("12.5"),
        person="Petra Developer",
        email="petra@northwind.example",
        role="Developer",
    )
    until = date(2026, 2, 28)
    billing = account.take_time(state.account, "development", [hours], [], until)
    billing = account.take_expenses(billing, "travel", [], [], until)
    state = issue(state.replace(billing=billing), f"period:{period}", period)
    state = reach(state, "concept", date(2026, 3, 20))
    state = issue(state, "milestone:concept", date(2026, 3, 20))
    on = date(2026, 3, 25)
    billing = account.request_credit(
        state.account, 3, on, "late (ana)", "ana", Money("100.00", "EUR")
    )
    state = issue(state.replace(billing=billing), "credit:3:1", on)
    state = reach(state, "pilot", date(2026, 3, 30))
    return at(propose(state, "milestone:pilot", date(2026, 3, 30)), date(2026, 3, 30))


def reach(state: ContractState, key: str, on: date) -> ContractState:
    state = state.with_milestone(key, reached_on=on, reached_by="pm")
    return state.replace(billing=account.reach(state.account, key, on))


def managed() -> ContractState:
    """The first month's fee is invoiced; a service credit of 50 waits for the next."""
    contract = example("managed")
    first = contract.first_day
    state = issue(active(contract, first), f"period:{first}", first)
    billing, _ = account.credit_service(
        state.account,
        "service-desk",
        "sla-1",
        "two hours of standstill",
        Money("50.00", "EUR"),
        first,
    )
    return state.replace(billing=billing)
