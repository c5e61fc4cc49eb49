"""A legal entity: its Odoo company, its calendar and its rules, as configuration states them."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator

from contracts.approval_rules import ApprovalRules
from contracts.approvals import ApprovalPolicy
from contracts.calendar import BusinessCalendar
from contracts.dunning import DunningPolicy
from contracts.handover import HandoverDefaults
from contracts.model import Country, Frozen, Value


class LegalEntity(Frozen):
    """One company of the firm. `odoo_company` is its name in Odoo; `country` and `subdivision`
    (ISO 3166-2 without the country) choose its public holidays; `payment_term` is the name of the
    Odoo payment term used where a contract states none. `write_off_account` is the code of the
    expense account that approved write-offs are booked to; without it there are none. `handover` is
    what is handed over to delivery where a contract does not say."""

    odoo_company: str
    country: Country
    subdivision: str | None = None
    time_zone: str
    payment_term: str
    write_off_account: str = ""
    approval: ApprovalRules
    dunning: DunningPolicy
    handover: HandoverDefaults = HandoverDefaults()

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            message = f"time zone {name!r} is not an IANA name such as Europe/Brussels"
            raise ValueError(message) from None
        return name


class EntityPolicy(Value):
    """The rules of a legal entity with its holidays looked up: what a workflow freezes."""

    odoo_company: str
    payment_term: str
    write_off_account: str = ""
    payment_links: str = ""
    """The processor, by its configured name, whose page to pay on a mailed invoice leads to."""
    calendar: BusinessCalendar
    approval: ApprovalPolicy
    dunning: DunningPolicy
