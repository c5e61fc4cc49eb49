"""Keeps a Query from putting what a worker has in memory ahead of the workflow's history.

A Query that waits for a worker comes with the history as it is by then. Events behind the last
workflow task, which no task has taken yet, are in it, and the SDK's core applies them, answers, and
keeps the workflow so. If more events come before that task begins, they are taken in two portions
here and in one by whoever replays the history: Signals before an activity's result or after it.
From then on it does not replay any more, and the workflow stands still.

Such a workflow is known by its clock: new events at an unchanged time, since no task has begun. It
is forgotten with the answer, and read anew from its history when its task comes.
"""

from __future__ import annotations

from collections.abc import Callable

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.worker import Worker

_ASKED, _FORGOTTEN = "query_workflow", "remove_from_cache"


class Ahead:
    """Knows which workflows in memory are ahead of their history; `forget` takes a run's id."""

    def __init__(self, forget: Callable[[str], None]) -> None:
        self._forget = forget
        self._seen: dict[str, tuple[int, int]] = {}
        self._ahead: set[str] = set()

    def see(self, activation: WorkflowActivation) -> None:
        """Look at what a workflow is about to be told."""
        run_id, kinds = activation.run_id, {job.WhichOneof("variant") for job in activation.jobs}
        if _FORGOTTEN in kinds:
            self._seen.pop(run_id, None)
            self._ahead.discard(run_id)
        elif kinds == {_ASKED}:
            if run_id in self._ahead:
                self._forget(run_id)
        else:
            length, clock = activation.history_length, activation.timestamp.ToNanoseconds()
            seen_length, seen_clock = self._seen.get(run_id, (length, clock))
            if length > seen_length and clock == seen_clock:
                self._ahead.add(run_id)
            self._seen[run_id] = length, clock


def keep_behind(worker: Worker) -> None:
    """Let a worker forget what is ahead. The SDK has no public way to look at activations."""
    inner = worker._workflow_worker
    if inner is None:
        return
    handle = inner._handle_activation
    ahead = Ahead(lambda run_id: inner._bridge_worker().request_workflow_eviction(run_id))

    async def seen(act: WorkflowActivation) -> None:
        # Before it is answered: once it is, the task may begin at once.
        ahead.see(act)
        await handle(act)

    inner._handle_activation = seen  # type: ignore[method-assign]
