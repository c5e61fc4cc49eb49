"""The commands that the sandbox adds to `c2c`: `c2c demo` and `c2c dev`.

The entry points of the group `c2c.commands` name them. `c2c --help` imports this module to show
what they do, so it imports the local stack only when a command runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from starters.cli.session import session_of
from starters.client.errors import Refused

EXTRA = "contract-to-cash[local]"
_LIBRARIES = ("aiosmtpd",)
"""What the local stack imports of its extra; production does not install these."""


class WhichOdoo(StrEnum):
    """The Odoo to work with: our stand-in, or a real one, fetched the first time."""

    SANDBOX = "sandbox"
    REAL = "real"


class WhichPart(StrEnum):
    """A part of the local stack that can start again by itself."""

    TEMPORAL = "temporal"
    SANDBOX = "sandbox"
    WORKER = "worker"
    GATEWAY = "gateway"


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
    """Run seven contracts from signature to cash on a stack of its own; months in seconds."""
    with _extra_needed():
        from sandbox import foreground

    session = session_of(context)
    led = foreground.demo(color=session.color, odoo=odoo, keep=keep, kill_worker=kill_worker)
    raise typer.Exit(session.runner.run(led))


def dev(
    context: typer.Context,
    odoo: Odoo = WhichOdoo.SANDBOX,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Go on with the data of the last time.")
    ] = False,
    restart: Annotated[
        WhichPart | None,
        typer.Option("--restart", help="Only start this part of the running stack again."),
    ] = None,
) -> None:
    """Run the local stack in the foreground: Temporal with its UI, an Odoo, a worker, webhooks."""
    with _extra_needed():
        from sandbox import foreground

    session = session_of(context)
    if restart is None:
        up = foreground.dev(color=session.color, odoo=odoo, keep_data=keep_data)
        raise typer.Exit(session.runner.run(up))
    if not foreground.restart(restart):
        raise Refused("no local stack runs here; start one with c2c dev")
    session.show({"restarted": str(restart)}, f"{restart} is started again.")


@contextlib.contextmanager
def _extra_needed() -> Iterator[None]:
    """Import the local stack. Raises ConfigurationError where its extra is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _LIBRARIES:
            raise
        from wiring.settings import ConfigurationError

        raise ConfigurationError(
            f"{library} is not installed, which the local stack requires: pip install '{EXTRA}'"
        ) from error
