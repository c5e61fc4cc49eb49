"""`c2c analytics export`, from running contracts to Parquet, read by DuckDB."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from contracts.analytics.tables import TABLES
from contracts.model import JsonObject
from starters import analytics
from starters.cli import app
from starters.cli.errors import ExitCode
from starters.client import Refused, calls
from tests.conftest import settings_for
from tests.e2e.telling import RETAINER, month, today
from tests.world import ENTITY, PETRA, World, contract_data, single, unique

PLANNED = today() + timedelta(days=40)


@pytest.fixture
def c2c(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    settings = settings_for(world.server)
    monkeypatch.setenv("TEMPORAL_ADDRESS", world.client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", world.client.namespace)
    monkeypatch.setattr("wiring.settings.load_settings", lambda: settings)
    return lambda *words: CliRunner().invoke(app, ["analytics", "export", *words, "--json"])


def _contract() -> JsonObject:
    """Three milestones of 9,000 EUR, and a fee of 2,000 a month from the coming month on."""
    contract = contract_data(ends_on=str(month(4) - timedelta(days=1)))
    contract["services"] = [*contract["services"], RETAINER]
    care = {"key": "care", "service": "care", "fee": "2000.00", "included_hours": "10"}
    contract["retainers"] = [care | {"starts_on": str(month(1))}]
    contract["milestones"][1]["due_on"] = str(PLANNED)
    contract["term"] = {"auto_renew": True, "renew_months": 12, "notice_days": 30}
    return contract


async def _listed(world: World, *contracts: str) -> None:
    """Wait until visibility shows them as they are: it is a moment behind."""
    ids = ", ".join(f"'{item}'" for item in contracts)
    where = f"ContractId IN ({ids}) AND ContractStage IN ('active', 'validating', 'cancelled')"

    async def listed() -> int:
        return len(await world.c2c.contracts(where=where))

    await world.until(listed, lambda count: count == len(contracts))


async def test_contracts_are_exported_as_they_stand(
    world: World, c2c: Callable[..., Result], tmp_path: Path
) -> None:
    contract, wrong = _contract(), single(currency="XXX")
    workflow_id, parked = await world.active(contract), await world.start(wrong)
    await world.parked(parked)
    [petra] = world.admin.search_read("hr.employee", [("work_email", "=", PETRA)], ["id"])
    world.admin.write("hr.employee", [petra["id"]], {"hourly_cost": 50})
    await world.work(workflow_id, "care", "3.5", str(today()), by=PETRA)
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 1)
    await world.pay(f"{workflow_id}/invoice/1", "1000.00")
    await world.sweep()
    await world.reach(workflow_id, "live")  # its invoice awaits approval
    await world.contract(workflow_id, lambda state: 2 in state.invoices)
    await _listed(world, contract["contract_id"], wrong["contract_id"])

    done = await asyncio.to_thread(c2c, "--to", str(tmp_path), "--entity", ENTITY)
    assert done.exit_code == ExitCode.OK, done.output
    [exported] = json.loads(done.stdout)["exports"]
    assert (exported["entity"], exported["day"]) == (ENTITY, str(today()))
    assert set(exported["rows"]) == {table.name for table in TABLES}
    _as_told(tmp_path, contract["contract_id"], wrong["contract_id"])
    before = sorted(tmp_path.rglob("*.parquet"))
    again = await asyncio.to_thread(c2c, "--to", str(tmp_path), "--entity", ENTITY)
    assert json.loads(again.stdout) == json.loads(done.stdout)
    # A file's name has the digest of its bytes.
    assert sorted(tmp_path.rglob("*.parquet")) == before


def _as_told(folder: Path, contract: str, parked: str) -> None:
    def asked(table: str, columns: str, name: str = contract) -> list[tuple[Any, ...]]:
        sql = (
            f"SELECT {columns} FROM read_parquet('{folder}/{table}/**/*.parquet', "
            f"hive_partitioning = true) WHERE contract = '{name}' ORDER BY ALL"
        )
        return duckdb.execute(sql).fetchall()

    assert asked("pipeline", "stage, waits_for, value", parked) == [
        ("validating", "exception", None)
    ]
    assert asked("pipeline", "stage") == []
    assert asked("contracts", "stage, value, currency, touchless, entity") == [
        ("active", Decimal("9000.0000"), "EUR", True, ENTITY)
    ]
    assert asked("backlog", "order_line, entitled, planned, billed") == [
        ("build", Decimal(0), Decimal("2999.70"), Decimal(0)),
        ("design", Decimal(0), Decimal(0), Decimal("2999.70")),
        ("live", Decimal("3000.60"), Decimal(0), Decimal(0)),
    ]
    assert asked("billed", "kind, untaxed, total, currency") == [
        ("invoice", Decimal("2999.70"), Decimal("2999.70"), "EUR")
    ]
    assert asked("collected", "how, amount") == [("payment", Decimal(1000))]
    assert asked("aging", "bucket, open") == [("not due", Decimal("1999.70"))]
    assert asked("margin", "part, amount, hours") == [
        ("hours", Decimal("-175.00"), Decimal("3.5")),
        ("revenue", Decimal("2999.70"), Decimal(0)),
    ]
    forecast = asked("forecast", "what, subject, expected_on, amount")
    assert [row for row in forecast if row[0] == "milestone"] == [
        ("milestone", "build", PLANNED, Decimal("2999.70"))
    ]
    assert [row[2:] for row in forecast if row[0] == "plan"] == [
        (month(number), Decimal(2000)) for number in (1, 2, 3)
    ]
    assert [row[2:] for row in forecast if row[0] == "renewal"] == [(month(4), Decimal(24_000))]
    assert [row[3] for row in forecast if row[0] == "cash_in"] == [Decimal("1999.70")]
    sql = f"SELECT name, measured FROM read_parquet('{folder}/kpis/**/*.parquet')"
    figures = dict(duckdb.execute(sql).fetchall())
    assert figures["exceptions_open_days"] >= 1
    assert figures["approvals_open_days"] >= 1
    assert figures["signature_to_project_days"] >= 1
    assert {row[0] for row in asked("cycle_times", "measure")} == {
        "signature_to_project",
        "earned_to_invoice",
    }


async def test_a_contract_that_gives_no_answer_is_left_out_and_named(
    world: World, c2c: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = single()
    workflow_id = await world.active(contract)
    await _listed(world, contract["contract_id"])
    query = calls.query

    async def refused(client: Any, asked: str, question: Any) -> Any:
        if asked == workflow_id:
            raise Refused("it cannot be replayed")
        return await query(client, asked, question)

    monkeypatch.setattr(calls, "query", refused)
    done = await asyncio.to_thread(c2c, "--to", str(tmp_path), "--entity", ENTITY)
    assert done.exit_code == ExitCode.UNREACHABLE
    document = json.loads(done.stdout)
    assert document["exports"][0]["left_out"] == {workflow_id: "it cannot be replayed"}
    wanted = tmp_path / "contracts"
    sql = f"SELECT contract FROM read_parquet('{wanted}/**/*.parquet')"
    assert (contract["contract_id"],) not in duckdb.execute(sql).fetchall()


async def test_an_export_without_workers_is_none(
    world: World, c2c: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = single()
    await world.active(contract)
    await _listed(world, contract["contract_id"])

    async def refused(*_: Any) -> Any:
        raise Refused("no worker answered")

    monkeypatch.setattr(calls, "query", refused)
    monkeypatch.setattr(analytics, "MOST_UNREADABLE", 0)
    done = await asyncio.to_thread(c2c, "--to", str(tmp_path), "--entity", ENTITY)
    assert done.exit_code == ExitCode.UNREACHABLE
    assert "no worker answered" in json.loads(done.stdout)["error"]["message"]
    assert list(tmp_path.rglob("*.parquet")) == []


async def test_a_wrong_entity_or_day_is_refused(
    world: World, c2c: Callable[..., Result], tmp_path: Path
) -> None:
    folder = str(tmp_path / unique("none"))
    tomorrow = str(today() + timedelta(days=1))
    refused = await asyncio.to_thread(c2c, "--to", folder, "--day", tomorrow)
    assert refused.exit_code == ExitCode.USAGE
    unknown = await asyncio.to_thread(c2c, "--to", folder, "--entity", "nobody")
    assert unknown.exit_code == ExitCode.USAGE
    assert not Path(folder).exists()
