"""Data keys: one for each contract, wrapped, found by their ids, destroyed for good."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateways.encryption.keys import KEEP_SECONDS, SHARED, KeyRing, scope_of
from gateways.encryption.masters import LocalMaster, MasterSet, new_master
from gateways.encryption.sealing import seal, unseal
from gateways.errors import FailureKind, GatewayError
from gateways.record_store.folder import FolderStore
from gateways.record_store.protocol import MAX_PAGE
from gateways.secrets import Secret
from tests.unit.encryption.stores import CONTRACT, Clock, key_ring, masters

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("workflow_id", "scope"),
    [
        (CONTRACT, CONTRACT),
        (f"{CONTRACT}/invoice/3", CONTRACT),
        ("contract/northwind/C-10010", "contract/northwind/C-10010"),
        ("event/hubspot/1", SHARED),
        ("contract/northwind", SHARED),
        ("contract/../C-1001", SHARED),
        ("", SHARED),
        (None, SHARED),
    ],
)
def test_the_workflow_id_says_whose_key_it_is(workflow_id: str | None, scope: str) -> None:
    assert scope_of(workflow_id) == scope


def test_a_scope_keeps_its_key(tmp_path: Path) -> None:
    ring = key_ring(tmp_path)
    key = ring.key_for(CONTRACT)
    assert ring.key_for(CONTRACT) is key
    elsewhere = key_ring(tmp_path)
    assert elsewhere.key_for(CONTRACT).id == key.id
    assert elsewhere.key_for(SHARED).id != key.id
    algorithm, sealed = seal(key, b"content")
    assert unseal(elsewhere.key(key.id), algorithm, sealed) == b"content"


def test_no_record_holds_a_key_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clear = b"k" * 32
    monkeypatch.setattr(os, "urandom", lambda size: clear[:size])
    key_ring(tmp_path).key_for(CONTRACT)
    [record] = tmp_path.rglob("*.record")
    assert b"k" * 5 not in record.read_bytes()
    assert b"a2tr" * 5 not in record.read_bytes()  # the same in Base64, longer than the nonce


def test_a_key_is_bound_to_its_id(tmp_path: Path) -> None:
    """Whoever writes to the store cannot give a contract the key of another."""
    ring = key_ring(tmp_path)
    one, other = ring.key_for(CONTRACT), ring.key_for("contract/northwind/C-2")
    store = FolderStore(tmp_path)
    name = f"keys/{one.id}/old"
    store.delete(name)
    store.create(name, store.read(f"keys/{other.id}/old") or b"")
    with pytest.raises(GatewayError, match=f"does not open the key {one.id}"):
        key_ring(tmp_path).key(one.id)


def test_a_missing_master_is_named_with_the_key_and_what_to_do(tmp_path: Path) -> None:
    key = key_ring(tmp_path, "old").key_for(CONTRACT)
    with pytest.raises(GatewayError) as caught:
        key_ring(tmp_path, "new").key(key.id)
    assert (caught.value.kind, caught.value.code) == (FailureKind.CREDENTIALS, "key_unavailable")
    assert key.id in caught.value.message
    assert "the master old, which is not configured here: add it" in caught.value.message


def test_a_missing_record_is_named_with_what_to_do(tmp_path: Path) -> None:
    key = key_ring(tmp_path / "one").key_for(CONTRACT)
    with pytest.raises(GatewayError, match=f"key {key.id} is not in the record store.*backup"):
        key_ring(tmp_path / "another").key(key.id)


@pytest.mark.parametrize(
    "key_id",
    ["", "shared", "../x", "contract/a/b", "contract/../b/c", "keys/x/y", "shared/a/b", "shared/x"],
)
def test_an_id_that_is_none_reaches_no_file(tmp_path: Path, key_id: str) -> None:
    with pytest.raises(GatewayError) as caught:
        key_ring(tmp_path).key(key_id)
    assert caught.value.code == "key_unavailable"


def test_another_key_of_the_same_name_as_master_is_found_out(tmp_path: Path) -> None:
    key = key_ring(tmp_path).key_for(CONTRACT)
    exchanged = MasterSet({"old": LocalMaster("old", Secret.of(new_master()))}, "old")
    with pytest.raises(GatewayError, match="The master old does not open the key"):
        KeyRing(FolderStore(tmp_path), exchanged).key(key.id)


@pytest.mark.parametrize("value", ["short", "AAAA", "not base64!"])
def test_a_master_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(GatewayError, match="32 bytes as Base64") as caught:
        LocalMaster("old", Secret.of(value)).check()
    assert value not in str(caught.value)


# --- rotation -----------------------------------------------------------------------------------


def test_with_a_new_master_old_keys_are_read_and_kept(tmp_path: Path) -> None:
    before = key_ring(tmp_path, "old").key_for(CONTRACT)
    rotating = key_ring(tmp_path, "old", "new", active="new")
    assert rotating.key_for(CONTRACT).id == before.id
    made = rotating.key_for("contract/northwind/C-2")
    assert key_ring(tmp_path, "new").key(made.id).id == made.id


def test_after_a_rewrap_the_old_master_is_not_needed(tmp_path: Path) -> None:
    before = key_ring(tmp_path, "old").key_for(CONTRACT)
    algorithm, sealed = seal(before, b"content")
    rotating = key_ring(tmp_path, "old", "new", active="new")
    assert [rotating.rewrap(item) for item in list(rotating.wrapped())] == [True]
    assert [rotating.rewrap(item) for item in list(rotating.wrapped())] == [False]
    after = key_ring(tmp_path, "new")
    assert unseal(after.key(before.id), algorithm, sealed) == b"content"
    assert after.key_for(CONTRACT).id == before.id
    with pytest.raises(GatewayError):
        key_ring(tmp_path, "old").key(before.id)


def test_a_rewrap_that_ended_half_way_is_ended_by_the_next(tmp_path: Path) -> None:
    before = key_ring(tmp_path, "old").key_for(CONTRACT)
    old_record = FolderStore(tmp_path).read(f"keys/{before.id}/old") or b""
    rotating = key_ring(tmp_path, "old", "new", active="new")
    for item in list(rotating.wrapped()):
        rotating.rewrap(item)
    FolderStore(tmp_path).create(f"keys/{before.id}/old", old_record)  # as before its last step
    assert [rotating.rewrap(item) for item in list(rotating.wrapped())] == [False, True]
    assert [item.master for item in rotating.wrapped()] == ["new"]


def test_a_key_stays_with_its_master_until_the_new_one_opens_it(tmp_path: Path) -> None:
    """Two hosts whose masters have one name and are two keys: the record of the other is there."""
    before = key_ring(tmp_path, "new").key_for(CONTRACT)
    elsewhere = masters("other").wrap(before.id, b"k" * 32)
    record = json.dumps({"wrapped": base64.b64encode(elsewhere).decode()}).encode()
    FolderStore(tmp_path).create(f"keys/{before.id}/old", record)
    rotating = key_ring(tmp_path, "old", "new", active="old")
    [item] = [item for item in rotating.wrapped() if item.master == "new"]
    with pytest.raises(GatewayError, match=f"The master old does not open the key {before.id}"):
        rotating.rewrap(item)
    assert key_ring(tmp_path, "new").key(before.id).id == before.id


def test_a_first_key_of_another_master_is_left_to_those_who_have_it(tmp_path: Path) -> None:
    """A worker that does not know the new master yet makes a key of its own, and uses that."""
    for number in range(8):  # the ids are random: whichever comes first
        folder = tmp_path / str(number)
        key_ring(folder, "new").key_for(CONTRACT)
        made = key_ring(folder, "old").key_for(CONTRACT)
        assert key_ring(folder, "old").key_for(CONTRACT).id == made.id


# --- erasure ------------------------------------------------------------------------------------


def test_erased_keys_are_gone_for_good_and_others_are_not(tmp_path: Path) -> None:
    ring = key_ring(tmp_path)
    gone, other = ring.key_for(CONTRACT), ring.key_for("contract/northwind/C-2")
    erased = ring.erase(CONTRACT, by="ana", reason="asked for it", at=NOW)
    assert erased.keys == (gone.id,)
    attempts: list[Callable[[], object]] = [
        lambda: ring.key(gone.id),
        lambda: ring.key_for(CONTRACT),
    ]
    for attempt in attempts:
        with pytest.raises(GatewayError) as caught:
            attempt()
        assert (caught.value.kind, caught.value.code) == (FailureKind.BUSINESS, "key_erased")
        assert "were erased on 2026-11-30T12:00:00+00:00" in caught.value.message
        # What a person typed is not for Temporal, where this message stands in clear.
        assert "ana" not in caught.value.message
        assert "asked for it" not in caught.value.message
    assert ring.key(other.id) is not None
    assert ring.erasure(CONTRACT) == erased
    assert ring.erasures() == [erased]
    assert ring.erase(CONTRACT, by="bob", reason="again", at=NOW) == erased


def test_an_erasure_that_ended_half_way_is_ended_by_the_next(tmp_path: Path) -> None:
    ring = key_ring(tmp_path)
    key = ring.key_for(CONTRACT)
    record = FolderStore(tmp_path).read(f"keys/{key.id}/old") or b""
    ring.erase(CONTRACT, by="ana", reason="asked for it", at=NOW)
    FolderStore(tmp_path).create(f"keys/{key.id}/old", record)
    ring.erase(CONTRACT, by="ana", reason="asked for it", at=NOW)
    assert list(ring.wrapped(CONTRACT)) == []


def test_an_erased_key_that_a_backup_brought_back_opens_nothing(tmp_path: Path) -> None:
    key = key_ring(tmp_path).key_for(CONTRACT)
    store = FolderStore(tmp_path)
    record = store.read(f"keys/{key.id}/old") or b""
    key_ring(tmp_path).erase(CONTRACT, by="ana", reason="asked for it", at=NOW)
    store.create(f"keys/{key.id}/old", record)
    with pytest.raises(GatewayError) as caught:
        key_ring(tmp_path).key(key.id)
    assert caught.value.code == "key_erased"


def test_a_key_that_is_erased_while_it_is_made_says_so(tmp_path: Path) -> None:
    class Meanwhile(FolderStore):
        """Another process erases the scope as soon as it has a key."""

        def names(self, prefix: str, *, after: str = "", limit: int = MAX_PAGE) -> list[str]:
            if super().names(prefix):
                key_ring(tmp_path).erase(CONTRACT, by="ana", reason="asked for it", at=NOW)
            return super().names(prefix, after=after, limit=limit)

    ring = KeyRing(Meanwhile(tmp_path), masters("old"))
    with pytest.raises(GatewayError) as caught:
        ring.key_for(CONTRACT)
    assert caught.value.code == "key_erased"


def test_another_process_notices_an_erasure_within_its_time(tmp_path: Path) -> None:
    clock = Clock()
    worker = key_ring(tmp_path, clock=clock)
    key = worker.key_for(CONTRACT)
    key_ring(tmp_path).erase(CONTRACT, by="ana", reason="asked for it", at=NOW)
    assert worker.kept_for(CONTRACT) is key
    clock.now = KEEP_SECONDS + 1
    assert worker.kept_for(CONTRACT) is None
    with pytest.raises(GatewayError, match="erased"):
        worker.key_for(CONTRACT)


# --- memory -------------------------------------------------------------------------------------


def test_the_number_of_open_keys_is_bounded(tmp_path: Path) -> None:
    ring = key_ring(tmp_path, max_kept=3)
    scopes = [f"contract/northwind/C-{n}" for n in range(5)]
    made = [ring.key_for(scope) for scope in scopes]
    assert [ring.kept_for(scope) is not None for scope in scopes] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert [ring.key_for(scope).id for scope in scopes] == [key.id for key in made]


def test_where_the_store_does_not_answer_what_is_in_memory_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    ring = key_ring(tmp_path, clock=clock)
    key = ring.key_for(CONTRACT)
    clock.now = KEEP_SECONDS + 1

    def away(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", away)
    assert ring.key_for(CONTRACT) is key
    assert ring.key(key.id) is key
    with pytest.raises(GatewayError, match="Permission denied"):
        key_ring(tmp_path).key(key.id)


def test_two_first_keys_of_a_scope_are_both_good(tmp_path: Path) -> None:
    """Two processes that find none at the same moment make two: both go on with the first."""
    ring, other = key_ring(tmp_path), key_ring(tmp_path)
    one = ring.key_for(CONTRACT)
    two = other._made(CONTRACT)  # it had found none
    assert len({item.key_id for item in ring.wrapped(CONTRACT)}) == 2
    assert two.id == min(item.key_id for item in ring.wrapped(CONTRACT))
    assert key_ring(tmp_path).key(one.id).id == one.id


def test_a_key_never_shows_itself(tmp_path: Path) -> None:
    key = key_ring(tmp_path).key_for(CONTRACT)
    assert repr(key) == f"DataKey({key.id})"
    assert masters("old").active == "old"
