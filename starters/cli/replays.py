"""`c2c replay`: does this code still replay what recorded or running workflows have done?"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starters.cli.errors import ExitCode, UsageError
from starters.cli.session import session_of

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHistory

    from starters.cli.tables import View
    from workers.replays import Replayed

_SDK_LOG = "temporalio"


def replay(
    context: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILES", help="Histories as JSON files.")
    ] = None,
    running: Annotated[
        bool, typer.Option("--running", help="The workflows that run now, instead of files.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="At most so many running workflows.")
    ] = 10_000,
) -> None:
    """Replay histories with this code before it serves: a failure would block those workflows."""
    session = session_of(context)
    if bool(files) == running:
        raise UsageError("give either FILES or --running")
    # A history that does not replay is reported below; the SDK would log it with a traceback.
    logging.getLogger(_SDK_LOG).setLevel(logging.CRITICAL)
    session.progress("Replaying ...")
    if running:
        results = session.run(lambda c2c: _running(c2c.client, limit))
    else:
        results = session.runner.run(_recorded(files or []))
    failed = sum(1 for item in results if item.failure)
    session.show(
        {"replayed": results, "failed": failed},
        _table(results) if results else "Nothing runs: there is nothing to replay.",
        *([f"{len(results) - failed} of {len(results)} replay."] if results else []),
    )
    if failed:
        raise typer.Exit(ExitCode.REFUSED)


def _table(results: list[Replayed]) -> View:
    from starters.cli.tables import Table, verdict

    return Table(
        ("*Workflow", "Type", ">Events", "Replays"),
        (
            (
                item.workflow_id,
                item.workflow_type,
                item.events,
                verdict("no" if item.failure else "yes", item.failure),
            )
            for item in results
        ),
    )


async def _running(client: Client, limit: int) -> list[Replayed]:
    from workers import replays  # late: telemetry and the activities' clients come with it

    histories = replays.running(client, limit)
    return [item async for item in replays.replayed(histories, client.data_converter)]


async def _recorded(files: list[Path]) -> list[Replayed]:
    from wiring import encryption
    from wiring.settings import load_protection
    from workers import replays  # late, as above

    results = replays.replayed(_histories(files), encryption.reading(load_protection()))
    return [item async for item in results]


async def _histories(files: list[Path]) -> AsyncIterator[WorkflowHistory]:
    for file in files:
        yield _history(file)


def _history(file: Path) -> WorkflowHistory:
    from temporalio.client import WorkflowHistory

    try:
        history = WorkflowHistory.from_json(file.stem, file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    except Exception as error:
        # The parser of protocol buffers raises its own kinds; all mean the same to a person.
        raise UsageError(f"{file} holds no workflow history ({error})") from None
    if not history.events:
        raise UsageError(f"{file} holds no workflow history (it has no events)")
    # Ids of children and signals derive from the workflow's own: it must be the recorded one.
    recorded = history.events[0].workflow_execution_started_event_attributes.workflow_id
    return replace(history, workflow_id=recorded or history.workflow_id)
