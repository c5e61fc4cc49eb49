"""Harvest's answers that the kit cannot make its stand-in give."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.http import pooled_client
from gateways.secrets import Secret
from gateways.timesheets.harvest.api import HarvestApi

HOME = "https://harvest.example"


def api(*answers: Any, sent: list[httpx.Request]) -> HarvestApi:
    """An account that gives these answers, one after the other."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, content=left.pop(0))

    http = pooled_client(HOME, transport=httpx.MockTransport(answer))
    return HarvestApi(http, "1", Secret.of("token"), system="harvest")


def page(following: str | None, hours: str = "0.1") -> bytes:
    links = json.dumps({"next": following})
    return f'{{"time_entries": [{{"id": 1, "hours": {hours}}}], "links": {links}}}'.encode()


def test_the_next_page_is_asked_of_harvest_wherever_its_address_leads() -> None:
    sent: list[httpx.Request] = []
    elsewhere = "https://elsewhere.example/v2/time_entries?cursor=abc&per_page=2000"
    harvest = api(page(elsewhere), page(None), sent=sent)
    first = harvest.time_entries({"updated_since": "2026-10-05T00:00:00Z"})
    assert first.next == {"cursor": "abc", "per_page": "2000"}
    assert harvest.time_entries(first.next).next == {}
    assert {(item.url.host, item.url.path) for item in sent} == {
        ("harvest.example", "/v2/time_entries")
    }


def test_a_page_that_leads_to_itself_ends_in_a_failure() -> None:
    again = f"{HOME}/v2/time_entries?cursor=abc"
    harvest = api(page(again), page(again), sent=[])
    first = harvest.time_entries({})
    with pytest.raises(GatewayError, match="the same") as caught:
        harvest.time_entries(first.next)
    assert caught.value.kind is FailureKind.DEFECT


def test_hours_are_read_as_they_are_written() -> None:
    [entry] = api(page(None, "2.11"), sent=[]).time_entries({}).records
    assert entry["hours"] == Decimal("2.11")


@pytest.mark.parametrize(
    "answer",
    [
        b'{"time_entries": 1, "links": {}}',
        b'{"time_entries": [1], "links": {}}',
        b'{"time_entries": []}',
    ],
)
def test_what_is_no_page_is_a_failure(answer: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        api(answer, sent=[]).time_entries({})
    assert caught.value.kind is FailureKind.DEFECT
