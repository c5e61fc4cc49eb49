"""The page of an invoice or a credit note for collecting: what is owed and agreed, and forms."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts import access
from contracts.access import Permission
from contracts.identifiers import KEY
from contracts.invoice import collecting
from contracts.invoice.state import InvoiceState
from contracts.invoice.waits import invoice_waits
from contracts.problems import InvalidContract
from contracts.views.details import agreements
from starters.client.errors import NoAnswer, NotFound, Refused
from starters.client.invoices import InvoiceClient
from starters.client.references import BadReference
from starters.web.pages.shell import Outcome, PageModule, answered, counts_of, page
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

_FORM_BYTES = 20_000
_MOST_ENTRIES = 15

routes = APIRouter()
PAGES = PageModule(routes)

Fields = Mapping[str, str]
Send = Callable[[InvoiceClient, Fields, str], Awaitable[object]]


@dataclass(frozen=True)
class Input:
    """A field of a form: its name, its label, and the kind of input: day, money, text or line."""

    name: str
    label: str
    kind: str
    required: bool = False


@dataclass(frozen=True)
class Act:
    """Something that a person may do about a document. `message` is the Update that it sends;
    `is_possible` says whether it is worth showing as the document stands."""

    title: str
    message: str
    fields: tuple[Input, ...]
    send: Send
    done: str
    is_possible: Callable[[InvoiceState], bool] = lambda _: True


_REASON = Input("reason", "Reason", "line", required=True)


def _given(fields: Fields, name: str) -> str | None:
    """What a field says; None where it is left empty."""
    return fields.get(name) or None


ACTS: Mapping[str, Act] = {
    "promise": Act(
        "Promise to pay",
        "promise_payment",
        (
            Input("on", "Paid by the end of", "day", required=True),
            Input("amount", "Amount, with tax; empty: all that is not disputed", "money"),
        ),
        lambda it, say, by: it.promise_payment(say["on"], by=by, amount=_given(say, "amount")),
        "The promise is noted: reminders pause until that day has passed.",
    ),
    "dispute": Act(
        "Dispute",
        "open_dispute",
        (
            _REASON,
            Input("amount", "Amount, with tax; empty: all that is open", "money"),
            Input("revised_due_on", "Due instead on", "day"),
        ),
        lambda it, say, by: it.open_dispute(
            say["reason"],
            by=by,
            amount=_given(say, "amount"),
            revised_due_on=_given(say, "revised_due_on"),
        ),
        "The dispute is noted: only the rest is reminded of.",
        lambda state: state.dispute is None,
    ),
    "resolve-dispute": Act(
        "Resolve the dispute",
        "resolve_dispute",
        (
            Input("comment", "What was agreed", "line", required=True),
            Input("accepted", "Accepted, with tax; empty: nothing", "money"),
            Input("revised_due_on", "Due instead on", "day"),
        ),
        lambda it, say, by: it.resolve_dispute(
            say["comment"],
            by=by,
            accepted=_given(say, "accepted"),
            revised_due_on=_given(say, "revised_due_on"),
        ),
        "The dispute is resolved; what was accepted is credited once that is approved.",
        lambda state: state.dispute is not None,
    ),
    "hold": Act(
        "Hold the reminders",
        "change_dunning_hold",
        (_REASON, Input("until", "Until the end of; empty: until released", "day")),
        lambda it, say, by: it.hold_reminders(say["reason"], by=by, until=_given(say, "until")),
        "The reminders are on hold.",
        lambda state: state.hold is None,
    ),
    "release": Act(
        "Release the reminders",
        "change_dunning_hold",
        (_REASON,),
        lambda it, say, by: it.release_reminders(say["reason"], by=by),
        "The reminders go on.",
        lambda state: state.hold is not None,
    ),
    "write-off": Act(
        "Ask for a write-off",
        "ask_write_off",
        (_REASON,),
        lambda it, say, by: it.ask_write_off(say["reason"], by=by),
        "The write-off is proposed; another person has to approve it.",
    ),
}

_DOCUMENT = "/receivables/{entity}/{contract}/{number}"


@routes.get(_DOCUMENT, dependencies=[needs(Permission.READ)])
async def document(
    request: Request, visitor: Present, entity: str, contract: str, number: int
) -> Response:
    """One invoice or credit note: what is owed, reminded and agreed, and what may be done."""
    invoice = _invoice(request, visitor, entity, contract, number)
    return await _shown(request, visitor, entity, invoice)


@routes.post(_DOCUMENT + "/{act}", dependencies=[needs(Permission.COLLECT, Permission.CREDIT)])
async def acted(
    request: Request, visitor: Present, entity: str, contract: str, number: int, act: str
) -> Response:
    """Send what a form says, once however often it arrives."""
    wanted = ACTS.get(act)
    if wanted is None:
        raise HttpProblem(404, "there is no such action")
    refusal = access.refusal(visitor.roles_in(entity), access.OF_MESSAGES[wanted.message])
    if refusal is not None:
        raise HttpProblem(403, refusal)
    invoice = _invoice(request, visitor, entity, contract, number)
    fields = await _form(request)
    request_id = fields.get("request_id", "")
    if not KEY.match(request_id):
        raise HttpProblem(422, "the form has no request id: open the page again")
    try:
        missing = [item.label for item in wanted.fields if item.required and not fields[item.name]]
        if missing:
            raise Refused(f"{', '.join(missing)}: is needed")
        await wanted.send(invoice.once(request_id), fields, visitor.person)
    except (Refused, InvalidContract) as error:
        failed = _Failed(act, fields, str(error), str(uuid.uuid4()))
        return await _shown(request, visitor, entity, invoice, failed, status=422)
    except NoAnswer as error:
        # It may have been accepted: sent again with the same id it counts once.
        failed = _Failed(act, fields, f"{error}. Send it again: it counts once.", request_id)
        return await _shown(request, visitor, entity, invoice, failed, status=503)
    counts_of(request).forget(visitor)
    return answered(request, f"/receivables/{entity}/{contract}/{number}", Outcome(wanted.done))


@dataclass(frozen=True)
class _Failed:
    """A form that was not accepted: what it said, why not, and the id to send it again with."""

    act: str
    fields: Fields
    why: str
    request_id: str


def _invoice(
    request: Request, visitor: Visitor, entity: str, contract: str, number: int
) -> InvoiceClient:
    try:
        return c2c_of(request, visitor).invoice(f"contract/{entity}/{contract}/invoice/{number}")
    except BadReference as error:
        raise HttpProblem(404, "there is no such invoice", why=str(error)) from None


async def _shown(
    request: Request,
    visitor: Visitor,
    entity: str,
    invoice: InvoiceClient,
    failed: _Failed | None = None,
    status: int = 200,
) -> Response:
    try:
        state = await invoice.state()
    except NotFound as error:
        raise HttpProblem(404, "there is no such invoice", why=str(error)) from None
    except (NoAnswer, Refused) as error:
        raise HttpProblem(503, str(error), headers={"Retry-After": "5"}) from None
    balance = collecting.posted(state)
    is_due = balance is not None and collecting.is_dunned(state)
    return await page(
        request,
        "receivable.html",
        status=status,
        entity=entity,
        zone=workbench_of(request).zone(entity),
        workflow_id=invoice.workflow_id,
        state=state,
        is_credit_note=collecting.is_credit_note(state),
        waits=invoice_waits(state)[1],
        balance=balance,
        paid=collecting.paid(state, balance) if balance else None,
        credited=collecting.credited(state, balance) if balance else None,
        disputed=collecting.disputed(state, balance) if balance else None,
        due_on=collecting.due_on(state) if balance else None,
        next_on=collecting.dunning_decision(state).next_on if is_due else None,
        agreements=agreements(state),
        entries=state.journal.entries[: -_MOST_ENTRIES - 1 : -1],
        acts=_acts(visitor, entity, state, failed),
        failed=failed,
    )


def _acts(
    visitor: Visitor, entity: str, state: InvoiceState, failed: _Failed | None
) -> list[dict[str, Any]]:
    """The forms; what the visitor may not do says who may."""
    found = []
    for name, act in ACTS.items():
        is_open = failed is not None and failed.act == name
        if not is_open and not act.is_possible(state):
            continue
        found.append(
            {
                "name": name,
                "act": act,
                "refusal": access.refusal(
                    visitor.roles_in(entity), access.OF_MESSAGES[act.message]
                ),
                "fields": failed.fields if failed and is_open else {},
                "why": failed.why if failed and is_open else "",
                "request_id": failed.request_id if failed and is_open else str(uuid.uuid4()),
            }
        )
    return found


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, each a text without the space around it. Raises HttpProblem."""
    stated = request.headers.get("content-length", "")
    if not (stated.isascii() and stated.isdigit() and len(stated) <= 9):
        raise HttpProblem(411, "a form says how long it is", headers={"Connection": "close"})
    if int(stated) > _FORM_BYTES:
        raise HttpProblem(413, f"at most {_FORM_BYTES} bytes", headers={"Connection": "close"})
    form = await request.form(max_fields=50, max_files=0)
    fields = {item.name: item for act in ACTS.values() for item in act.fields}
    said = {name: form.get(name, "") for name in (*fields, "request_id", "currency")}
    texts = {name: text.strip() if isinstance(text, str) else "" for name, text in said.items()}
    currency = texts.pop("currency")
    for name, item in fields.items():
        is_bare = item.kind == "money" and texts[name] and not texts[name][-1].isalpha()
        if is_bare:
            texts[name] = f"{texts[name]} {currency}"
    return texts
