"""What Odoo says a contract comes to: its order, the lines, and all that is invoiced on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from activities.odoo.balances import is_ours
from activities.odoo.needs import ACCOUNTING, SALES, Need
from contracts.billing.lines import InvoiceKind
from contracts.identifiers import contract_of, origins_of_contract, workflow_of_origin
from contracts.model import Key
from contracts.money import Money
from contracts.odoo_totals import InvoiceTotals, LineTotals, OrderTotals
from gateways.fields import names
from gateways.odoo import OdooClient

_CENT = Decimal("0.01")
_ORDER_FIELDS = ("amount_untaxed", "currency_id", "invoice_ids", "state", "origin")
_LINE_FIELDS = names("name product_uom_qty qty_delivered qty_invoiced price_unit")
_INVOICE_FIELDS = names("""
    name state move_type invoice_origin reversed_entry_id
    amount_untaxed amount_total amount_residual currency_id
""")

NEEDS = (
    Need("sale.order", _ORDER_FIELDS, access=SALES),
    Need("sale.order.line", (*_LINE_FIELDS, "order_id", "display_type"), access=SALES),
    Need("account.move", _INVOICE_FIELDS, access=ACCOUNTING),
)


def order_totals(odoo: OdooClient, order_id: int, line_ids: Mapping[Key, int]) -> OrderTotals:
    """Odoo's own sums of the order, its lines (their ids by their keys are `line_ids`) and
    everything invoiced or credited on it."""
    [order] = odoo.read("sale.order", [order_id], _ORDER_FIELDS)
    lines = odoo.search_read(
        "sale.order.line",
        [("order_id", "=", order_id), ("display_type", "=", False)],
        _LINE_FIELDS,
        order="id",
    )
    keys = {line: key for key, line in line_ids.items()}
    return OrderTotals(
        order_id=order_id,
        state=order["state"],
        total=Money.rounded(order["amount_untaxed"], order["currency_id"][1]),
        lines=tuple(_line_totals(row, keys) for row in lines),
        invoices=_invoices_totals(_invoices(odoo, order)),
    )


def _invoices(odoo: OdooClient, order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is tied to the order's lines, and what names the contract as its origin."""
    contract = str(order["origin"])
    found = odoo.search_read(
        "account.move",
        [
            ("move_type", "in", ["out_invoice", "out_refund"]),
            "|",
            ("id", "in", order["invoice_ids"]),
            ("invoice_origin", "=like", origins_of_contract(contract)),
        ],
        _INVOICE_FIELDS,
        order="id",
    )
    tied = set(order["invoice_ids"])
    # An underscore in a key stands for any letter in the search above.
    return [
        row
        for row in found
        if row["id"] in tied
        or contract_of(workflow_of_origin(str(row["invoice_origin"]))) == contract
    ]


def _line_totals(row: Mapping[str, Any], keys: Mapping[int, str]) -> LineTotals:
    return LineTotals(
        key=keys.get(row["id"], ""),
        name=row["name"],
        ordered=_quantity(row["product_uom_qty"]),
        delivered=_quantity(row["qty_delivered"]),
        invoiced=_quantity(row["qty_invoiced"]),
        unit_price=Decimal(str(row["price_unit"])),
    )


def _invoices_totals(rows: Sequence[Mapping[str, Any]]) -> tuple[InvoiceTotals, ...]:
    origins = {row["id"]: row["invoice_origin"] for row in rows}
    return tuple(
        _invoice_totals(row, is_ours(row["invoice_origin"], origins.get(_credited(row), "")))
        for row in rows
    )


def _credited(row: Mapping[str, Any]) -> int:
    """The id of the invoice a credit note takes back; 0 for none."""
    return int(row["reversed_entry_id"][0]) if row["reversed_entry_id"] else 0


def _invoice_totals(row: Mapping[str, Any], ours: bool) -> InvoiceTotals:
    currency = row["currency_id"][1]
    refund = row["move_type"] == "out_refund"
    return InvoiceTotals(
        invoice_id=row["id"],
        number=row["name"] if row["state"] == "posted" else "",
        kind=InvoiceKind.CREDIT_NOTE if refund else InvoiceKind.INVOICE,
        state=row["state"],
        ours=ours,
        untaxed=Money.rounded(row["amount_untaxed"], currency),
        total=Money.rounded(row["amount_total"], currency),
        residual=Money.rounded(row["amount_residual"], currency),
    )


def _quantity(number: float) -> Decimal:
    """Odoo adds quantities up as doubles; they have two decimals. Zero has no sign."""
    return Decimal(str(number)).quantize(_CENT) + 0
