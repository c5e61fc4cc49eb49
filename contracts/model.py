"""The canonical models: what a signed contract says, whichever CRM it came from."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import email_validator
import stdnum
import stdnum.eu.vat
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from contracts.identifiers import KEY
from contracts.money import Currency, Money

JsonObject = dict[str, Any]
"""A JSON object as it came in, before validation."""

MAX_MILESTONES = 500
"""Bounds a contract's state and its Odoo order; larger programmes are several contracts."""


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What neither PostgreSQL nor the XML of a printed invoice can hold."""


class Frozen(BaseModel):
    """Base of the canonical models: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _key(text: str) -> str:
    if not KEY.match(text):
        raise PydanticCustomError(
            "key_malformed", "1 to 64 letters, digits, - or _, starting with a letter or digit"
        )
    return text


def _country(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}", text):
        raise PydanticCustomError("country_malformed", "an ISO 3166 code in capitals, such as BE")
    return text


def _percent(value: Any) -> Any:
    if isinstance(value, float):
        raise PydanticCustomError("percent_malformed", 'the percentage as text, such as "33.5"')
    return value


def _day(value: Any) -> Any:
    # pydantic would read a number, or a text of digits, as seconds since 1970.
    if isinstance(value, date) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise PydanticCustomError("date_malformed", "a date such as 2026-03-01")


def _plain(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise PydanticCustomError("text_malformed", "text without control characters")
    return text


def _email(text: str) -> str:
    try:
        return email_validator.validate_email(text, check_deliverability=False).normalized
    except email_validator.EmailNotValidError:
        raise PydanticCustomError("email_malformed", "an e-mail address") from None


Key = Annotated[str, AfterValidator(_key)]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_plain),
]
OptionalText = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_plain)
]
Day = Annotated[date, BeforeValidator(_day)]
Email = Annotated[str, AfterValidator(_email)]
Country = Annotated[str, AfterValidator(_country)]
Percent = Annotated[Decimal, BeforeValidator(_percent), Field(gt=0, le=100)]


class Source(Frozen):
    """Where a contract came from: the CRM ("hubspot", "odoo-crm", "file") and its id there."""

    system: Key
    id: Text


class Customer(Frozen):
    """The party that pays. `key` is the customer's identity in the source system."""

    key: Key
    name: Text
    country: Country
    vat_number: OptionalText | None = None
    billing_email: Email
    street: OptionalText = ""
    city: OptionalText = ""
    zip: OptionalText = ""


class ServiceLine(Frozen):
    """One service sold. `code` is the product's internal reference in Odoo."""

    key: Key
    code: Text
    description: Text
    amount: Money


class Milestone(Frozen):
    """A part of one service line that is billed once it is reached."""

    key: Key
    name: Text
    service: Key
    amount: Money
    due_on: Day | None = None


class Contract(Frozen):
    """A signed, validated fixed-price contract billed by milestones.

    Amounts are without tax. Dates are calendar dates of the legal entity. The amounts of the
    services add up to `value`, those of a service's milestones to the service's amount.
    """

    contract_id: Key
    legal_entity: Key
    source: Source
    title: Text
    customer: Customer
    currency: Currency
    value: Money
    signed_on: Day
    starts_on: Day | None = None
    ends_on: Day | None = None
    payment_term: OptionalText = ""
    purchase_order: OptionalText = ""
    requested_by: OptionalText = ""
    services: tuple[ServiceLine, ...] = Field(min_length=1, max_length=MAX_MILESTONES)
    milestones: tuple[Milestone, ...] = Field(min_length=1, max_length=MAX_MILESTONES)

    def service(self, key: str) -> ServiceLine:
        return next(line for line in self.services if line.key == key)

    def milestone(self, key: str) -> Milestone | None:
        return next((item for item in self.milestones if item.key == key), None)


def vat_problem(number: str, country: str) -> str | None:
    """What is wrong with a VAT number, as an expectation to print; None if nothing is.

    The check digits follow python-stdnum's rules of the country. A country python-stdnum has no
    rules for is not checked here; the tax authority and Odoo may still refuse the number.
    """
    compact = "".join(ch for ch in number if ch.isalnum()).upper()
    prefix = "EL" if country == "GR" else country
    if country.lower() in (*stdnum.eu.vat.MEMBER_STATES, "gr"):
        if not compact.startswith(prefix):
            return f"a number that starts with {prefix}, as the customer's country is {country}"
        if not stdnum.eu.vat.is_valid(compact):
            return f"a valid VAT number of {country} (its check digits do not add up)"
        return None
    module = stdnum.get_cc_module(country.lower(), "vat")
    if module is None:
        return None
    bare = compact.removeprefix(country)
    if not (module.is_valid(bare) or module.is_valid(compact)):
        return f"a valid VAT number of {country}"
    return None
