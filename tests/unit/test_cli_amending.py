"""`c2c contract` for changes, holds, credits and ends, its statement, close-out; `c2c usage`."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.agenda.requests import digest
from contracts.agenda.state import Answer
from contracts.changes import ChangeOrder
from contracts.closeout import Check
from contracts.contract.messages import HoldKind, Side, UsageTaken
from contracts.contract.state import ContractOutcome, ContractStage, ContractVersion, PendingChange
from contracts.handover import Burn, ServiceBurn
from contracts.money import Money
from starters.cli import session
from starters.cli.errors import ExitCode
from starters.client import CloseOut, Refused, changing, closing, contracts
from tests.unit import examples
from tests.unit.command import CONTRACT, Calls, Invoke
from tests.unit.engagements import active, example, managed, mixed
from wiring import remotes

OUTCOME = ContractOutcome(contract_id="C-1", stage=ContractStage.ACTIVE)
REF = "northwind/C-1"
BY = ["--by", "pm@northwind.example"]


def text(output: str) -> str:
    """What was printed, however it was folded."""
    return " ".join(output.split())


# --- change orders ------------------------------------------------------------------------------

CHANGE = 'reason = "more scope"\n[reprice]\nlive = "7000.00"\n'


@pytest.fixture
def change(calls: Calls, tmp_path: Path) -> list[str]:
    """A line that proposes a change order from a file."""
    calls.answer("contract", examples.contract_state())
    calls.answer("propose_change", OUTCOME)
    file = tmp_path / "change.toml"
    file.write_text(CHANGE)
    return ["contract", "change", REF, str(file), *BY]


def test_a_change_order_is_shown_and_proposed(calls: Calls, c2c: Invoke, change: list[str]) -> None:
    result = c2c(*change, "--yes")
    assert result.exit_code == 0, result.output
    shown = text(result.stdout)
    assert "milestone Go-live: 6000.00 EUR -> 7000.00 EUR" in shown
    assert "10000.00 EUR -> 11000.00 EUR" in shown
    assert "c2c approvals list" in shown
    order = calls.message
    assert (order.number, order.by, order.reason) == (1, "pm@northwind.example", "more scope")
    assert order.reprice == {"live": "7000.00"}
    document = json.loads(c2c(*change, "--yes", "--json").stdout)
    assert document["difference"] == "1000.00 EUR"
    assert document["outcome"]["stage"] == "active"


@pytest.mark.parametrize(("answer", "proposed"), [("n\n", False), ("y\n", True)])
def test_a_person_is_asked_before_it_is_proposed(
    calls: Calls,
    c2c: Invoke,
    change: list[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    proposed: bool,
) -> None:
    monkeypatch.setattr(session.Session, "_may_ask", property(lambda _: True))
    assert c2c(*change, stdin=answer).exit_code == (ExitCode.OK if proposed else ExitCode.REFUSED)
    assert (calls.last[0] == "propose_change") is proposed
    assert c2c(*change, "--yes").exit_code == 0


def test_who_proposes_it_and_its_number_are_not_taken_from_the_file(
    calls: Calls, c2c: Invoke, change: list[str]
) -> None:
    calls.answer("contract", examples.contract_state(change_orders=2))
    stated = json.dumps({"number": 9, "by": "somebody", "reason": "x", "drop": ["course"]})
    line = ["contract", "change", REF, "-", *BY, "--yes", "--reason", "less scope"]
    assert c2c(*line, stdin=stated).exit_code == 0
    order = calls.message
    assert (order.number, order.by, order.reason) == (3, "pm@northwind.example", "less scope")


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"reason": "x", "repricing": {}}, "repricing"),
        ({"drop": ["course"]}, "reason"),
        ({"reason": "x", "drop": ["phase-9"]}, "drop.0"),
        ({"reason": "x", "reprice": {"live": "7000.001"}}, "reprice.live"),
        ({"reason": "x", "set": {"customer.name": "Other"}}, "customer.name"),
    ],
)
def test_a_change_order_that_cannot_be_is_told_before_it_is_sent(
    calls: Calls, c2c: Invoke, change: list[str], stated: dict[str, Any], field: str
) -> None:
    result = c2c("contract", "change", REF, "-", *BY, "--json", stdin=json.dumps(stated))
    assert result.exit_code == ExitCode.REFUSED
    problems = json.loads(result.stdout)["error"]["problems"]
    assert field in {item["field"] for item in problems}
    assert "propose_change" not in [name for name, _, _ in calls.made]


def test_there_is_nothing_to_change_before_the_contract_is_validated(
    calls: Calls, c2c: Invoke, change: list[str]
) -> None:
    calls.answer("contract", examples.contract_state(contract=None))
    result = c2c(*change, "--yes")
    assert result.exit_code == ExitCode.REFUSED
    assert "nothing to change yet" in result.stderr


def test_what_the_workflow_refuses_reaches_the_person(
    calls: Calls, c2c: Invoke, change: list[str]
) -> None:
    calls.answer("propose_change", Refused("live is billed"))
    result = c2c(*change, "--yes")
    assert result.exit_code == ExitCode.REFUSED
    assert "live is billed" in result.stderr


def test_a_change_order_that_was_proposed_by_the_same_request_is_not_proposed_again(
    calls: Calls, c2c: Invoke, change: list[str]
) -> None:
    assert c2c(*change, "--yes", "--request-id", "r-1").exit_code == 0
    first = calls.last
    assert first[2] == {"request_id": "r-1"}
    known = (Answer(request_id="r-1", digest=digest(calls.message)),)
    calls.answer("contract", examples.contract_state(change_orders=3, answers=known))
    result = c2c(*change, "--request-id", "r-1")
    assert result.exit_code == 0, result.output
    assert "was proposed before" in result.stdout
    assert calls.last == first, "the workflow knows it by the same message under the same id"
    assert c2c(*change, "--yes", "--request-id", "r-2").exit_code == 0
    assert calls.message.number == 4


# --- holds and ends -----------------------------------------------------------------------------


def test_holds(calls: Calls, c2c: Invoke) -> None:
    calls.answer("set_hold", OUTCOME)
    line = ["contract", "hold", REF, "billing", *BY]
    assert c2c(*line).exit_code == ExitCode.USAGE
    result = c2c(*line, "--reason", "audit", "--until", "2026-04-30")
    assert text(result.stdout) == f"Billing of {REF} is on hold until 2026-04-30 has passed."
    held = calls.message.hold
    assert (calls.message.kind, held.until, held.reason) == (
        HoldKind.BILLING,
        date(2026, 4, 30),
        "audit",
    )
    assert c2c("contract", "hold", REF, "both", *BY, "--reason", "x").exit_code == ExitCode.USAGE
    release = ["contract", "release-hold", REF, "dunning", *BY]
    assert c2c(*release, "--request-id", "r-1").exit_code == 0
    assert calls.last[2] == {"request_id": "r-1"}
    assert (calls.message.kind, calls.message.hold) == (HoldKind.DUNNING, None)


def test_terminate(calls: Calls, c2c: Invoke) -> None:
    calls.answer("terminate", OUTCOME)
    line = ["contract", "terminate", REF, *BY, "--reason", "merger", "--on", "2026-06-30"]
    assert c2c(*line).exit_code == ExitCode.USAGE
    assert c2c(*line, "--side", "customer").exit_code == 0
    assert (calls.message.side, calls.message.on) == (Side.CUSTOMER, date(2026, 6, 30))
    assert calls.message.agreed is False
    assert c2c(*line, "--side", "firm", "--agreed").exit_code == 0
    assert calls.message.agreed is True


def test_notice(calls: Calls, c2c: Invoke) -> None:
    calls.answer("give_notice", OUTCOME)
    assert c2c("contract", "notice", REF, "--side", "firm", *BY).exit_code == 0
    assert calls.message.on is None
    line = ["contract", "notice", REF, "--side", "customer", *BY, "--on", "2026-06-30"]
    assert c2c(*line).exit_code == 0
    assert calls.message.on == date(2026, 6, 30)


# --- credits ------------------------------------------------------------------------------------


def test_credit(calls: Calls, c2c: Invoke) -> None:
    calls.answer("request_credit", OUTCOME)
    line = ["contract", "credit", REF, "2", *BY, "--reason", "wrong rate"]
    assert f"All that is left of {REF}/2" in text(c2c(*line).stdout)
    assert (calls.message.number, calls.message.amount) == (2, None)
    result = c2c(*line, "--amount", "100.00 EUR", "--reinvoice")
    assert f"100.00 EUR of {REF}/2" in text(result.stdout)
    assert "proposed again" in result.stdout
    assert calls.message.reinvoice is True
    for wrong in (["--amount", "100"], ["--amount", "x EUR"]):
        result = c2c(*line, *wrong)
        assert result.exit_code == ExitCode.USAGE
        assert "--amount" in result.stderr


def test_service_credit(calls: Calls, c2c: Invoke) -> None:
    calls.answer("credit_service", OUTCOME)
    line = ["contract", "service-credit", REF, "desk", *BY, "--reason", "down", "--amount"]
    assert c2c(*line, "50 EUR").exit_code == ExitCode.USAGE
    assert c2c(*line, "50 EUR", "--reference", "sla-1").exit_code == 0
    sent = calls.message
    assert (sent.retainer, sent.reference, sent.amount) == ("desk", "sla-1", examples.euros("50"))


def test_a_person_says_that_it_is_signed(calls: Calls, c2c: Invoke) -> None:
    calls.answer("confirm_signature", OUTCOME)
    line = ["contract", "signed", REF, *BY]
    assert c2c(*line).exit_code == ExitCode.USAGE
    result = c2c(*line, "--reason", "on paper", "--on", "2026-03-02")
    assert (result.exit_code, result.stdout) == (0, f"{REF} is signed: it is set up in Odoo.\n")
    assert (calls.message.reason, str(calls.message.on)) == ("on paper", "2026-03-02")


def test_release_retainage(calls: Calls, c2c: Invoke) -> None:
    calls.answer("release_retainage", OUTCOME)
    line = ["contract", "release-retainage", REF, *BY]
    assert c2c(*line).exit_code == ExitCode.USAGE
    assert c2c(*line, "--reason", "accepted").exit_code == 0
    assert calls.message.reason == "accepted"


def test_refresh(calls: Calls, c2c: Invoke) -> None:
    told = ("requested_by: sam -> ana", "not taken: name")
    calls.answer("refresh_customer", OUTCOME)
    calls.answer("contract", examples.contract_state(refreshed=told))
    result = c2c("contract", "refresh", REF, *BY)
    assert result.stdout == "requested_by: sam -> ana\nnot taken: name\n"
    calls.answer("contract", examples.contract_state())
    assert "nothing changed" in c2c("contract", "refresh", REF, *BY).stdout
    assert json.loads(c2c("contract", "refresh", REF, *BY, "--json").stdout)["changes"] == []


def test_burn(calls: Calls, c2c: Invoke) -> None:
    burned = ServiceBurn(service="build", hours=Decimal(45), cost=Money("2250.00", "EUR"))
    burn = Burn(services=(burned,), as_of=examples.NOON)
    calls.answer("read_burn", OUTCOME)
    calls.answer("contract", examples.contract_state(burn=burn))
    result = c2c("contract", "burn", REF, *BY)
    assert "In all: 45 hours, 2250.00 EUR\n" in result.stdout
    shown = json.loads(c2c("contract", "burn", REF, *BY, "--json").stdout)
    assert shown["burn"][-1]["hours"] == "45"
    statement = c2c("contract", "statement", REF).stdout
    assert "In all: 45 hours, 2250.00 EUR" in statement


def test_an_early_end_is_withdrawn(calls: Calls, c2c: Invoke) -> None:
    calls.answer("withdraw_termination", OUTCOME)
    result = c2c("contract", "withdraw-termination", REF, *BY, "--reason", "agreed")
    assert "goes on" in text(result.stdout)
    assert calls.message.reason == "agreed"


def test_unreach(calls: Calls, c2c: Invoke) -> None:
    calls.answer("unreach_milestone", OUTCOME)
    line = ["milestone", "unreach", REF, "design", *BY]
    assert c2c(*line, "--reason", "not accepted").exit_code == 0
    assert (calls.message.milestone, calls.message.reason) == ("design", "not accepted")


# --- usage --------------------------------------------------------------------------------------

CSV = "id,plan,on,quantity\nr-1,shipments,2026-02-01,12.5\nr-2,shipments,2026-02-02,3\n"


@pytest.mark.parametrize(
    "stated",
    [
        CSV,
        '[{"id": "r-1", "plan": "shipments", "on": "2026-02-01", "quantity": 12.5},'
        ' {"id": "r-2", "plan": "shipments", "on": "2026-02-02", "quantity": 3}]',
        '{"records": [{"id": "r-1", "plan": "shipments", "on": "2026-02-01", "quantity": "12.5"},'
        ' {"id": "r-2", "plan": "shipments", "on": "2026-02-02", "quantity": "3"}]}',
    ],
    ids=["csv", "list", "object"],
)
def test_usage_is_read_from_csv_or_json(calls: Calls, c2c: Invoke, stated: str) -> None:
    calls.answer("record_usage", UsageTaken(taken=1, known=1))
    result = c2c("usage", "record", REF, "-", stdin=stated)
    assert result.exit_code == 0, result.output
    assert result.stdout == "1 taken, 1 known already, 0 refused.\n"
    first, second = calls.message.records
    assert (first.id, first.on, str(first.quantity)) == ("r-1", date(2026, 2, 1), "12.5")
    assert str(second.quantity) == "3"


def test_refused_usage_is_named_and_fails(calls: Calls, c2c: Invoke) -> None:
    calls.answer("record_usage", UsageTaken(taken=1, refused=["shipments r-2: outside the plan"]))
    result = c2c("usage", "record", REF, "-", stdin=CSV)
    assert result.exit_code == ExitCode.REFUSED
    assert "Refused: shipments r-2: outside the plan" in result.stdout
    document = json.loads(c2c("usage", "record", REF, "-", "--json", stdin=CSV).stdout)
    assert document == {"taken": 1, "known": 0, "refused": ["shipments r-2: outside the plan"]}


def test_many_records_go_in_several_messages(
    calls: Calls, c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contracts, "RECORDS_AT_ONCE", 1)
    calls.answer("record_usage", UsageTaken(taken=1))
    assert c2c("usage", "record", REF, "-", stdin=CSV).stdout.startswith("2 taken")
    assert [len(arguments[1].records) for _, arguments, _ in calls.made] == [1, 1]


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("id,plan,on,quantity\n", "no records"),
        ("id,plan\nr-1,shipments,2026-02-01\n", "another number of columns"),
        ('{"rows": []}', "a list of records"),
        ('[{"id": "r-1"', "a JSON document"),
        ('id,plan,on,quantity\n"r-1,shipments,2026-02-01,1\n', "a CSV document"),
    ],
)
def test_a_file_that_holds_no_records(calls: Calls, c2c: Invoke, stated: str, told: str) -> None:
    result = c2c("usage", "record", REF, "-", stdin=stated)
    assert result.exit_code in (ExitCode.USAGE, ExitCode.REFUSED)
    assert told in text(result.stderr)
    assert calls.made == []


def test_a_record_that_is_wrong_is_named_by_its_row_and_nothing_is_sent(
    calls: Calls, c2c: Invoke
) -> None:
    wrong = CSV + "r-3,shipments,2026-02-30,1\nr-4,shipments,2026-02-03,-1\n"
    result = c2c("usage", "record", REF, "-", "--json", stdin=wrong)
    assert result.exit_code == ExitCode.REFUSED
    problems = json.loads(result.stdout)["error"]["problems"]
    assert [item["field"] for item in problems] == ["records.2.on", "records.3.quantity"]
    assert calls.made == []


# --- what is shown ------------------------------------------------------------------------------


def test_show_has_plans_documents_and_what_is_agreed(calls: Calls, c2c: Invoke) -> None:
    calls.answer("contract", managed())
    shown = text(c2c("contract", "show", REF).stdout)
    assert "3000.00 EUR each month in advance, 20 hours included" in shown
    assert "2026-02-01 (February 2026)" in shown
    assert "1645.16 EUR" in shown
    assert "INV/2026/00001" in shown
    assert "unless notice is given by 2026-10-02" in shown


def test_show_has_a_pending_change_order(calls: Calls, c2c: Invoke) -> None:
    state = examples.contract_state()
    assert state.contract
    order = ChangeOrder(number=1, by="pm", reason="more scope", reprice={"live": "7000.00"})
    found = changing.preview(state, order)
    change = PendingChange(
        order=order, contract_data={}, contract=found.after, changes=tuple(found.changes)
    )
    calls.answer("contract", state.replace(change=change))
    shown = text(c2c("contract", "show", REF).stdout)
    assert "Change order 1 by pm awaits approval: more scope" in shown
    assert "Change order 1: milestone Go-live: 6000.00 EUR -> 7000.00 EUR" in shown


def test_versions(calls: Calls, c2c: Invoke) -> None:
    line = ["contract", "versions", REF]
    calls.answer("contract", examples.contract_state())
    assert c2c(*line).exit_code == ExitCode.REFUSED
    history = [
        ContractVersion(
            version=number,
            on=examples.MONDAY,
            by="pm",
            reason=reason,
            changes=changes,
            fixed_price=examples.euros("10000.00"),
        )
        for number, reason, changes in ((1, "signed", []), (2, "more", ["ends_on: a -> b"]))
    ]
    calls.answer("contract", examples.contract_state(versions=history))
    shown = text(c2c(*line).stdout)
    assert "signed" in shown
    assert "ends_on: a -> b" in shown
    assert len(json.loads(c2c(*line, "--json").stdout)["versions"]) == 2


def test_statement(calls: Calls, c2c: Invoke) -> None:
    line = ["contract", "statement", REF]
    calls.answer("contract", mixed())
    shown = c2c(*line).stdout
    assert "Development by the hour" in shown
    assert "41400.00 EUR" in shown
    assert "-100.00 EUR" in shown
    assert "defect" not in shown
    document = json.loads(c2c(*line, "--json").stdout)
    assert document["value"] == "41400.00 EUR"
    calls.answer("contract", examples.contract_state(contract=None))
    assert c2c(*line).exit_code == ExitCode.REFUSED


# --- the closing record -------------------------------------------------------------------------


@pytest.fixture
def audited(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """A contract whose close-out would find one thing off."""

    class Odoo:
        def close(self) -> None:
            calls.made.append(("close", (), {}))

    checks = [
        Check(name="everything is billed"),
        Check(name="no invoice is open", problems=("INV/1 has 5.00 EUR open",)),
    ]
    monkeypatch.setattr("wiring.settings.load_settings", lambda: object())
    monkeypatch.setattr(remotes, "odoo", lambda _settings: Odoo())
    calls.answer("contract", mixed())
    calls.answer("close_out", CloseOut('{"contract": 1}', "ab" * 32, checks), closing)
    return calls


def test_close_out_prints_the_record_itself(audited: Calls, c2c: Invoke) -> None:
    assert c2c("contract", "close-out", REF).stdout == '{"contract": 1}\n'
    assert audited.last[0] == "close"


def test_close_out_writes_a_file_and_shows_the_checks(
    audited: Calls, c2c: Invoke, tmp_path: Path
) -> None:
    file = tmp_path / "closing.json"
    result = c2c("contract", "close-out", REF, "-o", str(file))
    assert result.exit_code == 0, result.output
    assert json.loads(file.read_text()) == {"contract": 1}
    assert "INV/1 has 5.00 EUR open" in result.stdout
    assert "ab" * 32 in result.stdout
    document = json.loads(c2c("contract", "close-out", REF, "-o", str(file), "--json").stdout)
    assert document["passes"] is False
    result = c2c("contract", "close-out", REF, "-o", str(tmp_path / "no" / "file"))
    assert result.exit_code == ExitCode.USAGE
    assert "cannot be written" in result.stderr


def test_close_out_needs_the_configuration(calls: Calls, c2c: Invoke) -> None:
    calls.answer("contract", mixed())
    assert c2c("contract", "close-out", REF).exit_code == ExitCode.CONFIGURATION


async def test_there_is_nothing_to_close_without_an_order() -> None:
    with pytest.raises(Refused, match="no order in Odoo"):
        await closing.close_out(object(), examples.contract_state())  # type: ignore[arg-type]


class Books:
    """An Odoo in which the order of the mixed contract has nothing invoiced."""

    def read(self, _model: str, _ids: list[int], fields: list[str]) -> list[dict[str, Any]]:
        order = {
            "amount_untaxed": 40000.0,
            "currency_id": [1, "EUR"],
            "invoice_ids": [],
            "state": "sale",
            "origin": "contract/northwind/C-1004",
        }
        return [{name: order[name] for name in fields}]

    def search_read(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return []


async def test_the_close_out_compares_with_odoos_own_figures() -> None:
    state = mixed()
    state = state.replace(odoo=state.odoo.model_copy(update={"project_id": 7}))
    found = await closing.close_out(Books(), state)  # type: ignore[arg-type]
    record = json.loads(found.text)
    assert record["odoo"]["total"] == "40000.00 EUR"
    assert len(record["invoices"]) == len(mixed().invoices)
    assert found.sha256 == hashlib.sha256(found.text.encode()).hexdigest()
    failing = [item.name for item in found.checks if not item.passes]
    assert "everything is billed" in failing
    assert "the order says what was agreed" not in failing
    assert not found.passes


def test_the_reference_leads_to_the_workflow(calls: Calls, c2c: Invoke) -> None:
    calls.answer("set_hold", OUTCOME)
    c2c("contract", "release-hold", REF, "billing", *BY)
    assert calls.last[1][0] == CONTRACT


def test_the_change_order_on_the_page_can_be_proposed(calls: Calls, c2c: Invoke) -> None:
    page = (Path(__file__).parents[2] / "docs" / "change-and-end.md").read_text()
    [shown] = re.findall(r"^```toml\n(reason = .*?)^```$", page, re.MULTILINE | re.DOTALL)
    calls.answer("contract", active(example("mixed")))
    calls.answer("propose_change", OUTCOME)
    result = c2c("contract", "change", "northwind/C-1004", "-", *BY, "--yes", "--json", stdin=shown)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["difference"] == "1000.00 EUR"


def test_a_change_of_what_is_billed_is_refused_before_anybody_is_asked(
    calls: Calls, c2c: Invoke
) -> None:
    calls.answer("contract", mixed())
    order = 'reason = "cheaper"\nreprice = { pilot = "1.00" }\n'
    result = c2c("contract", "change", "northwind/C-1004", "-", *BY, "--json", stdin=order)
    assert result.exit_code == 1
    assert "already_billed" in result.output
