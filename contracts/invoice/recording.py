"""What the audit record of an invoice follows: how it stands in short, and what its acts leave."""

from __future__ import annotations

from typing import Any

from contracts.agenda.actions import Action
from contracts.agenda.machine import Audited
from contracts.audit.entries import Left, sha256
from contracts.invoice.state import InvoiceState
from contracts.model import JsonObject


def _origin(state: InvoiceState) -> str:
    """The hash of what was proposed."""
    return state.proposal.content_hash


def _standing(state: InvoiceState) -> JsonObject:
    balance, approvals, dispute = state.balance, state.current_round, state.dispute
    found: JsonObject = {"stage": str(state.stage), "amount": str(state.proposal.amount)}
    if approvals is not None and approvals.given:
        found["approved by"] = approvals.given
    if state.rejected_because:
        found["rejected because"] = state.rejected_because
    if balance is not None:
        found |= {
            "number": balance.number,
            "total": str(balance.total),
            "open": str(balance.residual),
        }
    if dispute is not None:
        found["disputed"] = str(dispute.amount)
    if state.promise is not None:
        found["promised on"] = state.promise.on.isoformat()
    if state.revised_due_on is not None:
        found["due on"] = state.revised_due_on.isoformat()
    if state.hold is not None:
        found["hold on reminders"] = True
    if state.write_off is not None:
        found["write-off asked"] = str(state.write_off.amount)
    return found


AUDITED = Audited(_origin, _standing)


# --- what acts leave in Odoo ----------------------------------------------------------------------


def invoice(state: InvoiceState, action: Action, answer: Any) -> Left:
    """The invoice in Odoo, and the hash of what was approved of it."""
    draft = state.draft
    if draft is None:
        return Left()
    return Left(remote_id=f"account.move {draft.invoice_id}", content_hash=draft.approval_hash)


def balance(state: InvoiceState, action: Action, answer: Any) -> Left:
    """The invoice in Odoo, and the hash of what it says since."""
    known = state.balance
    if known is None:
        return Left()
    content = sha256(known.model_dump(mode="json"))
    return Left(remote_id=f"account.move {known.invoice_id}", content_hash=content)
