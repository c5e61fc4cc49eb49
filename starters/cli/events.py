"""`c2c events`: what other systems sent, what became of it, and delivering it again."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starters.cli.errors import UsageError
from starters.cli.options import By, Reason, Yes, day_option, one_of
from starters.cli.session import Session, session_of
from starters.client.names import MAX_LISTED

if TYPE_CHECKING:
    from contracts.events import EventRecord
    from starters.cli.tables import Table
    from starters.client.event_rows import EventRow
    from starters.client.listing import Listed

app = typer.Typer(no_args_is_help=True)

_OUTCOMES = one_of("contracts.events", "EventOutcome")
Event = Annotated[
    str, typer.Argument(metavar="EVENT", help="An event as it is listed: tickets/msg_2f.")
]
Source = Annotated[
    str, typer.Option("--source", help="Only from this sender, by its name in the configuration.")
]
Outcome = Annotated[
    str | None,
    typer.Option("--outcome", parser=_OUTCOMES, help="Only what became this, as waiting."),
]
Day = Annotated[str | None, day_option("Only what came on this day (UTC).", "--day")]
Parked = Annotated[bool, typer.Option("--parked", help="Only what waits for a person.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, newest first.")]


@app.command("list")
def list_(
    context: typer.Context,
    source: Source = "",
    outcome: Outcome = None,
    day: Day = None,
    parked: Parked = False,
    limit: Limit = MAX_LISTED,
) -> None:
    """List events, newest first, with what became of them."""
    session = session_of(context)
    listed = _listed(session, source, outcome, day, parked, limit)
    found = listed.items
    document = {"events": found, "more": listed.more}
    session.show(document, _table(found) if found else f"No such event at {session.place}.")
    if listed.more:
        session.warn(f"there are more than {len(found)}; narrow the list or raise --limit")


@app.command()
def show(context: typer.Context, event: Event) -> None:
    """Show one event: what was received, what became of it, and what it touched."""
    from starters.cli.tables import Pairs
    from starters.client import events

    session = session_of(context)
    record = session.run(lambda c2c: events.show(c2c.connection, event))
    session.show(record, Pairs(_pairs(record)))


@app.command()
def replay(
    context: typer.Context,
    event: Annotated[str, typer.Argument(metavar="[EVENT]")] = "",
    source: Source = "",
    outcome: Outcome = None,
    day: Day = None,
    parked: Parked = False,
    limit: Limit = MAX_LISTED,
    yes: Yes = False,
    *,
    by: By,
) -> None:
    """Deliver one event again, or all that the options name; what it did it does not do twice."""
    from starters.client import events
    from starters.client.calls import at_once

    session = session_of(context)
    if bool(event) == any((source, outcome, day, parked)):
        raise UsageError("give either an EVENT, or options that say which")
    ids = [event]
    if not event:
        listed = _listed(session, source, outcome, day, parked, limit)
        ids = [row.id for row in listed.items]
        if listed.more:
            session.warn(f"there are more than {len(ids)}: the others are left as they are")
        if ids:
            session.confirm(f"Deliver {len(ids)} events again?", yes=yes)
    replayed = session.run(
        lambda c2c: at_once([events.deliver_again(c2c.connection, item, by=by) for item in ids])
    )
    session.show({"replayed": replayed}, f"{len(replayed)} delivered again.")


@app.command()
def dismiss(
    context: typer.Context,
    event: Event,
    by: By,
    reason: Reason,
) -> None:
    """Let nothing come of an event that waits."""
    from starters.client import events

    session = session_of(context)
    done = session.run(lambda c2c: events.dismiss(c2c.connection, event, by=by, reason=reason))
    session.show({"dismissed": done}, f"{done} is dismissed.")


def _listed(
    session: Session,
    source: str,
    outcome: str | None,
    day: str | None,
    parked: bool,
    limit: int,
) -> Listed[EventRow]:
    from starters.client import events

    return session.run(
        lambda c2c: events.listed(
            c2c.connection,
            source=source,
            outcome=outcome or "",
            needs_person=parked,
            day=date.fromisoformat(day) if day else None,
            limit=limit,
        )
    )


def _table(rows: list[EventRow]) -> Table:
    from starters.cli.tables import Table, moment
    from starters.client.references import short

    return Table(
        ("*Event", "Received (UTC)", "Outcome", "*Touched", "Why"),
        (
            (
                row.id,
                moment(row.received_at, "UTC"),
                f"{row.outcome}!" if row.needs_person else row.outcome,
                ", ".join(short(item) for item in row.touched),
                row.why,
            )
            for row in rows
        ),
    )


def _pairs(record: EventRecord) -> list[tuple[str, object]]:
    from starters.client.references import short

    event, delivery = record.event, record.delivery
    return [
        ("Source", event.source),
        ("Event", event.key),
        ("Kind", event.kind),
        ("Received", f"{event.received_at:%Y-%m-%d %H:%M} UTC"),
        ("Payload", f"{event.size} bytes, SHA-256 {event.sha256}"),
        ("Asks for", _task(event.task.model_dump(mode="json"))),
        ("Outcome", delivery.outcome),
        ("Why", delivery.why),
        ("Touched", ", ".join(short(item) for item in delivery.touched)),
        ("Attempts", record.attempts),
    ]


def _task(task: dict[str, Any]) -> str:
    """What it asks for in one line; what waits for a person says so itself."""
    hidden = ("to", "message", "unplaced")
    return ", ".join(f"{name} {value}" for name, value in task.items() if name not in hidden)
