"""Tokens that programs send: of people who signed in with `c2c login`, and of systems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from contracts.access import Role
from gateways.errors import GatewayError
from gateways.identity.login_settings import LoginSettings, MachineSettings, OidcSettings
from gateways.secrets import Secret
from starters.web.login import tokens
from starters.web.login.people import NotUsable, known, roles_of
from starters.web.login.provider import Provider, ProviderAway
from starters.web.login.replays import Seen
from starters.web.login.tokens import BadToken
from starters.web.problems import HttpProblem
from starters.web.visitors import Visitor

ASSERTION_LASTS = timedelta(minutes=5)
"""How far ahead what a system signs itself may end."""
SCOPE = "c2c:"
_RETRY_AFTER_SECONDS = 30


class Bearer:
    """Verifies what `Authorization: Bearer` holds.

    A token of the provider is for `audience`, or it is the ID token of the client of `c2c login`. A
    system without one signs each request itself, for `audience` or the application's address, and
    once: `jti` is remembered.
    """

    def __init__(
        self,
        settings: LoginSettings,
        provider: Provider | None,
        base: str,
        now: Callable[[], datetime],
    ) -> None:
        self._settings, self._provider, self._now = settings, provider, now
        self._machines = dict(zip(settings.subjects, settings.machines.items(), strict=True))
        oidc = settings.oidc
        self._audience = oidc.audience if oidc else ""
        self._audiences = [item for item in (self._audience, base) if item]
        self._seen = Seen()

    async def visitor(self, token: str) -> Visitor:
        """Raises HttpProblem: 401 for a token that is not right, 403 for whoever has no role, 503
        where the provider is away."""
        try:
            _, claims = tokens.unverified(token)
            machine = self._machines.get(tokens.text(claims, "sub"))
            if machine is not None and claims.get("iss") == claims.get("sub"):
                name, configured = machine
                if configured.public_keys is not None:
                    return self._by_assertion(token, name, configured, configured.public_keys)
            if self._provider is None:
                raise BadToken("of nobody who is known here")
            return await self._by_provider(token, self._provider)
        except BadToken as error:
            raise HttpProblem(
                401,
                "the token is not right",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
                why=str(error),
            ) from None
        except NotUsable as error:
            raise HttpProblem(403, str(error)) from None
        except ProviderAway as error:
            raise HttpProblem(
                503,
                "the provider that tokens are of does not answer; try again soon",
                headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
                why=str(error),
            ) from None

    def _by_assertion(
        self, token: str, name: str, machine: MachineSettings, public_keys: Secret
    ) -> Visitor:
        """What a system signed itself."""
        try:
            keys = tokens.public_keys_of_text(public_keys.reveal())
        except (GatewayError, BadToken) as error:
            raise ProviderAway(f"identity.machines.{name}: {error}") from None
        claims, now = tokens.verified(token, keys), self._now()
        subject = tokens.text(claims, "sub")
        tokens.check(
            claims, issuer=subject, audiences=self._audiences, now=now, longest=ASSERTION_LASTS
        )
        jti, ends = tokens.text(claims, "jti"), tokens.moment(claims, "exp", now)
        if not jti or ends is None:
            raise BadToken("has no id")
        if not self._seen.is_new((subject, jti), ends + tokens.SKEW, now):
            raise BadToken("was used before")
        roles = {entity: frozenset(given) for entity, given in machine.roles.items()}
        return _machine(name, machine, claims, roles)

    async def _by_provider(self, token: str, provider: Provider) -> Visitor:
        claims, oidc = await provider.verified(token), provider.settings
        meant = [item for item in (oidc.audience, oidc.cli_client_id) if item]
        tokens.check(claims, issuer=provider.issuer, audiences=meant, now=self._now())
        machine = self._machines.get(tokens.text(claims, "sub"))
        if machine is None:
            return self._person(claims, oidc)
        name, configured = machine
        if configured.public_keys is not None or oidc.audience not in tokens.audiences_of(claims):
            raise BadToken("not the kind of token that this system has")
        return _machine(name, configured, claims, _granted(configured, claims))

    def _person(self, claims: Mapping[str, Any], oidc: OidcSettings) -> Visitor:
        found = known(claims, oidc, self._settings.systems)
        roles = roles_of(found.person, found.groups, self._settings.roles)
        if not roles:
            raise NotUsable(f"{found.person} has no role here: an administrator gives it")
        return Visitor(found.issuer, found.subject, found.person, found.name, roles)


def _machine(
    name: str,
    machine: MachineSettings,
    claims: Mapping[str, Any],
    roles: Mapping[str, frozenset[Role]],
) -> Visitor:
    return Visitor(
        issuer=tokens.text(claims, "iss"),
        subject=tokens.text(claims, "sub"),
        person=machine.person or name.lower(),
        name=name,
        roles=roles,
        is_machine=True,
    )


def _granted(machine: MachineSettings, claims: Mapping[str, Any]) -> dict[str, frozenset[Role]]:
    """Its roles, as far as the token has the scope for them. Raises NotUsable without any."""
    given = claims.get("scope", claims.get("roles", ""))
    scopes = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
    found = {
        entity: frozenset(role for role in roles if f"{SCOPE}{role}" in scopes)
        for entity, roles in machine.roles.items()
    }
    found = {entity: roles for entity, roles in found.items() if roles}
    if not found:
        raise NotUsable(f"the token has none of the scopes {SCOPE}<role> for roles of this system")
    return found
