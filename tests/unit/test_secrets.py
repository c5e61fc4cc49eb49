"""Secrets: replaced while we run, never shown."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.secrets import MAX_SECRET_BYTES, Secret


def test_a_value_is_revealed_and_never_shown() -> None:
    secret = Secret.of("s3cret")
    assert secret.reveal() == "s3cret"
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert "s3cret" not in shown


def test_a_file_is_named_but_its_content_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    secret = Secret.file(tmp_path / "key")
    assert secret.reveal() == "s3cret"
    assert "key" in repr(secret)
    assert "s3cret" not in repr(secret)


def test_pickling_is_refused_and_copying_shares() -> None:
    secret = Secret.of("s3cret")
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(secret)
    assert copy.deepcopy({"secret": secret})["secret"] is secret
    assert copy.copy(secret) is secret


def test_a_rewritten_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    secret = Secret.file(path)
    assert secret.reveal() == "old"
    path.write_text("newer")
    assert secret.reveal() == "newer"


def test_a_file_replaced_by_rename_with_the_same_size_and_time_is_read_again(
    tmp_path: Path,
) -> None:
    path, fresh = tmp_path / "key", tmp_path / "fresh"
    path.write_text("old")
    fresh.write_text("new")
    for file in (path, fresh):
        os.utime(file, ns=(1_000_000_000, 1_000_000_000))
    secret = Secret.file(path)
    assert secret.reveal() == "old"
    fresh.replace(path)
    assert secret.reveal() == "new"


def test_a_file_may_come_later(tmp_path: Path) -> None:
    path = tmp_path / "key"
    secret = Secret.file(path)
    with pytest.raises(GatewayError, match="does not exist"):
        secret.reveal()
    path.write_text("there")
    assert secret.reveal() == "there"


def test_a_byte_order_mark_and_blanks_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xef\xbb\xbf  s3cret \r\n")
    assert Secret.file(path).reveal() == "s3cret"


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_file_is_a_missing_secret(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(GatewayError) as caught:
        Secret.file(path).reveal()
    assert (caught.value.kind, caught.value.code) == (FailureKind.CREDENTIALS, "secret_missing")
    assert str(path) in caught.value.message


def test_an_empty_value_is_a_missing_secret() -> None:
    with pytest.raises(GatewayError) as caught:
        Secret.of("").reveal()
    assert caught.value.code == "secret_missing"


def test_a_file_that_vanishes_is_a_missing_secret(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cret")
    secret = Secret.file(path)
    secret.reveal()
    path.unlink()
    with pytest.raises(GatewayError) as caught:
        secret.reveal()
    assert caught.value.code == "secret_missing"


@pytest.mark.parametrize("content", [b"\xff\xfes3cret", b"x" * (MAX_SECRET_BYTES + 1)])
def test_a_file_that_is_no_secret_is_unreadable_and_not_quoted(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(GatewayError) as caught:
        Secret.file(path).reveal()
    assert (caught.value.kind, caught.value.code) == (FailureKind.CREDENTIALS, "secret_unreadable")
    assert caught.value.__cause__ is None
    assert "s3cret" not in str(caught.value)


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(GatewayError) as caught:
        Secret.file(tmp_path).reveal()
    assert caught.value.code == "secret_unreadable"


def test_a_secret_is_either_a_value_or_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="either"):
        Secret()
    with pytest.raises(ValueError, match="either"):
        Secret(value="x", path=tmp_path)


@pytest.mark.parametrize("value", ["s3cret\nX-Evil: 1", "schlüssel"])
def test_a_secret_that_no_header_may_hold_is_refused_and_not_quoted(value: str) -> None:
    with pytest.raises(GatewayError) as caught:
        Secret.of(value).bearer()
    assert (caught.value.kind, caught.value.code) == (
        FailureKind.CREDENTIALS,
        "secret_unreadable",
    )
    assert value not in str(caught.value)
    assert Secret.of("s3cret").bearer() == "Bearer s3cret"
