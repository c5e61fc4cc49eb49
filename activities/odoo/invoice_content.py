"""Reads in one call all that the customer or the ledger will see of an invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from activities.odoo.balances import INVOICE_FIELDS
from activities.odoo.needs import ACCOUNTING, CONTACTS, SALES, USER, Need
from contracts.invoice.content import ContentLine, InvoiceContent
from contracts.money import Money
from contracts.odoo_totals import OdooTotals, TaxAmount
from gateways.fields import names
from gateways.odoo import OdooClient

Row = Mapping[str, Any]

LOCK_WARNING = "tax_lock_date_message"
"""Not read with every invoice: to see whether a lock concerns it costs Odoo much."""
_NAMED: dict[str, Any] = {"fields": {"display_name": {}}}
_CUSTOMER = ("display_name", "email")
_NAMES = names("""
    partner_shipping_id invoice_payment_term_id journal_id currency_id
    partner_bank_id fiscal_position_id reversed_entry_id
""")
"""Records of which only the name matters."""
_VALUES = ("move_type", "ref", "payment_reference", "narration")
_LINE_NAMES = ("product_id", "account_id", "tax_ids", "tax_line_id")
_LINE_VALUES = names("""
    display_type name quantity price_unit discount price_subtotal
    amount_currency balance analytic_distribution
""")
_SHOWN = ("product", "line_section", "line_subsection", "line_note")
_OWED = "payment_term"
_LEDGER = ("tax", "rounding", _OWED)

_SPECIFICATION: dict[str, Any] = {
    **{name: {} for name in (*INVOICE_FIELDS, *_VALUES)},
    **dict.fromkeys(_NAMES, _NAMED),
    "partner_id": {"fields": {name: {} for name in _CUSTOMER}},
    "line_ids": {
        "fields": {**{name: {} for name in _LINE_VALUES}, **dict.fromkeys(_LINE_NAMES, _NAMED)}
    },
}

_NAMED_BY_ACCOUNTING = names("""
    account.payment.term account.journal account.fiscal.position account.account account.tax
""")
NEEDS = (
    Need(
        "account.move",
        (
            *(*INVOICE_FIELDS, *_VALUES, *_NAMES),
            *("partner_id", "line_ids", "display_name", LOCK_WARNING),
        ),
        access=ACCOUNTING,
    ),
    Need("account.move.line", (*_LINE_NAMES, *_LINE_VALUES), access=ACCOUNTING),
    Need("res.partner", _CUSTOMER, access=CONTACTS),
    *(Need(model, ("display_name",), access=ACCOUNTING) for model in _NAMED_BY_ACCOUNTING),
    Need("res.currency", ("display_name",), access=USER),
    Need("res.partner.bank", ("display_name",), access=CONTACTS),
    Need("product.product", ("display_name",), access=SALES),
)


@dataclass(frozen=True)
class WholeInvoice:
    """An invoice as one call read it: `row` is as `read` gives it of INVOICE_FIELDS."""

    row: dict[str, Any]
    content: InvoiceContent

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def state(self) -> str:
        """`draft`, `posted` or `cancel`."""
        return str(self.row["state"])


def read_whole(odoo: OdooClient, invoice_id: int, *more: str) -> WholeInvoice:
    """The invoice with its customer, its terms and its lines; `more` fields go into its row.

    Only reads of the same fields share calls.
    """
    specification = {**_SPECIFICATION, **{name: {} for name in more}}
    [read] = odoo.read_related("account.move", [invoice_id], specification)
    row = {name: read[name] for name in ("id", *INVOICE_FIELDS, *more)}
    currency = read["currency_id"]
    row["currency_id"] = [currency["id"], currency["display_name"]]
    return WholeInvoice(row, _content(read))


def _content(read: Row) -> InvoiceContent:
    currency = _name(read["currency_id"])
    ledger = (line for line in read["line_ids"] if line["display_type"] in _LEDGER)
    lines = sorted(read["line_ids"], key=lambda line: int(line["id"]))
    customer = read["partner_id"] or {"id": 0, "display_name": "", "email": ""}
    return InvoiceContent(
        customer=_name(customer),
        customer_id=customer["id"],
        mailed_to=customer["email"] or "",
        delivered_to=_name(read["partner_shipping_id"]),
        kind=read["move_type"],
        credits=_name(read["reversed_entry_id"]),
        origin=read["invoice_origin"] or "",
        reference=read["ref"] or "",
        payment_reference=read["payment_reference"] or "",
        payment_term=_name(read["invoice_payment_term_id"]),
        invoice_on=_day(read["invoice_date"]),
        due_on=_day(read["invoice_date_due"]),
        journal=_name(read["journal_id"]),
        currency=currency,
        bank_account=_name(read["partner_bank_id"]),
        fiscal_position=_name(read["fiscal_position_id"]),
        note=read["narration"] or "",
        lines=tuple(_line(line) for line in lines if line["display_type"] in _SHOWN),
        ledger=tuple(sorted(_entry(line, currency) for line in ledger)),
        booked=sum(
            (_number(line["balance"]) for line in lines if line["display_type"] == _OWED),
            Decimal(0),
        ),
        totals=_totals(read, lines, currency),
    )


def _line(line: Row) -> ContentLine:
    return ContentLine(
        kind=line["display_type"],
        product=_name(line["product_id"]),
        text=line["name"] or "",
        quantity=_number(line["quantity"]),
        price=_number(line["price_unit"]),
        discount=_number(line["discount"]),
        subtotal=_number(line["price_subtotal"]),
        account=_name(line["account_id"]),
        taxes=tuple(_name(tax) for tax in line["tax_ids"]),
        analytic=_analytic(line["analytic_distribution"]),
    )


def _entry(line: Row, currency: str) -> str:
    return f"{_name(line['account_id'])}: {Money.rounded(line['amount_currency'], currency)}"


def _analytic(distribution: Mapping[str, Any] | bool | None) -> str:
    """Accounts by their ids in Odoo (several of one line are joined there) with their shares."""
    if not isinstance(distribution, Mapping):
        return ""
    return ", ".join(f"{key} {_number(distribution[key])} %" for key in sorted(distribution))


def _totals(read: Row, lines: Sequence[Row], currency: str) -> OdooTotals:
    return OdooTotals(
        untaxed=Money.rounded(read["amount_untaxed"], currency),
        taxes=_taxes(read["move_type"], lines, currency),
        total=Money.rounded(read["amount_total"], currency),
    )


def _taxes(kind: str, lines: Sequence[Row], currency: str) -> tuple[TaxAmount, ...]:
    taxes: dict[str, Money] = {}
    for line in lines:
        if line["display_type"] != "tax":
            continue
        amount = Money.rounded(line["amount_currency"], currency)
        shown = amount if kind == "out_refund" else -amount
        name = _name(line["tax_line_id"])
        taxes[name] = taxes.get(name, Money.zero(currency)) + shown
    return tuple(TaxAmount(name=name, amount=amount) for name, amount in taxes.items())


def _name(record: Row | bool | None) -> str:
    return str(record["display_name"] or "") if isinstance(record, Mapping) else ""


def _day(text: str | bool | None) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) and text else None


def _number(number: float | bool) -> Decimal:
    """Without the zeros behind it that a double gets on its way, nor the sign of a zero."""
    value = Decimal(str(number or 0)).normalize() + 0
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value
