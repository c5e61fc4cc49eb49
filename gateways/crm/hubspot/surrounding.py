"""What hangs on deals in HubSpot: companies, contacts, line items and owners, read together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Self

from contracts.model import JsonObject
from gateways.crm.hubspot.api import Associated, HubSpotApi
from gateways.fields import names

_PRIMARY_COMPANY, _PARENT_COMPANY = 5, 14
"""HubSpot's own types of associations: from a deal to its primary company, and from a company to
its parent. Their labels may change, the numbers do not."""

COMPANY = names("name hs_country_code country vat_number address city zip")
CONTACT = names("email")
LINE_ITEM = names("""
    name hs_sku quantity price discount hs_discount_percentage amount hs_position_on_quote
    recurringbillingfrequency hs_recurring_billing_start_date hs_recurring_billing_period
    hs_billing_start_delay_days hs_billing_start_delay_months c2c_milestones
""")

Records = Mapping[str, JsonObject]
"""Properties by the record's id."""


@dataclass(frozen=True)
class Surrounding:
    """By deal, or by their own ids: what was read around some deals. `company_of` is a deal's
    company, `parent_of` a company's parent, `owners` are e-mail addresses."""

    company_of: Mapping[str, str]
    parent_of: Mapping[str, str]
    companies: Records
    contact_ids: Mapping[str, Sequence[Associated]]
    contacts: Records
    line_ids: Mapping[str, Sequence[Associated]]
    lines: Records
    owners: Mapping[str, str]

    @classmethod
    def read(cls, api: HubSpotApi, deal_ids: Sequence[str], deals: Iterable[JsonObject]) -> Self:
        """Read it, in as few calls as HubSpot allows."""
        of_deals = api.associated("deals", deal_ids, "companies")
        company_of = {key: _primary(found) for key, found in of_deals.items() if found}
        of_companies = api.associated("companies", list(company_of.values()), "companies")
        parent_of = {key: _parent(found) for key, found in of_companies.items()}
        every = [*company_of.values(), *filter(None, parent_of.values())]
        contact_ids = api.associated("deals", deal_ids, "contacts")
        line_ids = api.associated("deals", deal_ids, "line_items")
        owners = {str(deal["hubspot_owner_id"]) for deal in deals if deal.get("hubspot_owner_id")}
        return cls(
            company_of=company_of,
            parent_of=parent_of,
            companies=api.properties_of("companies", every, COMPANY),
            contact_ids=contact_ids,
            contacts=api.properties_of("contacts", _ids(contact_ids), CONTACT),
            line_ids=line_ids,
            lines=api.properties_of("line_items", _ids(line_ids), LINE_ITEM),
            owners={owner: api.owner_email(owner) or "" for owner in sorted(owners)},
        )

    def billing_email(self, deal_id: str, label: str) -> str | None:
        """Of the contact with the label; without such a label, of the first who has one."""
        every = self.contact_ids[deal_id]
        labelled = [item for item in every if label in item.labels]
        ids = sorted((item.id for item in labelled or every), key=int)
        emails = (self.contacts.get(key, {}).get("email") for key in ids)
        return next((str(email) for email in emails if email), None)

    def lines_of(self, deal_id: str) -> list[JsonObject]:
        """The deal's line items in the order people gave them."""
        ids = [item.id for item in self.line_ids[deal_id] if item.id in self.lines]
        return [self.lines[key] for key in sorted(ids, key=self._position)]

    def _position(self, line_id: str) -> tuple[Decimal, int]:
        """By position on the quote, then by age; without a position last."""
        try:
            position = Decimal(self.lines[line_id].get("hs_position_on_quote") or "Infinity")
        except InvalidOperation:
            position = Decimal("Infinity")
        return position, int(line_id)


def _ids(associated: Mapping[str, Sequence[Associated]]) -> list[str]:
    return [item.id for found in associated.values() for item in found]


def _primary(companies: Sequence[Associated]) -> str:
    """The primary company, else the oldest: HubSpot promises no order."""
    primary = [item.id for item in companies if _PRIMARY_COMPANY in item.types]
    return min(primary or [item.id for item in companies], key=int)


def _parent(companies: Sequence[Associated]) -> str:
    return min((c.id for c in companies if _PARENT_COMPANY in c.types), key=int, default="")
