"""What the benchmarks compute and say; that they run is tests/workflows/test_benchmarks_run.py."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from benchmarks import __main__ as command
from benchmarks import contracts, frame, table
from benchmarks.frame import (
    Bench,
    Benchmark,
    Line,
    Sample,
    at_least,
    at_most,
    paired_ratio,
    percentile,
    rotated,
)
from benchmarks.idle_estate import delays, invoice_of_the_last_signal
from benchmarks.remote import Call, calls_in
from benchmarks.script import on_threads
from contracts.validation import validate

ROOT = Path(__file__).parents[2]

# --- figures ------------------------------------------------------------------------------------


def test_a_sample_has_a_median_and_a_spread() -> None:
    sample = Sample((4.0, 1.0, 2.0))
    assert sample.median == 2.0
    assert sample.spread == 1.5, "from 1 to 4, by the median"
    assert Sample((3.0,)).spread == 0.0


def test_the_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    # The second round was slow for both: the medians of the two sides would say 20 / 4 = 5.
    assert paired_ratio(Sample((20.0, 4.0, 30.0)), Sample((10.0, 4.0, 3.0))) == 2.0
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio(Sample((1.0, 2.0)), Sample((1.0,)))


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        (range(1, 101), 0.99, 99),
        (range(1, 1001), 0.99, 990),
        ([5, 1, 3], 0.5, 3),
        ([5, 1, 3], 1.0, 5),
        ([5, 1, 3], 0.0, 1),
        ([7], 0.99, 7),
    ],
)
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(
    values: list[float], share: float, wanted: float
) -> None:
    assert percentile(list(values), share) == wanted


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


# --- results ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text", "missed"),
    [
        (Line("onboarding", 5.25, at_least(5)), "onboarding ratio=5.25 target=5", False),
        (Line("onboarding", 4.999, at_least(5)), "onboarding ratio=4.999 target=5", True),
        (Line("round_trips", 0.1, at_most(0.1)), "round_trips ratio=0.1 target=0.1", False),
        (Line("round_trips", 0.11, at_most(0.1)), "round_trips ratio=0.11 target=0.1", True),
        (Line("peers_noop", 0.4, None), "peers_noop ratio=0.4 target=none", False),
        (Line("actions", 148, at_most(60)), "actions ratio=148 target=60", True),
    ],
)
def test_a_line_says_ratio_and_target_and_knows_whether_it_missed(
    line: Line, text: str, missed: bool
) -> None:
    assert str(line) == text
    assert line.missed is missed


@pytest.mark.parametrize(
    ("line", "headroom"),
    [
        (Line("x", 10, at_least(5)), 2.0),
        (Line("x", 0.2, at_most(0.1)), 0.5),
        (Line("x", 0, at_most(0.1)), 100.0),
        (Line("x", 0, at_most(0)), 100.0),
        (Line("x", 3, at_most(0)), 0.5),
        (Line("x", 3, None), None),
    ],
)
def test_headroom_is_above_one_where_the_target_is_reached(
    line: Line, headroom: float | None
) -> None:
    assert line.headroom == headroom
    assert headroom is None or (headroom < 1) is line.missed


def test_what_is_reported_is_printed_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path)
    bench.report("sweep", 0.5, at_most(1), changed=100)
    assert capsys.readouterr().out == "sweep ratio=0.5 target=1\n"
    assert bench.lines == [Line("sweep", 0.5, at_most(1), {"changed": 100})]


# --- rounds -------------------------------------------------------------------------------------


def test_each_is_first_in_turn() -> None:
    names = ["a", "b", "c"]
    assert [rotated(names, number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert rotated(names, 1) == ["b", "c", "a"]


async def test_rounds_interleave(tmp_path: Path) -> None:
    order: list[str] = []

    async def ours(number: int) -> float:
        order.append(f"ours {number}")
        return 10.0 + number

    async def theirs(number: int) -> float:
        order.append(f"theirs {number}")
        return 1.0

    bench = Bench(tmp_path, show=lambda _: None)
    samples = await bench.rounds({"ours": ours, "theirs": theirs})
    assert order == ["ours 0", "theirs 0", "theirs 1", "ours 1", "ours 2", "theirs 2"]
    assert samples == {"ours": Sample((10.0, 11.0, 12.0)), "theirs": Sample((1.0, 1.0, 1.0))}
    quick = await Bench(tmp_path, quick=True, show=lambda _: None).rounds({"ours": ours})
    assert quick == {"ours": Sample((10.0,))}


async def test_a_benchmark_ends_with_a_line_of_its_name_within_its_time(tmp_path: Path) -> None:
    async def silent(_: Bench) -> None:
        """Reports nothing."""

    async def endless(_: Bench) -> None:
        await asyncio.Event().wait()

    async def broken(_: Bench) -> None:
        raise ValueError("no Odoo")

    async def good(bench: Bench) -> None:
        bench.report("x", 1.0)

    bench = Bench(tmp_path, show=lambda _: None)
    told = [
        await frame.run_one(Benchmark("x", "", minutes, run), bench)
        for run, minutes in ((silent, 1), (endless, 0.0001), (broken, 1), (good, 1))
    ]
    assert told == [
        "reported no line of its own name",
        "not done within 0.0001 minutes",
        "ValueError('no Odoo')",
        None,
    ]


# --- registry -----------------------------------------------------------------------------------


def test_every_benchmark_is_registered_under_its_modules_name_and_documented() -> None:
    known = frame.benchmarks()
    assert list(known) == [module.split(".")[0] for module in frame.MODULES]
    page = (ROOT / "docs" / "performance.md").read_text()
    assert [name for name in known if f"| `{name}` |" not in page] == []
    assert all(item.about and item.minutes <= 180 for item in known.values())


def test_no_two_benchmarks_share_a_name() -> None:
    name = next(iter(frame.benchmarks()))
    with pytest.raises(ValueError, match=name):
        frame.benchmark(name, about="again", minutes=1)(frame.benchmarks()[name].run)


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Two benchmarks in the place of the real ones; each reports what stands here."""
    values = {"fast": 9.0, "lean": 0.5}

    def standing_in(name: str) -> Benchmark:
        async def run(bench: Bench) -> None:
            samples = {"ours": Sample((1.0, 2.0, 3.0))}
            target = at_least(5) if name == "fast" else at_most(1)
            bench.report(name, values[name], target, samples=samples)

        return Benchmark(name, f"how {name}", 1, run)

    known = {name: standing_in(name) for name in values}
    monkeypatch.setattr(frame, "benchmarks", lambda: known)
    return values


def test_only_a_full_run_fails_where_a_target_is_missed(
    results: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([]) == 0
    assert capsys.readouterr().out == "fast ratio=9 target=5\nlean ratio=0.5 target=1\n"
    results["fast"] = 4.0
    assert command.main(["lean"]) == 0
    assert command.main([]) == 1
    assert command.main(["--quick"]) == 0


def test_a_benchmark_that_fails_fails_the_run_and_the_others_still_run(
    results: dict[str, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del results["fast"]
    file = tmp_path / "bench.json"
    assert command.main(["--quick", "--json", str(file)]) == 1
    assert capsys.readouterr().out == "lean ratio=0.5 target=1\n"
    told = json.loads(file.read_text())["benchmarks"]
    assert [item["failed"] for item in told] == ["KeyError('fast')", None]


def test_the_file_says_what_was_measured_and_on_what(
    results: dict[str, float], tmp_path: Path
) -> None:
    file = tmp_path / "new" / "bench.json"
    command.main(["fast", "--json", str(file)])
    told = json.loads(file.read_text())
    assert told["machine"]["processors"] >= 1
    assert told["quick"] is False
    [item] = told["benchmarks"]
    assert item["lines"] == [
        {
            "name": "fast",
            "ratio": 9.0,
            "target": {"value": 5, "at_least": True},
            "met": True,
            "samples": {"ours": {"median": 2.0, "spread": 1.0, "rounds": [1.0, 2.0, 3.0]}},
        }
    ]


def test_an_unknown_name_is_refused(
    results: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["fats"])
    assert "no such benchmark: fats; there are fast, lean" in capsys.readouterr().err


# --- what is given and what is counted ----------------------------------------------------------


def test_the_contracts_are_good_and_their_parts_make_the_whole() -> None:
    invoices = contracts.signed(contracts.tag(), 3, milestones=4)
    checked = [
        validate({**item, "source": {"system": "file", "id": "x"}, "payment_term": "30 Days"})
        for item in invoices
    ]
    assert len({item.contract_id for item in checked}) == 3
    assert len({item.customer.billing_email for item in checked}) == 3
    assert {item.value.amount for item in checked} == {Decimal(4 * contracts.AMOUNT)}


LOG = """\
2026-11-27 19:54:18,931 8959 INFO c2c werkzeug: 127.0.0.1 - - [27/Nov/2026 19:54:18] \
"GET /web/health HTTP/1.1" 200 - 4 0.003 1.143
2026-11-27 19:54:19,010 8959 INFO c2c werkzeug: 127.0.0.1 - - [27/Nov/2026 19:54:19] \
"POST /json/2/res.partner/search_read HTTP/1.1" 200 - 18 0.021 0.022
2026-11-27 19:54:19,250 8959 WARNING c2c odoo.http: something else
2026-11-27 19:54:20,000 8959 INFO c2c werkzeug: 127.0.0.1 - - [27/Nov/2026 19:54:20] \
"POST /json/2/account.move/action_post HTTP/1.1" 422 - 7 0.010 0.030
"""


def test_calls_are_read_from_odoos_log(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")  # Odoo writes UTC wherever it runs
        time.tzset()
        calls = calls_in(LOG.splitlines())
    time.tzset()
    assert calls[0].ended_at == datetime(2026, 11, 27, 19, 54, 19, 10_000, UTC).timestamp()
    assert [(call.model, call.method, call.status) for call in calls] == [
        ("res.partner", "search_read", 200),
        ("account.move", "action_post", 422),
    ]
    assert calls[1].ended_at - calls[0].ended_at == pytest.approx(0.99)
    assert calls[0].seconds == pytest.approx(0.043)
    assert isinstance(calls[0], Call)


def _event(event_type: EventType.ValueType, seconds: int) -> HistoryEvent:
    event = HistoryEvent(event_type=event_type)
    event.event_time.FromSeconds(seconds)
    return event


def test_a_signals_delay_is_up_to_the_first_activity_of_the_invoice_it_leads_to() -> None:
    signalled = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    begun = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
    activity = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED

    def invoice(name: str, seconds: int) -> HistoryEvent:
        event = _event(begun, seconds)
        started = event.child_workflow_execution_started_event_attributes
        started.workflow_execution.workflow_id = name
        return event

    events = [_event(signalled, 10), invoice("old", 11), _event(signalled, 20)]
    contract = WorkflowHistory("contract", events)
    assert invoice_of_the_last_signal(contract) is None
    events += [invoice("new", 21), invoice("another", 22)]
    assert invoice_of_the_last_signal(contract) == "new"
    assert delays(contract, WorkflowHistory("new", [])) == []
    its = WorkflowHistory("new", [_event(activity, 22), _event(activity, 25)])
    assert delays(contract, its) == [2.0, 5.0]


async def test_work_is_done_on_threads_and_answers_in_order() -> None:
    answers, seconds = await on_threads(3, lambda a, b: a + b, [(1, 2), (3, 4), (5, 6)])
    assert answers == [3, 7, 11]
    assert seconds >= 0


def test_the_table_has_a_row_for_each_line_and_says_what_missed() -> None:
    samples = {
        "ours": {"median": 12.0, "spread": 0.1, "rounds": [12.0]},
        "script": {"median": 3.0, "spread": 0.25, "rounds": [3.0]},
    }
    shown = {"name": "onboarding", "ratio": 4.0, "target": {"value": 5, "at_least": True}}
    lines = [
        shown | {"met": False, "samples": samples},
        {"name": "peers_noop", "ratio": 0.4, "target": None, "met": None},
    ]
    told = [
        {"name": "onboarding", "failed": None, "lines": lines},
        {"name": "sweep", "failed": "KeyError()", "lines": []},
    ]
    assert list(table.rows({"benchmarks": told}))[1:] == [
        "| `onboarding` | 4 (missed) | ≥ 5 | ours 12 | script 3 | 10%, 25% |",
        "| `peers_noop` | 0.4 |  |  |  |  |",
        "| `sweep` | failed | | | | |",
    ]
