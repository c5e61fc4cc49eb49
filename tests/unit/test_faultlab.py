"""The fault campaign's own parts: what it draws, what it holds against the evidence, its report."""

from __future__ import annotations

import base64
import shlex
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from temporalio.client import WorkflowHistory

from contracts.validation import validate
from faultlab import invariants, report
from faultlab.books import Move
from faultlab.campaign import ALL, Outcome, Plan, ordered, seeds_of
from faultlab.contract_generator import Flavour, customer_name, drawn
from faultlab.invariants import Evidence, Findings, HistorySummary
from faultlab.ledger import Acknowledged, canonical
from faultlab.network_faults import (
    Loss,
    LostAnswers,
    NetworkFaults,
    carriers_of,
    draw_fate,
    is_write,
)
from faultlab.scenario import ScenarioResult
from faultlab.worker_process import CARRIER
from sandbox.proxy import PASSED, Fate, Kind, Request

WORKFLOW = "contract/northwind/scenario-1"
INVOICE = f"{WORKFLOW}/invoice/1"
HASH = "ab" * 32


def scenario(worth: str = "100.00", *, closed: bool = True, **more: Any) -> ScenarioResult:
    ended = ScenarioResult(drawn(1), WORKFLOW, Decimal(worth), closed=closed)
    for name, value in more.items():
        setattr(ended, name, value)
    return ended


def move(untaxed: str = "100.00", **more: Any) -> Move:
    values = {"kind": "out_invoice", "state": "posted", "number": "INV/1", "residual": "0"} | more
    return Move(
        workflow_id=values.get("origin", INVOICE),
        kind=values["kind"],
        state=values["state"],
        number=values["number"],
        untaxed=Decimal(untaxed),
        residual=Decimal(values["residual"]),
    )


def evidence(*moves: Move, **more: Any) -> Evidence:
    by_origin: dict[str, list[Move]] = {}
    for item in moves:
        by_origin.setdefault(item.workflow_id, []).append(item)
    values: dict[str, Any] = {
        "orders": {WORKFLOW: 1},
        "projects": {"Roll-out (scenario-1)": 1},
        "customers": {customer_name(1): 1},
        "closings": {"scenario-1-closing.json": 1},
        "payments": {},
    }
    return Evidence(moves=by_origin, **(values | more))


def result(**more: Any) -> dict[str, Any]:
    return {
        "number": 1,
        "stage": "settled",
        "amount": "100.00 EUR",
        "charges": ["c"],
        "content_hash": HASH,
        "odoo_number": "INV/1",
        "untaxed": "100.00 EUR",
        "total": "100.00 EUR",
        "residual": "0.00 EUR",
    } | more


def approval(**more: Any) -> str:
    said = {"decision": "approve", "content_hash": HASH[:12], "amount": "100.00 EUR"} | more
    return canonical(said)


def summary_with(*approvals: str, **more: Any) -> HistorySummary:
    summary = HistorySummary(started=True, completed=True, result=result(**more))
    summary.approvals = list(approvals)
    return summary


# --- what must be true ------------------------------------------------------------------------


def test_one_of_each_is_right() -> None:
    assert list(invariants.only_one_of_each(scenario(), evidence(move()))) == []


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("customers", {customer_name(1): 2}),
        ("orders", {WORKFLOW: 2}),
        ("projects", {"Roll-out (scenario-1)": 2}),
        ("closings", {"scenario-1-closing.json": 2}),
        ("documents", {"Roll-out (scenario-1)": 2}),
        ("handovers", {"Roll-out (scenario-1)": 2}),
    ],
)
def test_two_of_anything_is_wrong(what: str, found: dict[str, int]) -> None:
    [text] = invariants.only_one_of_each(scenario(), evidence(move(), **{what: found}))
    assert text.startswith("2 ")


def test_what_is_missing_after_the_close_is_wrong() -> None:
    assert list(invariants.only_one_of_each(scenario(), evidence(orders={}))) == ["no orders"]
    assert list(invariants.only_one_of_each(scenario(closed=False), evidence(orders={}))) == []


def test_two_invoices_of_one_proposal_are_wrong_a_cancelled_one_too() -> None:
    one, two = move(), move(state="cancel")
    assert list(invariants.one_invoice_an_obligation(scenario(), evidence(one))) == []
    assert len(list(invariants.one_invoice_an_obligation(scenario(), evidence(one, two)))) == 1


def test_two_payments_of_one_reference_are_wrong() -> None:
    findings = Findings()
    found = evidence(payments={"gw-1-1-1": 2, "gw-1-1-2": 1})
    invariants.one_payment_a_reference({1: scenario()}, found, findings)
    assert findings.wrong == {1: ["payment gw-1-1-1 stands 2 times in Odoo"]}


@pytest.mark.parametrize(
    ("moves", "closed", "right"),
    [
        ([move("100.00")], True, True),
        ([move("99.99")], True, False),
        ([move("99.99")], False, True),
        ([move("100.01")], False, False),
        ([move("150.00"), move("50.00", kind="out_refund")], True, True),
        ([move("100.00"), move("50.00", state="draft")], True, True),
        ([move("100.00", residual="0.01")], True, False),
    ],
)
def test_invoiced_less_credited_is_what_was_agreed(
    moves: list[Move], closed: bool, right: bool
) -> None:
    found = list(invariants.exact_to_the_cent(scenario(closed=closed), evidence(*moves)))
    assert (found == []) is right


def test_a_credit_note_is_approved_as_people_see_it() -> None:
    summaries = {INVOICE: summary_with(approval())}
    note = evidence(move(kind="out_refund"))
    assert list(invariants.nothing_posted_unapproved(scenario(), note, summaries)) == []


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ([approval()], True),
        ([], False),
        ([approval(content_hash="0" * 12)], False),
        ([approval(amount="101.00 EUR")], False),
        ([approval(decision="reject")], False),
        ([approval(content_hash="0" * 12), approval()], True),
    ],
)
def test_a_posted_invoice_needs_an_approval_of_its_content(said: list[str], right: bool) -> None:
    summaries = {INVOICE: summary_with(*said)}
    found = list(invariants.nothing_posted_unapproved(scenario(), evidence(move()), summaries))
    assert (found == []) is right


@pytest.mark.parametrize(
    ("there", "ours", "right"),
    [
        (move(), {}, True),
        (move("100.01"), {}, False),
        (move(number="INV/2"), {}, False),
        (move(state="draft"), {}, False),
        (move(residual="5"), {}, False),
        (move(state="cancel"), {"untaxed": None, "stage": "rejected"}, True),
        (move(), {"untaxed": None, "stage": "rejected"}, False),
    ],
)
def test_odoo_and_the_workflow_have_one_view(
    there: Move, ours: dict[str, Any], right: bool
) -> None:
    billed = f"{there.untaxed if there.state == 'posted' else 0} EUR"
    nothing = dict.fromkeys(("credited", "to_invoice", "total", "paid", "open"), "0.00 EUR")
    money = nothing | {"value": billed, "invoiced": billed, "overdue": "0.00 EUR"}
    outcome = {
        "contract_id": "scenario-1",
        "stage": "closed",
        "ending": "completed",
        "money": money,
    }
    summaries = {
        WORKFLOW: HistorySummary(started=True, completed=True, result=outcome),
        INVOICE: summary_with(**ours),
    }
    found = list(invariants.views_agree(scenario(), evidence(there), summaries))
    assert (found == []) is right


def test_what_was_acknowledged_stands_as_often_in_a_history() -> None:
    summary = HistorySummary(started=True)
    summary.signals["milestone_reached", "{}"] = 2
    acknowledged = [
        Acknowledged(WORKFLOW, "start", "", ""),
        *[Acknowledged(WORKFLOW, "signal", "milestone_reached", "{}")] * 2,
    ]
    assert list(invariants.all_acknowledged_is_kept(acknowledged, {WORKFLOW: summary})) == []
    again = [*acknowledged, Acknowledged(WORKFLOW, "signal", "milestone_reached", "{}")]
    assert len(list(invariants.all_acknowledged_is_kept(again, {WORKFLOW: summary}))) == 1
    assert len(list(invariants.all_acknowledged_is_kept(acknowledged, {}))) == 2


# --- what is drawn ----------------------------------------------------------------------------


def test_a_seed_always_signs_the_same_contract_and_every_one_is_valid() -> None:
    for seed in range(1, 60):
        generated = drawn(seed)
        assert generated == drawn(seed)
        added = {"payment_term": "30 Days", "source": {"system": "file", "id": "x"}}
        contract = validate(generated.contract_data | added)
        assert contract.fixed_price.amount == sum(generated.amounts)


def test_every_flavour_is_drawn_and_comes_early() -> None:
    seeds = range(1, 301)
    assert {drawn(seed).flavour for seed in ordered(seeds)[: 4 * len(Flavour)]} == set(Flavour)
    assert sorted(ordered(seeds)) == list(seeds)


def test_seeds_of_a_flavour() -> None:
    found = seeds_of(frozenset({Flavour.CREDITED}), 3)
    assert [drawn(seed).flavour for seed in found] == [Flavour.CREDITED] * 3


def request(path: str, carrier: str = f"post_invoice|{INVOICE}|7") -> Request:
    return Request("POST", path, {f"x-tag-{CARRIER}": carrier}, b"{}")


def test_a_scenario_meets_the_same_faults_again() -> None:
    fates = [[draw_fate(Random(n)) for n in range(300)] for _ in range(2)]  # noqa: S311
    assert fates[0] == fates[1]
    assert {fate.kind for fate in fates[0]} == set(Kind) - {Kind.HOLD, Kind.HALF}


def test_a_shared_call_has_several_carriers() -> None:
    shared = request("/json/2/account.move/load", f"a|{WORKFLOW}|1 b|{INVOICE}|2")
    assert [item.activity for item in carriers_of(shared)] == ["a", "b"]
    assert {item.contract for item in carriers_of(shared)} == {WORKFLOW}


@pytest.mark.parametrize(
    ("path", "writes"),
    [
        ("/json/2/account.move/action_post", True),
        ("/json/2/account.move/load", True),
        ("/json/2/account.move/search_read", False),
        ("/hubspot/crm/objects/2026-03/deals/batch/update", True),
        ("/hubspot/crm/objects/2026-03/deals/search", False),
    ],
)
def test_writes_are_told_from_reads(path: str, writes: bool) -> None:
    assert is_write(request(path)) is writes


def test_each_write_is_cut_off_once_held_once_and_then_let_be() -> None:
    faults = NetworkFaults({WORKFLOW: 1}.get, lambda seed: frozenset({"F2"}))
    post = request("/json/2/account.move/action_post")
    assert [faults(post).kind for _ in range(3)] == [Kind.CUT_AFTER, Kind.HOLD, Kind.PASS]
    assert faults(request("/json/2/account.move/read")) is PASSED
    faults.is_off = True
    assert faults(request("/json/2/account.move/load")) == Fate()


# --- what was killed ---------------------------------------------------------------------------


def attempted(event_id: int, scheduled: int, attempt: int, end: str) -> list[dict[str, Any]]:
    """The events of an activity: asked for, begun for the last time, ended, a second each."""
    number = {"scheduledEventId": str(scheduled)}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("SCHEDULED", {"activityType": {"name": "notify"}, "activityId": str(scheduled)}),
        ("STARTED", number | {"attempt": attempt}),
        (end, number),
    ]
    return [
        {
            "eventId": str(event_id + n),
            "eventTime": f"2026-01-01T00:00:{event_id + n:02d}Z",
            "eventType": f"EVENT_TYPE_ACTIVITY_TASK_{kind}",
            f"activityTask{kind.title()}EventAttributes": what,
        }
        for n, (kind, what) in enumerate(kinds)
    ]


def completed(event_id: int) -> dict[str, Any]:
    result = {"payloads": [{"data": base64.b64encode(b"{}").decode()}]}
    return {
        "eventId": str(event_id),
        "eventTime": f"2026-01-01T00:00:{event_id:02d}Z",
        "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
        "workflowExecutionCompletedEventAttributes": {"result": result},
    }


@pytest.mark.parametrize(
    ("events", "recovered"),
    [
        (attempted(5, 5, 1, "COMPLETED"), []),
        (attempted(5, 5, 2, "COMPLETED"), [("5", 2.0)]),
        # The next attempt met something else, and the step tried anew.
        (attempted(5, 5, 2, "FAILED") + attempted(20, 20, 1, "COMPLETED"), [("5", 17.0)]),
        # And that met something else again, twice.
        (
            attempted(5, 5, 2, "FAILED")
            + attempted(20, 20, 2, "FAILED")
            + attempted(30, 30, 3, "COMPLETED"),
            [("5", 27.0), ("20", 12.0), ("30", 2.0)],
        ),
        # It was done, which the sweep reported before the step tried anew.
        ([*attempted(5, 5, 2, "FAILED"), completed(20)], [("5", 15.0)]),
        (attempted(5, 5, 2, "FAILED"), []),
    ],
)
def test_what_was_killed_counts_as_done_once_its_attempt_or_its_step_is(
    events: list[dict[str, Any]], recovered: list[tuple[str, float]]
) -> None:
    history = WorkflowHistory.from_json(WORKFLOW, {"events": events})
    found = invariants.summary_of([history]).retried
    assert [(item.activity_id, item.seconds) for item in found] == recovered


def test_what_was_killed_in_one_run_may_be_done_in_the_next() -> None:
    runs = [attempted(5, 5, 2, "FAILED"), attempted(20, 20, 1, "COMPLETED")]
    histories = [WorkflowHistory.from_json(WORKFLOW, {"events": events}) for events in runs]
    [found] = invariants.summary_of(histories).retried
    assert (found.activity_id, found.seconds) == ("5", 17.0)


# --- the report -------------------------------------------------------------------------------


def outcome(families: frozenset[str] = ALL) -> Outcome:
    findings = Findings()
    findings.add(7, "2 orders")
    return Outcome(Plan(seeds=[7], families=families), [scenario()], findings, 1.0)


def test_the_last_line_says_runs_and_violations() -> None:
    assert report.last_line([outcome(), outcome()]) == "faults: 2 runs, 2 violations"


def test_a_failing_seed_is_led_again_by_one_command() -> None:
    command = "python -m faultlab --seeds 1 --real 0 --seed 7"
    assert report.again(outcome(), 7) == f"{command} --lose nothing"
    only = report.again(outcome(frozenset({"F3", "F7"})), 7)
    assert only == f"{command} --only F3 --only F7 --lose nothing"


def test_a_failing_seed_loses_the_answers_it_lost_and_no_others() -> None:
    failed = outcome()
    failed.scenarios[0].generated = replace(drawn(1), seed=7)
    first = NetworkFaults({WORKFLOW: 7}.get, lambda seed: frozenset({"F2"}), failed.lost)
    post = request("/json/2/account.move/action_post")
    assert [first(post).kind for _ in range(3)] == [Kind.CUT_AFTER, Kind.HOLD, Kind.PASS]
    words = shlex.split(report.again(failed, 7))
    texts = [words[n + 1] for n, word in enumerate(words) if word == "--lose"]
    assert texts == [
        f"post_invoice/account.move action_post/{way}" for way in ("cut_after", "hold")
    ]

    lost = LostAnswers(wanted=tuple(Loss.parse(text) for text in texts[1:]))
    second = NetworkFaults({WORKFLOW: 7}.get, lambda seed: frozenset({"F2"}), lost)
    assert [second(post).kind for _ in range(2)] == [Kind.HOLD, Kind.PASS]
    assert second(request("/json/2/account.move/load")) is PASSED


def test_a_loss_that_does_not_read_so_is_refused() -> None:
    for text in ("post_invoice", "post_invoice/hold", "post_invoice/load/never"):
        with pytest.raises(ValueError, match=r"never|ACTIVITY/WRITE/WAY"):
            Loss.parse(text)


def test_one_activity_loses_a_few_answers_only() -> None:
    faults = NetworkFaults({WORKFLOW: 1}.get, lambda seed: frozenset({"F2"}))
    writes = [request(f"/json/2/{model}/load") for model in ("a", "b", "c", "d")]
    kinds = [faults(write).kind for write in writes]
    assert kinds == [Kind.CUT_AFTER] * 3 + [Kind.PASS]
