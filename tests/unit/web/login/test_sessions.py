"""Which sessions end when the provider says that one of a person's has ended there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from starters.web.login.sessions import Ended, Session

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ISSUER = "https://id.example"


def session(sid: str, subject: str = "ana") -> Session:
    return Session(ISSUER, subject, subject, subject, {}, NOON, NOON, NOON, sid)


@pytest.mark.parametrize(
    ("subject", "sid", "ended"),
    [
        ("ana", "s1", {"s1", ""}),
        ("", "s1", {"s1"}),
        ("ana", "", {"s1", "s2", ""}),
    ],
)
def test_what_the_provider_names_has_ended_and_what_it_never_named(
    subject: str, sid: str, ended: set[str]
) -> None:
    known = Ended()
    known.end_at_provider(ISSUER, subject, sid, NOON + timedelta(minutes=1))
    assert {name for name in ("s1", "s2", "") if known.has(session(name))} == ended
    assert not known.has(session("", "bob"))
    later = NOON + timedelta(minutes=2)
    again = Session(ISSUER, "ana", "ana", "ana", {}, later, later, later, "")
    assert not known.has(again), "who has signed in since"
