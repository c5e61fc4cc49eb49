"""What the configuration says of signing in: the provider, roles, systems, and the cookie's keys.
Light to import: every command reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from contracts.access import EVERYWHERE, Role
from contracts.addresses import is_loopback
from contracts.identifiers import KEY
from contracts.model import Person
from gateways.secrets import Secret
from gateways.settings import KeySettings, Section, secret_of


def _address(value: str) -> str:
    """An address that nobody on the way can read or change. Raises ValueError."""
    parts = urlsplit(value)
    host = parts.hostname or ""
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not (host and is_safe) or parts.query or parts.fragment:
        raise ValueError("an address that begins with https:// (http:// on this machine only)")
    return value


def _entity(value: str) -> str:
    if value != EVERYWHERE and not KEY.match(value):
        raise ValueError(f"the key of a legal entity, or {EVERYWHERE!r} for all of them")
    return value


Address = Annotated[str, StringConstraints(max_length=500), AfterValidator(_address)]
Entity = Annotated[str, AfterValidator(_entity)]
Claim = Annotated[str, StringConstraints(min_length=1, max_length=200)]
KeyId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Group = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]


class OidcSettings(Section):
    """The provider that people sign in with, by OpenID Connect.

    The application proves itself by `client_secret`, or by `private_key` (PEM or JWK; RFC 7523).
    `person_claim` gives the name that approval rules have; where it is `email`, the provider must
    say `email_verified`. `groups_claim` gives the groups, or application roles, that
    `[identity.roles]` names.

    `cli_client_id` is the public client that `c2c login` uses. With `audience` programs send access
    tokens made for it; without, `c2c` sends the ID token of its client.
    """

    issuer: Address
    client_id: str = Field(min_length=1, max_length=300)
    client_secret_file: Path | None = None
    client_secret: SecretStr | None = None
    private_key_file: Path | None = None
    private_key: SecretStr | None = None
    private_key_algorithm: str = Field("RS256", pattern="^(RS|PS|ES)(256|384|512)$|^Ed25519$")
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    person_claim: Claim = "email"
    name_claim: Claim = "name"
    groups_claim: Claim = "groups"
    audience: str = Field("", max_length=500)
    cli_client_id: str = Field("", max_length=300)
    cli_scopes: tuple[str, ...] = ("openid", "profile", "email", "offline_access")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (
            self.client_secret_file,
            self.client_secret,
            self.private_key_file,
            self.private_key,
        )
        if sum(item is not None for item in given) != 1:
            raise ValueError(
                "one of client_secret_file, client_secret, private_key_file and private_key"
            )
        if "openid" not in self.scopes:
            raise ValueError("openid among scopes")
        return self

    @property
    def secret(self) -> Secret | None:
        """The client's secret; None where it has a key."""
        if self.client_secret_file is None and self.client_secret is None:
            return None
        return secret_of(self.client_secret_file, self.client_secret)

    @property
    def key(self) -> Secret | None:
        """The client's private key; None where it has a secret."""
        if self.private_key_file is None and self.private_key is None:
            return None
        return secret_of(self.private_key_file, self.private_key)


class RoleSettings(Section):
    """Who has a role: the members of these groups, and these people."""

    groups: tuple[Group, ...] = Field((), max_length=200)
    people: tuple[Person, ...] = Field((), max_length=1_000)


class MachineSettings(Section):
    """A system that calls the application by itself, and its roles by legal entity.

    It signs each request with a key of its own (`public_key_file`: a JWK Set, a JWK or PEM), or it
    comes with an access token of the provider of `[identity.oidc]`, made for `audience`. `subject`
    is what its tokens have as `sub`; left out, it is the name of the table. A token of the provider
    gives the roles only for which it has the scope `c2c:<role>`. `person` is its name in journals
    and to the approval rules; it is nobody else's, or the system could count as a second person.
    """

    subject: str = Field("", max_length=300)
    person: Person | None = None
    public_key_file: Path | None = None
    roles: dict[Entity, tuple[Role, ...]] = Field(min_length=1)

    @property
    def public_keys(self) -> Secret | None:
        """Its public keys; None where the provider vouches for it."""
        return Secret.file(self.public_key_file.expanduser()) if self.public_key_file else None


class CookieSettings(Section):
    """The keys that the cookie of whoever is signed in is sealed by. `active` names the one for new
    cookies; the others still open theirs. Without any, a process makes one for itself: people sign
    in again when it restarts, and several processes do not know each other's cookies."""

    active: KeyId | None = None
    keys: dict[KeyId, KeySettings] = Field(default_factory=dict, max_length=10)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.active is not None and self.active not in self.keys:
            raise ValueError(f"active to be one of keys ({', '.join(self.keys) or 'none'})")
        if self.active is None and len(self.keys) > 1:
            raise ValueError(f"active, which of the keys ({', '.join(self.keys)}) seals")
        return self

    @property
    def active_key(self) -> str:
        """The key that seals; empty without keys."""
        return self.active or next(iter(self.keys), "")


class LoginSettings(Section):
    """Who may sign in, and as what.

    `roles` says by legal entity (`"*"`: all of them) and role which groups and people have it.
    """

    oidc: OidcSettings | None = None
    roles: dict[Entity, dict[Role, RoleSettings]] = Field(default_factory=dict)
    machines: dict[Name, MachineSettings] = Field(default_factory=dict, max_length=200)
    cookie: CookieSettings = CookieSettings()

    @model_validator(mode="after")
    def _machines_are_told_apart(self) -> Self:
        for entity, roles in self.roles.items():
            if Role.SENDER in roles:
                raise ValueError(f"a role of people: roles.{entity}.sender is for systems")
        subjects = list(self.subjects)
        twice = sorted({item for item in subjects if subjects.count(item) > 1})
        if twice:
            raise ValueError(f"machines with subjects of their own ({', '.join(twice)} is twice)")
        for problem in self._names_of_others():
            raise ValueError(problem)
        for name, machine in self.machines.items():
            if machine.public_key_file is None and (self.oidc is None or not self.oidc.audience):
                raise ValueError(
                    f"machines.{name}.public_key_file, or oidc.audience for tokens of the provider"
                )
        return self

    def _names_of_others(self) -> Iterator[str]:
        """What is wrong with the names of systems: each is its own, and none is like a person's."""
        people = {
            person
            for roles in self.roles.values()
            for who in roles.values()
            for person in who.people
        }
        known = self.systems
        for name, machine in self.machines.items():
            person = machine.person or name.lower()
            where = f"machines.{name}.person to be a name of its own: {person}"
            if person in people:
                yield f"{where} is a person of identity.roles"
            elif "@" in person:
                yield f"{where} is an e-mail address, as people have"
            elif known.count(person) > 1:
                yield f"{where} is another system's, too"

    @property
    def systems(self) -> tuple[str, ...]:
        """The names of systems in journals, in the order of the table."""
        return tuple(item.person or name.lower() for name, item in self.machines.items())

    @property
    def subjects(self) -> Iterator[str]:
        """The subjects of machines' tokens, in the order of the table."""
        for name, machine in self.machines.items():
            yield machine.subject or name

    def unknown_entities(
        self, known: Mapping[str, object]
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """Places that name a legal entity which is not configured, with what is expected."""
        expected = f"one of entities ({', '.join(known)}) or {EVERYWHERE!r}"
        for entity in self.roles:
            if entity not in known and entity != EVERYWHERE:
                yield ("identity", "roles", entity), expected
        for name, machine in self.machines.items():
            for entity in machine.roles:
                if entity not in known and entity != EVERYWHERE:
                    yield ("identity", "machines", name, "roles", entity), expected
