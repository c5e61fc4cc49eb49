"""How many of what a worker process runs, and under which name."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.identifiers import legal_entity_of
from sandbox.stack import CONFIG
from starters.cli.errors import ExitCode
from wiring.settings import ConfigurationError, WorkerSettings, load_settings
from workers import process, worker
from workflows import task_queues


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "key")
    monkeypatch.delenv("C2C_ODOO__API_KEY_FILE", raising=False)


def test_only_odoos_queues_get_the_many_activities_that_share_calls() -> None:
    limits = WorkerSettings()
    at_once = {queue: worker._activities_at_once(queue, limits) for queue in task_queues.ALL}
    assert at_once == {
        "contracts": 20,
        "crm": 50,
        "esign": 20,
        "timesheets": 5,
        "payments": 20,
        "bank": 5,
        "records": 20,
        "odoo-master": 100,
        "odoo-finance": 100,
        "odoo-mail": 50,
        "mail": 5,
    }
    few = WorkerSettings(activities=2)
    assert {worker._activities_at_once(queue, few) for queue in task_queues.ALL} == {2}


def test_a_release_has_a_name_in_full_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker._deployment(load_settings().worker) is None
    monkeypatch.setenv("C2C_WORKER__DEPLOYMENT", "c2c")
    with pytest.raises(ConfigurationError, match="both deployment and build_id"):
        load_settings()
    monkeypatch.setenv("C2C_WORKER__BUILD_ID", "1.5.0")
    named = worker._deployment(load_settings().worker)
    assert named is not None
    assert named.version.to_canonical_string() == "c2c.1.5.0"


@pytest.mark.parametrize("name", ["c2c.prod", "c2c:prod", "it's", ""])
def test_a_deployment_s_name_is_one_word_in_queries_and_versions(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("C2C_WORKER__DEPLOYMENT", name)
    monkeypatch.setenv("C2C_WORKER__BUILD_ID", "1")
    with pytest.raises(ConfigurationError, match=r"worker\.deployment"):
        load_settings()


def test_the_exit_code_of_a_drain_cut_short_is_the_command_s_own() -> None:
    assert process.CUT_SHORT == ExitCode.CUT_SHORT


@pytest.mark.parametrize(
    ("workflow_id", "entity"),
    [
        ("contract/northwind/C-1", "northwind"),
        ("contract/northwind-uk/C-1/invoice/2", "northwind-uk"),
        ("c2c-odoo-sweep-2026-11-27T00:00:00Z", ""),
    ],
)
def test_the_legal_entity_stands_in_a_workflow_s_id(workflow_id: str, entity: str) -> None:
    assert legal_entity_of(workflow_id) == entity
