"""SFTP as a source of bank files, held to the conformance kit against asyncssh's own server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from pydantic import ValidationError

from gateways.bank.sftp import CONNECTOR
from gateways.errors import FailureKind
from sandbox.conformance.bank import CONTENT, NAME, BankConformance, BankRemote, refused
from sandbox.conformance.gateway import full, made
from sandbox.meddling import Meddling
from sandbox.sftp import USER, SftpServer, new_key, served_sftp

WRONG = "password-of-nobody"


class SftpRemote(BankRemote):
    connector = CONNECTOR
    cannot: ClassVar[dict[str, str]] = {}

    def __init__(self, server: SftpServer) -> None:
        self.server = server

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Self]:
        folder.mkdir()
        with served_sftp(folder) as server:
            yield cls(server)

    @property
    def folder(self) -> Path:
        return self.server.folder

    @property
    def meddling(self) -> Meddling:
        return self.server.meddling

    @property
    def address(self) -> str:
        return self.server.host

    def settings(self, address: str) -> dict[str, Any]:
        return {
            "host": address,
            "port": self.server.port,
            "user": USER,
            "host_keys": [self.server.host_key],
            "private_key": self.server.private_key,
            "timeout_seconds": 1,
        }

    def by_password(self, password: str) -> dict[str, Any]:
        by_key = self.settings(self.address)
        del by_key["private_key"]
        return {**by_key, "password": password}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return self.by_password(WRONG)

    def secrets(self) -> list[str]:
        return [self.server.private_key.splitlines()[2], self.server.password, WRONG]

    @contextmanager
    def without_setup(self) -> Iterator[Self]:
        with self.running(self.folder.parent / "bare") as bare:
            yield bare


class TestSftp(BankConformance[SftpRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpRemote]:
        with SftpRemote.running(tmp_path_factory.mktemp("bank") / "inbox") as remote:
            yield remote

    def test_a_password_lets_in_as_a_key_does(self, remote: SftpRemote) -> None:
        own = remote.put(NAME)
        with made(remote, remote.by_password(remote.server.password)) as source:
            source.done(NAME, own)
        assert remote.all_files() == {f"done/{own}-{NAME}": CONTENT}

    @pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
    def test_a_server_with_another_host_key_is_told_nothing(
        self, remote: SftpRemote, kind: str
    ) -> None:
        other = new_key(kind)[1]
        table = remote.by_password(remote.server.password) | {"host_keys": [other]}
        signed_in = remote.server.sign_ins
        with made(remote, table) as source:
            failure = refused(source, lambda it: it.missing_setup())
        assert (failure.kind, failure.code) == (FailureKind.CREDENTIALS, "host_key_differs")
        assert "host_keys" in failure.message
        assert remote.server.sign_ins == signed_in

    def test_one_of_several_host_keys_is_enough(self, remote: SftpRemote) -> None:
        table = remote.settings(remote.address)
        table["host_keys"] = [new_key()[1], *table["host_keys"]]
        with made(remote, table) as source:
            assert source.missing_setup() == []

    def test_a_server_that_is_away_was_not_asked(self, remote: SftpRemote) -> None:
        with made(remote, {**remote.settings(remote.address), "port": 1}) as source:
            for act in self.acts().values():
                failure = refused(source, act)
                assert failure.code == "unreachable"
                assert not failure.maybe_done

    def test_a_key_in_a_file_is_read_again(self, remote: SftpRemote, tmp_path: Path) -> None:
        table = remote.settings(remote.address)
        del table["private_key"]
        file = tmp_path / "key"
        file.write_text(new_key()[0])
        with made(remote, {**table, "private_key_file": str(file)}) as source:
            assert refused(source, lambda it: it.files()).code == "credentials_refused"
            file.write_text("no key at all")
            assert refused(source, lambda it: it.files()).code == "credentials_refused"
            file.write_text(remote.server.private_key)
            assert source.files() == []

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"host_keys": []}, "host_keys"),
            ({"host_keys": ["AAAA"]}, "host_keys"),
            ({"password": "one more"}, "private_key"),
            ({"private_key": None}, "private_key"),
        ],
    )
    def test_settings_that_leave_a_door_open_are_refused(
        self, remote: SftpRemote, change: dict[str, Any], told: str
    ) -> None:
        table = full(remote, remote.settings(remote.address) | change)
        with pytest.raises(ValidationError, match=told):
            CONNECTOR.settings.model_validate(table)

    def test_a_host_key_that_is_none_is_no_configuration(self, remote: SftpRemote) -> None:
        table = {**remote.settings(remote.address), "host_keys": ["ssh-ed25519 AAAA"]}
        with pytest.raises(ValueError, match="host_keys"), made(remote, table):
            pass
