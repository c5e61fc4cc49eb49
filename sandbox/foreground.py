"""Runs the demo or the local stack in the foreground, as `c2c demo` and `c2c dev` do."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
import signal
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox import supervisor
from sandbox.accounts import prepare
from sandbox.demo import Demo
from sandbox.demo_driver import WIDTH
from sandbox.protection import IDENTITY
from sandbox.stack import CONNECT_PATH, WEB_URL, WEBHOOK_SENDER, Stack, running, webhook_secret
from sandbox.supervisor import LOOK_SECONDS, Say, Supervisor
from starters import schedules
from wiring.settings import load_settings

DEV_FOLDER = Path(".run/dev")


async def demo(*, color: bool, odoo: str, keep: bool, kill_worker: bool) -> int:
    """Run the demo's contracts; returns the exit code: 0 only if every number is right."""
    console = _console(color)
    with tempfile.TemporaryDirectory(prefix="c2c-demo-", ignore_cleanup_errors=True) as folder:
        async with running(Path(folder), odoo=odoo, say=_printer(console), signed=True) as stack:
            client = await stack.client()
            console.print(f"Temporal UI: [link={stack.ui}]{stack.ui}[/link]\n")
            run = Demo(stack, client, console, kill_worker=kill_worker)
            errors = await run.run()
            console.print(f"Temporal UI: {stack.workflows_page}")
            console.print(f"demo: {run.contracts} contracts, {errors} errors", highlight=False)
            if keep:
                show_where(console, stack)
                await _interrupted()
    return 1 if errors else 0


async def dev(*, color: bool, odoo: str, keep_data: bool) -> int:
    """The whole stack in the foreground, its data in .run/dev, until interrupted. What dies of it
    is started again."""
    console = _console(color)
    say, folder = _printer(console), DEV_FOLDER.resolve()
    say("Going on with the data in .run/dev." if keep_data else "Starting without data.")
    async with running(folder, odoo=odoo, say=say, keep_data=keep_data) as stack:
        client = await stack.client()
        settings = load_settings()
        await schedules.ensure_sweeps(client, settings)
        prepare(settings, stack.sandbox)
        show_where(console, stack)
        console.print("One part starts again with: c2c dev --restart worker")
        keeper = Supervisor(folder, stack.parts, lambda text: console.print(escape(text)))
        watching = asyncio.create_task(_watch(keeper))
        await _interrupted()
        watching.cancel()
    return 0


async def _watch(keeper: Supervisor) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await asyncio.to_thread(keeper.look)


def restart(part: str) -> bool:
    """Start a part of the running stack again; false where none runs here."""
    return supervisor.restart(DEV_FOLDER.resolve(), part)


def _console(color: bool) -> Console:
    """For our own text with markup; the command's own output has none, as it shows what customers
    wrote."""
    return Console(
        color_system="auto" if color else None,
        width=max(shutil.get_terminal_size().columns, WIDTH),
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
    if stack.gateway is not None:
        table.add_row("Workbench", f"{stack.environment[WEB_URL]}/ (choose who you are)")
        if IDENTITY in stack.environment:
            table.add_row("Decisions", "signed, so in the workbench alone: c2c only reads")
        table.add_row("Webhooks", f"/webhooks/{WEBHOOK_SENDER}, {CONNECT_PATH}")
        table.add_row("Webhooks' secret", str(webhook_secret(stack.folder)))
    table.add_row("Logs", str(stack.folder))
    console.print(table)
    console.print("In another shell, to use c2c with this stack:\n")
    for name, value in stack.environment.items():
        console.print(f"  export {name}={shlex.quote(value)}", highlight=False, soft_wrap=True)
    console.print("\nCtrl-C ends it all.")


async def _interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await stop.wait()
