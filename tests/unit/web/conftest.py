"""The application under test: no socket, and a Temporal that keeps events or is away, as told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.exceptions import WorkflowAlreadyStartedError

from contracts.events import EventRecord, InboundEvent
from starters.web.senders import Sender
from tests.webhooks import SENDERS, SETTINGS, Gateway, gateway_over
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
class Door(Gateway):
    """A gateway over a Temporal that does as it is told."""

    temporal: FakeTemporal


@contextlib.asynccontextmanager
async def opened(
    settings: WebSettings, senders: Mapping[str, Sender] = SENDERS
) -> AsyncIterator[Door]:
    temporal = FakeTemporal()
    async with gateway_over(temporal, settings, senders) as gateway:
        yield Door(gateway.http, temporal)


@pytest.fixture
async def gateway() -> AsyncIterator[Door]:
    async with opened(SETTINGS) as door:
        yield door
