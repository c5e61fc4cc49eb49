"""Chains of entries: appended to, checked, anchored; whatever is done to them is found."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.actors import APPLICATION, SENDER, Actor
from contracts.approvals import ApprovalDecision, Decision
from contracts.audit import anchors, entries, merkle, records
from contracts.audit.entries import MAX_PENDING, Entry, Trail, Who, Written
from contracts.audit.merkle import Head
from contracts.audit.records import Kind, Record, Sealed
from contracts.contract.messages import MilestoneReached
from contracts.invoice.messages import HoldChange
from contracts.money import Money
from contracts.parking import Action as Choice
from contracts.parking import Resolution

OF = "contract/northwind/C-1"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def entry(number: int) -> Entry:
    return Entry(
        at=NOON + timedelta(hours=number),
        what="post_invoice",
        actor=Who(person="ana"),
        why=f"reason {number}",
        remote_id=f"account.move {number}",
    )


def chain(count: int, of: str = OF) -> list[Record]:
    found: list[Record] = []
    for number in range(1, count + 1):
        made = entry(number)
        sealed = Sealed(private=records.private_part(made).decode())
        prev = found[-1].hash if found else ""
        found.append(records.appended(of, number, prev, made, sealed))
    return found


def stored(chain: list[Record]) -> list[tuple[int, bytes | None]]:
    return [(place, item.content) for place, item in enumerate(chain, 1)]


def kinds(found: records.Verdict) -> set[Kind]:
    return {item.kind for item in found.findings}


@given(st.integers(0, 12))
def test_a_chain_that_nobody_touched_is_whole(count: int) -> None:
    made = chain(count)
    found = records.check(OF, stored(made), {count: made[-1].hash} if made else {})
    assert found.is_whole
    assert (found.entries, found.head) == (count, made[-1].hash if made else "")
    read = [records.read(item.content) for item in made]
    assert read == made
    assert [records.entry_of(item, item.private.encode()) for item in made] == [
        entry(number) for number in range(1, count + 1)
    ]


FIELDS = ("at", "what", "content_hash", "source_hash", "remote_id", "key_id", "private", "prev")


@given(st.integers(1, 10), st.data())
def test_a_changed_record_is_found_also_where_its_hash_is_made_to_fit(
    count: int, data: st.DataObject
) -> None:
    made = chain(count)
    place = data.draw(st.integers(0, count - 1))
    field = data.draw(st.sampled_from(FIELDS))
    changed = made[place].replace(**{field: "something else"})
    if data.draw(st.booleans()):
        changed = changed.replace(hash=records.hash_of(changed))
    forged = [*made[:place], changed, *made[place + 1 :]]
    found = records.check(OF, stored(forged), {count: made[-1].hash})
    assert found.findings[0].kind in (Kind.CHANGED, Kind.UNLINKED)


@given(st.integers(3, 10), st.data())
def test_what_is_removed_within_is_found(count: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, count - 1))
    left = [item for item in stored(chain(count)) if item[0] != place]
    found = records.check(OF, left)
    assert [(item.kind, item.seq) for item in found.findings] == [(Kind.REMOVED, place)]


@given(st.integers(2, 10), st.data())
def test_what_is_swapped_or_of_another_chain_is_found(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, count - 2))
    second = data.draw(st.integers(first + 1, count - 1))
    made = chain(count)
    made[first], made[second] = made[second], made[first]
    assert Kind.SWAPPED in kinds(records.check(OF, stored(made)))
    assert kinds(records.check(OF, stored(chain(count, of=f"{OF}/invoice/1")))) == {Kind.SWAPPED}


@given(st.integers(1, 10), st.data())
def test_an_end_that_is_cut_off_is_found_by_an_anchor_alone(
    count: int, data: st.DataObject
) -> None:
    made = chain(count)
    left = made[: data.draw(st.integers(0, count - 1))]
    assert records.check(OF, stored(left)).is_whole
    found = records.check(OF, stored(left), {count: made[-1].hash})
    assert [(item.kind, item.seq) for item in found.findings] == [(Kind.CUT_OFF, count)]


def test_a_chain_that_was_written_again_is_not_the_one_that_was_anchored() -> None:
    anchored, forged = chain(3)[-1].hash, chain(3)
    forged[0] = records.appended(OF, 1, "", entry(9), Sealed(private="{}"))
    for place in (1, 2):
        forged[place] = records.appended(
            OF, place + 1, forged[place - 1].hash, entry(place + 1), Sealed(private="{}")
        )
    assert records.check(OF, stored(forged)).is_whole
    assert kinds(records.check(OF, stored(forged), {3: anchored})) == {Kind.CHANGED}


def followed_by(*whats: str) -> list[Record]:
    """A chain of entries of these kinds."""
    found: list[Record] = []
    for number, what in enumerate(whats, 1):
        prev = found[-1].hash if found else ""
        made = entry(number).replace(what=what)
        found.append(records.appended(OF, number, prev, made, Sealed(private="{}")))
    return found


def test_behind_an_end_nothing_stands_but_another_beginning() -> None:
    ended = ("started", "post_invoice", "ended")
    assert records.check(OF, stored(followed_by(*ended))).is_whole
    for more in ("post_invoice", "ended"):
        found = records.check(OF, stored(followed_by(*ended, more)))
        assert [(item.kind, item.seq) for item in found.findings] == [(Kind.APPENDED, 4)]
    again = records.check(OF, stored(followed_by(*ended, "started", "post_invoice")))
    assert (again.is_whole, again.begun_again) == (True, 1)


def test_bytes_that_say_the_same_otherwise_are_no_record() -> None:
    [made] = chain(1)
    assert records.read(json.dumps(json.loads(made.content), indent=1).encode()) is None
    assert records.read(b"\xff") is None


def test_names_lead_back_to_their_places_and_come_in_order() -> None:
    names = [records.record_name(OF, seq) for seq in (9, 10, 11_000)]
    assert names == sorted(names)
    assert [records.place_of(name) for name in names] == [(OF, 9), (OF, 10), (OF, 11_000)]
    assert records.place_of("audit/contract/northwind/C-1/entries/1") is None
    assert records.place_of("keys/shared/00000001") is None


# --- what a workflow keeps ------------------------------------------------------------------------


def test_what_waits_too_long_to_be_written_is_counted_and_hashed() -> None:
    trail = Trail()
    for number in range(MAX_PENDING + 3):
        trail = trail.noted(entry(number))
    last = trail.pending[-1]
    assert (trail.made, len(trail.pending)) == (MAX_PENDING + 3, MAX_PENDING)
    assert (last.what, last.left_out, len(last.source_hash)) == ("left_out", 4, 64)
    trail = trail.written(Written(count=50, seq=50, head="ab"))
    assert (len(trail.pending), trail.seq, trail.head) == (MAX_PENDING - 50, 50, "ab")


def test_an_entry_says_who_decided_about_what_and_why() -> None:
    decision = ApprovalDecision(
        decision=Decision.APPROVE,
        by="ana@northwind.example",
        content_hash="c" * 64,
        amount=Money("100.00", "EUR"),
        comment="as agreed",
    )
    found = entries.of_message(decision, NOON)
    assert (found.what, found.actor.person) == ("approval_decision", "ana@northwind.example")
    assert (found.why, found.content_hash) == ("as agreed", "c" * 64)
    assert found.details == {"decision": "approve", "amount": "100.00 EUR"}
    signed = Actor(
        issuer="https://id.example", subject="u-1", person="ana@northwind.example", token_id="t-1"
    )
    assert entries.of_message(decision, NOON, signed).actor.token_id == "t-1"


def test_whom_a_system_names_stays_in_the_entry_that_it_signed() -> None:
    reached = MilestoneReached(milestone="m1", by="pia@northwind.example")
    system = Actor(issuer=APPLICATION, subject=f"{SENDER}jira", person="jira")
    found = entries.of_message(reached, NOON, system)
    assert (found.actor.person, found.details["by"]) == ("jira", "pia@northwind.example")
    herself = Actor(issuer="https://id.example", subject="u-1", person="pia@northwind.example")
    assert "by" not in entries.of_message(reached, NOON, herself).details


def test_an_entry_says_no_and_nought_and_leaves_out_what_was_not_said() -> None:
    released = HoldChange(on=False, by="ana@northwind.example", reason="settled")
    assert entries.of_message(released, NOON).details == {"on": False}
    reached = MilestoneReached(milestone="m1", by="ana@northwind.example")
    assert entries.of_message(reached, NOON).details == {"milestone": "m1"}


@given(st.text("aé漢", max_size=5_000), st.dictionaries(st.text("é漢"), st.text("é漢")))
def test_no_entry_is_larger_than_it_may_be(text: str, changes: dict[str, Any]) -> None:
    asked = Resolution(action=Choice.AMEND, by="olga", reason=text[:1_000], changes=changes)
    found = entries.of_message(asked, NOON)
    trail = Trail().noted(found).changed(changes, {"stage": text})
    assert len(trail.pending[0].model_dump_json().encode()) <= entries.MAX_ENTRY_BYTES


# --- anchors --------------------------------------------------------------------------------------


@given(
    st.dictionaries(st.text("abc/", min_size=1, max_size=8), st.integers(1, 9), max_size=12),
    st.data(),
)
def test_a_root_is_of_these_ends_and_no_others(ends: dict[str, int], data: st.DataObject) -> None:
    heads = {of: Head(seq=seq, hash=f"{seq:064x}") for of, seq in ends.items()}
    root = merkle.root(heads)
    assert root == merkle.root(dict(reversed(heads.items())))
    if heads:
        of = data.draw(st.sampled_from(sorted(heads)))
        others = {key: head for key, head in heads.items() if key != of}
        assert merkle.root(others) != root
        assert merkle.root({**heads, of: heads[of].replace(seq=99)}) != root


def test_anchors_follow_each_other_and_take_nothing_back() -> None:
    one, two = Head(seq=1, hash="1" * 64), Head(seq=2, hash="2" * 64)
    first = anchors.anchored("northwind", anchors.NOTHING, {"a": one}, "2026-03-01")
    known = anchors.following(anchors.NOTHING, first)
    second = anchors.anchored("northwind", known, {"a": two, "b": one}, "2026-03-02")
    assert not list(anchors.problems("northwind", known, second))
    assert anchors.read(second.content) == second
    assert list(anchors.problems("northwind", anchors.NOTHING, second))
    assert list(anchors.problems("contoso", known, second))
    ends = {"a": two, "b": one}
    assert not list(anchors.root_problems(ends, second))
    assert list(anchors.root_problems({**ends, "b": two}, second))
    for forged in (second.replace(prev=""), second.replace(heads={"a": one, "b": one})):
        assert list(anchors.problems("northwind", known, forged))
