"""The command line: what it understands, what it prints, how it ends. The workflows are faked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from contracts import parking
from contracts.contract.state import ContractOutcome, ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.problems import Problem
from starters.cli import main, session, tables
from starters.cli.errors import ExitCode
from starters.cli.options import PERSON_VARIABLE
from starters.cli.session import json_text
from starters.client import (
    C2C,
    Attempt,
    ContractRow,
    NoAnswer,
    NotFound,
    ParkedStep,
    Refused,
    Started,
    listing,
)
from starters.client.parked import ParkedSteps
from tests.unit import examples
from tests.unit.command import CONTRACT, INVOICE, Calls, Invoke
from wiring.client import TemporalUnreachable
from wiring.settings import ConfigurationError
from workers.errors import DoesNotReplay

ANSI = re.compile(r"\x1b\[")


# --- global options and exit codes --------------------------------------------------------------


def test_global_options_may_stand_anywhere(calls: Calls, c2c: Invoke) -> None:
    calls.answer("contract", examples.contract_state())
    for line in (
        ["--json", "--entity", "northwind", "contract", "show", "C-1"],
        ["contract", "--json", "show", "C-1", "--entity=northwind"],
        ["contract", "show", "C-1", "--entity", "northwind", "--json", "--no-color"],
    ):
        result = c2c(*line)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["contract_id"] == "C-1"
        assert calls.last[1] == (CONTRACT,)


def test_the_entity_may_come_from_the_environment(
    calls: Calls, c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.answer("contract", examples.contract_state())
    monkeypatch.setenv(session.ENTITY_VARIABLE, "acme")
    assert c2c("contract", "show", "C-1").exit_code == 0
    assert calls.last[1] == ("contract/acme/C-1",)


def test_a_short_reference_without_any_entity_is_wrong_usage(calls: Calls, c2c: Invoke) -> None:
    result = c2c("contract", "show", "C-1")
    assert result.exit_code == ExitCode.USAGE
    assert "which legal entity?" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (Refused("not now"), ExitCode.REFUSED, "not now"),
        (NotFound("nothing there"), ExitCode.NOT_FOUND, "nothing there"),
        (NoAnswer("no worker"), ExitCode.UNREACHABLE, "no worker"),
        (ConfigurationError("bad file"), ExitCode.CONFIGURATION, "bad file"),
        (DoesNotReplay("C-1 would stop"), ExitCode.DOES_NOT_REPLAY, "C-1 would stop"),
        (
            TemporalUnreachable('no server at x (Os { message: "Connection refused" }); start one'),
            ExitCode.UNREACHABLE,
            "no server at x (Connection refused); start one",
        ),
        (
            RPCError("invalid search attribute: X", RPCStatusCode.INVALID_ARGUMENT, b""),
            ExitCode.CONFIGURATION,
            "run c2c setup",
        ),
        (
            RPCError("Namespace x is not found.", RPCStatusCode.NOT_FOUND, b""),
            ExitCode.CONFIGURATION,
            "TEMPORAL_NAMESPACE",
        ),
        (
            RPCError("denied", RPCStatusCode.PERMISSION_DENIED, b""),
            ExitCode.CONFIGURATION,
            "TEMPORAL_API_KEY",
        ),
        (
            RPCError("down", RPCStatusCode.UNAVAILABLE, b""),
            ExitCode.UNREACHABLE,
            "Temporal does not answer",
        ),
    ],
)
def test_failures_end_with_their_code_and_a_sentence(
    calls: Calls, c2c: Invoke, error: Exception, code: ExitCode, told: str
) -> None:
    calls.answer("contract", error)
    result = c2c("contract", "show", "northwind/C-1")
    assert result.exit_code == code
    assert told in result.stderr
    assert "Traceback" not in result.output
    document = json.loads(c2c("contract", "show", "northwind/C-1", "--json").stdout)
    assert document["error"]["exit_code"] == code
    assert told in document["error"]["message"]


def test_the_exit_codes_are_in_the_help(c2c: Invoke) -> None:
    text = " ".join(c2c("--help").stdout.split())
    for code in ExitCode:
        assert re.search(rf"\b{int(code)} ", text)


@pytest.mark.parametrize(
    "command",
    ["contract", "milestone", "approvals", "invoice", "exceptions", "worker", "setup", "check"],
)
def test_every_command_explains_itself(c2c: Invoke, command: str) -> None:
    result = c2c(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_a_defect_is_told_without_a_traceback(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left: list[int] = []

    def leave(code: int) -> None:
        left.append(code)

    calls.answer("contract", KeyError("oops"))
    monkeypatch.setattr(sys, "argv", ["c2c", "contract", "show", "northwind/C-1"])
    monkeypatch.setattr("starters.cli.os._exit", leave)
    main()
    assert left == [ExitCode.DEFECT]
    told = capsys.readouterr().err
    assert "defect" in told
    assert "KeyError" in told
    assert "Traceback" not in told


def test_no_colours_where_no_terminal_listens(calls: Calls, c2c: Invoke) -> None:
    calls.answer("contract", examples.contract_state())
    assert not ANSI.search(c2c("contract", "show", "northwind/C-1").output)


def test_what_a_customer_wrote_cannot_steer_the_terminal(calls: Calls, c2c: Invoke) -> None:
    document = {"title": "\x1b[2Jgone \x9b31m"}
    calls.answer("contract", examples.contract_state(contract=None, contract_data=document))
    output = c2c("contract", "show", "northwind/C-1").output
    assert "gone" in output
    assert "\x1b" not in output
    assert "\x9b" not in output


def test_json_never_holds_a_float() -> None:
    text = json_text({"a": 0.1, "b": [1, 2.5], "c": True, "d": None})
    assert json.loads(text) == {"a": "0.1", "b": [1, "2.5"], "c": True, "d": None}


# --- contracts ----------------------------------------------------------------------------------


def _file(folder: Path, **changes: Any) -> str:
    file = folder / "contract.json"
    file.write_text(json.dumps(examples.contract_data(**changes)))
    return str(file)


def test_start_prints_the_workflow_and_whether_it_is_new(
    calls: Calls, c2c: Invoke, tmp_path: Path
) -> None:
    calls.answer("start", Started(CONTRACT, "run", new=True), C2C)
    result = c2c("contract", "start", _file(tmp_path))
    assert result.exit_code == 0, result.output
    assert CONTRACT in result.stdout
    calls.answer("start", Started(CONTRACT, "run", new=False), C2C)
    again = json.loads(c2c("contract", "start", _file(tmp_path), "--json").stdout)
    assert again == {
        "contract": "northwind/C-1",
        "workflow_id": CONTRACT,
        "run_id": "run",
        "new": False,
        "differences": [],
        "stage": "",
        "may_amend": False,
    }
    assert "nothing changed" in c2c("contract", "start", _file(tmp_path)).stdout


def test_other_content_under_a_known_id_is_told_with_a_code_of_its_own(
    calls: Calls, c2c: Invoke, tmp_path: Path
) -> None:
    differences = ("title: Old -> New", "value: 1.00 EUR -> 2.00 EUR")
    other = Started(CONTRACT, "run", new=False, differences=differences, stage="active")
    calls.answer("start", other, C2C)
    result = c2c("contract", "start", _file(tmp_path))
    assert result.exit_code == ExitCode.OTHER_CONTENT
    assert int(ExitCode.OTHER_CONTENT) == 7
    for line in differences:
        assert line in result.stdout
    assert "c2c contract change northwind/C-1" in result.stdout
    result = c2c("contract", "start", _file(tmp_path), "--json")
    assert result.exit_code == ExitCode.OTHER_CONTENT
    assert json.loads(result.stdout)["differences"] == list(differences)


@pytest.mark.parametrize(
    ("stage", "may_amend", "advice"),
    [
        ("active", False, "c2c contract change northwind/C-1 FILE"),
        ("validating", True, "c2c exceptions amend northwind/C-1 --by PERSON --set PATH=VALUE"),
        ("validating", False, "c2c contract show northwind/C-1"),
        ("closed", False, "a contract_id of its own"),
    ],
)
def test_the_advice_about_other_content_works_where_the_contract_is_now(
    calls: Calls, c2c: Invoke, tmp_path: Path, stage: str, may_amend: bool, advice: str
) -> None:
    """Issue 11, numbers 16 and 22: a change order is refused before a contract is validated."""
    other = Started(
        CONTRACT, "run", new=False, differences=("title",), stage=stage, may_amend=may_amend
    )
    calls.answer("start", other, C2C)
    text = c2c("contract", "start", _file(tmp_path)).stdout
    assert advice in text
    assert ("contract change" in text) is (stage == "active")


def test_start_fills_in_what_identifies_the_contract(calls: Calls, c2c: Invoke) -> None:
    calls.answer("start", Started(CONTRACT, "run", new=True), C2C)
    document = examples.contract_data()
    del document["legal_entity"], document["source"]
    result = c2c("contract", "start", "-", "--entity", "acme", stdin=json.dumps(document))
    assert result.exit_code == 0, result.output
    [started] = calls.last[1]
    assert started["legal_entity"] == "acme"
    assert started["source"] == {"system": "file", "id": "C-1"}


def test_start_shows_every_problem_before_it_starts_anything(
    calls: Calls, c2c: Invoke, tmp_path: Path
) -> None:
    file = _file(tmp_path, currency="EURO", title="")
    result = c2c("contract", "start", file)
    assert result.exit_code == ExitCode.REFUSED
    assert "currency_unknown" in result.stderr
    assert "title" in result.stderr
    assert calls.made == []
    document = json.loads(c2c("contract", "start", file, "--json").stdout)
    assert {item["field"] for item in document["error"]["problems"]} >= {"currency", "title"}


def test_park_starts_in_spite_of_problems(calls: Calls, c2c: Invoke, tmp_path: Path) -> None:
    calls.answer("start", Started(CONTRACT, "run", new=True), C2C)
    result = c2c("contract", "start", _file(tmp_path, title=""), "--park")
    assert result.exit_code == 0
    assert "parks with 1 problem(s)" in result.stderr


def test_start_by_deal(calls: Calls, c2c: Invoke) -> None:
    calls.answer("start_deal", Started("contract/acme/hubspot-7", "run", new=True), C2C)
    assert c2c("contract", "start", "--deal", "7").exit_code == ExitCode.USAGE
    result = c2c("contract", "start", "--deal", "7", "--crm", "hubspot", "--entity", "acme")
    assert result.exit_code == 0, result.output
    assert calls.last[1] == ("hubspot", "7", "acme")


@pytest.mark.parametrize("arguments", [[], ["x.json", "--deal", "7"], ["x.json", "--crm", "y"]])
def test_start_takes_a_file_or_a_deal(calls: Calls, c2c: Invoke, arguments: list[str]) -> None:
    assert c2c("contract", "start", *arguments).exit_code == ExitCode.USAGE


ROW = ContractRow(
    workflow_id=CONTRACT,
    contract_id="C-1",
    legal_entity="northwind",
    customer="Acme NV",
    stage="active",
    waiting_on="milestone",
    waiting_since=datetime(2026, 3, 2, tzinfo=UTC),
    value=examples.euros("10000.00"),
    due=None,
    started_at=datetime(2026, 3, 1, tzinfo=UTC),
)


def test_list_narrows_by_stage_waiting_and_entity(calls: Calls, c2c: Invoke) -> None:
    calls.answer("contract_rows", [ROW, ROW], listing)
    line = ["contract", "list", "--stage", "active", "--waiting", "milestone", "--limit", "1"]
    result = c2c(*line, "--entity", "northwind")
    assert result.exit_code == 0, result.output
    assert "northwind/C-1" in result.stdout
    assert "10000.00 EUR" in result.stdout
    assert "more than 1" in result.stderr
    assert calls.last[2] == {
        "where": "ContractStage = 'active' AND WaitingOn = 'milestone' "
        "AND LegalEntity = 'northwind'",
        "limit": 2,
    }
    document = json.loads(c2c(*line, "--json").stdout)
    assert document["more"] is True
    assert document["contracts"][0]["value"] == "10000.00 EUR"
    assert document["contracts"][0]["due"] is None


@pytest.mark.parametrize("arguments", [["--waiting", "x' OR 1=1"], ["--stage", "x"]])
def test_list_takes_words_only(calls: Calls, c2c: Invoke, arguments: list[str]) -> None:
    assert c2c("contract", "list", *arguments).exit_code == ExitCode.USAGE
    assert calls.made == []


def test_an_empty_list_says_so_and_where_it_looked(calls: Calls, c2c: Invoke) -> None:
    calls.answer("contract_rows", [], listing)
    told = c2c("contract", "list").stdout
    assert told == "No contracts at localhost:7233, namespace default.\n"


def test_a_dry_run_shows_what_would_start_and_starts_nothing(
    calls: Calls, c2c: Invoke, tmp_path: Path
) -> None:
    result = c2c("contract", "start", _file(tmp_path), "--dry-run")
    assert result.exit_code == 0, result.output
    assert f"would start as workflow {CONTRACT}; nothing is done" in result.stdout
    assert "10000.00 EUR" in result.stdout
    document = json.loads(c2c("contract", "start", _file(tmp_path), "--dry-run", "--json").stdout)
    assert (document["dry_run"], document["problems"]) == (True, [])
    wrong = c2c("contract", "start", _file(tmp_path, title=""), "--dry-run")
    assert wrong.exit_code == ExitCode.REFUSED
    parked = c2c("contract", "start", _file(tmp_path, title=""), "--dry-run", "--park")
    assert parked.exit_code == 0
    assert "would park with 1 problem(s)" in parked.stdout
    assert calls.made == []


def test_a_dry_run_of_a_deal_reads_it_and_starts_nothing(
    calls: Calls, c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = examples.contract_data()
    del data["contract_id"], data["legal_entity"]
    monkeypatch.setattr(
        "wiring.settings.load_settings",
        lambda: SimpleNamespace(
            entities={},
            default_entity=None,
            crm={"hubspot": SimpleNamespace(legal_entity="northwind")},
        ),
    )
    monkeypatch.setattr("wiring.remotes.odoo", lambda _: SimpleNamespace(close=lambda: None))
    crm = SimpleNamespace(read_contract=lambda deal: data)
    monkeypatch.setattr("wiring.remotes.built", lambda *_: {"hubspot": crm})
    result = c2c("contract", "start", "--deal", "7", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "contract/northwind/hubspot-7; nothing is done" in result.stdout
    assert calls.made == []


def test_show_tells_times_in_the_entitys_zone_and_how_to_mend(calls: Calls, c2c: Invoke) -> None:
    state = examples.contract_state(exceptions=[examples.parked(parking.CUSTOMER)])
    calls.answer("contract", state)
    output = c2c("contract", "show", "northwind/C-1").stdout
    assert "2026-03-02 13:00" in output
    assert "c2c exceptions amend northwind/C-1 --step customer --by PERSON --set" in output


def test_cancel_and_milestone(calls: Calls, c2c: Invoke) -> None:
    calls.answer("request_cancel", ContractOutcome(contract_id="C-1", stage=ContractStage.ACTIVE))
    calls.answer("reach_milestone", ContractOutcome(contract_id="C-1", stage=ContractStage.ACTIVE))
    assert c2c("contract", "cancel", "northwind/C-1", "--by", "a").exit_code == ExitCode.USAGE
    assert c2c("contract", "cancel", "northwind/C-1", "--by", "a", "--reason", "r").exit_code == 0
    assert calls.last[1][1].reason == "r"
    line = ["milestone", "reached", "northwind/C-1", "design", "--by", "pm"]
    assert c2c(*line, "--on", "2026-03-02").exit_code == 0
    assert calls.last[1][1].on == examples.MONDAY
    assert c2c(*line).exit_code == 0
    assert calls.last[1][1].on is None
    assert c2c(*line, "--on", "02/03/2026").exit_code == ExitCode.USAGE


# --- invoices -----------------------------------------------------------------------------------


def test_invoice_show(calls: Calls, c2c: Invoke) -> None:
    state = examples.invoice_state(stage=InvoiceStage.OPEN, balance=examples.balance())
    calls.answer("invoice", state)
    output = c2c("invoice", "show", "northwind/C-1/1").stdout
    assert "INV/2026/00007" in output
    assert "3630.00 EUR" in output
    assert c2c("invoice", "show", "northwind/C-1").exit_code == ExitCode.USAGE


@pytest.mark.parametrize("amount", ["100", "1.001 EUR", "x EUR", "1 XXX"])
def test_an_amount_is_text_with_its_currency(calls: Calls, c2c: Invoke, amount: str) -> None:
    calls.answer("record_payment", examples.report(1, InvoiceStage.OPEN))
    line = ["invoice", "paid", "northwind/C-1/1", "--reference", "P1", "--on", "2026-03-02"]
    result = c2c(*line, "--amount", amount)
    assert result.exit_code == ExitCode.USAGE
    assert "expected" in result.stderr
    assert c2c(*line, "--amount", "100.5 EUR").exit_code == 0
    assert str(calls.last[1][1].amount) == "100.50 EUR"


# --- exceptions ---------------------------------------------------------------------------------


def test_exceptions_list_and_show(calls: Calls, c2c: Invoke) -> None:
    step = examples.parked(parking.CUSTOMER, message="[b]bold[/b] is text")
    calls.answer("exceptions", ParkedSteps([ParkedStep(CONTRACT, step)]), C2C)
    calls.answer("contract", examples.contract_state(exceptions=[step]))
    whole = c2c("exceptions", "list")
    assert whole.stderr == ""
    output = whole.stdout
    assert "northwind/C-1" in output
    assert "[b]bold[/b] is text" in output
    assert "customer" in c2c("exceptions", "show", "northwind/C-1").stdout
    [item] = json.loads(c2c("exceptions", "show", "northwind/C-1", "--json").stdout)["exceptions"]
    assert item["step"] == "customer"


def test_the_exceptions_say_how_many_events_wait_for_a_person(calls: Calls, c2c: Invoke) -> None:
    calls.answer("exceptions", ParkedSteps([], events=3), C2C)
    assert (
        "3 events wait for a person too: c2c events list --parked"
        in c2c("exceptions", "list").stderr
    )
    assert json.loads(c2c("exceptions", "list", "--json").stdout)["events"] == 3


def test_a_list_of_exceptions_that_stops_says_so(calls: Calls, c2c: Invoke) -> None:
    step = ParkedStep(CONTRACT, examples.parked(parking.CUSTOMER))
    calls.answer("exceptions", ParkedSteps([step], more=True), C2C)
    assert "only the newest 500" in c2c("exceptions", "list").stderr
    assert json.loads(c2c("exceptions", "list", "--json").stdout)["more"] is True


def possible(c2c: Invoke, reference: str = "northwind/C-1") -> list[str]:
    shown = json.loads(c2c("exceptions", "show", reference, "--json").stdout)
    [item] = shown["exceptions"]
    actions: list[str] = item["possible"]
    suggested = c2c("exceptions", "show", reference).stdout
    assert re.findall(r"c2c exceptions (\w+)", suggested) == actions
    return actions


def test_cancel_is_offered_only_while_the_contract_can_be_cancelled(
    calls: Calls, c2c: Invoke
) -> None:
    step = examples.parked(parking.CUSTOMER)
    calls.answer("contract", examples.contract_state(exceptions=[step]))
    assert "cancel" in possible(c2c)
    billed = {1: examples.report(1, InvoiceStage.OPEN)}
    calls.answer("contract", examples.contract_state(exceptions=[step], invoices=billed))
    assert possible(c2c) == [item for item in step.allowed if item != "cancel"]


def test_what_may_have_happened_can_only_be_tried_again(calls: Calls, c2c: Invoke) -> None:
    step = examples.parked(parking.POST_INVOICE, uncertain=True)
    assert len(step.allowed) > 1
    calls.answer("invoice", examples.invoice_state(exceptions=[step]))
    assert possible(c2c, "northwind/C-1/1") == ["retry"]


@pytest.mark.parametrize(
    ("field", "path"),
    [("customer.vat_number", "customer.vat_number"), ("source.id", "PATH"), ("odoo.x", "PATH")],
)
def test_a_path_that_is_always_refused_is_not_suggested(
    calls: Calls, c2c: Invoke, field: str, path: str
) -> None:
    step = examples.parked(parking.CUSTOMER, field=field)
    calls.answer("contract", examples.contract_state(exceptions=[step]))
    assert f"--set {path}=VALUE" in c2c("exceptions", "show", "northwind/C-1").stdout


def test_show_says_which_system_does_not_answer(calls: Calls, c2c: Invoke) -> None:
    calls.answer("contract", examples.contract_state())
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    attempt = Attempt(INVOICE, "post_invoice", 7, "Odoo does not answer (503)", at)
    calls.answer("trying", [attempt])
    told = " ".join(c2c("contract", "show", "northwind/C-1").stdout.split())
    assert "northwind/C-1/1 tries post_invoice again (attempt 7, again at" in told
    assert "Odoo does not answer (503)" in told
    document = json.loads(c2c("contract", "show", "northwind/C-1", "--json").stdout)
    assert document["trying"][0]["failure"] == "Odoo does not answer (503)"


def test_an_exception_is_shown_with_what_to_do(calls: Calls, c2c: Invoke) -> None:
    step = examples.parked(parking.CUSTOMER, code="customer_ambiguous")
    calls.answer("contract", examples.contract_state(exceptions=[step]))
    words = " ".join(c2c("exceptions", "show", "northwind/C-1").stdout.split())
    assert "or merge or restore them in Odoo, then retry" in words
    assert "c2c exceptions retry northwind/C-1 --step customer" in words


def test_a_customer_in_doubt_is_shown_with_its_candidates_and_how_to_choose(
    calls: Calls, c2c: Invoke
) -> None:
    expected = "214 for Acme NV (id 214), Ghent (same name)"
    problem = Problem(code="customer_ambiguous", field="customer.odoo_partner", expected=expected)
    step = examples.parked(
        parking.CUSTOMER,
        code="customer_ambiguous",
        field="customer.odoo_partner",
        problems=[problem],
    )
    calls.answer("contract", examples.contract_state(exceptions=[step]))
    words = " ".join(c2c("exceptions", "show", "northwind/C-1").stdout.split())
    assert "214 for Acme NV" in words
    assert "c2c exceptions amend northwind/C-1 --step customer" in words
    assert "--set customer.odoo_partner=" in words


def test_an_exception_with_a_code_of_another_release_is_shown(calls: Calls, c2c: Invoke) -> None:
    step = examples.parked(parking.CUSTOMER, code="no_longer_known")
    calls.answer("contract", examples.contract_state(exceptions=[step]))
    assert "no_longer_known" in c2c("exceptions", "show", "northwind/C-1").stdout


def test_one_unreadable_workflow_does_not_hide_the_rest(
    calls: Calls, c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def partly(_client: object, *, unreadable: Callable[[str, Exception], None]) -> Any:
        unreadable(CONTRACT, NoAnswer("no worker"))
        return ParkedSteps([ParkedStep(INVOICE, examples.parked(parking.DELIVER))])

    monkeypatch.setattr(C2C, "exceptions", partly)
    result = c2c("exceptions", "list")
    assert result.exit_code == 0
    assert "northwind/C-1/1" in result.stdout
    assert "northwind/C-1 is left out: no worker" in result.stderr


def test_each_resolution(calls: Calls, c2c: Invoke) -> None:
    calls.answer("resolve_exception", examples.parked(parking.CUSTOMER))
    by = ["--by", "olga"]
    assert c2c("exceptions", "retry", "northwind/C-1", *by).exit_code == 0
    line = ["exceptions", "amend", "northwind/C-1", *by]
    assert c2c(*line).exit_code == ExitCode.USAGE
    assert c2c(*line, "--set", "customer.country=BE", "--set", "value=12.10").exit_code == 0
    assert calls.last[1][1].changes == {"customer.country": "BE", "value": "12.10"}
    skip = ["exceptions", "skip", "northwind/C-1/1", *by]
    assert c2c(*skip).exit_code == ExitCode.USAGE
    assert c2c(*skip, "--reason", "known", "--step", "deliver").exit_code == 0
    assert calls.last[1][0] == INVOICE
    assert calls.last[1][1].step == "deliver"
    assert c2c("exceptions", "cancel", "northwind/C-1", *by).exit_code == 0


def test_the_person_may_come_from_the_environment(
    calls: Calls, c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.answer("resolve_exception", examples.parked(parking.CUSTOMER))
    assert c2c("exceptions", "retry", "northwind/C-1").exit_code == ExitCode.USAGE
    monkeypatch.setenv(PERSON_VARIABLE, "olga")
    assert c2c("exceptions", "retry", "northwind/C-1").exit_code == 0
    assert calls.last[1][1].by == "olga"


# --- the system ---------------------------------------------------------------------------------


def test_a_worker_serves_known_queues_only(calls: Calls, c2c: Invoke) -> None:
    result = c2c("worker", "--queue", "bogus")
    assert result.exit_code == ExitCode.USAGE
    assert "odoo-finance" in result.stderr


@pytest.mark.parametrize("line", [("--neutralise",), ("--odoo-webhooks",), ("--odoo-key", "key")])
def test_an_administrators_key_goes_with_what_needs_it(c2c: Invoke, line: tuple[str, ...]) -> None:
    result = c2c("setup", *line)
    assert result.exit_code == ExitCode.USAGE
    assert "--odoo-key FILE is for --odoo-webhooks and --neutralise" in result.stderr


def test_a_worker_without_configuration(calls: Calls, c2c: Invoke) -> None:
    assert c2c("worker").exit_code == ExitCode.CONFIGURATION


@pytest.mark.parametrize("content", ["{}", "{", '{"events": []}', '{"title": "a contract"}'])
def test_replay_takes_histories(calls: Calls, c2c: Invoke, tmp_path: Path, content: str) -> None:
    file = tmp_path / "history.json"
    file.write_text(content)
    assert c2c("replay", str(file)).exit_code == ExitCode.USAGE
    assert c2c("replay").exit_code == ExitCode.USAGE
    assert c2c("replay", str(file), "--running").exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("minutes", "told"), [(0, "0 min"), (59, "59 min"), (60, "1 h"), (2879, "47 h"), (2880, "2 d")]
)
def test_ages(minutes: int, told: str) -> None:
    since = datetime.fromtimestamp(0, UTC)
    assert tables.age(since, datetime.fromtimestamp(minutes * 60, UTC)) == told


def test_the_command_starts_without_what_only_some_commands_need() -> None:
    code = "import sys, starters.cli.system; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert "starters.cli" in loaded
    late = {"httpx", "activities", "starters.preflight", "starters.schedules"}
    assert not loaded & (late | {"workflows.contract", "workflows.invoice", "gateways.odoo"})
