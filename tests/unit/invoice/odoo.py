"""A model of Odoo that holds what is true there, for the stories of one invoice.

It does what the activities do: it looks before it acts, so that a repeat finds what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from contracts.agenda.actions import Action, Done, Failed, Result
from contracts.invoice import acts, issuing, reminding, reporting, reversals
from contracts.invoice.answers import Draft, Reconciled
from contracts.invoice.content import InvoiceContent
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.state import InvoiceState
from contracts.money import Money
from contracts.policy import EntityPolicy
from contracts.processors import PaymentLink
from tests.unit.examples import NOON, approval_policy, balance, content, euros, policy

TOTAL, MORE = euros("3630.00"), euros("10890.00")
"""What is proposed, and what people make of it by hand in Odoo; both with tax."""
ZERO = euros("0.00")
INVOICE_ID = 7

one_approval = approval_policy.model_copy(
    update={
        "tiers": (approval_policy.tiers[0].model_copy(update={"up_to": None}),),
    }
)
rules: EntityPolicy = policy.model_copy(
    update={"approval": one_approval, "write_off_account": "658000"}
)


@dataclass(frozen=True)
class Odoo:
    """What is true: the invoice's state and content there, and everything that was sent or booked.

    `changed` counts the changes of the invoice, and stands for the time of the last one.
    """

    move: str = ""
    content: str = ""
    note: str = ""
    """What people wrote on it by hand, and no draft of ours overwrites."""
    posts: int = 0
    sent: int = 0
    reminders: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    reversals: tuple[str, ...] = ()
    losses: tuple[tuple[str, Money], ...] = ()
    """What is written off, with the key of its entry."""
    drafts: tuple[str, ...] = ()
    """Of what Odoo did not post."""
    total: Money = TOTAL
    residual: Money = ZERO
    changed: int = 0

    def now(self, **changes: Any) -> Odoo:
        return replace(self, changed=self.changed + 1, **changes)

    @property
    def says(self) -> InvoiceContent:
        said = content(str(self.total.amount), reference=self.content, note=self.note)
        totals = said.totals.model_copy(update={"untaxed": self.untaxed})
        return said.model_copy(update={"totals": totals})

    @property
    def untaxed(self) -> Money:
        return Money.rounded(self.total.amount / Decimal("1.21"), "EUR")

    @property
    def balance(self) -> InvoiceBalance:
        return balance(
            str(self.residual.amount),
            as_of=NOON + timedelta(seconds=self.changed),
            posted=self.move == "posted",
            cancelled=self.move == "cancel",
            untaxed=self.untaxed,
            total=self.total,
            written_off=TOTAL if self.losses and self.residual.is_zero else None,
        )


def perform(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    """What an act does in Odoo, and what it comes to."""
    return _ACTS[action.kind](odoo, state, action)


def refused(code: str, message: str = "no") -> Failed:
    return Failed("business", code, message)


def _create(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    if odoo.move in ("", "draft"):
        odoo = odoo.now(move="draft", content=action.basis, total=TOTAL)
    if odoo.total != TOTAL:
        return odoo, refused("draft_differs_from_proposal")
    day = issuing.invoice_on(state)
    draft = Draft(invoice_id=INVOICE_ID, invoice_on=day, content=odoo.says, policy=rules)
    return odoo, Done(draft)


def _post(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    if state.draft is None or state.draft.content != odoo.says:
        return odoo, refused("invoice_differs_from_approval")
    if odoo.move == "cancel":
        return odoo, refused("invoice_cancelled")
    if odoo.move == "draft":
        odoo = odoo.now(move="posted", posts=odoo.posts + 1, residual=TOTAL)
    return odoo, Done(odoo.balance)


def _discard(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    if odoo.move == "posted":
        return odoo, refused("invoice_posted")
    return (odoo.now(move="cancel") if odoo.move == "draft" else odoo), Done()


def _deliver(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    return replace(odoo, sent=max(odoo.sent, 1)), Done()


def _read(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    if action.basis.startswith(reminding.RESTORED):
        if odoo.move != "posted":
            return odoo, refused("invoice_not_posted")
        if odoo.total != TOTAL:
            return odoo, refused("invoice_differs_from_approval")
    return odoo, Done(odoo.balance)


def _register(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    if action.subject not in odoo.payments:
        if not odoo.residual.is_positive:
            return odoo, refused("odoo_refused")
        payment = next(item for item in state.payments if item.reference == action.subject)
        rest = odoo.residual - payment.amount
        booked = (*odoo.payments, action.subject)
        odoo = odoo.now(payments=booked, residual=max(rest, ZERO))
    return odoo, Done(odoo.balance)


def _reverse(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    item = reversals.of_key(state, action.subject)
    if item.payment not in odoo.payments:
        return odoo, refused("payment_missing")
    if item.key not in odoo.reversals:
        undone = (*odoo.reversals, item.key)
        open_now = min(odoo.residual + item.reversal.amount, TOTAL)
        odoo = odoo.now(reversals=undone, residual=open_now)
    return odoo, Done(odoo.balance)


def _link(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    return odoo, Done(PaymentLink(url="https://pay.example/1", words="Pay online"))


def _take_back(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    rest = tuple(item for item in odoo.drafts if item != action.subject)
    return replace(odoo, drafts=rest), Done()


def _reconcile(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    if odoo.residual.is_positive:
        odoo = odoo.now(residual=ZERO)
    credited = balance("0", invoice_id=state.credited_invoice_id)
    return odoo, Done(Reconciled(invoice=credited, credit_note=odoo.balance))


def _remind(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    assert state.reminder is not None
    subject = state.reminder.subject
    sent = odoo.reminders if subject in odoo.reminders else (*odoo.reminders, subject)
    return replace(odoo, reminders=sent), Done()


def _write_off(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    assert state.write_off is not None
    key, amount = str(state.write_offs), state.write_off.amount
    if key not in dict(odoo.losses):
        if amount > odoo.residual:
            return odoo, refused("write_off_too_large")
        odoo = odoo.now(losses=(*odoo.losses, (key, amount)), residual=odoo.residual - amount)
    return odoo, Done(odoo.balance)


def _nothing(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    return odoo, Done()


def _report(odoo: Odoo, state: InvoiceState, action: Action) -> tuple[Odoo, Result]:
    return odoo, Done(reporting.report(state))


_ACTS: Mapping[str, Callable[[Odoo, InvoiceState, Action], tuple[Odoo, Result]]] = {
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
    acts.TELL_CONTRACT: _report,
    acts.ASK_CREDIT: _nothing,
    acts.TELL_INVOICE: _nothing,
}
