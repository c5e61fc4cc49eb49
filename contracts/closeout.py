"""Close-out: the checklist a contract must pass, and the closing record it leaves behind."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator
from decimal import Decimal

from contracts.billing import account
from contracts.billing.lines import InvoiceKind, Line
from contracts.billing.order import order_lines
from contracts.billing.state import Invoice, InvoiceStatus
from contracts.contract.state import ContractState, money_table, require_id
from contracts.model import Frozen, JsonObject
from contracts.money import Money
from contracts.odoo_totals import OrderTotals

_MOST_OPEN_ENDS = 50


class Settlement(Frozen):
    """What a contract comes to at its end: what Odoo is compared with, and what is kept of it.

    Amounts are without tax. `quantities` are those billed, by order line; `open_ends` sentences
    about what is left to bill. `text` is the settlement in a few lines, for people. `packed` is
    the contract's whole record as JSON, compressed: of a thousand invoices it is large.
    """

    contract_id: str
    legal_entity: str
    order_id: int
    order_line_ids: dict[str, int]
    project_id: int | None
    ordered: Money
    value: Money
    billed: Money
    quantities: dict[str, Decimal]
    open_ends: tuple[str, ...] = ()
    text: str
    packed: str


class Check(Frozen):
    """One line of the checklist; `problems` are sentences, none if it passes."""

    name: str
    problems: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        return not self.problems


def settlement(state: ContractState) -> Settlement:
    """What a validated and provisioned contract comes to, as of now."""
    billing, today, odoo = state.account, state.billing_day, state.odoo
    sums = account.sums(billing, today)
    open_ends = (*account.open_ends(billing, today), *account.check(billing, today))
    return Settlement(
        contract_id=state.contract_id,
        legal_entity=state.legal_entity,
        order_id=require_id(odoo.order_id),
        order_line_ids=odoo.order_line_ids,
        project_id=odoo.project_id,
        ordered=state.terms.fixed_price,
        value=sums.value,
        billed=sums.billed,
        quantities=_quantities(state),
        open_ends=open_ends[:_MOST_OPEN_ENDS],
        text=_text(state, sums.value),
        packed=_packed(_record(state)),
    )


# --- what Odoo says -------------------------------------------------------------------------------


def checklist(settled: Settlement, figures: OrderTotals) -> list[Check]:
    """Compare what the contract has billed with Odoo's own figures, to the cent.

    Amounts are without tax but for what invoices still have open.
    """
    return [
        Check(name="everything is billed", problems=settled.open_ends),
        Check(name="the order says what was agreed", problems=_order(settled, figures)),
        Check(name="invoices less credits are the value", problems=_totals(settled, figures)),
        Check(name="order lines are invoiced as billed", problems=_lines(settled, figures)),
        Check(name="no invoice is open", problems=_invoices(figures)),
    ]


def _order(settled: Settlement, figures: OrderTotals) -> tuple[str, ...]:
    if figures.total == settled.ordered:
        return ()
    return (f"the order totals {figures.total}, the contract {settled.ordered}",)


def _totals(settled: Settlement, figures: OrderTotals) -> tuple[str, ...]:
    value, billed = settled.value, settled.billed
    found = []
    if billed != value:
        found.append(f"billed is {billed}, the contract's value as amended {value}")
    if figures.invoiced != value:
        found.append(
            f"invoices less credit notes come to {figures.invoiced} in Odoo, the contract to "
            f"{value}"
        )
    return tuple(found)


def _lines(settled: Settlement, figures: OrderTotals) -> tuple[str, ...]:
    billed = settled.quantities
    return tuple(
        f"line {line.name}: {line.invoiced} invoiced in Odoo, {billed[line.key]} billed"
        for line in figures.lines
        if line.key in billed and line.invoiced != billed[line.key]
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


# --- what is kept ---------------------------------------------------------------------------------


def closing_record(settled: Settlement, figures: OrderTotals) -> tuple[str, str]:
    """The contract's whole record as JSON text, and its SHA-256: terms with every version, what
    was earned and billed, each invoice as it ended, and Odoo's own figures."""
    record = {**_unpacked(settled.packed), "odoo": figures.model_dump(mode="json")}
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False)
    return text, hashlib.sha256(text.encode()).hexdigest()


def _record(state: ContractState) -> JsonObject:
    money = money_table(state)
    return {
        "contract": state.terms.model_dump(mode="json"),
        "versions": [item.model_dump(mode="json") for item in state.versions],
        "ending": state.ending,
        "signature": state.signature.model_dump(mode="json", exclude_defaults=True),
        "billed": [item.model_dump(mode="json") for item in state.account.invoices.values()],
        "unbilled": [item.model_dump(mode="json") for item in _unbilled(state)],
        "invoices": [
            item.model_dump(mode="json", exclude={"exceptions"}) for item in state.invoices.values()
        ],
        "money": money.model_dump(mode="json") if money else None,
        "journal": state.journal.model_dump(mode="json")["entries"],
    }


def _packed(record: JsonObject) -> str:
    return base64.b64encode(zlib.compress(json.dumps(record).encode())).decode()


def _unpacked(packed: str) -> JsonObject:
    record: JsonObject = json.loads(zlib.decompress(base64.b64decode(packed)))
    return record


def _text(state: ContractState, value: Money) -> str:
    """The settlement in a few lines, for the order's chatter."""
    contract, currency = state.terms, state.terms.currency
    invoiced = Money.total(_issued_amounts(state, InvoiceKind.INVOICE), currency)
    credited = -Money.total(_issued_amounts(state, InvoiceKind.CREDIT_NOTE), currency)
    lines = [
        f"Contract {contract.contract_id}, version {contract.version}, is closed.",
        f"Invoiced {invoiced}, credited {credited}, value as amended {value} (all without tax).",
    ]
    lines += [
        f"Not billed: {item.what}, {item.amount} ({item.reason})" for item in _unbilled(state)
    ]
    return "\n".join(lines)


def _quantities(state: ContractState) -> dict[str, Decimal]:
    billed = {line.key: Decimal(0) for line in order_lines(state.terms)}
    for line in _issued_lines(state):
        billed[line.order_line] = billed.get(line.order_line, Decimal(0)) + line.quantity
    return billed


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
