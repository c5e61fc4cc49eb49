"""`c2c demo` and `c2c dev`: the whole stack on one machine."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from starters.cli.session import run, session_of


class WhichOdoo(StrEnum):
    """The Odoo to work with: our stand-in, or a real one, fetched the first time."""

    SANDBOX = "sandbox"
    REAL = "real"


Odoo = Annotated[WhichOdoo, typer.Option(help="The stand-in, or a real Odoo 19.")]


def demo(
    context: typer.Context,
    odoo: Odoo = WhichOdoo.SANDBOX,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up until Ctrl-C.")] = False,
    kill_worker: Annotated[
        bool,
        typer.Option("--kill-worker", help="Kill the worker (SIGKILL) on the way: same outcome."),
    ] = False,
) -> None:
    """Run six contracts from signature to cash on a stack of its own; months in seconds."""
    # The stack's libraries are an extra that production does not install.
    from sandbox import commands

    console = session_of(context).console
    raise typer.Exit(run(commands.demo(console, odoo=odoo, keep=keep, kill_worker=kill_worker)))


def dev(context: typer.Context, odoo: Odoo = WhichOdoo.SANDBOX) -> None:
    """Run the whole local stack in the foreground: Temporal with its UI, an Odoo, a worker."""
    from sandbox import commands

    raise typer.Exit(run(commands.dev(session_of(context).console, odoo=odoo)))
