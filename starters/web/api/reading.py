"""Lists, and how one contract, one invoice or one bank's file stands."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from temporalio.client import Client

from contracts.access import EVERYWHERE, Permission
from contracts.approvals import ApprovalKind
from contracts.bank.file import BankFileView
from contracts.contract.state import ContractStage, ContractState
from contracts.events import EventOutcome, EventRecord
from contracts.identifiers import bank_workflow_id, contract_workflow_id, invoice_workflow_id
from contracts.invoice.state import InvoiceState
from contracts.model import Day
from contracts.money import Money
from contracts.problems import InvalidContract, finding
from starters.client import bank, events, listing
from starters.client.c2c import C2C
from starters.client.contracts import ContractClient
from starters.client.invoices import InvoiceClient
from starters.client.names import MAX_LISTED
from starters.client.references import BadReference
from starters.client.wire import (
    Approvals,
    BankFiles,
    Contracts,
    Events,
    Exceptions,
    Me,
    Parked,
    Trying,
    Unread,
)
from starters.web.api.access import event_of, may_see_event, scope
from starters.web.api.failures import told
from starters.web.api.parameters import (
    DEFAULT_LIMIT,
    Contract,
    Entity,
    FileHash,
    Limit,
    Number,
    OfEntity,
)
from starters.web.problems import documented
from starters.web.visitors import Present, needs

T = TypeVar("T")

ONE = documented(401, 403, 404, 422, 429, 503)
READ = [needs(Permission.READ)]
_MAX_CURSOR = 4_000
Cursor = Annotated[
    str, Query(max_length=_MAX_CURSOR, description="What the page before said is `next`.")
]
Customer = Annotated[
    str, Query(max_length=200, description="Only of this customer, by its key or its name.")
]
UpTo = Annotated[
    str,
    Query(
        max_length=40,
        description="Only amounts (without tax) in this currency up to.",
        examples=["500.00 EUR"],
    ),
]
Waiting = Annotated[
    str,
    Query(
        pattern="^([a-z][a-z_-]{0,40})?$",
        description="Only what waits on this: exception, credentials, approval, hold, milestone, "
        "period, retainage, invoices.",
    ),
]
SourceName = Annotated[
    str, Query(pattern="^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$", description="Only of this sender.")
]

routes = APIRouter()


# --- who asks -----------------------------------------------------------------------------------


@routes.get("/me", tags=["access"], dependencies=READ, responses=documented(401, 403, 429))
async def me(visitor: Present) -> Me:
    """Whoever is signed in, with their roles and what they may do."""
    return Me(
        person=visitor.person,
        name=visitor.name,
        is_machine=visitor.is_machine,
        roles={entity: sorted(roles) for entity, roles in sorted(visitor.roles.items())},
        permissions={
            entity: [item for item in Permission if visitor.may(item, entity)]
            for entity in sorted(visitor.roles)
        },
    )


# --- contracts and invoices ---------------------------------------------------------------------


@routes.get("/contracts", tags=["contracts"], dependencies=READ, responses=ONE)
async def contracts(
    request: Request,
    visitor: Present,
    entity: OfEntity = "",
    stage: ContractStage | None = None,
    waiting_on: Waiting = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Response:
    """Contracts, the newest first, page by page; rows are a moment behind."""
    with told():
        where = listing.conditions(
            ContractStage=stage or "",
            waiting_on=waiting_on,
            also=scope(visitor, Permission.READ, entity),
        )
        page = await listing.contract_page(
            _temporal(request), where=where, size=limit, following=_token(cursor)
        )
    return _json(Contracts(contracts=page.rows, next=_cursor(page.following)))


CONTRACT = "/contracts/{entity}/{contract}"
INVOICE = f"{CONTRACT}/invoices/{{number}}"


@routes.get(
    CONTRACT, tags=["contracts"], dependencies=READ, responses=ONE, response_model=ContractState
)
async def contract(entity: Entity, contract: Contract, request: Request) -> Response:
    """All that a contract's workflow knows; of a closed one within its retention."""
    with told():
        return _json(await _contract(request, entity, contract).state())


@routes.get(
    INVOICE, tags=["invoices"], dependencies=READ, responses=ONE, response_model=InvoiceState
)
async def invoice(entity: Entity, contract: Contract, number: Number, request: Request) -> Response:
    """All that the workflow of an invoice or a credit note knows."""
    with told():
        return _json(await _invoice(request, entity, contract, number).state())


@routes.get(
    f"{CONTRACT}/trying",
    tags=["contracts"],
    dependencies=READ,
    responses=ONE,
    response_model=Trying,
)
async def contract_trying(entity: Entity, contract: Contract, request: Request) -> Response:
    """What a contract tries again by itself, and why it failed: which system is down."""
    with told():
        return _json(Trying(trying=await _contract(request, entity, contract).trying()))


@routes.get(
    f"{INVOICE}/trying", tags=["invoices"], dependencies=READ, responses=ONE, response_model=Trying
)
async def invoice_trying(
    entity: Entity, contract: Contract, number: Number, request: Request
) -> Response:
    """What an invoice tries again by itself, and why it failed."""
    with told():
        found = await _invoice(request, entity, contract, number).trying()
        return _json(Trying(trying=found))


# --- approvals ----------------------------------------------------------------------------------


@routes.get(
    "/approvals",
    tags=["approvals"],
    dependencies=READ,
    responses=ONE,
    response_model=Approvals,
)
async def approvals(
    request: Request,
    visitor: Present,
    entity: OfEntity = "",
    customer: Customer = "",
    up_to: UpTo = "",
    kind: ApprovalKind | None = None,
    limit: Limit = MAX_LISTED,
) -> Response:
    """What awaits approval, the longest waiting first."""
    unread: list[Unread] = []
    with told():
        found = await C2C(_temporal(request)).approvals(
            where=scope(visitor, Permission.READ, entity),
            customer=customer,
            up_to=_money("up_to", up_to) if up_to else None,
            kind=kind,
            limit=limit,
            unreadable=_noting(unread),
        )
    return _json(Approvals(approvals=found.items, more=found.more, unread=unread))


@routes.get(
    f"{CONTRACT}/approvals",
    tags=["approvals"],
    dependencies=READ,
    responses=ONE,
    response_model=Approvals,
)
async def contract_approvals(entity: Entity, contract: Contract, request: Request) -> Response:
    """What awaits approval of a contract itself, such as a change order."""
    with told():
        found = await _contract(request, entity, contract).approvals()
        return _json(Approvals(approvals=found))


@routes.get(
    f"{INVOICE}/approvals",
    tags=["approvals"],
    dependencies=READ,
    responses=ONE,
    response_model=Approvals,
)
async def invoice_approvals(
    entity: Entity, contract: Contract, number: Number, request: Request
) -> Response:
    """What awaits approval of an invoice: itself, or its write-off."""
    with told():
        found = await _invoice(request, entity, contract, number).approvals()
        return _json(Approvals(approvals=found))


# --- exceptions, bank files, events -------------------------------------------------------------


@routes.get(
    "/exceptions",
    tags=["exceptions"],
    dependencies=READ,
    responses=ONE,
    response_model=Exceptions,
)
async def exceptions(
    request: Request, visitor: Present, entity: OfEntity = "", limit: Limit = MAX_LISTED
) -> Response:
    """Every step that waits for a person, the oldest first."""
    unread: list[Unread] = []
    with told():
        found = await C2C(_temporal(request)).exceptions(
            where=scope(visitor, Permission.READ, entity),
            limit=limit,
            unreadable=_noting(unread),
        )
    sees_all = not entity and visitor.may(Permission.MEND_EVENTS, EVERYWHERE)
    return _json(
        Exceptions(
            exceptions=[Parked.of(item) for item in found.items],
            more=found.more,
            events=found.events if sees_all else 0,
            unread=unread,
        )
    )


@routes.get(
    "/bank/files", tags=["bank"], dependencies=READ, responses=ONE, response_model=BankFiles
)
async def bank_files(
    request: Request,
    visitor: Present,
    entity: OfEntity = "",
    only_open: bool = False,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Files of banks, the newest first."""
    unread: list[Unread] = []
    with told():
        found = await bank.files(
            _temporal(request),
            where=scope(visitor, Permission.READ, entity),
            only_open=only_open,
            limit=limit,
            unreadable=_noting(unread),
        )
    return _json(BankFiles(files=found, unread=unread))


@routes.get(
    "/bank/files/{entity}/{file}",
    tags=["bank"],
    dependencies=READ,
    responses=ONE,
    response_model=BankFileView,
)
async def bank_file(entity: Entity, file: FileHash, request: Request) -> Response:
    """A file of a bank, with all of its lines that wait."""
    with told():
        return _json(await bank.show(_temporal(request), bank_workflow_id(entity, file)))


MEND_EVENTS = [needs(Permission.MEND_EVENTS)]


@routes.get("/events", tags=["events"], dependencies=MEND_EVENTS, responses=ONE)
async def inbound_events(
    request: Request,
    visitor: Present,
    source: SourceName = "",
    outcome: EventOutcome | None = None,
    day: Day | None = None,
    needs_person: bool = False,
    limit: Limit = DEFAULT_LIMIT,
) -> Events:
    """What other systems sent, the newest first; `day` (UTC) is when it came. Events are for those
    who mend events in each legal entity that they touched."""
    with told():
        found = await events.rows(
            _temporal(request),
            source=source,
            outcome=outcome or "",
            needs_person=needs_person,
            day=day,
            limit=limit + 1,
        )
    seen = [row for row in found[:limit] if may_see_event(visitor, row.legal_entities)]
    return Events(events=seen, more=len(found) > limit)


@routes.get(
    "/events/{source}/{key:path}",
    tags=["events"],
    dependencies=MEND_EVENTS,
    responses=ONE,
    response_model=EventRecord,
)
async def inbound_event(source: str, key: str, request: Request, visitor: Present) -> Response:
    """One event: what was received, what became of it, and what it touched."""
    with told():
        return _json(await event_of(_temporal(request), visitor, f"{source}/{key}"))


# --- what all of them share ---------------------------------------------------------------------


def _temporal(request: Request) -> Client:
    client: Client = request.app.state.temporal
    return client


def _contract(request: Request, entity: str, contract: str) -> ContractClient:
    return C2C(_temporal(request)).contract(contract_workflow_id(entity, contract))


def _invoice(request: Request, entity: str, contract: str, number: int) -> InvoiceClient:
    workflow_id = contract_workflow_id(entity, contract)
    return C2C(_temporal(request)).invoice(invoice_workflow_id(workflow_id, number))


def _noting(unread: list[Unread]) -> Callable[[str, Exception], None]:
    return lambda workflow_id, error: unread.append(
        Unread(workflow_id=workflow_id, why=str(error)[:500])
    )


def _json(found: BaseModel) -> Response:
    return Response(found.model_dump_json(), media_type="application/json")


def _money(name: str, text: str) -> Money:
    try:
        return Money.parse(text)
    except ValueError:
        expected = 'an amount with its currency, such as "500.00 EUR"'
        raise InvalidContract([finding("money_malformed", name, text, expected)]) from None


def _cursor(token: bytes) -> str | None:
    return base64.urlsafe_b64encode(token).decode() if token else None


def _token(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadReference("cursor is what the page before says is next") from None
