"""A workflow that is asked, and what the answer's failure says to whoever asked."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.client import (
    Client,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from contracts.agenda import requests
from contracts.contract.messages import CancelRequest
from contracts.contract.state import ContractOutcome, ContractState
from starters.client import C2C, ContractClient, NoAnswer, NotFound, Refused, calls


class Asked:
    """A client whose every query fails."""

    def __init__(self, failure: str) -> None:
        self._failure = failure

    def get_workflow_handle(self, _: str) -> Asked:
        return self

    async def query(self, *_: object, **__: Any) -> None:
        raise WorkflowQueryFailedError(self._failure)


async def ask(failure: str) -> None:
    await C2C(cast("Client", Asked(failure))).contract("northwind/C-1").state()


@pytest.mark.parametrize(
    "failure",
    [
        "[TMPRL1101] Potential deadlock detected: workflow didn't yield within 2 second(s).",
        "Expected workflow input. This is a Python SDK bug.",
    ],
)
async def test_a_worker_too_slow_to_read_a_workflow_is_no_answer(failure: str) -> None:
    with pytest.raises(NoAnswer, match=r"contract/northwind/C-1"):
        await ask(failure)


async def test_any_other_failure_of_a_query_is_a_refusal() -> None:
    with pytest.raises(Refused, match="unknown query"):
        await ask("unknown query contract")


ANSWER: Any = object()


class Told:
    """A client whose workflow answers an Update, or fails; keeps how it was sent."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.sent: list[tuple[str, object, dict[str, Any]]] = []

    def get_workflow_handle(self, _: str) -> Told:
        return self

    async def execute_update(self, name: str, message: object, **options: Any) -> object:
        self.sent.append((name, message, options))
        return self._answer()

    async def query(self, name: str, **options: Any) -> object:
        self.sent.append((name, None, options))
        return self._answer()

    def _answer(self) -> object:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def contract(self) -> ContractClient:
        return C2C(cast("Client", self)).contract("northwind/C-1")


def rpc(message: str, status: RPCStatusCode = RPCStatusCode.NOT_FOUND) -> RPCError:
    return RPCError(message, status, b"")


async def test_an_update_is_sent_by_name_with_its_request_id_and_the_type_of_its_answer() -> None:
    told = Told(ANSWER)
    assert await told.contract.once("event-7").cancel(by="sam") is ANSWER
    [(name, message, options)] = told.sent
    assert (name, message) == ("request_cancel", CancelRequest(by="sam"))
    # Temporal tells Updates apart by their ids alone, and so another message has another one.
    update_id = requests.update_id("event-7", CancelRequest(by="sam"))
    assert options == {"id": update_id, "result_type": ContractOutcome}
    assert update_id.startswith("event-7~")
    assert update_id != requests.update_id("event-7", CancelRequest(by="ana"))


@pytest.mark.parametrize(
    ("failure", "kind", "why"),
    [
        (WorkflowUpdateFailedError(ApplicationError("not now")), Refused, "^not now$"),
        (rpc("workflow execution already completed"), Refused, "has ended"),
        (rpc("workflow not found for ID"), NotFound, "nothing is known"),
        (WorkflowUpdateRPCTimeoutOrCancelledError(), NoAnswer, "no worker answered"),
        (rpc("late", RPCStatusCode.DEADLINE_EXCEEDED), NoAnswer, "no worker answered"),
        (rpc("Namespace x is not found."), RPCError, "Namespace"),
        (rpc("down", RPCStatusCode.UNAVAILABLE), RPCError, "down"),
    ],
)
async def test_each_failure_of_an_update_has_its_kind(
    failure: Exception, kind: type[Exception], why: str
) -> None:
    with pytest.raises(kind, match=why):
        await Told(failure).contract.cancel(by="sam")


async def test_a_request_without_an_answer_can_be_repeated_by_its_id() -> None:
    told = Told(WorkflowUpdateRPCTimeoutOrCancelledError(), ANSWER)
    with pytest.raises(NoAnswer) as caught:
        await told.contract.cancel(by="sam")
    request_id = caught.value.request_id
    await told.contract.once(request_id).cancel(by="sam")
    first, second = (options["id"] for _, _, options in told.sent)
    assert first == second
    assert request_id
    assert first.startswith(request_id)


async def test_the_refusal_of_a_call_that_an_update_made_is_the_reason() -> None:
    inner = ActivityError(
        "activity failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="read",
        activity_id="1",
        retry_state=None,
    )
    inner.__cause__ = ApplicationError("the deal is gone")
    with pytest.raises(Refused, match=r"^the deal is gone$"):
        await Told(WorkflowUpdateFailedError(inner)).contract.refresh_customer(by="sam")


async def test_an_update_that_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_ANSWER_WITHIN", timedelta(milliseconds=50))
    told = Told()

    async def never(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(told, "execute_update", never)
    with pytest.raises(NoAnswer, match=r"contract/northwind/C-1"):
        await told.contract.cancel(by="sam")


async def test_a_run_that_has_not_begun_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_BETWEEN_RUNS", (0.0, 0.0))
    not_yet = rpc(f"workflow {calls.NOT_YET}", RPCStatusCode.FAILED_PRECONDITION)
    told = Told(not_yet, not_yet, ANSWER)
    assert await told.contract.state() is ANSWER
    assert {options["result_type"] for *_, options in told.sent} == {ContractState}
    with pytest.raises(RPCError):
        await Told(not_yet, not_yet, not_yet).contract.state()


async def test_what_no_run_has_accepted_is_sent_again_under_the_same_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "_BETWEEN_RUNS", (0.0, 0.0))
    between = rpc(f"Unable: {calls.NOT_ACCEPTED}.", RPCStatusCode.FAILED_PRECONDITION)
    told = Told(between, between, ANSWER)
    assert await told.contract.cancel(by="sam") is ANSWER
    assert len({options["id"] for *_, options in told.sent}) == 1
    with pytest.raises(RPCError, match=calls.NOT_ACCEPTED):
        await Told(between, between, between).contract.cancel(by="sam")


async def test_only_so_many_are_asked_at_a_time_and_the_answers_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "_AT_ONCE", 3)
    under_way, most = 0, 0

    async def one(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001 * (10 - number))
        under_way -= 1
        return number

    assert await calls.at_once([one(number) for number in range(10)]) == list(range(10))
    assert most == 3
