"""The access review as it is made: from the configuration, from who has come in, and from the audit
record."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.access import EVERYWHERE, Role
from contracts.audit.entries import Entry
from contracts.policy import LegalEntity
from contracts.views.access import (
    Approvers,
    Concern,
    Grant,
    Review,
    SignedIn,
    System,
    asked_and_approved,
    concerns,
    decided,
    role_rows,
)
from gateways.audit import lately
from gateways.audit.chains import Chains
from gateways.errors import GatewayError
from gateways.identity.login_settings import LoginSettings, MachineSettings
from starters.web.login import tokens
from starters.web.login.tokens import BadToken
from starters.web.this_machine import is_local
from wiring import audit, identity
from wiring import client as temporal
from wiring.settings import Settings

PERIOD = timedelta(days=92)
"""Decisions are looked at so far back: a quarter."""
MOST_ENTRIES = 20_000
SECONDS = 5.0
"""So long the audit record is read for a page."""
_GROUPS = "Who is in the groups of the provider is known there alone."


@dataclass(frozen=True)
class Access:
    """What is known of who may do what. `seen` gives who has come in, in this process alone;
    without `chains` there is no audit record. `may_be_chosen`: people choose who they are;
    `is_signed`: what they decide must be signed."""

    entities: Mapping[str, LegalEntity] = field(default_factory=dict)
    login: LoginSettings = field(default_factory=LoginSettings)
    may_be_chosen: bool = False
    is_signed: bool = True
    seen: Callable[[], Collection[SignedIn]] | None = None
    chains: Chains | None = None

    @classmethod
    def of(
        cls, settings: Settings, seen: Callable[[], Collection[SignedIn]] | None = None
    ) -> Access:
        """As configured. Raises ConfigurationError."""
        return cls(
            entities=settings.entities,
            login=settings.identity,
            may_be_chosen=settings.identity.oidc is None and is_local(settings.web),
            is_signed=identity.is_required(settings.identity, temporal.address()),
            seen=seen,
            chains=audit.chains(settings) if settings.records.is_configured else None,
        )

    def review(
        self, entities: Collection[str], now: datetime, *, seconds: float = SECONDS
    ) -> Review:
        """Who may do what in these legal entities, `now` (aware). The audit record is read for no
        longer than that. Reads files and the store."""
        since, unknown = now - PERIOD, [_GROUPS]
        grants = tuple(self._grants(entities))
        systems = tuple(self._systems(entities))
        known = tuple(item for item in self._known(unknown) if _is_of(item.roles, entities))
        found = decided(self._entries(entities, since, seconds, unknown))
        return Review(
            at=now,
            legal_entities=tuple(sorted(entities)),
            roles=role_rows(),
            grants=grants,
            approvers=tuple(self._approvers(entities)),
            systems=systems,
            signed_in=known,
            decided=found,
            decided_since=since,
            concerns=(
                *self._of_all(),
                *concerns(grants, systems, known),
                *asked_and_approved(found),
            ),
            unknown=tuple(unknown),
        )

    # --- the configuration ----------------------------------------------------------------------

    def _grants(self, entities: Collection[str]) -> Iterator[Grant]:
        for entity in (EVERYWHERE, *sorted(entities)):
            given = self.login.roles.get(entity, {})
            for role in (item for item in Role if item in given):
                who = given[role]
                yield Grant(
                    legal_entity=entity, role=role, groups=who.groups, people=tuple(who.people)
                )

    def _approvers(self, entities: Collection[str]) -> Iterator[Approvers]:
        for entity in sorted(entities):
            for group, people in self.entities[entity].approval.groups.items():
                yield Approvers(legal_entity=entity, group=group, people=tuple(people))

    def _systems(self, entities: Collection[str]) -> Iterator[System]:
        for name, machine in self.login.machines.items():
            if _is_of(machine.roles, entities):
                yield _system(name, machine, entities)

    def _of_all(self) -> Iterator[Concern]:
        """What is wrong with how it is known who somebody is."""
        if self.may_be_chosen:
            text = "nobody signs in: whoever is on this machine chooses who they are"
            yield Concern(kind="nothing is proven", who="everybody", legal_entity="", text=text)
        if not self.is_signed:
            text = "whoever reaches Temporal decides under any name (identity.required is off)"
            yield Concern(kind="nothing is signed", who="everybody", legal_entity="", text=text)

    # --- what happened --------------------------------------------------------------------------

    def _known(self, unknown: list[str]) -> Collection[SignedIn]:
        if self.seen is None:
            unknown.append("Who has signed in lately the application knows: see its page /access.")
            return ()
        unknown.append(
            "Who has signed in is known to each process of the application for itself, since it "
            "started; the provider keeps the rest."
        )
        return self.seen()

    def _entries(
        self, entities: Collection[str], since: datetime, seconds: float, unknown: list[str]
    ) -> list[Entry]:
        """What the audit record has since then, as far as it can be read in time."""
        if self.chains is None:
            unknown.append("There is no audit record ([records]), so no decisions are shown.")
            return []
        reading = _Reading(seconds)
        found, sealed = [], 0
        try:
            for entity in sorted(entities):
                for stored in lately.since(self.chains, entity, since, reading.may_read):
                    if stored.entry is not None:
                        found.append(stored.entry)
                    else:
                        sealed += 1
        except GatewayError as error:
            unknown.append(f"The audit record cannot be read: {error.message}")
        if reading.was_stopped:
            unknown.append(
                f"Of the audit record {len(found)} entries were read; there are more, in which "
                "others may have decided. c2c access reads all."
            )
        if sealed:
            unknown.append(f"{sealed} entries cannot be read: their keys are gone, or not here.")
        return found


class _Reading:
    """Counts what is read, and ends it in time."""

    def __init__(self, seconds: float) -> None:
        self._until, self._left = time.monotonic() + seconds, MOST_ENTRIES
        self.was_stopped = False

    def may_read(self) -> bool:
        self._left -= 1
        self.was_stopped = self._left < 0 or time.monotonic() >= self._until
        return not self.was_stopped


def _is_of(roles: Collection[str], entities: Collection[str]) -> bool:
    """Whether one of the roles is for one of the legal entities."""
    return EVERYWHERE in roles or any(entity in entities for entity in roles)


def _system(name: str, machine: MachineSettings, entities: Collection[str]) -> System:
    key_ids, problem = _key_ids(machine)
    return System(
        name=name,
        person=machine.person or name.lower(),
        subject=machine.subject or name,
        roles={
            entity: tuple(sorted(roles))
            for entity, roles in sorted(machine.roles.items())
            if entity == EVERYWHERE or entity in entities
        },
        key_ids=key_ids,
        by_provider=machine.public_keys is None,
        problem=problem,
    )


def _key_ids(machine: MachineSettings) -> tuple[tuple[str, ...], str]:
    """The ids of a system's keys, of one without an id its thumbprint (RFC 7638); or why they
    cannot be read."""
    if machine.public_keys is None:
        return (), ""
    try:
        keys = tokens.public_keys_of_text(machine.public_keys.reveal())
    except (GatewayError, BadToken) as error:
        return (), str(error)
    return tuple(sorted(kid or key.thumbprint() for kid, key in keys.items())), ""
