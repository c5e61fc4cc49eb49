"""Where reading hours goes on: also where the place that an earlier sweep left is there no more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from contracts.sweeps import ConnectorSweepProgress, ConnectorSweepResult
from gateways.http import pooled_client
from gateways.secrets import Secret
from gateways.timesheets.clockify.api import ClockifyApi
from gateways.timesheets.clockify.timesheets import Clockify

NOW = datetime(2026, 10, 6, 12, tzinfo=UTC)


def clockify(asked: list[str], *, reads_deletions: bool) -> Clockify:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=[])

    http = pooled_client("https://clockify.example", transport=httpx.MockTransport(answer))
    api = ClockifyApi(http, "w1", Secret.of("key"), system="clockify", calls_per_second=1e6)
    return Clockify(api, system="clockify", reads_deletions=reads_deletions)


def test_a_sweep_that_was_reading_deletions_ends_where_they_are_read_no_more() -> None:
    asked: list[str] = []
    page = clockify(asked, reads_deletions=True).changed(NOW, "deleted 2")
    assert (page.entries, page.next, asked) == ([], "", ["/v1/workspaces/w1/entities/deleted"])
    page = clockify(asked, reads_deletions=False).changed(NOW, "deleted 2")
    assert (page.entries, page.deleted, page.next, len(asked)) == ([], [], "", 1)


@pytest.mark.parametrize(
    ("changed", "is_lasting", "begins"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"after": ""}, True, False),
        ({"pages": 1}, True, False),
        ({"again": True}, True, False),
    ],
)
def test_a_mark_that_is_refused_is_left_once(
    changed: dict[str, Any], is_lasting: bool, begins: bool
) -> None:
    values: dict[str, Any] = {
        "since": NOW,
        "seen": {},
        "result": ConnectorSweepResult(watermark=NOW),
        "after": '{"cursor": "gone"}',
        "began_at": NOW,
    }
    progress = ConnectorSweepProgress(**(values | changed))
    assert progress.begins_anew(is_lasting=is_lasting) is begins
