"""The access review: what it says of the configuration, of who came in, and of the audit record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.access import OF_MESSAGES, RESOLVE_EXCEPTION, Permission, Role
from contracts.audit.entries import Entry, Who
from contracts.views import access as views
from contracts.views.access import Concern, Review, SignedIn
from gateways.audit import anchoring, lately
from gateways.audit.chains import Chains, Stored
from gateways.record_store.folder import FolderStore
from starters import access_review
from starters.access_review import Access
from starters.web.lately import MOST, Lately
from tests.unit.encryption.stores import key_ring
from tests.unit.web.login.configured import settings
from tests.visitors import visitor

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
ANA, BOB, CLEO = (f"{name}@northwind.example" for name in ("ana", "bob", "cleo"))
C1, C2, OTHER = (f"contract/{item}" for item in ("northwind/C-1", "northwind/C-2", "fabrikam/F-1"))


def known(person: str, **roles: tuple[Role, ...]) -> SignedIn:
    given = {entity.replace("_", "*"): item for entity, item in roles.items()}
    return SignedIn(
        person=person,
        name=person,
        issuer="https://id.example",
        subject=person,
        is_system=False,
        roles=given,
        last_at=NOW,
    )


def entry(what: str, person: str = ANA, days_ago: int = 1, *roles: Role) -> Entry:
    who = Who(person=person, roles=tuple(map(str, roles)))
    return Entry(at=NOW - timedelta(days=days_ago), what=what, actor=who)


@pytest.fixture
def chains(tmp_path: Path) -> Chains:
    return Chains(FolderStore(tmp_path / "records"), key_ring(tmp_path / "records"))


def written(chains: Chains, of: str, *entries: Entry) -> None:
    chains.write(of, 0, "", entries)


def reviewed(chains: Chains | None = None, *entities: str, **identity: Any) -> Review:
    configured = settings(**identity)
    found = Access(configured.entities, configured.identity, chains=chains, seen=list)
    return found.review(entities or ("northwind",), NOW)


def kinds(found: Review) -> set[tuple[str, str]]:
    return {(item.kind, item.who) for item in found.concerns}


# --- by configuration -----------------------------------------------------------------------------


def test_the_table_says_of_each_message_who_may_send_it() -> None:
    rows = {row.role: row for row in views.role_rows()}
    assert rows.keys() == set(Role)
    assert {name for row in rows.values() for name in row.messages} == {
        *OF_MESSAGES,
        RESOLVE_EXCEPTION,
    }
    assert "terminate" in rows[Role.CONTROLLER].messages
    assert "terminate" not in rows[Role.FINANCE].messages
    assert Permission.REVIEW_ACCESS in rows[Role.ADMIN].permissions


def test_who_has_a_role_is_said_for_ones_own_legal_entities_and_for_all() -> None:
    roles = {
        "northwind": {"finance": {"groups": ["accounts"], "people": [ANA]}},
        "northwind-uk": {"finance": {"people": [BOB]}},
        "*": {"operator": {"groups": ["operations"]}},
    }
    found = reviewed(None, "northwind", roles=roles)
    given = [(item.legal_entity, item.role, item.groups, item.people) for item in found.grants]
    assert given == [
        ("*", Role.OPERATOR, ("operations",), ()),
        ("northwind", Role.FINANCE, ("accounts",), (ANA,)),
    ]
    assert {item.legal_entity for item in found.approvers} == {"northwind"}
    assert BOB not in str(found.grants)


def test_a_system_is_shown_with_its_keys_or_why_they_cannot_be_read(tmp_path: Path) -> None:
    keys = tmp_path / "portal.jwks"
    keys.write_text('{"kty":"OKP","crv":"Ed25519","kid":"one","x":"' + "A" * 43 + '"}')
    machines = {
        "portal": {"public_key_file": str(keys), "roles": {"northwind": ["finance"]}},
        "gone": {"public_key_file": "/nowhere", "roles": {"*": ["viewer"]}},
        "elsewhere": {"public_key_file": "/nowhere", "roles": {"northwind-uk": ["viewer"]}},
    }
    found = reviewed(machines=machines)
    portal, gone = found.systems
    assert (portal.person, portal.key_ids, portal.problem) == ("portal", ("one",), "")
    assert "/nowhere" in gone.problem
    assert kinds(found) == {("a system decides", "portal")}


@pytest.mark.parametrize(
    ("roles", "concern"),
    [
        ((Role.PROJECT_MANAGER, Role.FINANCE), "delivers and bills"),
        ((Role.ADMIN, Role.CONTROLLER), "gives roles and decides"),
        ((Role.OPERATOR, Role.FINANCE), "operates and decides"),
        ((Role.FINANCE, Role.CONTROLLER), None),
        ((Role.VIEWER, Role.ADMIN, Role.OPERATOR), None),
    ],
)
def test_roles_that_do_not_go_together_are_a_concern_however_they_are_given(
    roles: tuple[Role, ...], concern: str | None
) -> None:
    given: dict[str, Any] = {str(role): {"people": [ANA], "groups": ["g"]} for role in roles}
    expected = {(concern, ANA), (concern, "group g")} if concern else set()
    assert kinds(reviewed(roles={"northwind": given})) == expected
    first, *others = given
    split = {"*": {first: given[first]}, "northwind": {name: given[name] for name in others}}
    assert kinds(reviewed(roles=split)) == expected
    came_in = list(views.concerns((), (), [known(ANA, northwind=roles)]))
    assert [item.kind for item in came_in] == ([concern] if concern else [])


def test_a_login_that_proves_nothing_and_messages_without_signature_are_concerns() -> None:
    found = Access(may_be_chosen=True, is_signed=False).review((), NOW)
    assert {item.kind for item in found.concerns} == {"nothing is proven", "nothing is signed"}
    assert any("/access" in text for text in found.unknown)


# --- by the audit record --------------------------------------------------------------------------


def test_decisions_of_the_quarter_are_counted_by_person_and_roles(chains: Chains) -> None:
    written(
        chains,
        C1,
        entry("approval_decision", ANA, 100),
        entry("approval_decision", ANA, 3, Role.FINANCE),
        entry("credit_request", ANA, 2, Role.FINANCE),
        Entry(at=NOW, what="post_invoice"),
    )
    written(chains, C2, entry("approval_decision", BOB, 1, Role.CONTROLLER))
    written(chains, OTHER, entry("approval_decision", CLEO))
    found = reviewed(chains)
    decided = [(item.person, item.roles, item.counts) for item in found.decided]
    assert decided == [
        (ANA, ("finance",), {"approval_decision": 1, "credit_request": 1}),
        (BOB, ("controller",), {"approval_decision": 1}),
    ]
    assert found.decided[0].last_at == NOW - timedelta(days=2)
    assert ("asks and approves", ANA) in kinds(found)


def test_only_what_has_grown_since_is_read_where_there_are_anchors(
    chains: Chains, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(chains, C1, entry("approval_decision", ANA, 200))
    anchoring.make(chains, "northwind", (NOW - timedelta(days=199)).isoformat(), None)
    written(chains, C2, entry("approval_decision", BOB, 3))
    anchoring.make(chains, "northwind", (NOW - timedelta(days=2)).isoformat(), None)
    known = next(chains.entries(C2)).record
    chains.write(C2, 1, known.hash, [entry("credit_request", BOB, 0)])
    read, entry_of = set(), chains.entry

    def noted(of: str, seq: int) -> Stored | None:
        read.add(of)
        return entry_of(of, seq)

    monkeypatch.setattr(chains, "entry", noted)
    since = NOW - timedelta(days=92)
    found = [item.entry for item in lately.since(chains, "northwind", since, lambda: True)]
    assert {item.what for item in found if item} == {"approval_decision", "credit_request"}
    assert read == {C2}


def test_a_review_says_what_it_did_not_read(
    chains: Chains, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(chains, C1, *(entry("approval_decision") for _ in range(5)))
    monkeypatch.setattr(access_review, "MOST_ENTRIES", 4)
    found = reviewed(chains)
    assert found.decided[0].total < 5
    assert any("there are more" in text for text in found.unknown)
    monkeypatch.setattr(access_review, "MOST_ENTRIES", 100)
    sealed = reviewed(Chains(chains.store, None))
    assert (sealed.decided, sealed.unknown[-1][:9]) == ((), "5 entries")
    [file] = (tmp_path / "records").rglob("*00000003.record")
    file.chmod(0o600)
    file.write_bytes(b"{}")
    assert reviewed(chains).decided[0].total == 4, "one that was changed spoils itself alone"
    assert any("no audit record" in text for text in reviewed().unknown)


# --- who came in ----------------------------------------------------------------------------------


def test_whoever_came_in_is_kept_once_and_only_so_many() -> None:
    at = [NOW]
    kept = Lately(lambda: at[0])
    for number in range(MOST + 1):
        kept.note(visitor(f"p{number}@northwind.example", northwind=Role.VIEWER))
    at[0] += timedelta(hours=1)
    kept.note(visitor("p5@northwind.example", northwind=Role.FINANCE))
    first, *others = kept.seen()
    assert (first.person, first.roles) == ("p5@northwind.example", {"northwind": (Role.FINANCE,)})
    assert (first.last_at, len(others)) == (at[0], MOST - 1)


def test_who_came_in_for_another_legal_entity_is_not_shown() -> None:
    seen = [known(ANA, northwind=(Role.FINANCE,)), known(BOB, fabrikam=(Role.ADMIN,))]
    configured = settings()
    found = Access(configured.entities, seen=lambda: seen).review(["northwind"], NOW)
    assert [item.person for item in found.signed_in] == [ANA]


def test_asking_and_approving_are_not_added_up_over_people() -> None:
    done = views.decided([entry("credit_request", ANA), entry("approval_decision", BOB)])
    assert list(views.asked_and_approved(done)) == []
    both = views.decided(
        [entry("credit_request"), entry("approval_decision", ANA, 1, Role.FINANCE)]
    )
    [concern] = views.asked_and_approved(both)
    assert isinstance(concern, Concern)
    assert concern.who == ANA
