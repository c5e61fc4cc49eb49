"""Who has come in lately: in memory of this process, for the access review."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from contracts.views.access import SignedIn
from starters.web.visitors import Visitor

MOST = 1_000


class Lately:
    """The people and systems that were let in last, each once; the latest first."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._seen: OrderedDict[tuple[str, str], tuple[Visitor, datetime]] = OrderedDict()

    def note(self, visitor: Visitor) -> Visitor:
        """The same visitor, who is remembered."""
        key = (visitor.issuer, visitor.subject)
        self._seen[key] = (visitor, self._now())
        self._seen.move_to_end(key)
        while len(self._seen) > MOST:
            self._seen.popitem(last=False)
        return visitor

    def seen(self) -> list[SignedIn]:
        """Whoever it was, the latest first."""
        return [_signed_in(visitor, at) for visitor, at in reversed(self._seen.values())]


def _signed_in(visitor: Visitor, at: datetime) -> SignedIn:
    return SignedIn(
        person=visitor.person,
        name=visitor.name,
        issuer=visitor.issuer,
        subject=visitor.subject,
        is_system=visitor.is_machine,
        roles={entity: tuple(sorted(roles)) for entity, roles in sorted(visitor.roles.items())},
        last_at=at,
    )
