"""An anchor's run: what fails of what follows an anchor keeps nothing else from being done."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError
from temporalio.worker import Worker

from activities.audit import Anchored, AnchorRequest
from activities.done import Done
from activities.failures import BusinessRefusal, FailureInterceptor
from contracts.audit.anchors import AnchorDue
from tests.temporal import new_namespace
from tests.world import ENTITY, unique
from workers.worker import workflow_runner
from workflows import task_queues
from workflows.audit_anchor import AuditAnchorWorkflow


@dataclass
class PlayedAnchor:
    """An anchor that is to be stamped and noted; what is in `fails` fails."""

    broken: tuple[str, ...] = ()
    fails: frozenset[str] = frozenset()
    done: set[str] = field(default_factory=set)

    @activity.defn(name="anchor")
    def anchor(self, request: AnchorRequest) -> Anchored:
        return Anchored(
            legal_entity=ENTITY, number=1, is_stamped=True, is_noted=True, broken=self.broken
        )

    @activity.defn(name="stamp")
    def stamp(self, anchored: Anchored) -> Done:
        return self._did("stamp")

    @activity.defn(name="note_anchor")
    def note(self, anchored: Anchored) -> Done:
        return self._did("note")

    @activity.defn(name="report_broken")
    def report(self, anchored: Anchored) -> Done:
        self._did("report")
        raise BusinessRefusal("audit_differs", "a chain is not whole")

    def _did(self, what: str) -> Done:
        if what in self.fails:
            raise BusinessRefusal("timestamp_invalid", f"no {what}")
        self.done.add(what)
        return Done()

    @property
    def all(self) -> list[Callable[..., Any]]:
        return [self.anchor, self.stamp, self.note, self.report]


@pytest.mark.parametrize(
    ("played", "done", "fails_with"),
    [
        (PlayedAnchor(), {"stamp", "note"}, ""),
        (PlayedAnchor(fails=frozenset({"stamp"})), {"note"}, "no stamp"),
        (PlayedAnchor(fails=frozenset({"note"})), {"stamp"}, "no note"),
        (
            PlayedAnchor(broken=("C-1",), fails=frozenset({"stamp"})),
            {"note", "report"},
            "a chain is not whole",
        ),
    ],
    ids=["nothing", "the stamp", "the note", "the stamp, of what is broken"],
)
async def test_what_fails_keeps_nothing_else_from_being_done_and_fails_the_run(
    temporal_client: Client, played: PlayedAnchor, done: set[str], fails_with: str
) -> None:
    client = await new_namespace(temporal_client, "anchor")
    with ThreadPoolExecutor(4) as pool:
        workflows = Worker(
            client,
            task_queue=task_queues.CONTRACTS,
            workflows=[AuditAnchorWorkflow],
            workflow_runner=workflow_runner(),
        )
        activities = Worker(
            client,
            task_queue=task_queues.RECORDS,
            activities=played.all,
            activity_executor=pool,
            interceptors=[FailureInterceptor()],
        )
        async with workflows, activities:
            run = client.execute_workflow(
                AuditAnchorWorkflow.run,
                AnchorDue(legal_entity=ENTITY, time_zone="Europe/Brussels"),
                id=unique("anchor"),
                task_queue=task_queues.CONTRACTS,
            )
            if fails_with:
                with pytest.raises(WorkflowFailureError) as failed:
                    await run
                assert isinstance(failed.value.cause, ActivityError)
                assert fails_with in str(failed.value.cause.cause)
            else:
                await run
    assert played.done == done
