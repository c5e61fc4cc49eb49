"""When payloads are encrypted: by the configuration, and by where Temporal is."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from pydantic import ValidationError
from temporalio.converter import CompositePayloadConverter

from gateways.encryption.masters import new_master
from gateways.encryption.settings import EncryptionSettings, RecordsSettings
from wiring import client, encryption
from wiring.codec import SealedFailures, SealingCodec
from wiring.sealed import NoKeysCodec
from wiring.settings import ConfigurationError, Protection, load_protection

HERE, ELSEWHERE = "127.0.0.1:7233", "temporal.northwind.example:7233"
MASTER = {"2026": {"key": new_master()}}


def protection(tmp_path: Path, **given: object) -> Protection:
    return Protection(
        records=RecordsSettings(folder=tmp_path),
        encryption=EncryptionSettings.model_validate(given),
    )


@pytest.mark.parametrize("address", [HERE, "localhost:7233", "[::1]:7233"])
def test_on_this_machine_it_is_off_where_nothing_is_said(address: str) -> None:
    assert not encryption.is_on(EncryptionSettings(), address)


@pytest.mark.parametrize("address", [ELSEWHERE, "10.0.0.7:7233", "localhost.evil.example:7233"])
def test_beyond_it_something_must_be_said(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"encryption\.enabled = false"):
        encryption.is_on(EncryptionSettings(), address)
    assert not encryption.is_on(EncryptionSettings(enabled=False), address)


@pytest.mark.parametrize("address", [HERE, ELSEWHERE])
def test_a_master_turns_it_on(tmp_path: Path, address: str) -> None:
    converter = encryption.converter(protection(tmp_path, masters=MASTER), address)
    assert isinstance(converter.payload_codec, SealingCodec)
    assert converter.failure_converter_class is SealedFailures


async def test_turned_off_with_masters_it_opens_only(tmp_path: Path) -> None:
    off = encryption.converter(protection(tmp_path, masters=MASTER, enabled=False), ELSEWHERE)
    on = encryption.converter(protection(tmp_path, masters=MASTER), ELSEWHERE)
    assert await off.decode(await on.encode(["Acme"])) == ["Acme"]
    assert b"Acme" in (await off.encode(["Acme"]))[0].data
    assert off.failure_converter_class is not SealedFailures


def test_without_masters_sealed_payloads_are_told_of() -> None:
    assert isinstance(encryption.converter(Protection(), HERE).payload_codec, NoKeysCodec)


def test_a_process_without_the_master_of_the_shared_key_does_not_start(tmp_path: Path) -> None:
    made = protection(tmp_path, masters=MASTER)
    encryption.check_keys(made, make=False)
    assert list(tmp_path.iterdir()) == []
    encryption.check_keys(made)
    encryption.check_keys(made)
    assert len(list(tmp_path.rglob("*.record"))) == 1
    for wrong in ({"2027": {"key": new_master()}}, {"2026": {"key": new_master()}}):
        with pytest.raises(ConfigurationError, match="payloads cannot be encrypted"):
            encryption.check_keys(protection(tmp_path, masters=wrong))
    encryption.check_keys(Protection())


def test_masters_without_a_store_are_refused() -> None:
    given = Protection(encryption=EncryptionSettings.model_validate({"masters": MASTER}))
    with pytest.raises(ConfigurationError, match=r"records\.folder"):
        encryption.converter(given, HERE)


@pytest.mark.parametrize(
    "given",
    [
        {"enabled": True},
        {"masters": {"a": {"key": "x"}, "b": {"key": "y"}}},
        {"masters": {"a": {"key": "x"}}, "active": "b"},
        {"masters": {"a": {}}},
        {"masters": {"a": {"key": "x", "key_file": "y"}}},
        {"masters": {"A/../b": {"key": "x"}}},
        {"codec": {"origins": ["*"]}},
        {"codec": {"origins": ["http://ui.example/path"]}},
        {"codec": {"tokens": {"ana": {}}}},
    ],
)
def test_what_does_not_fit_together_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        EncryptionSettings.model_validate(given)


def test_it_is_read_where_the_rest_of_the_configuration_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c2c.toml"
    file.write_text('[records]\nfolder = "/srv/records"\n[encryption]\nenabled = false\n[odoo]\n')
    monkeypatch.setenv("C2C_CONFIG", str(file))
    monkeypatch.setenv("C2C_ENCRYPTION__MASTERS__2026__KEY", "from the environment")
    read = load_protection()
    assert read.records.folder == Path("/srv/records")
    assert read.encryption.enabled is False
    assert list(read.encryption.masters) == ["2026"]
    assert "from the environment" not in repr(read)


async def test_a_connection_beyond_this_machine_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("C2C_CONFIG", raising=False)
    monkeypatch.setenv("TEMPORAL_ADDRESS", ELSEWHERE)
    with pytest.raises(ConfigurationError, match="beyond this machine"):
        await client.connect(lazy=True)


@pytest.mark.parametrize("masters", [{}, MASTER], ids=["clear", "sealed"])
def test_what_is_learned_of_types_is_learned_once_for_all_workflows(
    tmp_path: Path, masters: dict[str, object]
) -> None:
    """A worker makes a converter for each workflow that it loads."""
    shared = encryption.converter(protection(tmp_path, masters=masters), HERE)
    first, second = shared.payload_converter_class(), shared.payload_converter_class()
    assert isinstance(first, CompositePayloadConverter)
    assert isinstance(second, CompositePayloadConverter)
    assert first.converters == second.converters
    assert first.from_payload(first.to_payload({"id": UUID(int=7)}), dict[str, UUID]) == {
        "id": UUID(int=7)
    }
