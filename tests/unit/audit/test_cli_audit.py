"""`c2c audit`: shown and verified, as people type it, with no Temporal at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.audit.entries import Entry, Who
from contracts.audit.records import record_name
from gateways.audit import anchoring
from gateways.audit.chains import Chains
from gateways.record_store.folder import FolderStore
from sandbox.stack import CONFIG
from starters.cli import app
from starters.cli.errors import ExitCode
from tests.unit.encryption.stores import CONTRACT, MASTERS, key_ring

Run = Callable[..., Result]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")

    def typed(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["audit", *arguments])

    return typed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record store with a contract and its invoice, anchored once."""
    monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "unused")
    monkeypatch.setenv("C2C_RECORDS__FOLDER", str(tmp_path))
    monkeypatch.setenv("C2C_ENCRYPTION__MASTERS", json.dumps({"old": {"key": MASTERS["old"]}}))
    chains = Chains(FolderStore(tmp_path), key_ring(tmp_path))
    hold = Entry(
        at=NOON,
        what="hold_request",
        actor=Who(person="olga", roles=("controller",)),
        why="the customer asked",
        after={"hold on billing": "until released"},
    )
    chains.write(CONTRACT, 0, "", (Entry(at=NOON, what="started"), hold))
    posted = Entry(at=NOON, what="post_invoice", remote_id="account.move 12")
    chains.write(f"{CONTRACT}/invoice/1", 0, "", (posted,))
    anchoring.make(chains, "northwind", "2026-03-03T00:00:00+00:00", None)
    return tmp_path


def test_a_record_is_shown_in_sentences_and_as_lines_of_json(folder: Path, run: Run) -> None:
    shown = run("show", "northwind/C-1001")
    assert shown.exit_code == ExitCode.OK
    sentence = "olga (controller) changed a hold – because: the customer asked – hold on billing:"
    for text in (sentence, "northwind/C-1001/1", "posted the invoice", "The record is whole"):
        assert text in shown.stdout, text
    lines = [
        json.loads(line)
        for line in run("show", "northwind/C-1001", "--json").stdout.split("\n")
        if line
    ]
    assert [item["seq"] for item in lines] == [1, 2, 1]
    assert (lines[1]["actor"]["person"], lines[1]["why"]) == ("olga", "the customer asked")
    assert lines[2]["remote_id"] == "account.move 12"


def test_what_is_whole_is_said_to_be_whole(folder: Path, run: Run) -> None:
    for asked in (["northwind/C-1001"], ["--all"], ["--all", "--entity", "northwind"]):
        found = run("verify", *asked)
        assert found.exit_code == ExitCode.OK, found.output
        assert "All is whole: 2 chains with 3 entries, 1 anchors" in found.stdout


def test_what_is_changed_removed_or_cut_off_ends_with_a_code_of_its_own(
    folder: Path, run: Run
) -> None:
    store = FolderStore(folder)
    store.delete(record_name(CONTRACT, 2))
    place = folder / f"{record_name(f'{CONTRACT}/invoice/1', 1)}.record"
    place.write_bytes(place.read_bytes().replace(b"account.move 12", b"account.move 13"))
    found = run("verify", "--all", "--json")
    assert found.exit_code == ExitCode.NOT_WHOLE
    document = json.loads(found.stdout)
    assert document["whole"] is False
    assert [(item["of"], item["kind"]) for item in document["findings"]] == [
        (CONTRACT, "cut_off"),
        (f"{CONTRACT}/invoice/1", "changed"),
    ]
    assert run("verify", "northwind/C-1001").exit_code == ExitCode.NOT_WHOLE
    assert "NOT whole" in run("show", "northwind/C-1001").stdout


def test_an_erased_contract_is_shown_without_names(folder: Path, run: Run) -> None:
    key_ring(folder).erase(CONTRACT, by="olga", reason="asked for", at=NOON)
    shown = run("show", "northwind/C-1001")
    assert shown.exit_code == ExitCode.OK
    assert "the customer asked" not in shown.stdout
    assert "erased on 2026-03-02" in shown.stdout
    assert run("verify", "northwind/C-1001").exit_code == ExitCode.OK


def test_wrong_questions_are_refused(folder: Path, run: Run) -> None:
    assert run("verify").exit_code == ExitCode.USAGE
    assert run("verify", "northwind/C-1001", "--all").exit_code == ExitCode.USAGE
    assert run("show", "northwind/C-7").exit_code == ExitCode.NOT_FOUND
