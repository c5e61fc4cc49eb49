"""What Odoo itself says, as figures: nothing here is computed by us.

Amounts are as Odoo shows them on the record: those of a credit note are positive.
"""

from __future__ import annotations

from decimal import Decimal

from contracts.billing.lines import InvoiceKind
from contracts.model import Frozen
from contracts.money import Money


class TaxAmount(Frozen):
    """One tax of an invoice, by its name in Odoo."""

    name: str
    amount: Money


class OdooTotals(Frozen):
    """What a draft comes to by Odoo's own taxes and fiscal positions; positive for a credit
    note too."""

    untaxed: Money
    taxes: tuple[TaxAmount, ...] = ()
    total: Money

    @property
    def tax(self) -> Money:
        return self.total - self.untaxed

    def are_those_of(self, untaxed: Money, total: Money) -> bool:
        """Whether an invoice of these amounts comes to the same."""
        return (self.untaxed, self.total) == (untaxed, total)


class LineTotals(Frozen):
    """One line of the sales order. `key` is the order line's, "" for a line that is not ours."""

    key: str
    name: str
    ordered: Decimal
    delivered: Decimal
    invoiced: Decimal
    unit_price: Decimal


class InvoiceTotals(Frozen):
    """An invoice or a credit note of the order. `number` is Odoo's, "" for a draft; `ours` says
    that c2c made it."""

    invoice_id: int
    number: str
    kind: InvoiceKind
    state: str
    ours: bool
    untaxed: Money
    total: Money
    residual: Money

    @property
    def is_draft(self) -> bool:
        return self.state == "draft"

    @property
    def is_posted(self) -> bool:
        return self.state == "posted"


class OrderTotals(Frozen):
    """The order and everything invoiced or credited on it; `total` is without tax."""

    order_id: int
    state: str
    total: Money
    lines: tuple[LineTotals, ...] = ()
    invoices: tuple[InvoiceTotals, ...] = ()

    @property
    def invoiced(self) -> Money:
        """Posted invoices less posted credit notes, without tax."""
        result = Money.zero(self.total.currency)
        for item in self.invoices:
            if item.is_posted:
                credit = item.kind is InvoiceKind.CREDIT_NOTE
                result = result - item.untaxed if credit else result + item.untaxed
        return result
