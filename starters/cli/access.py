"""`c2c access`: the access review."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import typer

from starters.cli.session import Session, session_of

if TYPE_CHECKING:
    from contracts.views.access import Decided, Review
    from starters.cli.tables import View
    from starters.client.api import ApiC2C

_SECONDS = 3_600.0
"""So long the audit record is read: nobody waits for a page."""


def access(context: typer.Context) -> None:
    """Show who may do what, who decided what in the last quarter, and what does not go together."""
    session = session_of(context)
    found = _over_api(session) if session.api else _here(session)
    session.show(found, *_views(found))


def _over_api(session: Session) -> Review:
    return session.run(lambda c2c: cast("ApiC2C", c2c).access(session.entity or ""))


def _here(session: Session) -> Review:
    from datetime import UTC, datetime

    from starters.access_review import Access

    entities = session.chosen_entities()
    return Access.of(session.settings).review(entities, datetime.now(UTC), seconds=_SECONDS)


def _views(found: Review) -> Iterator[View | str]:
    from starters.cli.tables import Table, moment

    yield "What does not go together:"
    concerns = [
        (item.who, item.legal_entity, f"{item.kind}: {item.text}") for item in found.concerns
    ]
    yield Table(("Who", "Entity", "*What"), concerns) if concerns else "  nothing is found"
    yield ""
    yield "Roles by configuration:"
    yield Table(("Entity", "Role", "*Who"), list(_grants(found)))
    decided = [
        (item.person, ", ".join(item.roles), item.total, moment(item.last_at, "UTC"), _counts(item))
        for item in found.decided
    ]
    yield ""
    yield f"Decided since {found.decided_since:%Y-%m-%d}:"
    columns = ("Who", "Roles", ">In all", "Last (UTC)", "*What")
    yield Table(columns, decided) if decided else "  no decision is known"
    yield ""
    yield from found.unknown


def _grants(found: Review) -> Iterator[tuple[str, str, str]]:
    for item in found.grants:
        who = (*(f"group {name}" for name in item.groups), *item.people)
        yield item.legal_entity, item.role.words, ", ".join(who)
    for system in found.systems:
        for entity, roles in system.roles.items():
            yield entity, ", ".join(role.words for role in roles), f"system {system.person}"


def _counts(item: Decided) -> str:
    return ", ".join(f"{what.replace('_', ' ')} {count}" for what, count in item.counts.items())
