"""What must be true of webhooks and won deals, whatever happened on the way."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from temporalio.client import Client, WorkflowExecutionStatus

from contracts.contract.state import ContractStage
from contracts.events import EventOutcome
from contracts.identifiers import EVENT_PREFIX
from faultlab.books import Database
from faultlab.ledger import patiently
from faultlab.scenario import ScenarioResult
from starters.client import events
from starters.client.event_rows import EventRow

DONE = frozenset(
    {
        EventOutcome.APPLIED,
        EventOutcome.NOTHING_TO_DO,
        EventOutcome.AFTER_CLOSE,
        EventOutcome.FOLLOWED,
    }
)
_CONVERGED_SECONDS = 60.0
_LOOK_SECONDS = 2.0
_MOST_EVENTS = 50_000
STAGE = "c2c_stage"


@dataclass
class Inbound:
    """What the gateway kept and what the CRM shows: `rounds` are how often an event's workflow ran,
    `starts` how often a contract's did, `stages` the stages that deals show."""

    kept: Mapping[str, int]
    events: dict[str, EventRow] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)

    def unfinished(self, scenarios: Iterable[ScenarioResult]) -> list[tuple[int, str]]:
        """What is not at its end, with the seed of its scenario: it may still come to it."""
        by_contract = {scenario.workflow_id: scenario for scenario in scenarios}
        found = [
            (_seed_of(row, by_contract), f"event {row.id} is {row.outcome}: {row.why}")
            for row in self.events.values()
            if row.outcome not in DONE and not row.needs_person
        ]
        return [*found, *_behind(self.stages, by_contract.values())]


def _seed_of(row: EventRow, by_contract: Mapping[str, ScenarioResult]) -> int:
    for workflow_id in row.touched:
        if workflow_id in by_contract:
            return by_contract[workflow_id].generated.seed
    return -1


def _behind(
    stages: Mapping[str, str], scenarios: Iterable[ScenarioResult]
) -> Iterable[tuple[int, str]]:
    """Deals of closed contracts that do not show it."""
    for scenario in scenarios:
        shown = stages.get(scenario.deal_id, "")
        if scenario.deal_id and scenario.closed and shown != ContractStage.CLOSED:
            yield scenario.generated.seed, f"deal {scenario.deal_id} shows {shown!r}, not closed"


def each_kept_once(found: Inbound) -> Iterable[str]:
    """Every event that was acknowledged is there, and was worked on in one round."""
    for event_id in found.kept:
        if event_id not in found.events:
            yield f"event {event_id} was acknowledged and is not there"
        elif found.rounds[event_id] != 1:
            yield f"event {event_id} was worked on in {found.rounds[event_id]} rounds"


def one_contract_a_deal(
    scenarios: Iterable[ScenarioResult], found: Inbound
) -> Iterable[tuple[int, str]]:
    """Every won deal has one contract, however often and by whatever way it was reported."""
    for scenario in scenarios:
        if scenario.deal_id:
            count = found.starts.get(scenario.workflow_id, 0)
            if count != 1:
                yield scenario.generated.seed, f"deal {scenario.deal_id} has {count} contracts"


async def look(
    client: Client,
    crm: Database,
    kept: Mapping[str, int],
    scenarios: Sequence[ScenarioResult],
    wrong_books: Callable[[Iterable[EventRow]], Iterable[str]],
) -> tuple[Inbound, list[tuple[int, str]]]:
    """Look until all is at its end, or does not come to it in time; and what is wrong then.
    `wrong_books` says of the processor's books what is wrong, as these are the events."""
    deadline = time.monotonic() + _CONVERGED_SECONDS
    while True:
        found = await _read(client, crm, kept, scenarios)
        left = found.unfinished(scenarios)
        left += [(-1, text) for text in wrong_books(found.events.values())]
        if not left or time.monotonic() > deadline:
            wrong = [(-1, text) for text in each_kept_once(found)]
            return found, [*left, *wrong, *one_contract_a_deal(scenarios, found)]
        await asyncio.sleep(_LOOK_SECONDS)


async def _read(
    client: Client, crm: Database, kept: Mapping[str, int], scenarios: Sequence[ScenarioResult]
) -> Inbound:
    rows = await patiently(lambda: events.rows(client, limit=_MOST_EVENTS))
    found = Inbound(kept, events={row.id: row for row in rows}, stages=stages_of(crm))
    for event_id in found.events:
        found.rounds[event_id] = await _first_runs(client, f"{EVENT_PREFIX}{event_id}")
    for scenario in scenarios:
        if scenario.deal_id:
            found.starts[scenario.workflow_id] = await _first_runs(client, scenario.workflow_id)
    return found


async def _first_runs(client: Client, workflow_id: str) -> int:
    """How often a workflow was started: runs that a run continued as are not starts."""
    query = f"WorkflowId = '{workflow_id}'"
    listed = await patiently(partial(_statuses, client, query))
    return sum(1 for status in listed if status is not WorkflowExecutionStatus.CONTINUED_AS_NEW)


async def _statuses(client: Client, query: str) -> list[WorkflowExecutionStatus | None]:
    return [item.status async for item in client.list_workflows(query)]


def stages_of(crm: Database) -> dict[str, str]:
    """The stage that each deal of the CRM shows, read from its own database."""
    rows = crm.rows("SELECT id, properties FROM record WHERE type = 'deals'")
    return {str(row["id"]): json.loads(row["properties"]).get(STAGE) or "" for row in rows}
