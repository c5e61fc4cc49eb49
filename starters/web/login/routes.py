"""The pages of signing in and out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from gateways.identity.login_settings import OidcSettings
from starters.web.limits import RateLimit
from starters.web.login.identity import FormKept, Identity
from starters.web.login.oidc import CALLBACK, OidcLogin
from starters.web.login.personas import ISSUER
from starters.web.login.same_origin import check_same_origin, target
from starters.web.login.sessions import Session
from starters.web.pages.shell import page
from starters.web.problems import HttpProblem

_TOKEN = "logout_token"  # noqa: S105 (the name of a field)
Limited = Callable[[Request], Awaitable[None]]
"""Counts a request."""
_Target = Annotated[str, Query(max_length=2_000)]


class CommandLine(BaseModel):
    """What `c2c login` needs to know of the provider; nothing of it is secret."""

    issuer: str
    client_id: str
    scopes: list[str]
    audience: str = ""


def router(
    identity: Identity,
    oidc: OidcLogin | None,
    settings: OidcSettings | None,
    requests_per_minute: int,
) -> APIRouter:
    """`/login` and `/logout`: with the provider, or where there is none by a choice."""
    routes = APIRouter(include_in_schema=False)
    rate = RateLimit(requests_per_minute)

    async def limited(request: Request) -> None:
        request.state.sender = "login"
        await rate.check("login", request.client.host if request.client else "")

    @routes.get("/login")
    async def login(request: Request, to: _Target = "", again: str = "") -> Response:
        await limited(request)
        if oidc is not None:
            address = await oidc.begin(request, to, silent=bool(again))
            if request.headers.get("sec-fetch-site") == "same-origin":
                # It may have been a form that filters a list, and the content security policy lets
                # no form lead elsewhere, by a redirect neither: the next page goes on.
                return await page(request, "login/onward.html", there=address)
            return RedirectResponse(address, 303)
        _check_may_choose(identity, request)
        people = list(identity.personas.values())
        return await page(request, "login/personas.html", people=people, to=target(to))

    @routes.get("/login/command-line")
    async def command_line(request: Request) -> CommandLine:
        await limited(request)
        if settings is None or not settings.cli_client_id:
            raise HttpProblem(404, "identity.oidc.cli_client_id is not configured")
        return CommandLine(
            issuer=settings.issuer,
            client_id=settings.cli_client_id,
            scopes=list(settings.cli_scopes),
            audience=settings.audience,
        )

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        await limited(request)
        session = identity.session(request)
        # A form of another site comes without the cookie, and would have the browser drop it.
        check_same_origin(request, identity.cookies.base)
        if session is not None:
            await identity.check_form(request, session)
        identity.forget(request, session)
        # A form may lead to our own pages only (the content security policy): the next one goes on.
        is_there = oidc is not None and session is not None
        return RedirectResponse("/logout?there=1" if is_there else "/logout", 303)

    @routes.get("/logout")
    async def signed_out(request: Request, there: str = "") -> Response:
        await limited(request)
        address = await oidc.logout_address() if oidc is not None and there else None
        return await page(request, "login/signed_out.html", there=address)

    if oidc is not None:
        _add_provider(routes, oidc, limited)
    else:
        _add_choice(routes, identity, limited)
    return routes


async def give_back(request: Request, kept: FormKept) -> Response:
    """The page from which a form is sent again."""
    request.state.why = kept.why
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return await page(
        request, "login/again.html", status=kept.status, action=path, fields=kept.fields
    )


def _add_provider(routes: APIRouter, oidc: OidcLogin, limited: Limited) -> None:
    @routes.get(CALLBACK)
    async def callback(request: Request) -> Response:
        await limited(request)
        return RedirectResponse(await oidc.finish(request), 303)

    @routes.post("/logout/backchannel")
    async def backchannel(request: Request) -> Response:
        await limited(request)
        token = (await request.form()).get(_TOKEN)
        if not isinstance(token, str):
            raise HttpProblem(400, f"{_TOKEN} is missing")
        await oidc.ended_at_provider(token)
        return Response(status_code=200)


def _add_choice(routes: APIRouter, identity: Identity, limited: Limited) -> None:
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


def _check_may_choose(identity: Identity, request: Request) -> None:
    if identity.may_choose(request):
        return
    if identity.personas:
        raise HttpProblem(
            403,
            "without [identity.oidc] people are chosen from a list, and on this machine only",
            why="not from this machine",
        )
    raise HttpProblem(503, "nobody can sign in here: [identity.oidc] is not configured")
