"""One round: what is to be approved, the terms it follows from, who decided, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts.access import Permission
from contracts.approvals import HASH_PREFIX, ApprovalKind, ApprovalRound, Subject
from contracts.contract.state import ContractState
from contracts.invoice import collecting
from contracts.invoice.content import InvoiceContent
from contracts.invoice.state import InvoiceState
from contracts.journal import Journal
from contracts.money import Money
from contracts.page_addresses import approval_path
from contracts.views.approval import Change, changes, terms
from starters.client import BadReference, NoAnswer, NotFound, Refused
from starters.client.approvals import Awaiting
from starters.web.forms import new_id
from starters.web.pages.awaiting import row_of
from starters.web.pages.shell import PageModule, page
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

T = TypeVar("T")

LATEST = 12
"""How many entries of the journal are shown."""
_NO_LINE = frozenset({"line_section", "line_subsection", "line_note"})
_FOLLOWS = {
    ApprovalKind.INVOICE: "Odoo posts the invoice and mails it to {to}; then it is collected.",
    ApprovalKind.CREDIT_NOTE: "Odoo posts the credit note and mails it to {to}; it is set off.",
    ApprovalKind.WRITE_OFF: "What is open is booked as an expense; nobody is reminded of it.",
    ApprovalKind.CHANGE_ORDER: "The contract has a new version; its order and project follow.",
}
routes = APIRouter()
PAGES = PageModule(routes)


@dataclass(frozen=True)
class Line:
    """One line of the draft, as Odoo has it; the amount is without tax."""

    text: str
    quantity: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    amount: Money | None = None
    taxes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What a workflow tells about its round: `stands` is how it stands, where none is open."""

    workflow_id: str
    approval_round: ApprovalRound | None
    stands: str
    journal: Journal
    superseded: Sequence[Subject] = ()
    lines: Sequence[Line] = ()
    content: InvoiceContent | None = None
    invoice_id: int | None = None
    reason: str = ""
    about_what: str = "The terms it follows from"
    about: Sequence[tuple[str, str]] = ()


@routes.get(
    "/c/{entity}/{contract}/approvals/{content_hash}", dependencies=[needs(Permission.READ)]
)
async def of_contract(
    request: Request, visitor: Present, entity: str, contract: str, content_hash: str
) -> Response:
    """A change order."""
    client = _named(lambda: c2c_of(request, visitor).contract(f"contract/{entity}/{contract}"))
    state = await _answer(client.state())
    return await _page(request, visitor, content_hash, _of_contract(client.workflow_id, state))


@routes.get(
    "/c/{entity}/{contract}/invoices/{number}/approvals/{content_hash}",
    dependencies=[needs(Permission.READ)],
)
async def of_invoice(
    request: Request, visitor: Present, entity: str, contract: str, number: str, content_hash: str
) -> Response:
    """An invoice, a credit note, or a write-off."""
    c2c, workflow_id = c2c_of(request, visitor), f"contract/{entity}/{contract}"
    client = _named(lambda: c2c.invoice(f"{workflow_id}/invoice/{number}"))
    owner = _named(lambda: c2c.contract(workflow_id))
    state, terms_of = await asyncio.gather(_answer(client.state()), _maybe(owner.state()))
    told = _of_invoice(client.workflow_id, state, terms_of)
    return await _page(request, visitor, content_hash, told)


async def _page(request: Request, visitor: Visitor, content_hash: str, told: Told) -> Response:
    named = content_hash.strip().lower()
    if len(named) < HASH_PREFIX:
        raise HttpProblem(404, f"at least {HASH_PREFIX} characters of the content's hash")
    found, workbench = told.approval_round, workbench_of(request)
    is_current = found is not None and found.subject.content_hash.startswith(named)
    before = next((s for s in told.superseded if s.content_hash.startswith(named)), None)
    entity = request.path_params["entity"]
    zone = workbench.zone(entity)
    row = row_of(Awaiting(told.workflow_id, found), visitor, zone) if found else None
    return await page(
        request,
        "approval.html",
        title=row.title if row else "Approval",
        told=told,
        row=row,
        round=found,
        zone=zone,
        is_current=is_current,
        current=approval_path(told.workflow_id, found.subject.content_hash) if found else "",
        changed=_changed(before, found) if not is_current else [],
        was_seen=before is not None,
        follows=_follows(found, told.content) if found else "",
        draft=_draft(workbench.odoo_url, told.invoice_id),
        journal=list(reversed(told.journal.entries[-LATEST:])),
        once=new_id(),
    )


# --- what is told ---------------------------------------------------------------------------------


def _of_contract(workflow_id: str, state: ContractState) -> Told:
    change = state.change
    found = change.approval_round if change is not None else None
    lines = [Line(text) for text in change.changes] if change is not None else []
    terms_now = state.contract
    about = (
        [("Version now", str(terms_now.version)), ("Fixed price now", str(terms_now.fixed_price))]
        if terms_now is not None
        else []
    )
    return Told(
        workflow_id,
        found if found is not None and not found.is_decided else None,
        f"the contract is {state.stage.replace('_', ' ')}; no change order awaits approval",
        state.journal,
        lines=lines,
        reason=change.order.reason if change is not None else "",
        about=about,
    )


def _of_invoice(workflow_id: str, state: InvoiceState, owner: ContractState | None) -> Told:
    contract = owner.contract if owner is not None else None
    noun = "credit note" if collecting.is_credit_note(state) else "invoice"
    told = Told(
        workflow_id,
        state.open_round,
        f"the {noun} is {state.stage.replace('_', ' ')}",
        state.journal,
        superseded=state.superseded,
        invoice_id=state.invoice_id,
        reason=state.proposal.reason,
        about=terms(contract, state.proposal) if contract is not None else (),
    )
    if state.issued:
        details = state.open_round.subject.details if state.open_round is not None else ()
        return replace(
            told,
            lines=[Line(text) for text in details],
            reason="",
            about_what="How it stands in Odoo",
            about=_balance(state),
        )
    content = state.draft.content if state.draft is not None else None
    return replace(told, content=content, lines=_lines(content) if content is not None else ())


def _balance(state: InvoiceState) -> list[tuple[str, str]]:
    balance = state.balance
    if balance is None:
        return []
    due = collecting.due_on(state)
    return [
        ("Number", balance.number),
        ("With tax", str(balance.total)),
        ("Paid", str(collecting.paid(state, balance))),
        ("Open", str(balance.residual)),
        ("Due", due.isoformat() if due is not None else ""),
    ]


def _lines(content: InvoiceContent) -> list[Line]:
    currency, sign = content.totals.total.currency, -1 if content.kind == "out_refund" else 1
    return [
        Line(item.text)
        if item.kind in _NO_LINE
        else Line(
            item.text,
            item.quantity,
            item.price,
            item.discount,
            Money.rounded(sign * item.subtotal, currency),
            item.taxes,
        )
        for item in content.lines
    ]


def _changed(before: Subject | None, found: ApprovalRound | None) -> list[Change]:
    return changes(before, found.subject) if before is not None and found is not None else []


def _follows(found: ApprovalRound, content: InvoiceContent | None) -> str:
    to = (content.mailed_to if content is not None else "") or "nobody: there is no address"
    return _FOLLOWS[found.subject.kind].format(to=to)


def _draft(odoo_url: str, invoice_id: int | None) -> str:
    """The draft's own page in Odoo; this form of address leads there in every version."""
    if not odoo_url or invoice_id is None:
        return ""
    return f"{odoo_url}/web#id={invoice_id}&model=account.move&view_type=form"


# --- how it is asked ------------------------------------------------------------------------------


def _named(client: Callable[[], T]) -> T:
    try:
        return client()
    except BadReference as error:
        raise HttpProblem(404, "there is no such thing", why=str(error)) from None


async def _answer(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except NotFound:
        raise HttpProblem(404, "there is no such thing") from None
    except Refused as error:
        raise HttpProblem(409, str(error)) from None
    except NoAnswer as error:
        raise HttpProblem(503, "no worker answers; try again", why=str(error)) from None


async def _maybe(asked: Awaitable[T]) -> T | None:
    """The terms are shown beside; without them the page is still a page."""
    try:
        return await asked
    except (NotFound, Refused, NoAnswer):
        return None
