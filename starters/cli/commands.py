"""The commands of `c2c` itself.

Of all of them one is run: each is imported and made once it, or the list of commands, is asked for.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, NamedTuple

import typer


class _Place(NamedTuple):
    """Where a command or a group of commands is: a module of this package, and its name there.
    `help` is what the list of commands says of a group; a command has its own docstring."""

    module: str
    name: str
    help: str | None = None


_PLACES = {
    # That module adds to the group of `contracts`.
    "contract": _Place("amending", "app", "Contracts: start, show, change, end."),
    "milestone": _Place("contracts", "milestones", "Milestones that were delivered."),
    "usage": _Place("amending", "usage", "Metered usage."),
    "approvals": _Place(
        "approvals",
        "app",
        "Invoices, credit notes, write-offs and change orders that await approval.",
    ),
    "invoice": _Place("invoices", "app", "Invoices, payments, and what is agreed about them."),
    "exceptions": _Place("exceptions", "app", "Parked steps that need a person."),
    "bank": _Place("bank", "app", "Files of a bank, and lines of them that wait for a person."),
    "events": _Place("events", "app", "What other systems sent, and what became of it."),
    "payroll": _Place("payroll", "app", "Approved time for the payroll."),
    "receivables": _Place("receivables", "receivables"),
    "questions": _Place("receivables", "questions"),
    "figures": _Place("receivables", "figures"),
    "analytics": _Place("analytics", "app", "Figures for analysis elsewhere."),
    "audit": _Place("audit", "app", "The audit record: shown, and verified."),
    "access": _Place("access", "access"),
    "keys": _Place("keys", "app", "Keys: of encryption, and those that sign decisions."),
    "retention": _Place("retention", "app", "How long data is kept, and what was destroyed."),
    "login": _Place("login", "login"),
    "logout": _Place("login", "logout"),
    "worker": _Place("system", "worker"),
    "serve": _Place("serving", "serve"),
    "setup": _Place("system", "setup"),
    "check": _Place("system", "check"),
    "reconcile": _Place("reconciling", "reconcile"),
    "connectors": _Place("system", "connectors"),
    "replay": _Place("replays", "replay"),
}
"""In the order of a contract's life, then what keeps the system running."""


def names() -> list[str]:
    return list(_PLACES)


@functools.cache
def command(name: str) -> Any:
    """The command or group of that name as Typer runs it; None if there is none."""
    place = _PLACES.get(name)
    if place is None:
        return None
    module = importlib.import_module(f"{__package__}.{place.module}")
    return made(name, getattr(module, place.name), place.help)


def made(name: str, found: Any, about: str | None = None) -> Any:
    """A function or a group as Typer runs it under a name."""
    parent = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=name, help=about)
        return typer.main.get_group(parent).commands[name]
    parent.command(name)(found)
    return typer.main.get_command(parent)
