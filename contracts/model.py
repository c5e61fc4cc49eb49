"""The canonical models: what a signed contract says, whichever CRM it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self, TypeVar

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


MAX_PLANS = 50
MAX_ASSIGNMENTS, MAX_TAGS, MAX_DOCUMENTS = 500, 20, 50
"""Of a hand-over to delivery."""

FIRST_DATE, LAST_DATE = date(1990, 1, 1), date(2199, 12, 31)
"""Dates lie between these; anything else is a slip of the pen, and would make thousands of billing
periods or none, or a day that no calendar has."""

CADENCE = re.compile(r"^(?:month|quarter|year|(?P<weeks>[1-9][0-9]?) weeks?)\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EMAIL_CHARACTERS = 1_000
"""No address has so many; looking at each of a million takes seconds."""
_LINK = re.compile(r"https://[^\s<>\"']{1,990}")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
"""What neither PostgreSQL nor the XML of a printed invoice can hold, or no terminal should."""
_DECEPTIVE = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""Invisible, and turns the order of what is read: text with it shows another name than it has."""


class Value(BaseModel):
    """Base of immutable models: a change is another one, which shares what did not change, and
    derives anew what is derived of its fields (`cached_property`)."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of_checked(cls, **fields: Any) -> Self:
        """A value of all its fields, each of which was checked where it came in: for what is made
        after every event. Raises TypeError where others are given than there are."""
        if fields.keys() != cls.__pydantic_fields__.keys():
            raise TypeError(f"{cls.__name__} has other fields than {', '.join(fields)}")
        return _made(cls, fields, set(fields))

    def replace(self, **changes: Any) -> Self:
        """The same with these fields changed. Raises TypeError for a field there is none of."""
        # By hand, as each event makes new states: pydantic's own copies what is derived, too, and
        # takes four times as long.
        known, given = self.__dict__, self.__pydantic_fields_set__
        if len(known) > len(self.__pydantic_fields__):  # Something is derived of them.
            known = {name: known[name] for name in self.__pydantic_fields__}
        if not changes.keys() <= given:
            if unknown := changes.keys() - self.__pydantic_fields__.keys():
                raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
            given = given | changes.keys()
        return _made(type(self), {**known, **changes}, given)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        return (
            super().model_copy(update=update, deep=True) if deep else self.replace(**update or {})
        )


ActorToken = Annotated[str, StringConstraints(max_length=4_000, pattern=r"^[A-Za-z0-9._-]*$")]
"""A compact JWS, or nothing."""

V = TypeVar("V", bound=Value)


def _made(kind: type[V], fields: dict[str, Any], given: set[str]) -> V:
    made = kind.__new__(kind)
    object.__setattr__(made, "__dict__", fields)
    object.__setattr__(made, "__pydantic_fields_set__", given)
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


class Signed(BaseModel):
    """What may carry a signature that says who sent it (`contracts.actors`)."""

    actor: ActorToken = Field(default="", repr=False)


class Message(Signed):
    """Base of what people and systems send: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Frozen(Value):
    """Base of the canonical models: immutable, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


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


def _number(value: Any) -> Any:
    if isinstance(value, float):
        raise PydanticCustomError("number_malformed", 'the number as text, such as "12.5"')
    return value


def _cadence(text: str) -> str:
    if not CADENCE.match(text):
        raise PydanticCustomError("cadence_malformed", 'month, quarter, year or such as "2 weeks"')
    return text


def _day(value: Any) -> Any:
    # pydantic would read a number, or a text of digits, as seconds since 1970.
    if isinstance(value, date) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise PydanticCustomError("date_malformed", "a date such as 2026-03-01")


def _within(day: date) -> date:
    if not FIRST_DATE <= day <= LAST_DATE:
        raise PydanticCustomError("date_out_of_range", f"a date from {FIRST_DATE} to {LAST_DATE}")
    return day


def _plain(text: str) -> str:
    if _UNPRINTABLE.search(text) or _DECEPTIVE.search(text):
        raise PydanticCustomError("text_malformed", "text without control characters")
    return text


def _untabbed(text: str) -> str:
    if "\t" in text:
        raise PydanticCustomError("text_malformed", "text without tabs")
    return text


def _one_line(text: str) -> str:
    if len(text.splitlines()) > 1:
        raise PydanticCustomError("text_malformed", "text of one line")
    return text


def _email(text: str) -> str:
    import email_validator  # late: its tables of characters take long to read

    if len(text) > _EMAIL_CHARACTERS:
        raise PydanticCustomError("email_malformed", "an e-mail address")
    try:
        return email_validator.validate_email(text, check_deliverability=False).normalized
    except email_validator.EmailNotValidError:
        raise PydanticCustomError("email_malformed", "an e-mail address") from None


def _link(text: str) -> str:
    # Whoever opens it trusts the to-do that shows it: nothing but a page.
    if not _LINK.fullmatch(text):
        raise PydanticCustomError("link_malformed", "an address that begins with https://")
    return text


Key = Annotated[str, AfterValidator(_key)]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_plain),
    AfterValidator(_untabbed),
]
Line = Annotated[Text, AfterValidator(_one_line)]
"""A name that goes into the header of an e-mail, where Odoo refuses a line break."""
OptionalText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200),
    AfterValidator(_plain),
    AfterValidator(_untabbed),
]
Words = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_plain)]
"""What people say in a message: bounded, because a workflow's state carries it."""
Person = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=200),
    AfterValidator(_plain),
    AfterValidator(_untabbed),
]
"""A person as approvals name them, usually an e-mail address; case does not matter."""
Day = Annotated[date, BeforeValidator(_day)]
MessageDay = Annotated[Day, AfterValidator(_within)]
"""A day that a message names. A contract's own dates are checked with all the rest of it."""
Email = Annotated[str, AfterValidator(_email)]
Link = Annotated[str, AfterValidator(_link)]
"""The address of a page, such as a document in the firm's store."""
Country = Annotated[str, AfterValidator(_country)]
Quantity = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=10**12)]
"""A count of hours or units, as text."""
UnitPrice = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=10**12, decimal_places=6)]
"""A price per unit in the contract's currency, as text, with up to six decimals."""
Markup = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=1000)]
"""A percentage that may be zero, as text."""
Cadence = Annotated[str, AfterValidator(_cadence)]
"""How often a plan bills: month, quarter, year, or such as "2 weeks"."""
Percent = Annotated[Decimal, BeforeValidator(_percent), Field(gt=0, le=100)]


class Source(Frozen):
    """Where a contract came from: the name its CRM is configured under, or "file", and its id
    there."""

    system: Key
    id: Text


def _partner(value: Any) -> Any:
    if value == NEW_PARTNER or (type(value) is int and 0 < value < 2**31):
        return value
    raise PydanticCustomError("partner_malformed", 'the id of a partner in Odoo, or "new"')


NEW_PARTNER = "new"
PartnerChoice = Annotated[int | str, BeforeValidator(_partner)]
"""Which partner in Odoo a firm is, by its id, where somebody has decided that; or that it is none
of them (`new`)."""


class ParentCompany(Frozen):
    """The company above the customer. `key` is its identity in the source system."""

    key: Key
    name: Line
    country: Country
    vat_number: OptionalText | None = None
    odoo_partner: PartnerChoice | None = None


class Customer(Frozen):
    """The party that pays. `key` is the customer's identity in the source system."""

    key: Key
    name: Line
    country: Country
    vat_number: OptionalText | None = None
    billing_email: Email
    street: OptionalText = ""
    city: OptionalText = ""
    zip: OptionalText = ""
    parent: ParentCompany | None = None
    odoo_partner: PartnerChoice | None = None


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


class Rate(Frozen):
    """The price of an hour, without tax, from a day on (or always).

    The most specific rate counts: one for a person before one for a role before one for all; of
    those, the one with the latest `valid_from` that is not after the day worked. `person` is the
    employee's work e-mail or name in Odoo, `role` the job title there.
    """

    price: Money
    role: OptionalText = ""
    person: OptionalText = ""
    valid_from: Day | None = None


class TimePlan(Frozen):
    """A service billed by approved hours at the end of each period.

    `cap` is the most that is ever billed by this plan, without tax; from `warn_at` percent of it
    on people are warned.
    """

    key: Key
    service: Key
    every: Cadence = "month"
    starts_on: Day | None = None
    ends_on: Day | None = None
    rates: tuple[Rate, ...] = Field(min_length=1, max_length=200)
    cap: Money | None = None
    warn_at: Percent = Decimal(80)


class CarryOver(StrEnum):
    """What becomes of included hours that were not used in their period."""

    NONE = "none"
    NEXT_PERIOD = "next_period"
    UNLIMITED = "unlimited"


class Indexation(Frozen):
    """The fee rises by `percent` on `first_on` and on that day of every year after it.

    Each index applies to the indexed fee before it, rounded to the cent each time.
    """

    percent: Percent
    first_on: Day


class RetainerPlan(Frozen):
    """A recurring fee, in advance or in arrears, with included hours if any.

    `fee` is the price of one whole period, without tax; the first and last period are prorated by
    days. Hours beyond the included ones cost `overage_price` an hour; without one they are only
    reported. `overage_price` is indexed like the fee.
    """

    key: Key
    service: Key
    fee: Money
    every: Cadence = "month"
    in_advance: bool = True
    starts_on: Day | None = None
    ends_on: Day | None = None
    included_hours: Quantity = Decimal(0)
    carry_over: CarryOver = CarryOver.NONE
    overage_price: Money | None = None
    indexation: Indexation | None = None


class Tier(Frozen):
    """A price per unit up to a quantity (inclusive); the last tier has no limit."""

    up_to: Quantity | None = None
    price: UnitPrice


class UsagePricing(StrEnum):
    """`tiered`: each unit at the price of the tier it falls in; `volume`: all units at the price
    of the tier the period's quantity falls in."""

    TIERED = "tiered"
    VOLUME = "volume"


class UsagePlan(Frozen):
    """A service billed by metered quantity at the end of each period.

    `minimum` is the least that each period is billed for, without tax (prorated in a part
    period). `commitment` is the least for the whole term: what is missing is billed at its end.
    """

    key: Key
    service: Key
    unit: Text
    every: Cadence = "month"
    starts_on: Day | None = None
    ends_on: Day | None = None
    pricing: UsagePricing = UsagePricing.TIERED
    tiers: tuple[Tier, ...] = Field(min_length=1, max_length=50)
    minimum: Money | None = None
    commitment: Money | None = None


class ExpensePlan(Frozen):
    """Approved expenses of the project are billed on at the end of each period.

    Each at its cost without tax plus `markup` percent. `cap` is the most that is ever billed by
    this plan, without tax.
    """

    key: Key
    service: Key
    every: Cadence = "month"
    starts_on: Day | None = None
    ends_on: Day | None = None
    markup: Markup = Decimal(0)
    cap: Money | None = None


class Deposit(Frozen):
    """A down payment, invoiced when the contract starts and deducted from the milestones' invoices
    in proportion to their amounts. `service` names the service whose product it is booked on."""

    amount: Money
    service: Key


class Retainage(Frozen):
    """A share of every invoice for milestones and time that is held back until it is released:
    on a day, or (without one) when all milestones are billed; or earlier, by a person's word."""

    percent: Percent
    service: Key
    release_on: Day | None = None


class Term(Frozen):
    """How long a contract with recurring plans lasts, and how it goes on.

    The term ends on the contract's `ends_on`. With `auto_renew` it is renewed for `renew_months`
    unless either side gives notice at least `notice_days` before the end.
    """

    auto_renew: bool = False
    renew_months: int = Field(default=12, ge=1, le=120)
    notice_days: int = Field(default=30, ge=0, le=730)


class RetainageOnTermination(StrEnum):
    RELEASE = "release"
    FORFEIT = "forfeit"


class Termination(Frozen):
    """What an early end means: days of notice, what becomes of retainage, and a fee if any.

    `fee` (without tax) is billed where the customer ends the contract."""

    notice_days: int = Field(default=0, ge=0, le=730)
    retainage: RetainageOnTermination = RetainageOnTermination.RELEASE
    fee: Money | None = None
    fee_service: Key | None = None


class Assignment(Frozen):
    """Who works on a task of the project, and the hours allocated to that.

    `task` is the key of a milestone or plan, or else the name of a template's task. Without a
    `person` the `role` is still to be filled. A person with a role and without a task gets the
    templates' tasks that ask for the role.
    """

    task: OptionalText = ""
    person: Email | None = None
    role: OptionalText = ""
    hours: Quantity = Decimal(0)


class ServiceBudget(Frozen):
    """What delivers one service: a project template of Odoo, by its name, and a budget.

    `cost` is in the currency of the legal entity's books."""

    service: Key
    template: OptionalText = ""
    hours: Quantity | None = None
    cost: Money | None = None


class Document(Frozen):
    """A document that delivery needs, where it is kept."""

    name: Line
    url: Link


class Handover(Frozen):
    """What delivery gets beside milestones and plans. People are named by the e-mail addresses of
    their users in Odoo. `shows_amounts` says whether the to-do for the project manager names what
    was sold with its prices."""

    manager: Email | None = None
    template: OptionalText = ""
    starts_on: Day | None = None
    ends_on: Day | None = None
    tags: tuple[Line, ...] = Field(default=(), max_length=MAX_TAGS)
    documents: tuple[Document, ...] = Field(default=(), max_length=MAX_DOCUMENTS)
    people: tuple[Assignment, ...] = Field(default=(), max_length=MAX_ASSIGNMENTS)
    services: tuple[ServiceBudget, ...] = Field(default=(), max_length=MAX_MILESTONES)
    shows_amounts: bool = True

    @property
    def templates(self) -> tuple[tuple[str, str], ...]:
        """The templates, each once, with the key of the service that it delivers ("": none)."""
        found: dict[str, str] = {"": ""}
        found.setdefault(self.template, "")
        for item in self.services:
            found.setdefault(item.template, item.service)
        return tuple((service, template) for template, service in found.items() if template)


Plan = TimePlan | RetainerPlan | UsagePlan | ExpensePlan
"""A plan that bills by period."""


class Contract(Frozen):
    """A signed, validated contract and how it is billed: by milestones, by period, or both.

    Amounts are without tax. Dates are calendar dates of the legal entity. The amounts of the
    services add up to `value`. A service with milestones has a fixed price: they add up to its
    amount. The amount of any other service is an estimate, and may be zero. `version` counts the
    approved versions from 1.
    """

    contract_id: Key
    legal_entity: Key
    source: Source
    title: Line
    customer: Customer
    currency: Currency
    value: Money
    signed_on: Day
    starts_on: Day | None = None
    ends_on: Day | None = None
    payment_term: OptionalText = ""
    purchase_order: OptionalText = ""
    requested_by: OptionalText = ""
    purchase_order_limit: Money | None = None
    services: tuple[ServiceLine, ...] = Field(min_length=1, max_length=MAX_MILESTONES)
    milestones: tuple[Milestone, ...] = Field(default=(), max_length=MAX_MILESTONES)
    time: tuple[TimePlan, ...] = Field(default=(), max_length=MAX_PLANS)
    retainers: tuple[RetainerPlan, ...] = Field(default=(), max_length=MAX_PLANS)
    usage: tuple[UsagePlan, ...] = Field(default=(), max_length=MAX_PLANS)
    expenses: tuple[ExpensePlan, ...] = Field(default=(), max_length=MAX_PLANS)
    deposit: Deposit | None = None
    retainage: Retainage | None = None
    term: Term = Term()
    termination: Termination = Termination()
    handover: Handover | None = None
    version: int = Field(default=1, ge=1)

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Every plan that bills by period."""
        return (*self.time, *self.retainers, *self.usage, *self.expenses)

    @property
    def first_day(self) -> date:
        """When the contract starts: stated, or the day it was signed."""
        return self.starts_on or self.signed_on

    @property
    def fixed_price(self) -> Money:
        """What the milestones come to, without tax: the total of the order in Odoo."""
        return Money.total((item.amount for item in self.milestones), self.currency)

    def plan(self, key: str) -> Plan | None:
        return next((item for item in self.plans if item.key == key), None)

    def service(self, key: str) -> ServiceLine:
        return next(line for line in self.services if line.key == key)

    def milestone(self, key: str) -> Milestone | None:
        return self.milestones_by_key.get(key)

    @cached_property
    def milestones_by_key(self) -> dict[str, Milestone]:
        return {item.key: item for item in self.milestones}


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
