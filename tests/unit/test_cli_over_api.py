"""`c2c` over the API says what it says on Temporal: the same documents, the same exit codes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from temporalio.service import RPCError, RPCStatusCode
from typer.testing import CliRunner, Result

from contracts.access import Role
from sandbox.real_odoo.mailbox import free_port
from starters.cli import app, session
from starters.cli.errors import ExitCode
from starters.cli.options import PERSON_VARIABLE
from starters.client import calls, credentials
from starters.client.api import Api, ApiC2C
from starters.client.errors import OnlyOnTemporal, SignedOut, Unreachable
from tests.unit import examples
from tests.unit.rounds import ANA, BOB
from tests.unit.web.login.configured import settings
from tests.unit.web.test_api import application_of
from tests.unit.web.visiting import ALL, BOT, CONNY, OLGA, PIA, VERA
from tests.unit.web.workflows import Workflows, firm
from wiring.settings import ConfigurationError

CHANGE = {"reason": "less scope", "reprice": {"live": "3000.00"}}


class Both:
    """The same command on Temporal, and over the API as a person who signed in."""

    def __init__(self, workflows: Workflows, address: str, patch: pytest.MonkeyPatch) -> None:
        self.workflows, self.address, self._patch = workflows, address, patch

    def on_temporal(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    def over_api(self, person: str, *arguments: str) -> Result:
        self._patch.setenv(credentials.VARIABLE, person)
        return CliRunner().invoke(app, ["--api", self.address, *arguments])


class _Server(uvicorn.Server):
    """In a thread of its own: signals are the test runner's."""

    def install_signal_handlers(self) -> None:
        pass


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Workflows, str]]:
    """The application on a port of this machine."""
    workflows, port = firm(), free_port()
    server = _Server(uvicorn.Config(application_of(workflows), port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield workflows, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def both(served: tuple[Workflows, str], monkeypatch: pytest.MonkeyPatch) -> Both:
    workflows, address = served
    workflows.sent.clear()

    async def connect() -> Workflows:
        return workflows

    def unconfigured() -> None:
        raise ConfigurationError("there is no configuration")

    monkeypatch.setattr("wiring.client.connect", connect)
    monkeypatch.setattr("wiring.settings.load_settings", unconfigured)
    for variable in (session.ENTITY_VARIABLE, session.API_VARIABLE, PERSON_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    return Both(workflows, address, monkeypatch)


C1, C1_1 = "northwind/C-1", "northwind/C-1/1"


@pytest.mark.parametrize(
    ("person", "command", "code"),
    [
        (
            ANA,
            ["approvals", "list", "--entity", "northwind", "--up-to", "5000 EUR"],
            ExitCode.OK,
        ),
        (ANA, ["approvals", "approve", C1_1, "--yes"], ExitCode.OK),
        (ANA, ["approvals", "approve", C1_1, "--yes", "--hash", "beef"], ExitCode.REFUSED),
        (ANA, ["approvals", "approve", "--all", "--yes", "--entity", "northwind"], ExitCode.OK),
        (ANA, ["approvals", "reject", C1_1, "--comment", "no order number"], ExitCode.OK),
        (ANA, ["approvals", "approve", C1, "--yes"], ExitCode.REFUSED),
        (OLGA, ["exceptions", "list"], ExitCode.OK),
        (ANA, ["exceptions", "show", C1_1], ExitCode.OK),
        (ANA, ["exceptions", "retry", C1_1, "--reason", "mended"], ExitCode.OK),
        (ANA, ["exceptions", "retry", "northwind/C-9"], ExitCode.NOT_FOUND),
        (VERA, ["contract", "list", "--entity", "northwind", "--limit", "1"], ExitCode.OK),
        (VERA, ["contract", "list", "--waiting", "!"], ExitCode.USAGE),
        (VERA, ["contract", "show", C1], ExitCode.OK),
        (VERA, ["contract", "show", "northwind/C-9"], ExitCode.NOT_FOUND),
        (VERA, ["contract", "statement", C1], ExitCode.OK),
        (VERA, ["contract", "versions", C1], ExitCode.REFUSED),
        (VERA, ["invoice", "show", C1_1], ExitCode.OK),
        (
            ANA,
            ["invoice", "promise", C1_1, "--on", "2026-05-01", "--amount", "9 EUR"],
            ExitCode.OK,
        ),
        (ANA, ["invoice", "write-off", C1_1, "--reason", "gone"], ExitCode.REFUSED),
        (PIA, ["milestone", "reached", C1, "design", "--on", "2026-03-02"], ExitCode.OK),
        (PIA, ["milestone", "reached", C1, "no such key"], ExitCode.REFUSED),
        (PIA, ["milestone", "unreach", C1, "design", "--request-id", "r-1"], ExitCode.OK),
        (PIA, ["contract", "change", C1, "FILE", "--yes"], ExitCode.OK),
        (VERA, ["bank", "list", "--open"], ExitCode.OK),
        (VERA, ["bank", "lines"], ExitCode.OK),
        (VERA, ["bank", "lines", "northwind/3f2a"], ExitCode.OK),
        (ANA, ["bank", "settle", "northwind/3f2a", "3", "--ignore", "not ours"], ExitCode.OK),
        (ANA, ["bank", "retry", "northwind/beef"], ExitCode.NOT_FOUND),
        (OLGA, ["events", "list", "--source", "tickets", "--day", "2026-03-02"], ExitCode.OK),
        (OLGA, ["events", "list", "--source", "?"], ExitCode.USAGE),
        (OLGA, ["events", "show", "tickets/msg_1"], ExitCode.OK),
        (OLGA, ["events", "show", "tickets/msg_2"], ExitCode.NOT_FOUND),
        (OLGA, ["events", "replay", "tickets/msg_1"], ExitCode.OK),
        (OLGA, ["events", "replay", "--source", "tickets", "--yes"], ExitCode.OK),
        (OLGA, ["events", "dismiss", "tickets/msg_1", "--reason", "a test"], ExitCode.OK),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_command_says_the_same_over_the_api(
    both: Both, tmp_path: Path, person: str, command: list[str], code: ExitCode
) -> None:
    file = tmp_path / "change.json"
    file.write_text(json.dumps(CHANGE))
    command = [str(file) if word == "FILE" else word for word in command]
    signed = ["--by", person] if person in (ANA, PIA) and "list" not in command else []
    signed = ["--by", person] if {"dismiss", "replay"} & {*command} else signed
    signed = [] if command[:2] == ["exceptions", "show"] else signed
    before = both.on_temporal(*command, *signed, "--json")
    sent_before = [(*rest, update_id) for *rest, update_id in both.workflows.sent]
    both.workflows.sent.clear()
    over = both.over_api(person, *command, "--json")
    assert (before.exit_code, over.exit_code) == (code, code), before.output + over.output
    assert json.loads(over.stdout) == json.loads(before.stdout)
    assert [item[:3] for item in both.workflows.sent] == [item[:3] for item in sent_before]
    if "--request-id" in command:
        assert both.workflows.sent == sent_before


def test_who_sends_is_whoever_signed_in(both: Both) -> None:
    result = both.over_api(BOT, "milestone", "reached", C1, "design")
    assert result.exit_code == ExitCode.REFUSED, "finance reports no milestones"
    assert "project manager" in result.output
    other = both.over_api(ANA, "approvals", "approve", C1_1, "--yes", "--by", BOB)
    assert other.exit_code == ExitCode.REFUSED
    assert f"you are signed in as {ANA}" in other.output
    assert not both.workflows.sent
    own = both.over_api(ANA, "approvals", "approve", C1_1, "--yes", "--by", ANA.upper())
    assert own.exit_code == ExitCode.OK, own.output


def test_what_belongs_to_others_is_not_found(both: Both) -> None:
    result = both.over_api(CONNY, "contract", "show", C1, "--json")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert json.loads(result.stdout)["error"]["message"] == "there is no such thing"


def test_without_a_sender_a_command_is_not_understood_on_temporal(both: Both) -> None:
    result = both.on_temporal("approvals", "approve", C1_1, "--yes")
    assert result.exit_code == ExitCode.USAGE
    assert "Missing option '--by'" in result.output


@pytest.mark.parametrize("token", ["", "mallory"])
def test_whoever_is_not_signed_in_is_told_how(both: Both, token: str) -> None:
    result = both.over_api(token, "approvals", "list")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "c2c login" in result.output


def test_an_address_that_is_none_or_answers_nothing_is_told(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(credentials.VARIABLE, ANA)
    for address, code in (
        ("http://c2c.example", ExitCode.USAGE),
        ("c2c.example", ExitCode.USAGE),
        (f"http://127.0.0.1:{free_port()}", ExitCode.UNREACHABLE),
        (f"{both.address}/elsewhere", ExitCode.NOT_FOUND),
    ):
        result = CliRunner().invoke(app, ["approvals", "list", "--api", address])
        assert result.exit_code == code, result.output


def test_what_needs_temporal_says_so(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wiring.settings.load_settings", settings)
    result = both.over_api(ANA, "figures", "--entity", "northwind")
    assert result.exit_code == ExitCode.USAGE
    assert "--api" in result.output


def test_the_access_review_over_the_api_is_for_who_reviews(both: Both) -> None:
    result = both.over_api(ALL, "access", "--json")
    assert result.exit_code == ExitCode.OK, result.output
    assert {row["role"] for row in json.loads(result.stdout)["roles"]} == set(Role)
    refused = both.over_api(OLGA, "access")
    assert (refused.exit_code, "admin" in refused.output) == (ExitCode.REFUSED, True)
    assert both.over_api(ALL, "access").exit_code == ExitCode.OK


def test_the_access_review_is_of_the_configuration_here(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wiring.settings.load_settings", settings)
    found = json.loads(both.on_temporal("access", "--entity", "northwind", "--json").stdout)
    assert found["legal_entities"] == ["northwind"]
    assert {item["kind"] for item in found["concerns"]} == {
        "nothing is proven",
        "nothing is signed",
    }
    assert both.on_temporal("access", "--entity", "nowhere").exit_code == ExitCode.USAGE


def test_an_answer_that_never_came_can_be_asked_for_again(both: Both) -> None:
    both.workflows.failure = RPCError("late", RPCStatusCode.DEADLINE_EXCEEDED, b"")
    try:
        result = both.over_api(PIA, "milestone", "reached", C1, "design", "--json")
    finally:
        both.workflows.failure = None
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "no worker answered" in json.loads(result.stdout)["error"]["message"]


def test_a_token_of_a_file_is_read_for_each_call(
    both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    monkeypatch.delenv(credentials.VARIABLE, raising=False)
    monkeypatch.setenv(credentials.FILE_VARIABLE, str(file))
    with pytest.raises(SignedOut, match="cannot be read"):
        credentials.access_token(both.address)
    for person in (ANA, BOT):
        file.write_text(f"{person}\n")
        found = asyncio.run(ApiC2C(Api(both.address, lambda: credentials.access_token(""))).me())
        assert found.person == person


def test_a_start_says_the_same_over_the_api(both: Both, tmp_path: Path) -> None:
    data = examples.contract_data(contract_id="C-2")
    file = tmp_path / "contract.json"
    file.write_text(json.dumps(data))
    before = both.on_temporal("contract", "start", str(file), "--json")
    over = both.over_api(PIA, "contract", "start", str(file), "--json")
    assert (before.exit_code, over.exit_code) == (ExitCode.OK, ExitCode.OK), over.output
    assert json.loads(over.stdout) == json.loads(before.stdout)
    first, second = both.workflows.started[-2:]
    assert (first.started_by, second.started_by) == ("", PIA)
    assert second == first.replace(started_by=PIA)


async def test_what_the_api_has_no_address_for_is_said() -> None:
    api = Api("http://127.0.0.1:9", lambda: "")
    c2c = ApiC2C(api)
    with pytest.raises(OnlyOnTemporal):
        await c2c.contracts(where="WaitingOn = 'hold'")
    with pytest.raises(OnlyOnTemporal):
        c2c.client  # noqa: B018
    with pytest.raises(Unreachable):
        await c2c.me()
    assert await calls.trying(api, []) == []
    api.close()
