"""`c2c events` and `c2c serve`: what is listed, shown, delivered again and dismissed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts.events import (
    ContractUpdate,
    Delivery,
    EventOutcome,
    EventRecord,
    ForContract,
    InboundEvent,
)
from starters.cli import events as event_commands
from starters.cli.errors import ExitCode
from starters.cli.tables import painted
from starters.client import NotFound, events
from starters.client.event_rows import EventRow
from tests.unit.command import Calls, Invoke

AT = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
CONTRACT = "contract/northwind/C-1"


def row(key: str = "msg_1", **changes: Any) -> EventRow:
    values: dict[str, Any] = {
        "id": f"tickets/{key}",
        "source": "tickets",
        "kind": "milestone.reached",
        "received_at": AT,
        "sha256": "ab" * 32,
        "size": 120,
        "outcome": "applied",
        "why": "",
        "touched": (CONTRACT,),
        "attempts": 1,
        "needs_person": False,
    }
    return EventRow(**(values | changes))


RECORD = EventRecord(
    event=InboundEvent(
        source="tickets",
        key="msg_1",
        kind="milestone.reached",
        received_at=AT,
        sha256="ab" * 32,
        size=120,
        task=ForContract(
            contract=CONTRACT, update=ContractUpdate.REACH_MILESTONE, message={"milestone": "x"}
        ),
    ),
    delivery=Delivery(outcome=EventOutcome.REFUSED, why="the contract has no such milestone"),
    attempts=2,
    since=AT,
)


def test_the_list_fits_a_terminal_and_says_what_needs_a_person(
    c2c: Invoke, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("starters.cli.tables.PIPED_WIDTH", 80)
    long = "the contract has no such milestone; it has: design, build, live"
    found = [row(), row("b" * 64, outcome="refused", needs_person=True, touched=(), why=long)]
    calls.answer("rows", found, events)
    result = c2c("events", "list", "--source", "tickets", "--day", "2026-05-04", "--parked")
    assert result.exit_code == 0, result.output
    narrow = [painted(line, color=False) for line in event_commands._table(found).lines(80)]
    assert max(map(len, narrow)) <= 80
    assert "refused!" in result.stdout
    assert "northwind/C-1" in result.stdout
    assert calls.last[2]["day"] == date(2026, 5, 4)
    assert calls.last[2]["needs_person"] is True


def test_the_list_for_programs_has_every_field(c2c: Invoke, calls: Calls) -> None:
    calls.answer("rows", [row()], events)
    document = json.loads(c2c("events", "list", "--json").stdout)
    [item] = document["events"]
    assert (item["id"], item["sha256"], item["touched"]) == ("tickets/msg_1", "ab" * 32, [CONTRACT])
    assert item["received_at"] == "2026-05-04T10:30:00+00:00"


def test_a_list_that_stops_says_so(c2c: Invoke, calls: Calls) -> None:
    calls.answer("rows", [row("1"), row("2")], events)
    stopped = c2c("events", "list", "--limit", "1")
    assert "there are more than 1" in stopped.stderr
    assert calls.last[2]["limit"] == 2
    document = json.loads(c2c("events", "list", "--limit", "1", "--json").stdout)
    assert ([item["id"] for item in document["events"]], document["more"]) == (["tickets/1"], True)
    whole = c2c("events", "list", "--limit", "2")
    assert whole.stderr == ""


def test_an_empty_list_says_where_it_looked(c2c: Invoke, calls: Calls) -> None:
    calls.answer("rows", [], events)
    assert "No such event at localhost:7233" in c2c("events", "list").stdout


@pytest.mark.parametrize("line", [("--outcome", "lost"), ("--day", "yesterday")])
def test_what_cannot_be_meant_is_wrong_usage(c2c: Invoke, calls: Calls, line: Any) -> None:
    assert c2c("events", "list", *line).exit_code == ExitCode.USAGE


def test_show_says_what_was_received_and_what_became_of_it(c2c: Invoke, calls: Calls) -> None:
    calls.answer("show", RECORD, events)
    text = c2c("events", "show", "tickets/msg_1").stdout
    for part in ("120 bytes, SHA-256 abab", "refused", "no such milestone", "2026-05-04 10:30 UTC"):
        assert part in text
    assert calls.last[1] == ("tickets/msg_1",)
    calls.answer("show", NotFound("no event tickets/x"), events)
    assert c2c("events", "show", "tickets/x").exit_code == ExitCode.NOT_FOUND


def test_one_event_or_a_day_of_them_is_delivered_again(c2c: Invoke, calls: Calls) -> None:
    calls.answer("deliver_again", "tickets/msg_1", events)
    calls.answer("rows", [row(), row("msg_2")], events)
    by = ("--by", "ole@northwind.example")
    assert "1 delivered again" in c2c("events", "replay", "tickets/msg_1", *by).stdout
    refused = c2c("events", "replay", "--day", "2026-05-04", *by)
    assert refused.exit_code == ExitCode.REFUSED
    assert "Deliver 2 events again?" in refused.output
    again = c2c("events", "replay", "--day", "2026-05-04", "--yes", *by)
    assert "2 delivered again" in again.stdout
    assert calls.last[2] == {"by": by[1]}
    assert [made[1][0] for made in calls.made[-2:]] == ["tickets/msg_1", "tickets/msg_2"]


@pytest.mark.parametrize("line", [(), ("tickets/msg_1", "--day", "2026-05-04")])
def test_replay_needs_to_know_which(c2c: Invoke, calls: Calls, line: Any) -> None:
    assert c2c("events", "replay", *line).exit_code == ExitCode.USAGE


def test_dismiss_takes_a_name_and_a_reason(c2c: Invoke, calls: Calls) -> None:
    calls.answer("dismiss", "tickets/msg_1", events)
    line = ("events", "dismiss", "tickets/msg_1", "--by", "pia", "--reason", "a slip")
    assert "tickets/msg_1 is dismissed" in c2c(*line).stdout
    assert calls.last[2] == {"by": "pia", "reason": "a slip"}


def test_serving_needs_a_configuration_and_tls_in_front(
    c2c: Invoke, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert c2c("serve").exit_code == ExitCode.CONFIGURATION
    monkeypatch.undo()
    monkeypatch.setenv("C2C_CONFIG", "sandbox/c2c.toml")
    monkeypatch.setenv("C2C_ODOO__API_KEY", "key")
    refused = c2c("serve", "--host", "0.0.0.0")  # noqa: S104
    assert refused.exit_code == ExitCode.CONFIGURATION
    assert "tls_in_front" in refused.output
