"""Wrong usage and failing output: what programs, pipes and people get."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import pytest

from starters.cli.errors import MEANINGS, ExitCode
from tests.unit import examples
from tests.unit.command import Calls, Invoke

C2C = [sys.executable, "-m", "starters"]
RAW = re.compile(r"Input should|Value error|unable to parse|type=|pydantic", re.IGNORECASE)

WRONG: Mapping[str, Sequence[str]] = {
    "no such command": ["nothing"],
    "no such subcommand": ["contract", "nothing"],
    "no such option": ["contract", "list", "--bogus"],
    "no such global option": ["--bogus", "contract", "list"],
    "a missing argument": ["contract", "show"],
    "no number": ["contract", "list", "--limit", "many"],
    "a number too small": ["contract", "list", "--limit", "0"],
    "a number too large": ["contract", "list", "--limit", "9999"],
    "no day": ["milestone", "reached", "C-1", "live", "--by", "a", "--on", "yesterday"],
    "no choice": ["contract", "hold", "C-1", "everything", "--by", "a", "--reason", "b"],
    "no stage": ["contract", "list", "--stage", "x"],
    "no kind": ["approvals", "list", "--kind", "x"],
    "a group alone": ["contract"],
    "no side": ["contract", "notice", "C-1", "--side", "x", "--by", "a"],
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_usage_honours_json_and_speaks_plainly(
    calls: Calls, c2c: Invoke, arguments: Sequence[str]
) -> None:
    plain = c2c(*arguments)
    assert plain.exit_code == ExitCode.USAGE, plain.output
    assert plain.stdout == ""
    assert not RAW.search(plain.stderr), plain.stderr
    result = c2c(*arguments, "--json")
    assert result.exit_code == ExitCode.USAGE
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "usage"
    assert error["message"]
    assert not RAW.search(error["message"])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["contract", "list", "--x"]])
def test_output_that_cannot_be_written_is_no_defect_of_ours(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*C2C, "--json", *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert done.returncode == ExitCode.NO_OUTPUT
    assert done.stderr.decode().endswith("the output cannot be written: No space left on device\n")


def test_who_reads_no_further_ends_it_as_any_pipe() -> None:
    ends = os.pipe()
    os.close(ends[0])
    try:
        done = subprocess.run([*C2C, "--help"], stdout=ends[1], stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(ends[1])
    assert done.returncode == -signal.SIGPIPE
    assert done.stderr == b""


def test_nothing_is_said_on_streams_that_are_closed_and_the_exit_code_counts() -> None:
    def closed() -> None:
        os.close(1)
        os.close(2)

    for line, code in (["--version"], ExitCode.OK), (["nothing"], ExitCode.USAGE):
        done = subprocess.run([*C2C, *line], preexec_fn=closed, timeout=60)
        assert done.returncode == code


def test_what_a_terminal_cannot_encode_is_replaced() -> None:
    line = [*C2C, "contract", "start", "-", "--entity", "northwind", "--dry-run"]
    data = json.dumps(examples.contract_data(title="Größe 株式会社"))
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        line, input=data.encode(), env=ascii_only, capture_output=True, timeout=60
    )
    assert done.returncode == ExitCode.OK, done.stderr
    assert b"Gr??e ????" in done.stdout


def test_every_failure_that_has_a_meaning_exists() -> None:
    for name in MEANINGS:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(import_module(module), kind), Exception), name


@pytest.mark.parametrize("how", ["NO_COLOR", "--no-color"])
def test_no_colour_means_no_bold_either(
    calls: Calls, c2c: Invoke, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("starters.cli.session.is_terminal", lambda _: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    calls.answer("contract", examples.contract_state())
    styled = c2c("contract", "show", "northwind/C-1")
    assert "\x1b[" in styled.stdout, "a terminal gets its styles"
    options = []
    if how == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        options = [how]
    plain = c2c("contract", "show", "northwind/C-1", *options)
    assert "\x1b[" not in plain.stdout
