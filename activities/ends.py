"""When a contract ended: as Temporal knows it; where that has forgotten it, by its audit record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from contracts.audit.records import contract_prefix
from contracts.identifiers import legal_entity_of
from gateways.audit.chains import Chains

_MAX_NAMED = 5
_GOES_ON = (None, WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)


@dataclass(frozen=True)
class Ended:
    """What is known of a contract's end: which of its workflows still run (some of them), or else
    when the last of them ended; None where nothing says it."""

    running: tuple[str, ...] = ()
    at: datetime | None = None


async def ended(client: Client, chains: Chains, contract: str) -> Ended:
    """Whether a contract and its invoices have ended, and when; or a bank's file, by its workflow
    id. Raises RPCError, GatewayError."""
    own = await _end_of(client, contract)
    if own.running:  # most: nothing else need be looked at
        return own
    running = await _listed(client, contract)
    if running:
        return Ended(running)
    recorded = await asyncio.to_thread(_recorded, chains, contract)
    times = [own.at]
    for name, last_at in recorded.items():
        known = own if name == contract else await _end_of(client, name)
        if known.running:
            return known
        times.append(known.at or last_at)
    return Ended(at=max((item for item in times if item is not None), default=None))


async def _listed(client: Client, contract: str) -> tuple[str, ...]:
    """Some of the workflows of a contract that Temporal lists as running. Lists lag, so what has
    just begun may be missing."""
    key, entity = contract.rpartition("/")[2], legal_entity_of(contract)
    query = f"ExecutionStatus = 'Running' AND ContractId = '{key}' AND LegalEntity = '{entity}'"
    found = {item.id async for item in client.list_workflows(query, limit=_MAX_NAMED)}
    return tuple(sorted(found))


async def _end_of(client: Client, workflow_id: str) -> Ended:
    """What Temporal knows of one workflow: nothing once it has forgotten it."""
    try:
        found = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return Ended()
        raise
    return Ended((workflow_id,)) if found.status in _GOES_ON else Ended(at=found.close_time)


def _recorded(chains: Chains, contract: str) -> dict[str, datetime | None]:
    """The contract's and its invoices' chains, each with the time of its last entry."""
    return {
        of: chains.time_of(of, numbers[-1])
        for of, numbers in chains.chains(contract_prefix(contract))
    }
