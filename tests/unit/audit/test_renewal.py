"""A run does not wait without end for a record store that is away, and loses nothing by it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob

from contracts.agenda.actions import Failed
from contracts.audit import entries
from contracts.contract.messages import CancelRequest
from contracts.contract.state import ContractInput
from contracts.model import Source
from tests.explore.shell import _CONTRACT_ACTS, _CONVERTER, CONTRACT_ID, Run
from tests.unit.contract.examples import fixed_price
from workflows.contract import ContractWorkflow
from workflows.shell import MANY_EVENTS

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def writing(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A cancelled contract whose audit record is being written, and nothing else is done."""
    monkeypatch.setattr(Run, "record", lambda run, now: None)
    start = ContractInput(
        contract_id="C-1",
        legal_entity="northwind",
        source=Source(system="file", id="9001"),
        contract_data=fixed_price(),
    )
    run = Run(ContractWorkflow, CONTRACT_ID, _CONVERTER.to_payload(start))
    run.begin(NOON)
    run.matched(run.state.running, _CONTRACT_ACTS)
    refused = Failed("business", "missing", "something is missing")
    run.answered(NOON, "validate", run.state.running["validate"], refused)
    assert run.update(NOON, CancelRequest(by="sam", reason="changed their mind")) == ""
    assert list(run.state.running) == [entries.WRITE]
    return run


def asked_to_renew(run: Run, events: int) -> list[ContractInput]:
    """What the next run is started with, if this one gives way after so many events."""
    job = WorkflowActivationJob()
    job.signal_workflow.signal_name = "renew_run"
    activation = WorkflowActivation(run_id="run", jobs=[job], history_length=events)
    activation.timestamp.FromDatetime(NOON)
    commands = run.instance.activate(activation).successful.commands
    kinds: list[type] = [ContractInput]
    return [
        _CONVERTER.from_payloads(command.continue_as_new_workflow_execution.arguments, kinds)[0]
        for command in commands
        if command.HasField("continue_as_new_workflow_execution")
    ]


def test_a_run_waits_for_the_writing_while_its_history_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = writing(monkeypatch)
    assert not asked_to_renew(run, MANY_EVENTS)
    assert not run.is_over, "nothing ends before all is written"


def test_a_long_run_gives_way_and_the_next_one_writes_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = writing(monkeypatch)
    pending = run.state.audit.pending
    [following] = asked_to_renew(run, 2 * MANY_EVENTS)
    assert following.state is not None
    assert following.state.running == {}
    assert following.state.audit.pending == pending
    next_run = Run(ContractWorkflow, CONTRACT_ID, _CONVERTER.to_payload(following))
    next_run.begin(NOON)
    assert list(next_run.state.running) == [entries.WRITE]
