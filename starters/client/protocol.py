"""How messages are sent by name, and those of approvals: they need no state of a contract.

The whole list of messages is in `messages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from contracts.approvals import ApprovalDecision, ApprovalRound
from contracts.problems import InvalidContract, problems_of

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True)
class Update(Generic[M, T]):
    """An Update of a workflow: its name, the message sent with it, and what it answers."""

    name: str
    message: type[M]
    result: type[T]


@dataclass(frozen=True)
class Query(Generic[T]):
    """A Query of a workflow, and what it answers."""

    name: str
    result: type[T]


DECIDE_APPROVAL = Update("decide_approval", ApprovalDecision, ApprovalRound)
OPEN_APPROVALS = Query("open_approvals", list[ApprovalRound])


def built(model: type[M], **fields: object) -> M:
    """A message of these fields; None is left out. Raises InvalidContract with every problem."""
    try:
        return model.model_validate(
            {name: value for name, value in fields.items() if value is not None}
        )
    except ValidationError as error:
        raise InvalidContract(problems_of(error)) from error
