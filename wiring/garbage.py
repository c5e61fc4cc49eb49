"""How often a process looks for garbage: objects that only refer to each other."""

from __future__ import annotations

import gc

_OF_A_COMMAND = 200_000
"""What a command imports makes up to 120,000 objects that all stay: to look through them again and
again for garbage takes a tenth of its time. 700 is Python's own."""
_OF_A_READER = 5_000
"""So that memory does not grow with what is read: with a command's number an export of ten thousand
contracts took 50 MB more than one of a thousand."""
_OF_A_SERVER = 20_000
"""A worker takes apart what it forgets, so that little of it is garbage, and looking costs time."""


def look_seldom() -> None:
    """For a command, which is soon over."""
    gc.set_threshold(_OF_A_COMMAND)


def look_often() -> None:
    """For a process that serves; what it has imported by now is never looked at again."""
    gc.freeze()
    gc.set_threshold(_OF_A_SERVER)


def look_while_reading() -> None:
    """For a command that reads for minutes, page after page."""
    gc.freeze()
    gc.set_threshold(_OF_A_READER)
