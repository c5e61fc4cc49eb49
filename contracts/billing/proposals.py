"""The content of one invoice or credit note: what finance approves, and what Odoo is given."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import cached_property

from pydantic import Field

from contracts.billing.charges import Charge, total
from contracts.billing.lines import InvoiceKind
from contracts.model import Derived, Email, Frozen, Key, OptionalText
from contracts.money import Money

__all__ = ["InvoiceKind", "InvoiceProposal"]


class InvoiceProposal(Derived, Frozen):
    """What is to be invoiced or credited; everything here is part of what an approval binds.

    Amounts are without tax; Odoo adds the tax of the customer's fiscal position. The lines of a
    credit note are negative here, as they are in the contract's books. `number` counts the
    contract's invoices from 1; `credited_number` is the number of the one a credit note takes back
    (0: none in particular). `as_planned` says that every amount follows from the contract as it
    was agreed (signed, or changed by an approved change order), with nothing estimated, corrected
    or deducted besides.
    """

    contract_id: Key
    legal_entity: Key
    number: int
    kind: InvoiceKind = InvoiceKind.INVOICE
    credited_number: int = 0
    title: str = ""
    customer_key: str = ""
    customer_name: str
    billing_email: Email
    lines: tuple[Charge, ...] = Field(min_length=1)
    payment_term: OptionalText = ""
    purchase_order: OptionalText = ""
    reason: str = ""
    proposed_on: date
    as_planned: bool = False

    @cached_property
    def amount(self) -> Money:
        """The sum of the lines, without tax; negative for a credit note."""
        return total(self.lines, self.lines[0].amount.currency)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the content in canonical JSON; any change to it voids approvals."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
