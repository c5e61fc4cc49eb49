"""What people and systems send to a contract."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, Field

from contracts.billing.usage import UsageRecord
from contracts.invoice.state import InvoiceReport
from contracts.model import Key, Message, MessageDay, OptionalText, Text, Value, Words
from contracts.money import Money
from contracts.signatures import Envelope


class MilestoneReached(Message):
    """A milestone was delivered. `on` is the delivery date; left out, today. A system says `as_of`
    when (aware): what is not newer than it said before of the same milestone is no news."""

    milestone: Key
    by: OptionalText = ""
    on: MessageDay | None = None
    as_of: AwareDatetime | None = None


class MilestoneReachedInOdoo(Value):
    """The sweep found a milestone marked reached in Odoo, by its database id; `as_of` is when it
    was last changed there, by Odoo's clock."""

    milestone_id: int
    on: MessageDay | None = None
    as_of: datetime


class MilestoneUnreached(Message):
    """A milestone is not reached after all; `as_of` as with MilestoneReached."""

    milestone: Key
    by: Text
    reason: Words = ""
    as_of: AwareDatetime | None = None


class MilestoneUnreachedInOdoo(Value):
    """The sweep found a milestone not marked reached, by its database id, last changed `as_of`."""

    milestone_id: int
    as_of: datetime


class UsageReport(Message):
    """Metered records, in any order and any number of times: the same id counts once, and another
    quantity under the same id replaces the one before."""

    records: tuple[UsageRecord, ...] = Field(min_length=1, max_length=5_000)


class UsageTaken(BaseModel):
    """What became of a usage report: records that were new or changed, known, or refused."""

    taken: int = 0
    known: int = 0
    refused: list[str] = Field(default_factory=list)


class ServiceCredit(Message):
    """A credit owed for a breach of service levels, deducted from the next invoice.

    `amount` is without tax; `reference` identifies it (a repeat counts once)."""

    retainer: Key
    reference: Key
    reason: Words = Field(min_length=1)
    amount: Money
    by: Text


class CreditRequest(Message):
    """Credit invoice `number` of the contract: in whole, or an `amount` of it without tax.

    With `reinvoice` what it billed is proposed again, at the terms and facts of then."""

    number: int
    amount: Money | None = None
    by: Text
    reason: Words = Field(min_length=1)
    reinvoice: bool = False


class Side(StrEnum):
    CUSTOMER = "customer"
    FIRM = "firm"


class Hold(Message):
    """Billing, or dunning, of the whole contract stands still until a person releases it, or
    (with `until`) up to the end of that day in the legal entity's zone."""

    by: Text
    reason: Text
    until: MessageDay | None = None


class HoldKind(StrEnum):
    BILLING = "billing"
    DUNNING = "dunning"


class HoldRequest(Message):
    """Set a hold, or release it (`hold` left out)."""

    kind: HoldKind
    by: Text
    hold: Hold | None = None


class TerminationRequest(Message):
    """Either side ends the contract early; `on` is its last day (entity's zone).

    `agreed` waives the notice period the terms ask for."""

    side: Side
    by: Text
    reason: Words = Field(min_length=1)
    on: MessageDay
    agreed: bool = False


class TerminationWithdrawn(Message):
    """The early end is taken back, before its last day is over."""

    by: Text
    reason: Words = ""


class NoticeGiven(Message):
    """One side does not want the term renewed: the contract expires at its end."""

    side: Side
    by: Text
    on: MessageDay | None = None


class RetainageRelease(Message):
    """The event that releases what was held back has come."""

    by: Text
    reason: Words = Field(min_length=1)


class CustomerRefresh(Message):
    """Read the deal again, for whoever asks."""

    by: Text


class SignatureReported(Message):
    """How an envelope that signs the contract stands now, in the service of that name. Reports may
    come again, and in any order: the newest counts."""

    system: Key
    envelope: Envelope


class SignatureConfirmed(Message):
    """A person says that the contract is signed, as on paper. `on` is the day; left out, the day
    that the contract states."""

    by: Text
    reason: Text
    on: MessageDay | None = None


class BurnRequest(Message):
    """Read the hours and costs of the project again, for whoever asks."""

    by: Text


class CancelRequest(Message):
    """Stop a contract that has not billed anything, and take back what was provisioned."""

    by: Text
    reason: Words = ""


class InvoiceEnded(Value):
    """From the contract's own run: an invoice's workflow has ended, with this last report."""

    report: InvoiceReport


class InvoiceLost(Value):
    """An invoice's workflow was ended by force: from the contract's own run, or from the sweep."""

    number: int
