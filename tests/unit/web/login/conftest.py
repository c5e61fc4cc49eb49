"""The application with a login, without a socket; a clock that the test moves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from contracts.access import Permission
from starters.web.app import application
from starters.web.login.identity import Identity
from starters.web.login.wiring import signing_in
from starters.web.pages.workbench import Workbench
from starters.web.visitors import Present, needs
from tests import oidc
from tests.oidc import Judge
from tests.unit.web.login.configured import settings
from wiring.settings import Settings


@dataclass
class Clock:
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: int) -> None:
        self.now += timedelta(**time)


def probe() -> APIRouter:
    """Routes that say who asks."""
    routes = APIRouter()

    @routes.get("/try", dependencies=[needs(Permission.READ)])
    async def seen(visitor: Present) -> dict[str, Any]:
        roles = {entity: sorted(map(str, roles)) for entity, roles in visitor.roles.items()}
        return {
            "person": visitor.person,
            "issuer": visitor.issuer,
            "subject": visitor.subject,
            "name": visitor.name,
            "roles": roles,
            "csrf": visitor.csrf,
            "machine": visitor.is_machine,
            "banner": visitor.banner,
        }

    @routes.post("/try", dependencies=[needs(Permission.READ)])
    async def changed(visitor: Present) -> str:
        return visitor.person

    @routes.get("/probe/{entity}", dependencies=[needs(Permission.DECIDE)])
    async def decided(visitor: Present, entity: str) -> str:
        return entity

    return routes


def app_of(configured: Settings, clock: Callable[[], datetime]) -> tuple[FastAPI, Identity]:
    async def connect() -> None:
        return None

    login = signing_in(configured, now=clock)
    app = application(
        configured.web,
        {},
        connect,
        workbench=Workbench.of(configured),
        visits=login.identity,
        login=login.routes,
    )
    app.include_router(probe())
    return app, login.identity


@dataclass
class Site:
    """A browser of one person, in front of the application."""

    http: httpx.AsyncClient
    clock: Clock
    identity: Identity
    app: FastAPI

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page, as a browser does."""
        return await self.http.get(path, headers={"accept": "text/html", **_named(headers)})

    async def post(self, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form of the application."""
        sent = {"sec-fetch-site": "same-origin", "accept": "text/html", **_named(headers)}
        return await self.http.post(path, data=form, headers=sent)

    async def who(self) -> dict[str, Any]:
        answer = await self.http.get("/try")
        found: dict[str, Any] = answer.json()
        return found


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@contextlib.asynccontextmanager
async def opened(
    configured: Settings, *, client: str = "127.0.0.1", base: str = "http://127.0.0.1:8400"
) -> AsyncIterator[Site]:
    clock = Clock()
    app, identity = app_of(configured, clock)
    transport = httpx.ASGITransport(app, client=(client, 1), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base) as http:
        yield Site(http, clock, identity, app)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Without a provider, on this machine."""
    async with opened(settings()) as found:
        yield found


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    with oidc.started() as found:
        yield found


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    """What a person's browser keeps of the provider."""
    with oidc.browser() as found:
        yield found
