"""Why an invoice cannot accept a message, as a sentence that tells the sender what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.approvals import ApprovalDecision, decision_refusal
from contracts.billing.lines import InvoiceProposal
from contracts.invoice import collecting
from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentNotice,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.model import MessageDay
from contracts.money import Money
from contracts.parking import Action, Resolution
from contracts.validation import InvalidContract, Problem, amended, problems_of, show

MAX_PAYMENTS = 1_000
MAX_QUESTIONS = 20
_DAY: TypeAdapter[date] = TypeAdapter(MessageDay)


def refusal(state: InvoiceState, message: Any) -> str | None:
    """Why the message cannot be accepted now; None if it can."""
    check = _CHECKS.get(type(message))
    return check(state, message) if check is not None else None


def _decision(state: InvoiceState, decision: ApprovalDecision) -> str | None:
    if state.open_round is None:
        if state.stage is InvoiceStage.PROPOSED:
            return "the proposal is still being prepared; try again in a moment"
        return f"nothing is to be decided: the invoice is {state.stage}"
    return decision_refusal([state.open_round], decision, state.clock)


def _payment(state: InvoiceState, payment: PaymentReceived) -> str | None:
    known = state.known_payments.get(payment.reference)
    if known is not None:
        return _other_amount(payment, known)
    balance = collecting.posted(state)
    if balance is None:
        return f"the invoice is {state.stage}: there is nothing to pay yet"
    return collecting.unbookable(balance, payment, state.today) or _notice(state, payment)


def _other_amount(payment: PaymentReceived, known: Money) -> str | None:
    if payment.amount == known:
        return None
    return (
        f"payment {payment.reference} is known with {known}, not {payment.amount}; "
        "another payment needs a reference of its own"
    )


def _notice(state: InvoiceState, payment: PaymentReceived) -> str | None:
    """A system's money is kept whatever the invoice is: what cannot be booked waits for a person,
    and what comes too early for the invoice. Only what is too much is refused."""
    is_known = payment.reference in state.known_payments
    if len(state.known_payments) >= MAX_PAYMENTS and not is_known:
        return f"at most {MAX_PAYMENTS} payments are taken for one invoice"
    if len(state.payment_questions) >= MAX_QUESTIONS:
        return f"{MAX_QUESTIONS} payments of this invoice wait for a person already"
    return None


def _dispute(state: InvoiceState, opened: DisputeOpened) -> str | None:
    return collecting.dispute_refusal(state, opened, state.today)


def _dispute_resolved(state: InvoiceState, resolved: DisputeResolved) -> str | None:
    return collecting.resolution_refusal(state, resolved, state.today)


def _promise(state: InvoiceState, promised: PaymentPromised) -> str | None:
    return collecting.promise_refusal(state, promised, state.today)


def _hold(state: InvoiceState, change: HoldChange) -> str | None:
    return collecting.hold_refusal(state, change, state.today)


def _write_off(state: InvoiceState, _: WriteOffAsked) -> str | None:
    return collecting.write_off_refusal(state)


# --- corrections of a proposal ------------------------------------------------------------------


def _resolution(state: InvoiceState, resolution: Resolution) -> str | None:
    if resolution.action is not Action.AMEND:
        return None
    try:
        amended_proposal(state, resolution)
    except InvalidContract as invalid:
        return str(invalid)
    return None


def amended_proposal(
    state: InvoiceState, resolution: Resolution
) -> tuple[InvoiceProposal, date | None]:
    """The proposal and the invoice's date as corrected. Amounts cannot be amended here: they follow
    from the contract. Raises InvalidContract with every problem."""
    changes = dict(resolution.changes)
    stated = changes.pop("invoice_on", None)
    barred = [path for path in changes if not may_amend(path)]
    if barred:
        raise InvalidContract(
            [_problem("not_amendable", path, show(changes[path])) for path in barred]
        )
    try:
        invoice_on = _DAY.validate_python(stated) if stated else state.invoice_on
    except ValidationError:
        raise InvalidContract([_problem("date_malformed", "invoice_on", show(stated))]) from None
    corrected = amended(state.proposal.model_dump(mode="json"), changes)
    try:
        return InvoiceProposal.model_validate(corrected), invoice_on
    except ValidationError as error:
        raise InvalidContract(problems_of(error)) from error


def may_amend(path: str) -> bool:
    """What finance may correct on a proposal; amounts follow from the contract."""
    head, *rest = path.split(".")
    return (head in ("payment_term", "purchase_order", "billing_email") and not rest) or (
        head == "lines" and rest[1:] == ["description"]
    )


def _problem(code: str, field: str, value: str) -> Problem:
    expected = {
        "not_amendable": "invoice_on, payment_term, purchase_order, billing_email or "
        "lines.N.description; amounts follow from the contract",
        "date_malformed": "a date such as 2026-03-31",
    }[code]
    return Problem(code=code, field=field, value=value, expected=expected)


_CHECKS: Mapping[type[Any], Callable[[InvoiceState, Any], str | None]] = {
    ApprovalDecision: _decision,
    PaymentReceived: _payment,
    PaymentNotice: _notice,
    DisputeOpened: _dispute,
    DisputeResolved: _dispute_resolved,
    PaymentPromised: _promise,
    HoldChange: _hold,
    WriteOffAsked: _write_off,
    Resolution: _resolution,
}
