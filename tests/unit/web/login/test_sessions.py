"""Which sessions end when the provider says that one of a person's has ended there, and what of one
a cookie holds."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import Request

from contracts.access import Role
from gateways.secrets import Secret
from starters.web.login.cookies import Sealer
from starters.web.login.identity import Cookies, Identity
from starters.web.login.sessions import Ended, Session
from starters.web.problems import HttpProblem

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


def entities(count: int) -> dict[str, frozenset[Role]]:
    """Roles for so many legal entities, by the name of each."""
    pairs = itertools.cycle(itertools.combinations(Role, 2))
    return {f"entity-{number}": frozenset(next(pairs)) for number in range(count)}


def test_roles_for_many_legal_entities_fit_into_a_cookie() -> None:
    sealer = Sealer({"one": Secret.of(base64.b64encode(bytes(32)).decode())}, "one")
    signed_in = Session(ISSUER, "ana", "ana", "ana", entities(130), NOON, NOON, NOON, "s1", "id")
    kept = sealer.open("session", sealer.seal("session", signed_in.document()))
    assert kept is not None
    assert Session.of(kept) == signed_in


def test_more_roles_than_a_cookie_holds_are_refused_and_say_what_to_do() -> None:
    sealer = Sealer({"one": Secret.of(base64.b64encode(bytes(32)).decode())}, "one")
    identity = Identity(Cookies("http://127.0.0.1:8400", sealer), now=lambda: NOON)
    signed_in = Session(ISSUER, "ana", "ana", "ana", entities(1_000), NOON, NOON, NOON)
    with pytest.raises(HttpProblem, match="more than") as refused:
        identity.remember(Request({"type": "http"}), signed_in)
    assert refused.value.status == 403
    assert "1000 legal entities" in refused.value.detail
    assert '[identity.roles."*"]' in refused.value.detail
