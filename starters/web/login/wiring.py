"""Signing in as the configuration says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter

from starters.web.login import routes
from starters.web.login.bearer import Bearer
from starters.web.login.cookies import Sealer
from starters.web.login.identity import Cookies, Identity
from starters.web.login.oidc import OidcLogin
from starters.web.login.personas import personas
from starters.web.login.provider import Provider
from starters.web.this_machine import is_local
from wiring.settings import Settings, WebSettings


@dataclass(frozen=True)
class SigningIn:
    """Who asks, and the pages by which people say so."""

    identity: Identity
    routes: APIRouter


def signing_in(
    settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> SigningIn:
    """Without a provider, and where nothing but this machine reaches the application, whoever is
    there chooses who they are. Raises ConfigurationError."""
    login, web = settings.identity, settings.web
    sealer = Sealer.configured(login.cookie)
    sealer.check()
    is_open = login.oidc is None and is_local(web)
    # On this machine people come to where it listens, by whatever name it is known here.
    cookies = Cookies(own_address(web) if is_open else base_address(web), sealer)
    provider = Provider(login.oidc, now) if login.oidc else None
    identity = Identity(
        cookies,
        personas=personas(settings.entities) if is_open else {},
        bearer=Bearer(login, provider, base_address(web), now),
        now=now,
    )
    oidc = OidcLogin(identity, provider, login) if provider else None
    return SigningIn(identity, routes.router(identity, oidc, login.oidc, web.requests_per_minute))


def base_address(web: WebSettings) -> str:
    """The application's address as browsers know it, without a slash at its end."""
    return web.public_url.rstrip("/") or own_address(web)


def own_address(web: WebSettings) -> str:
    """The address that it listens on."""
    host = f"[{web.host}]" if ":" in web.host else web.host
    return f"{'https' if web.tls_in_front else 'http'}://{host}:{web.port}"
