"""`c2c approvals`: lists, one decision, many at once. The workflows behind it are faked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contracts.agenda.requests import digest
from contracts.agenda.state import Answer
from contracts.approvals import ApprovalDecision, ApprovalKind, ApprovalRound, Decision
from contracts.money import Money
from starters.cli import app, session
from starters.cli.errors import ExitCode
from starters.cli.options import PERSON_VARIABLE
from starters.client import (
    C2C,
    MAX_LISTED,
    Awaiting,
    BadReference,
    NoAnswer,
    NotFound,
    Refused,
    calls,
    listing,
)
from starters.client.protocol import Query
from tests.unit.examples import invoice_state
from tests.unit.rounds import ANA, BOB, CLEO, DORA, MONDAY, round_of
from wiring.settings import ConfigurationError

CONTRACT = "contract/northwind/C-1"

Invoke = Callable[..., Result]


class Firm:
    """Stands for the workflows: open rounds by workflow id, decided as a workflow would."""

    def __init__(self) -> None:
        self.rounds: dict[str, ApprovalRound] = {}
        self.broken: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.decisions: list[ApprovalDecision] = []
        self.answers: list[Answer] = []

    def invoice(self, number: int = 1, amount: str = "3000.00 EUR", **changes: Any) -> str:
        workflow_id = f"{CONTRACT}/invoice/{number}"
        self.rounds[workflow_id] = round_of(number, amount, **changes)
        return workflow_id

    async def ids(self, _client: object, where: str, limit: int) -> tuple[list[str], bool]:
        self.asked.append(where)
        return list(self.rounds)[:limit], len(self.rounds) > limit

    async def query(self, _client: object, workflow_id: str, query: Query[Any]) -> Any:
        if query.name in ("contract", "invoice"):
            return invoice_state(answers=tuple(self.answers))
        if workflow_id in self.broken:
            raise self.broken[workflow_id]
        if workflow_id not in self.rounds:
            raise NotFound(f"nothing is known under {workflow_id}")
        found = self.rounds[workflow_id]
        return [] if found.is_decided else [found.model_copy(deep=True)]

    async def update(
        self,
        _client: object,
        workflow_id: str,
        _update: object,
        decision: ApprovalDecision,
        *,
        request_id: str | None = None,
        sign: object = None,
    ) -> ApprovalRound:
        known = [item for item in self.answers if item.request_id == request_id]
        if known and known[0].digest != digest(decision):
            raise Refused("accepted before, with another message")
        if known:
            return ApprovalRound.model_validate(known[0].content)
        self.decisions.append(decision)
        found = self.rounds[workflow_id]
        refusal = found.refusal(decision, MONDAY)
        if refusal:
            raise Refused(refusal)
        decided = found.decided(decision, datetime(2026, 3, 2, 12, tzinfo=UTC))
        self.rounds[workflow_id] = decided
        if request_id:
            content = decided.model_dump(mode="json")
            self.answers.append(
                Answer(request_id=request_id, digest=digest(decision), content=content)
            )
        return decided


@pytest.fixture
def firm(monkeypatch: pytest.MonkeyPatch) -> Firm:
    async def connect() -> object:
        config = SimpleNamespace(target_host="localhost:7233")
        return SimpleNamespace(namespace="default", service_client=SimpleNamespace(config=config))

    def unconfigured() -> None:
        raise ConfigurationError("there is no configuration")

    monkeypatch.setattr("wiring.client.connect", connect)
    monkeypatch.setattr("wiring.settings.load_settings", unconfigured)
    for variable in (session.ENTITY_VARIABLE, PERSON_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    firm = Firm()
    monkeypatch.setattr(listing, "workflow_ids", firm.ids)
    monkeypatch.setattr(calls, "query", firm.query)
    monkeypatch.setattr(calls, "update", firm.update)
    return firm


@pytest.fixture
def c2c() -> Invoke:
    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, ["approvals", *arguments], input=stdin)

    return invoke


def everything(firm: Firm) -> None:
    """One of each kind."""
    firm.invoice(1, total=Money.parse("3630.00 EUR"))
    firm.invoice(
        2,
        "-100.00 EUR",
        kind=ApprovalKind.CREDIT_NOTE,
        title="credit note 2 of C-1 for Acme NV",
        total=Money.parse("-121.00 EUR"),
    )
    firm.invoice(3, "450.00 EUR", kind=ApprovalKind.WRITE_OFF, title="write-off of INV/7")
    firm.rounds["contract/northwind/C-2"] = round_of(
        4,
        "20000.00 EUR",
        kind=ApprovalKind.CHANGE_ORDER,
        title="change order 1 of C-2",
        customer_key="harbour",
        customer_name="Harbour Logistics",
    )


# --- lists --------------------------------------------------------------------------------------


def test_the_list_shows_every_kind_with_tax_and_total(firm: Firm, c2c: Invoke) -> None:
    everything(firm)
    lines = c2c("list").stdout.splitlines()

    def row(reference: str) -> str:
        [found] = [line for line in lines if line.split()[:1] == [reference]]
        return found

    assert "3000.00 EUR" in row("northwind/C-1/1")
    assert "630.00 EUR" in row("northwind/C-1/1")
    assert "3630.00 EUR" in row("northwind/C-1/1")
    assert "credit note 2 of C-1" in row("northwind/C-1/2")
    assert "121.00 EUR" in row("northwind/C-1/2")
    assert "450.00 EUR" in row("northwind/C-1/3")
    assert "change order 1 of C-2" in row("northwind/C-2")
    assert "1" * 12 in row("northwind/C-1/1")
    assert "1 approval by" in row("northwind/C-1/1")


def test_the_list_as_a_document_has_no_float_and_all_that_is_bound(firm: Firm, c2c: Invoke) -> None:
    everything(firm)
    items = json.loads(c2c("list", "--json").stdout)["approvals"]
    assert [item["kind"] for item in items] == [
        "invoice",
        "credit_note",
        "write_off",
        "change_order",
    ]
    first = items[0]
    assert (first["of"], first["amount"]) == ("northwind/C-1/1", "3000.00 EUR")
    assert (first["tax"], first["total"]) == ("630.00 EUR", "3630.00 EUR")
    assert first["content_hash"] == "1" * 64
    assert items[2]["tax"] is None
    assert items[3]["total"] is None


def test_the_longest_waiting_comes_first(firm: Firm, c2c: Invoke) -> None:
    firm.invoice(1)
    firm.invoice(2)
    early = firm.rounds[f"{CONTRACT}/invoice/2"]
    requirement = early.requirement.model_copy(update={"asked_on": date(2026, 2, 1)})
    early = early.model_copy(update={"requirement": requirement})
    firm.rounds[f"{CONTRACT}/invoice/2"] = early
    items = json.loads(c2c("list", "--json").stdout)["approvals"]
    assert [item["of"] for item in items] == ["northwind/C-1/2", "northwind/C-1/1"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--customer", "ACME"], ["C-1/1", "C-1/2", "C-1/3"]),
        (["--customer", "harbour logistics"], ["C-2"]),
        (["--customer", "nobody"], []),
        (["--up-to", "450.00 EUR"], ["C-1/2", "C-1/3"]),
        (["--up-to", "449.99 EUR"], ["C-1/2"]),
        (["--up-to", "100000 USD"], []),
        (["--kind", "change_order"], ["C-2"]),
        (["--customer", "acme", "--up-to", "1000 EUR", "--kind", "write_off"], ["C-1/3"]),
    ],
)
def test_the_list_can_be_narrowed(
    firm: Firm, c2c: Invoke, options: list[str], found: list[str]
) -> None:
    everything(firm)
    items = json.loads(c2c("list", "--json", *options).stdout)["approvals"]
    assert [item["of"] for item in items] == [f"northwind/{name}" for name in found]


def test_an_amount_to_narrow_by_has_a_currency(firm: Firm, c2c: Invoke) -> None:
    result = c2c("list", "--up-to", "450")
    assert result.exit_code == ExitCode.USAGE
    assert "with its currency" in result.stderr


def test_an_empty_list_says_so(firm: Firm, c2c: Invoke) -> None:
    assert c2c("list").stdout == ("Nothing awaits approval at localhost:7233, namespace default.\n")


def test_approvals_beside_a_parked_step_are_found_and_only_of_the_entity(
    firm: Firm, c2c: Invoke
) -> None:
    assert c2c("list", "--entity", "northwind").exit_code == 0
    [where] = firm.asked
    assert "'exception'" in where
    assert where.endswith("AND LegalEntity = 'northwind'")
    assert c2c("list", "--entity", "x' OR 1=1").exit_code == ExitCode.USAGE


def test_one_unreadable_workflow_does_not_hide_the_rest(firm: Firm, c2c: Invoke) -> None:
    everything(firm)
    firm.broken[f"{CONTRACT}/invoice/1"] = NoAnswer("no worker")
    result = c2c("list")
    assert result.exit_code == 0
    assert "northwind/C-1/2" in result.stdout
    assert "northwind/C-1/1 is left out: no worker" in result.stderr


def test_a_list_that_may_be_cut_says_so(
    firm: Firm, c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def many(*_: object) -> tuple[list[str], bool]:
        return [], True

    monkeypatch.setattr(listing, "workflow_ids", many)
    assert f"only the newest {MAX_LISTED}" in c2c("list").stderr
    assert json.loads(c2c("list", "--json").stdout)["more"] is True


# --- one ----------------------------------------------------------------------------------------


def test_approving_binds_to_what_was_shown(firm: Firm, c2c: Invoke) -> None:
    firm.invoice(total=Money.parse("3630.00 EUR"))
    result = c2c("approve", "northwind/C-1/1", "--by", ANA, "--yes")
    assert result.exit_code == 0, result.output
    for shown in ("Design: 3000.00 EUR", "630.00 EUR", "3630.00 EUR", "up to 10000.00 EUR: 1 of"):
        assert shown in result.stdout
    assert "Approved 3000.00 EUR: it is posted and sent now." in result.stdout
    [decision] = firm.decisions
    assert (decision.content_hash, decision.amount) == ("1" * 64, Money.parse("3000.00 EUR"))
    assert decision.by == ANA


def test_who_is_still_needed_is_said(firm: Firm, c2c: Invoke) -> None:
    firm.invoice(kind=ApprovalKind.WRITE_OFF)
    first = c2c("approve", "northwind/C-1/1", "--by", ANA, "--yes")
    assert f"still needed: 1 approval by {CLEO}, {DORA} (directors)" in first.stdout
    last = c2c("approve", "northwind/C-1/1", "--by", CLEO, "--yes")
    assert "Approved 3000.00 EUR: it is written off now." in last.stdout


def test_a_change_order_is_approved_by_its_contract(firm: Firm, c2c: Invoke) -> None:
    everything(firm)
    result = c2c("approve", "northwind/C-2", "--by", CLEO, "--yes")
    assert "the contract changes now" in result.stdout


def test_a_refusal_is_told_with_its_reason(firm: Firm, c2c: Invoke) -> None:
    firm.invoice()
    result = c2c("approve", "northwind/C-1/1", "--by", CLEO, "--yes")
    assert result.exit_code == ExitCode.REFUSED
    assert "may not decide this" in result.stderr
    missing = c2c("approve", "northwind/C-9/1", "--by", ANA, "--yes")
    assert missing.exit_code == ExitCode.NOT_FOUND
    c2c("approve", "northwind/C-1/1", "--by", ANA, "--yes")
    again = c2c("approve", "northwind/C-1/1", "--by", BOB, "--yes")
    assert again.exit_code == ExitCode.REFUSED
    assert "northwind/C-1/1: nothing awaits approval there" in again.stderr


def test_another_content_than_named_is_not_approved(firm: Firm, c2c: Invoke) -> None:
    firm.invoice()
    line = ["approve", "northwind/C-1/1", "--by", ANA, "--yes", "--hash"]
    result = c2c(*line, "0" * 12)
    assert result.exit_code == ExitCode.REFUSED
    assert f"the proposal is {'1' * 12} now, not {'0' * 12}; look at it again" in result.stderr
    assert firm.decisions == []
    assert c2c(*line, "1" * 12).exit_code == 0


@pytest.mark.parametrize(("answer", "approved"), [("n\n", False), ("y\n", True)])
@pytest.mark.parametrize("what", [["northwind/C-1/1"], ["--all"]])
def test_a_person_is_asked(
    firm: Firm,
    c2c: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    approved: bool,
    what: list[str],
) -> None:
    monkeypatch.setattr(session.Session, "_may_ask", property(lambda _: True))
    firm.invoice()
    result = c2c("approve", *what, "--by", ANA, stdin=answer)
    assert bool(firm.decisions) is approved
    assert result.exit_code == (ExitCode.OK if approved else ExitCode.REFUSED)


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("what", [["northwind/C-1/1"], ["--all"]])
def test_a_question_that_nobody_can_answer_is_refused(
    firm: Firm, c2c: Invoke, what: list[str], options: list[str]
) -> None:
    firm.invoice()
    result = c2c("approve", *what, "--by", ANA, *options, stdin="y\n")
    assert result.exit_code == ExitCode.REFUSED
    assert "--yes" in result.stderr
    assert firm.decisions == []


def test_who_says_yes_is_not_asked(
    firm: Firm, c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.Session, "_may_ask", property(lambda _: True))
    firm.invoice()
    assert c2c("approve", "northwind/C-1/1", "--by", ANA, "--yes").exit_code == 0
    assert len(firm.decisions) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "c2c exceptions show northwind/C-1"),
        ({"kind": ApprovalKind.WRITE_OFF}, "collected as before"),
        ({"kind": ApprovalKind.CHANGE_ORDER}, "The contract stays as it is"),
    ],
)
def test_a_rejection_says_why_and_what_follows(
    firm: Firm, c2c: Invoke, change: dict[str, Any], told: str
) -> None:
    firm.invoice(**change)
    line = ["reject", "northwind/C-1/1", "--by", ANA]
    assert c2c(*line).exit_code == ExitCode.USAGE
    result = c2c(*line, "--comment", "wrong price")
    assert result.exit_code == 0, result.output
    assert told in result.stdout
    [decision] = firm.decisions
    assert (decision.decision, decision.comment) == (Decision.REJECT, "wrong price")
    # It rejects what was read, not what came in its place meanwhile.
    assert decision.content_hash == "1" * 64
    assert firm.rounds[f"{CONTRACT}/invoice/1"].is_rejected


@pytest.mark.parametrize(
    "line", [["approve", "--yes"], ["reject", "--comment", "no"]], ids=["approve", "reject"]
)
def test_the_same_request_decides_once_and_gets_the_first_answer(
    firm: Firm, c2c: Invoke, line: list[str]
) -> None:
    firm.invoice()
    line = [*line, "northwind/C-1/1", "--by", ANA, "--json", "--request-id", "r-1"]
    first = c2c(*line)
    assert first.exit_code == 0, first.output
    again = c2c(*line)
    assert again.exit_code == 0, again.output
    outcomes = [json.loads(result.stdout) for result in (first, again)]
    if "approve" in line:
        assert outcomes[0] == outcomes[1]
    other = {"approve": ["reject", "--comment", "no"], "reject": ["approve", "--yes"]}[line[0]]
    result = c2c(*other, *line[-6:])
    assert result.exit_code == ExitCode.REFUSED
    assert "with another message" in result.stderr
    assert len(firm.decisions) == 1


# --- many ---------------------------------------------------------------------------------------


def test_one_refusal_does_not_stop_the_rest(firm: Firm, c2c: Invoke) -> None:
    everything(firm)
    references = [f"northwind/{name}" for name in ("C-1/1", "C-2", "C-1/9", "C-1/2", "C-1/1")]
    result = c2c("approve", *references, "--by", ANA, "--yes", "--json")
    assert result.exit_code == ExitCode.REFUSED
    document = json.loads(result.stdout)
    outcomes = {item["of"]: item["outcome"] for item in document["approvals"]}
    assert outcomes == {
        "northwind/C-1/1": "approved",
        "northwind/C-2": "refused",
        "northwind/C-1/9": "refused",
        "northwind/C-1/2": "approved",
    }
    assert document["refused"] == 2
    messages = {item["of"]: item["message"] for item in document["approvals"]}
    assert "may not decide" in messages["northwind/C-2"]
    assert "nothing is known" in messages["northwind/C-1/9"]
    table = c2c("approve", "northwind/C-1/3", "northwind/C-2", "--by", ANA, "--yes")
    assert table.exit_code == ExitCode.REFUSED
    assert "refused" in table.stdout
    assert "approved" in table.stdout


def test_all_refused_for_nothing_is_said_of_each(firm: Firm, c2c: Invoke) -> None:
    firm.invoice(1)
    firm.invoice(2)
    both = ["northwind/C-1/1", "northwind/C-1/2"]
    assert c2c("approve", *both, "--by", ANA, "--yes").exit_code == 0
    again = c2c("approve", *both, "--by", BOB, "--yes")
    assert again.exit_code == ExitCode.REFUSED
    assert again.stdout.count("nothing awaits approval there") == 2


def test_all_is_what_the_person_may_approve_and_leaves_the_rest_to_others(
    firm: Firm, c2c: Invoke
) -> None:
    everything(firm)
    document = json.loads(c2c("approve", "--all", "--by", ANA, "--yes", "--json").stdout)
    assert [item["of"] for item in document["approvals"]] == [
        "northwind/C-1/1",
        "northwind/C-1/2",
        "northwind/C-1/3",
    ]
    assert [item["of"] for item in document["left_out"]] == ["northwind/C-2"]
    assert document["refused"] == 0
    told = c2c("approve", "--all", "--by", ANA, "--yes").stdout
    assert "Nothing to approve." in told
    assert "2 more await others" in told


def test_all_can_be_narrowed(firm: Firm, c2c: Invoke) -> None:
    everything(firm)
    line = [
        "approve",
        "--all",
        "-y",
        "--by",
        ANA,
        "--customer",
        "acme",
        "--up-to",
        "450 EUR",
        "--json",
    ]
    document = json.loads(c2c(*line).stdout)
    assert [item["of"] for item in document["approvals"]] == ["northwind/C-1/2", "northwind/C-1/3"]


def test_what_changed_since_it_was_listed_is_refused_and_the_rest_is_not(
    firm: Firm, c2c: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(firm)
    listed = C2C.approvals

    async def and_then_amended(*arguments: Any, **named: Any) -> Any:
        found = await listed(*arguments, **named)
        firm.invoice(1, "2900.00 EUR", content_hash="9" * 64)
        return found

    monkeypatch.setattr(C2C, "approvals", and_then_amended)
    result = c2c("approve", "--all", "--by", ANA, "--yes", "--json")
    assert result.exit_code == ExitCode.REFUSED
    outcomes = json.loads(result.stdout)["approvals"]
    assert [item["outcome"] for item in outcomes] == ["refused", "approved", "approved"]
    assert "names content" in outcomes[0]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["northwind/C-1/1", "--all"],
        ["northwind/C-1/1", "--customer", "acme"],
        ["northwind/C-1/1", "--up-to", "1 EUR"],
        ["--all", "--hash", "1" * 12],
        ["northwind/C-1/1", "northwind/C-1/2", "--hash", "1" * 12],
        ["--all", "--request-id", "r-1"],
        ["C-1/1"],
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    firm: Firm, c2c: Invoke, arguments: list[str]
) -> None:
    firm.invoice()
    assert c2c("approve", *arguments, "--by", ANA).exit_code == ExitCode.USAGE
    assert firm.decisions == []


# --- the functions below ------------------------------------------------------------------------


async def test_an_entity_that_can_be_none_is_no_query(firm: Firm) -> None:
    client: Any = object()
    with pytest.raises(BadReference):
        await C2C(client).approvals(legal_entity="a'b")
    assert firm.asked == []


def test_may_approve_is_the_rules_word_on_the_day() -> None:
    item = Awaiting(f"{CONTRACT}/invoice/1", round_of())
    assert item.may_be_approved_by(ANA)
    assert not item.may_be_approved_by(CLEO)
    assert not item.may_be_approved_by("sam@northwind.example")
