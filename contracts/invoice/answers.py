"""What acts answer, where one value is not enough."""

from __future__ import annotations

from datetime import date

from contracts.invoice.content import InvoiceContent
from contracts.invoice.messages import InvoiceBalance
from contracts.model import Value
from contracts.odoo_totals import OdooTotals
from contracts.policy import EntityPolicy


class Draft(Value):
    """The draft in Odoo, of a date in the legal entity's zone, and what it says there. `policy`
    are the legal entity's rules as they are now: by them it is approved and collected."""

    invoice_id: int
    invoice_on: date
    content: InvoiceContent
    policy: EntityPolicy

    @property
    def odoo_totals(self) -> OdooTotals:
        return self.content.totals


class Reconciled(Value):
    """An invoice and a credit note that were set off against each other."""

    invoice: InvoiceBalance
    credit_note: InvoiceBalance
