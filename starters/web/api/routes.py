"""The router of `/api/v1`, and what every route has around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request
from temporalio.client import Client

from starters.access_review import Access
from starters.client import bank, events, messages, wire
from starters.client.wire import CustomerErasure, DealWon
from starters.erasing import Erasing
from starters.web.api import delivering, documents, reading, reviewing, sending, starting
from starters.web.api import erasing as erasures
from starters.web.api.sending import Sending
from starters.web.limits import RateLimit
from starters.web.pages.workbench import Signing
from wiring.settings import WebSettings

_LIMITED_AS = "api"


def router(
    settings: WebSettings,
    signing: Signing | None = None,
    access: Access | None = None,
    erasing: Callable[[Client], Erasing] | None = None,
) -> APIRouter:
    """Every route of `/api/v1`. Without `signing` messages are sent unsigned; `access` is what is
    known of who may do what, and without `erasing` there is nothing to erase."""
    rate = RateLimit(settings.requests_per_minute)

    async def limited(request: Request) -> None:
        request.state.sender = _LIMITED_AS
        await rate.check(_LIMITED_AS, request.client.host if request.client else "")

    routes = APIRouter(prefix=wire.PREFIX, dependencies=[Depends(limited)])
    ways = Sending(settings.max_body_bytes, signing)
    routes.include_router(reading.routes)
    starting.add_routes(routes, ways)
    sending.add_routes(routes, ways)
    delivering.add_routes(routes, ways)
    reviewing.add_routes(routes, access or Access())
    erasures.add_routes(routes, ways, erasing)
    return routes


def schemas() -> dict[str, Any]:
    """What the document of the whole application has to have beside the routes."""
    updates = (*messages.OF_CONTRACTS, *messages.OF_INVOICES, *bank.OF_FILES, *events.OF_EVENTS)
    return documents.schemas(DealWon, CustomerErasure, *(item.message for item in updates))
