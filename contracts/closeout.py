"""Close-out: the checklist a contract must pass, and the audit record it leaves behind."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal

from contracts.billing.book import Book, EventStatus
from contracts.billing.order import order_lines
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


def checklist(contract: Contract, book: Book, figures: OrderTotals) -> list[Check]:
    """Compare the contract's books with Odoo's own figures, to the cent.

    Amounts are without tax but for what invoices still have open.
    """
    return [
        Check(name="everything is billed", problems=tuple(book.open_ends(contract))),
        Check(name="the order says what was agreed", problems=_order(contract, figures)),
        Check(
            name="invoices less credits are the value", problems=_totals(contract, book, figures)
        ),
        Check(name="order lines are invoiced as billed", problems=_lines(contract, book, figures)),
        Check(name="no invoice is open", problems=_invoices(figures)),
    ]


def _order(contract: Contract, figures: OrderTotals) -> tuple[str, ...]:
    if figures.total == contract.fixed_price:
        return ()
    return (f"the order totals {figures.total}, the contract {contract.fixed_price}",)


def _totals(contract: Contract, book: Book, figures: OrderTotals) -> tuple[str, ...]:
    value, billed = book.value(contract), book.billed(contract)
    found = []
    if billed != value:
        found.append(f"billed is {billed}, the contract's value as amended {value}")
    if figures.invoiced != value:
        found.append(
            f"invoices less credit notes come to {figures.invoiced} in Odoo, the contract to "
            f"{value}"
        )
    return tuple(found)


def _lines(contract: Contract, book: Book, figures: OrderTotals) -> tuple[str, ...]:
    wanted: dict[str, Decimal] = {line.key: Decimal(0) for line in order_lines(contract)}
    for charge in book.charges(EventStatus.BILLED):
        wanted[charge.order_line] = wanted.get(charge.order_line, Decimal(0)) + charge.quantity
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
        "events": [item.model_dump(mode="json") for item in state.book.events.values()],
        "unbilled": [item.model_dump(mode="json") for item in state.book.unbilled],
        "invoices": [
            item.model_dump(mode="json", exclude={"exceptions"}) for item in state.invoices.values()
        ],
        "money": money.model_dump(mode="json") if money else None,
        "odoo": figures.model_dump(mode="json"),
        "journal": state.journal.model_dump(mode="json")["entries"],
    }
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False)
    return text, hashlib.sha256(text.encode()).hexdigest()


def statement(contract: Contract, book: Book) -> str:
    """The settlement in a few lines, for the order's chatter."""
    currency = contract.currency
    invoiced = Money.zero(currency)
    credited = Money.zero(currency)
    for event in book.events.values():
        if event.status is EventStatus.BILLED:
            amount = Money.total((c.amount for c in event.charges), currency)
            if amount.is_positive:
                invoiced += amount
            else:
                credited -= amount
    lines = [
        f"Contract {contract.contract_id}, version {contract.version}, is closed.",
        f"Invoiced {invoiced}, credited {credited}, value as amended {book.value(contract)} "
        "(all without tax).",
    ]
    lines += [f"Not billed: {item.what}, {item.amount} ({item.reason})" for item in book.unbilled]
    return "\n".join(lines)
