"""From an opportunity and what hangs on it to contract data. Pure: no call is made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from contracts.model import JsonObject
from gateways.crm import terms
from gateways.crm.contract_data import (
    decimal_text,
    local_date,
    milestones_of,
    present,
    readable_date,
    unique_keys,
    utc_date,
)
from gateways.crm.salesforce.settings import FieldNames

_MAX_TEXT = 200
"""What a text of a contract may have; Salesforce's descriptions have more."""

_EVERY = {
    "weekly": "1 week",
    "biweekly": "2 weeks",
    "monthly": "month",
    "quarterly": "quarter",
    "annual": "year",
    "annually": "year",
    "yearly": "year",
}
"""How often, in the words of Salesforce's own products and ours. Validation reports others."""


def contract_of(
    deal: JsonObject, fields: FieldNames, *, system: str, default_currency: str, zone: ZoneInfo
) -> JsonObject:
    """What the opportunity's own fields say, without customer, services and terms."""
    contract_data = present(
        {
            "title": deal.get("Name"),
            "currency": deal.get("CurrencyIsoCode") or default_currency,
            "value": _number(deal.get("Amount")),
            "signed_on": local_date(_text(deal, fields.signed_on), zone),
            "starts_on": utc_date(_text(deal, fields.starts_on)),
            "ends_on": utc_date(_text(deal, fields.ends_on)),
            "payment_term": deal.get(fields.payment_term),
            "purchase_order": deal.get(fields.purchase_order),
            "requested_by": (deal.get("Owner") or {}).get("Email"),
        }
    )
    return contract_data | {"source": {"system": system, "id": deal["Id"]}}


def customer_of(
    deal: JsonObject,
    contacts: Sequence[JsonObject],
    fields: FieldNames,
    *,
    system: str,
    billing_role: str,
) -> JsonObject:
    """The party that pays: the opportunity's account, and the parent of that account. An
    opportunity without an account lacks its identity."""
    account = deal.get("Account") or {}
    customer = _party(account, fields, system)
    customer |= {
        "billing_email": _billing_email(contacts, billing_role),
        "street": _one_line(account.get("BillingStreet")),
        "city": account.get("BillingCity"),
        "zip": account.get("BillingPostalCode"),
        "parent": present(_party(account.get("Parent") or {}, fields, system)) or None,
    }
    return present(customer)


def billed(
    contract_data: JsonObject,
    lines: Sequence[JsonObject],
    schedules: Mapping[str, Sequence[JsonObject]],
    written: JsonObject,
    fields: FieldNames,
) -> JsonObject:
    """The contract data with its services, and how products and the deal's terms bill them.

    `schedules` are the dates and amounts of the lines, by the line's id.
    """
    keys = unique_keys((_code(line) for line in lines), default="line")
    by_key = dict(zip(keys, lines, strict=True))
    recurring = {
        key: _retainer(key, line, fields)
        for key, line in by_key.items()
        if _text(line, fields.billing_frequency)
    }
    contract_data["services"] = [_service(key, line) for key, line in by_key.items()]
    contract_data["services"] = terms.estimated(
        contract_data, {key: plan.get("fee") for key, plan in recurring.items()}
    )
    contract_data = terms.with_terms(contract_data, written, list(recurring.values()))
    stated = {
        key: milestones_of(key, _text(line, fields.milestones))
        or _scheduled(key, line, schedules.get(str(line.get("Id")), ()))
        for key, line in by_key.items()
        if key not in recurring
    }
    milestones = terms.milestones(contract_data, stated)
    return contract_data | {"milestones": _due_as_delivered(milestones, by_key, stated)}


def _party(account: JsonObject, fields: FieldNames, system: str) -> JsonObject:
    account_id = account.get("Id")
    return {
        "key": f"{system}-{account_id}" if account_id else None,
        "name": account.get("Name"),
        "country": _country(account, fields),
        "vat_number": account.get(fields.vat_number),
    }


def _country(account: JsonObject, fields: FieldNames) -> str:
    """The ISO code; a country's name stays as it is, and validation asks for the code."""
    stated = (
        _text(account, fields.country)
        or _text(account, "BillingCountryCode")
        or _text(account, "BillingCountry")
    ).strip()
    return stated.upper() if len(stated) == 2 else stated


def _billing_email(contacts: Sequence[JsonObject], billing_role: str) -> str | None:
    """Of the contact in the billing role, else of the primary one, else of the oldest that has
    an address."""

    def rank(item: JsonObject) -> tuple[bool, bool, str]:
        has_role = _text(item, "Role").lower() == billing_role.lower()
        return not has_role, not item.get("IsPrimary"), str(item.get("Id"))

    emails = ((item.get("Contact") or {}).get("Email") for item in sorted(contacts, key=rank))
    return next((email for email in emails if email), None)


def _service(key: str, line: JsonObject) -> JsonObject:
    return present(
        {
            "key": key,
            "code": _code(line),
            "description": _one_line(line.get("Description")) or _name(line),
            "amount": _number(line.get("TotalPrice")),
        }
    )


def _retainer(key: str, line: JsonObject, fields: FieldNames) -> JsonObject:
    """The plan of a product with a billing frequency: its net price each period, in advance."""
    frequency = _text(line, fields.billing_frequency)
    return present(
        {
            "key": f"{key}-fee",
            "service": key,
            "fee": _number(line.get("TotalPrice")),
            "every": _EVERY.get(frequency.strip().lower()) or f"{frequency} ({_name(line)})",
            "starts_on": line.get("ServiceDate"),
        }
    )


def _scheduled(key: str, line: JsonObject, rows: Sequence[JsonObject]) -> list[JsonObject]:
    """A milestone for each row of the line's revenue schedule."""
    return [
        present(
            {
                "key": f"{key}-{number}",
                "name": _one_line(row.get("Description"))
                or f"{_name(line)} {_text(row, 'ScheduleDate')}",
                "service": key,
                "amount": _number(row.get("Revenue")),
                "due_on": row.get("ScheduleDate"),
            }
        )
        for number, row in enumerate(rows, start=1)
    ]


def _due_as_delivered(
    milestones: Sequence[JsonObject],
    lines: Mapping[str, JsonObject],
    stated: Mapping[str, Sequence[JsonObject]],
) -> list[JsonObject]:
    """A line that is billed as a whole is due on its own date, where it has one."""
    return [
        row | {"due_on": line["ServiceDate"]}
        if (line := lines.get(row["service"])) is not None
        and not stated.get(row["service"])
        and readable_date(line.get("ServiceDate"))
        else row
        for row in milestones
    ]


def _code(line: JsonObject) -> str:
    return _text(line.get("Product2") or {}, "ProductCode")


def _name(line: JsonObject) -> str:
    return _text(line.get("Product2") or {}, "Name")[:_MAX_TEXT] or "product without a name"


def _text(record: JsonObject, field: str) -> str:
    value = record.get(field)
    return "" if value is None else str(value)


def _one_line(value: Any) -> str:
    """The lines of a text area as one, as far as a contract has room for it."""
    lines = (line.strip() for line in str(value or "").splitlines())
    return ", ".join(filter(None, lines))[:_MAX_TEXT]


def _number(value: Any) -> str | None:
    return None if value is None else decimal_text(str(value))
