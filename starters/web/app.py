"""The application: webhooks in, health and readiness, the schemas of events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from temporalio.client import Client
from temporalio.service import RPCError

from contracts.events import InboundEvent
from contracts.problems import InvalidContract
from gateways.senders.events import events
from gateways.webhooks.received import Received
from gateways.webhooks.schemes import NotVerified, SignedRequest
from starters.client.events import Away, receive
from starters.web import codec as codec_routes
from starters.web import problems
from starters.web.api import routes as api
from starters.web.codec import CodecServer
from starters.web.limits import BodyLimit, RateLimit, read_body
from starters.web.login.identity import FormKept
from starters.web.login.routes import give_back
from starters.web.middleware import Around
from starters.web.pages import errors
from starters.web.pages.modules import add_pages
from starters.web.pages.workbench import Workbench
from starters.web.problems import HttpProblem, add_handlers, documented
from starters.web.senders import Sender
from starters.web.visitors import Visits
from wiring.settings import WebSettings

RETRY_AFTER_SECONDS = 30
_READY_WITHIN = timedelta(seconds=2)
_ANSWER = {
    "description": "The same, answered with the text that the sender insists on.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}
_STARTED_AT_ONCE = 20
"""Events of one request that are handed to Temporal at the same time."""


class AcceptedEvent(BaseModel):
    """`id` is the one that `c2c events show` takes; `new` is false for a repeat."""

    id: str
    new: bool


class Accepted(BaseModel):
    """The events of a request are kept; what becomes of them is seen by `c2c events`."""

    events: list[AcceptedEvent]


class Status(BaseModel):
    status: str


def application(
    settings: WebSettings,
    senders: Mapping[str, Sender],
    connect: Callable[[], Any],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    codec: CodecServer | None = None,
    workbench: Workbench | None = None,
    visits: Visits | None = None,
    login: APIRouter | None = None,
) -> FastAPI:
    """The gateway; `connect` is a coroutine function that gives the client of Temporal. Without
    encryption there is no codec server; without `visits`, who say who asks, there are neither pages
    nor the API."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.temporal = await connect()
        yield

    app = FastAPI(
        title="Contract to Cash",
        summary="Webhooks in; contracts and invoices for programs; health and readiness.",
        version="1",
        docs_url=None,  # a page that loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=documented(500),
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_body_bytes,
        read_elsewhere=("/webhooks/", "/codec/"),
    )
    app.add_middleware(Around, tls=settings.tls_in_front)
    if workbench is not None and visits is not None:
        add_handlers(app, errors.shown)
        add_pages(app, workbench)
        if login is not None:
            app.include_router(login)
            app.add_exception_handler(FormKept, give_back)  # type: ignore[arg-type]
    else:
        add_handlers(app)
    door = Door(settings, senders, now)
    if codec is not None:
        app.include_router(codec_routes.router(codec, settings.requests_per_minute))
    if visits is not None:
        app.state.visits = visits
        known = (workbench.signing, workbench.access, workbench.erasing) if workbench else ()
        app.include_router(api.router(settings, *known))

    @app.post(
        "/webhooks/{sender}",
        status_code=202,
        tags=["webhooks"],
        response_model=Accepted,
        responses={200: _ANSWER, **documented(400, 401, 404, 408, 413, 422, 429, 503)},
        openapi_extra={"requestBody": _body(), "parameters": _signature()},
    )
    async def webhook(sender: str, request: Request) -> Accepted | Response:
        """Receive what a configured sender signs. It is kept before this is answered; a repeat is
        the same event."""
        accepted = await door.receive(sender, request, app.state.temporal)
        text = senders[sender].webhook.answer
        return Response(text, media_type="text/plain") if text else accepted

    @app.get("/health", tags=["operations"])
    async def health() -> Status:
        """The process serves."""
        return Status(status="ok")

    @app.get("/ready", tags=["operations"], responses=documented(503))
    async def ready() -> Status:
        """Temporal answers: webhooks can be accepted."""
        await _check_temporal(app.state.temporal)
        return Status(status="ok")

    @app.get("/schemas", tags=["schemas"])
    async def schemas() -> dict[str, Any]:
        """The JSON Schema of an event of any type."""
        return events.schema("")

    @app.get("/schemas/{type}", tags=["schemas"], responses=documented(404))
    async def schema(type: str) -> dict[str, Any]:
        """The JSON Schema of one type of event, such as `milestone.reached`."""
        if type not in events.EVENTS:
            raise HttpProblem(404, f"the types are {', '.join(events.EVENTS)}")
        return events.schema(type)

    return app


class Door:
    """Lets in what a configured sender has signed: limited, verified, kept, then answered."""

    def __init__(
        self, settings: WebSettings, senders: Mapping[str, Sender], now: Callable[[], datetime]
    ) -> None:
        self._settings, self._senders, self._now = settings, senders, now
        self._rate = RateLimit(settings.requests_per_minute)

    async def receive(self, name: str, request: Request, temporal: Client) -> Accepted:
        """Raises HttpProblem; with 503 where Temporal does not keep the events in time."""
        sender = self._senders.get(name)
        if sender is None:
            raise HttpProblem(404, "no such sender is configured")
        request.state.sender = name
        await self._rate.check(name, request.client.host if request.client else "")
        body = await read_body(request, self._settings.max_body_bytes)
        received = self._verified(sender, request, body)
        try:
            found = sender.webhook.parse(received)
        except InvalidContract as error:
            raise HttpProblem(
                422, "the event cannot be accepted", problems=error.problems, why=str(error)
            ) from None
        new = await _keep(temporal, found, sender.webhook.deadline_seconds)
        request.state.events, request.state.new = len(found), sum(new)
        return Accepted(
            events=[
                AcceptedEvent(id=f"{event.source}/{event.key}", new=is_new)
                for event, is_new in zip(found, new, strict=True)
            ]
        )

    def _verified(self, sender: Sender, request: Request, body: bytes) -> Received:
        """Whatever is wrong with the proof, the answer is the same."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        signed = SignedRequest(request.method, self._public_url(request), headers, body)
        at = self._now()
        try:
            sender.webhook.verify(signed, sender.revealed(), at)
        except NotVerified as error:
            status = sender.webhook.unverified_status
            raise HttpProblem(status, "the signature is not right", why=str(error)) from None
        return Received(sender.name, sender.legal_entity, headers, body, at)

    def _public_url(self, request: Request) -> str:
        """The address as the sender knows it: in front of us there may be another."""
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        base = self._settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
        return base.rstrip("/") + path


async def _keep(
    temporal: Client, found: Sequence[InboundEvent], within_seconds: float
) -> list[bool]:
    """Start the events' workflows. Those kept before a failure are repeats when it is repeated."""
    turns = asyncio.Semaphore(_STARTED_AT_ONCE)

    async def keep(event: InboundEvent) -> bool:
        async with turns:
            return await receive(temporal, event, within_seconds=within_seconds)

    try:
        async with asyncio.timeout(within_seconds):
            return await asyncio.gather(*map(keep, found))
    except (Away, TimeoutError) as error:
        raise HttpProblem(
            503,
            "not kept; send it again",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            why=f"Temporal: {error}",
        ) from None


async def _check_temporal(temporal: Client) -> None:
    try:
        async with asyncio.timeout(_READY_WITHIN.total_seconds()):
            if await temporal.service_client.check_health(timeout=_READY_WITHIN):
                return
        why = "it does not serve"
    except (RPCError, TimeoutError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}"
    raise HttpProblem(
        503,
        "Temporal does not answer",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        why=f"Temporal: {why}",
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        document["components"]["schemas"].update(events.openapi_schemas()[1] | problems.schemas())
        if hasattr(app.state, "visits"):
            document["components"]["schemas"].update(api.schemas())
        app.openapi_schema = document
    return app.openapi_schema


def _body() -> dict[str, Any]:
    others = {"title": "What other kinds of senders send", "type": ["array", "object"]}
    schema = {"anyOf": [events.openapi_schemas()[0], others]}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _signature() -> list[dict[str, Any]]:
    about = "Of Standard Webhooks; other kinds of senders have headers of their own."
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return [
        {"name": name, "in": "header", "description": about, "schema": {"type": "string"}}
        for name in names
    ]
