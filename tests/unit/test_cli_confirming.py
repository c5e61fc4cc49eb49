"""A question before something takes effect: who is asked, and what happens where nobody can be."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

import starters.cli
from starters.cli import app
from starters.cli.session import Session
from starters.client import Refused

QUESTION = "Approve 100.00 EUR as ana?"


def asked(
    monkeypatch: pytest.MonkeyPatch, *, stdin: bool, stdout: bool, as_json: bool, yes: bool
) -> list[str]:
    """The questions put to a person where these streams are terminals."""
    questions: list[str] = []
    session = Session(as_json=as_json, color=False, entity=None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: stdin))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: stdout))
    monkeypatch.setattr(typer, "confirm", lambda text, abort: questions.append(text))
    session.confirm(QUESTION, yes=yes)
    return questions


def test_a_person_at_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, stdin=True, stdout=True, as_json=False, yes=False) == [QUESTION]


@pytest.mark.parametrize(
    ("stdin", "stdout", "as_json"),
    [(False, True, False), (True, False, False), (True, True, True)],
    ids=["stdin is piped", "only stdout is piped", "JSON"],
)
def test_where_nobody_can_be_asked_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, stdin: bool, stdout: bool, as_json: bool
) -> None:
    with pytest.raises(Refused, match="--yes"):
        asked(monkeypatch, stdin=stdin, stdout=stdout, as_json=as_json, yes=False)
    assert asked(monkeypatch, stdin=stdin, stdout=stdout, as_json=as_json, yes=True) == []


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        yield path.strip(), command
        return
    context = command.make_context("c2c", [], resilient_parsing=True)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), f"{path} {name}")


LOOK = {
    *("list", "lines", "show", "versions", "statement", "close-out", "verify", "export", "log"),
    *("receivables", "questions", "figures"),
}
KEYS = {"new-master", "new-signing", "rewrap", "erase", "erase-customer"}
SYSTEM = {
    *("worker", "serve", "setup", "check", "reconcile", "connectors", "replay", "demo", "dev"),
    *("login", "logout", "access"),
}
COUNTS_ONCE = {"bank import", "contract start", "events replay", "events dismiss"}
"""By the contract's own id, the event's, and what is in the file."""


def test_every_command_that_tells_something_can_be_sent_again() -> None:
    """All but those that look, and those of the system."""
    found = dict(commands(typer.main.get_command(app)))
    repeatable = {
        path
        for path, command in found.items()
        if any(parameter.name == "request_id" for parameter in command.params)
    }
    assert len(repeatable) > 20
    others = found.keys() - repeatable - COUNTS_ONCE
    assert {path.split()[-1] for path in others} == LOOK | SYSTEM | KEYS


def test_every_command_that_asks_takes_yes() -> None:
    """There is one place that asks, and a command that calls it has the option."""
    folder = Path(starters.cli.__file__).parent
    sources = {file.name: file.read_text() for file in folder.glob("*.py")}
    assert [name for name, text in sources.items() if "typer.confirm" in text] == ["session.py"]
    asking = {name for name, text in sources.items() if re.search(r"\.confirm\(", text)} - {
        "session.py"
    }
    assert asking == {"amending.py", "approvals.py", "events.py", "keys.py", "system.py"}
    takes_yes = {
        path
        for path, command in commands(typer.main.get_command(app))
        if any(parameter.name == "yes" for parameter in command.params)
    }
    assert takes_yes == {
        "approvals approve",
        "contract change",
        "events replay",
        "keys erase",
        "keys erase-customer",
        "setup",
    }
