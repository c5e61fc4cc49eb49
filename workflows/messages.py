"""Signals that can neither stop a workflow nor vanish: what cannot be taken is noted for people.

Whoever sends a Signal is told only that it stands in the history. Left to the SDK, one that cannot
be decoded is a line in a worker's log, one of an unknown name waits for a handler that never comes,
and one with no payload, or with several, fails the workflow task for ever.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast, get_type_hints

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from contracts.problems import problems_of, show

F = TypeVar("F", bound=Callable[..., None])

_MAX_PROBLEMS = 3


class Inbox:
    """A workflow that takes Signals by `signal`, and notes those it cannot take."""

    def noted(self, text: str) -> None:
        """Note in the journal what was decided or refused, and publish the state."""
        raise NotImplementedError

    @workflow.signal(dynamic=True)
    def unknown_signal(self, name: str, payloads: Sequence[RawValue]) -> None:
        """There is none of that name; a slip of whoever typed it."""
        self.noted(f"Refused the Signal {show(name)}: there is none of that name")


def signal(take: F) -> F:
    """Like `workflow.signal`, for a method of an Inbox with one model as its message, or none."""
    messages = [hint for name, hint in get_type_hints(take).items() if name != "return"]

    @functools.wraps(take)
    def received(self: Inbox, *payloads: Any) -> None:
        if not messages:
            take(self)
        elif len(payloads) != 1:
            self.noted(f"Refused the Signal {take.__name__}: one message is expected")
        elif isinstance(payloads[0], RawValue):
            try:
                message = workflow.payload_converter().from_payload(
                    payloads[0].payload, messages[0]
                )
            except Exception as error:
                self.noted(f"Refused the Signal {take.__name__}: {_unreadable(error)}")
            else:
                take(self, message)
        else:
            # Called from the workflow's own code.
            take(self, payloads[0])

    # The SDK reads from the signature what to decode; called it is with whatever has come.
    of_self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    raw = inspect.Parameter("message", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=RawValue)
    received.__annotations__ = {"message": RawValue, "return": None} if messages else {}
    vars(received)["__signature__"] = inspect.Signature([of_self, raw] if messages else [of_self])
    return cast(F, workflow.signal(received))


def _unreadable(error: Exception) -> str:
    """Why a message could not be read: what is wrong with which field, where that is known."""
    if isinstance(error, ValidationError):
        return "; ".join(map(str, problems_of(error)[:_MAX_PROBLEMS]))
    return show(f"{type(error).__name__}: {error}")
