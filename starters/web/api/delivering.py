"""Inbound events are delivered again, or dismissed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from contracts.access import Permission
from contracts.identifiers import EVENT_PREFIX
from starters.client import events, wire
from starters.client.errors import NotFound
from starters.client.wire import Said
from starters.web.api.access import may_see_event
from starters.web.api.documents import examples, sent
from starters.web.api.failures import told
from starters.web.api.parameters import RequestId
from starters.web.api.sending import ANSWERS, Sending
from starters.web.visitors import Present, Visitor, needs

_EVENT = "/events/{source}/{key:path}"
_MEND = [needs(Permission.MEND_EVENTS)]
Source = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        description="The sender, by its name in the configuration.",
        examples=["tickets"],
    ),
]
EventKey = Annotated[
    str,
    Path(min_length=1, max_length=256, description="The event's own id.", examples=["msg_2f"]),
]


def add_routes(routes: APIRouter, sending: Sending) -> None:
    """Add the routes that decide about events."""

    @routes.post(
        f"{_EVENT}/{events.DELIVER_AGAIN.name}",
        tags=["events"],
        dependencies=_MEND,
        responses=ANSWERS,
        openapi_extra=sent(events.DELIVER_AGAIN.message, examples(events.DELIVER_AGAIN.name)),
    )
    async def deliver_again(
        source: Source,
        key: EventKey,
        request: Request,
        visitor: Present,
        request_id: RequestId = None,
    ) -> Said:
        """Deliver an event again, whether it waits or is done with; what it did already it does not
        do twice."""
        said = await sending.body(request)
        with told():
            wire.message_of(events.DELIVER_AGAIN.message, said, visitor.person)
            await _check(request, visitor, source, key)
            done = await events.deliver_again(
                request.app.state.temporal,
                f"{source}/{key}",
                by=visitor.person,
                request_id=request_id,
                sign=sending.sign(visitor),
            )
            return Said(answer=f"{done} is delivered again")

    @routes.post(
        f"{_EVENT}/{events.DISMISS.name}",
        tags=["events"],
        dependencies=_MEND,
        responses=ANSWERS,
        openapi_extra=sent(events.DISMISS.message, examples(events.DISMISS.name)),
    )
    async def dismiss(
        source: Source,
        key: EventKey,
        request: Request,
        visitor: Present,
        request_id: RequestId = None,
    ) -> Said:
        """Let nothing come of an event that waits."""
        with told():
            await _check(request, visitor, source, key)
        workflow_id = f"{EVENT_PREFIX}{source}/{key}"
        answer = await sending.send(request, visitor, workflow_id, events.DISMISS, request_id)
        return Said(answer=answer)


async def _check(request: Request, visitor: Visitor, source: str, key: str) -> None:
    """Whether there is such an event for this visitor. Raises NotFound, and what `events` does."""
    record = await events.show(request.app.state.temporal, f"{source}/{key}")
    if not may_see_event(visitor, record.legal_entities):
        raise NotFound(f"nothing is known under {EVENT_PREFIX}{source}/{key}")
