"""Whoever is signed in, as the cookie remembers it, for how long, and who was signed out."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from contracts.access import Role
from starters.web.login.personas import ISSUER as CHOSEN

IDLE = timedelta(minutes=30)
"""Whoever asks for nothing that long is signed out."""
LONGEST = timedelta(hours=10)
"""Nobody stays signed in longer."""
READ_AGAIN_AFTER = timedelta(minutes=15)
"""So old a person's roles may be when they open a page; then the provider is asked."""
READ_AGAIN_AT_LAST = timedelta(minutes=30)
"""So old they may be at all: for who opens no page, such as forms that were open for long."""
SEEN_EVERY = timedelta(seconds=60)
"""The cookie is written again no more often."""
MAX_ENDED = 20_000

Roles = Mapping[str, frozenset[Role]]


@dataclass(frozen=True)
class Session:
    """One person in one browser. `sid` is the provider's name of its session; times are aware."""

    issuer: str
    subject: str
    person: str
    name: str
    roles: Roles
    began_at: datetime
    seen_at: datetime
    read_at: datetime
    sid: str = ""
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def is_chosen(self) -> bool:
        """Whether it is a persona's: there is no provider to ask again."""
        return self.issuer == CHOSEN

    def is_over(self, now: datetime) -> bool:
        return now >= min(self.seen_at + IDLE, self.began_at + LONGEST)

    def is_stale(self, now: datetime) -> bool:
        """Whether the provider is to be asked again when a page is opened."""
        return not self.is_chosen and now >= self.read_at + READ_AGAIN_AFTER

    def is_outdated(self, now: datetime) -> bool:
        """Whether the roles are too old for anything."""
        return not self.is_chosen and now >= self.read_at + READ_AGAIN_AT_LAST

    def seen(self, now: datetime) -> Self:
        return replace(self, seen_at=now)

    def read_again(self, found: Self) -> Self:
        """With what the provider says now; it began when it began."""
        return replace(found, began_at=self.began_at, id=self.id)

    def document(self) -> dict[str, Any]:
        """As the cookie has it."""
        return {
            "iss": self.issuer,
            "sub": self.subject,
            "who": self.person,
            "name": self.name,
            "roles": _by_roles(self.roles),
            "began": self.began_at.isoformat(),
            "seen": self.seen_at.isoformat(),
            "read": self.read_at.isoformat(),
            "sid": self.sid,
            "id": self.id,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self | None:
        """None for what another release wrote."""
        try:
            return cls(
                issuer=document["iss"],
                subject=document["sub"],
                person=document["who"],
                name=document["name"],
                roles={
                    entity: frozenset(map(Role, roles.split()))
                    for roles, entities in document["roles"].items()
                    for entity in entities
                },
                began_at=datetime.fromisoformat(document["began"]),
                seen_at=datetime.fromisoformat(document["seen"]),
                read_at=datetime.fromisoformat(document["read"]),
                sid=document["sid"],
                id=document["id"],
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            return None


def _by_roles(roles: Roles) -> dict[str, list[str]]:
    """The legal entities by the roles that somebody has there: many have the same."""
    found: dict[str, list[str]] = {}
    for entity, given in sorted(roles.items()):
        found.setdefault(" ".join(sorted(given)), []).append(entity)
    return found


class Ended:
    """Sessions that were ended before their time: by signing out here, or at the provider.

    In memory of this process and bounded: an entry is needed only until each copy of the cookie is
    idle for too long, as nobody gets a fresh one. Another process learns it when the provider is
    asked again.
    """

    def __init__(self, max_entries: int = MAX_ENDED) -> None:
        self._at: OrderedDict[tuple[str, ...], datetime] = OrderedDict()
        self._max_entries = max_entries

    def end(self, session: Session, now: datetime) -> None:
        """One session was signed out here."""
        self._add(("id", session.id), now)

    def end_at_provider(self, issuer: str, subject: str, sid: str, now: datetime) -> None:
        """A session there has ended; all of the person's where it names none, and those of which
        the provider has not told the name."""
        if sid:
            self._add(("sid", issuer, sid), now)
        if subject:
            self._add(("nameless" if sid else "sub", issuer, subject), now)

    def has(self, session: Session) -> bool:
        if ("id", session.id) in self._at:
            return True
        of_one = (
            ("sid", session.issuer, session.sid)
            if session.sid
            else ("nameless", session.issuer, session.subject)
        )
        keys = [("sub", session.issuer, session.subject), of_one]
        # Whoever has signed in since then is in.
        return any(session.read_at <= self._at[key] for key in keys if key in self._at)

    def _add(self, key: tuple[str, ...], now: datetime) -> None:
        self._at[key] = now
        self._at.move_to_end(key)
        while self._at and (
            len(self._at) > self._max_entries or next(iter(self._at.values())) + IDLE < now
        ):
            self._at.popitem(last=False)
