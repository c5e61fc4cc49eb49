"""Chains in a record store: written once, whatever comes between; opened; anchored; stamped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contracts.audit import records
from contracts.audit.anchors import anchor_name
from contracts.audit.entries import Entry, Who, Written
from contracts.audit.merkle import Head
from contracts.audit.records import Kind
from contracts.events import chain_of_event
from gateways.audit import anchoring
from gateways.audit.anchoring import Signer
from gateways.audit.chains import Chains
from gateways.audit.reading import Reader
from gateways.errors import FailureKind, GatewayError
from gateways.record_store.folder import FolderStore
from gateways.record_store.protocol import RecordStore
from gateways.record_store.s3 import S3Store
from tests.amazon import served_services
from tests.unit.encryption.stores import CONTRACT, key_ring

INVOICE = f"{CONTRACT}/invoice/1"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_BUCKET = "records"


def entry(number: int) -> Entry:
    return Entry(at=NOON, what="resolution", actor=Who(person="Marked Name"), why=f"why {number}")


def some(first: int, last: int) -> tuple[Entry, ...]:
    return tuple(map(entry, range(first, last + 1)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


@pytest.fixture
def chains(folder: Path) -> Chains:
    return Chains(FolderStore(folder), key_ring(folder))


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*.record"))


# --- written --------------------------------------------------------------------------------------


def test_names_and_words_are_sealed_and_open_again(chains: Chains, folder: Path) -> None:
    written = chains.write(CONTRACT, 0, "", some(1, 3))
    assert (written.count, written.seq) == (3, 3)
    assert [item.entry for item in chains.entries(CONTRACT)] == list(some(1, 3))
    assert b"Marked" not in everything(folder)
    assert b"why" not in everything(folder)
    assert chains.check(CONTRACT, {3: written.head}).is_whole


def test_without_keys_records_are_clear_and_chained_all_the_same(folder: Path) -> None:
    clear = Chains(FolderStore(folder), None)
    written = clear.write(CONTRACT, 0, "", some(1, 2))
    assert b"Marked Name" in everything(folder)
    assert clear.check(CONTRACT, {2: written.head}).is_whole


def test_the_same_again_is_nothing_however_far_an_attempt_came(chains: Chains) -> None:
    first = chains.write(CONTRACT, 0, "", some(1, 2))
    again = chains.write(CONTRACT, 0, "", some(1, 4))
    assert again.seq == 4
    assert [item.record.hash for item in chains.entries(CONTRACT)][1] == first.head
    assert len(list(chains.entries(CONTRACT))) == 4


def test_of_many_writers_of_the_same_none_is_lost_or_double(chains: Chains) -> None:
    found: list[Written] = []

    def write() -> None:
        found.append(chains.write(CONTRACT, 0, "", some(1, 20)))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({item.head for item in found}) == 1
    assert [item.entry for item in chains.entries(CONTRACT)] == list(some(1, 20))
    assert chains.check(CONTRACT, {20: found[0].head}).is_whole


def test_something_else_in_the_store_is_an_alarm_and_a_person_may_go_on_behind_it(
    chains: Chains,
) -> None:
    chains.write(CONTRACT, 0, "", some(1, 3))
    with pytest.raises(GatewayError) as caught:
        chains.write(CONTRACT, 0, "", some(7, 8))
    assert (caught.value.kind, caught.value.code) == (FailureKind.BUSINESS, "audit_differs")
    rejoined = chains.write(CONTRACT, 0, "", some(7, 8), rejoins=True)
    again = chains.write(CONTRACT, 0, "", some(7, 9), rejoins=True)
    assert (rejoined.seq, again.seq) == (5, 6), "an attempt that comes again finds the one before"
    assert [item.entry for item in chains.entries(CONTRACT)] == [*some(1, 3), *some(7, 9)]
    assert chains.check(CONTRACT, {6: again.head}).is_whole


def test_a_chain_is_checked_after_its_key_is_destroyed(chains: Chains, folder: Path) -> None:
    written = chains.write(CONTRACT, 0, "", some(1, 2))
    ring = key_ring(folder)
    ring.erase(CONTRACT, by="olga", reason="asked for", at=NOON)
    reader = Reader(Chains(FolderStore(folder), ring), ring, {})
    found = reader.contract(CONTRACT, {CONTRACT: Head(seq=2, hash=written.head)})
    assert found.is_whole
    assert found.erasure is not None
    [chain] = found.chains
    assert all(item.entry is None and "erased" in item.sealed for item in chain.entries)
    assert [item.record.what for item in chain.entries] == ["resolution", "resolution"]


# --- anchored -------------------------------------------------------------------------------------


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    file = tmp_path / "anchors.pem"
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Signer(file)


def test_anchors_find_what_was_cut_off_and_are_the_same_for_the_same_time(
    chains: Chains, signer: Signer, folder: Path
) -> None:
    chains.write(CONTRACT, 0, "", some(1, 3))
    chains.write(INVOICE, 0, "", some(1, 2))
    first = anchoring.make(chains, "northwind", "2026-03-02T00:00:00+00:00", signer).anchor
    assert (first.number, first.chains, first.heads[INVOICE].seq) == (1, 2, 2)
    assert anchoring.make(chains, "northwind", first.at, signer).anchor == first
    second = anchoring.make(chains, "northwind", "2026-03-03T00:00:00+00:00", signer).anchor
    assert (second.number, second.chains, second.heads, second.root) == (2, 2, {}, first.root)

    reader = Reader(chains, None, anchoring.public_keys(signer, ()))
    checked = reader.anchors("northwind")
    assert (checked.count, checked.problems) == (2, [])
    assert all(item.is_whole for item in reader.every("northwind", checked))

    chains.store.delete(records.record_name(CONTRACT, 3))
    for seq in (1, 2):
        chains.store.delete(records.record_name(INVOICE, seq))
    found = {item.of: item.findings for item in reader.every("northwind", checked)}
    assert [item.kind for item in found[CONTRACT]] == [Kind.CUT_OFF]
    assert [item.kind for item in found[INVOICE]] == [Kind.CUT_OFF]
    assert not reader.contract(CONTRACT).is_whole


def test_a_broken_chain_is_reported_and_not_anchored_any_further(
    chains: Chains, folder: Path
) -> None:
    chains.write(CONTRACT, 0, "", some(1, 3))
    chains.write(INVOICE, 0, "", some(1, 1))
    (folder / f"{records.record_name(CONTRACT, 2)}.record").write_bytes(b"{}")
    made = anchoring.make(chains, "northwind", "2026-03-02T00:00:00+00:00", None)
    assert set(made.anchor.heads) == {INVOICE}
    assert [item.of for item in made.broken] == [CONTRACT]


def test_a_chain_that_is_shorter_than_anchored_or_gone_is_reported_on_the_next_day(
    chains: Chains,
) -> None:
    chains.write(CONTRACT, 0, "", some(1, 3))
    chains.write(INVOICE, 0, "", some(1, 1))
    assert not anchoring.make(chains, "northwind", "2026-03-02T00:00:00+00:00", None).broken
    chains.store.delete(records.record_name(CONTRACT, 3))
    chains.store.delete(records.record_name(INVOICE, 1))
    made = anchoring.make(chains, "northwind", "2026-03-03T00:00:00+00:00", None)
    assert {item.of: [found.kind for found in item.findings] for item in made.broken} == {
        CONTRACT: [Kind.CUT_OFF],
        INVOICE: [Kind.CUT_OFF],
    }
    assert (made.anchor.heads, made.anchor.chains) == ({}, 2)


def test_what_is_appended_behind_an_end_is_not_anchored(chains: Chains) -> None:
    ended = (*some(1, 2), Entry(at=NOON, what="ended"))
    written = chains.write(CONTRACT, 0, "", ended)
    assert not anchoring.make(chains, "northwind", "2026-03-02T00:00:00+00:00", None).broken
    chains.write(CONTRACT, written.seq, written.head, some(4, 4))
    made = anchoring.make(chains, "northwind", "2026-03-03T00:00:00+00:00", None)
    assert made.anchor.heads == {}
    [broken] = made.broken
    assert [(item.kind, item.seq) for item in broken.findings] == [(Kind.APPENDED, 4)]
    assert [item.kind for item in chains.check(CONTRACT, {}).findings] == [Kind.APPENDED]


def test_files_and_events_are_anchored_and_what_is_shared_is_under_the_shared_key(
    chains: Chains,
) -> None:
    file, event = f"bank/northwind/{'ab' * 32}", chain_of_event("tickets", "msg 1/x?")
    for of in (file, event, f"bank/southwind/{'cd' * 32}"):
        chains.write(of, 0, "", some(1, 2), rejoins=True)
    assert next(chains.entries(file)).record.key_id.startswith("shared/")
    made = anchoring.make(chains, "northwind", "2026-03-02T00:00:00+00:00", None)
    assert set(made.anchor.heads) == {file, event}
    reader = Reader(chains, None, {})
    checked = reader.anchors("northwind")
    assert {item.of for item in reader.every("northwind", checked)} == {file, event}
    chains.store.delete(records.record_name(event, 2))
    [broken] = [item for item in reader.every("northwind", checked) if not item.is_whole]
    assert (broken.of, [item.kind for item in broken.findings]) == (event, [Kind.CUT_OFF])


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (lambda anchor: anchor.replace(at="2020-01-01"), "not what was signed"),
        (lambda anchor: anchor.replace(signature=""), "not signed"),
        (lambda anchor: anchor.replace(key_id="0" * 16), "not known"),
        (lambda anchor: anchor.replace(root="0" * 64), "another root"),
    ],
)
def test_a_forged_anchor_is_found(
    chains: Chains, signer: Signer, folder: Path, forge: Any, told: str
) -> None:
    chains.write(CONTRACT, 0, "", some(1, 1))
    made = anchoring.make(chains, "northwind", "2026-03-02T00:00:00+00:00", signer).anchor
    place = folder / f"{anchor_name('northwind', 1)}.record"
    place.write_bytes(forge(made).content)
    checked = Reader(chains, None, anchoring.public_keys(signer, ())).anchors("northwind")
    assert any(told in text for text in checked.problems)


def test_a_missing_anchor_is_found(chains: Chains) -> None:
    for day in (1, 2, 3):
        anchoring.make(chains, "northwind", f"2026-03-0{day}", None)
    chains.store.delete(anchor_name("northwind", 2))
    assert Reader(chains, None, {}).anchors("northwind").problems == [
        "anchor 2 is missing or cannot be read"
    ]


# --- a bucket -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an S3 that is none, on this machine, with a bucket that can lock."""
    with served_services() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        bucket(url)._s3.create_bucket(Bucket=_BUCKET, ObjectLockEnabledForBucket=True)
        yield url


def bucket(endpoint: str, **more: Any) -> S3Store:
    return S3Store(_BUCKET, "c2c/prod", endpoint=endpoint, region="us-east-1", **more)


def test_a_bucket_keeps_records_as_a_folder_does(endpoint: str) -> None:
    store: RecordStore = bucket(endpoint)
    assert store.read("audit/a") is None
    assert store.create("audit/a", b"one")
    assert not store.create("audit/a", b"one")
    with pytest.raises(GatewayError) as caught:
        store.create("audit/a", b"two")
    assert caught.value.code == "record_differs"
    assert store.read("audit/a") == b"one"
    for name in ("audit/b/2", "audit/b/1", "audit/c"):
        store.create(name, b"x")
    assert store.names("audit/") == ["audit/a", "audit/b/1", "audit/b/2", "audit/c"]
    assert store.names("audit/", after="audit/b/1", limit=1) == ["audit/b/2"]
    assert store.delete("audit/a")
    assert not store.delete("audit/a")
    with pytest.raises(ValueError, match="is not the name"):
        store.create("../a", b"one")


def test_a_bucket_that_answers_in_short_pages_hides_no_record(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bucket(endpoint)
    names = [f"pages/{number}" for number in range(5)]
    for name in names:
        store.create(name, b"x")
    listed = store._s3.list_objects_v2

    def short(MaxKeys: int, **request: Any) -> Any:
        return listed(MaxKeys=min(MaxKeys, 2), **request)

    monkeypatch.setattr(store._s3, "list_objects_v2", short)
    assert store.names("pages/") == names
    assert store.names("pages/", after="pages/0", limit=3) == names[1:4]


def test_what_is_locked_stays_and_keys_go_with_every_version(endpoint: str) -> None:
    store = bucket(endpoint, lock="compliance", lock_days=30)
    store.create("audit/locked", b"one")
    for name in ("keys/shared/1", "payloads/shared/2026-03-02/1"):
        store.create(name, b"key")
    with pytest.raises(GatewayError) as caught:
        store.delete("audit/locked")
    assert caught.value.code == "record_store_refused"
    assert store.read("audit/locked") == b"one"
    for name in ("keys/shared/1", "payloads/shared/2026-03-02/1"):
        assert store.delete(name)
        left = store._s3.list_object_versions(Bucket=_BUCKET, Prefix=f"c2c/prod/{name}")
        assert not left.get("Versions")
        assert not left.get("DeleteMarkers")


def test_a_chain_in_a_bucket_is_written_and_anchored(endpoint: str, folder: Path) -> None:
    store = bucket(endpoint, lock="governance", lock_days=1)
    chains = Chains(store, key_ring(folder))
    written = chains.write(CONTRACT, 0, "", some(1, 2))
    assert chains.write(CONTRACT, 0, "", some(1, 2)) == written
    made = anchoring.make(chains, "northwind", "2026-03-02", None).anchor
    assert made.heads[CONTRACT] == Head(seq=2, hash=written.head)
    assert chains.check(CONTRACT, {2: written.head}).is_whole


def test_a_bucket_that_is_not_there_is_tried_again(endpoint: str) -> None:
    gone = S3Store("nowhere", endpoint=endpoint, region="us-east-1")
    with pytest.raises(GatewayError) as caught:
        gone.create("audit/a", b"one")
    assert caught.value.kind is FailureKind.TRANSIENT
