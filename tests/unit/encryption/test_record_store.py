"""A store of records: written once, read, listed, removed."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.record_store.folder import FolderStore
from gateways.record_store.protocol import RecordStore


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return FolderStore(tmp_path / "records")


def test_a_record_is_written_once(store: RecordStore) -> None:
    assert store.read("keys/a") is None
    assert store.create("keys/a", b"one")
    assert not store.create("keys/a", b"one")
    with pytest.raises(GatewayError) as caught:
        store.create("keys/a", b"two")
    assert (caught.value.kind, caught.value.code) == (FailureKind.DEFECT, "record_differs")
    assert store.read("keys/a") == b"one"


def test_nothing_is_left_beside_the_records(store: RecordStore, tmp_path: Path) -> None:
    for content in (b"one", b"one", b"two"):
        try:
            store.create("keys/a", content)
        except GatewayError:
            continue
    files = [path.name for path in (tmp_path / "records").rglob("*") if path.is_file()]
    assert files == ["a.record"]


def test_of_many_writers_one_wins_and_all_others_hear_of_it(store: RecordStore) -> None:
    outcomes: list[object] = []

    def write(content: bytes) -> None:
        try:
            outcomes.append(store.create("keys/a", content))
        except GatewayError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=write, args=(bytes([n]),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) == 1
    assert outcomes.count("record_differs") == 19


def test_a_record_and_one_below_its_name_do_not_meet(store: RecordStore) -> None:
    store.create("keys/a/b", b"below")
    store.create("keys/a", b"above")
    assert (store.read("keys/a"), store.read("keys/a/b")) == (b"above", b"below")
    assert store.names("keys/") == ["keys/a", "keys/a/b"]
    assert store.names("keys/a/") == ["keys/a/b"]


def test_names_come_in_order_and_in_pages(store: RecordStore) -> None:
    for name in ("b/2", "a/1", "b/1", "c/1"):
        store.create(name, b"")
    assert store.names("") == ["a/1", "b/1", "b/2", "c/1"]
    assert store.names("", limit=2) == ["a/1", "b/1"]
    assert store.names("", after="b/1", limit=2) == ["b/2", "c/1"]
    assert store.names("d/") == []


def test_a_removed_record_is_gone(store: RecordStore) -> None:
    store.create("keys/a", b"one")
    assert store.delete("keys/a")
    assert not store.delete("keys/a")
    assert store.read("keys/a") is None
    assert store.create("keys/a", b"two")


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/..", "a.record", "a\n", "a\0", "é", "-a", "a" * 129]
)
def test_what_is_no_name_is_refused(store: RecordStore, name: str) -> None:
    for act in (store.read, store.delete, lambda it: store.create(it, b"")):
        with pytest.raises(ValueError, match="name of a record"):
            act(name)


@pytest.mark.parametrize("prefix", ["a", "../", "/", "a//"])
def test_what_is_no_prefix_is_refused(store: RecordStore, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        store.names(prefix)


def test_a_folder_that_cannot_be_used_is_a_failure_that_passes(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file, where the folder should be")
    store = FolderStore(tmp_path / "records")
    with pytest.raises(GatewayError) as caught:
        store.create("keys/a", b"one")
    assert (caught.value.kind, caught.value.code) == (
        FailureKind.TRANSIENT,
        "record_store_unavailable",
    )
    assert "keys/a" in caught.value.message


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("keys/a/b", b"one")
    listed = os.scandir

    def broken(folder: Any) -> Iterator[os.DirEntry[str]]:
        if Path(folder).name == "a":
            raise OSError(errno.EIO, "Input/output error")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", broken)
    for prefix in ("", "keys/", "keys/a/"):
        with pytest.raises(GatewayError, match="Input/output error") as caught:
            store.names(prefix)
        assert caught.value.kind is FailureKind.TRANSIENT
    assert store.names("other/") == []


def test_only_the_owner_may_read(store: RecordStore, tmp_path: Path) -> None:
    store.create("keys/a", b"one")
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "records").rglob("*")}
    assert modes == {0}
