"""A contract's audit record, from the record store, with what running workflows know of its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from temporalio.client import Client
from temporalio.service import RPCError

from contracts.audit.entries import Trail
from contracts.audit.merkle import Head
from contracts.identifiers import invoice_workflow_id
from starters.client import calls, messages
from starters.client.errors import NoAnswer, NotFound, Refused
from starters.client.protocol import Query

if TYPE_CHECKING:
    from gateways.audit.reading import ContractAudit, Reader

_MOST_ASKED = 20
"""Of a contract's invoices, those that are asked: the newest."""
_UNKNOWN = (NotFound, NoAnswer, Refused, RPCError)


async def audit(client: Client, contract: str, reader: Reader, *, live: bool) -> ContractAudit:
    """The record of a contract, by its workflow id, checked. Raises NotFound where there is
    none."""
    heads = await _heads(client, contract) if live else {}
    found = await asyncio.to_thread(reader.contract, contract, heads)
    if not found.chains:
        raise NotFound(f"there is no audit record of {contract}")
    return found


async def _heads(client: Client, contract: str) -> dict[str, Head]:
    """The ends that workflows know; none of those that Temporal has forgotten."""
    state = await _state(client, contract, messages.CONTRACT)
    if state is None:
        return {}
    ids = [invoice_workflow_id(contract, number) for number in sorted(state.invoices)]
    newest = ids[-_MOST_ASKED:]
    found = await asyncio.gather(*(_state(client, item, messages.INVOICE) for item in newest))
    known = {item: _head(there.audit) for item, there in zip(newest, found, strict=True) if there}
    return {contract: _head(state.audit), **known}


async def _state(client: Client, workflow_id: str, query: Query[Any]) -> Any:
    try:
        return await calls.query(client, workflow_id, query)
    except _UNKNOWN:
        return None


def _head(trail: Trail) -> Head:
    return Head(seq=trail.seq, hash=trail.head)
