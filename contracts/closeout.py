"""Close-out: the checklist a contract must pass, and the audit record it leaves behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal

from contracts.billing import account
from contracts.billing.lines import InvoiceKind, Line
from contracts.billing.order import order_lines
from contracts.billing.state import Invoice, InvoiceStatus
from contracts.contract.state import ContractState, money_table
from contracts.model import Contract, Frozen
from contracts.money import Money
from contracts.odoo_totals import OrderTotals


class Check(Frozen):
    """One line of the checklist; `problems` are sentences, none if it passes."""

    name: str
    problems: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        return not self.problems


def checklist(state: ContractState, figures: OrderTotals) -> list[Check]:
    """Compare what the contract has billed with Odoo's own figures, to the cent.

    Amounts are without tax but for what invoices still have open.
    """
    return [
        Check(name="everything is billed", problems=_open_ends(state)),
        Check(name="the order says what was agreed", problems=_order(state.terms, figures)),
        Check(name="invoices less credits are the value", problems=_totals(state, figures)),
        Check(name="order lines are invoiced as billed", problems=_lines(state, figures)),
        Check(name="no invoice is open", problems=_invoices(figures)),
    ]


def _open_ends(state: ContractState) -> tuple[str, ...]:
    """What is left to bill, and sums that do not agree."""
    billing, today = state.account, state.billing_day
    return (*account.open_ends(billing, today), *account.check(billing, today))


def _order(contract: Contract, figures: OrderTotals) -> tuple[str, ...]:
    if figures.total == contract.fixed_price:
        return ()
    return (f"the order totals {figures.total}, the contract {contract.fixed_price}",)


def _totals(state: ContractState, figures: OrderTotals) -> tuple[str, ...]:
    sums = account.sums(state.account, state.billing_day)
    value, billed = sums.value, sums.billed
    found = []
    if billed != value:
        found.append(f"billed is {billed}, the contract's value as amended {value}")
    if figures.invoiced != value:
        found.append(
            f"invoices less credit notes come to {figures.invoiced} in Odoo, the contract to "
            f"{value}"
        )
    return tuple(found)


def _lines(state: ContractState, figures: OrderTotals) -> tuple[str, ...]:
    wanted: dict[str, Decimal] = {line.key: Decimal(0) for line in order_lines(state.terms)}
    for line in _issued_lines(state):
        wanted[line.order_line] = wanted.get(line.order_line, Decimal(0)) + line.quantity
    return tuple(
        f"line {line.name}: {line.invoiced} invoiced in Odoo, {wanted[line.key]} billed"
        for line in figures.lines
        if line.key in wanted and line.invoiced != wanted[line.key]
    )


def _invoices(figures: OrderTotals) -> tuple[str, ...]:
    drafts = [
        f"invoice {item.invoice_id} is still a draft" for item in figures.invoices if item.is_draft
    ]
    still_open = [
        f"{item.number} has {item.residual} open"
        for item in figures.invoices
        if item.is_posted and not item.residual.is_zero
    ]
    return (*drafts, *still_open)


def audit_record(state: ContractState, figures: OrderTotals) -> tuple[str, str]:
    """The contract's whole record as JSON text, and its SHA-256: terms with every version, what
    was earned and billed, each invoice as it ended, and Odoo's own figures."""
    money = money_table(state)
    record = {
        "contract": state.contract.model_dump(mode="json") if state.contract else None,
        "versions": [item.model_dump(mode="json") for item in state.versions],
        "ending": state.ending,
        "billed": [item.model_dump(mode="json") for item in state.account.invoices.values()],
        "unbilled": [item.model_dump(mode="json") for item in _unbilled(state)],
        "invoices": [
            item.model_dump(mode="json", exclude={"exceptions"}) for item in state.invoices.values()
        ],
        "money": money.model_dump(mode="json") if money else None,
        "odoo": figures.model_dump(mode="json"),
        "journal": state.journal.model_dump(mode="json")["entries"],
    }
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False)
    return text, hashlib.sha256(text.encode()).hexdigest()


def settlement_text(state: ContractState) -> str:
    """The settlement in a few lines, for the order's chatter."""
    contract, currency = state.terms, state.terms.currency
    sums = account.sums(state.account, state.billing_day)
    invoiced = Money.total(_issued_amounts(state, InvoiceKind.INVOICE), currency)
    credited = -Money.total(_issued_amounts(state, InvoiceKind.CREDIT_NOTE), currency)
    lines = [
        f"Contract {contract.contract_id}, version {contract.version}, is closed.",
        f"Invoiced {invoiced}, credited {credited}, value as amended {sums.value} "
        "(all without tax).",
    ]
    lines += [
        f"Not billed: {item.what}, {item.amount} ({item.reason})" for item in _unbilled(state)
    ]
    return "\n".join(lines)


def _unbilled(state: ContractState) -> tuple[account.Unbilled, ...]:
    return account.unbilled(state.account, state.billing_day)


def _issued(state: ContractState) -> list[Invoice]:
    invoices = state.account.invoices.values()
    return [item for item in invoices if item.status is InvoiceStatus.ISSUED]


def _issued_lines(state: ContractState) -> Iterator[Line]:
    for invoice in _issued(state):
        yield from invoice.lines


def _issued_amounts(state: ContractState, kind: InvoiceKind) -> Iterator[Money]:
    for invoice in _issued(state):
        if invoice.kind is kind:
            yield from (line.amount for line in invoice.lines)
