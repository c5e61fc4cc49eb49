"""Commands that other packages add to `c2c`, by entry points of the group `c2c.commands`.

An entry point names a function as Typer takes it, under the name of the command. It is loaded when
its command or the list of commands is asked for, so that no other command starts later for it.
"""

from __future__ import annotations

from typing import Any

import typer

GROUP = "c2c.commands"


def names() -> list[str]:
    """The added commands in alphabetical order."""
    return sorted(_found())


def command(name: str) -> Any:
    """The added command of that name as Typer runs it; None if there is none."""
    found = _found()
    if name not in found:
        return None
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(found[name].load())
    return typer.main.get_command(single)


def _found() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {item.name: item for item in entry_points(group=GROUP)}
