"""`c2c analytics`: figures for whoever analyses contracts elsewhere."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from starters.cli.errors import ExitCode, UsageError
from starters.cli.options import day_option
from starters.cli.session import Session, session_of

if TYPE_CHECKING:
    from starters.analytics import Exported

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Figures for analysis elsewhere, as Parquet."""


@app.command()
def export(
    context: typer.Context,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FOLDER",
            help="Where the files are: a folder, or s3://bucket/prefix. A day that is exported "
            "again is replaced there.",
        ),
    ],
    day: Annotated[
        str | None,
        day_option(
            "What Odoo booked until then; by default today, in the legal entity's zone. How "
            "contracts stand is always as of now.",
            "--day",
        ),
    ] = None,
) -> None:
    """Export pipeline, backlog, invoices, cash, margin, utilization, forecast and key figures: of
    the legal entity that --entity says, or else of all."""
    from wiring import garbage

    session = session_of(context)
    garbage.look_while_reading()
    done = [_export(session, name, to, day) for name in session.chosen_entities()]
    session.show({"exports": done}, *map(_words, done))
    for item in done:
        for contract, why in item.left_out.items():
            session.warn(f"{contract} is left out: {why}")
    if any(item.left_out for item in done):
        raise typer.Exit(ExitCode.UNREACHABLE)


def _words(done: Exported) -> str:
    rows = sum(done.rows.values())
    return f"{done.entity}, {done.day}: {rows} rows in {len(done.rows)} tables, {done.to}."


def _export(session: Session, entity: str, to: str, day: str | None) -> Exported:
    """Raises ConfigurationError, GatewayError, and what `starters.analytics` and
    `gateways.analytics` do."""
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from gateways.analytics.places import place_of
    from starters.analytics import export_day

    today = datetime.now(UTC).astimezone(ZoneInfo(session.zone(entity))).date()
    wanted = date.fromisoformat(day) if day else today
    if wanted > today:
        raise UsageError(f"{wanted} is yet to come: it is {today} in {session.zone(entity)}")
    place = place_of(to, session.settings.analytics)
    return session.run(
        lambda c2c: export_day(
            c2c.client, session.settings, place, entity, wanted, progress=session.progress
        )
    )
