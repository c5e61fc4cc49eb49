"""The gateway under test: the application without a socket, its senders, and who signs for them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI

from gateways.connectors import Connector
from gateways.crm import hubspot
from gateways.secrets import Secret
from gateways.senders import events, odoo
from starters.web.app import application
from starters.web.senders import Sender
from tests.unit.web.signing import SECRET, STANDARD_SECRET, hubspot_headers, standard_headers
from wiring.settings import WebSettings

SETTINGS = WebSettings(public_url="https://c2c.example/", max_body_bytes=200_000)


def sender(name: str, declared: Connector[Any, Any], secret: str, legal_entity: str = "") -> Sender:
    assert declared.webhook is not None
    secrets = (Secret.of(secret),)
    about = declared.kind, declared.about, declared.webhook
    return Sender(name, f"sender.{name}", *about, secrets, legal_entity)


SENDERS = {
    "tickets": sender("tickets", events.CONNECTOR, STANDARD_SECRET),
    "sla": sender("sla", events.CONNECTOR, STANDARD_SECRET, "northwind"),
    "hubspot": sender("hubspot", hubspot.CONNECTOR, SECRET, "northwind"),
    "odoo": sender("odoo", odoo.CONNECTOR, SECRET),
}
"""`tickets` speaks for any legal entity, `sla` for northwind."""


@dataclass
class Gateway:
    """A gateway with one sender of each kind, over a Temporal."""

    http: httpx.AsyncClient

    async def post(
        self, name: str, body: bytes, headers: dict[str, str], query: str = ""
    ) -> httpx.Response:
        return await self.http.post(f"/webhooks/{name}{query}", content=body, headers=headers)

    async def event(self, id: str, type: str, data: dict[str, Any], at: datetime) -> httpx.Response:
        """What `tickets` says happened at a time, signed now."""
        event = {"type": type, "timestamp": at.isoformat(), "data": data}
        body = json.dumps(event).encode()
        return await self.post("tickets", body, standard_headers(body, datetime.now(UTC), id=id))

    async def deals(self, *changes: dict[str, Any]) -> httpx.Response:
        """What HubSpot says of deals."""
        body = json.dumps(changes).encode()
        return await self.post("hubspot", body, hubspot_headers(body, datetime.now(UTC)))

    async def odoo(self, model: str, id: int, **fields: Any) -> httpx.Response:
        """What Odoo's automation rule says of a record."""
        body = json.dumps({"_model": model, "_id": id, **fields}).encode()
        return await self.post("odoo", body, {}, query=f"?secret={SECRET}")


def application_over(
    temporal: Any, settings: WebSettings, senders: Mapping[str, Sender] = SENDERS
) -> FastAPI:
    async def connect() -> Any:
        return temporal

    app = application(settings, senders, connect)
    app.state.temporal = temporal  # httpx runs no lifespan
    return app


@contextlib.asynccontextmanager
async def gateway_over(
    temporal: Any, settings: WebSettings = SETTINGS, senders: Mapping[str, Sender] = SENDERS
) -> AsyncIterator[Gateway]:
    app = application_over(temporal, settings, senders)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield Gateway(http)


def deal_changed(deal_id: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """One change of a deal, as HubSpot sends it."""
    return {
        "eventId": number,
        "subscriptionId": 12,
        "subscriptionType": "deal.propertyChange",
        "objectId": int(deal_id),
        "propertyName": "dealstage",
        "occurredAt": 1767225600000 + number,
    } | more
