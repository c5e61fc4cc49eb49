"""Recorded histories replay: a change of a workflow's commands is caught before it is released."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.replay.record import HISTORIES
from workers.worker import WORKFLOWS, workflow_runner

FILES = sorted(HISTORIES.glob("*.json"))


def test_there_are_histories_of_both_workflows() -> None:
    names = {file.name.split("-")[0] for file in FILES}
    assert names == {"contract", "invoice"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=workflow_runner(),
        data_converter=pydantic_data_converter,
    )
    text = file.read_text()
    # Children are named after their parent: a history replays under its own id only.
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    await replayer.replay_workflow(WorkflowHistory.from_json(started["workflowId"], text))
