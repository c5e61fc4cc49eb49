"""Contract documents as people write them: both formats, and never a float."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.validation import InvalidContract
from starters.cli import documents
from starters.cli.errors import UsageError


def test_json_and_toml_say_the_same_and_hold_no_float(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"value": 4000.10, "signed_on": "2026-01-05", "n": 3}')
    (tmp_path / "c.toml").write_text("value = 4000.10\nsigned_on = 2026-01-05\nn = 3\n")
    expected = {"value": "4000.10", "signed_on": "2026-01-05", "n": 3}
    assert documents.read(str(tmp_path / "c.json")) == expected
    assert documents.read(str(tmp_path / "c.toml")) == expected


def test_a_file_without_a_known_ending_is_told_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "contract"
    file.write_text('\ufeff {"a": 1}', encoding="utf-8")
    assert documents.read(str(file)) == {"a": 1}
    file.write_text('a = "x"')
    assert documents.read(str(file)) == {"a": "x"}


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000, '{"a": }'])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.json"
    file.write_text(text)
    with pytest.raises(InvalidContract, match="file_malformed"):
        documents.read(str(file))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        documents.read(str(tmp_path / "none.json"))
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (documents.MAX_BYTES + 1))
    with pytest.raises(UsageError, match="larger"):
        documents.read(str(large))
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe{")
    with pytest.raises(InvalidContract, match="UTF-8"):
        documents.read(str(binary))


def test_changes_are_json_where_they_are_json_else_text() -> None:
    found = documents.changes(
        ["customer.country=BE", "value=12.10", "n=3", "ok=true", "x=", 'list=["a"]', "formula=a=b"]
    )
    assert found == {
        "customer.country": "BE",
        "value": "12.10",
        "n": 3,
        "ok": True,
        "x": "",
        "list": ["a"],
        "formula": "a=b",
    }
    assert "12.10" in json.dumps(found)


@pytest.mark.parametrize("text", ["novalue", "=x"])
def test_changes_need_a_path_and_a_value(text: str) -> None:
    with pytest.raises(UsageError, match="path=value"):
        documents.changes([text])
