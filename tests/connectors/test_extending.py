"""The connector of docs/extending.md is installed as its page shows it, listed, and held to the
conformance kit by the page's own tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.connectors import installing

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
_BLOCK = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, and the record of their installation."""
    folder = tmp_path_factory.mktemp("ledgerline")
    files = dict(_BLOCK.findall(PAGE.read_text()))
    assert set(files) == {
        "pyproject.toml",
        "c2c_ledgerline/__init__.py",
        "c2c_ledgerline/crm.py",
        "test_ledgerline.py",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    installing.record(folder, folder)
    return folder


def run(folder: Path, *line: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(ROOT), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-m", *line],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "C2C_CONFIG": str(folder / "none.toml")},
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_the_page_can_be_read_in_one_sitting() -> None:
    assert len(PAGE.read_bytes()) <= 12_500


def test_the_command_lists_the_connector_of_the_page(folder: Path) -> None:
    listed = run(folder, "starters", "--json", "connectors")
    kinds = {(item["group"], item["kind"]): item for item in json.loads(listed.stdout)}
    assert kinds["crm", "ledgerline"]["about"] == "won deals of Ledgerline"


@pytest.mark.long
def test_the_connector_of_the_page_conforms(folder: Path) -> None:
    done = run(folder, "pytest", "-q", "-p", "no:cacheprovider", "test_ledgerline.py")
    assert done.returncode == 0, done.stdout[-8_000:]
    assert "NotTried: ledgerline, end_sessions: a key has no session" in done.stdout
