"""Inbound events are delivered again, or dismissed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from contracts.access import Permission
from contracts.identifiers import EVENT_PREFIX
from starters.client import events, wire
from starters.client.wire import Said
from starters.web.api.access import event_of
from starters.web.api.documents import examples, sent
from starters.web.api.failures import told
from starters.web.api.parameters import RequestId
from starters.web.api.sending import ANSWERS, Sending
from starters.web.visitors import Present, needs

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


class EventRequest:
    """A request that decides about one event: whose it is, and the event that its path names."""

    def __init__(
        self,
        source: Source,
        key: EventKey,
        request: Request,
        visitor: Present,
        request_id: RequestId = None,
    ) -> None:
        self.address = f"{source}/{key}"
        self.request, self.visitor, self.request_id = request, visitor, request_id

    @property
    def workflow_id(self) -> str:
        return f"{EVENT_PREFIX}{self.address}"

    async def check(self) -> None:
        """Whether there is such an event for this visitor. Raises what `event_of` does."""
        await event_of(self.request.app.state.temporal, self.visitor, self.address)


OneEvent = Annotated[EventRequest, Depends()]


def add_routes(routes: APIRouter, sending: Sending) -> None:
    """Add the routes that decide about events."""

    @routes.post(
        f"{_EVENT}/{events.DELIVER_AGAIN.name}",
        tags=["events"],
        dependencies=_MEND,
        responses=ANSWERS,
        openapi_extra=sent(events.DELIVER_AGAIN.message, examples(events.DELIVER_AGAIN.name)),
    )
    async def deliver_again(event: OneEvent) -> Said:
        """Deliver an event again, whether it waits or is done with; what it did already it does not
        do twice."""
        said = await sending.body(event.request)
        by = event.visitor.person
        with told():
            wire.message_of(events.DELIVER_AGAIN.message, said, by)
            await event.check()
            done = await events.deliver_again(
                event.request.app.state.temporal,
                event.address,
                by=by,
                request_id=event.request_id,
                sign=sending.sign(event.visitor),
            )
            return Said(answer=f"{done} is delivered again")

    @routes.post(
        f"{_EVENT}/{events.DISMISS.name}",
        tags=["events"],
        dependencies=_MEND,
        responses=ANSWERS,
        openapi_extra=sent(events.DISMISS.message, examples(events.DISMISS.name)),
    )
    async def dismiss(event: OneEvent) -> Said:
        """Let nothing come of an event that waits."""
        with told():
            await event.check()
        answer = await sending.send(
            event.request, event.visitor, event.workflow_id, events.DISMISS, event.request_id
        )
        return Said(answer=answer)
