"""All contracts of a legal entity, page by page, for reports: nothing is kept of those before.

What lists show is enough for a contract that does not run yet; the others are asked by a Query
each, some at a time, which a worker answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowExecution

from contracts.analytics.contract import ContractFacts
from contracts.contract.state import ENDED, UNSIGNED, ContractStage
from contracts.identifiers import contract_workflow_id
from starters.client import calls
from starters.client.calls import Unreadable
from starters.client.errors import Refused
from starters.client.listing import ContractRow, conditions, contract_row
from starters.client.messages import FACTS
from starters.client.names import CONTRACT_WORKFLOW, INVOICE_WORKFLOW
from workflows import search_attributes

PAGE_CONTRACTS = 200
_AGAIN_AFTER_SECONDS = 2
_ERASED = "[key_erased]"
"""In what a worker answers for a contract whose keys were destroyed, so that nobody reads it."""
_LISTS_LAG = timedelta(minutes=10)
"""Far longer than visibility lags, and than the server's clock may differ from ours."""

PIPELINE = UNSIGNED | {ContractStage.PROVISIONING}
"""The stages of a contract that does not run yet."""


@dataclass(frozen=True)
class ContractPage:
    """Some contracts: those that do not run yet as lists show them, and what the others tell."""

    pipeline: list[ContractRow] = field(default_factory=list)
    facts: list[ContractFacts] = field(default_factory=list)


async def contract_pages(
    client: Client, legal_entity: str, ended_since: datetime, unreadable: Unreadable
) -> AsyncIterator[ContractPage]:
    """The contracts of a legal entity that are under way, or ended since then. One that gives no
    answer goes to `unreadable`."""
    rows: list[ContractRow] = []
    async for run in listed(client, _where(legal_entity, ended_since)):
        rows.append(await contract_row(run, due=0.0))
        if len(rows) == PAGE_CONTRACTS:
            yield await _page(client, rows, unreadable)
            rows = []
    if rows:
        yield await _page(client, rows, unreadable)


async def listed(client: Client, where: str) -> AsyncIterator[WorkflowExecution]:
    """The newest run of each contract.

    Lists begin with the newest runs. A contract that begins another one while pages are read is on
    a page that was there already, and not where it was: so the new runs are listed once more.
    """
    began = datetime.now(UTC) - _LISTS_LAG
    ids: set[str] = set()
    for query in (where, f"{where} AND StartTime >= '{_literal(began)}'"):
        async for run in client.list_workflows(query):
            # Visibility lags: between two runs both may be listed as the newest for a moment.
            if run.id not in ids:
                ids.add(run.id)
                yield run


async def waiting_since(
    client: Client, legal_entity: str, waits_on: Collection[str]
) -> AsyncIterator[datetime]:
    """Since when each contract and invoice of a legal entity waits that waits on one of these, as
    lists show it."""
    words = ", ".join(f"'{word}'" for word in sorted(waits_on))
    where = (
        f"WorkflowType IN ('{CONTRACT_WORKFLOW}', '{INVOICE_WORKFLOW}') AND "
        f"{conditions(entity=legal_entity)} AND ExecutionStatus = 'Running' AND "
        f"{search_attributes.WAITING_ON.name} IN ({words})"
    )
    async for run in client.list_workflows(where):
        since = run.typed_search_attributes.get(search_attributes.WAITING_SINCE)
        if since is not None:
            yield since


def _where(legal_entity: str, ended_since: datetime) -> str:
    return (
        f"WorkflowType = '{CONTRACT_WORKFLOW}' AND {conditions(entity=legal_entity)} AND "
        f"(ExecutionStatus = 'Running' OR (ExecutionStatus = 'Completed' AND "
        f"CloseTime >= '{_literal(ended_since)}'))"
    )


def _literal(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def _page(client: Client, rows: list[ContractRow], unreadable: Unreadable) -> ContractPage:
    pipeline = [row for row in rows if row.stage in PIPELINE]
    asked = [row.workflow_id for row in rows if row.stage not in PIPELINE]
    facts = await _facts(client, asked, unreadable)
    return ContractPage(pipeline, [item for item in facts if _counts(item)])


async def _facts(client: Client, asked: list[str], unreadable: Unreadable) -> list[ContractFacts]:
    """What these contracts tell, in their order."""

    async def ask(contract: str) -> list[ContractFacts]:
        try:
            return await calls.query(client, contract, FACTS)
        except Refused as error:
            if _ERASED in str(error):
                return []
            raise

    late: list[str] = []
    found = await calls.each(asked, ask, lambda contract, _: late.append(contract))
    if late:
        # Workers are there and were busy: now that the others are through, once more.
        await asyncio.sleep(_AGAIN_AFTER_SECONDS)
        found += await calls.each(late, ask, unreadable)
    place = {workflow_id: number for number, workflow_id in enumerate(asked)}
    return sorted(
        found, key=lambda one: place[contract_workflow_id(one.legal_entity, one.contract_id)]
    )


def _counts(facts: ContractFacts) -> bool:
    """Whether it came so far that there is something to say: what was cancelled before its project
    was there is no contract of the firm's."""
    return facts.stage not in ENDED or facts.provisioned_on is not None
