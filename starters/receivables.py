"""Receivables of some legal entities on a day: Odoo's open invoices, and what is agreed of them.

What is agreed is read from Temporal's lists, in one query a legal entity: no worker is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from temporalio.client import Client
from temporalio.service import RPCError

from contracts.invoice.state import InvoiceStage
from contracts.receivables import AGREED, Receivable, Standing, with_agreed
from starters.books import FAILURES, Books
from starters.client.listing import conditions
from starters.client.names import INVOICE_WORKFLOW
from workflows import search_attributes

MOST_AGREED = 2_000
"""Invoices of a legal entity that are disputed, promised, held or not delivered."""


@dataclass
class Receivables:
    """The open parts of several legal entities. `problems` are those that could not be read, with
    the reasons; `notes` say what is not whole. `as_of` is when the oldest of it was read; None
    where nothing was. `shows_agreements` is not so for a day that is past: what was agreed then is
    not known any more."""

    rows: list[Receivable] = field(default_factory=list)
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


async def _agreed(client: Client, entity: str) -> dict[str, Standing]:
    """By workflow, what is agreed of an invoice, or that it is not delivered."""
    waiting, stage = search_attributes.WAITING_ON, search_attributes.INVOICE_STAGE
    words = ", ".join(f"'{word}'" for word in AGREED)
    undelivered = str(InvoiceStage.POSTED_NOT_DELIVERED)
    also = (
        f"WorkflowType = '{INVOICE_WORKFLOW}' AND ExecutionStatus = 'Running' AND "
        f"({waiting.name} IN ({words}) OR {stage.name} = '{undelivered}')"
    )
    found: dict[str, Standing] = {}
    where = conditions(entity=entity, also=also)
    async for run in client.list_workflows(where, limit=MOST_AGREED):
        shown = run.typed_search_attributes
        if shown.get(stage) == undelivered:
            found.setdefault(run.id, Standing.UNDELIVERED)
        elif (standing := AGREED.get(shown.get(waiting) or "")) is not None:
            found.setdefault(run.id, standing)
    return found
