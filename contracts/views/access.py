"""The access review: who may do what, who has done it, and what does not go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import AwareDatetime

from contracts import access
from contracts.access import EVERYWHERE, OF_MESSAGES, RESOLVE_EXCEPTION, Permission, Role
from contracts.audit.entries import Entry
from contracts.model import Value


class RoleRow(Value):
    """A role with what it permits, and the Updates that whoever has it may send."""

    role: Role
    permissions: tuple[Permission, ...]
    messages: tuple[str, ...]


class Grant(Value):
    """Who has a role for a legal entity (`*`: for all) by configuration: members of the provider's
    groups, and people by name."""

    legal_entity: str
    role: Role
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


class Approvers(Value):
    """A group of the approval rules of a legal entity."""

    legal_entity: str
    group: str
    people: tuple[str, ...]


class System(Value):
    """A program that has roles. `key_ids` are those of the keys that it signs by itself; without
    keys the provider vouches for it. `problem`: why its keys cannot be read."""

    name: str
    person: str
    subject: str
    roles: dict[str, tuple[Role, ...]]
    key_ids: tuple[str, ...] = ()
    by_provider: bool = False
    problem: str = ""


class SignedIn(Value):
    """Somebody, or a system, whom a process has let in, with their roles then and when they asked
    for something last (aware)."""

    person: str
    name: str
    issuer: str
    subject: str
    is_system: bool
    roles: dict[str, tuple[Role, ...]]
    last_at: AwareDatetime


class Decided(Value):
    """What somebody has decided with these roles, by the audit record: how often each, and when the
    last time was (aware)."""

    person: str
    roles: tuple[str, ...]
    counts: dict[str, int]
    last_at: AwareDatetime

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Concern(Value):
    """What does not go together, for an auditor to look at."""

    kind: str
    who: str
    legal_entity: str
    text: str


class Review(Value):
    """Who may do what in these legal entities, as of a moment (aware). `decided_since` is when the
    period of the decisions begins; `unknown` says what this review does not know, in sentences."""

    at: AwareDatetime
    legal_entities: tuple[str, ...]
    roles: tuple[RoleRow, ...]
    grants: tuple[Grant, ...] = ()
    approvers: tuple[Approvers, ...] = ()
    systems: tuple[System, ...] = ()
    signed_in: tuple[SignedIn, ...] = ()
    decided: tuple[Decided, ...] = ()
    decided_since: AwareDatetime
    concerns: tuple[Concern, ...] = ()
    unknown: tuple[str, ...] = ()


def role_rows() -> tuple[RoleRow, ...]:
    """The table of roles."""
    messages = (*sorted(OF_MESSAGES), RESOLVE_EXCEPTION)
    return tuple(
        RoleRow(
            role=role,
            permissions=tuple(item for item in Permission if access.allows([role], item)),
            messages=tuple(
                name
                for name in messages
                if access.refusal([role], *sorted(access.needed(name))) is None
            ),
        )
        for role in Role
    )


def decided(entries: Iterable[Entry]) -> tuple[Decided, ...]:
    """What people and systems decided, by who they are and the roles that they did it with."""
    counts: dict[tuple[str, tuple[str, ...]], Counter[str]] = {}
    last: dict[tuple[str, tuple[str, ...]], Entry] = {}
    for entry in entries:
        if not entry.actor.person:
            continue
        key = (entry.actor.person, tuple(sorted(entry.actor.roles)))
        counts.setdefault(key, Counter())[entry.what] += 1
        if key not in last or last[key].at < entry.at:
            last[key] = entry
    return tuple(
        Decided(
            person=key[0],
            roles=key[1],
            counts=dict(sorted(counts[key].items())),
            last_at=last[key].at,
        )
        for key in sorted(counts)
    )


# --- what does not go together --------------------------------------------------------------------

_MONEY = frozenset({Role.FINANCE, Role.CONTROLLER})
APART: Sequence[tuple[str, Role, frozenset[Role], str]] = (
    ("delivers and bills", Role.PROJECT_MANAGER, _MONEY, "reports what is billed, and approves it"),
    (
        "gives roles and decides",
        Role.ADMIN,
        _MONEY | {Role.PROJECT_MANAGER},
        "sets up who may decide, and decides",
    ),
    ("operates and decides", Role.OPERATOR, _MONEY, "operates the system, and decides about money"),
)
"""Roles that the same person should not have for a legal entity: what that is called, the one role,
the others, and what it means."""
ASKS = frozenset({"change_order", "credit_request", "write_off_asked"})
"""Entries of the audit record by which somebody asks for what others approve."""
APPROVES = "approval_decision"


def concerns(
    grants: Sequence[Grant], systems: Sequence[System], known: Sequence[SignedIn] = ()
) -> Iterator[Concern]:
    """Who has roles that do not go together, by configuration or as they came in; and the systems
    that decide."""
    for (who, entity), roles in sorted(_held(grants, known).items()):
        for kind, one, others, text in APART:
            both = sorted(role.words for role in others & roles)
            if one in roles and both:
                words = f"{one.words} and {', '.join(both)}: {text}"
                yield Concern(kind=kind, who=who, legal_entity=entity, text=words)
    for system in systems:
        for entity, given in sorted(system.roles.items()):
            if access.allows(given, Permission.DECIDE):
                text = "a system may approve, where the approval rules name it"
                yield Concern(
                    kind="a system decides", who=system.person, legal_entity=entity, text=text
                )


def asked_and_approved(found: Sequence[Decided]) -> Iterator[Concern]:
    """Who has both asked for what others approve and approved: never the same thing, which the
    workflows refuse."""
    totals: dict[str, Counter[str]] = {}
    for item in found:
        totals.setdefault(item.person, Counter()).update(item.counts)
    for person, counts in sorted(totals.items()):
        asked = sum(counts[what] for what in ASKS)
        if asked and counts[APPROVES]:
            text = (
                f"asked for {asked}, and decided about {counts[APPROVES]}, none of them their own"
            )
            yield Concern(kind="asks and approves", who=person, legal_entity="", text=text)


def _held(
    grants: Sequence[Grant], known: Sequence[SignedIn]
) -> Mapping[tuple[str, str], frozenset[Role]]:
    """The roles of each person and group for each legal entity, with those that they have for
    all."""
    found: dict[tuple[str, str], frozenset[Role]] = {}

    def give(who: str, entity: str, roles: Iterable[Role]) -> None:
        found[who, entity] = found.get((who, entity), frozenset()) | frozenset(roles)

    for grant in grants:
        for who in (*grant.people, *(f"group {name}" for name in grant.groups)):
            give(who, grant.legal_entity, [grant.role])
    for item in known:
        for entity, roles in item.roles.items():
            give(item.person, entity, roles)
    everywhere = {who: roles for (who, entity), roles in found.items() if entity == EVERYWHERE}
    return {
        (who, entity): roles | everywhere.get(who, frozenset())
        for (who, entity), roles in found.items()
    }
