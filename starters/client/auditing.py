"""A contract's audit record, from the record store, with what running workflows know of its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from temporalio.service import RPCError

from contracts.audit.merkle import Head
from starters.client.errors import NoAnswer, NotFound, Refused

if TYPE_CHECKING:
    from gateways.audit.reading import ContractAudit, Reader
    from starters.client.contracts import ContractClient
    from starters.client.invoices import InvoiceClient

_MOST_ASKED = 20
"""Of a contract's invoices, those that are asked: the newest."""
_UNKNOWN = (NotFound, NoAnswer, Refused, RPCError)


async def audit(contract: ContractClient, reader: Reader, *, live: bool) -> ContractAudit:
    """The record, checked. Raises NotFound where there is none."""
    heads = await _heads(contract) if live else {}
    found = await asyncio.to_thread(reader.contract, contract.workflow_id, heads)
    if not found.chains:
        raise NotFound(f"there is no audit record of {contract.workflow_id}")
    return found


async def _heads(contract: ContractClient) -> dict[str, Head]:
    """The ends that workflows know; none of those that Temporal has forgotten."""
    try:
        state = await contract.state()
    except _UNKNOWN:
        return {}
    numbers = sorted(state.invoices)[-_MOST_ASKED:]
    invoices = [contract.invoice(number) for number in numbers]
    found = await asyncio.gather(*map(_head, invoices))
    heads = {contract.workflow_id: Head(seq=state.audit.seq, hash=state.audit.head)}
    return heads | {item.workflow_id: head for item, head in zip(invoices, found, strict=True)}


async def _head(invoice: InvoiceClient) -> Head:
    try:
        trail = (await invoice.state()).audit
    except _UNKNOWN:
        return Head(seq=0, hash="")
    return Head(seq=trail.seq, hash=trail.head)
