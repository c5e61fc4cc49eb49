"""Holds on the whole contract: billing stands still, or nobody is reminded of its invoices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.agenda.actions import Action, Failed
from contracts.agenda.machine import ActRule, MessageRule
from contracts.contract import invoices
from contracts.contract.messages import Hold, HoldKind, HoldRequest
from contracts.contract.state import DAY, ContractState, has_ended, not_running
from contracts.invoice.state import CLEARED, UNBILLED

DUNNING_HOLD = "dunning_hold"


def _hold_refusal(state: ContractState, request: HoldRequest) -> str | None:
    refusal = not_running(state)
    if refusal:
        return refusal
    if request.hold is None and request.kind not in state.holds:
        return f"there is no {request.kind} hold to release"
    if request.hold and request.hold.until and request.hold.until < state.today:
        return f"a hold until {request.hold.until} is over already"
    return None


def _hold(state: ContractState, request: HoldRequest) -> ContractState:
    hold = request.hold
    if hold is None:
        rest = {kind: item for kind, item in state.holds.items() if kind is not request.kind}
        return state.replace(holds=rest).noted(f"{request.by} released the {request.kind} hold")
    state = state.replace(holds={**state.holds, request.kind: hold})
    return state.noted(f"{request.by} holds {request.kind}: {hold.reason}")


def holds_end(state: ContractState) -> ContractState:
    for kind, hold in state.holds.items():
        if hold.until is not None and state.has_come(hold.until + DAY):
            rest = {key: item for key, item in state.holds.items() if key is not kind}
            state = state.replace(holds=rest)
            if kind is HoldKind.DUNNING:
                # Each invoice knows its last day, and goes on by itself.
                known = {n: item for n, item in state.dunning_holds.items() if item != hold}
                state = state.replace(dunning_holds=known)
            return state.noted(f"The {kind} hold until {hold.until} is over")
    return state


# --- what invoices must know ----------------------------------------------------------------------


def wanted(state: ContractState) -> Iterator[Action]:
    """Each open invoice knows whether dunning of the whole contract is on hold."""
    hold = state.holds.get(HoldKind.DUNNING)
    if hold is None and not state.dunning_holds:
        return
    basis = hold.model_dump_json() if hold else ""
    for number, report in state.invoices.items():
        if number in state.starting or number in state.orphaned_invoices:
            continue
        if report.stage in CLEARED | UNBILLED or state.dunning_holds.get(number) == hold:
            continue
        key = f"{DUNNING_HOLD}:{number}"
        yield Action(
            DUNNING_HOLD,
            key,
            basis=basis,
            subject=str(number),
            lane=f"invoice:{number}",
        )


def _hold_sent(state: ContractState, action: Action, value: Any) -> ContractState:
    """The invoice knows what was sent. Where the hold was changed or released meanwhile, it is told
    again."""
    number = int(action.subject)
    sent = Hold.model_validate_json(action.basis) if action.basis else None
    hold = None if has_ended(state.invoices[number]) else sent
    others = {key: known for key, known in state.dunning_holds.items() if key != number}
    return state.replace(dunning_holds={**others, number: hold} if hold else others)


def _hold_not_sent(state: ContractState, action: Action, failure: Failed) -> ContractState:
    """Its workflow is gone. Why is told by its end where this run hears of that."""
    number = int(action.subject)
    if number in state.followed:
        return _hold_sent(state, action, None)
    return invoices.cleared_or_lost(state, number)


ACTS: Mapping[str, ActRule[ContractState]] = {
    DUNNING_HOLD: ActRule(done=_hold_sent, failed=_hold_not_sent)
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    HoldRequest: MessageRule(_hold, _hold_refusal, brings_work=True)
}
