"""Commands that other packages add to `c2c`, by entry points of the group `c2c.commands`.

An entry point names a function as Typer takes it, under the name of the command. It is loaded when
its command or the list of commands is asked for, so that no other command starts later for it.
"""

from __future__ import annotations

from typing import Any

from starters.cli.commands import made

GROUP = "c2c.commands"


def names() -> list[str]:
    """The added commands in alphabetical order."""
    return sorted(_found())


def command(name: str) -> Any:
    """The added command of that name as Typer runs it; None if there is none."""
    found = _found()
    return made(name, found[name].load()) if name in found else None


def _found() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {item.name: item for item in entry_points(group=GROUP)}
