"""What a person may decide about a parked step: what the core would accept now, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts import parking
from contracts.contract import refusals as contract_refusals
from contracts.contract.state import ContractState
from contracts.invoice import refusals as invoice_refusals
from contracts.invoice.state import InvoiceState
from contracts.parking import Action, Resolution, StepException

_SOMEBODY = "somebody"


@dataclass(frozen=True)
class Choice:
    """A decision that would be accepted. `path` is what to amend; empty where a person names it."""

    action: Action
    path: str = ""


def choices(state: ContractState | InvoiceState, exception: StepException) -> tuple[Choice, ...]:
    """What may be decided about the exception of a contract or an invoice as it is now."""
    if isinstance(state, ContractState):
        contract = state
        return _choices(
            exception,
            lambda resolution: contract_refusals.refusal(contract, resolution),
            lambda path: contract_refusals.may_amend(contract, path),
        )
    invoice = state
    return _choices(
        exception,
        lambda resolution: invoice_refusals.refusal(invoice, resolution),
        invoice_refusals.may_amend,
    )


def _choices(
    exception: StepException,
    refusal: Callable[[Resolution], str | None],
    may_amend: Callable[[str], bool],
) -> tuple[Choice, ...]:
    found = []
    for action in exception.allowed:
        if exception.uncertain and action is not Action.RETRY:
            continue
        if action is Action.AMEND:
            found.append(Choice(action, _path(exception, may_amend)))
            continue
        asked = Resolution(action=action, by=_SOMEBODY, step=exception.step, reason=_SOMEBODY)
        if (parking.refusal([exception], asked) or refusal(asked)) is None:
            found.append(Choice(action))
    return tuple(found)


def _path(exception: StepException, may_amend: Callable[[str], bool]) -> str:
    named = [problem.field for problem in exception.problems] or [exception.field]
    return next((path for path in named if path and may_amend(path)), "")
