"""How long a contract runs: its early end, notice, and renewal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from contracts import changes
from contracts.agenda.machine import ActRule, MessageRule
from contracts.billing import account
from contracts.contract import amendments
from contracts.contract.messages import NoticeGiven, Side, TerminationRequest, TerminationWithdrawn
from contracts.contract.state import DAY, ContractStage, ContractState, Ending, not_running
from contracts.model import Contract


def _active(state: ContractState) -> str | None:
    """Why the end of a contract cannot be agreed any more; None if it can."""
    refusal = not_running(state)
    if refusal is None and state.stage is not ContractStage.ACTIVE:
        return f"the contract is {state.stage}"
    return refusal


# --- an early end ---------------------------------------------------------------------------------


def _termination_refusal(state: ContractState, request: TerminationRequest) -> str | None:
    refusal = _active(state)
    if refusal:
        return refusal
    if state.termination is not None:
        return f"the contract already ends on {state.termination.on}"
    if state.change is not None:
        return f"change order {state.change.order.number} awaits its approval first"
    contract = state.terms
    if contract.ends_on is not None and request.on >= contract.ends_on:
        return f"the contract ends on {contract.ends_on} anyway; give notice instead"
    earliest = _earliest_end(state.today, contract, agreed=request.agreed)
    if request.on < earliest:
        return f"the earliest last day is {earliest}, by the notice the terms ask for"
    return None


def _earliest_end(today: date, contract: Contract, *, agreed: bool) -> date:
    return today if agreed else today + timedelta(days=contract.termination.notice_days)


def _termination(state: ContractState, request: TerminationRequest) -> ContractState:
    state = state.replace(termination=request)
    return state.noted(
        f"Ended early by the {request.side}, last day {request.on}: {request.reason}"
    )


def _withdrawal_refusal(state: ContractState, _: TerminationWithdrawn) -> str | None:
    if state.termination is None:
        return "the contract is not being ended early"
    if state.terminated:
        return f"the contract ended on {state.termination.on}"
    return not_running(state)


def _withdrawal(state: ContractState, withdrawn: TerminationWithdrawn) -> ContractState:
    reason = f": {withdrawn.reason}" if withdrawn.reason else ""
    state = state.replace(termination=None)
    return state.noted(f"The early end is withdrawn by {withdrawn.by}{reason}")


def ends_today(state: ContractState) -> bool:
    """Whether the last day of an early end is over. The order must follow first."""
    request = state.termination
    return (
        request is not None
        and not state.terminated
        and not amendments.is_behind(state)
        and state.has_come(request.on + DAY)
    )


def ends_early(state: ContractState) -> ContractState:
    """The last day is over: what was not reached is dropped, and the plans end."""
    request = state.termination
    if request is None or not ends_today(state):
        return state
    state = state.replace(terminated=True, ending=Ending.TERMINATED)
    state = _without_unreached(state, request)
    fee = request.side is Side.CUSTOMER
    if fee and state.terms.termination.fee is not None:
        # It is owed by their word.
        state = state.with_requesters(request.by)
    return state.replace(billing=account.end_early(state.account, request.on, fee=fee))


def drops_unreached(state: ContractState) -> ContractState:
    """A milestone that is taken back after the early end comes no more."""
    request = state.termination
    if request is None or not state.terminated or amendments.is_behind(state):
        return state
    return _without_unreached(state, request) if any(_unreached(state)) else state


def _without_unreached(state: ContractState, request: TerminationRequest) -> ContractState:
    contract = changes.ended_early(state.terms, request.on, [*_unreached(state)])
    reason = f"ended early: {request.reason}"
    return amendments.adopted(state, contract, request.by, reason)


def _unreached(state: ContractState) -> Iterator[str]:
    for key, progress in state.milestones.items():
        if progress.reached_on is None and not progress.under_review:
            yield key


# --- notice and renewal ---------------------------------------------------------------------------


def _notice_refusal(state: ContractState, notice: NoticeGiven) -> str | None:
    refusal = _active(state)
    if refusal:
        return refusal
    contract, day = state.terms, renewal_day(state.terms)
    if day is None or not contract.term.auto_renew:
        return "the contract is not renewed by itself, so it needs no notice"
    if state.notice is not None:
        return f"notice was given by {state.notice.by} already"
    if (notice.on or state.today) >= day:
        return f"notice for {contract.ends_on} had to be given by {day - DAY}"
    return None


def _notice(state: ContractState, notice: NoticeGiven) -> ContractState:
    on = notice.on or state.today
    state = state.replace(notice=notice.model_copy(update={"on": on}))
    return state.noted(f"Notice given by the {notice.side} ({notice.by}) on {on}")


def renewal_day(contract: Contract) -> date | None:
    """The day after the last on which notice can be given: without it the term is renewed."""
    if contract.ends_on is None or not contract.plans:
        return None
    return contract.ends_on - timedelta(days=contract.term.notice_days) + DAY


def _renews_today(state: ContractState) -> bool:
    """Whether the term is renewed: nobody gave notice in time, and nothing else is pending."""
    contract = state.terms
    if not contract.term.auto_renew or state.notice is not None:
        return False
    if state.termination is not None or state.change is not None:
        return False
    day = renewal_day(contract)
    return day is not None and state.has_come(day)


def renews(state: ContractState) -> ContractState:
    """The term is over, and the next one begins."""
    if not _renews_today(state):
        return state
    contract = changes.renewed(state.terms)
    reason = f"renewed until {contract.ends_on}"
    return amendments.adopted(state, contract, "term", reason)


def days(state: ContractState) -> Iterator[date]:
    """When the calendar ends the contract early, or renews it."""
    contract = state.terms
    if state.termination is not None and not state.terminated:
        yield state.termination.on + DAY
    elif contract.term.auto_renew and state.notice is None and not state.terminated:
        day = renewal_day(contract)
        if day is not None:
            yield day


ACTS: Mapping[str, ActRule[ContractState]] = {}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    TerminationRequest: MessageRule(_termination, _termination_refusal),
    TerminationWithdrawn: MessageRule(_withdrawal, _withdrawal_refusal),
    NoticeGiven: MessageRule(_notice, _notice_refusal),
}
