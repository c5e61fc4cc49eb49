"""What people do with the keys of contracts: see them, change the master, erase a contract's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from contracts.identifiers import contract_scope, legal_entity_of
from gateways.encryption.keys import Erasure, KeyRing
from starters.client.errors import Refused
from workflows import search_attributes

_MAX_NAMED = 5


@dataclass(frozen=True)
class Known:
    """The keys in the record store: how many each master wraps, and what was erased."""

    by_master: Mapping[str, int]
    erased: Sequence[Erasure]


def known(ring: KeyRing) -> Known:
    """Count the keys. Reads names only, and the records of erasures."""
    counted = Counter(item.master for item in ring.wrapped())
    return Known(dict(sorted(counted.items())), ring.erasures())


def rewrap(ring: KeyRing) -> int:
    """Wrap by the active master whatever another one wraps; how many keys that were."""
    return sum(ring.rewrap(item) for item in list(ring.wrapped()))


async def refuse_if_open(client: Client, workflow_id: str) -> None:
    """Raises Refused while the contract or an invoice of it runs: it would stop where it stands,
    without anybody's word. RPCError where Temporal does not answer."""
    contract = contract_scope(workflow_id)
    names = search_attributes.CONTRACT_ID.name, search_attributes.LEGAL_ENTITY.name
    key, entity = contract.rpartition("/")[2], legal_entity_of(contract)
    query = f"ExecutionStatus = 'Running' AND {names[0]} = '{key}' AND {names[1]} = '{entity}'"
    found = {item.id async for item in client.list_workflows(query, limit=_MAX_NAMED)}
    if await _runs(client, contract):  # lists lag
        found.add(contract)
    if found:
        raise Refused(
            f"{', '.join(sorted(found)[:_MAX_NAMED])} still runs: its keys are erased once it is "
            "closed, or cancelled or terminated in Temporal"
        )


async def _runs(client: Client, workflow_id: str) -> bool:
    try:
        found = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return found.status is WorkflowExecutionStatus.RUNNING


async def erase(
    client: Client, ring: KeyRing, workflow_id: str, *, by: str, reason: str, at: datetime
) -> Erasure:
    """Destroy a contract's keys, and record that. Raises Refused while it is open."""
    await refuse_if_open(client, workflow_id)
    return await asyncio.to_thread(
        ring.erase, contract_scope(workflow_id), by=by, reason=reason, at=at
    )
