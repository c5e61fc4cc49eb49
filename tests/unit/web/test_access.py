"""Every route of the application is either on the list of public ones, or declares what it needs:
and then nobody gets in without signing in, with another role, or from another legal entity."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from contracts import access
from contracts.access import ALLOWED, EVERYWHERE, Role
from starters.web.app import application
from starters.web.login.wiring import signing_in
from starters.web.pages.workbench import Workbench
from starters.web.problems import HttpProblem
from starters.web.visitors import ENTITY, Needs, Visitor
from tests.unit.web.login.configured import settings

PUBLIC = {
    "GET /health",
    "GET /ready",
    "GET /schemas",
    "GET /schemas/{type}",
    "GET /openapi.json",
    "HEAD /openapi.json",
    "GET /static/{name}",
    "POST /webhooks/{sender}",  # signed by the sender
    "GET /login",
    "POST /login",
    "GET /login/callback",
    "GET /login/command-line",
    "GET /logout",
    "POST /logout",  # a form of whoever is signed in
    "POST /logout/backchannel",  # signed by the provider
    "POST /codec/decode",  # by tokens of its own, or signed in: test_codec_server, test_tokens
    "POST /codec/download",
    "POST /codec/encode",
    "OPTIONS /codec/decode",
    "OPTIONS /codec/download",
    "OPTIONS /codec/encode",
}
"""Who may call these is said by something else than a role, or everybody may."""

CONFIGURED = settings(
    oidc={
        "issuer": "https://id.example",
        "client_id": "c2c",
        "client_secret": "s",
        "cli_client_id": "cli",
    }
)


@dataclass
class Anybody:
    """Says that this is who asks."""

    asks: Visitor | None = None

    async def visitor(self, request: Request) -> Visitor | None:
        return self.asks

    def sign_in(self, request: Request) -> HttpProblem:
        return HttpProblem(401, "sign in first")


VISITS = Anybody()


def made() -> FastAPI:
    async def connect() -> None:
        return None

    login = signing_in(CONFIGURED)
    app = application(
        CONFIGURED.web,
        {},
        connect,
        workbench=Workbench.of(CONFIGURED),
        visits=VISITS,
        login=login.routes,
    )
    app.state.temporal = None
    return app


APP = made()


def walked(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, BaseRoute]]:
    """Every route by its method and path; FastAPI keeps included routers as they are."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            added: str = route.include_context.prefix  # type: ignore[attr-defined]
            yield from walked(inner.routes, prefix + added)
            continue
        for method in sorted(getattr(route, "methods", None) or {"*"}):
            yield f"{method} {prefix}{getattr(route, 'path', '?')}", route


def needs_of(dependant: Dependant) -> list[Needs]:
    own = [dependant.call] if isinstance(dependant.call, Needs) else []
    return [*own, *(found for inner in dependant.dependencies for found in needs_of(inner))]


WALKED = list(walked(APP.routes))
ROUTES = dict(WALKED)
DECLARED = {
    name: needs_of(route.dependant)
    for name, route in ROUTES.items()
    if name not in PUBLIC and isinstance(route, APIRoute)
}


def test_every_route_is_public_by_name_or_declares_what_it_needs() -> None:
    assert len(ROUTES) == len(WALKED), "no two are taken for one"
    assert {"GET /inbox", "GET /api/v1/contracts"} <= ROUTES.keys()
    assert sorted(ROUTES.keys() - PUBLIC - DECLARED.keys()) == [], "routes that are no APIRoute"
    assert [name for name, needed in DECLARED.items() if len(needed) != 1] == []


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(APP, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8400") as client:
        yield client
    VISITS.asks = None


def somebody(entity: str, *roles: Role) -> Visitor:
    return Visitor(
        "https://id.example", "1", "ana@northwind.example", "Ana", {entity: frozenset(roles)}
    )


async def status_of(http: httpx.AsyncClient, name: str, asks: Visitor | None) -> int:
    """What a route answers to somebody, with the path's parameters filled in."""
    VISITS.asks = asks
    method, _, path = name.partition(" ")
    path = path.replace("{" + ENTITY + "}", "northwind")
    path = re.sub(r"{(\w*number\w*|n)(:\w+)?}", "1", path)
    return (await http.request(method, re.sub(r"{[^}]*}", "C-1", path))).status_code


@pytest.mark.parametrize("name", sorted(DECLARED))
async def test_nobody_gets_in_without_the_role_for_that_legal_entity(
    http: httpx.AsyncClient, name: str
) -> None:
    [needed] = DECLARED[name]
    assert await status_of(http, name, None) == 401
    wrong = [role for role in Role if not ALLOWED[role] & set(needed.permissions)]
    for role in wrong:
        assert await status_of(http, name, somebody("northwind", role)) == 403
        assert await status_of(http, name, somebody(EVERYWHERE, role)) == 403
    if f"{{{ENTITY}}}" in name:
        right = access.who_may(needed.permissions[0])
        assert await status_of(http, name, somebody("northwind-uk", *right)) == 404
        assert await status_of(http, name, somebody("northwind-uk", *Role)) == 404
