"""The life of one invoice or credit note: its stages, and the state its workflow carries.

Amounts of a posted invoice are as on the invoice: those of a credit note are positive here and
negative on its proposal, as in the contract's books.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Self

from pydantic import Field

from contracts import parking
from contracts.agenda.state import AgendaState
from contracts.approvals import ApprovalRound, Subject
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.calendar import BusinessCalendar
from contracts.dunning import Dispute, DunningHold, DunningState, Promise
from contracts.invoice.content import InvoiceContent
from contracts.invoice.messages import (
    CreditApplied,
    CreditRequested,
    InvoiceBalance,
    PaymentReceived,
)
from contracts.model import Person, Text, Value
from contracts.money import Money
from contracts.odoo_totals import OdooTotals
from contracts.parking import StepException
from contracts.policy import EntityPolicy
from contracts.processors import PaymentLink, Reversal


class InvoiceStage(StrEnum):
    """Where an invoice is. `posted_not_delivered` and `in_payment` are states of their own: the
    customer has not got it yet; money is on its way but not on the bank statement yet. A credit
    note is `open` until it is set off against its invoice or paid out, then `credited`."""

    PROPOSED = "proposed"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    POSTED_NOT_DELIVERED = "posted_not_delivered"
    OPEN = "open"
    PARTIALLY_PAID = "partially_paid"
    OVERDUE = "overdue"
    IN_PAYMENT = "in_payment"
    PAID = "paid"
    CREDITED = "credited"
    WRITTEN_OFF = "written_off"
    REJECTED = "rejected"
    SETTLED = "settled"


MAX_SUPERSEDED = 3
UNBILLED = frozenset({InvoiceStage.REJECTED})
PENDING = frozenset({InvoiceStage.PROPOSED, InvoiceStage.AWAITING_APPROVAL})
CLEARED = frozenset(
    {
        InvoiceStage.PAID,
        InvoiceStage.CREDITED,
        InvoiceStage.WRITTEN_OFF,
        InvoiceStage.SETTLED,
    }
)


class WriteOffContent(Value):
    """The content of a write-off: the invoice, the amount that is open (with tax), the reason."""

    contract_id: str
    legal_entity: str
    number: int
    invoice: str
    amount: Money
    reason: str


class WriteOff(Value):
    """A write-off that was asked for: the amount (with tax) that was open then, and its approval.

    Whatever changes the open amount voids it.
    """

    amount: Money
    by: Person
    reason: Text
    asked_on: date
    approval_round: ApprovalRound


class KnownDraft(Value):
    """Our draft in Odoo: what it was made of, its date (entity's zone), and what it says there.
    An approval is bound to `approval_hash`: to the proposal and to what the draft says."""

    invoice_id: int
    content_hash: str
    approval_hash: str
    invoice_on: date
    content: InvoiceContent

    @property
    def odoo_totals(self) -> OdooTotals:
        return self.content.totals


class InvoiceReport(Value):
    """What an invoice tells its contract whenever something the contract uses changed.

    `amount` is the proposal's, without tax and negative for a credit note; everything else is as
    on the invoice. `credited_number` is the number of the invoice a credit note takes back.
    `due_on` is the day that counts, revised or not; `disputed` what is not dunned for it, with tax.
    The money stays None until the invoice is posted.
    """

    number: int
    kind: InvoiceKind = InvoiceKind.INVOICE
    credited_number: int = 0
    stage: InvoiceStage
    amount: Money
    content_hash: str = ""
    odoo_totals: OdooTotals | None = None
    invoice_id: int | None = None
    odoo_number: str = ""
    due_on: date | None = None
    untaxed: Money | None = None
    total: Money | None = None
    residual: Money | None = None
    credited: Money | None = None
    credited_untaxed: Money | None = None
    written_off: Money | None = None
    disputed: Money | None = None
    promised_on: date | None = None
    dunning_level: int = 0
    suspends: bool = False
    """Dunned so far that work on the contract is to stop."""
    overdue: bool = False
    because: str = ""
    approved: tuple[str, ...] = ()
    """Who approved the invoice and each write-off of it."""
    exceptions: tuple[StepException, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: its number in Odoo, or that of the proposal."""
        return self.odoo_number or f"proposal {self.number}"


class PaymentQuestion(Value):
    """Money that a person has to see to: why (a code of exceptions), under which reference, and
    how much."""

    code: str
    reference: str
    amount: Money
    text: str

    @property
    def key(self) -> str:
        return f"{parking.SETTLE_PAYMENT.name}:{self.code}:{self.reference}:{self.amount}"


class ReversalStage(StrEnum):
    """Where the undoing of a payment is: to be booked, booked, made good by another payment, or
    left to a person."""

    WAITING = "waiting"
    BOOKED = "booked"
    RESTORED = "restored"
    LEFT = "left"


class PaymentReversal(Value):
    """What undoes a payment of ours. `key` is the reference it is booked under, which tells a
    second time apart; `payment` is the payment's. `is_undone`: the processor does not say so any
    more."""

    key: str
    payment: str
    system: str
    journal: str
    reversal: Reversal
    stage: ReversalStage = ReversalStage.WAITING
    is_undone: bool = False


class GivenUp(Value):
    """What was to be booked on an invoice, and is not: a payment by its reference, what undoes one
    by its own, or a write-off by its key."""

    payment: str = ""
    reversal: str = ""
    write_off: str = ""

    @property
    def key(self) -> str:
        if self.reversal:
            return f"reversal:{self.reversal}"
        return f"payment:{self.payment}" if self.payment else f"write_off:{self.write_off}"


class OwnCredit(Value):
    """What a credit note of ours credits on an invoice: without tax, and set off with tax."""

    untaxed: Money
    applied: Money


class Reminder(Value):
    """A reminder to the customer that is due: fixed on a day, so that a retry says the same.

    `owed` is what it asks for, with tax. `by_hand`: the customer has no e-mail address, and a
    person is to tell them.
    """

    level: int
    on: date
    owed: Money
    subject: str
    text: str
    by_hand: bool = False


class InvoiceState(AgendaState):
    """Everything an invoice's workflow knows; carried over continue-as-new.

    `credited_invoice_id` is the Odoo id of the invoice that a credit note takes back. `hold` is
    on this invoice alone, `contract_hold` on every invoice of the contract. `own_credits` are the
    contract's credit notes against this invoice, by number.
    """

    contract_workflow_id: str
    company_id: int
    order_id: int
    partner_id: int
    credited_invoice_id: int | None = None
    requested_by: tuple[str, ...] = ()
    time_zone: str = "UTC"
    """The legal entity's, for dates before its rules are known."""
    proposal: InvoiceProposal
    reached: tuple[int, ...] = ()
    """Milestones (ids in Odoo) that are marked reached there together with the draft."""
    stage: InvoiceStage = InvoiceStage.PROPOSED
    policy: EntityPolicy | None = None
    approval_round: ApprovalRound | None = None
    superseded: tuple[Subject, ...] = ()
    """What was to be approved before it changed, the latest first, for those who saw it."""
    rejected_because: str = ""
    invoice_on: date | None = None
    amended: bool = False
    """Somebody corrected the proposal: a draft of before may say something else."""
    changed_by_hand: bool = False
    """Somebody amended the proposal, or changed the draft in Odoo: no rule alone approves it."""
    draft: KnownDraft | None = None
    draft_tried: bool = False
    """To make the draft has failed: it may exist in Odoo all the same."""
    discarded: bool = False
    """The draft of a rejected invoice was cancelled, or a person has seen to it."""
    issued: bool = False
    balance: InvoiceBalance | None = None
    payment_link: PaymentLink | None = None
    """Where the customer can pay it, for the mail."""
    link_tried: bool = False
    """A page to pay on was asked for, whatever came of it."""
    delivered: bool = False
    reconciled: bool = False
    """A credit note was reconciled with its invoice, as far as that was open."""
    credit_to_tell: CreditApplied | None = None
    """What the credited invoice's workflow does not know yet."""
    payments: tuple[PaymentReceived, ...] = ()
    """Not booked in Odoo yet, the oldest first."""
    known_payments: dict[str, Money] = Field(default_factory=dict)
    """Every payment that is booked or to be booked, by its reference."""
    payments_given_up: dict[str, PaymentReceived] = Field(default_factory=dict)
    """Those that a person sees to, by their references."""
    given_up: tuple[GivenUp, ...] = ()
    """Drafts that Odoo may have of what is not booked: they are to be cancelled there."""
    owed_at_booking: Money | None = None
    """What was open when the payment that is booked, or was booked last, was tried first."""
    payment_questions: tuple[PaymentQuestion, ...] = ()
    reversals: tuple[PaymentReversal, ...] = ()
    """What undid payments, the oldest first."""
    payments_read: dict[str, datetime] = Field(default_factory=dict)
    """When each payment of a processor was read there for the last report of it."""
    own_credits: dict[int, OwnCredit] = Field(default_factory=dict)
    dunning: DunningState = Field(default_factory=DunningState)
    reminder: Reminder | None = None
    reminders_exhausted: bool = False
    hold: DunningHold | None = None
    contract_hold: DunningHold | None = None
    dispute: Dispute | None = None
    revised_due_on: date | None = None
    promise: Promise | None = None
    promises_broken: int = 0
    write_off: WriteOff | None = None
    write_offs_approved: tuple[str, ...] = ()
    write_offs: int = 0
    """How many were asked for: each has a key of its own in Odoo."""
    credit_requests: tuple[CreditRequested, ...] = ()
    """What the contract has still to be asked for."""
    reported: InvoiceReport | None = None
    tells_its_end: bool = False
    """The contract has begun another run, which does not see by itself that an invoice ended."""
    settles_at: datetime | None = None
    next_action_at: datetime | None = None

    @property
    def rules(self) -> EntityPolicy:
        """The legal entity's rules as they were at the proposal; they come with its first draft.
        Asking before is a defect of ours."""
        if self.policy is None:
            raise RuntimeError("the rules are not known yet")
        return self.policy

    @property
    def today(self) -> date:
        """The date at the last event, in the legal entity's zone."""
        if self.policy is not None:
            return self.policy.calendar.today(self.clock)
        return BusinessCalendar(time_zone=self.time_zone).today(self.clock)

    def opening(self, day: date) -> datetime:
        """When business opens on a day, as an aware UTC time."""
        return self.rules.calendar.opening(day)

    @property
    def title(self) -> str:
        """What people call it: its number in Odoo, once it has one."""
        number = self.balance.number if self.balance else ""
        return number or f"invoice {self.proposal.number}"

    @property
    def draft_is_gone(self) -> bool:
        """Whether nothing of a rejected invoice is left in Odoo."""
        return self.discarded or (self.draft is None and not self.draft_tried)

    @property
    def invoice_id(self) -> int | None:
        """The invoice's database id in Odoo; None before there is a draft."""
        return self.draft.invoice_id if self.draft else None

    @property
    def odoo_totals(self) -> OdooTotals | None:
        """What the draft comes to with Odoo's tax; None before there is a draft."""
        return self.draft.odoo_totals if self.draft else None

    @property
    def current_round(self) -> ApprovalRound | None:
        """The round of the invoice, or once it is posted of its write-off."""
        if not self.issued:
            return self.approval_round
        return self.write_off.approval_round if self.write_off else None

    @property
    def open_round(self) -> ApprovalRound | None:
        """What awaits a decision now."""
        found = self.current_round
        is_due = self.issued or self.stage is InvoiceStage.AWAITING_APPROVAL
        return found if found is not None and is_due and not found.is_decided else None

    def without_round(self) -> Self:
        """The state once what was to be approved is another: approvals are void."""
        if self.approval_round is None:
            return self
        seen = (self.approval_round.subject, *self.superseded)[:MAX_SUPERSEDED]
        return self.replace(approval_round=None, superseded=seen)

    def with_round(self, approval_round: ApprovalRound) -> Self:
        """The state with another current round."""
        if not self.issued or self.write_off is None:
            return self.replace(approval_round=approval_round)
        return self.replace(write_off=self.write_off.replace(approval_round=approval_round))


class InvoiceInput(Value):
    """Starts an invoice, or continues it: there is nothing beside the state."""

    state: InvoiceState
