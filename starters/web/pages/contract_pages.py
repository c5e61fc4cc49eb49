"""The page of a contract, the page of an invoice, and what is sent to either."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.datastructures import FormData
from starlette.responses import Response
from temporalio.client import Client
from temporalio.service import RPCError

from contracts import access
from contracts.access import Permission
from contracts.agenda.state import AgendaState
from contracts.contract.state import ContractState
from contracts.invoice.state import CLEARED, UNBILLED, InvoiceState
from contracts.page_addresses import exception_path
from contracts.problems import InvalidContract, Problem
from contracts.views.overview import contract_overview, invoice_overview
from starters.client import C2C, Attempt, ChangePreview, NoAnswer, NotFound, Refused, calls, listing
from starters.client import messages as known
from starters.web.forms import form_of, new_id, text
from starters.web.pages import audit, links
from starters.web.pages.actions import BY_NAME, OF_CONTRACTS, OF_INVOICES, PERMISSIONS, Act, offers
from starters.web.pages.asking import (
    CONFIRMED,
    Again,
    asked,
    confirming,
    contract_ref,
    id_of,
    invoice_ref,
    unanswered,
)
from starters.web.pages.audit_chains import chain_path
from starters.web.pages.message_forms import MAX_LETTERS, fields, message
from starters.web.pages.shell import Outcome, PageModule, answered, page
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

_MOST_TRYING = 20
"""Invoices that are asked what they try again: the latest that are not settled."""
_AS_OF = "as_of"
"""The field with the time of the latest entry of the journal that a form was drawn with."""
_MOST_NEWS = 8
Number = Annotated[int, Path(ge=1, le=999_999)]

routes = APIRouter()


@dataclass(frozen=True)
class Filled:
    """A form that was sent and not accepted: shown once more as it was filled in."""

    name: str
    form: FormData
    problems: Sequence[Problem] = ()
    refusal: str = ""
    news: Sequence[str] = ()


@routes.get("/c/{entity}/{contract}", dependencies=[needs(Permission.READ)])
async def contract_page(entity: str, contract: str, request: Request, visitor: Present) -> Response:
    """A contract: how it stands, its money, its documents, and what may be done."""
    return await _contract(request, visitor, contract_ref(entity, contract))


@routes.get("/c/{entity}/{contract}/invoices/{number}", dependencies=[needs(Permission.READ)])
async def invoice_page(
    entity: str, contract: str, number: Number, request: Request, visitor: Present
) -> Response:
    """An invoice or credit note."""
    return await _invoice(request, visitor, invoice_ref(entity, contract, number))


@routes.post("/c/{entity}/{contract}/actions/{name}", dependencies=[needs(*PERMISSIONS)])
async def act_on_contract(
    entity: str, contract: str, name: str, request: Request, visitor: Present
) -> Response:
    """Send a contract what a form says."""
    act = _act(name, OF_CONTRACTS)
    _check(visitor, entity, act)
    return await _send(request, visitor, contract_ref(entity, contract), act)


@routes.post(
    "/c/{entity}/{contract}/invoices/{number}/actions/{name}", dependencies=[needs(*PERMISSIONS)]
)
async def act_on_invoice(
    entity: str, contract: str, number: Number, name: str, request: Request, visitor: Present
) -> Response:
    """Send an invoice what a form says."""
    act = _act(name, OF_INVOICES)
    _check(visitor, entity, act)
    return await _send(request, visitor, invoice_ref(entity, contract, number), act)


PAGES = PageModule(routes)


def _act(name: str, acts: Sequence[Act]) -> Act:
    act = BY_NAME.get(name)
    if act is None or act not in acts:
        raise HttpProblem(404, "there is no such action")
    return act


def _check(visitor: Visitor, entity: str, act: Act) -> None:
    refusal = access.refusal(visitor.roles_in(entity), act.permission)
    if refusal is not None:
        raise HttpProblem(403, refusal)


# --- what is shown ------------------------------------------------------------------------------


async def _contract(
    request: Request, visitor: Visitor, workflow_id: str, filled: Filled | None = None
) -> Response:
    c2c = c2c_of(request, visitor)
    _, entity, contract_id = workflow_id.split("/")
    try:
        state, next_actions = await asyncio.gather(
            asked(c2c.contract(workflow_id).state(), f"{entity}/{contract_id}"),
            _next_actions(c2c.client, entity, contract_id),
        )
    except HttpProblem as problem:
        if problem.status == 404:
            return await _from_record(request, visitor, workflow_id, problem)
        raise
    shown = contract_overview(state)
    zone = shown.time_zone if state.contract else workbench_of(request).zone(entity)
    return await page(
        request,
        "contract.html",
        status=_status(filled),
        title=f"{shown.title} ({contract_id})",
        it=shown,
        zone=zone,
        next_actions=next_actions,
        trying=await _trying(c2c, state),
        order_link=links.odoo(workbench_of(request), "sale.order", shown.order_id),
        project_link=links.odoo(workbench_of(request), "project.project", shown.project_id),
        **_common(request, visitor, c2c, workflow_id, state, filled),
    )


async def _from_record(
    request: Request, visitor: Visitor, workflow_id: str, unknown: HttpProblem
) -> Response:
    """What the audit record has of what Temporal does not know any more. Raises HttpProblem where
    it has nothing either."""
    if workbench_of(request).audit is None:
        raise unknown
    return await audit.shown(request, visitor, workflow_id, unknown=unknown.detail)


async def _invoice(
    request: Request, visitor: Visitor, workflow_id: str, filled: Filled | None = None
) -> Response:
    c2c = c2c_of(request, visitor)
    _, entity, contract_id, _, number = workflow_id.split("/")
    client = c2c.invoice(workflow_id)
    try:
        state, trying = await asyncio.gather(
            asked(client.state(), f"invoice {entity}/{contract_id}/{number}"),
            _tried(client.trying()),
        )
    except HttpProblem as problem:
        if problem.status == 404:
            return await _from_record(request, visitor, workflow_id, problem)
        raise
    shown = invoice_overview(state)
    kind = "Credit note" if shown.kind == "credit_note" else "Invoice"
    return await page(
        request,
        "invoice.html",
        status=_status(filled),
        title=f"{kind} {shown.name} of {shown.customer}",
        it=shown,
        zone=shown.time_zone,
        trying=trying,
        document_link=links.odoo(workbench_of(request), "account.move", shown.invoice_id),
        contract_path=f"/c/{entity}/{contract_id}",
        **_common(request, visitor, c2c, workflow_id, state, filled),
    )


def _common(
    request: Request,
    visitor: Visitor,
    c2c: C2C,
    workflow_id: str,
    state: ContractState | InvoiceState,
    filled: Filled | None,
) -> dict[str, Any]:
    entity, entries = workflow_id.split("/")[1], state.journal.entries
    return {
        "workflow_id": workflow_id,
        "temporal_link": links.temporal(workbench_of(request), c2c.client.namespace, workflow_id),
        "audit_link": chain_path(workflow_id) if workbench_of(request).audit else "",
        "offers": offers(state, visitor.roles_in(entity)),
        "currency": _currency(state),
        "filled": filled,
        "new_id": new_id,
        "as_of": entries[-1].at.isoformat() if entries else "",
        "place": request.url.path.partition("/actions/")[0],
        "exception_path": exception_path,
    }


def _currency(state: ContractState | InvoiceState) -> str:
    if isinstance(state, InvoiceState):
        return state.proposal.amount.currency
    return state.contract.currency if state.contract else ""


def _status(filled: Filled | None) -> int:
    if filled is None:
        return 200
    return 422 if filled.problems else 409


async def _next_actions(client: Client, entity: str, contract_id: str) -> Mapping[str, datetime]:
    """Shown beside what the contract knows: without it the page is the same, less that."""
    try:
        return await listing.next_actions(client, entity, contract_id)
    except (RPCError, RuntimeError):
        return {}


async def _trying(c2c: C2C, state: ContractState) -> list[Attempt]:
    done = CLEARED | UNBILLED
    numbers = [number for number, item in state.invoices.items() if item.stage not in done]
    contract = c2c.contract(f"{state.legal_entity}/{state.contract_id}")
    return await _tried(contract.trying(*numbers[-_MOST_TRYING:]))


async def _tried(attempts: Any) -> list[Attempt]:
    try:
        found: list[Attempt] = await attempts
        return found
    except (*calls.FAILURES, RuntimeError):
        return []


# --- what is sent -------------------------------------------------------------------------------


async def _send(request: Request, visitor: Visitor, workflow_id: str, act: Act) -> Response:
    form, c2c = await form_of(request), c2c_of(request, visitor)
    request_id = id_of(form)
    try:
        said = await _message(c2c, workflow_id, act, form, visitor.person)
    except InvalidContract as error:
        return await _shown(request, visitor, workflow_id, Filled(act.name, form, error.problems))
    except (Refused, NotFound) as error:
        return await _refused(request, visitor, workflow_id, act, form, str(error))
    except NoAnswer:
        return await unanswered(request, form, workflow_id)
    if said is None:
        return _accepted(request, act)
    if isinstance(said, ChangePreview):
        if not text(form, CONFIRMED):
            return await _preview(request, form, workflow_id, said)
        said = said.order
    elif act.is_grave and not text(form, CONFIRMED):
        return await confirming(request, form, workflow_id, title=act.title, about=act.about)
    try:
        await calls.update(
            c2c.client, workflow_id, act.update, said, request_id=request_id, sign=c2c.sign
        )
    except (Refused, NotFound) as error:
        return await _refused(request, visitor, workflow_id, act, form, str(error))
    except NoAnswer:
        return await unanswered(request, form, workflow_id)
    return _accepted(request, act)


def _accepted(request: Request, act: Act) -> Response:
    place = request.url.path.partition("/actions/")[0]
    return answered(request, place, Outcome(f"Accepted: {act.title.lower()}."))


async def _message(c2c: C2C, workflow_id: str, act: Act, form: FormData, by: str) -> Any:
    """What is to be sent. A change order is numbered by the contract, and shown before it is sent:
    it is what it would change; None: this form was accepted before. Raises InvalidContract,
    Refused, NotFound, NoAnswer."""
    if act.update is not known.PROPOSE_CHANGE:
        currency = text(form, "currency")
        asked_for = fields(act.update.message)
        return message(act.update.message, asked_for, form, by=by, currency=currency)
    contract = c2c.contract(workflow_id).once(id_of(form))
    change, reason = _change(form), text(form, "reason")
    if await contract.proposed(change, by=by, reason=reason) is not None:
        return None
    return await contract.preview_change(change, by=by, reason=reason)


def _change(form: FormData) -> dict[str, Any]:
    """The fields of a change order, as JSON. Raises InvalidContract."""
    said = text(form, "change", MAX_LETTERS)
    try:
        change = json.loads(said, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        change = None
    if not isinstance(change, dict) or not change:
        expected = 'a change in JSON, such as {"reprice": {"live": "7000.00"}}'
        raise InvalidContract(
            [Problem(code="not_an_object", field="change", value=said[:100], expected=expected)]
        )
    return change


async def _preview(
    request: Request, form: FormData, workflow_id: str, found: ChangePreview
) -> Response:
    return await page(
        request,
        "change.html",
        title=f"Change order {found.order.number}",
        found=found,
        workflow_id=workflow_id,
        again=Again.of(request, form),
    )


async def _refused(
    request: Request, visitor: Visitor, workflow_id: str, act: Act, form: FormData, why: str
) -> Response:
    """The page as it is now, the form as it was filled in, why it was refused, and what happened
    since the form was drawn."""
    c2c = c2c_of(request, visitor)
    state = await asked(c2c.contract_or_invoice(workflow_id).state(), workflow_id)
    filled = Filled(act.name, form, refusal=why, news=news_since(state, text(form, _AS_OF)))
    return await _shown(request, visitor, workflow_id, filled)


def news_since(state: AgendaState, as_of: str) -> list[str]:
    """What happened since a page was drawn, the latest first."""
    try:
        since = datetime.fromisoformat(as_of)
    except ValueError:
        return []
    if since.tzinfo is None:
        return []
    found = [entry.text for entry in reversed(state.journal.entries) if entry.at > since]
    return found[:_MOST_NEWS]


async def _shown(request: Request, visitor: Visitor, workflow_id: str, filled: Filled) -> Response:
    draw = _invoice if "/invoice/" in workflow_id else _contract
    return await draw(request, visitor, workflow_id, filled)
