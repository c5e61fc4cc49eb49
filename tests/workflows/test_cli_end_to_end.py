"""The command line against a real Temporal server, workers and the sandbox's Odoo.

It has a namespace of its own, set up by `c2c setup`, so that no other test's workers answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import uvicorn
from temporalio.client import Client
from temporalio.service import RPCError
from typer.testing import CliRunner, Result

from activities.odoo.requirements import NEEDS
from gateways.crm.odoo_crm import OdooCrmSettings
from sandbox.real_odoo.mailbox import free_port
from sandbox.server import Sandbox
from starters.cli import app, session
from starters.cli.errors import ExitCode
from starters.cli.options import PERSON_VARIABLE
from starters.client import credentials
from starters.web.app import application
from tests.servers import SandboxServer
from tests.temporal import new_namespace
from tests.unit.web.visiting import VERA, NamedVisits
from tests.world import ANA, ENTITY, contract_data, single, unique
from wiring import remotes
from wiring.remotes import Gateways
from wiring.settings import Settings, WebSettings
from workers.worker import running

WITHIN_SECONDS = 150.0
PIA, OLGA = "pia@northwind.example", "olga@northwind.example"


class Cli:
    """`c2c` in a thread of its own, as another process would call it."""

    def __init__(self, models: set[str]) -> None:
        self.models = models
        """Every Odoo model the workers have called so far."""

    async def __call__(self, *arguments: str, code: int = ExitCode.OK) -> str:
        result = await asyncio.to_thread(self._invoke, *arguments)
        assert result.exit_code == code, f"c2c {' '.join(arguments)}\n{result.output}"
        return result.stdout

    async def json(self, *arguments: str, code: int = ExitCode.OK) -> Any:
        return json.loads(await self(*arguments, "--json", code=code), parse_float=_no_float)

    async def until(self, told: Callable[[Any], bool], *arguments: str) -> Any:
        """Ask again until the answer is as wanted."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while not told(answer := await self.json(*arguments)):
            assert time.monotonic() < deadline, f"c2c {' '.join(arguments)}: {answer}"
            await asyncio.sleep(0.1)
        return answer

    def _invoke(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))


def _no_float(text: str) -> Any:
    raise AssertionError(f"a float in the output: {text}")


@pytest.fixture(scope="module")
def settings(sandbox_settings: Settings) -> Settings:
    return sandbox_settings


@pytest.fixture(scope="module")
async def client(temporal_client: Client) -> Client:
    """A fresh namespace, as a new installer finds it."""
    return await new_namespace(temporal_client, "cli", ready=lambda new: new.count_workflows())


@pytest.fixture(scope="module")
def surroundings(client: Client, settings: Settings) -> Iterator[None]:
    """What the environment and the configuration file would say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
        patch.setenv("TEMPORAL_NAMESPACE", client.namespace)
        patch.delenv(session.ENTITY_VARIABLE, raising=False)
        patch.delenv(PERSON_VARIABLE, raising=False)
        patch.setattr("wiring.settings.load_settings", lambda: settings)
        yield


@pytest.fixture(scope="module")
async def c2c(
    client: Client, settings: Settings, surroundings: None, sandbox: Sandbox
) -> AsyncIterator[Cli]:
    """A namespace that was set up, with workers."""
    SandboxServer(sandbox).unbind()
    models: set[str] = set()
    odoo = remotes.odoo(settings, on_call=lambda model, *_: models.add(model))
    cli = Cli(models)
    unprepared = await cli.json("check", code=ExitCode.REFUSED)
    first = await cli.json("setup")
    assert {item["did"] for item in first["changes"]} == {"created"}
    assert not unprepared["ready"]
    async with running(client, settings, gateways=Gateways(odoo)):
        yield cli
    odoo.close()


def _write(folder: Path, contract: dict[str, Any]) -> str:
    file = folder / f"{contract['contract_id']}.json"
    file.write_text(json.dumps(contract))
    return str(file)


async def test_setup_may_be_repeated_and_mends_what_was_changed(
    c2c: Cli, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = await c2c.json("setup")
    assert {item["did"] for item in again["changes"]} == {"unchanged"}
    slower = settings.model_copy(
        update={"sweeps": settings.sweeps.model_copy(update={"odoo_seconds": 3600})}
    )
    handle = client.get_schedule_handle("c2c-odoo-sweep")
    await handle.pause(note="maintenance")
    monkeypatch.setattr("wiring.settings.load_settings", lambda: slower)
    assert "updated" in await c2c("setup")
    described = (await handle.describe()).schedule
    assert described.spec.intervals[0].every == timedelta(hours=1)
    assert described.state.paused
    findings = (await c2c.json("check"))["findings"]
    assert any("maintenance" in item["detail"] for item in findings)
    await handle.unpause()


async def test_nothing_is_switched_off_in_odoo_unasked(c2c: Cli, tmp_path: Path) -> None:
    line = ("setup", "--neutralise", "--odoo-key", str(tmp_path / "key"))
    assert "--yes answers it" in (await c2c.json(*line, code=ExitCode.REFUSED))["error"]["message"]


async def test_setup_removes_the_schedule_of_a_connector_that_is_gone(
    c2c: Cli, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "c2c-crm-sweep-emea"
    crm = OdooCrmSettings(kind="odoo-crm", legal_entity=ENTITY, closed_since=date(2026, 1, 1))
    more = settings.model_copy(update={"crm": {"emea": crm}})
    with monkeypatch.context() as patch:
        patch.setattr("wiring.settings.load_settings", lambda: more)
        created = (await c2c.json("setup"))["changes"]
        assert [item["did"] for item in created if item["name"] == name] == ["created"]
        assert {item["name"] for item in created if item["did"] == "removed"} == set()

    def lists_it(answer: Any) -> bool:  # the server's list lags behind
        return any(item["subject"] == f"schedule {name}" for item in answer["findings"])

    checked = await c2c.until(lists_it, "check")
    [orphan] = [item for item in checked["findings"] if item["subject"] == f"schedule {name}"]
    assert (orphan["verdict"], orphan["remedy"]) == ("warn", "c2c setup")
    removed = [item for item in (await c2c.json("setup"))["changes"] if item["did"] == "removed"]
    assert [item["name"] for item in removed] == [name]
    assert not lists_it(await c2c.until(lambda answer: not lists_it(answer), "check"))
    with pytest.raises(RPCError):
        await client.get_schedule_handle(name).describe()


async def test_check_finds_everything_there(c2c: Cli) -> None:
    found = await c2c.json("check")
    assert found["ready"], found
    assert [item for item in found["findings"] if item["verdict"] == "missing"] == []
    assert "Ready" in await c2c("check")


async def test_from_signature_to_cash(c2c: Cli, tmp_path: Path) -> None:
    contract = single()
    name = contract["contract_id"]
    started = await c2c.json("contract", "start", _write(tmp_path, contract))
    assert started["new"]
    assert started["workflow_id"] == f"contract/{ENTITY}/{name}"
    assert "nothing changed" in await c2c("contract", "start", _write(tmp_path, contract))

    await c2c.until(lambda state: state["stage"] == "active", "contract", "show", name)
    assert "1000.00 EUR" in await c2c("contract", "show", name)
    assert "retry" not in await c2c("milestone", "reached", name, "all", "--by", PIA)
    await c2c("milestone", "reached", name, "nope", "--by", PIA, code=ExitCode.REFUSED)

    invoice = f"{name}/1"

    def listed(answer: Any) -> bool:
        return any(item["of"] == f"{ENTITY}/{invoice}" for item in answer["approvals"])

    await c2c.until(listed, "approvals", "list")
    shown = await c2c.json("invoice", "show", invoice)
    assert shown["stage"] == "awaiting_approval"
    stranger = ["approvals", "approve", invoice, "--yes", "--by", "eve@elsewhere.example"]
    await c2c(*stranger, code=ExitCode.REFUSED)
    approve = ["approvals", "approve", invoice, "--yes", "--by", ANA]
    await c2c(*approve, "--hash", "0" * 12, code=ExitCode.REFUSED)
    assert "posted and sent now" in await c2c(*approve)

    open_ = await c2c.until(lambda state: state["stage"] == "open", "invoice", "show", invoice)
    owed = open_["balance"]["residual"]
    pay = ["invoice", "paid", invoice, "--reference", unique("P"), "--amount", owed]
    await c2c(*pay, "--on", "2026-03-02")
    await c2c(*pay, "--on", "2026-03-02")
    await c2c.until(lambda state: state["stage"] == "paid", "invoice", "show", invoice)
    assert "Paid" in await c2c("invoice", "show", invoice)
    rows = await c2c.until(
        lambda answer: any(row["contract_id"] == name for row in answer["contracts"]),
        "contract",
        "list",
        "--stage",
        "closing",
    )
    [row] = [row for row in rows["contracts"] if row["contract_id"] == name]
    assert row["value"] == "1000.00 EUR"
    await c2c("contract", "cancel", name, "--by", OLGA, "--reason", "x", code=ExitCode.REFUSED)


async def test_parked_amended_and_cancelled(c2c: Cli, tmp_path: Path) -> None:
    contract = contract_data()
    contract["services"][0]["code"] = "NOPE"
    name = contract["contract_id"]
    await c2c("contract", "start", _write(tmp_path, contract))

    def parked(answer: Any) -> bool:
        return any(item["of"] == f"{ENTITY}/{name}" for item in answer["exceptions"])

    await c2c.until(parked, "exceptions", "list")
    assert "service_code_unknown" in await c2c("exceptions", "list")
    assert f"c2c exceptions amend {ENTITY}/{name}" in await c2c("exceptions", "show", name)
    by = ["--by", OLGA]
    await c2c("exceptions", "skip", name, *by, "--reason", "x", code=ExitCode.REFUSED)
    await c2c("exceptions", "retry", name, *by)
    await c2c.until(lambda answer: answer["exceptions"], "exceptions", "show", name)
    await c2c("exceptions", "amend", name, *by, "--set", "services.0.code=BUILD")
    await c2c.until(lambda state: state["stage"] == "active", "contract", "show", name)
    assert "Nothing is parked" in await c2c("exceptions", "show", name)
    await c2c("contract", "cancel", name, *by, "--reason", "the customer left")
    ended = await c2c.until(lambda s: s["stage"] == "cancelled", "contract", "show", name)
    assert ended["cancel"]["reason"] == "the customer left"
    await c2c("exceptions", "retry", name, *by, code=ExitCode.REFUSED)


async def test_a_rejected_proposal_parks_its_contract(c2c: Cli, tmp_path: Path) -> None:
    contract = single()
    name = contract["contract_id"]
    await c2c("contract", "start", _write(tmp_path, contract))
    await c2c.until(lambda state: state["stage"] == "active", "contract", "show", name)
    await c2c("milestone", "reached", name, "all", "--by", PIA, "--on", "2026-03-02")
    await c2c.until(
        lambda answer: any(item["of"].endswith(f"{name}/1") for item in answer["approvals"]),
        "approvals",
        "list",
    )
    await c2c("approvals", "reject", f"{name}/1", "--by", ANA, "--comment", "wrong price")
    found = await c2c.until(lambda answer: answer["exceptions"], "exceptions", "show", name)
    assert "wrong price" in found["exceptions"][0]["message"]
    await c2c("exceptions", "cancel", name, "--by", OLGA)
    await c2c.until(lambda state: state["stage"] == "cancelled", "contract", "show", name)


async def approve(c2c: Cli, reference: str, by: str = ANA) -> None:
    """Wait until it awaits approval, and approve it."""

    def listed(answer: Any) -> bool:
        return any(item["of"] == f"{ENTITY}/{reference}" for item in answer["approvals"])

    await c2c.until(listed, "approvals", "list")
    await c2c("approvals", "approve", reference, "--by", by, "--yes")


def managed(today: date) -> dict[str, Any]:
    """A milestone of 1,000 EUR, a service desk billed in arrears, and use."""
    services = {"s": ("BUILD", "1000.00"), "d": ("RETAINER", "0"), "u": ("USAGE", "0")}
    return single(
        starts_on=today.isoformat(),
        ends_on=(today + timedelta(days=200)).isoformat(),
        services=[
            {"key": key, "code": code, "description": code.title(), "amount": amount}
            for key, (code, amount) in services.items()
        ],
        retainers=[{"key": "desk", "service": "d", "fee": "300.00", "in_advance": False}],
        usage=[{"key": "calls", "service": "u", "unit": "call", "tiers": [{"price": "0.10"}]}],
    )


async def test_what_changes_on_the_way(c2c: Cli, tmp_path: Path) -> None:
    today = datetime.now(ZoneInfo("Europe/Brussels")).date()
    contract = managed(today)
    name, by = contract["contract_id"], ["--by", PIA]
    await c2c("contract", "start", _write(tmp_path, contract))
    await c2c.until(lambda state: state["stage"] == "active", "contract", "show", name)

    use = tmp_path / "use.csv"
    use.write_text(f"id,plan,on,quantity\n1,calls,{today},10\n2,calls,{today},2.5\n")
    assert "2 taken, 0 known" in await c2c("usage", "record", name, str(use))
    assert "0 taken, 2 known" in await c2c("usage", "record", name, str(use))
    use.write_text(f"id,plan,on,quantity\n3,texts,{today},10\n")
    told = await c2c("usage", "record", name, str(use), code=ExitCode.REFUSED)
    assert "no usage plan texts" in told
    owed = ["contract", "service-credit", name, "desk", *by, "--reference", "sla-1"]
    await c2c(*owed, "--amount", "50 EUR", "--reason", "down")

    hold = ["contract", "hold", name, "billing", *by]
    await c2c(*hold, "--reason", "the order number is missing")
    await c2c("milestone", "reached", name, "all", *by)
    shown = await c2c("contract", "show", name)
    assert "Billing on hold" in shown
    assert "To be proposed: All" in shown
    await c2c("contract", "release-hold", name, "billing", *by)
    await c2c("contract", "release-hold", name, "billing", *by, code=ExitCode.REFUSED)
    await approve(c2c, f"{name}/1")
    await c2c.until(lambda state: state["stage"] == "open", "invoice", "show", f"{name}/1")

    change = tmp_path / "change.json"
    line = ["contract", "change", name, str(change), *by, "--reason", "one more part"]
    change.write_text(json.dumps({"reprice": {"all": "1100.00"}}))
    await c2c(*line, code=ExitCode.REFUSED)
    more = {"key": "more", "name": "More", "service": "s", "amount": "500.00"}
    change.write_text(json.dumps({"add_milestones": [more]}))
    assert "milestone More added: 500.00 EUR" in await c2c(*line, "--yes")
    await approve(c2c, name)
    versions = ["contract", "versions", name]
    found = await c2c.until(lambda answer: len(answer["versions"]) == 2, *versions)
    assert found["versions"][1]["fixed_price"] == "1500.00 EUR"

    credit = ["contract", "credit", name, "1", *by, "--reason", "late", "--amount"]
    await c2c(*credit, "2000.00 EUR", code=ExitCode.REFUSED)
    await c2c(*credit, "100.00 EUR")
    await approve(c2c, f"{name}/2")
    # The credit note tells its contract by a Signal, which may come after its own stage is seen.
    credited = ["contract", "statement", name]
    statement = await c2c.until(lambda found: found["credited"] == "100.00 EUR", *credited)
    assert statement["invoiced"] == "950.00 EUR"
    assert statement["planned"] == "500.00 EUR"
    assert statement["value"] == "1350.00 EUR"

    told = await c2c.json("contract", "refresh", name, *by, code=ExitCode.REFUSED)
    assert "file" in told["error"]["message"]
    notice = ["contract", "notice", name, "--side", "customer", *by]
    await c2c(*notice, code=ExitCode.REFUSED)
    end = ["contract", "terminate", name, "--side", "customer", *by, "--reason", "merger", "--on"]
    await c2c(*end, (today - timedelta(days=1)).isoformat(), code=ExitCode.REFUSED)
    await c2c(*end, today.isoformat(), "--agreed")
    assert f"Ends early on {today}" in await c2c("contract", "show", name)
    file = tmp_path / "closing.json"
    found = await c2c.json("contract", "close-out", name, "-o", str(file))
    assert not found["passes"]
    assert json.loads(file.read_text())["odoo"]["total"] == "1500.00 EUR"


async def test_the_same_request_id_counts_once_and_gets_the_first_answer(
    c2c: Cli, tmp_path: Path
) -> None:
    contract = contract_data()
    name, by = contract["contract_id"], ["--by", PIA]
    await c2c("contract", "start", _write(tmp_path, contract))
    await c2c.until(lambda state: state["stage"] == "active", "contract", "show", name)

    await c2c("contract", "hold", name, "billing", *by, "--reason", "audit")
    release = ["contract", "release-hold", name, "billing", *by]
    first = await c2c(*release, "--request-id", "release")
    assert await c2c(*release, "--request-id", "release") == first
    await c2c(*release, code=ExitCode.REFUSED)

    change = tmp_path / "change.json"
    change.write_text(json.dumps({"reprice": {"live": "4000.00"}}))
    line = ["contract", "change", name, str(change), *by, "--reason", "more", "--yes"]
    await c2c(*line, "--request-id", "change")
    assert "was proposed before" in await c2c(*line, "--request-id", "change")
    await c2c(*line, code=ExitCode.REFUSED)

    decide = ["approvals", "approve", name, "--by", ANA, "--yes"]
    decided = await c2c.json(*decide, "--request-id", "decision")
    assert await c2c.json(*decide, "--request-id", "decision") == decided
    await c2c(*decide, code=ExitCode.REFUSED)

    cancel = ["contract", "cancel", name, "--by", OLGA, "--reason", "the customer left"]
    await c2c(*cancel, "--request-id", "end")
    await c2c.until(lambda state: state["stage"] == "cancelled", "contract", "show", name)
    assert "is being cancelled" in await c2c(*cancel, "--request-id", "end")
    await c2c(*cancel, code=ExitCode.REFUSED)


async def test_a_milestone_that_is_invoiced_too_early_is_reviewed(c2c: Cli, tmp_path: Path) -> None:
    contract = contract_data()
    name, by = contract["contract_id"], ["--by", PIA]
    await c2c("contract", "start", _write(tmp_path, contract))
    await c2c.until(lambda state: state["stage"] == "active", "contract", "show", name)
    await c2c("milestone", "reached", name, "design", *by)
    await approve(c2c, f"{name}/1")
    await c2c.until(lambda state: state["stage"] == "open", "invoice", "show", f"{name}/1")
    assert "to be reviewed" in await c2c("milestone", "unreach", name, "design", *by)
    found = await c2c.until(lambda answer: answer["exceptions"], "exceptions", "show", name)
    assert found["exceptions"][0]["step"] == "review:design"
    await c2c("exceptions", "skip", name, "--by", OLGA, "--reason", "accepted since")
    await c2c.until(lambda answer: not answer["exceptions"], "exceptions", "show", name)


async def test_problems_are_shown_before_anything_starts(c2c: Cli, tmp_path: Path) -> None:
    contract = contract_data(value="9001.00", legal_entity="nortwind")
    file = _write(tmp_path, contract)
    told = await c2c.json("contract", "start", file, code=ExitCode.REFUSED)
    codes = {item["code"] for item in told["error"]["problems"]}
    assert codes == {"legal_entity_unknown", "services_do_not_add_up"}
    name = f"nortwind/{contract['contract_id']}"
    await c2c("contract", "show", name, code=ExitCode.NOT_FOUND)


@contextlib.asynccontextmanager
async def served(client: Client) -> AsyncIterator[str]:
    """The application over this Temporal, and its address; people's tokens are their names."""

    async def connect() -> Client:
        return client

    web, port = WebSettings(), free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            application(web, {}, connect, visits=NamedVisits()), port=port, log_config=None
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it says so in no other way
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def test_over_the_api_the_same_workflows_answer(
    c2c: Cli, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def signed_in(person: str) -> None:
        monkeypatch.setenv(credentials.VARIABLE, person)

    contract = single()
    name = contract["contract_id"]
    async with served(client) as address:
        monkeypatch.setenv(session.API_VARIABLE, address)
        signed_in(PIA)
        assert (await c2c.json("contract", "start", _write(tmp_path, contract)))["new"]
        await c2c.until(lambda state: state["stage"] == "active", "contract", "show", name)
        await c2c("milestone", "reached", name, "all")
        await c2c("milestone", "reached", name, "nope", code=ExitCode.REFUSED)
        signed_in(ANA)

        def is_listed(answer: Any) -> bool:
            return any(item["of"] == f"{ENTITY}/{name}/1" for item in answer["approvals"])

        over = await c2c.until(is_listed, "approvals", "list")
        approve_it = ["approvals", "approve", f"{name}/1", "--yes", "--request-id", "ours"]
        first = await c2c.json(*approve_it)
        assert await c2c.json(*approve_it) == first
        signed_in(VERA)
        rows = await c2c.until(
            lambda found: any(row["contract_id"] == name for row in found["contracts"]),
            "contract",
            "list",
        )
        await c2c("contract", "hold", name, "billing", "--reason", "x", code=ExitCode.REFUSED)
    monkeypatch.delenv(session.API_VARIABLE)
    [row] = [row for row in rows["contracts"] if row["contract_id"] == name]
    direct = (await c2c.json("contract", "list"))["contracts"]
    assert row["value"] == next(it for it in direct if it["contract_id"] == name)["value"]
    [asked] = [item for item in over["approvals"] if item["of"] == f"{ENTITY}/{name}/1"]
    shown = await c2c.json("invoice", "show", f"{name}/1")
    given = shown["approval_round"]["approvals"]
    assert [item["by"] for item in given] == [ANA]
    assert shown["approval_round"]["subject"]["content_hash"] == asked["content_hash"]


async def test_replay_of_what_runs_and_of_files(c2c: Cli, client: Client, tmp_path: Path) -> None:
    contract = contract_data()
    name = contract["contract_id"]
    started = await c2c.json("contract", "start", _write(tmp_path, contract))
    await c2c.until(lambda state: state["stage"] == "active", "contract", "show", name)
    await c2c.until(
        lambda told: any(
            item["workflow_id"] == started["workflow_id"] for item in told["replayed"]
        ),
        "replay",
        "--running",
    )
    history = await client.get_workflow_handle(started["workflow_id"]).fetch_history()
    good, broken = tmp_path / "good.json", tmp_path / "broken.json"
    good.write_text(history.to_json())
    broken.write_text(history.to_json().replace('"validate_contract"', '"renamed"'))
    told = await c2c.json("replay", str(good), str(broken), code=ExitCode.REFUSED)
    assert told["failed"] == 1
    assert told["replayed"][0]["failure"] == ""
    assert "renamed" in told["replayed"][1]["failure"]


async def test_check_knows_every_model_the_activities_call(c2c: Cli) -> None:
    """Last in this file: by now the stories above have called what there is to call."""
    assert {"sale.order", "account.move", "project.milestone"} <= c2c.models
    assert c2c.models <= set(NEEDS), c2c.models - set(NEEDS)
