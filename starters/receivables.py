"""Receivables of some legal entities on a day: Odoo's open invoices, and what is agreed of them.

What is agreed is read from Temporal's lists, in one query a legal entity: no worker is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from contracts.invoice.state import InvoiceStage
from contracts.receivables import Agreed, OpenPart, Standing, with_agreed
from contracts.views.agreed import AgreedCard
from starters.books import FAILURES, Books
from starters.client.listing import conditions
from starters.client.names import INVOICE_WORKFLOW
from workflows import search_attributes

MOST_AGREED = 2_000
"""Invoices of a legal entity of which something is agreed, or that are not delivered."""
_STAGES = (InvoiceStage.OPEN, InvoiceStage.PARTIALLY_PAID, InvoiceStage.OVERDUE)
_WAITS = {
    "dispute": Standing.DISPUTED,
    "promise": Standing.PROMISED,
    "new_due_date": Standing.NEW_DATE,
    "hold": Standing.HELD,
}
"""What is agreed, by the word that an invoice which waits on it shows in lists."""
_BEFORE = ("exception", "credentials", "approval", "write_off")
"""What an open invoice may wait on first, whatever is agreed of it."""


@dataclass
class Receivables:
    """The open parts of several legal entities. `problems` are those that could not be read, with
    the reasons; `notes` say what is not whole. `as_of` is when the oldest of it was read; None
    where nothing was. `shows_agreements` is not so for a day that is past: what was agreed then is
    not known any more."""

    rows: list[OpenPart] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    as_of: datetime | None = None
    shows_agreements: bool = True


async def receivables(
    client: Client, books: Books, entities: Sequence[str], day: date | None = None
) -> Receivables:
    """What is open: today where each legal entity is, or at the end of an earlier `day`."""
    found = Receivables(shows_agreements=all(_is_now(books, entity, day) for entity in entities))
    await asyncio.gather(*(_add(client, books, entity, day, found) for entity in entities))
    return found


async def _add(
    client: Client, books: Books, entity: str, day: date | None, found: Receivables
) -> None:
    on = min(day or books.today(entity), books.today(entity))
    try:
        reading = await books.open_parts(entity, on)
        agreed = await _agreed(client, entity) if _is_now(books, entity, day) else {}
    except (*FAILURES, RPCError) as error:
        found.problems[entity] = str(error)
        return
    found.rows += with_agreed(reading.value.rows, agreed)
    for number, why in reading.value.left_out.items():
        found.notes.append(f"{number} of {entity} is left out: {why}")
    if reading.value.more:
        found.notes.append(f"{entity} has more open parts than are read: sums are not whole")
    if len(agreed) >= MOST_AGREED:
        found.notes.append(f"{entity} has more than {MOST_AGREED} agreements: some are not shown")
    found.as_of = min(found.as_of or reading.as_of, reading.as_of)


def _is_now(books: Books, entity: str, day: date | None) -> bool:
    return day is None or day >= books.today(entity)


async def _agreed(client: Client, entity: str) -> dict[str, Agreed]:
    """By workflow, what is agreed of an invoice, or that it is not delivered."""
    waiting, stage = search_attributes.WAITING_ON.name, search_attributes.INVOICE_STAGE.name
    also = (
        f"WorkflowType = '{INVOICE_WORKFLOW}' AND ExecutionStatus = 'Running' AND "
        f"({stage} = '{InvoiceStage.POSTED_NOT_DELIVERED}' OR "
        f"({stage} IN ({_quoted(_STAGES)}) AND {waiting} IN ({_quoted((*_WAITS, *_BEFORE))})))"
    )
    found: dict[str, Agreed] = {}
    where = conditions(entity=entity, also=also)
    async for run in client.list_workflows(where, limit=MOST_AGREED):
        if run.id not in found:
            found[run.id] = await _agreed_of(run)
    return found


async def _agreed_of(run: WorkflowExecution) -> Agreed:
    shown = run.typed_search_attributes
    undelivered = shown.get(search_attributes.INVOICE_STAGE) == InvoiceStage.POSTED_NOT_DELIVERED
    try:
        card = await run.memo_value(search_attributes.AGREED, AgreedCard(), type_hint=AgreedCard)
    except Exception:  # its key was erased, or is missing: what it waits on is not encrypted
        standing = _WAITS.get(shown.get(search_attributes.WAITING_ON) or "")
        known = [standing, Standing.UNDELIVERED if undelivered else None]
        return Agreed(frozenset(item for item in known if item is not None))
    return Agreed.of(card, undelivered=undelivered)


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
