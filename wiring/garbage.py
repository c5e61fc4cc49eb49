"""How often a process looks for garbage: objects that only refer to each other."""

from __future__ import annotations

import gc

_OF_A_COMMAND = 200_000
"""What a command imports makes up to 120,000 objects that all stay: to look through them again and
again for garbage takes a tenth of its time. 700 is Python's own."""
_OF_A_SERVER = 5_000
"""A workflow that a worker forgets is garbage. With a command's number those of ten thousand
contracts came to 2.7 GB before the first look at old objects, with this one to 0.8 GB."""


def look_seldom() -> None:
    """For a command, which is soon over."""
    gc.set_threshold(_OF_A_COMMAND)


def look_often() -> None:
    """For a process that serves; what it has imported by now is never looked at again."""
    gc.freeze()
    gc.set_threshold(_OF_A_SERVER)
