"""Lets what a worker forgets be gone from memory at once.

The parts of a workflow in the SDK refer to each other, so only Python's search for garbage would
find what was forgotten: it costs a worker a sixth of its time where many contracts are asked for
that it has forgotten, and gigabytes of memory where it is rare.
"""

from __future__ import annotations

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.worker import Worker


def let_go(worker: Worker) -> None:
    """Take apart what the worker forgets. The SDK has no public way to see that it does."""
    inner = worker._workflow_worker
    if inner is None:
        return
    handle, known = inner._handle_activation, inner._running_workflows

    async def handled(act: WorkflowActivation) -> None:
        before = known.get(act.run_id)
        await handle(act)
        if before is not None and known.get(act.run_id) is not before:
            vars(before.instance).clear()

    inner._handle_activation = handled  # type: ignore[method-assign]
