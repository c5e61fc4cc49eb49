"""What an invoice tells its contract, and the invoice that it credits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.agenda.actions import Action, Failed, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.invoice import acts, collecting
from contracts.invoice.messages import ContractRenewed
from contracts.invoice.state import PENDING, InvoiceReport, InvoiceStage, InvoiceState

_CONTRACT_LANE = "contract"
_POSTED = frozenset(
    {
        InvoiceStage.POSTED_NOT_DELIVERED,
        InvoiceStage.OPEN,
        InvoiceStage.PARTIALLY_PAID,
        InvoiceStage.IN_PAYMENT,
    }
)
"""To the contract these are one: what tells them apart is the money."""
_ON_THE_WAY = PENDING | {InvoiceStage.APPROVED}
"""Stages before it is posted: who has to act then is asked by the invoice itself."""


def to_tell(state: InvoiceState) -> list[Wanted]:
    """What the contract is to hear: a credit that is asked for, or how the invoice stands."""
    if state.credit_requests:
        return [Action(acts.ASK_CREDIT, key=acts.ASK_CREDIT, lane=_CONTRACT_LANE)]
    # A report is on its way: once it has arrived, the state is compared with it again.
    if acts.TELL_CONTRACT in state.running or has_news(state):
        return [Action(acts.TELL_CONTRACT, key=acts.TELL_CONTRACT, lane=_CONTRACT_LANE)]
    return []


def has_news(state: InvoiceState) -> bool:
    """Whether the contract does not know yet what it needs to know."""
    now = report(state)
    # The contract sees it end, with this as the result; a later run is told, once nothing is left
    # to see to: it may close then.
    is_open = state.payment_questions or state.given_up
    if now.stage is InvoiceStage.SETTLED and (not state.tells_its_end or is_open):
        return False
    return is_news(now, state.reported)


def report(state: InvoiceState) -> InvoiceReport:
    """What the contract needs to know of the invoice now."""
    balance = collecting.posted(state)
    stage = state.stage
    # What is tried again at the moment is not over yet, and each report costs a Signal.
    exceptions = (*state.exceptions, *state.retried)
    if stage is InvoiceStage.POSTED_NOT_DELIVERED and not exceptions:
        # Under way: only a delivery that is parked has a stage of its own.
        stage = InvoiceStage.OPEN
    if stage is InvoiceStage.REJECTED and not state.draft_is_gone:
        # The contract bills again what is rejected: not while somebody might post this draft.
        stage = InvoiceStage.AWAITING_APPROVAL
    overdue = stage is InvoiceStage.OVERDUE
    level = state.dunning.level
    # Of fields that were checked when they came in; it is asked for at every event.
    return InvoiceReport.model_construct(
        number=state.proposal.number,
        kind=state.proposal.kind,
        credited_number=state.proposal.credited_number,
        stage=stage,
        amount=state.proposal.amount,
        content_hash=state.draft.approval_hash if state.draft else "",
        odoo_totals=state.odoo_totals,
        invoice_id=state.invoice_id,
        odoo_number=balance.number if balance else "",
        due_on=collecting.due_on(state) if balance else None,
        untaxed=balance.untaxed if balance else None,
        total=balance.total if balance else None,
        residual=balance.residual if balance else None,
        credited=balance.credited if balance else None,
        credited_untaxed=balance.credited_untaxed if balance else None,
        written_off=balance.written_off if balance else None,
        disputed=collecting.disputed(state, balance) if balance else None,
        promised_on=state.promise.on if state.promise else None,
        dunning_level=level,
        suspends=overdue and state.policy is not None and state.policy.dunning.suspends(level),
        overdue=overdue,
        because=state.rejected_because if stage is InvoiceStage.REJECTED else "",
        approved=_approved(state),
        exceptions=exceptions,
    )


def _approved(state: InvoiceState) -> tuple[str, ...]:
    """Who approved what of this invoice, for the record."""
    signed = state.approval_round is not None and state.approval_round.is_met
    invoice = (
        [f"{state.proposal.amount}: {state.approval_round.given}"]
        if signed and state.approval_round
        else []
    )
    return (*invoice, *state.write_offs_approved)


def is_news(now: InvoiceReport, told: InvoiceReport | None) -> bool:
    """Whether the contract needs this report after the last one: each costs a Signal and a wake-up.

    Money, a stage that asks something of somebody or settles something, agreements, suspension,
    and what is parked. Not news: an approval on the way to posting, the reminders' count, the
    tries of a parked step.
    """
    if told is None:
        # That it is proposed and needs approval, the contract knows: it has proposed it.
        return now.stage not in _ON_THE_WAY or bool(now.exceptions)
    if now.stage in _ON_THE_WAY and not now.exceptions and not told.exceptions:
        return False
    return _gist(now) != _gist(told)


def _gist(item: InvoiceReport) -> tuple[object, ...]:
    stage = InvoiceStage.OPEN if item.stage in _POSTED else item.stage
    rest = item.replace(stage=stage, dunning_level=0, exceptions=(), approved=())
    return rest, [(parked.step, parked.code) for parked in item.exceptions]


# --- what came of it ------------------------------------------------------------------------------


def _contract_renewed(state: InvoiceState, _: ContractRenewed) -> InvoiceState:
    return state.replace(tells_its_end=True)


def _told_contract(state: InvoiceState, action: Action, report: InvoiceReport) -> InvoiceState:
    return state.replace(reported=report)


def _asked_credit(state: InvoiceState, *_: Any) -> InvoiceState:
    return state.replace(credit_requests=state.credit_requests[1:])


def _told_invoice(state: InvoiceState, *_: Any) -> InvoiceState:
    return state.replace(credit_to_tell=None)


def _untold(failure: Failed) -> str:
    return f"The contract could not be told: {failure.message}"


def _not_told(state: InvoiceState, action: Action, failure: Failed) -> InvoiceState:
    """A contract that has ended misses nothing."""
    return state.replace(reported=report(state)).noted(_untold(failure))


def _not_asked(state: InvoiceState, action: Action, failure: Failed) -> InvoiceState:
    return _asked_credit(state).noted(_untold(failure))


def _invoice_not_told(state: InvoiceState, action: Action, failure: Failed) -> InvoiceState:
    """It has ended: settled before it was credited. The contract knows of both."""
    text = f"Invoice {action.subject} is not followed any more"
    return _told_invoice(state).noted(text)


ACTS: Mapping[str, ActRule[InvoiceState]] = {
    acts.TELL_CONTRACT: ActRule(done=_told_contract, failed=_not_told),
    acts.ASK_CREDIT: ActRule(done=_asked_credit, failed=_not_asked),
    acts.TELL_INVOICE: ActRule(done=_told_invoice, failed=_invoice_not_told),
}
MESSAGES: Mapping[type, MessageRule[InvoiceState]] = {
    ContractRenewed: MessageRule(_contract_renewed)
}
