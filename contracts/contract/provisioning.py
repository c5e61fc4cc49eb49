"""What is to be done before anything is billed: read, validate, provision."""

from __future__ import annotations

from collections.abc import Iterator

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.contract import derived
from contracts.contract.state import ContractStage, ContractState
from contracts.problems import Problem
from contracts.validation import payload_problems

READ_DEAL, VALIDATE, PROVISION = "read_deal", "validate", "provision"
PARTS = (parking.CUSTOMER, parking.ORDER, parking.CONFIRM)
"""What provisioning does in one act: each part parks under its own name."""


def wanted(state: ContractState) -> Iterator[Wanted]:
    """The one thing that comes next on the way to a confirmed order."""
    if state.stage is ContractStage.RECEIVED:
        if not state.contract_data:
            yield Action(READ_DEAL, READ_DEAL)
    elif must_validate(state):
        problems = _payload_problems(state.contract_data)
        if problems:
            # It would not even fit into the activity that says more.
            yield Question(VALIDATE, VALIDATE, invalid(problems))
        else:
            yield Action(VALIDATE, VALIDATE)
    elif state.stage is ContractStage.PROVISIONING:
        yield provision()


def provision() -> Action:
    """A lost answer leaves open what there is in Odoo: that is found out before it is undone."""
    return Action(PROVISION, PROVISION, irreversible=True)


_payload_problems = derived.remembered(payload_problems)


def must_validate(state: ContractState) -> bool:
    """Whether the contract is not validated, or was corrected since."""
    return state.contract is None or state.amended


def invalid(problems: list[Problem]) -> Failed:
    """What parks a contract that cannot be accepted as it is."""
    first, count = problems[0], len(problems)
    return Failed(
        kind="business",
        code=first.code if count == 1 else "contract_invalid",
        message=f"{count} problem(s); the first: {first}",
        field=first.field,
        value=first.value,
        problems=tuple(problems),
    )
