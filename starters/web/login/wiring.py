"""Identity as the configuration says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from starters.web.login.cookies import Sealer
from starters.web.login.identity import Cookies, Identity
from starters.web.login.personas import personas
from starters.web.this_machine import is_local
from wiring.settings import Settings, WebSettings


def identity_of(
    settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Identity:
    """Who may sign in. Raises ConfigurationError."""
    login = settings.identity
    sealer = Sealer.configured(login.cookie)
    sealer.check()
    if login.oidc is None and is_local(settings.web):
        # Its public address, if it has one, is for senders of webhooks: personas are for this
        # machine only.
        cookies = Cookies(own_address(settings.web), sealer)
        return Identity(cookies, personas=personas(settings.entities), now=now)
    return Identity(Cookies(base_address(settings.web), sealer), now=now)


def base_address(web: WebSettings) -> str:
    """The application's address as browsers know it, without a slash at its end."""
    return web.public_url.rstrip("/") or own_address(web)


def own_address(web: WebSettings) -> str:
    """The address that it listens on."""
    host = f"[{web.host}]" if ":" in web.host else web.host
    return f"{'https' if web.tls_in_front else 'http'}://{host}:{web.port}"
