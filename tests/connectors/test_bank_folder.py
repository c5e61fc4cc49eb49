"""A folder as a source of bank files, held to the conformance kit."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from gateways.bank.folder import CONNECTOR, files
from sandbox.conformance.bank import BankConformance, BankRemote
from sandbox.conformance.gateway import built
from sandbox.meddling import Fault, Meddling


class MeddledOs:
    """The module `os`, whose calls fail."""

    KINDS: ClassVar = {
        "scandir": "names",
        "lstat": "entry",
        "stat": "entry",
        "open": "read",
        "replace": "write",
        "rename": "rename",
        "remove": "remove",
    }

    def __init__(self, meddling: Meddling) -> None:
        self._meddling = meddling

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.KINDS:
            return real
        return lambda *given, **more: self._call(self.KINDS[name], lambda: real(*given, **more))

    def _call(self, kind: str, real: Callable[[], Any]) -> Any:
        fault = self._meddling.next(kind)
        if fault is Fault.FORBIDDEN:
            raise OSError(errno.EACCES, "Permission denied")
        if fault is Fault.BEFORE:
            raise OSError(errno.EIO, "Input/output error")
        if fault is Fault.AFTER:
            with contextlib.suppress(OSError):
                real()
            raise OSError(errno.ETIMEDOUT, "Connection timed out")
        return real()


class FolderRemote(BankRemote):
    connector = CONNECTOR
    cannot: ClassVar = {
        "answer_late": "a disk has no time-outs of its own",
        "wrong_settings": "a folder has no credentials",
    }

    def __init__(self, folder: Path, meddling: Meddling) -> None:
        self._folder, self._meddling = folder, meddling
        folder.mkdir()

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def meddling(self) -> Meddling:
        return self._meddling

    @property
    def address(self) -> str:
        return str(self._folder)

    def settings(self, address: str) -> dict[str, Any]:
        return {"folder": address}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return self.settings(address)

    def secrets(self) -> list[str]:
        return []

    @contextmanager
    def without_setup(self) -> Iterator[Self]:
        yield type(self)(self._folder.parent / "bare", Meddling())


class TestFolder(BankConformance[FolderRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FolderRemote]:
        meddling = Meddling()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "os", MeddledOs(meddling))
            yield FolderRemote(tmp_path_factory.mktemp("bank") / "inbox", meddling)

    def test_a_folder_that_is_not_there_is_named_and_not_made(self, tmp_path: Path) -> None:
        remote = FolderRemote(tmp_path / "gone", Meddling())
        remote.folder.rmdir()
        with built(remote, remote.address) as source:
            [problem] = source.ensure_setup()
        assert (problem.field, problem.value) == ("folder", str(tmp_path / "gone"))
        assert not remote.folder.exists()
