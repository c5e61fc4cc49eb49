"""F12: changed code against recorded histories: a workflow that would do something else is caught.

Each of these changes the workflows as somebody might; replaying what was recorded has to fail.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from contracts.agenda.actions import Action
from contracts.contract.endings import CLOSE_OUT
from contracts.contract.provisioning import PROVISION
from contracts.contract.state import ContractState
from contracts.invoice.acts import POST
from contracts.invoice.state import InvoiceState
from tests.replay.record import HISTORIES
from workers.worker import WORKFLOWS
from workflows import shell
from workflows.contract_acts import PERFORM as CONTRACT_ACTS
from workflows.invoice_acts import PERFORM

Change = Callable[[pytest.MonkeyPatch], None]


def _provisions_once_more(patch: pytest.MonkeyPatch) -> None:
    """An act that is performed twice."""
    provision = CONTRACT_ACTS[PROVISION]

    def twice(state: ContractState, action: Action) -> Awaitable[Any]:
        first, second = provision(state, action), provision(state, action)

        async def both() -> Any:
            await first
            return await second

        return both()

    patch.setitem(CONTRACT_ACTS, PROVISION, twice)


def _leaves_the_close_out_out(patch: pytest.MonkeyPatch) -> None:
    """An act that is no longer performed."""

    async def nothing(state: ContractState, action: Action) -> None:
        """Closed, unseen."""

    patch.setitem(CONTRACT_ACTS, CLOSE_OUT, nothing)


def _sleeps_before_it_posts(patch: pytest.MonkeyPatch) -> None:
    """A timer where there was none."""
    post = PERFORM[POST]

    async def later(state: InvoiceState, action: Action) -> Any:
        await workflow.sleep(timedelta(seconds=1))
        return await post(state, action)

    patch.setitem(PERFORM, POST, later)


def _shows_nothing(patch: pytest.MonkeyPatch) -> None:
    """Search attributes are commands too."""
    patch.setattr(shell, "upsert", lambda *_: None)


CHANGES: list[tuple[str, Change]] = [
    ("contract-smooth", _provisions_once_more),
    ("contract-smooth", _leaves_the_close_out_out),
    ("contract-smooth", _shows_nothing),
    ("invoice-smooth", _sleeps_before_it_posts),
    ("invoice-smooth", _shows_nothing),
]


async def _replays(name: str) -> None:
    """Replay the first run of a recorded workflow, with the code as it is patched now."""
    file = sorted(HISTORIES.glob(f"{name}-*.json"))[-1]
    text = file.read_text()
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    replayer = Replayer(
        workflows=WORKFLOWS,
        # Outside the sandbox, which would load the modules anew, and unpatched.
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=pydantic_data_converter,
    )
    history = WorkflowHistory.from_json(started["workflowId"], text)
    await asyncio.wait_for(replayer.replay_workflow(history), 30)


@pytest.mark.parametrize("name", ["contract-smooth", "invoice-smooth"])
async def test_as_it_is_the_code_replays_them(name: str) -> None:
    await _replays(name)


@pytest.mark.parametrize(("name", "change"), CHANGES)
async def test_a_workflow_that_would_do_something_else_is_caught(
    monkeypatch: pytest.MonkeyPatch, name: str, change: Change
) -> None:
    change(monkeypatch)
    with pytest.raises(workflow.NondeterminismError):
        await _replays(name)


def test_the_histories_are_of_what_workflows_do_most() -> None:
    """Each activity and each Signal that is in none of them could change unseen."""
    seen = set()
    for file in HISTORIES.glob("*.json"):
        for event in json.loads(file.read_text())["events"]:
            scheduled = event.get("activityTaskScheduledEventAttributes")
            signalled = event.get("workflowExecutionSignaledEventAttributes")
            seen |= {scheduled["activityType"]["name"]} if scheduled else set()
            seen |= {signalled["signalName"]} if signalled else set()
    assert {
        "validate_contract",
        "provision",
        "cancel_order",
        "archive_project",
        "close_out",
        "create_draft",
        "discard_draft",
        "post_invoice",
        "send_invoice",
        "send_reminder",
        "reconcile_credit",
        "read_time",
        "amend_order",
        "amend_project",
        "set_delivered",
        "balance_changed",
        "invoice_changed",
    } <= seen
