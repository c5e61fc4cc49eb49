"""How a contract ends: it is closed once everything is billed and settled, or cancelled and taken
back before anything is billed. Each is an act that nothing else runs beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from contracts import metrics, parking
from contracts.agenda.actions import Action, Failed, Metric, Question
from contracts.agenda.machine import ActRule, MessageRule
from contracts.billing import account, keys
from contracts.billing.periods import life
from contracts.contract import (
    amendments,
    endings,
    proposing,
    provisioning,
    reading,
    recording,
    signing,
)
from contracts.contract.messages import CancelRequest
from contracts.contract.state import DAY, ENDED, ContractStage, ContractState, Ending, has_ended
from contracts.invoice.state import UNBILLED, InvoiceStage
from contracts.parking import Resolution, StepException

CLOSE_OUT, CANCEL_ORDER, ARCHIVE_PROJECT = "close_out", "cancel_order", "archive_project"
AFTER_CLOSE = parking.AFTER_CLOSE.name
PARTS = (parking.CLOSE_OUT, parking.CLOSING_RECORD, parking.ARCHIVE_PROJECT)
"""What the close-out does in one act: each part parks under its own name."""
PART_NAMES = tuple(step.name for step in PARTS)
_MOST_LATE_NEWS = 20


def wanted(state: ContractState) -> Iterator[Action]:
    """The close-out, once nothing is left to do but that."""
    if may_close(state) and parts_left(state):
        yield Action(CLOSE_OUT, CLOSE_OUT, exclusive=True, irreversible=True)


# --- the close-out --------------------------------------------------------------------------------


def is_billed_out(state: ContractState) -> bool:
    """Whether nothing is left to bill: it only has to be collected. A credit, a change or late
    hours bring the contract back."""
    return (
        not state.starting
        and state.change is None
        and not state.credits_asked
        and (state.termination is None or state.terminated)
        and not amendments.is_behind(state)
        and not any(progress.under_review for progress in state.milestones.values())
        and account.is_over(state.account, state.billing_day)
        and _plans_are_over(state)
    )


def may_close(state: ContractState) -> bool:
    """Whether everything is billed, every invoice has ended, nothing was approved late, and what
    was signed is attached."""
    return (
        is_billed_out(state)
        and all(has_ended(report) for report in state.invoices.values())
        and not reading.readings(state)
        and not any(signing.attaching(state))
    )


def day_after_plans(state: ContractState) -> date | None:
    """The day after the last of the plans. Until then the term may be renewed or ended early, and
    credits may be owed, even if everything is billed in advance."""
    contract = state.terms
    ends = (life(contract, plan)[1] for plan in contract.plans)
    last = max((day for day in ends if day is not None), default=None)
    return last + DAY if last is not None else None


def _plans_are_over(state: ContractState) -> bool:
    day = day_after_plans(state)
    return day is None or state.has_come(day)


def parts_left(state: ContractState) -> tuple[str, ...]:
    """The parts of the close-out that are neither done nor given up."""
    return tuple(name for name in PART_NAMES if name not in state.close_out_done)


def ending_of(state: ContractState) -> Ending:
    """How the contract ends when it closes."""
    if state.terminated:
        return Ending.TERMINATED
    contract = state.terms
    has_term = bool(contract.plans) and contract.ends_on is not None
    return Ending.EXPIRED if has_term else Ending.COMPLETED


def stage(state: ContractState) -> ContractState:
    """Billed to the end, it only has to be collected; a credit or a change brings it back."""
    stage = ContractStage.CLOSING if is_billed_out(state) else ContractStage.ACTIVE
    if stage is state.stage:
        return state
    state = state.enter(stage)
    return _forfeits_noted(state) if stage is ContractStage.CLOSING else state


def _forfeits_noted(state: ContractState) -> ContractState:
    """Retainage that nobody will get, by the terms of an early end."""
    for item in account.unbilled(state.account, state.billing_day):
        if item.what == keys.RETAINAGE:
            state = state.noted(f"Retainage of {item.amount} is forfeited")
    return state


def close_out_starts_over(state: ContractState) -> ContractState:
    """What was checked before the contract was brought back is checked again: also where that was
    done the moment before, and a message that had waited for it brings work."""
    if state.close_out_done and not may_close(state):
        return state.replace(close_out_done=())
    return state


def closed(state: ContractState) -> ContractState:
    if not state.close_out_done or parts_left(state):
        return state
    return _ended(state, ContractStage.CLOSED, ending_of(state))


def _ended(state: ContractState, stage: ContractStage, ending: Ending) -> ContractState:
    state = state.replace(ending=ending, closed_at=state.clock).enter(stage)
    # `parked`: whether a step of it, or of its invoices, ever waited for a person to correct it.
    labels = {
        "legal_entity": state.legal_entity,
        "ending": str(ending),
        "parked": "yes" if state.has_parked else "no",
    }
    return state.measured(Metric(metrics.ENDED, 1, labels))


def _closed_out(state: ContractState, action: Action, value: Any) -> ContractState:
    return state.replace(close_out_done=endings.PART_NAMES)


def _closed_in_part(state: ContractState, action: Action, failure: Failed) -> ContractState:
    """Which parts are left, the activity says."""
    if failure.facts is None:
        return state
    left = failure.facts["steps"]
    finished = tuple(name for name in endings.PART_NAMES if name not in left)
    return state.replace(close_out_done=tuple(dict.fromkeys((*state.close_out_done, *finished))))


def _part_left(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """A part of the close-out, or of the compensation, is given up."""
    return state.replace(close_out_done=(*state.close_out_done, parked.step))


# --- what comes once it is closed ----------------------------------------------------------------


def with_late_news(state: ContractState, words: str) -> ContractState:
    """A message came that nothing follows from any more; the journal has all of them."""
    return state.replace(came_after_close=(*state.came_after_close, words)[:_MOST_LATE_NEWS])


def late_news(state: ContractState) -> Iterator[Question]:
    news = state.came_after_close
    if news:
        detail = Failed(
            kind="business",
            code="came_after_close",
            message=f"{', '.join(news)}: this came once the contract was closed, and nothing "
            "follows from it. Bill or credit by hand what is owed for it, and skip",
        )
        yield Question(AFTER_CLOSE, AFTER_CLOSE, detail, basis=str(len(news)))


def _late_news_settled(state: ContractState, *_: Any) -> ContractState:
    return state.replace(came_after_close=())


# --- cancellation ---------------------------------------------------------------------------------


def cancel_refusal(state: ContractState, _: Any = None) -> str | None:
    """A contract is cancelled only where nothing is billed, and nothing may be."""
    if state.stage in (ContractStage.CLOSING, *ENDED):
        return f"the contract is {state.stage}"
    if state.cancel is not None:
        return None
    if state.uncertain:
        names = ", ".join(state.uncertain)
        return f"nobody knows yet whether this has happened: {names}; retry it first"
    billed = [
        report
        for number, report in state.invoices.items()
        if report.stage not in UNBILLED and not is_only_entered(state, number)
    ]
    if billed:
        names = ", ".join(f"{item.number} ({item.stage})" for item in billed)
        return (
            f"something is billed or about to be: invoice {names}; reject a proposal first, "
            "or end the contract early"
        )
    return None


def is_only_entered(state: ContractState, number: int) -> bool:
    """Whether an invoice is entered as proposed and its workflow was surely never started."""
    key = proposing.start_key(number)
    return number in state.starting and key not in state.running and key not in state.uncertain


def cancel(state: ContractState, request: CancelRequest) -> ContractState:
    """Nothing begins from now on but what takes back what was provisioned. What is proposed and
    was never sent out is proposed no more."""
    if state.cancel is not None:
        return state
    for number in [n for n in state.starting if is_only_entered(state, n)]:
        state = _withdrawn(state, number)
    reason = f": {request.reason}" if request.reason else ""
    state = state.replace(cancel=request, refresh=None)
    return state.noted(f"Cancelled by {request.by}{reason}")


def _withdrawn(state: ContractState, number: int) -> ContractState:
    billing = account.rejected(state.account, number)
    because = "the contract is cancelled"
    report = state.invoices[number].replace(stage=InvoiceStage.REJECTED, because=because)
    return state.replace(billing=billing).without_start(number).with_invoice(report)


def compensation(state: ContractState) -> Iterator[Action]:
    """What was provisioned is taken back in reverse order, once it is known what that is."""
    if provisioning.PROVISION in state.uncertain:
        yield provisioning.provision()
    elif state.odoo.order_id is not None and CANCEL_ORDER not in state.close_out_done:
        yield Action(CANCEL_ORDER, CANCEL_ORDER, exclusive=True)
    elif state.odoo.project_id is not None and ARCHIVE_PROJECT not in state.close_out_done:
        yield Action(ARCHIVE_PROJECT, ARCHIVE_PROJECT, exclusive=True)


def _taken_back(state: ContractState, action: Action, value: Any) -> ContractState:
    return state.replace(close_out_done=(*state.close_out_done, action.kind))


def cancelled(state: ContractState) -> ContractState:
    """Everything is taken back."""
    under_way = any(not act.aside for act in state.running.values())
    if under_way or any(compensation(state)):
        return state
    return _ended(state, ContractStage.CANCELLED, Ending.CANCELLED)


ACTS: Mapping[str, ActRule[ContractState]] = {
    CLOSE_OUT: ActRule(
        parking.CLOSE_OUT,
        _closed_out,
        _closed_in_part,
        skipped=_part_left,
        parts=PARTS,
        left=recording.order,
    ),
    CANCEL_ORDER: ActRule(
        parking.CANCEL_ORDER, _taken_back, skipped=_part_left, left=recording.order
    ),
    ARCHIVE_PROJECT: ActRule(
        parking.ARCHIVE_PROJECT, _taken_back, skipped=_part_left, left=recording.project
    ),
    AFTER_CLOSE: ActRule(parking.AFTER_CLOSE, skipped=_late_news_settled),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    CancelRequest: MessageRule(cancel, cancel_refusal)
}
