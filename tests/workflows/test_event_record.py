"""What people decide about an event is in the audit record, however often it is delivered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.audit import WriteRequest
from activities.events import UpdateRequest
from contracts.audit.entries import Written
from contracts.events import (
    ContractUpdate,
    Delivery,
    EventOutcome,
    ForContract,
    InboundEvent,
    chain_of_event,
)
from gateways.audit.chains import Chains
from gateways.record_store.folder import FolderStore
from starters.client import events
from tests.temporal import new_namespace
from tests.world import ENTITY
from workers.worker import workflow_runner
from workflows import task_queues
from workflows.events import EventWorkflow

OLE, PIA = "ole@northwind.example", "pia@northwind.example"
KEY = "msg/2f ?"
EVENT = InboundEvent(
    source="tickets",
    key=KEY,
    kind="milestone.reached",
    received_at=datetime(2026, 5, 4, 10, tzinfo=UTC),
    sha256="ab" * 32,
    size=120,
    task=ForContract(
        contract=f"contract/{ENTITY}/C-1", update=ContractUpdate.REACH_MILESTONE, message={}
    ),
)


@dataclass
class Played:
    """A contract that refuses what it hears, or applies it; and the record store."""

    chains: Chains
    outcome: EventOutcome = EventOutcome.REFUSED
    delivered: int = 0

    @activity.defn(name="update_contract")
    def update(self, request: UpdateRequest) -> Delivery:
        self.delivered += 1
        return Delivery(outcome=self.outcome, why="no such milestone")

    @activity.defn(name="write_entries")
    def write(self, request: WriteRequest) -> Written:
        given = (request.of, request.seq, request.head, request.entries)
        return self.chains.write(*given, rejoins=request.rejoins)


async def test_who_delivers_an_event_again_or_dismisses_it_is_recorded(
    temporal_client: Client, tmp_path: Path
) -> None:
    client = await new_namespace(temporal_client, "event-record")
    played = Played(Chains(FolderStore(tmp_path), None))
    chain, handle = chain_of_event("tickets", KEY), client.get_workflow_handle(EVENT.workflow_id)
    with ThreadPoolExecutor(2) as pool:
        workflows = Worker(
            client,
            task_queue=task_queues.CONTRACTS,
            workflows=[EventWorkflow],
            activities=[played.update],
            activity_executor=pool,
            workflow_runner=workflow_runner(),
        )
        recording = Worker(
            client,
            task_queue=task_queues.RECORDS,
            activities=[played.write],
            activity_executor=pool,
        )
        async with workflows, recording:
            assert await events.receive(client, EVENT, within_seconds=10)
            # Refused again, then dismissed.
            await events.deliver_again(client, f"tickets/{KEY}", by=OLE, request_id="r-1")
            await events.deliver_again(client, f"tickets/{KEY}", by=OLE, request_id="r-1")
            await events.dismiss(client, f"tickets/{KEY}", by=PIA, reason="a slip")
            await handle.result()
            delivered = played.delivered
            # It is done with: another workflow delivers it once more.
            played.outcome = EventOutcome.APPLIED
            await events.deliver_again(client, f"tickets/{KEY}", by=OLE)
            await handle.result()
    assert played.delivered == delivered + 1
    found = list(played.chains.entries(chain))
    first = ["started", "redelivery", "dismissal", "ended"]
    assert [item.record.what for item in found] == [*first, "started", "redelivery", "ended"]
    people = [item.entry.actor.person for item in found if item.entry and item.entry.actor.person]
    assert people == [OLE, PIA, OLE]
    dismissal = found[2].entry
    assert dismissal is not None
    assert (dismissal.why, dismissal.after) == ("a slip", {"outcome": "dismissed"})
    assert (dismissal.content_hash, found[0].record.source_hash) == (EVENT.sha256, EVENT.sha256)
    verdict = played.chains.check(chain, {})
    assert (verdict.is_whole, verdict.begun_again) == (True, 1)
