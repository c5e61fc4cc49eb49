"""Audit records from the record store, with what running workflows know of their ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from temporalio.client import Client

from contracts.audit.merkle import Head
from contracts.identifiers import BANK_PREFIX, invoice_workflow_id, is_invoice_workflow_id
from starters.client import bank, calls, messages
from starters.client.errors import NotFound
from starters.client.protocol import Query

if TYPE_CHECKING:
    from gateways.audit.reading import ContractAudit, Reader


async def audit(client: Client, contract: str, reader: Reader, *, live: bool) -> ContractAudit:
    """The record of a contract, by its workflow id, checked. Raises NotFound where there is
    none."""
    heads: dict[str, Head] = {}
    silent: dict[str, Exception] = {}
    if live:
        stored = await asyncio.to_thread(reader.of_contract, contract)
        ids = {contract, *stored, *await _invoices(client, contract)}
        heads = await _heads(client, sorted(ids), silent)
    found = await asyncio.to_thread(reader.contract, contract, heads, tuple(silent))
    if not found.chains:
        raise NotFound(f"there is no audit record of {contract}")
    return found


async def head(client: Client, workflow_id: str) -> Head | None:
    """The end of its chain as the workflow of a contract, an invoice or a bank's file knows it;
    None where Temporal knows no such workflow. Raises NoAnswer, Refused, RPCError."""
    question: Query[Any] = messages.CONTRACT
    if workflow_id.startswith(BANK_PREFIX):
        question = bank.BANK_FILE
    elif is_invoice_workflow_id(workflow_id):
        question = messages.INVOICE
    try:
        answer = await calls.query(client, workflow_id, question)
    except NotFound:
        return None
    trail = (answer.state if workflow_id.startswith(BANK_PREFIX) else answer).audit
    return Head(seq=trail.seq, hash=trail.head)


async def _invoices(client: Client, contract: str) -> list[str]:
    """The invoices that a contract knows; the store may have lost whole chains of them."""
    try:
        state = await calls.query(client, contract, messages.CONTRACT)
    except calls.FAILURES:
        return []  # that it gives no answer is seen once its end is asked for
    return [invoice_workflow_id(contract, number) for number in state.invoices]


async def _heads(client: Client, ids: list[str], silent: dict[str, Exception]) -> dict[str, Head]:
    """The ends that workflows know; those that give no answer become `silent`."""

    async def ask(workflow_id: str) -> list[tuple[str, Head]]:
        found = await head(client, workflow_id)
        return [(workflow_id, found)] if found is not None else []

    return dict(await calls.each(ids, ask, silent.__setitem__))
