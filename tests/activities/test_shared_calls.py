"""Requests of many activities share calls, and each activity hears of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from activities import shared_calls
from activities.shared_calls import SharedCalls
from contracts.crm import ContractStatus
from gateways import errors
from gateways.errors import FailureKind, GatewayError
from gateways.http import pooled_client, unanswered
from sandbox.conformance.serving import served

Verdicts = list[GatewayError | None]


class FakeCrm:
    """A CRM that keeps the calls it gets; `trouble` answers in its place. While it is `held`, it
    does not answer."""

    system = "fake"

    def __init__(self, most_at_once: int = 100) -> None:
        self.most_at_once = most_at_once
        self.calls: list[list[str]] = []
        self.trouble: Callable[[Sequence[ContractStatus]], Verdicts] | None = None
        self.called, self.free = threading.Event(), threading.Event()
        self.free.set()

    def write_statuses(self, statuses: Sequence[ContractStatus]) -> Verdicts:
        self.calls.append([item.deal_id for item in statuses])
        self.called.set()
        assert self.free.wait(10)
        return self.trouble(statuses) if self.trouble else [None] * len(statuses)

    async def is_called(self) -> None:
        assert await asyncio.to_thread(self.called.wait, 10)


def status(deal: int | str) -> ContractStatus:
    return ContractStatus(deal_id=str(deal), stage="billing")


def refused(deal_id: str) -> GatewayError:
    return errors.business("fake", "status_refused", "no", value=deal_id)


async def written(
    batcher: SharedCalls[ContractStatus, None], count: int
) -> list[BaseException | None]:
    calls = (batcher.ask(status(number)) for number in range(count))
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.fixture
def crm() -> FakeCrm:
    return FakeCrm()


GATHER_SECONDS = 0.25


def batcher_of(
    crm: FakeCrm, gather_seconds: float = GATHER_SECONDS
) -> SharedCalls[ContractStatus, None]:
    return SharedCalls(
        crm.write_statuses,
        system=crm.system,
        key=lambda item: item.deal_id,
        most_at_once=crm.most_at_once,
        gather_seconds=gather_seconds,
    )


async def test_statuses_that_come_together_are_one_call(crm: FakeCrm) -> None:
    assert await written(batcher_of(crm), 60) == [None] * 60
    assert crm.calls == [[str(number) for number in range(60)]]


async def test_a_single_status_waits_no_longer_than_to_gather(crm: FakeCrm) -> None:
    started = time.monotonic()
    await batcher_of(crm).ask(status(1))
    assert time.monotonic() - started < GATHER_SECONDS + 0.5
    assert crm.calls == [["1"]]


async def test_a_full_call_is_sent_at_once_and_the_rest_after_it() -> None:
    crm = FakeCrm(most_at_once=10)
    started = time.monotonic()
    await written(batcher_of(crm, gather_seconds=3), 20)
    assert time.monotonic() - started < 2
    assert [len(call) for call in crm.calls] == [10, 10]


async def test_each_has_its_own_verdict(crm: FakeCrm) -> None:
    crm.trouble = lambda statuses: [
        refused(item.deal_id) if item.deal_id in ("2", "4") else None for item in statuses
    ]
    found = await written(batcher_of(crm), 6)
    assert [place for place, error in enumerate(found) if error] == [2, 4]
    assert isinstance(found[4], GatewayError)
    assert found[4].value == "4"


async def test_a_call_that_fails_fails_for_all_each_with_an_error_of_its_own(crm: FakeCrm) -> None:
    def fail(statuses: Sequence[ContractStatus]) -> Verdicts:
        raise errors.transient("fake", "unavailable", "down")

    crm.trouble = fail
    batcher = batcher_of(crm)
    found = await written(batcher, 5)
    assert len({id(error) for error in found}) == 5
    assert all(isinstance(error, GatewayError) and error.code == "unavailable" for error in found)

    crm.trouble = None
    assert await written(batcher, 2) == [None, None], "the next call goes its way"


@pytest.mark.parametrize(
    "error", [KeyError("name"), errors.business("fake", "crm_refused", "an id of 20 digits")]
)
async def test_what_one_request_makes_of_a_whole_call_is_no_other_contracts_trouble(
    crm: FakeCrm, error: Exception
) -> None:
    def fail(statuses: Sequence[ContractStatus]) -> Verdicts:
        if any(item.deal_id == "7" for item in statuses):
            raise error
        return [None] * len(statuses)

    crm.trouble = fail
    found = await written(batcher_of(crm), 20)
    assert [place for place, item in enumerate(found) if item is not None] == [7]
    assert len(crm.calls) <= 11


async def test_what_the_whole_account_lacks_is_not_looked_for_in_single_requests(
    crm: FakeCrm,
) -> None:
    def fail(statuses: Sequence[ContractStatus]) -> Verdicts:
        raise errors.business("fake", "access_denied", "no scope")

    crm.trouble = fail
    found = await written(batcher_of(crm), 20)
    assert all(isinstance(item, GatewayError) for item in found)
    assert len(crm.calls) == 1


async def test_halves_that_would_be_late_are_not_sent(
    crm: FakeCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_calls, "MAX_WAIT_SECONDS", 0.3)

    def fail(statuses: Sequence[ContractStatus]) -> Verdicts:
        time.sleep(0.5)
        raise KeyError("name")

    crm.trouble = fail
    found = await written(batcher_of(crm, gather_seconds=0.05), 4)
    assert [getattr(item, "code", "") for item in found] == ["client_busy"] * 4
    assert len(crm.calls) == 1


class SlowCrm:
    """A CRM that is read before it is written; reading it waits while it is `held`."""

    system, most_at_once = "fake", 100

    def __init__(self) -> None:
        self.stage = ""
        self.held, self.read = threading.Event(), threading.Event()
        routes = [Route("/deal", self._read), Route("/deal", self._write, methods=["PUT"])]
        self.app = Starlette(routes=routes)

    def _read(self, request: Request) -> Response:
        self.read.set()
        while self.held.is_set():
            time.sleep(0.01)
        return PlainTextResponse(self.stage)

    async def _write(self, request: Request) -> Response:
        self.stage = (await request.body()).decode()
        return PlainTextResponse("")

    def worker(self, url: str) -> SharedCalls[ContractStatus, None]:
        """What the worker of another machine has."""
        http = pooled_client(url)

        def write(statuses: Sequence[ContractStatus]) -> Verdicts:
            try:
                http.get("/deal")
                http.put("/deal", content=statuses[0].stage)
            except httpx.HTTPError as error:
                raise unanswered(error, self.system, "the CRM") from None
            return [None]

        return SharedCalls(
            write,
            system=self.system,
            key=lambda item: item.deal_id,
            most_at_once=self.most_at_once,
            gather_seconds=0,
            changes=True,
        )


async def test_a_call_that_lasts_longer_than_its_activity_writes_over_no_newer_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_calls, "MAX_WAIT_SECONDS", 0.3)
    crm = SlowCrm()
    with served(crm.app) as url:
        first, second = crm.worker(url), crm.worker(url)
        crm.held.set()
        old = asyncio.create_task(first.ask(status(1)))
        assert await asyncio.to_thread(crm.read.wait, 10)
        await asyncio.sleep(0.4)
        crm.held.clear()
        await second.ask(ContractStatus(deal_id="1", stage="closed"))
        with pytest.raises(GatewayError) as caught:
            await old
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "client_busy")
    assert crm.stage == "closed"


@pytest.mark.parametrize("answer", [[], [None] * 9])
async def test_an_answer_for_other_statuses_than_were_sent_is_a_defect(
    crm: FakeCrm, answer: Verdicts
) -> None:
    crm.trouble = lambda statuses: answer
    found = await written(batcher_of(crm), 3)
    assert all(isinstance(error, ValueError) for error in found)


async def test_two_statuses_of_a_deal_are_two_calls_in_their_order(crm: FakeCrm) -> None:
    batcher = batcher_of(crm)
    await asyncio.gather(*(batcher.ask(status(deal)) for deal in (1, 2, 1, 3, 1)))
    assert crm.calls == [["1", "2", "3"], ["1"], ["1"]]


async def test_what_arrives_during_a_call_goes_together_in_the_next(crm: FakeCrm) -> None:
    batcher = batcher_of(crm)
    crm.free.clear()
    first = asyncio.create_task(batcher.ask(status("first")))
    await crm.is_called()
    others = asyncio.create_task(written(batcher, 30))
    await asyncio.sleep(GATHER_SECONDS * 2)
    crm.free.set()
    await asyncio.gather(first, others)
    assert [len(call) for call in crm.calls] == [1, 30]


async def test_a_cancelled_activity_is_not_sent_and_holds_up_nobody(crm: FakeCrm) -> None:
    batcher = batcher_of(crm)
    gone = asyncio.create_task(batcher.ask(status("gone")))
    stays = asyncio.create_task(batcher.ask(status("stays")))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert crm.calls == [["stays"]]
    assert gone.cancelled()


async def test_an_activity_that_is_cancelled_during_its_call_loses_nothing_for_the_others(
    crm: FakeCrm,
) -> None:
    batcher = batcher_of(crm)
    crm.free.clear()
    gone = asyncio.create_task(batcher.ask(status("gone")))
    stays = asyncio.create_task(batcher.ask(status("stays")))
    await crm.is_called()
    gone.cancel()
    crm.free.set()
    await stays
    assert gone.cancelled()


async def test_a_status_that_waited_too_long_is_not_sent(
    crm: FakeCrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The activity's own time would be over, and its next attempt would meet this one."""
    monkeypatch.setattr(shared_calls, "MAX_WAIT_SECONDS", 0.3)
    batcher = batcher_of(crm)
    crm.free.clear()
    first = asyncio.create_task(batcher.ask(status("first")))
    await crm.is_called()
    late = asyncio.create_task(batcher.ask(status("late")))
    await asyncio.sleep(0.5)
    crm.free.set()
    await first
    with pytest.raises(GatewayError) as caught:
        await late
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "client_busy")
    assert crm.calls == [["first"]]


async def test_the_queue_is_bounded(crm: FakeCrm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_calls, "MAX_WAITING", 5)
    found = await written(batcher_of(crm), 7)
    assert [isinstance(error, GatewayError) for error in found] == [False] * 5 + [True] * 2
