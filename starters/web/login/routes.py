"""The pages of signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from starters.web.limits import RateLimit
from starters.web.login.identity import Identity
from starters.web.login.personas import ISSUER
from starters.web.login.same_origin import check_same_origin, target
from starters.web.login.sessions import Session
from starters.web.pages.shell import page
from starters.web.problems import HttpProblem

_Text = Annotated[str, Query(max_length=2_000)]


def router(identity: Identity, requests_per_minute: int) -> APIRouter:
    """`/login` and `/logout`."""
    routes = APIRouter(include_in_schema=False)
    rate = RateLimit(requests_per_minute)

    async def limited(request: Request) -> None:
        request.state.sender = "login"
        await rate.check("login", request.client.host if request.client else "")

    @routes.get("/login")
    async def login(request: Request, to: _Text = "") -> Response:
        await limited(request)
        _check_may_choose(identity, request)
        people = list(identity.personas.values())
        return await page(request, "login/personas.html", people=people, to=target(to))

    @routes.post("/login")
    async def choose(
        request: Request,
        person: Annotated[str, Form(max_length=200)],
        to: Annotated[str, Form(max_length=2_000)] = "",
    ) -> Response:
        await limited(request)
        _check_may_choose(identity, request)
        check_same_origin(request, identity.cookies.base)
        chosen = identity.personas.get(person)
        if chosen is None:
            raise HttpProblem(404, "there is no such person to choose")
        now = identity.now()
        session = Session(
            ISSUER, chosen.person, chosen.person, chosen.name, chosen.roles, now, now, now
        )
        identity.remember(request, session)
        return RedirectResponse(target(to), 303)

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        await limited(request)
        session = identity.session(request)
        if session is not None:
            await identity.check_form(request, session)
        identity.forget(request, session)
        return RedirectResponse("/logout", 303)

    @routes.get("/logout")
    async def signed_out(request: Request) -> Response:
        await limited(request)
        return await page(request, "login/signed_out.html")

    return routes


def _check_may_choose(identity: Identity, request: Request) -> None:
    if identity.personas and identity.may_choose(request):
        return
    if identity.personas:
        raise HttpProblem(
            403,
            "without [identity.oidc] people are chosen from a list, and on this machine only",
            why="not from this machine",
        )
    raise HttpProblem(503, "nobody can sign in here: [identity.oidc] is not configured")
