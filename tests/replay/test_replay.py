"""Recorded histories replay: a change of a workflow's commands is caught before it is released."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.replay.record import HISTORIES
from workers.replays import replayed

FILES = sorted(HISTORIES.glob("*.json"))


def test_there_are_histories_of_every_workflow() -> None:
    names = {file.name.split("-")[0] for file in FILES}
    assert names == {"contract", "event", "invoice"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    assert await failure(file.read_text()) == ""


async def failure(text: str) -> str:
    """Why this code does not replay a history; empty if it does."""

    async def histories() -> AsyncIterator[WorkflowHistory]:
        # Children are named after their parent: a history replays under its own id only.
        started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
        yield WorkflowHistory.from_json(started["workflowId"], text)

    [result] = [item async for item in replayed(histories(), pydantic_data_converter)]
    return result.failure


async def test_what_an_invoice_is_started_with_is_compared_too() -> None:
    """Another amount gives the very same commands, and is another invoice."""
    file = next(file for file in FILES if _starts(file))
    history = json.loads(file.read_text())
    child = next(event[_STARTED] for event in history["events"] if _STARTED in event)
    payload = child["input"]["payloads"][0]
    start = json.loads(base64.b64decode(payload["data"]))
    start["state"]["proposal"]["lines"][0]["unit_price"] = "10.01"
    payload["data"] = base64.b64encode(json.dumps(start).encode()).decode()
    assert "with something else" in await failure(json.dumps(history))


_STARTED = "startChildWorkflowExecutionInitiatedEventAttributes"


def _starts(file: Path) -> bool:
    return _STARTED in file.read_text()
