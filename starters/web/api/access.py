"""What a visitor may see and send, beyond what a route declares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from temporalio.client import Client

from contracts import access
from contracts.access import EVERYWHERE, Permission
from contracts.events import EventRecord
from contracts.identifiers import EVENT_PREFIX, KEY
from contracts.parking import Action, StepException
from starters.client import events
from starters.client.errors import NotFound
from starters.client.listing import conditions
from starters.web.problems import HttpProblem
from starters.web.visitors import Visitor
from workflows import search_attributes


def require(visitor: Visitor, permission: Permission, entity: str) -> None:
    """The same as a route that names the legal entity in its path. Raises HttpProblem."""
    if not visitor.roles_in(entity):
        raise HttpProblem(404, "there is no such thing", why="no role there")
    refused = access.refusal(visitor.roles_in(entity), permission)
    if refused is not None:
        raise HttpProblem(403, refused)


def scope(visitor: Visitor, permission: Permission, entity: str) -> str:
    """The condition under which visibility lists what the visitor may see, narrowed to a legal
    entity if one is named. Raises HttpProblem, BadReference."""
    if entity:
        narrowed = conditions(entity=entity)
        require(visitor, permission, entity)
        return narrowed
    if visitor.may(permission, EVERYWHERE):
        return ""
    own = [name for name in sorted(visitor.roles) if visitor.may(permission, name)]
    listed = ", ".join(f"'{name}'" for name in own if KEY.match(name))
    if not listed:
        raise HttpProblem(403, "there is no legal entity for which you may look at this")
    return f"{search_attributes.LEGAL_ENTITY.name} IN ({listed})"


def require_to_resolve(
    visitor: Visitor,
    entity: str,
    exceptions: Sequence[StepException],
    step: str,
    action: Action,
) -> None:
    """Who resolves an exception hangs on the step. Raises HttpProblem."""
    for item in exceptions:
        if step in ("", item.step):
            require(visitor, access.to_resolve(item, action), entity)


def may_see_event(visitor: Visitor, entities: Iterable[str]) -> bool:
    """An event is for those who mend events in every legal entity that it is for or has touched;
    one of which that is not known may be of any."""
    owners = {entity or EVERYWHERE for entity in entities} or {EVERYWHERE}
    return all(visitor.may(Permission.MEND_EVENTS, entity) for entity in owners)


async def event_of(client: Client, visitor: Visitor, address: str) -> EventRecord:
    """What is known of the event `<source>/<key>`. Raises NotFound where there is none, or the
    visitor may not see it, and what `events` does."""
    record = await events.show(client, address)
    if not may_see_event(visitor, record.legal_entities):
        raise NotFound(f"nothing is known under {EVENT_PREFIX}{address}")
    return record
