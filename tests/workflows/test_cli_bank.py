"""`c2c bank` against a real Temporal server, workers and the sandbox's Odoo."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from typer.testing import CliRunner

from gateways.bank.folder import FolderSettings
from sandbox.bank_files import statement_file
from starters.cli import app
from starters.cli.errors import ExitCode
from tests.bank_source import Account, paid
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, unique
from wiring import remotes
from wiring.settings import Settings
from workers.worker import running

ANA = "ana@northwind.example"


class Bank:
    """`c2c bank` as another process would call it."""

    async def __call__(self, *arguments: str, code: int = ExitCode.OK) -> Any:
        words = [*arguments, "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
        assert result.exit_code == code, f"c2c {' '.join(words)}\n{result.output}"
        return json.loads(result.stdout)

    async def text(self, *arguments: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
        assert result.exit_code == ExitCode.OK, result.output
        return result.stdout

    async def ended(self, file: str) -> Any:
        """A file as it is listed, once it is over: that comes a moment after its last line."""
        for _ in range(300):
            listed = (await self("bank", "list"))["files"]
            [row] = [item for item in listed if item["id"] == file]
            if row["stage"] == "done":
                return row
            await asyncio.sleep(0.2)
        raise AssertionError(f"{row} is not over")

    async def lines(self, file: str, count: int) -> list[dict[str, Any]]:
        for _ in range(300):
            found: list[dict[str, Any]] = (await self("bank", "lines", file))["lines"]
            if len(found) == count:
                return found
            await asyncio.sleep(0.2)
        raise AssertionError(f"{found} are not {count} lines")


@pytest.fixture
async def c2c(
    temporal_client: Client,
    sandbox_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Bank]:
    account = Account(unique("cli").upper().replace("-", ""))
    inbox = FolderSettings(
        kind="folder", legal_entity=ENTITY, accounts={account.number: "BNK1"}, folder=tmp_path
    )
    (tmp_path / "done").mkdir()
    (tmp_path / "refused").mkdir()
    settings = sandbox_settings.model_copy(update={"bank": {"inbox": inbox}})
    client = await new_namespace(temporal_client, "cli-bank")
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", client.namespace)
    monkeypatch.setattr("wiring.settings.load_settings", lambda: settings)
    statement = account.statement(paid("7.00", "hello"), paid("8.00", "hello", "Somebody"))
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "a.xml").write_bytes(statement_file([statement]))
    gateways = remotes.gateways(settings, remotes.odoo(settings))
    async with running(client, settings, gateways=gateways):
        yield Bank()
        await end_all(client)
    gateways.odoo.close()


async def test_a_file_is_imported_listed_and_settled(c2c: Bank, tmp_path: Path) -> None:
    sent = str(tmp_path / "sent" / "a.xml")
    await c2c("bank", "import", sent, "--bank", "none", code=ExitCode.CONFIGURATION)
    first = await c2c("bank", "import", sent, "--bank", "inbox")
    again = await c2c("bank", "import", sent, "--bank", "inbox")
    assert (first["started"], again["started"]) == (True, False)
    file = first["id"]
    assert len(file) == len(f"{ENTITY}/") + 12
    lines = await c2c.lines(file, 2)
    assert [line["number"] for line in lines] == [1, 2]
    assert "payment_unidentified" in await c2c.text("bank", "lines", file)
    listed = await c2c("exceptions", "list")
    assert [item["of"] for item in listed["exceptions"]] == [f"bank/{file}"] * 2
    assert listed["exceptions"][0]["possible"] == ["c2c bank settle"]
    who = ("--by", ANA, "--request-id", unique("request"))
    refused = await c2c(
        "bank", "settle", file, "1", "--invoice", "INV/1999/1", *who, code=ExitCode.REFUSED
    )
    assert "invoice_number_unknown" in json.dumps(refused)
    for number in ("1", "2"):
        await c2c("bank", "settle", file, number, "--ignore", "a gift", "--by", ANA)
    await c2c.lines(file, 0)
    row = await c2c.ended(file)
    assert (row["id"], row["open_lines"], row["counts"]["ignored"]) == (file, 0, 2)
    await c2c("bank", "retry", file, "--by", ANA, code=ExitCode.REFUSED)
    await c2c("bank", "lines", "zzzz", code=ExitCode.USAGE)
    await c2c("bank", "lines", f"{ENTITY}/00000", code=ExitCode.NOT_FOUND)
