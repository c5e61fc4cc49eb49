"""`/contracts`: all contracts, page by page, narrowed by what the address says."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from temporalio.client import Client

from contracts.access import Permission
from contracts.contract.state import ContractStage
from contracts.identifiers import KEY
from starters.client import BadReference, listing
from starters.client.listing import ContractRow
from starters.web.pages.asking import asked
from starters.web.pages.shell import Link, PageModule, page
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs
from workflows import search_attributes

PAGE_ROWS = 50
_MAX_TOKEN = 4_000
WAITS_ON = (
    "approval",
    "credentials",
    "exception",
    "hold",
    "invoices",
    "milestone",
    "period",
    "retainage",
    "settlement",
    "signature",
)
"""What a contract waits on, as `contract_waits` calls it."""
_STATES = {"running": "ExecutionStatus = 'Running'", "ended": "ExecutionStatus != 'Running'"}

routes = APIRouter()


@dataclass(frozen=True)
class Narrowed:
    """What the list is narrowed to; what is empty does not narrow."""

    entity: str = ""
    stage: str = ""
    waiting: str = ""
    customer: str = ""
    state: str = ""

    def where(self, entities: list[str]) -> str:
        """The visibility condition. Raises BadReference for words that cannot be."""
        if self.customer and not KEY.match(self.customer):
            raise BadReference(
                f"customers are named by their key, such as acme, not {self.customer!r}"
            )
        terms = []
        if self.customer:
            terms.append(f"{search_attributes.CUSTOMER.name} = '{self.customer}'")
        if self.state:
            terms.append(_STATES[self.state])
        also = " AND ".join(terms)
        return listing.conditions(
            entities=entities, ContractStage=self.stage, waiting_on=self.waiting, also=also
        )


@routes.get("/contracts", dependencies=[needs(Permission.READ)])
async def contracts(
    request: Request,
    visitor: Present,
    entity: Annotated[str, Query(max_length=100)] = "",
    stage: Annotated[str, Query(max_length=50)] = "",
    waiting: Annotated[str, Query(max_length=50)] = "",
    customer: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[str, Query(max_length=10)] = "",
    after: Annotated[str, Query(max_length=_MAX_TOKEN)] = "",
) -> Response:
    """A page of contracts, the newest first."""
    narrowed = Narrowed(entity, stage, waiting, customer.strip(), state if state in _STATES else "")
    problem, total, found = "", 0, listing.ContractPage([])
    entities = shown_entities(request, visitor, entity)
    try:
        where = narrowed.where(entities) if entities else ""
    except BadReference as error:
        problem, where = str(error), ""
    if where:
        client = c2c_of(request, visitor).client
        found, total = await asked(_both(client, where, _following(after)), "the list of contracts")
    return await page(
        request,
        "contracts.html",
        status=422 if problem else 200,
        title="Contracts",
        narrowed=narrowed,
        rows=found.rows,
        total=total,
        next=base64.urlsafe_b64encode(found.following).decode() if found.following else "",
        is_first=not after,
        problem=problem,
        stages=[str(item) for item in ContractStage],
        waits_on=WAITS_ON,
        address_of=_address_of,
        entities=visitor.entities(Permission.READ, workbench_of(request).entities),
    )


async def _both(client: Client, where: str, following: bytes) -> tuple[listing.ContractPage, int]:
    return await asyncio.gather(
        listing.contract_page(client, where=where, following=following, size=PAGE_ROWS),
        listing.count_contracts(client, where),
    )


def shown_entities(request: Request, visitor: Visitor, chosen: str) -> list[str]:
    """The legal entities of a list: the one that is chosen, or all that the visitor may read.
    Raises HttpProblem for another."""
    readable = visitor.entities(Permission.READ, workbench_of(request).entities)
    if not chosen:
        return readable
    if chosen not in readable:
        raise HttpProblem(404, "there is no such legal entity")
    return [chosen]


def _following(after: str) -> bytes:
    try:
        return base64.b64decode(after, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise HttpProblem(404, "there is no such page of the list") from None


def _address_of(row: ContractRow) -> str:
    return f"/c/{row.legal_entity}/{row.contract_id}"


PAGES = PageModule(routes, (Link("Contracts", "/contracts"),))
