"""Arguments and options that several commands share. Light to import, as all commands are."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import typer

from starters.cli.errors import UsageError
from starters.cli.session import session_of
from starters.client.errors import Refused

PERSON_VARIABLE = "C2C_BY"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def amount(text: str) -> str:
    """An amount with its currency, as amounts are written everywhere."""
    from pydantic import ValidationError

    from contracts.money import Money

    try:
        return str(Money.parse(text))
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        is_ours = first["type"].startswith(("money_", "currency_"))
        expected = first["msg"] if is_ours else 'an amount with its currency, such as "100.00 EUR"'
        raise typer.BadParameter(f"{text!r}: expected {expected}") from None


def day(text: str) -> str:
    """A day, such as 2026-03-31."""
    try:
        if not _DAY.fullmatch(text):
            raise ValueError("date reads other forms as well")
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day such as 2026-03-31") from None


def one_of(module: str, name: str) -> Callable[[str], str]:
    """Reads a value of an enumeration, which is imported once there is one to read."""

    def read(text: str) -> str:
        choices = getattr(importlib.import_module(module), name)
        try:
            return str(choices(text.strip().lower()))
        except ValueError:
            known = ", ".join(choices)
            raise typer.BadParameter(f"{text!r} is none of {known}") from None

    return read


def amount_option(help: str, *names: str) -> Any:
    return typer.Option(*names, metavar="'100.00 EUR'", parser=amount, help=help)


def day_option(help: str, *names: str) -> Any:
    return typer.Option(*names, metavar="YYYY-MM-DD", parser=day, help=help)


Contract = Annotated[
    str, typer.Argument(metavar="REF", help="C-1001, northwind/C-1001 or the workflow id.")
]
Invoice = Annotated[
    str, typer.Argument(metavar="REF", help="C-1001/1, northwind/C-1001/1 or the workflow id.")
]
ContractOrInvoice = Annotated[
    str, typer.Argument(metavar="REF", help="A contract (C-1001) or an invoice (C-1001/1).")
]
Milestone = Annotated[str, typer.Argument(metavar="MILESTONE", help="The milestone's key.")]


def _sender(context: typer.Context, given: str) -> str:
    """Who says so: over the API whoever is signed in, and nobody else."""
    session = session_of(context)
    if not session.api:
        if not given:
            raise UsageError(f"Missing option '--by' ({PERSON_VARIABLE} does the same).")
        return given
    person = session.person
    if given and given.strip().lower() != person:
        raise Refused(f"you are signed in as {person}, and cannot speak for {given}")
    return person


By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="PERSON",
        envvar=PERSON_VARIABLE,
        default_factory=str,
        show_default=False,
        callback=_sender,
        help="Who says so, as the approval rules name people: usually an e-mail address. Over the "
        "API it is whoever is signed in.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why, for the record.")]
Until = Annotated[str | None, day_option("Its last day; else until released.")]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", "-y", help="Do not ask for confirmation; needed where nobody can be asked."
    ),
]
RequestId = Annotated[
    str | None,
    typer.Option(
        "--request-id",
        metavar="ID",
        help="Sent again with the same id, it counts once and gets the first answer.",
    ),
]
