"""Who a token is about, and which roles they have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.access import Role
from contracts.model import Person
from gateways.identity.login_settings import OidcSettings, RoleSettings
from starters.web.login import tokens
from starters.web.login.sessions import Roles
from starters.web.login.tokens import BadToken

MAX_GROUPS = 2_000
_NAME_CHARACTERS = 100
_PERSON: TypeAdapter[str] = TypeAdapter(Person)

Assigned = Mapping[str, Mapping[Role, RoleSettings]]
"""Who has which role, by legal entity."""


class NotUsable(Exception):
    """Somebody has signed in, and cannot be known here; the text says why, to them."""


@dataclass(frozen=True)
class Known:
    """Somebody whom the provider vouches for."""

    issuer: str
    subject: str
    person: str
    name: str
    groups: frozenset[str]


def is_complete(claims: Mapping[str, Any], settings: OidcSettings) -> bool:
    """Whether the claims say all that is needed; else the provider is asked for more."""
    needed = [settings.person_claim, settings.groups_claim]
    if settings.person_claim == "email":
        needed.append("email_verified")
    return all(_claim(claims, name) is not None for name in needed)


def known(
    claims: Mapping[str, Any], settings: OidcSettings, systems: Collection[str] = ()
) -> Known:
    """Who that is; nobody is who has the name of one of the systems. Raises NotUsable, and BadToken
    for claims that are malformed."""
    subject = tokens.text(claims, "sub")
    if not subject:
        raise BadToken("no subject")
    name = _claim(claims, settings.name_claim)
    person = _person(claims, settings)
    if person in systems:
        raise NotUsable(f"{person} is the name of a system here: an administrator gives it another")
    shown = name if isinstance(name, str) and name.strip() and name.isprintable() else person
    return Known(
        issuer=tokens.text(claims, "iss"),
        subject=subject,
        person=person,
        name=shown.strip()[:_NAME_CHARACTERS],
        groups=_groups(claims, settings.groups_claim),
    )


def roles_of(person: str, groups: Collection[str], assigned: Assigned) -> Roles:
    """The roles by legal entity; of those alone in which there is one."""
    found = {
        entity: frozenset(
            role
            for role, who in roles.items()
            if person in who.people or not set(who.groups).isdisjoint(groups)
        )
        for entity, roles in assigned.items()
    }
    return {entity: roles for entity, roles in found.items() if roles}


def _person(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    value = _claim(claims, settings.person_claim)
    if settings.person_claim == "email" and claims.get("email_verified") is not True:
        raise NotUsable("the provider does not say that your e-mail address is verified")
    try:
        found = _PERSON.validate_python(value, strict=True)
    except ValidationError:
        found = ""
    # A letter that only looks like another, and is it once it is small (the sign of kelvin), would
    # make somebody else of them.
    is_another = found.isascii() and not str(value).isascii()
    if not found.isprintable() or not found or is_another:
        raise NotUsable(f"the provider says no {settings.person_claim} of you that can be used")
    return found


def _groups(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    value = _claim(claims, name)
    elsewhere = claims.get("_claim_names")
    if value is None and isinstance(elsewhere, dict) and name in elsewhere:
        raise NotUsable(
            "you are in more groups than the provider writes into a token: application roles are "
            "to be used instead (identity.oidc.groups_claim)"
        )
    items = value if isinstance(value, list) else [value]
    return frozenset(item for item in items[:MAX_GROUPS] if isinstance(item, str) and item)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by its path (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
