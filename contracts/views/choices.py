"""What a person may decide about a parked step: what the core would accept now, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.contract import corrections
from contracts.contract import rules as contract_rules
from contracts.contract.state import ContractState
from contracts.invoice import issuing
from contracts.invoice import rules as invoice_rules
from contracts.invoice.state import InvoiceState
from contracts.parking import Action, Resolution, StepException
from contracts.problems import Problem

_SOMEBODY = "somebody"


@dataclass(frozen=True)
class Choice:
    """A decision that would be accepted. `path` is what to amend; empty where a person names it."""

    action: Action
    path: str = ""


def choices(state: ContractState | InvoiceState, exception: StepException) -> tuple[Choice, ...]:
    """What may be decided about an exception of a contract or an invoice as it is now."""
    return tuple(_choices(state, exception))


def amendable(state: ContractState | InvoiceState, exception: StepException) -> tuple[Problem, ...]:
    """What is wrong with it, field by field, as far as it may be corrected now."""
    named = exception.problems or [_whole(exception)]
    first = {problem.field: problem for problem in reversed(named)}
    found = (first[path] for path in dict.fromkeys(problem.field for problem in named))
    return tuple(problem for problem in found if problem.field and _may_amend(state, problem.field))


def _whole(item: StepException) -> Problem:
    """What is wrong with the one field that it is about."""
    return Problem(code=item.code, field=item.field, value=item.value, expected=item.message)


def _choices(state: ContractState | InvoiceState, exception: StepException) -> Iterator[Choice]:
    for action in exception.allowed:
        if action is Action.AMEND:
            if not exception.uncertain:
                yield Choice(action, _path(state, exception))
            continue
        asked = Resolution(action=action, by=_SOMEBODY, step=exception.step, reason=_SOMEBODY)
        if _refusal(state, asked) is None:
            yield Choice(action)


def _refusal(state: ContractState | InvoiceState, asked: Resolution) -> str | None:
    if isinstance(state, ContractState):
        return contract_rules.AGENDA.refusal(state, asked, state.clock)
    return invoice_rules.AGENDA.refusal(state, asked, state.clock)


def _path(state: ContractState | InvoiceState, exception: StepException) -> str:
    named = [problem.field for problem in exception.problems] or [exception.field]
    return next((path for path in named if path and _may_amend(state, path)), "")


def _may_amend(state: ContractState | InvoiceState, path: str) -> bool:
    if isinstance(state, ContractState):
        return corrections.may_amend(state, path)
    return issuing.may_amend(path)
