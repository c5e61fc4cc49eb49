"""What `c2c check` says of signing in: the provider, roles, and the keys of systems and cookies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from contracts import access
from contracts.access import EVERYWHERE, Permission
from gateways.errors import GatewayError
from gateways.identity.login_settings import LoginSettings, OidcSettings
from starters.findings import Area, Finding
from starters.web.login import tokens
from starters.web.login.cookies import Sealer
from starters.web.login.provider import Provider, ProviderAway
from starters.web.login.tokens import BadToken
from starters.web.this_machine import is_local
from wiring.settings import ConfigurationError, Settings

_LOGIN = Area("Login")
_SEE = "docs/identity.md"


async def check(settings: Settings) -> list[Finding]:
    """Asks the provider for what it publishes."""
    login = settings.identity
    found = list(_machines(login))
    if login.oidc is None:
        return [_without_provider(settings), *found]
    found = [await _provider(login.oidc), _secret(login.oidc), _cookie(login), *found]
    return [*found, *_roles(settings)]


def _without_provider(settings: Settings) -> Finding:
    if is_local(settings.web):
        detail = "no provider: whoever is on this machine chooses who they are"
        return _LOGIN.warn("people", detail, f"right for a trial; else [identity.oidc], {_SEE}")
    detail = "no provider: nobody can sign in to the pages"
    return _LOGIN.warn("people", detail, f"configure [identity.oidc]: {_SEE}")


async def _provider(oidc: OidcSettings) -> Finding:
    try:
        await Provider(oidc, lambda: datetime.now(UTC)).metadata()
    except ProviderAway as error:
        return _LOGIN.missing("provider", f"{oidc.issuer}: {error}", "see identity.oidc.issuer")
    return _LOGIN.ok("provider", oidc.issuer)


def _secret(oidc: OidcSettings) -> Finding:
    """Whether the application can prove itself."""
    try:
        if oidc.secret is not None:
            oidc.secret.reveal()
            return _LOGIN.ok("client", f"{oidc.client_id}, by a secret")
        if oidc.key is not None:
            tokens.signing_key(oidc.key.reveal())
        return _LOGIN.ok("client", f"{oidc.client_id}, by a key ({oidc.private_key_algorithm})")
    except (GatewayError, BadToken) as error:
        return _LOGIN.missing("client", str(error), f"{_SEE}#people-sign-in")


def _cookie(login: LoginSettings) -> Finding:
    try:
        Sealer.configured(login.cookie).check()
    except ConfigurationError as error:
        return _LOGIN.missing("cookie", str(error), "c2c keys new-master makes one")
    if not login.cookie.keys:
        detail = "no keys: people sign in again when c2c serve restarts"
        return _LOGIN.warn("cookie", detail, "configure [identity.cookie.keys] for several")
    return _LOGIN.ok("cookie", f"sealed by {login.cookie.active_key}")


def _machines(login: LoginSettings) -> Iterator[Finding]:
    for name, machine in login.machines.items():
        if machine.public_keys is None:
            yield _LOGIN.ok(f"system {name}", "by tokens of the provider")
            continue
        try:
            count = len(tokens.public_keys_of_text(machine.public_keys.reveal()))
        except (GatewayError, BadToken) as error:
            remedy = f"see identity.machines.{name}.public_key_file"
            yield _LOGIN.missing(f"system {name}", str(error), remedy)
        else:
            yield _LOGIN.ok(f"system {name}", f"{count} public key{'s' if count > 1 else ''}")


def _roles(settings: Settings) -> Iterator[Finding]:
    """Whether somebody may approve for each legal entity."""
    deciding = access.who_may(Permission.DECIDE)
    for entity in settings.entities:
        given = {
            role
            for place in (entity, EVERYWHERE)
            for role, who in settings.identity.roles.get(place, {}).items()
            if who.groups or who.people
        }
        if not given & set(deciding):
            detail, remedy = "nobody may approve", f"[identity.roles.{entity}.finance]"
            yield _LOGIN.missing(f"roles for {entity}", detail, remedy)
        else:
            words = ", ".join(sorted(role.words for role in given))
            yield _LOGIN.ok(f"roles for {entity}", words)
