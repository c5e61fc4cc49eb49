"""Lets a workflow task that takes long end by itself.

After two seconds the SDK interrupts a workflow task, as one that would never end, wherever it is
just then. It may be where the workflow cannot be taken out of memory any more: then this worker
never serves it again. On a busy machine two seconds are no sign of an endless task. One that takes
longer than the engine waits for it is handed out again without that.
"""

from __future__ import annotations

from temporalio.worker import Worker

PATIENCE_SECONDS = 30
"""What takes so long never ends; workflows/options.py says when the engine gives a task up."""


def be_patient(worker: Worker) -> None:
    """Let a worker wait longer for a workflow task. The SDK has no public way to say how long."""
    inner = worker._workflow_worker
    if inner is not None and inner._deadlock_timeout_seconds is not None:
        inner._deadlock_timeout_seconds = PATIENCE_SECONDS
