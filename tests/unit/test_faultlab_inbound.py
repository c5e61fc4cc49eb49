"""What the fault campaign holds against webhooks and won deals; and how it sends webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.events import EventOutcome
from faultlab import webhooks
from faultlab.books import SqliteRows
from faultlab.contract_generator import drawn
from faultlab.inbound import Inbound, each_kept_once, one_contract_a_deal, stages_of
from faultlab.scenario import ScenarioResult
from faultlab.webhooks import EVENTS, HUBSPOT, NotTaken, Webhooks
from gateways.webhooks import schemes
from gateways.webhooks.schemes import SignedRequest
from sandbox.conformance.serving import served
from sandbox.hubspot import HubSpotStore
from starters.client.event_rows import EventRow

WORKFLOW = "contract/northwind/hubspot-9001"


def scenario(*, closed: bool = True, deal_id: str = "9001") -> ScenarioResult:
    return ScenarioResult(drawn(7), WORKFLOW, Decimal(100), closed=closed, deal_id=deal_id)


def row(outcome: EventOutcome, **more: Any) -> EventRow:
    values: dict[str, Any] = {"touched": (WORKFLOW,), "needs_person": False, **more}
    return EventRow(
        id="hubspot/1",
        source="hubspot",
        kind="deal",
        received_at=datetime(2026, 5, 4, tzinfo=UTC),
        sha256="",
        size=1,
        outcome=outcome,
        why="why",
        attempts=1,
        **values,
    )


# --- what must be true ------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["applied", "nothing_to_do", "after_close"])
def test_an_event_that_came_to_something_is_right(outcome: str) -> None:
    found = Inbound({}, events={"hubspot/1": row(EventOutcome(outcome))})
    assert found.unfinished([]) == []


@pytest.mark.parametrize("outcome", ["received", "waiting", "refused"])
def test_an_event_that_waits_is_right_only_if_it_is_listed(outcome: str) -> None:
    waiting = row(EventOutcome(outcome))
    [(seed, text)] = Inbound({}, events={"hubspot/1": waiting}).unfinished([scenario(closed=False)])
    assert (seed, text) == (7, f"event hubspot/1 is {outcome}: why")
    listed = row(EventOutcome(outcome), needs_person=True)
    assert Inbound({}, events={"hubspot/1": listed}).unfinished([]) == []


def test_an_acknowledged_event_is_there_and_has_one_round() -> None:
    event = {"hubspot/1": row(EventOutcome.APPLIED)}
    assert list(each_kept_once(Inbound({"hubspot/1": 3}, event, rounds={"hubspot/1": 1}))) == []
    [twice] = each_kept_once(Inbound({"hubspot/1": 3}, event, rounds={"hubspot/1": 2}))
    assert twice == "event hubspot/1 was worked on in 2 rounds"
    [gone] = each_kept_once(Inbound({"hubspot/1": 3}))
    assert gone == "event hubspot/1 was acknowledged and is not there"


@pytest.mark.parametrize("count", [0, 2])
def test_a_deal_without_a_contract_or_with_two_is_wrong(count: int) -> None:
    found = Inbound({}, starts={WORKFLOW: count})
    text = f"deal 9001 has {count} contracts"
    assert list(one_contract_a_deal([scenario()], found)) == [(7, text)]
    assert list(one_contract_a_deal([scenario()], Inbound({}, starts={WORKFLOW: 1}))) == []
    assert list(one_contract_a_deal([scenario(deal_id="")], Inbound({}))) == []


def test_a_deal_whose_contract_has_closed_shows_it() -> None:
    for stages in ({}, {"9001": "active"}):
        [(seed, text)] = Inbound({}, stages=stages).unfinished([scenario()])
        assert (seed, "not closed" in text) == (7, True)
    assert Inbound({}, stages={"9001": "closed"}).unfinished([scenario()]) == []
    assert Inbound({}).unfinished([scenario(closed=False)]) == []


def test_the_stages_are_those_of_the_crm_s_database(tmp_path: Path) -> None:
    file = tmp_path / "hubspot.sqlite"
    store = HubSpotStore(file)
    store.define("deals", {"name": "c2c_stage", "type": "string"})
    shown = store.add_deal(name="One", amount="1", c2c_stage="closed")
    bare = store.add_deal(name="Two", amount="1")
    store.close()
    assert stages_of(SqliteRows(file)) == {shown: "closed", bare: ""}


# --- webhooks ---------------------------------------------------------------------------------


class Gateway:
    """Takes webhooks whose signature is right, once it has answered as it was told to."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.keys, self.taken = list(statuses), dict[str, str](), list[str]()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/webhooks/{name}", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        if self.statuses:
            return Response(status_code=self.statuses.pop(0))
        name, body = request.path_params["name"], await request.body()
        signed = SignedRequest("POST", str(request.url), dict(request.headers), body)
        verify = {EVENTS: schemes.standard_webhooks, HUBSPOT: schemes.hubspot}[name]
        verify(signed, [self.keys[name]], datetime.now(UTC))
        self.taken.append(name)
        return JSONResponse({"events": [{"id": f"{name}/1", "new": True}]}, 202)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_AGAIN_SECONDS", 0.01)


def sending(gateway: Gateway, url: str, folder: Path) -> Webhooks:
    sender = Webhooks(url, folder)
    gateway.keys |= {name: sender.secret_file(name).read_text() for name in (EVENTS, HUBSPOT)}
    return sender


async def test_both_senders_sign_as_the_gateway_verifies(tmp_path: Path) -> None:
    gateway = Gateway()
    with served(gateway.app()) as url:
        sender = sending(gateway, url, tmp_path)
        for _ in range(2):
            await sender.deal_changed("9001", 1)
        await sender.milestone_reached(WORKFLOW, "m1", "id-1")
    assert gateway.taken == [HUBSPOT, HUBSPOT, EVENTS]
    assert sender.kept == {"hubspot/1": 2, "events/1": 1}


async def test_a_webhook_is_sent_again_until_it_is_kept(tmp_path: Path) -> None:
    gateway = Gateway(503, 429, 503)
    with served(gateway.app()) as url:
        await sending(gateway, url, tmp_path).deal_changed("9001", 1)
    assert gateway.taken == [HUBSPOT]


async def test_a_refusal_of_what_is_right_is_an_error(tmp_path: Path) -> None:
    gateway = Gateway(401)
    with served(gateway.app()) as url, pytest.raises(NotTaken, match="401"):
        await sending(gateway, url, tmp_path).deal_changed("9001", 1)
    assert gateway.taken == []
