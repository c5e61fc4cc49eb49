"""`c2c retention`: how long data is kept, what is due, and what was destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from starters.cli.session import Session, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.audit.entries import Entry
    from contracts.retention import Removed
    from starters.cli.tables import View
    from starters.retention import Rule

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Retention: the rules, what is due by them, and what was destroyed."""


@app.command()
def show(context: typer.Context) -> None:
    """Show the rules, and what would be removed by them now. Nothing is removed."""
    from datetime import UTC, datetime

    from starters import retention  # late: cryptography comes with it
    from wiring.retention import setup

    session = session_of(context)
    made = setup(session.settings)
    places = (session.entity,) if session.entity else ("", *sorted(session.settings.entities))
    session.progress("Looking through the records ...")
    rules = session.run(lambda c2c: retention.rules(c2c.client, made, places, datetime.now(UTC)))
    session.show({"rules": rules}, _rules(rules), *_held(rules))


@app.command("log")
def log_(context: typer.Context) -> None:
    """List what was erased by people, and removed by rules, as the audit record has it."""
    from starters import retention  # late, as above
    from wiring import encryption

    session = session_of(context)
    store = encryption.record_store(session.settings)
    entity = session.default_entity()
    entries = retention.entries(store, entity)
    session.show({"entries": entries}, _entries(session, entity, entries))


def _rules(rules: Sequence[Rule]) -> View:
    from starters.cli.tables import Table

    return Table(
        ("*Of", "What", "Kept", ">Due", ">Records", ">Held", ">Undated"),
        [
            (
                item.legal_entity or "none",
                item.removed.kind.words,
                f"{item.days} days" if item.days is not None else "for good",
                *_counts(item.removed, item.days is not None),
            )
            for item in rules
        ],
    )


def _counts(removed: Removed, is_rule: bool) -> tuple[object, ...]:
    found = removed.due, removed.records, removed.held, removed.undated
    return found if is_rule else ("", "", "", "")


def _held(rules: Sequence[Rule]) -> list[str]:
    """What the figures do not say by themselves."""
    said = []
    if any(item.removed.held for item in rules):
        said.append("Held: the bucket's lock keeps these records until its days are over.")
    if any(item.removed.undated for item in rules):
        said.append("Undated: nothing says when these contracts ended, so they are kept.")
    return said


def _entries(session: Session, entity: str, entries: Sequence[Entry]) -> View:
    from contracts.views.audit import sentence
    from starters.cli.tables import Table, moment

    zone = session.zone(entity)
    return Table(("At", "What"), [(moment(item.at, zone), sentence(item)) for item in entries])
