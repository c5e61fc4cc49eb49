"""The project is handed over to delivery, follows what the contract says of it, and is watched.

Only contracts with a hand-over have any of this; it never keeps anything from being billed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contracts import metrics, parking
from contracts.agenda.actions import Action
from contracts.agenda.machine import ActRule, MessageRule
from contracts.contract import amendments, recording
from contracts.contract.answers import BurnRead, HandedOver
from contracts.contract.messages import BurnRequest
from contracts.contract.state import ContractState, not_running, percent_billed
from contracts.handover import HandoverPlan, burn_rows, in_words
from contracts.parking import Resolution, StepException

HAND_OVER, READ_BURN = "hand_over", "burn"


def wanted(state: ContractState) -> Iterator[Action]:
    """The plan of the version that the project follows, and its burn for whoever asked."""
    if _is_news(state):
        version = str(state.terms.version)
        yield Action(HAND_OVER, HAND_OVER, basis=version, lane="project")
    if state.burn_asked is not None:
        yield Action(READ_BURN, READ_BURN, basis=state.burn_asked.by)


def _is_news(state: ContractState) -> bool:
    """Whether the project has got another version's plan, or none; once its tasks are there."""
    done = state.handed_over
    if amendments.is_behind(state) or (done is None and state.terms.handover is None):
        return False
    return done is None or done.version != state.terms.version


def _facts(state: ContractState, action: Action, handed: HandedOver) -> ContractState:
    odoo = state.odoo.replace(
        task_ids={**state.odoo.task_ids, **handed.task_ids},
        template_tasks={**state.odoo.template_tasks, **handed.template_tasks},
    )
    state = state.replace(odoo=odoo, handed_over=handed.plan)
    for text in handed.kept:
        state = state.noted(f"Kept in the project, as people have edited it: {text}")
    return _staffed(state, handed.staffed)


def _staffed(state: ContractState, is_staffed: bool) -> ContractState:
    """The first time that the project has its people is measured."""
    if not is_staffed or state.staffed_on is not None:
        return state
    waited = state.today - state.terms.signed_on
    figure = metrics.days(metrics.STAFFED, waited, legal_entity=state.legal_entity)
    return state.replace(staffed_on=state.today).measured(figure)


def _left_as_it_is(state: ContractState, _: StepException, __: Resolution) -> ContractState:
    """Skipped, the project stays as it is; the next version is handed over again."""
    plan = state.handed_over or HandoverPlan()
    return state.replace(handed_over=plan.replace(version=state.terms.version))


# --- burn -----------------------------------------------------------------------------------------


def _burn_refusal(state: ContractState, request: BurnRequest) -> str | None:
    refused = not_running(state)
    if refused is None and state.terms.handover is None:
        return "the contract has no hand-over, and so no budget"
    if refused is None and state.burn_asked is not None and READ_BURN not in state.running:
        return "the burn is being read already"
    return refused


def _burn_asked(state: ContractState, request: BurnRequest) -> ContractState:
    """What is being read may have been read before what is asked about came about."""
    is_late = READ_BURN in state.running
    return state.replace(burn_asked=request, burn_again=is_late)


def _burn_read(state: ContractState, action: Action, found: BurnRead) -> ContractState:
    asked = state.burn_asked if state.burn_again else None
    state = state.replace(burn=found.burn, burn_asked=asked, burn_again=False)
    return _staffed(state, found.staffed)


def burn_in_words(state: ContractState) -> str:
    """What of the whole budget is used, and how much of the value is billed; "" where nothing is
    known."""
    if state.burn is None:
        return ""
    whole = burn_rows(state.terms, state.burn)[-1]
    billed = percent_billed(state)
    return in_words(whole) + (f", {billed} % billed" if billed is not None else "")


ACTS: Mapping[str, ActRule[ContractState]] = {
    HAND_OVER: ActRule(parking.HAND_OVER, _facts, skipped=_left_as_it_is, left=recording.project),
    READ_BURN: ActRule(
        parking.READ_BURN,
        decided=_burn_read,
        skipped=lambda state, *_: state.replace(burn_asked=None, burn_again=False),
    ),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    BurnRequest: MessageRule(_burn_asked, _burn_refusal, brings_work=True, is_recorded=False)
}
