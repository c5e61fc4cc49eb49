"""HubSpot behind the Crm protocol: which property says what.

Read: the deal, its company (the customer), its contacts, its line items (the services) and its
owner. A line item with a billing frequency is a retainer; terms that line items cannot say stand in
the deal's property `c2c_terms`. Written: the text properties of `status`, and nothing else.

Deals are updated by record id. An upsert needs a unique custom property as its key and creates a
deal where it finds none; an update by id is just as repeatable, needs no such property and can
create nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contracts.crm import ContractStatus, WonDeal, WonDeals
from contracts.model import JsonObject
from contracts.validation import Problem
from gateways import errors
from gateways.crm import terms
from gateways.crm.contract_data import (
    decimal_text,
    end_of_term,
    local_date,
    milestones_of,
    present,
    readable_date,
    unique_keys,
    utc_date,
)
from gateways.crm.hubspot.api import MAX_BATCH, SYSTEM, HubSpotApi
from gateways.crm.hubspot.surrounding import Surrounding
from gateways.crm.protocol import only
from gateways.crm.status import STARTED, STATUS_LABELS, refused, status_texts
from gateways.errors import GatewayError
from gateways.fields import names

_RECORD_ID = re.compile(r"[0-9]{1,20}")

_DEAL = names(f"""
    dealname amount deal_currency_code closedate hubspot_owner_id hs_is_closed_won
    c2c_payment_term c2c_purchase_order c2c_starts_on c2c_ends_on {terms.PROPERTY}
""")
_EVERY = {
    "weekly": "1 week",
    "biweekly": "2 weeks",
    "monthly": "month",
    "quarterly": "quarter",
    "annually": "year",
}
"""HubSpot's billing frequencies and ours. It also knows six months and two to five years, which no
plan bills by: validation tells them."""


class _Property(NamedTuple):
    """A custom property this system needs, in the group HubSpot shows it in."""

    object_type: str
    name: str
    label: str
    description: str
    type: str = "string"
    field_type: str = "text"

    def definition(self) -> JsonObject:
        return {
            "name": self.name,
            "label": self.label,
            "type": self.type,
            "fieldType": self.field_type,
            "groupName": _GROUPS[self.object_type],
            "description": self.description,
        }


# HubSpot's own groups, so that the properties stand where people look.
_GROUPS = {
    "deals": "dealinformation",
    "companies": "companyinformation",
    "line_items": "lineiteminformation",
}
_WRITTEN = "Written by Contract to Cash; what is typed here is overwritten."
_MILESTONES_HELP = "For example: Design 40% 2026-03-01; Go-live 60% 2026-06-30"
CUSTOM_PROPERTIES = (
    *(_Property("deals", name, label, _WRITTEN) for name, label in STATUS_LABELS.items()),
    _Property("deals", "c2c_purchase_order", "Customer's order number", "Printed on invoices."),
    _Property("deals", "c2c_payment_term", "Payment term", "The name of a payment term in Odoo."),
    _Property("deals", "c2c_starts_on", "Contract starts on", "Optional.", "date", "date"),
    _Property("deals", "c2c_ends_on", "Contract ends on", "Optional.", "date", "date"),
    _Property("deals", terms.PROPERTY, terms.LABEL, terms.HELP, field_type="textarea"),
    _Property("companies", "vat_number", "VAT number", "With its country, as in BE0477472701."),
    _Property(
        "line_items", "c2c_milestones", "Milestones", _MILESTONES_HELP, field_type="textarea"
    ),
)


class HubSpotCrm:
    """A Crm. Thread-safe: it holds nothing but its connections and settings.

    `system` is the name it is configured under. `billing_label` names the association label of the
    contact invoices go to. `default_currency` is for accounts with a single currency, whose deals
    name none. `time_zone` (IANA) is the legal entity's: its date counts as the day of signature.
    Won deals closed before `closed_since`, a date there, are not found by sweeps.
    """

    most_at_once = MAX_BATCH

    def __init__(
        self,
        api: HubSpotApi,
        *,
        system: str = SYSTEM,
        billing_label: str = "Billing",
        default_currency: str = "",
        time_zone: str = "UTC",
        closed_since: date | None = None,
    ) -> None:
        self.system = system
        self._api = api
        self._zone = ZoneInfo(time_zone)
        self._closed_since = closed_since
        self._billing_label = billing_label.lower()
        self._default_currency = default_currency

    def close(self) -> None:
        """Close the connections. Calls still under way end with an error."""
        self._api.close()

    def read_contract(self, deal_id: str) -> JsonObject:
        """See Crm."""
        return only(self.read_contracts([deal_id]))

    def read_contracts(self, deal_ids: Sequence[str]) -> list[JsonObject | GatewayError]:
        """See ReadsTogether. Takes about nine calls for all: one for each kind of record, one for
        each kind of association, and one for each owner."""
        ids = [item for item in dict.fromkeys(deal_ids) if _RECORD_ID.fullmatch(item)]
        deals = self._api.properties_of("deals", ids, _DEAL)
        won = [key for key, deal in deals.items() if _is_won(deal)]
        around = Surrounding.read(self._api, won, [deals[key] for key in won])

        def contract(deal_id: str) -> JsonObject | GatewayError:
            if deal_id not in deals:
                return self._no_deal(deal_id)
            if not _is_won(deals[deal_id]):
                return self._not_won(deal_id, deals[deal_id])
            try:
                return self._contract(deal_id, deals[deal_id], around)
            except GatewayError as error:
                return error

        return [contract(deal_id) for deal_id in deal_ids]

    def _contract(self, deal_id: str, deal: JsonObject, around: Surrounding) -> JsonObject:
        contract_data = present(
            {
                "title": deal.get("dealname"),
                "currency": deal.get("deal_currency_code") or self._default_currency,
                "value": decimal_text(deal.get("amount") or ""),
                "signed_on": local_date(deal.get("closedate") or "", self._zone),
                "starts_on": utc_date(deal.get("c2c_starts_on") or ""),
                "ends_on": utc_date(deal.get("c2c_ends_on") or ""),
                "payment_term": deal.get("c2c_payment_term"),
                "purchase_order": deal.get("c2c_purchase_order"),
                "requested_by": around.owners.get(deal.get("hubspot_owner_id") or ""),
            }
        )
        contract_data["source"] = {"system": self.system, "id": deal_id}
        written = terms.terms_of(deal.get(terms.PROPERTY) or "", self.system)
        contract_data["customer"] = self._customer(deal_id, around)
        return _billed(contract_data, around.lines_of(deal_id), written)

    def write_statuses(self, statuses: Sequence[ContractStatus]) -> list[GatewayError | None]:
        """See Crm. One call."""
        written = {
            status.deal_id: status_texts(status)
            for status in statuses
            if _RECORD_ID.fullmatch(status.deal_id)
        }
        failed = self._api.update_many("deals", written) if written else {}
        return [self._verdict(status.deal_id, failed) for status in statuses]

    def _verdict(self, deal_id: str, failed: Mapping[str, GatewayError]) -> GatewayError | None:
        if not _RECORD_ID.fullmatch(deal_id):
            return refused(self.system, deal_id, "HubSpot's record ids are whole numbers")
        error = failed.get(deal_id)
        if error is not None and error.code == "not_found":
            return refused(self.system, deal_id, error.message)
        return error

    def won_deals(self, since: datetime, after: str = "") -> WonDeals:
        """See Crm. HubSpot keeps milliseconds and shows a change to searches seconds later; its
        clock is the Date of its answers.

        HubSpot refuses the search as a whole while the account lacks our properties.
        """
        filters = [
            {"propertyName": STARTED, "operator": "NOT_HAS_PROPERTY"},
            _filter("hs_is_closed_won", "EQ", "true"),
            _filter("hs_lastmodifieddate", "GTE", _milliseconds(since)),
        ]
        if (adopted := self._adopted()) is not None:
            filters.append(_filter("closedate", "GTE", _milliseconds(adopted)))
        page = self._api.search("deals", filters, ["hs_lastmodifieddate"], after)
        deals = [
            WonDeal(
                deal_id=str(deal["id"]),
                modified_at=datetime.fromisoformat(deal["properties"]["hs_lastmodifieddate"]),
            )
            for deal in page.records
        ]
        return WonDeals(deals=deals, as_of=page.as_of or since, next=page.next)

    def is_due(self, deal_id: str) -> bool:
        """See Crm. One call, and no search: searches see a change seconds later."""
        asked = (STARTED, "hs_is_closed_won", "closedate")
        ids = [deal_id] if _RECORD_ID.fullmatch(deal_id) else []
        deal = self._api.properties_of("deals", ids, asked).get(deal_id)
        if deal is None:
            return False
        if not _is_won(deal) or deal.get(STARTED):
            return False
        adopted, closed = self._adopted(), deal.get("closedate") or ""
        return adopted is None or (closed != "" and datetime.fromisoformat(closed) >= adopted)

    def _adopted(self) -> datetime | None:
        if self._closed_since is None:
            return None
        return datetime.combine(self._closed_since, time(), self._zone)

    def missing_setup(self) -> list[Problem]:
        """See Crm: custom properties that are not there, or are of another type."""
        there = {kind: self._api.properties(kind) for kind in _GROUPS}
        problems = []
        for item in CUSTOM_PROPERTIES:
            found = there[item.object_type].get(item.name)
            if found != item.type:
                problems.append(
                    Problem(
                        code="crm_property_wrong" if found else "crm_property_missing",
                        field=f"{item.object_type}.{item.name}",
                        value=found or "",
                        expected=f"a custom property {item.label!r} of type {item.type}",
                    )
                )
        return problems

    def ensure_setup(self) -> list[Problem]:
        """See Crm. A property of the wrong type is left for a person: it may hold their data."""
        missing = {p.field for p in self.missing_setup() if p.code == "crm_property_missing"}
        for item in CUSTOM_PROPERTIES:
            if f"{item.object_type}.{item.name}" in missing:
                self._api.create_property(item.object_type, item.definition())
        return self.missing_setup()

    def _no_deal(self, deal_id: str) -> GatewayError:
        is_id = _RECORD_ID.fullmatch(deal_id)
        why = "there is no such deal" if is_id else "HubSpot's record ids are whole numbers"
        return errors.business(self.system, "deal_not_found", why, field="deal_id", value=deal_id)

    def _not_won(self, deal_id: str, deal: JsonObject) -> GatewayError:
        return errors.business(
            self.system,
            "deal_not_won",
            f"deal {deal_id} is not in a stage that counts as won",
            field="hs_is_closed_won",
            value=str(deal.get("hs_is_closed_won")),
        )

    def _customer(self, deal_id: str, around: Surrounding) -> JsonObject:
        """What is known of the party that pays; a deal without a company lacks its identity."""
        customer: JsonObject = {"billing_email": around.billing_email(deal_id, self._billing_label)}
        company_id = around.company_of.get(deal_id)
        if company_id:
            customer["key"] = self._key(company_id)
            customer |= _company_fields(around.companies.get(company_id, {}))
            parent_id = around.parent_of.get(company_id, "")
            if parent_id in around.companies:
                customer["parent"] = self._parent(parent_id, around.companies[parent_id])
        return present(customer)

    def _key(self, company_id: str) -> str:
        return f"{self.system}-{company_id}"

    def _parent(self, company_id: str, company: JsonObject) -> JsonObject:
        fields = _company_fields(company)
        named = {name: fields[name] for name in ("name", "country", "vat_number")}
        return present({"key": self._key(company_id), **named})


def _is_won(deal: JsonObject) -> bool:
    return bool(deal.get("hs_is_closed_won") == "true")


def _filter(name: str, operator: str, value: str) -> JsonObject:
    return {"propertyName": name, "operator": operator, "value": value}


def _milliseconds(moment: datetime) -> str:
    """Milliseconds since 1970, rounded down: windows that touch still touch.

    Raises ValueError for a time without a zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a sweep's window needs times with a time zone")
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))


def _company_fields(company: JsonObject) -> JsonObject:
    return {
        "name": company.get("name"),
        "country": _country(company),
        "vat_number": company.get("vat_number"),
        "street": company.get("address"),
        "city": company.get("city"),
        "zip": company.get("zip"),
    }


def _country(company: JsonObject) -> str:
    """The ISO code; a country's name stays as it is, and validation asks for the code."""
    stated = (company.get("hs_country_code") or company.get("country") or "").strip()
    return stated.upper() if len(stated) == 2 else stated


def _billed(
    contract_data: JsonObject, lines: Sequence[JsonObject], written: JsonObject
) -> JsonObject:
    """The contract data with its services, and how line items and the deal's terms bill them."""
    keys = unique_keys((line.get("hs_sku") or "" for line in lines), default="line")
    by_key = dict(zip(keys, lines, strict=True))
    starts = (
        written.get("starts_on"),
        contract_data.get("starts_on"),
        contract_data.get("signed_on"),
    )
    first_day = next((str(day) for day in starts if day), "")
    recurring = {
        key: _retainer(key, line, first_day)
        for key, line in by_key.items()
        if line.get("recurringbillingfrequency")
    }
    contract_data["services"] = [_service(key, line) for key, line in by_key.items()]
    contract_data["services"] = terms.estimated(
        contract_data, {key: plan.get("fee") for key, plan in recurring.items()}
    )
    _end_by_term(contract_data, written, recurring)
    contract_data = terms.with_terms(contract_data, written, list(recurring.values()))
    stated = {
        key: milestones_of(key, line.get("c2c_milestones") or "") for key, line in by_key.items()
    }
    return contract_data | {"milestones": terms.milestones(contract_data, stated)}


def _service(key: str, line: JsonObject) -> JsonObject:
    return present(
        {
            "key": key,
            "code": line.get("hs_sku"),
            "description": line.get("name"),
            "amount": _net_amount(line),
        }
    )


def _retainer(key: str, line: JsonObject, first_day: str) -> JsonObject:
    """The plan of a line item with a billing frequency: its net price each period, in advance.

    `first_day` is the contract's. What no plan can say is passed on with the line's name, for
    validation to tell.
    """
    frequency = line["recurringbillingfrequency"]
    starts_on = utc_date(line.get("hs_recurring_billing_start_date") or "")
    duration, ends_on = line.get("hs_recurring_billing_period"), None
    delay = _delay(line)
    if delay:
        starts_on = _told(delay, line)
    elif duration:
        ends_on = end_of_term(starts_on or first_day, duration) or _told(duration, line)
    return present(
        {
            "key": f"{key}-fee",
            "service": key,
            "fee": _net_amount(line),
            "every": _EVERY.get(frequency) or _told(frequency, line),
            "starts_on": starts_on,
            "ends_on": ends_on,
        }
    )


def _delay(line: JsonObject) -> str:
    """A start some time after the customer's checkout, which a signed deal does not tell."""
    for unit in ("days", "months"):
        delay = line.get(f"hs_billing_start_delay_{unit}")
        if delay and delay != "0":
            return f"{delay} {unit} after checkout"
    return ""


def _told(text: str, line: JsonObject) -> str:
    return f"{text} (line item {line.get('name') or line.get('hs_sku') or 'without a name'})"


def _end_by_term(
    contract_data: JsonObject, written: JsonObject, recurring: Mapping[str, JsonObject]
) -> None:
    """Where nothing else says when the contract ends, it ends with its last line item's term.

    Plans that end with the contract then say no end of their own: they go on with its renewal.
    """
    ends = [plan.get("ends_on", "") for plan in recurring.values()]
    stated = written.get("ends_on") or contract_data.get("ends_on")
    if not stated and ends and all(map(readable_date, ends)):
        stated = contract_data["ends_on"] = max(ends)
    for plan in recurring.values():
        if plan.get("ends_on") == stated:
            plan.pop("ends_on", None)


def _net_amount(line: JsonObject) -> str | None:
    """What the line costs in all, without tax: HubSpot's own figure, else ours from its parts.

    Ours follows HubSpot's rule: a discount is a sum off each unit or a percentage, not both.
    """
    stated = line.get("amount")
    if stated:
        return decimal_text(stated)
    try:
        price, quantity = Decimal(line["price"]), Decimal(line.get("quantity") or "1")
        percentage = Decimal(line.get("hs_discount_percentage") or "0")
        off_each = Decimal(line.get("discount") or "0") or price * percentage / 100
        return decimal_text(str((price - off_each) * quantity))
    except (KeyError, TypeError, InvalidOperation):
        return None
