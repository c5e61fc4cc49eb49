"""What the kit holds every source of bank files to.

    class TestDrop(BankConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def remote(cls): ...   # yields a BankRemote

Each test begins with an empty folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from abc import abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from gateways.bank.protocol import MAX_FILE_BYTES, MAX_LISTED, BankSource
from gateways.errors import FailureKind, GatewayError
from sandbox.conformance.gateway import ConnectorConformance, built, made, refusal
from sandbox.conformance.remote import System
from sandbox.meddling import Fault, Meddling

MORNING = 1_780_000_000
"""When the first file of a test came, in seconds since 1970; the others a minute apart."""
NAME, CONTENT = "2026-11-30.xml", b"<Document>thirty</Document>"
REASON = "the file is not well-formed XML\nGet it from the bank again."
_ODD_NAMES = (
    b"Auszug J\xc3\xa4nner (2).xml",
    b"Auszug J\xe4nner.xml",
    b"100%.xml",
    b"%2e%2e%2f.xml",
    b"line\nbreak.xml",
    b"-rf *.xml",
    b"C:\xff\xfe.xml",
    "Κίνηση.XML".encode(),
    b"x" * 250 + b".xml",
)
_NOT_THERE = ("", ".", "..", "../secret", "done/old", "%2e%2e%2fsecret", "a\0b", "nobody.xml")
_UNFINISHED = (".hidden.xml", "a.xml.part", "b.tmp", "c.xml~", "~$d.xml", "e.XML.FILEPART")
_THREADS = 6


class BankRemote(System):
    """A folder somewhere. The kit looks at its files on this machine's disk, in `folder`, and
    meddles with the connector's requests to it."""

    faults: ClassVar[tuple[Fault, ...]] = (Fault.BEFORE, Fault.AFTER)
    """What can become of any request."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where its files are."""

    @property
    @abstractmethod
    def meddling(self) -> Meddling:
        """What becomes of the connector's requests."""

    def answer_late(self, request: int) -> None:
        """The answer to this request comes only after the connector has given up on it."""
        self.meddling.fail(request, Fault.SLOW)

    def put(self, name: str | bytes, content: bytes = CONTENT, minute: int = 0) -> str:
        """The bank puts a file there; returns its hash."""
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        with open(path, "wb") as file:
            file.write(content)
        os.utime(path, (MORNING + 60 * minute,) * 2)
        return sha256(content)

    def all_files(self) -> dict[str, bytes]:
        """What is there, at any depth, by its path."""
        found = sorted(item for item in self.folder.rglob("*") if item.is_file())
        return {str(item.relative_to(self.folder)): item.read_bytes() for item in found}

    def empty(self) -> None:
        """Nobody has put anything there, and it is set up."""
        for item in self.folder.iterdir():
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        for name in ("done", "refused"):
            (self.folder / name).mkdir()
        self.meddling.clear()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


R = TypeVar("R", bound=BankRemote)
Act = Callable[[BankSource], object]


class BankConformance(ConnectorConformance[R]):
    """The tests of a connector of the group `c2c.bank`."""

    @pytest.fixture(autouse=True)
    def _emptied(self, remote: R) -> None:
        remote.empty()

    @pytest.fixture
    def source(self, gateway: Any) -> BankSource:
        found: BankSource = gateway
        return found

    def acts(self, name: str = NAME, own: str = sha256(CONTENT)) -> Mapping[str, Act]:
        """Every method of the protocol, upon a file."""
        return {
            "files": lambda source: source.files(),
            "read": lambda source: source.read(name),
            "read, by hash": lambda source: source.read(name, own),
            "add": lambda source: source.add("uploaded.xml", b"<Document/>"),
            "done": lambda source: source.done(name, own),
            "refuse": lambda source: source.refuse(name, own, REASON),
            "missing_setup": lambda source: source.missing_setup(),
        }

    # --- what is there ----------------------------------------------------------------------------

    def test_files_are_found_the_oldest_first(self, remote: R, source: BankSource) -> None:
        remote.put("b.xml", b"<b/>", 2)
        remote.put("c.sta", b"<c/>", 1)
        remote.put("a.xml", b"", 3)
        found = [(item.name, item.size, item.modified.timestamp()) for item in source.files()]
        times = [MORNING + 60 * minute for minute in (1, 2, 3)]
        expected = [("c.sta", 4), ("b.xml", 4), ("a.xml", 0)]
        assert found == [(*item, time) for item, time in zip(expected, times, strict=True)]

    def test_what_is_no_finished_file_is_left_alone(self, remote: R, source: BankSource) -> None:
        for name in _UNFINISHED:
            remote.put(name)
        (remote.folder / "folder.xml").mkdir()
        (remote.folder / "link.xml").symlink_to(remote.folder / "done")
        (remote.folder / "other.xml").symlink_to("/etc/passwd")
        before = remote.all_files()
        assert source.files() == []
        for name in ("folder.xml", "link.xml", "other.xml"):
            assert refused(source, self.acts(name)["read"]).code == "bank_file_missing"
        assert remote.all_files() == before

    def test_only_names_of_the_pattern_are_found(self, remote: R) -> None:
        remote.put("a.xml")
        remote.put("B.XML", minute=1)
        remote.put("invoice.pdf")
        table = {**remote.settings(remote.address), "pattern": "*.xml"}
        with made(remote, table) as source:
            assert names(source) == ["a.xml", "B.XML"]

    @pytest.mark.parametrize("raw", _ODD_NAMES)
    def test_every_name_can_be_said_and_found_again(
        self, remote: R, source: BankSource, raw: bytes
    ) -> None:
        own = remote.put(raw)
        [found] = source.files()
        assert found.name.isprintable()
        assert found.model_validate_json(found.model_dump_json()) == found
        assert source.read(found.name) == CONTENT
        source.done(found.name, own)
        assert source.files() == []
        assert source.read(found.name, own) == CONTENT

    @pytest.mark.parametrize("name", _NOT_THERE)
    def test_nothing_outside_the_folder_has_a_name(
        self, remote: R, source: BankSource, name: str
    ) -> None:
        (remote.folder.parent / "secret").write_bytes(b"secret")
        remote.put("done/old", b"old")
        before = remote.all_files()
        assert refused(source, lambda it: it.read(name)).code == "bank_file_missing"
        assert refused(source, lambda it: it.read(name, sha256(b"old"))).code == "bank_file_missing"
        for way in ("done", "refuse"):
            act = self.acts(name, sha256(b"old"))[way]
            if name == "nobody.xml":
                act(source)  # it is gone, so it needs nothing
            else:
                assert refused(source, act).code == "bank_file_missing"
        assert remote.all_files() == before

    def test_of_thousands_the_oldest_come_and_then_the_others(
        self, remote: R, source: BankSource
    ) -> None:
        for number in range(MAX_LISTED + 500):
            remote.put(f"{number:05}.xml", minute=number)
        found = names(source)
        assert found == [f"{number:05}.xml" for number in range(MAX_LISTED)]
        source.done(found[0], sha256(CONTENT))
        assert names(source)[-1] == f"{MAX_LISTED:05}.xml"

    # --- reading ----------------------------------------------------------------------------------

    def test_a_large_file_is_read_whole(self, remote: R, source: BankSource) -> None:
        content = os.urandom(3_500_000)
        own = remote.put(NAME, content)
        assert source.read(NAME) == content
        assert source.read(NAME, own) == content
        assert refused(source, lambda it: it.read(NAME, sha256(b""))).code == "bank_file_missing"

    def test_a_file_that_grows_meanwhile_is_not_read(self, remote: R, source: BankSource) -> None:
        remote.put(NAME, b"<Document>half")

        def grow() -> None:
            with (remote.folder / NAME).open("ab") as file:
                file.write(b" and half</Document>")

        remote.meddling.before("read", grow)
        failure = refused(source, lambda it: it.read(NAME))
        assert (failure.kind, failure.code) == (FailureKind.TRANSIENT, "bank_file_changing")
        assert source.read(NAME) == b"<Document>half and half</Document>"

    def test_a_file_that_is_too_large_can_be_refused(self, remote: R, source: BankSource) -> None:
        remote.put(NAME, b"")
        os.truncate(remote.folder / NAME, MAX_FILE_BYTES + 1)
        assert source.files()[0].size == MAX_FILE_BYTES + 1
        assert refused(source, lambda it: it.read(NAME)).code == "bank_file_too_large"
        source.refuse(NAME, "", REASON)
        assert source.files() == []
        assert (remote.folder / "refused" / f"unread-{NAME}").is_file()

    # --- putting away -----------------------------------------------------------------------------

    def test_what_is_done_keeps_its_hash_and_is_read_by_it(
        self, remote: R, source: BankSource
    ) -> None:
        own = remote.put(NAME)
        source.done(NAME, own)
        expected = {f"done/{own}-{NAME}": CONTENT}
        assert remote.all_files() == expected
        assert source.files() == []
        source.done(NAME, own)
        assert remote.all_files() == expected
        assert source.read(NAME, own) == CONTENT
        assert refused(source, lambda it: it.read(NAME)).code == "bank_file_missing"

    def test_each_day_s_file_of_one_name_is_kept_and_so_is_one_that_comes_twice(
        self, remote: R, source: BankSource
    ) -> None:
        for content in (b"<monday/>", b"<tuesday/>", b"<monday/>"):
            source.done(NAME, remote.put(NAME, content))
        contents = sorted(remote.all_files().values())
        assert contents == [b"<monday/>", b"<monday/>", b"<tuesday/>"]
        assert source.read(NAME, sha256(b"<tuesday/>")) == b"<tuesday/>"

    @pytest.mark.parametrize("way", ["done", "refuse"])
    def test_a_file_that_was_replaced_is_not_put_away(
        self, remote: R, source: BankSource, way: str
    ) -> None:
        """Neither before that, nor in the moment in which it is moved."""
        own = remote.put(NAME)
        act: Act = self.acts()[way]
        remote.put(NAME, b"<tomorrow/>", 1)
        act(source)
        assert remote.all_files() == {NAME: b"<tomorrow/>"}
        remote.put(NAME)
        remote.meddling.before("rename", lambda: remote.put(NAME, b"<tomorrow/>", 1))
        act(source)
        assert remote.all_files() == {NAME: b"<tomorrow/>"}
        assert own != sha256(b"<tomorrow/>")

    def test_what_is_refused_says_why(self, remote: R, source: BankSource) -> None:
        own = remote.put(NAME)
        source.refuse(NAME, own, REASON)
        kept = f"refused/{own}-{NAME}"
        found = remote.all_files()
        assert found.keys() == {kept, f"{kept}.txt"}
        text = found[f"{kept}.txt"].decode()
        assert NAME in text
        assert REASON in text
        source.refuse(NAME, own, REASON)
        assert remote.all_files() == found
        assert source.files() == []

    def test_a_file_is_added_whole_and_once(self, remote: R, source: BankSource) -> None:
        source.add(NAME, CONTENT)
        source.add(NAME, CONTENT)
        assert remote.all_files() == {NAME: CONTENT}
        failure = refused(source, lambda it: it.add(NAME, b"<other/>"))
        assert (failure.code, failure.value) == ("bank_file_exists", NAME)
        assert remote.all_files() == {NAME: CONTENT}
        for name in ("done/x.xml", "done"):
            with pytest.raises(GatewayError):
                source.add(name, CONTENT)

    def test_many_threads_share_it(self, remote: R, source: BankSource) -> None:
        own = {f"{number}.xml": remote.put(f"{number}.xml", b"%d" % number) for number in range(24)}
        # Several put the same file away at once, too.
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda item: source.done(*item), [*own.items(), *own.items()]))
        assert source.files() == []
        assert sorted(remote.all_files()) == sorted(f"done/{own[key]}-{key}" for key in own)

    # --- failures ---------------------------------------------------------------------------------

    def test_what_is_cut_off_at_any_moment_is_done_once_when_repeated(
        self, remote: R, source: BankSource
    ) -> None:
        """Also where the remote did it before the answer was lost."""
        for name, act in self.acts().items():
            answer, expected, count = self._undisturbed(remote, source, act)
            for fault in remote.faults:
                for place in range(count):
                    remote.empty()
                    remote.put(NAME)
                    remote.meddling.fail(place, fault)
                    what = f"{name}, request {place}, {fault}"
                    failure = refusal(remote, act, source, what)
                    assert failure.kind is FailureKind.TRANSIENT, what
                    assert act(source) == answer, what
                    assert remote.all_files() == expected, what

    def _undisturbed(
        self, remote: R, source: BankSource, act: Act
    ) -> tuple[object, dict[str, bytes], int]:
        """What comes of it, the files that are left, and how many requests it takes."""
        remote.empty()
        remote.put(NAME)
        answer = act(source)
        return answer, remote.all_files(), len(remote.meddling.requests)

    def test_a_remote_that_does_not_answer_in_time_may_have_done_it(
        self, remote: R, source: BankSource
    ) -> None:
        if not remote.can("answer_late"):
            return
        own = remote.put(NAME)
        source.files()
        place = self._undisturbed(remote, source, lambda it: it.done(NAME, own))[2] - 1
        remote.empty()
        remote.put(NAME)
        remote.answer_late(place)
        failure = refusal(remote, lambda it: it.done(NAME, own), source)
        assert (failure.kind, failure.maybe_done) == (FailureKind.TRANSIENT, True)
        assert remote.all_files().keys() == {f"done/{own}-{NAME}"}
        source.done(NAME, own)
        assert remote.all_files().keys() == {f"done/{own}-{NAME}"}

    def test_credentials_that_are_refused_are_a_matter_of_their_own(self, remote: R) -> None:
        if not remote.can("wrong_settings"):
            return
        for act in self.acts().values():
            with built(remote, remote.address, wrong=True) as source:
                failure = refusal(remote, act, source)
            assert failure.kind is FailureKind.CREDENTIALS, failure

    # --- set-up -----------------------------------------------------------------------------------

    def test_nothing_is_taken_that_could_not_be_put_away(
        self, remote: R, source: BankSource
    ) -> None:
        remote.put(NAME)
        (remote.folder / "done").rmdir()
        failure = refused(source, lambda it: it.files())
        assert (failure.kind, failure.code) == (FailureKind.BUSINESS, "bank_source_incomplete")
        assert "done/" in failure.message
        refused(source, lambda it: it.done(NAME, sha256(CONTENT)))
        assert remote.all_files() == {NAME: CONTENT}
        [problem] = source.missing_setup()
        assert (problem.code, problem.field) == ("bank_source_incomplete", "done/")
        assert source.ensure_setup() == []
        assert names(source) == [NAME]

    def test_a_right_that_lacks_is_named(self, remote: R, source: BankSource) -> None:
        source.missing_setup()
        kinds = list(remote.meddling.requests)
        for place in {kinds.index(kind) for kind in ("names", "write", "rename")}:
            remote.meddling.fail(place, Fault.FORBIDDEN)
            [problem] = source.missing_setup()
            assert (problem.code, problem.field) == ("bank_source_incomplete", "folder")
            assert source.missing_setup() == []
        assert remote.all_files() == {}


def names(source: BankSource) -> list[str]:
    return [item.name for item in source.files()]


def refused(source: BankSource, act: Act) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        act(source)
    return caught.value
