"""What people and systems send to an invoice: payments, disputes, promises, balances of Odoo.

Amounts are as on the invoice: those of a credit note are positive.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import AwareDatetime, StringConstraints

from contracts.model import Frozen, Message, MessageDay, Person, Signed, Text, Value, Words
from contracts.money import Money
from contracts.processors import ProcessorPayment

Journal = Annotated[Words, StringConstraints(max_length=20)]
"""A journal's code in Odoo."""


class Instalment(Value):
    """What is still open, with tax, of a part that falls due on a day of its own."""

    due_on: date
    residual: Money


class InvoiceBalance(Value):
    """What Odoo says about an invoice now; amounts in its currency.

    `total` includes tax, `untaxed` does not; `residual` is what is still owed (by us, on a credit
    note); `credited` is the sum of posted credit notes against an invoice that people made in
    Odoo, with tax, and `credited_untaxed` without: ours are invoices with a balance of their own.
    `written_off` is what our write-offs still take off it (none: nothing was). `due_on` is the
    last due date; `instalments` are the open parts in their order, where the payment term has
    several (none: all is due then). `as_of` is when the
    record last changed by Odoo's clock: of two balances the newer one counts.
    """

    invoice_id: int
    as_of: datetime
    number: str = ""
    posted: bool = False
    cancelled: bool = False
    in_payment: bool = False
    sent: bool = False
    due_on: date | None = None
    instalments: tuple[Instalment, ...] = ()
    untaxed: Money
    total: Money
    residual: Money
    credited: Money
    credited_untaxed: Money
    written_off: Money | None = None

    @property
    def paid(self) -> Money:
        """What is off it by money or by credit notes of ours."""
        paid = self.total - self.residual - self.credited
        return paid - self.written_off if self.written_off else paid

    @property
    def is_clear(self) -> bool:
        """Nothing is owed any more; money still on its way (`in_payment`) does not count yet."""
        return self.posted and not self.residual.is_positive and not self.in_payment


class PaymentReceived(Frozen, Signed):
    """A payment known outside Odoo; `reference` identifies it (a repeat counts once). `journal` is
    the code of the journal that it is booked in; empty: the one that Odoo proposes."""

    reference: Text
    amount: Money
    paid_on: MessageDay
    journal: Journal = ""


class PaymentNotice(PaymentReceived):
    """The same from a system, whom nobody answers: it is kept whatever the invoice is."""


class PaymentReported(Value):
    """How a payment of a processor, by the name it is configured under, stands now: it is booked in
    `journal`, and what undoes it is booked there too. `read_at` (aware) is when it was asked for,
    by the engine's clock: of two readings the later one counts, whichever workers read them."""

    system: str
    journal: Journal
    payment: ProcessorPayment
    read_at: AwareDatetime


class ContractRenewed(Value):
    """The contract has begun another run, and needs a report when the invoice ends."""


class DisputeOpened(Message):
    """A customer contests an invoice, or (with `amount`, with tax) a part of it."""

    by: Person
    reason: Text
    amount: Money | None = None
    revised_due_on: MessageDay | None = None


class DisputeResolved(Message):
    """How a dispute ended: `accepted` (with tax) is credited; none of it is a rejection.

    With `revised_due_on` what is owed is due on that day instead.
    """

    by: Person
    accepted: Money | None = None
    comment: Text
    revised_due_on: MessageDay | None = None


class PaymentPromised(Message):
    """The customer will pay by the end of `on`; without `amount` all that is not disputed."""

    by: Person
    on: MessageDay
    amount: Money | None = None


class HoldChange(Message):
    """Stop reminders, up to and including `until`, or (`on` false) let them go on.

    An invoice's own hold and that of its whole contract are two: each is released by itself.
    """

    on: bool = True
    by: Person
    reason: Text
    until: MessageDay | None = None


class ContractHoldChange(HoldChange):
    """The same from the contract, of all its invoices."""


class WriteOffAsked(Message):
    """Give up what is open; it needs an approval."""

    by: Person
    reason: Text


class CreditRequested(Value):
    """Asks a contract to credit a part of one of its invoices: what was accepted of a dispute.

    `number` is the invoice's, `amount` with tax, `untaxed` the same without.
    """

    number: int
    amount: Money
    untaxed: Money
    by: Person
    reason: str


class CreditApplied(Value):
    """A credit note of ours was set off against its invoice, which hears of it from there.

    `number` is the credit note's; `untaxed` is what it credits without tax, `applied` how much it
    took off what the invoice was open by, with tax; `balance` is the invoice's since.
    """

    number: int
    untaxed: Money
    applied: Money
    balance: InvoiceBalance
