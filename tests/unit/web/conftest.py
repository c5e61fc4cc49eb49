"""The application under test: no socket, and a Temporal that keeps events or is away, as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from temporalio.exceptions import WorkflowAlreadyStartedError

from contracts.events import EventRecord, InboundEvent
from gateways.secrets import Secret
from gateways.webhooks.connectors import CONNECTORS
from starters.web.app import application
from starters.web.senders import Sender
from tests.unit.web.signing import SECRET, STANDARD_SECRET
from wiring.settings import WebSettings


@dataclass
class FakeTemporal:
    """Keeps what is started under its id, once; fails, or is slow, as told."""

    kept: dict[str, InboundEvent] = field(default_factory=dict)
    failure: Exception | None = None
    delay_seconds: float = 0
    is_healthy: bool = True

    async def start_workflow(self, name: str, record: EventRecord, *, id: str, **_: Any) -> None:
        await asyncio.sleep(self.delay_seconds)
        if self.failure is not None:
            raise self.failure
        if id in self.kept:
            raise WorkflowAlreadyStartedError(id, name)
        self.kept[id] = record.event

    @property
    def service_client(self) -> FakeTemporal:
        return self

    async def check_health(self, **_: Any) -> bool:
        if self.failure is not None:
            raise self.failure
        return self.is_healthy


@dataclass
class Gateway:
    """A gateway with one sender of each kind; `tickets` speaks for no legal entity, `sla` for
    northwind."""

    app: FastAPI
    temporal: FakeTemporal
    http: httpx.AsyncClient

    async def post(self, name: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return await self.http.post(f"/webhooks/{name}", content=body, headers=headers)


def sender(name: str, kind: str, secret: str, legal_entity: str = "") -> Sender:
    return Sender(name, CONNECTORS[kind], (Secret.of(secret),), legal_entity)


SENDERS = {
    "tickets": sender("tickets", "events", STANDARD_SECRET),
    "sla": sender("sla", "events", STANDARD_SECRET, "northwind"),
    "hubspot": sender("hubspot", "hubspot", SECRET, "northwind"),
    "odoo": sender("odoo", "odoo", SECRET),
}
SETTINGS = WebSettings(public_url="https://c2c.example/", max_body_bytes=200_000)


def gateway_of(settings: WebSettings, temporal: FakeTemporal) -> FastAPI:
    async def connect() -> FakeTemporal:
        return temporal

    app = application(settings, SENDERS, connect, now=lambda: datetime.now(UTC))
    app.state.temporal = temporal  # httpx runs no lifespan
    return app


async def opened(settings: WebSettings) -> AsyncIterator[Gateway]:
    temporal = FakeTemporal()
    app = gateway_of(settings, temporal)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield Gateway(app, temporal, http)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async for item in opened(SETTINGS):
        yield item
