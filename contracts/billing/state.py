"""What the billing of one contract stores: terms, facts, invoices and decisions. All of it frozen.

Everything else (what may be billed, what is billed, the difference) is derived from it. Amounts
inside are plain numbers in the contract's currency, because thousands of them are added up.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, NamedTuple

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from contracts.billing.lines import InvoiceKind, Line
from contracts.billing.packing import (
    pack_hours,
    pack_numbers,
    pack_parts,
    pack_usage,
    unpack_hours,
    unpack_numbers,
    unpack_parts,
    unpack_usage,
)
from contracts.billing.usage import UsageRecord
from contracts.model import Contract, Frozen, Key, Plan


class NotPossible(ValueError):
    """What was asked cannot be done as billing stands; the message says why."""


class PlanVersion(Frozen):
    """The terms of a plan from a day on. `number` is the version that brought them."""

    plan: Plan
    since: date
    number: int


class Freeze(NamedTuple):
    """When a key was first proposed: the version of the terms then, and the day."""

    version: int
    on: date


class Hours(NamedTuple):
    """The fact of an approved timesheet line. `role` is the one that was read first."""

    plan: str
    on: date
    hours: Decimal
    person: str
    email: str
    role: str


class Spent(NamedTuple):
    """The fact of an approved expense; `cost` is without tax."""

    plan: str
    on: date
    cost: Decimal
    text: str


class ServiceCredit(Frozen):
    """Money owed to the customer for a breach of the service level; `amount` is above zero."""

    plan: Key
    reference: str
    reason: str
    amount: Decimal
    on: date


class EarlyEnd(Frozen):
    """The contract ends before its time; `fee` says that the customer ends it and owes the fee."""

    on: date
    fee: bool


class InvoiceStatus(StrEnum):
    """`rejected` waits for a person, who has it composed anew or waives what it billed."""

    PROPOSED = "proposed"
    ISSUED = "issued"
    REJECTED = "rejected"


NO_LINE = -1
"""The position of parts that come to nothing together and are on no line."""


class Part(NamedTuple):
    """What a line bills of one key. The amount is not rounded; `measure` is the hours, units,
    cost, days or share that it stands for. `line` is the position of the line."""

    line: int
    key: str
    amount: Decimal
    measure: Decimal


class Invoice(Frozen):
    """An invoice or credit note that was proposed.

    `version` is the version of the terms it was composed with, on `proposed_on`: the billing day,
    which is the day before `happened_on` until business has opened. `released` says
    that what it held back at `retainage_percent` is to be paid out. `tracks` are the plans and
    kinds whose bill it is on the day it was due. `asked_by` is who asked for a credit: not one who
    may approve it.
    """

    number: int
    occasion: str
    title: str
    due_on: date
    kind: InvoiceKind
    status: InvoiceStatus = InvoiceStatus.PROPOSED
    lines: tuple[Line, ...]
    parts: tuple[Part, ...]
    version: int
    proposed_on: date
    happened_on: date
    credited_number: int = 0
    reinvoice: bool = False
    retainage_percent: Decimal = Decimal(0)
    released: bool = False
    is_folded: bool = False
    release_reason: str = ""
    tracks: tuple[str, ...] = ()
    reason: str = ""
    asked_by: str = ""

    @property
    def counts(self) -> bool:
        return self.status is not InvoiceStatus.REJECTED

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to decide on it."""
        return self.status is not InvoiceStatus.ISSUED

    @property
    def waives(self) -> bool:
        """Whether it is a credit note that takes back for good what it credits."""
        return bool(self.credited_number) and not self.reinvoice

    @cached_property
    def by_key(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Amount and measure that it bills of each key."""
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for _, key, amount, measure in self.parts:
            known = found.get(key)
            found[key] = (known[0] + amount, known[1] + measure) if known else (amount, measure)
        return found


class Waiver(Frozen):
    """A decision not to bill something of a key, or (where the sign is the other) not to give it
    back: see `contracts.billing.ledger.target`."""

    key: str
    amount: Decimal
    by: str
    reason: str
    on: date


class CreditRequest(Frozen):
    """A credit that a person asked for. `amount` is without tax; None credits all that is left.
    `key` is the occasion of the credit note that carries it."""

    key: str
    number: int
    on: date
    reason: str
    by: str
    amount: Decimal | None = None
    reinvoice: bool = False


class CapAllowance(Frozen):
    """A decision by name that a plan's bills due by `on` may be cut at its cap, each by at most
    `over` (None: by whatever)."""

    plan: Key
    on: date
    by: str
    reason: str
    over: Decimal | None = None


Numbers = Annotated[
    tuple[int, ...],
    BeforeValidator(lambda data: unpack_numbers(data) if isinstance(data, str) else data),
    PlainSerializer(pack_numbers, return_type=str),
]
"""Numbers of timesheet lines or expenses, written as the steps between them."""


class Folded(Frozen):
    """What is left of a plan's periods until a day: the hours they carry on, what they count
    towards the commitment, and the lines and expenses that are dealt with for good."""

    until: date
    carried: Decimal = Decimal(0)
    used: Decimal = Decimal(0)
    lines: Numbers = ()
    expenses: Numbers = ()


class BillingState(Frozen):
    """All that is stored of a contract's billing; see `contracts.billing.account`.

    `version` counts the terms adopted. `waivers` are by key; those of a key count from invoice
    `waivers_ended` on where a milestone was un-reached. `read_until` is the last day up to which a
    plan's hours or expenses were read; `empty` are days, by plan and kind, on which reading found
    nothing to bill.
    """

    contract: Contract
    version: int = 1
    started_on: date
    deposit_on: date | None = None
    plans: dict[str, tuple[PlanVersion, ...]] = Field(default_factory=dict)
    reached: dict[str, date] = Field(default_factory=dict)
    hours: dict[int, Hours] = Field(default_factory=dict)
    expenses: dict[int, Spent] = Field(default_factory=dict)
    usage: dict[str, dict[str, UsageRecord]] = Field(default_factory=dict)
    service_credits: dict[str, ServiceCredit] = Field(default_factory=dict)
    early_end: EarlyEnd | None = None
    read_until: dict[str, date] = Field(default_factory=dict)
    empty: dict[str, tuple[date, ...]] = Field(default_factory=dict)
    invoices: dict[int, Invoice] = Field(default_factory=dict)
    waivers: dict[str, tuple[Waiver, ...]] = Field(default_factory=dict)
    waivers_ended: dict[str, int] = Field(default_factory=dict)
    credit_requests: dict[str, CreditRequest] = Field(default_factory=dict)
    credits_asked: int = 0
    caps_allowed: dict[str, CapAllowance] = Field(default_factory=dict)
    folded: dict[str, Folded] = Field(default_factory=dict)

    def folded_until(self, plan: str) -> date | None:
        """The last day of a plan that is folded to sums; None if nothing is."""
        folded = self.folded.get(plan)
        return folded.until if folded else None

    @model_serializer(mode="wrap")
    def _packed(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = dump(self)
        data["hours"] = pack_hours(self.hours)
        data["usage"] = {plan: pack_usage(records) for plan, records in self.usage.items()}
        for number, invoice in self.invoices.items():
            name = number if number in data["invoices"] else str(number)
            data["invoices"][name]["parts"] = pack_parts(invoice.parts, self.hours)
        return data

    @model_validator(mode="before")
    @classmethod
    def _unpacked(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("hours"), list):
            return data
        facts = unpack_hours(data["hours"])
        invoices = {
            number: {**item, "parts": unpack_parts(item["parts"], facts)}
            for number, item in data["invoices"].items()
        }
        usage = {plan: unpack_usage(plan, rows) for plan, rows in data.get("usage", {}).items()}
        return {**data, "hours": facts, "usage": usage, "invoices": invoices}
