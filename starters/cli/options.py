"""Options that several commands share. Light to import, as every command module is."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Annotated

import typer

PERSON_VARIABLE = "C2C_BY"

By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="PERSON",
        envvar=PERSON_VARIABLE,
        help="Who says so, as the approval rules name people: usually an e-mail address.",
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", "-y", help="Do not ask for confirmation; needed where nobody can be asked."
    ),
]


def one_of(module: str, name: str) -> Callable[[str], str]:
    """Reads a value of an enumeration, which is imported once there is one to read."""

    def read(text: str) -> str:
        if not text.strip():  # the default: nothing is chosen
            return ""
        choices = getattr(importlib.import_module(module), name)
        try:
            return str(choices(text.strip().lower()))
        except ValueError:
            known = ", ".join(choices)
            raise typer.BadParameter(f"{text!r} is none of {known}") from None

    return read
