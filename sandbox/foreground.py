"""Runs the demo or the local stack in the foreground, as `c2c demo` and `c2c dev` do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sandbox.demo import Demo
from sandbox.demo_driver import WIDTH
from sandbox.stack import Say, Stack, running
from starters import schedules
from wiring import remotes
from wiring.settings import load_settings

DEV_FOLDER = Path(".run/dev")


async def demo(console: Console, *, odoo: str, keep: bool, kill_worker: bool) -> int:
    """Run the six contracts; returns the exit code: 0 only if every number is right."""
    console = _lively(console)
    with tempfile.TemporaryDirectory(prefix="c2c-demo-", ignore_cleanup_errors=True) as folder:
        async with running(Path(folder), odoo=odoo, say=_printer(console)) as stack:
            client = await stack.client()
            console.print(f"Temporal UI: [link={stack.ui}]{stack.ui}[/link]\n")
            six = Demo(stack, client, console, kill_worker=kill_worker)
            errors = await six.run()
            console.print(f"\nTemporal UI: {stack.workflows_page}")
            console.print(f"demo: {six.contracts} contracts, {errors} errors", highlight=False)
            if keep:
                show_where(console, stack)
                await _interrupted()
    return 1 if errors else 0


async def dev(console: Console, *, odoo: str) -> int:
    """The whole stack in the foreground, its data kept in .run/dev, until interrupted."""
    console = _lively(console)
    async with running(
        DEV_FOLDER.resolve(), odoo=odoo, say=_printer(console), keep_data=True
    ) as stack:
        client = await stack.client()
        settings = load_settings()
        await schedules.ensure_sweeps(client, settings)
        for crm in remotes.crms(settings, remotes.odoo(settings)).values():
            crm.ensure_setup()
        show_where(console, stack)
        await _interrupted()
    return 0


def _lively(console: Console) -> Console:
    """The same console for our own text with markup; the command's own takes none, since what it
    prints comes from customers."""
    return Console(
        file=console.file,
        no_color=console.no_color,
        width=max(console.width, WIDTH),
        highlight=False,
        soft_wrap=True,
    )


def _printer(console: Console) -> Say:
    def say(text: str) -> None:
        console.print(f"[dim]{text}[/]")

    return say


def show_where(console: Console, stack: Stack) -> None:
    """Print where everything is, and how another shell finds it."""
    table = Table(show_header=False, box=None)
    table.add_row("Temporal UI", f"{stack.workflows_page}")
    table.add_row("Temporal", stack.address)
    table.add_row("Odoo", f"{stack.odoo.url} (database {stack.odoo.database})")
    table.add_row("Odoo's login", stack.odoo.login)
    table.add_row("Odoo's database", stack.odoo.database_address)
    table.add_row("Odoo's API keys", str(stack.odoo.keys["c2c"].parent))
    table.add_row("Logs", str(stack.folder))
    console.print(table)
    console.print("In another shell, to use c2c with this stack:\n")
    for name, value in stack.environment.items():
        console.print(f"  export {name}={value}", highlight=False, soft_wrap=True)
    console.print("\nCtrl-C ends it all.")


async def _interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await stop.wait()
