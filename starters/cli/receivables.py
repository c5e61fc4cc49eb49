"""`c2c receivables`, `c2c questions`, `c2c figures`: many contracts at once, for finance."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from starters.cli.errors import UsageError
from starters.cli.options import day_option, one_of
from starters.cli.session import Session, session_of
from starters.client.references import short

if TYPE_CHECKING:
    from contracts.figures import Series
    from contracts.receivables import Aging, OpenPart
    from starters.books import Books
    from starters.cli.tables import View
    from starters.client import C2C
    from starters.questions import Answer
    from starters.receivables import Receivables


def receivables(
    context: typer.Context,
    as_of: Annotated[
        str | None,
        day_option("What was open at the end of a day before; left out, what is open.", "--as-of"),
    ] = None,
    standing: Annotated[
        str | None,
        typer.Option(
            parser=one_of("contracts.receivables", "Standing"),
            metavar="STANDING",
            help="Only what is overdue, not_due, disputed, promised, new_date, held or "
            "undelivered.",
        ),
    ] = None,
    bucket: Annotated[
        str, typer.Option(metavar="DAYS", help="Only: not due, 1-30, 31-60, 61-90, over 90.")
    ] = "",
    currency: Annotated[str, typer.Option(metavar="EUR", help="Only this currency.")] = "",
    customer: Annotated[str, typer.Option(metavar="NAME", help="A part of the name.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=20_000, help="At most so many parts.")] = 100,
) -> None:
    """List what customers owe, the longest overdue first, with its aging by currency."""
    from contracts.receivables import BUCKETS, Standing, aging, chosen
    from starters.receivables import receivables as read

    session = session_of(context)
    if bucket and bucket not in BUCKETS:
        raise UsageError(f"{bucket!r} is none of {', '.join(BUCKETS)}")
    day = date.fromisoformat(as_of) if as_of else None
    if day and standing in set(Standing) - {Standing.OVERDUE, Standing.NOT_DUE}:
        raise UsageError("what is agreed is known of today only: leave out --as-of or --standing")
    books, entities = _books(session)
    found = session.run(lambda c2c: read(c2c.client, books, entities, day))
    rows = chosen(
        found.rows,
        standing=Standing(standing) if standing else None,
        bucket=bucket,
        currency=currency.upper(),
        customer=customer,
    )
    lines = aging(rows)
    document = {
        "as_of": found.as_of,
        "aging": [_aging_document(line) for line in lines],
        "parts": [_part_document(row) for row in rows[:limit]],
        "more": len(rows) > limit,
        "problems": found.problems,
        "notes": found.notes,
    }
    session.show(document, *_receivable_views(lines, rows[:limit]))
    _warn(session, found)
    if len(rows) > limit:
        session.warn(f"{len(rows)} parts are open, and {limit} are shown; raise --limit")


def _receivable_views(lines: list[Aging], rows: list[OpenPart]) -> list[View | str]:
    from contracts.receivables import BUCKETS
    from starters.cli.tables import Table

    if not rows:
        return ["Nothing is open."]
    ages = Table(
        ("*Currency", *(f">{bucket}" for bucket in BUCKETS), ">Open", ">Parts"),
        (
            (
                line.currency,
                *(line.buckets[name].amount if name in line.buckets else "" for name in BUCKETS),
                line.total.amount,
                line.total.count,
            )
            for line in lines
        ),
    )
    parts = Table(
        ("*Invoice", "*Number", "Customer", "*Due", ">Days", ">Open", "Also"),
        (
            (
                short(row.workflow_id),
                row.number,
                row.customer,
                row.due_on,
                row.days_late or "",
                row.open,
                _agreed(row),
            )
            for row in rows
        ),
    )
    return [ages, "", parts]


def _agreed(row: OpenPart) -> str:
    from contracts.receivables import Standing

    agreed = row.standings - {Standing.OVERDUE, Standing.NOT_DUE}
    words = sorted(item.words for item in agreed)
    return ", ".join([*words, *([f"until {row.agreed_on}"] if row.agreed_on else [])])


def _aging_document(line: Aging) -> dict[str, object]:
    return {
        "currency": line.currency,
        "buckets": {
            name: {"parts": it.count, "open": it.amount} for name, it in line.buckets.items()
        },
        "parts": line.total.count,
        "open": line.total.amount,
    }


def _part_document(row: OpenPart) -> dict[str, object]:
    return {
        "workflow_id": row.workflow_id,
        "number": row.number,
        "customer": row.customer,
        "due_on": row.due_on,
        "days_late": row.days_late,
        "bucket": row.bucket,
        "open": row.open,
        "standings": sorted(row.standings),
        "agreed_on": row.agreed_on,
    }


def _warn(session: Session, found: Receivables) -> None:
    for entity, why in found.problems.items():
        session.warn(f"{entity} is left out: {why}")
    for note in found.notes:
        session.warn(note)


def questions(
    context: typer.Context,
    question: Annotated[
        str | None,
        typer.Argument(
            parser=one_of("starters.questions", "Question"),
            metavar="QUESTION",
            help="List what a number counts: awaiting-project, time-not-invoiced, "
            "posted-not-delivered, paid-not-reconciled, milestones-late or exceptions.",
        ),
    ] = None,
) -> None:
    """Answer what finance asks of all contracts: a number each, or the list of one."""
    from starters.questions import Asked, Question

    session = session_of(context)
    books, entities = _books(session)
    if question is None:
        answers = session.run(
            lambda c2c: Asked(c2c.client, books, entities, of_none=not session.entity).answers()
        )
        session.show({"questions": [_answer_document(item) for item in answers]}, _numbers(answers))
        for item in answers:
            if item.problem:
                session.warn(f"{item.title}: {item.problem}")
        return
    wanted = Question(question)
    found = session.run(
        lambda c2c: Asked(c2c.client, books, entities, of_none=not session.entity).listed(wanted)
    )
    from starters.cli.tables import Table

    table = Table(
        ("*Reference", "Customer", "What", "*Since"),
        ((short(row.workflow_id), row.customer, row.what, _day(row.since)) for row in found.rows),
    )
    session.show(
        {"rows": found.rows, "more": found.more, "problems": found.problems},
        table if found.rows else f"{wanted.words}: none.",
    )
    for entity, why in found.problems.items():
        session.warn(f"{entity} is left out: {why}")
    if found.more:
        session.warn(f"there are more than the newest {len(found.rows)}")


def _answer_document(item: Answer) -> dict[str, object]:
    return {
        "question": item.question,
        "age": item.age,
        "title": item.title,
        "count": item.count,
        "more": item.more,
        "problem": item.problem,
    }


def _numbers(answers: list[Answer]) -> View:
    from starters.cli.tables import Table

    return Table(
        ("Question", ">Number", "*List"),
        (
            (
                item.title,
                "?" if item.count is None else f"{item.count}{'+' if item.more else ''}",
                f"c2c questions {item.question}" if item.age is None else "c2c exceptions list",
            )
            for item in answers
        ),
    )


def _day(since: date | None) -> str:
    return f"{since:%Y-%m-%d}" if since else ""


def figures(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=800, help="Of so many days.")] = 14,
    now: Annotated[
        bool, typer.Option("--now", help="Have them measured now, beside the schedule.")
    ] = False,
) -> None:
    """Show the figures that are measured every day: cycle times, DSO, aging, backlog, cash-in."""
    from contracts.figures import FIGURES

    session = session_of(context)
    _, entities = _books(session)
    if now:
        for entity in entities:
            session.run(partial(_measure, entity))
        session.show({"measuring": entities}, f"Measured now: {', '.join(entities)}.")
        return
    document: dict[str, object] = {}
    views: list[View | str] = []
    for entity in entities:
        found = session.run(partial(_series, entity))
        shown = _last(found, days)
        document[entity] = shown
        views.append(
            f"{entity}, {found.days[-1]}:" if found.days else f"{entity}: not measured yet."
        )
        for figure in FIGURES:
            for currency in shown.currencies(figure):
                for line in shown.lines(figure, currency):
                    values = ", ".join("–" if v is None else f"{v:f}" for v in line.values)
                    views.append(f"  {figure.title} ({line.label}): {values}")
    session.show(document, *views)


async def _series(entity: str, c2c: C2C) -> Series:
    from starters.figures import series

    return await series(c2c.client, entity)


async def _measure(entity: str, c2c: C2C) -> None:
    from starters.figures import measure_now

    await measure_now(c2c.client, entity)


def _last(found: Series, days: int) -> Series:
    return found.since(found.days[-days]) if len(found.days) > days else found


def _books(session: Session) -> tuple[Books, list[str]]:
    """Odoo, and the legal entity that --entity says, or else all. Raises BadReference, and
    ConfigurationError."""
    from starters.books import Books

    return Books.of(session.settings), session.chosen_entities()
