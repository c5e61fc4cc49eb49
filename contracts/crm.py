"""What a CRM is told about a contract, and what it tells us about its won deals."""

from __future__ import annotations

from datetime import date, datetime

from contracts.model import Value
from contracts.money import Money


class ContractStatus(Value):
    """A contract as its deal shows it. Invoiced is without tax; paid and overdue are with tax,
    as the customer pays it.

    `next_invoice_on` is the next day on which something is to be billed; one that has passed is
    late. `open_exceptions` counts what waits for a person, of the contract and its invoices. `burn`
    is how much of the budget is used, in words; "" where nothing is known of it.
    """

    deal_id: str
    stage: str
    project_reference: str = ""
    waiting_on: str = ""
    invoiced: Money | None = None
    paid: Money | None = None
    overdue: Money | None = None
    next_invoice_on: date | None = None
    open_exceptions: int = 0
    burn: str = ""


class WonDeal(Value):
    """A deal that is won, and when it was last changed (aware, UTC)."""

    deal_id: str
    modified_at: datetime


class WonDeals(Value):
    """A page of won deals, and what the CRM's own clock said when they were looked for (aware).
    `next` is the mark that the next page begins behind; "": this was the last."""

    deals: list[WonDeal]
    as_of: datetime
    next: str = ""
