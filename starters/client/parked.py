"""Parked steps: with what may be decided about each, or as lists show them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.client import Client, WorkflowExecution

from contracts.parking import StepException
from contracts.views.parked import ParkedCard, ParkedCards
from starters.client import listing
from starters.client.listing import Listed
from starters.client.names import CONTRACT_WORKFLOW, INVOICE_WORKFLOW
from workflows import search_attributes

if TYPE_CHECKING:
    from contracts.views.choices import Choice


@dataclass(frozen=True)
class ParkedStep:
    """A parked step, the workflow it is parked in, and the decisions that are possible now.
    `time_zone` is the legal entity's; empty where the workflow does not know it yet."""

    workflow_id: str
    exception: StepException
    choices: tuple[Choice, ...] = ()
    time_zone: str = ""
    commands: tuple[str, ...] = ()
    """What decides it, where that is none of `c2c exceptions`."""

    @property
    def possible(self) -> tuple[str, ...]:
        return (*(choice.action for choice in self.choices), *self.commands)


@dataclass(frozen=True)
class ParkedSteps(Listed[ParkedStep]):
    """Parked steps, oldest first. `events`: how many inbound events wait for a person beside
    them."""

    events: int = 0


@dataclass(frozen=True)
class ParkedRow:
    """What is parked in one contract or invoice, from visibility: no worker is needed, and it is a
    moment behind. `more` steps are not among them; `unreadable` says why there are none."""

    workflow_id: str
    customer: str
    steps: tuple[ParkedCard, ...] = ()
    more: int = 0
    unreadable: str = ""


async def rows(client: Client, where: str, limit: int) -> Listed[ParkedRow]:
    """Contracts and invoices with parked steps that fulfil a visibility condition, at most `limit`
    of each."""
    kinds = (CONTRACT_WORKFLOW, INVOICE_WORKFLOW)
    listed = await asyncio.gather(*(listing.runs(client, kind, where, limit + 1) for kind in kinds))
    found = [await _row(run) for some in listed for run in some[:limit]]
    return Listed(found, any(len(some) > limit for some in listed))


async def _row(run: WorkflowExecution) -> ParkedRow:
    key = run.typed_search_attributes.get(search_attributes.CUSTOMER) or ""
    try:
        customer = await run.memo_value(search_attributes.CUSTOMER_NAME, "")
        known = await run.memo_value(search_attributes.PARKED, None)
        found = ParkedCards.model_validate(known or {})
    except Exception as error:  # its key was erased, or another release wrote it
        return ParkedRow(run.id, key, unreadable=f"cannot be read: {type(error).__name__}")
    return ParkedRow(run.id, customer or key, found.steps, found.more)
