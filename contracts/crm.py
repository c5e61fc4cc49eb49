"""What a CRM is told about a contract, and what it tells us about its won deals."""

from __future__ import annotations

from datetime import datetime

from contracts.model import Value
from contracts.money import Money


class ContractStatus(Value):
    """A contract as its deal shows it. Invoiced is without tax; paid and overdue are with tax,
    as the customer pays it. `burn` says what of the project's budget is used ("" where nothing is
    known)."""

    deal_id: str
    stage: str
    project_reference: str = ""
    waiting_on: str = ""
    invoiced: Money | None = None
    paid: Money | None = None
    overdue: Money | None = None
    burn: str = ""


class WonDeal(Value):
    """A deal that is won, and when it was last changed (aware, UTC)."""

    deal_id: str
    modified_at: datetime


class WonDeals(Value):
    """A page of won deals, and what the CRM's own clock said when they were looked for (aware).
    `next` is the deal that the next page begins behind; "": this was the last."""

    deals: list[WonDeal]
    as_of: datetime
    next: str = ""
