"""Every query that is sent to Salesforce, as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from gateways.crm.salesforce.features import Features
from gateways.crm.salesforce.settings import FieldNames
from gateways.crm.salesforce.setup import STATUS_FIELDS
from gateways.crm.status import STARTED
from gateways.fields import names

PAGE = 500
"""Deals of one page: one call, and an answer that Temporal carries easily."""

_MAX_LINES = 2_000
_MAX_CONTACTS = 200
_MARK = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z) ([A-Za-z0-9]{18})")

_DEAL = names("Id Name Amount CloseDate IsWon Owner.Email")
_PARTY = names("Id Name BillingCountry")
_ADDRESS = names("BillingStreet BillingCity BillingPostalCode")
_ROLE = names("Id IsPrimary Role Contact.Email")
_LINE = names("Id Description ServiceDate TotalPrice Product2.Name Product2.ProductCode")
_SCHEDULE = names("OpportunityLineItemId Description Revenue ScheduleDate")

_ESCAPES = str.maketrans(
    {"\\": r"\\", "'": r"\'", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
)


def deal(deal_id: str, fields: FieldNames, features: Features) -> str:
    """The opportunity with its account, the account's parent, its contacts and its products."""
    party = [
        *_PARTY,
        "BillingCountryCode" if features.country_codes else "",
        fields.vat_number,
        fields.country,
    ]
    account = [f"Account.{name}" for name in (*party, *_ADDRESS) if name]
    parent = [f"Account.Parent.{name}" for name in party if name]
    roles = _select(_ROLE, "OpportunityContactRoles", order=["Id"], limit=_MAX_CONTACTS)
    product = [
        *_LINE,
        fields.milestones,
        fields.billing_frequency,
        "HasSchedule" if features.schedules else "",
    ]
    products = _select(product, "OpportunityLineItems", order=("SortOrder", "Id"), limit=_MAX_LINES)
    own = [
        *_DEAL,
        fields.signed_on,
        fields.starts_on,
        fields.ends_on,
        fields.payment_term,
        fields.purchase_order,
        fields.terms,
        "CurrencyIsoCode" if features.currencies else "",
        "SyncedQuoteId" if features.quotes else "",
    ]
    return _select(
        [*own, *account, *parent, f"({roles})", f"({products})"],
        "Opportunity",
        where=[f"Id = {_text(deal_id)}"],
    )


def quote_lines(quote_id: str, features: Features) -> str:
    return _select(
        [*_LINE, "OpportunityLineItemId" if features.quote_links else ""],
        "QuoteLineItem",
        where=[f"QuoteId = {_text(quote_id)}"],
        order=("SortOrder", "Id"),
        limit=_MAX_LINES,
    )


def schedules(deal_id: str) -> str:
    """The dates on which the revenue of an opportunity's products falls."""
    return _select(
        _SCHEDULE,
        "OpportunityLineItemSchedule",
        where=[
            f"OpportunityLineItem.OpportunityId = {_text(deal_id)}",
            "Type IN ('Revenue', 'Both')",
        ],
        order=("ScheduleDate", "Id"),
        limit=_MAX_LINES,
    )


def won_deals(since: datetime, after: str, closed_since: date | None) -> str:
    """A page of the opportunities whose contract is to start, by time of change and id: many rows
    are changed in one second, when somebody imports them. `after` is a `mark`."""
    return _select(
        ("Id", "SystemModstamp"),
        "Opportunity",
        where=[*_due(closed_since), _changed(since, after)],
        order=("SystemModstamp", "Id"),
        limit=PAGE,
    )


def is_due(deal_id: str, closed_since: date | None) -> str:
    """Finds the opportunity where its contract is to start."""
    return _select(
        ["Id"], "Opportunity", where=[f"Id = {_text(deal_id)}", *_due(closed_since)], limit=1
    )


def mark(modified_at: datetime, deal_id: str) -> str:
    """Where the next page begins: behind this row."""
    return f"{_moment(modified_at)} {deal_id}"


def _due(closed_since: date | None) -> list[str]:
    conditions = ["IsWon = TRUE", f"{STATUS_FIELDS[STARTED]} = NULL"]
    if closed_since is not None:
        conditions.append(f"CloseDate >= {closed_since.isoformat()}")
    return conditions


def _changed(since: datetime, after: str) -> str:
    if not after:
        return f"SystemModstamp >= {_moment(since)}"
    found = _MARK.fullmatch(after)
    if found is None:
        raise ValueError(f"no mark of a page: {after!r}")
    stamp, deal_id = found.groups()
    behind = f"SystemModstamp = {stamp} AND Id > {_text(deal_id)}"
    return f"(({behind}) OR SystemModstamp > {stamp})"


def _select(
    fields: Iterable[str],
    source: str,
    *,
    where: Iterable[str] = (),
    order: Iterable[str] = (),
    limit: int | None = None,
) -> str:
    """A query. A field without a name, and one named twice, are left out: Salesforce refuses
    both."""
    named = dict.fromkeys(filter(None, fields))
    # Names only: configured ones are checked (`FieldName`), values are literals of this module.
    parts = [f"SELECT {', '.join(named)} FROM {source}"]  # noqa: S608
    if conditions := list(where):
        parts.append(f"WHERE {' AND '.join(conditions)}")
    if keys := list(order):
        parts.append(f"ORDER BY {', '.join(keys)}")
    if limit is not None:
        parts.append(f"LIMIT {limit}")
    return " ".join(parts)


def _text(value: str) -> str:
    """A text literal; nothing in the value ends it."""
    return f"'{value.translate(_ESCAPES)}'"


def _moment(value: datetime) -> str:
    """A time literal, to the millisecond, rounded down: windows that touch still touch.

    Raises ValueError for a time without a zone.
    """
    if value.tzinfo is None:
        raise ValueError("a sweep's window needs times with a time zone")
    utc = value.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"
