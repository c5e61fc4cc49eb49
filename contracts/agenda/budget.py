"""How large a message and a state may be, as JSON: the engine takes 2 MB in one piece."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from contracts.agenda.state import AgendaState

MOST_OF_A_MESSAGE = 1_000_000
MOST_OF_A_STATE = 1_800_000
"""Both in bytes. What a state gets without being asked (results, the ends of what runs) must fit on
top of that."""


def refusal(state: AgendaState, message: BaseModel, at_most: int) -> str | None:
    """Why there is no room for a message that brings work, as a sentence; None if there is.

    `at_most` is a number of bytes that the state surely has not exceeded, quick to tell: a state is
    weighed only where that leaves it open.
    """
    size = len(message.model_dump_json())
    if size > MOST_OF_A_MESSAGE:
        return (
            f"the message has {size} bytes, and at most {MOST_OF_A_MESSAGE} are accepted at a "
            "time: send it in parts"
        )
    if at_most + size <= MOST_OF_A_STATE or weight(state) + size <= MOST_OF_A_STATE:
        return None
    return (
        f"{size} bytes more would make this too large to be kept (at most {MOST_OF_A_STATE}): what "
        "comes from now on belongs to another contract"
    )


def weight(state: AgendaState) -> int:
    """How many bytes the state has."""
    return sum(_weight(state, name) for name in type(state).model_fields)


_weighed: dict[str, tuple[Any, int]] = {}
"""By field, what was weighed last: most parts of a state stay the same from event to event."""


def _weight(state: AgendaState, name: str) -> int:
    value = getattr(state, name)
    known = _weighed.get(name)
    if known is None or known[0] is not value:
        known = value, len(state.model_dump_json(include={name}))
        _weighed[name] = known
    return known[1]
