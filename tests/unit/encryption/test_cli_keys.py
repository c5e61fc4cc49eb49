"""`c2c keys`: masters, rotation, erasure, as people type them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateways.record_store.folder import FolderStore
from sandbox.stack import CONFIG
from starters import preflight
from starters.cli import app
from starters.findings import Verdict
from tests.unit.encryption.stores import CONTRACT, MASTERS, key_ring
from tests.unit.retention.executions import Executions
from wiring.settings import load_settings

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records, and two masters of which the new one is active."""
    configured = {"old": {"key": MASTERS["old"]}, "new": {"key": MASTERS["new"]}}
    monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "unused")
    monkeypatch.setenv("C2C_RECORDS__FOLDER", str(tmp_path))
    monkeypatch.setenv("C2C_ENCRYPTION__MASTERS", json.dumps(configured))
    monkeypatch.setenv("C2C_ENCRYPTION__ACTIVE", "new")
    return tmp_path


@pytest.fixture
def run() -> Run:
    def typed(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["keys", *arguments])

    return typed


def test_a_new_master_is_printed_and_kept_nowhere(folder: Path, run: Run) -> None:
    made = {run("new-master").stdout.strip() for _ in range(2)}
    assert {len(base64.b64decode(key)) for key in made} == {32}
    assert len(made) == 2
    assert list(folder.iterdir()) == []


def test_keys_are_counted_by_master_and_none_is_shown(folder: Path, run: Run) -> None:
    key_ring(folder, "old").key_for(CONTRACT)
    key_ring(folder, "new").key_for("shared")
    key_ring(folder, "other").key_for("contract/northwind/C-2")
    shown = json.loads(run("list", "--json").stdout)
    assert shown["keys"] == {"new": 1, "old": 1, "other": 1}
    assert (shown["masters"], shown["active"]) == (["old", "new"], "new")
    lines = run("list").stdout.splitlines()
    assert [line.split() for line in lines if line.startswith(("new", "old", "other"))] == [
        ["new", "1", "active"],
        ["old", "1", "opens"],
        ["other", "1", "missing"],
    ]
    assert not any(master in "\n".join(lines) for master in MASTERS.values())


def test_a_rewrap_leaves_the_active_master_alone(folder: Path, run: Run) -> None:
    for scope in (CONTRACT, "shared"):
        key_ring(folder, "old").key_for(scope)
    done = run("rewrap")
    assert (done.exit_code, done.stdout.strip()) == (0, "2 keys are now wrapped by new.")
    assert run("rewrap").stdout.strip() == "All are, by new."
    assert {item.master for item in key_ring(folder, "new").wrapped()} == {"new"}
    assert key_ring(folder, "new").key_for(CONTRACT).id.startswith(CONTRACT)


def test_a_key_without_its_master_ends_a_rewrap_by_name(folder: Path, run: Run) -> None:
    lost = key_ring(folder, "other").key_for(CONTRACT)
    done = run("rewrap")
    assert done.exit_code == 5
    assert lost.id in done.stderr
    assert "the master other, which is not configured here" in done.stderr


@pytest.fixture
def temporal(monkeypatch: pytest.MonkeyPatch) -> Executions:
    """The contract has ended, and its customer is 20001."""
    executions = Executions({CONTRACT: datetime(2026, 3, 2, tzinfo=UTC)}, {CONTRACT: "20001"})

    async def connected() -> Executions:
        return executions

    monkeypatch.setattr("wiring.client.connect", connected)
    return executions


@pytest.mark.parametrize("what", [("erase", "northwind/C-1001"), ("erase-customer", "20001")])
def test_an_erasure_is_asked_for_and_recorded(
    folder: Path, run: Run, temporal: Executions, what: tuple[str, str]
) -> None:
    key = key_ring(folder, "old").key_for(CONTRACT)
    words = (*what, "--by", "ana", "--reason", "asked for it")
    refused = run(*words)
    assert refused.exit_code == 1
    assert "unreadable for good" in refused.stderr
    assert key_ring(folder, "old").key(key.id).id == key.id
    done = run(*words, "--yes")
    assert done.exit_code == 0, done.stderr
    assert FolderStore(folder).names("keys/") == []
    [erased] = key_ring(folder, "old").erasures()
    assert (erased.scope, erased.by, erased.reason) == (CONTRACT, "ana", "asked for it")
    assert "asked for it" in run("list").stdout
    log = CliRunner().invoke(app, ["retention", "log"])
    assert log.exit_code == 0, log.stderr
    assert "ana destroyed the keys of a contract" in log.stdout


def test_who_erases_a_customer_sees_first_what_goes_and_what_stays(
    folder: Path, run: Run, temporal: Executions
) -> None:
    temporal.ended["contract/northwind/C-1002"] = None
    temporal.customers["contract/northwind/C-1002"] = "20001"
    for contract in temporal.ended:
        key_ring(folder, "old").key_for(contract)
    words = ("erase-customer", "20001", "--by", "ana", "--reason", "asked for it", "--yes")
    refused = run(*words)
    assert refused.exit_code == 1
    assert "northwind/C-1001" in refused.stdout
    assert "contract/northwind/C-1002 still runs" in refused.stderr
    done = run(*words, "--partly")
    assert done.exit_code == 0, done.stderr
    assert "1 contracts of 20001 were erased; 1 are left." in done.stdout
    assert "Odoo has the customer" in " ".join(done.stdout.split())
    shown = run(*words, "--partly", "--json")
    document = json.loads(shown.stdout)
    assert document["erased"] == []
    assert [item["standing"] for item in document["left"]] == ["open"]


def test_an_open_contract_keeps_its_keys(folder: Path, run: Run, temporal: Executions) -> None:
    key = key_ring(folder, "old").key_for(CONTRACT)
    temporal.ended[CONTRACT] = None
    words = ("erase", "northwind/C-1001", "--by", "ana", "--reason", "asked for it", "--yes")
    assert run(*words).exit_code == 1
    assert key_ring(folder, "old").key(key.id).id == key.id


def test_rules_of_retention_are_shown_with_what_is_due(
    folder: Path, temporal: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {"entities": {"northwind": {"keys_days": 30}}}
    monkeypatch.setenv("C2C_RETENTION", json.dumps(rules))
    key_ring(folder, "old").key_for(CONTRACT)
    shown = CliRunner().invoke(app, ["retention", "show", "--json"])
    assert shown.exit_code == 0, shown.stderr
    found = json.loads(shown.stdout)["rules"]
    [keys] = [item for item in found if item["days"] is not None]
    assert (keys["legal_entity"], keys["removed"]["kind"]) == ("northwind", "keys")
    assert (keys["removed"]["due"], keys["removed"]["records"]) == (1, 1)
    words = CliRunner().invoke(app, ["retention", "show"]).stdout
    assert "keys of contracts" in words
    assert "30 days" in words
    assert [item.master for item in key_ring(folder, "old").wrapped()] == ["old"]


# --- c2c check ----------------------------------------------------------------------------------


def test_a_check_says_that_all_keys_can_be_opened(folder: Path) -> None:
    key_ring(folder, "old").key_for("shared")
    [found] = preflight._encryption(load_settings())
    assert (found.verdict, found.detail) == (Verdict.OK, "encrypted; keys wrapped: 1 by old")


def test_a_check_writes_nothing(folder: Path) -> None:
    [found] = preflight._encryption(load_settings())
    assert found.verdict is Verdict.OK
    assert list(folder.iterdir()) == []


def test_a_check_names_a_master_that_is_missing(folder: Path) -> None:
    key_ring(folder, "old").key_for("shared")
    key_ring(folder, "other").key_for(CONTRACT)
    ok, lost = preflight._encryption(load_settings())
    assert ok.verdict is Verdict.OK
    assert lost.verdict is Verdict.MISSING
    assert "wrapped by other, which is not configured" in lost.detail


def test_a_check_names_a_master_that_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C2C_ENCRYPTION__MASTERS", json.dumps({"new": {"key": "short"}}))
    [found] = preflight._encryption(load_settings())
    assert found.verdict is Verdict.MISSING
    assert "the master new is not 32 bytes" in found.detail.lower()


def test_a_check_warns_where_nothing_is_encrypted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("C2C_ENCRYPTION__MASTERS")
    monkeypatch.delenv("C2C_ENCRYPTION__ACTIVE")
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    [found] = preflight._encryption(load_settings())
    assert (found.verdict, found.detail[:3]) == (Verdict.WARN, "off")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.northwind.example:7233")
    [found] = preflight._encryption(load_settings())
    assert found.verdict is Verdict.MISSING
    assert "encryption.enabled = false" in found.detail
