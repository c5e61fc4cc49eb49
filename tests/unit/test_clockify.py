"""Clockify's stand-in under a client of others, and its requests beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import clockify
import httpx
import pytest

from gateways.secrets import Secret
from gateways.timesheets.clockify.api import ClockifyApi
from sandbox.clockify import ClockifyStore, clockify_app
from sandbox.conformance.serving import served

DAY = "2026-10-05"


@pytest.fixture
def store() -> ClockifyStore:
    return ClockifyStore()


@pytest.fixture
def address(store: ClockifyStore) -> Iterator[str]:
    with served(clockify_app(store)) as address:
        yield f"{address}/api"


class Noting(httpx.ASGITransport):
    """The stand-in at Clockify's own address, as the client knows no other without TLS."""

    def __init__(self, store: ClockifyStore, sent: list[httpx.Request]) -> None:
        super().__init__(clockify_app(store))
        self._sent = sent

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._sent.append(request)
        return await super().handle_async_request(request)


async def judged(store: ClockifyStore, sent: list[httpx.Request]) -> Any:
    """What the client reads of approval requests, people and deletions."""
    async with httpx.AsyncClient(transport=Noting(store, sent)) as http:
        client = clockify.ClockifyClient(
            api_key=store.api_key,
            workspace_id=store.workspace_id,
            http_client=http,
        )
        approved = await client.approvals.list(
            status="APPROVED",
            sort_column="UPDATED_AT",
            sort_order="DESCENDING",
            page=1,
            page_size=50,
        )
        people = await client.users.list(page=1, page_size=200)
        deleted = await client.entity_changes.list_deleted(
            type=["TIME_ENTRY"],
            start="2026-01-01T00:00:00.000Z",
            end="2099-01-01T00:00:00.000Z",
            page="1",
            limit="1000",
        )
    return approved, people, deleted


async def test_the_stand_in_answers_as_the_client_reads_clockify(store: ClockifyStore) -> None:
    petra = store.add_person("Petra Developer", "petra@northwind.example")
    entry, gone = store.log(petra, "7.5", DAY, description="Wired it"), store.log(petra, "1", DAY)
    request = store.approve(entry)
    store.delete(gone)
    [approved], [person], [deleted] = await judged(store, [])
    assert approved.approval_request.id == request
    assert approved.approval_request.status.state == "APPROVED"
    assert approved.approval_request.owner.user_id == petra
    [shown] = approved.entries
    assert (shown.id, shown.description, shown.approval_request_id) == (entry, "Wired it", request)
    assert (shown.type, shown.is_locked) == ("REGULAR", True)
    start, end = (
        datetime.fromisoformat(text)
        for text in (shown.time_interval.start, shown.time_interval.end)
    )
    assert end - start == timedelta(hours=7.5)
    assert (person.id, person.email) == (petra, "petra@northwind.example")
    assert deleted.id == gone


async def test_our_requests_are_the_client_s(store: ClockifyStore, address: str) -> None:
    theirs: list[httpx.Request] = []
    await judged(store, theirs)
    ours: list[httpx.Request] = []
    with httpx.Client(base_url=address, event_hooks={"request": [ours.append]}) as http:
        api = ClockifyApi(http, store.workspace_id, Secret.of(store.api_key), system="clockify")
        api.approval_requests("APPROVED", "UPDATED_AT", 1)
        api.users(1)
        api.deleted(datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC), 1)
    for our, their in zip(ours, theirs, strict=True):
        assert (our.method, our.url.path) == (their.method, their.url.path)
        # The client states a default besides.
        assert dict(our.url.params).items() <= dict(their.url.params).items()
        assert our.headers["x-api-key"] == their.headers["x-api-key"]
