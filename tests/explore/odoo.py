"""A model of Odoo that holds what is true there, whatever a contract or an invoice knows of it.

Each act does what its activity does: it looks before it acts, so that a repeat finds what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

from contracts.agenda.actions import Action, Done, Failed, Result
from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.billing.time import TimeEntry
from contracts.contract.state import OdooRefs
from contracts.invoice import acts, issuing, reminding, reversals
from contracts.invoice.answers import Draft, Reconciled
from contracts.invoice.content import InvoiceContent, differences, in_words
from contracts.invoice.messages import InvoiceBalance, PaymentReceived
from contracts.invoice.state import InvoiceState, PaymentReversal
from contracts.model import Contract
from contracts.money import Money
from contracts.odoo_totals import OdooTotals
from contracts.policy import EntityPolicy
from contracts.processors import PaymentLink
from tests.explore.frozen import Frozen, once
from tests.unit.examples import approval_policy
from tests.unit.examples import policy as strict_policy

_TAX = Decimal("1.21")
_FIRST_ID = 700
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
DRAFT, POSTED, CANCELLED = "draft", "posted", "cancel"


@cache
def policy() -> EntityPolicy:
    """One approval by finance for any amount; write-offs have an account; work stops as soon as
    the customer is reminded; invoices are mailed with a page to pay on."""
    tier = approval_policy.tiers[0].model_copy(update={"up_to": None})
    approval = approval_policy.model_copy(update={"tiers": (tier,)})
    dunning = strict_policy.dunning.model_copy(update={"suspend_at_level": 1})
    changes = {"approval": approval, "dunning": dunning, "write_off_account": "658000"}
    changes |= {"payment_links": "stripe"}
    return strict_policy.model_copy(update=changes)


@dataclass(frozen=True)
class OdooInvoice(Frozen):
    """One invoice or credit note. Amounts are positive on both, as Odoo has them.

    `changed` counts its changes and stands for the time of the last one. `note` is what a person
    has written on it there. `drafts` are those of what Odoo did not post.
    """

    number: int
    proposal: InvoiceProposal
    total: Money
    residual: Money
    move: str = DRAFT
    invoice_on: date | None = None
    posts: int = 0
    sent: int = 0
    reminders: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    reversals: tuple[str, ...] = ()
    write_offs: int = 0
    written_off: Money | None = None
    in_payment: bool = False
    changed: int = 0
    note: str = ""
    drafts: tuple[str, ...] = ()

    def now(self, **changes: Any) -> OdooInvoice:
        return self.replace(changed=self.changed + 1, **changes)

    def without_draft(self, key: str) -> OdooInvoice:
        rest = tuple(item for item in self.drafts if item != key)
        return self if rest == self.drafts else self.replace(drafts=rest)

    @property
    def untaxed(self) -> Money:
        amount = self.proposal.amount
        return -amount if self.is_credit else amount

    @property
    def is_credit(self) -> bool:
        return self.proposal.kind is InvoiceKind.CREDIT_NOTE

    @cached_property
    def content(self) -> InvoiceContent:
        """What it says; its reference stands for all that the proposal says."""
        return InvoiceContent(
            customer=self.proposal.customer_name,
            customer_id=1,
            mailed_to="ap@acme.example",
            reference=self.proposal.content_hash,
            invoice_on=self.invoice_on,
            currency=self.total.currency,
            note=self.note,
            totals=OdooTotals(untaxed=self.untaxed, taxes=(), total=self.total),
        )

    @cached_property
    def balance(self) -> InvoiceBalance:
        zero = Money.zero(self.total.currency)
        return InvoiceBalance(
            invoice_id=_FIRST_ID + self.number,
            as_of=_EPOCH + timedelta(seconds=self.changed),
            number=f"INV/{self.number}",
            posted=self.move == POSTED,
            cancelled=self.move == CANCELLED,
            in_payment=self.in_payment,
            due_on=self.invoice_on + timedelta(days=30) if self.invoice_on else None,
            untaxed=self.untaxed,
            total=self.total,
            residual=self.residual,
            credited=zero,
            credited_untaxed=zero,
            written_off=self.written_off,
        )


@dataclass(frozen=True)
class Odoo(Frozen):
    """Order, project, and every invoice by its number."""

    refs: OdooRefs = field(default_factory=OdooRefs)
    order: str = ""
    project: str = ""
    order_version: int = 0
    handed_over: int = 0
    has_rate: bool = True
    """Whether the hours are booked by somebody who has a rate."""
    is_late: bool = False
    """Whether more work of the first week was approved, long after it."""
    signed: str = ""
    """The envelope whose document is attached to the order."""
    marked: tuple[int, ...] = ()
    delivered: Mapping[str, Decimal] = field(default_factory=dict)
    invoices: Mapping[int, OdooInvoice] = field(default_factory=dict)

    def with_invoice(self, invoice: OdooInvoice) -> Odoo:
        known = self.invoices.get(invoice.number)
        if known is invoice:
            return self
        return self.replace(invoices={**self.invoices, invoice.number: invoice})

    def marking(self, ids: tuple[int, ...], *, is_reached: bool = True) -> Odoo:
        others = tuple(item for item in self.marked if item not in ids)
        marked = (*others, *ids) if is_reached else others
        return self if sorted(marked) == sorted(self.marked) else self.replace(marked=marked)


def refused(code: str, message: str = "no", **detail: Any) -> Failed:
    return Failed("business", code, message, **detail)


def taxed(untaxed: Money) -> Money:
    return Money.rounded(untaxed.amount * _TAX, untaxed.currency)


# --- work, the same for every plan ----------------------------------------------------------------


def hours(odoo: Odoo, plan: str, first: date | None, until: date) -> Iterator[TimeEntry]:
    """A day of approved work in the first week of each quarter; another that came late."""
    on = (first or _EPOCH.date()) + timedelta(days=3)
    late = [on] if odoo.is_late and on <= until else []
    days = [on]
    while (on := on + timedelta(days=90)) <= until:
        days.append(on)
    number = 1_000 * int.from_bytes(plan.encode()[:3])
    lines = [*enumerate((day for day in days if day <= until), number + 1)]
    lines += [(number, day) for day in late]
    for line_id, day in lines:
        yield TimeEntry(
            line_id=line_id,
            plan=plan,
            on=day,
            hours=Decimal("7.5"),
            person="ann" if odoo.has_rate else "gus",
            email="ann@northwind.example",
            role="Developer" if odoo.has_rate else "Guest",
        )


def expenses(plan: str, first: date | None, until: date, currency: str) -> Iterator[Expense]:
    """A train ticket in the first week of the contract."""
    on = (first or _EPOCH.date()) + timedelta(days=3)
    if on <= until:
        cost = Money("100", currency)
        yield Expense(
            expense_id=1, plan=plan, on=on, description="Train", employee="Ann", cost=cost
        )


# --- order and project ------------------------------------------------------------------------


def provisioned(odoo: Odoo, contract: Contract, parts: int = 3) -> Odoo:
    """Project, order and its confirmation, or the first `parts` of them."""
    known = odoo.refs
    refs = OdooRefs(company_id=1, partner_id=2)
    if parts > 0:
        refs = refs.replace(project_id=3, project_name=contract.title, analytic_account_id=4)
        odoo = odoo.replace(project=odoo.project or "active")
    if parts > 1:
        lines = (*contract.milestones, *contract.plans)
        refs = refs.replace(
            order_id=5,
            order_name="S00005",
            order_line_ids={line.key: 10 + place for place, line in enumerate(lines)},
            milestone_ids={m.key: 100 + place for place, m in enumerate(contract.milestones)},
            task_ids={plan.key: 200 + place for place, plan in enumerate(contract.plans)},
        )
        odoo = odoo.replace(order=odoo.order or DRAFT, order_version=contract.version)
    if parts > 2:
        refs = refs.replace(order_confirmed=True)
        odoo = odoo.replace(order="confirmed")
    return odoo if known == refs else odoo.replace(refs=refs)


# --- the acts of an invoice ---------------------------------------------------------------------


def request(state: InvoiceState, action: Action) -> Any:
    """What an act asks for, decided in the moment in which it begins."""
    return _REQUESTS[action.kind](state, action)


def _draft_request(state: InvoiceState, action: Action) -> Any:
    return state.proposal, issuing.invoice_on(state), state.reached


def _post_request(state: InvoiceState, action: Action) -> Any:
    assert state.draft is not None
    return state.draft.content


def _payment_request(state: InvoiceState, action: Action) -> PaymentReceived:
    return next(item for item in state.payments if item.reference == action.subject)


def _reversal_request(state: InvoiceState, action: Action) -> PaymentReversal:
    return reversals.of_key(state, action.subject)


def _reminder_request(state: InvoiceState, action: Action) -> str:
    assert state.reminder is not None
    return state.reminder.subject


def _write_off_request(state: InvoiceState, action: Action) -> Any:
    assert state.write_off is not None
    return state.write_off.amount, state.write_offs


_REQUESTS: Mapping[str, Callable[[InvoiceState, Action], Any]] = {
    acts.CREATE: _draft_request,
    acts.POST: _post_request,
    acts.DISCARD: lambda state, _: None,
    acts.NOTIFY: lambda state, _: None,
    acts.DELIVER: lambda state, _: None,
    acts.BALANCE: lambda state, action: action.basis,
    acts.REGISTER_PAYMENT: _payment_request,
    acts.REVERSE_PAYMENT: _reversal_request,
    acts.PAYMENT_LINK: lambda state, _: None,
    acts.TAKE_BACK: lambda state, action: action.subject,
    acts.RECONCILE: lambda state, _: state.proposal.credited_number,
    acts.REMIND: _reminder_request,
    acts.TODO: _reminder_request,
    acts.WRITE_OFF: _write_off_request,
}


@once(20_000)
def perform(odoo: Odoo, number: int, action: Action, asked: Any) -> tuple[Odoo, Result]:
    """What an act of an invoice does in Odoo, and what it comes to; the very same Odoo where it
    finds everything done."""
    return _ACTS[action.kind](odoo, number, asked)


def _create(odoo: Odoo, number: int, asked: Any) -> tuple[Odoo, Result]:
    proposal, invoice_on, reached = asked
    known = odoo.invoices.get(number)
    amount = proposal.amount
    untaxed = -amount if proposal.kind is InvoiceKind.CREDIT_NOTE else amount
    total = taxed(untaxed)
    if known is None:
        made = OdooInvoice(number, proposal, total, total, invoice_on=invoice_on)
        odoo = odoo.with_invoice(made)
    elif known.move == DRAFT and (known.proposal, known.invoice_on) != (proposal, invoice_on):
        odoo = odoo.with_invoice(known.now(proposal=proposal, invoice_on=invoice_on))
    draft = Draft(
        invoice_id=_FIRST_ID + number,
        invoice_on=invoice_on,
        content=odoo.invoices[number].content,
        policy=policy(),
    )
    return odoo.marking(reached), Done(draft)


def _post(odoo: Odoo, number: int, asked: InvoiceContent) -> tuple[Odoo, Result]:
    known = odoo.invoices[number]
    if known.move == CANCELLED:
        return odoo, refused("invoice_cancelled")
    if known.content != asked:
        text = in_words(differences(asked, known.content))
        return odoo, refused("invoice_differs_from_approval", text)
    if known.move == DRAFT:
        known = known.now(move=POSTED, posts=known.posts + 1)
    return odoo.with_invoice(known), Done(known.balance)


def _discard(odoo: Odoo, number: int, asked: None) -> tuple[Odoo, Result]:
    known = odoo.invoices.get(number)
    if known is None or known.move == CANCELLED:
        return odoo, Done()
    if known.move == POSTED:
        return odoo, refused("invoice_posted")
    return odoo.with_invoice(known.now(move=CANCELLED)), Done()


def _deliver(odoo: Odoo, number: int, asked: None) -> tuple[Odoo, Result]:
    known = odoo.invoices[number]
    return (odoo if known.sent else odoo.with_invoice(known.replace(sent=1))), Done()


def _read(odoo: Odoo, number: int, basis: str) -> tuple[Odoo, Result]:
    known = odoo.invoices[number]
    if basis.startswith(reminding.RESTORED) and known.move != POSTED:
        return odoo, refused("invoice_not_posted")
    return odoo, Done(known.balance)


def _register(odoo: Odoo, number: int, payment: PaymentReceived) -> tuple[Odoo, Result]:
    known = odoo.invoices[number]
    if payment.reference not in known.payments:
        if known.move != POSTED:
            return odoo, refused("odoo_refused")
        # What is more than was open goes on the customer's account.
        rest = max(known.residual - payment.amount, Money.zero(payment.amount.currency))
        known = known.now(payments=(*known.payments, payment.reference), residual=rest)
        known = known.without_draft(f"payment:{payment.reference}")
    return odoo.with_invoice(known), Done(known.balance)


def _reverse(odoo: Odoo, number: int, item: PaymentReversal) -> tuple[Odoo, Result]:
    known = odoo.invoices[number]
    if item.payment not in known.payments:
        return odoo, refused("payment_missing")
    if item.key not in known.reversals:
        open_now = min(known.residual + item.reversal.amount, known.total)
        known = known.now(reversals=(*known.reversals, item.key), residual=open_now)
    return odoo.with_invoice(known), Done(known.balance)


def _link(odoo: Odoo, number: int, asked: None) -> tuple[Odoo, Result]:
    return odoo, Done(PaymentLink(url="https://pay.example/1", words="Pay online"))


def _take_back(odoo: Odoo, number: int, key: str) -> tuple[Odoo, Result]:
    return odoo.with_invoice(odoo.invoices[number].without_draft(key)), Done()


def _reconcile(odoo: Odoo, number: int, credited_number: int) -> tuple[Odoo, Result]:
    note, invoice = odoo.invoices[number], odoo.invoices[credited_number]
    if POSTED not in (note.move, invoice.move) or note.move != invoice.move:
        return odoo, refused("document_not_posted")
    applied = min(note.residual, invoice.residual)
    if applied.is_positive:
        note = note.now(residual=note.residual - applied)
        invoice = invoice.now(residual=invoice.residual - applied)
        odoo = odoo.with_invoice(note).with_invoice(invoice)
    return odoo, Done(Reconciled(invoice=invoice.balance, credit_note=note.balance))


def _remind(odoo: Odoo, number: int, subject: str) -> tuple[Odoo, Result]:
    known = odoo.invoices[number]
    if subject not in known.reminders:
        known = known.replace(reminders=(*known.reminders, subject))
    return odoo.with_invoice(known), Done()


def _write_off(odoo: Odoo, number: int, asked: Any) -> tuple[Odoo, Result]:
    known, (amount, count) = odoo.invoices[number], asked
    if known.write_offs < count:
        if known.move != POSTED or amount > known.residual:
            return odoo, refused("write_off_too_large")
        rest = known.residual - amount
        known = known.now(write_offs=count, residual=rest, written_off=amount)
        known = known.without_draft(f"write_off:{count}")
    return odoo.with_invoice(known), Done(known.balance)


def _nothing(odoo: Odoo, number: int, asked: Any) -> tuple[Odoo, Result]:
    return odoo, Done()


_ACTS: Mapping[str, Callable[[Odoo, int, Any], tuple[Odoo, Result]]] = {
    acts.CREATE: _create,
    acts.POST: _post,
    acts.DISCARD: _discard,
    acts.NOTIFY: _nothing,
    acts.DELIVER: _deliver,
    acts.BALANCE: _read,
    acts.REGISTER_PAYMENT: _register,
    acts.REVERSE_PAYMENT: _reverse,
    acts.PAYMENT_LINK: _link,
    acts.TAKE_BACK: _take_back,
    acts.RECONCILE: _reconcile,
    acts.REMIND: _remind,
    acts.TODO: _nothing,
    acts.WRITE_OFF: _write_off,
}
