"""From a reached milestone to an invoice proposal: the content finance approves."""

from __future__ import annotations

import hashlib
import json
from datetime import date

from pydantic import Field

from contracts.model import Contract, Customer, Email, Frozen, Key, Milestone, OptionalText
from contracts.money import Money


class ProposalLine(Frozen):
    """One line to invoice; quantity is always 1, so the price is the amount to the cent.

    `key` is the milestone's: the order has one line per milestone, and an invoice line bills its
    order line in whole, so that Odoo's quantities never hold a rounded fraction.
    """

    key: Key
    service_code: str
    description: str
    amount: Money


class InvoiceProposal(Frozen):
    """What is to be invoiced; everything here is part of what an approval is bound to.

    Amounts are without tax; Odoo adds the tax of the customer's fiscal position.
    """

    contract_id: Key
    legal_entity: Key
    number: int
    customer_name: str
    billing_email: Email
    lines: tuple[ProposalLine, ...] = Field(min_length=1)
    payment_term: OptionalText = ""
    purchase_order: OptionalText = ""
    proposed_on: date

    @property
    def amount(self) -> Money:
        currency = self.lines[0].amount.currency
        return Money.total((line.amount for line in self.lines), currency)

    @property
    def content_hash(self) -> str:
        """SHA-256 over the content in canonical JSON; any change to it voids approvals."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def propose(
    contract: Contract, customer: Customer, milestone: Milestone, number: int, today: date
) -> InvoiceProposal:
    """The proposal for one reached milestone; `number` counts the contract's proposals from 1."""
    line = ProposalLine(
        key=milestone.key,
        service_code=contract.service(milestone.service).code,
        description=f"{contract.title} – {milestone.name}",
        amount=milestone.amount,
    )
    return InvoiceProposal(
        contract_id=contract.contract_id,
        legal_entity=contract.legal_entity,
        number=number,
        customer_name=customer.name,
        billing_email=customer.billing_email,
        lines=(line,),
        payment_term=contract.payment_term,
        purchase_order=contract.purchase_order,
        proposed_on=today,
    )
