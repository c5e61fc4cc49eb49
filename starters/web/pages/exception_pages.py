"""The page of one exception: what is wrong, and a form of exactly what may be decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from contracts import access
from contracts.access import TO_RESOLVE, Permission
from contracts.contract.state import ContractState
from contracts.exception_codes import BY_CODE
from contracts.invoice.state import InvoiceState
from contracts.page_addresses import exception_path, step_of
from contracts.parking import Action, StepException
from contracts.problems import InvalidContract, Problem
from contracts.views.choices import amendable, choices
from contracts.views.parked import seen
from starters.client import NoAnswer, NotFound, Refused
from starters.client.references import short
from starters.web.forms import form_of, new_id, text
from starters.web.pages import links
from starters.web.pages.asking import (
    CONFIRMED,
    asked,
    confirming,
    contract_ref,
    id_of,
    invoice_ref,
    unanswered,
)
from starters.web.pages.contract_pages import news_since
from starters.web.pages.message_forms import corrected
from starters.web.pages.shell import Outcome, PageModule, answered, page
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

Number = Annotated[int, Path(ge=1, le=999_999)]
_SEEN = "seen"
_VALUE, _OTHER_PATH, _OTHER_VALUE = "value:", "other_path", "other_value"
_ASKED_TWICE = (Action.SKIP, Action.CANCEL)
_WORDS = {
    Action.RETRY: ("Try again", "It is tried again as it is."),
    Action.AMEND: ("Correct and try again", ""),
    Action.SKIP: ("Skip", "The step is left out for good, and what comes after it goes on."),
    Action.CANCEL: (
        "Cancel",
        "The contract (or the proposal) ends because of this, and what was set up is taken back.",
    ),
}
_DONE = {
    Action.RETRY: "is tried again",
    Action.AMEND: "is tried again with the correction",
    Action.SKIP: "is skipped",
    Action.CANCEL: "ends what it belongs to",
}

routes = APIRouter()


@dataclass(frozen=True)
class Possible:
    """A decision that the workflow would accept. `refusal`: why this visitor may not take it."""

    action: Action
    title: str
    about: str
    refusal: str = ""


@dataclass(frozen=True)
class Filled:
    """A form that was sent and not accepted: shown once more as it was filled in."""

    form: FormData
    refusal: str = ""
    problems: Sequence[Problem] = ()
    news: Sequence[str] = ()
    status: int = 409


@routes.get("/exceptions/{entity}/{contract}/{step}", dependencies=[needs(Permission.READ)])
async def of_contract(
    entity: str, contract: str, step: str, request: Request, visitor: Present
) -> Response:
    """A parked step of a contract."""
    return await _show(request, visitor, contract_ref(entity, contract), step_of(step))


@routes.get(
    "/exceptions/{entity}/{contract}/{number}/{step}", dependencies=[needs(Permission.READ)]
)
async def of_invoice(
    entity: str, contract: str, number: Number, step: str, request: Request, visitor: Present
) -> Response:
    """A parked step of an invoice."""
    return await _show(request, visitor, invoice_ref(entity, contract, number), step_of(step))


@routes.post("/exceptions/{entity}/{contract}/{step}", dependencies=[needs(*TO_RESOLVE)])
async def resolve_of_contract(
    entity: str, contract: str, step: str, request: Request, visitor: Present
) -> Response:
    """Decide about a parked step of a contract."""
    return await _resolve(request, visitor, contract_ref(entity, contract), step_of(step))


@routes.post("/exceptions/{entity}/{contract}/{number}/{step}", dependencies=[needs(*TO_RESOLVE)])
async def resolve_of_invoice(
    entity: str, contract: str, number: Number, step: str, request: Request, visitor: Present
) -> Response:
    """Decide about a parked step of an invoice."""
    return await _resolve(request, visitor, invoice_ref(entity, contract, number), step_of(step))


PAGES = PageModule(routes)


# --- what is shown ------------------------------------------------------------------------------


async def _state(request: Request, visitor: Visitor, workflow_id: str) -> Any:
    client = c2c_of(request, visitor).contract_or_invoice(workflow_id)
    return await asked(client.state(), short(workflow_id))


async def _show(request: Request, visitor: Visitor, workflow_id: str, step: str) -> Response:
    state = await _state(request, visitor, workflow_id)
    return await _drawn(request, visitor, workflow_id, step, state)


async def _drawn(
    request: Request,
    visitor: Visitor,
    workflow_id: str,
    step: str,
    state: ContractState | InvoiceState,
    filled: Filled | None = None,
) -> Response:
    parked = _parked(state, step)
    if parked is None:
        return await _gone(request, workflow_id, step, state, filled)
    workbench, entity = workbench_of(request), workflow_id.split("/")[1]
    known = BY_CODE.get(parked.code)  # none for a code of an older release
    return await page(
        request,
        "exception.html",
        status=filled.status if filled else 200,
        title=f"{parked.doing}: {short(workflow_id)}",
        it=parked,
        workflow_id=workflow_id,
        customer=_customer(state),
        zone=workbench.zone(entity),
        meaning=known.meaning if known else "",
        remedy=known.remedy.replace("`", "") if known else "",
        possible=_possible(visitor, entity, state, parked),
        amendable=amendable(state, parked),
        action_path=exception_path(workflow_id, step),
        seen=seen(parked),
        new_id=new_id,
        as_of=parked.since.isoformat(),
        filled=filled,
        said=filled.form if filled else {},
        temporal_link=links.temporal(
            workbench, c2c_of(request, visitor).client.namespace, workflow_id
        ),
        record_link=_record_link(request, state),
    )


async def _gone(
    request: Request,
    workflow_id: str,
    step: str,
    state: ContractState | InvoiceState,
    filled: Filled | None,
) -> Response:
    """It is not parked (any more): what happened since it was looked at, or else last."""
    news = list(filled.news) if filled else []
    latest = [entry.text for entry in reversed(state.journal.entries)][:5]
    return await page(
        request,
        "exception_gone.html",
        status=409 if filled else 404,
        title="Not parked any more",
        of=short(workflow_id),
        workflow_id=workflow_id,
        step=step,
        news=news or latest,
    )


def _parked(state: ContractState | InvoiceState, step: str) -> StepException | None:
    return next((item for item in state.exceptions if item.step == step), None)


def _customer(state: ContractState | InvoiceState) -> str:
    if isinstance(state, InvoiceState):
        return state.proposal.customer_name
    return state.contract.customer.name if state.contract else ""


def _record_link(request: Request, state: ContractState | InvoiceState) -> str:
    workbench = workbench_of(request)
    if isinstance(state, InvoiceState):
        return links.odoo(workbench, "account.move", state.invoice_id)
    return links.odoo(workbench, "sale.order", state.odoo.order_id)


def _possible(
    visitor: Visitor, entity: str, state: ContractState | InvoiceState, parked: StepException
) -> list[Possible]:
    roles, found = visitor.roles_in(entity), {}
    for choice in choices(state, parked):
        title, about = _WORDS[choice.action]
        refusal = access.refusal(roles, access.to_resolve(parked, choice.action))
        found[choice.action] = Possible(choice.action, title, about, refusal or "")
    return list(found.values())


# --- what is decided ----------------------------------------------------------------------------


async def _resolve(request: Request, visitor: Visitor, workflow_id: str, step: str) -> Response:
    form = await form_of(request)
    request_id, action = id_of(form), _action(form)
    state = await _state(request, visitor, workflow_id)
    done = Outcome(f"{short(workflow_id)}: {step} {_DONE[action]}.")
    if state.answer_to(request_id) is not None:
        return answered(request, "/exceptions", done)

    async def again(filled: Filled) -> Response:
        now = await _state(request, visitor, workflow_id)
        return await _drawn(request, visitor, workflow_id, step, now, filled)

    news = news_since(state, text(form, "as_of"))
    parked = _parked(state, step)
    if parked is None or seen(parked) != text(form, _SEEN):
        why = "it has changed since you opened this page; look at what is wrong now"
        return await again(Filled(form, why, news=news))
    _check(visitor, workflow_id.split("/")[1], parked, action)
    reason = text(form, "reason")
    if action in _ASKED_TWICE:
        if not reason:
            wrong = Problem(code="missing", field="reason", value="", expected="why")
            return await again(Filled(form, "a reason is needed", [wrong], status=422))
        if not text(form, CONFIRMED):
            title, about = _WORDS[action]
            back = exception_path(workflow_id, step)
            told = f"{about} The step: {parked.doing}."
            return await confirming(request, form, workflow_id, title=title, about=told, back=back)
    try:
        client = c2c_of(request, visitor).contract_or_invoice(workflow_id).once(request_id)
        await client.resolve_exception(
            action,
            by=visitor.person,
            step=step,
            reason=reason,
            changes=_changes(form) if action is Action.AMEND else None,
        )
    except InvalidContract as error:
        return await again(Filled(form, problems=error.problems, status=422))
    except (Refused, NotFound) as error:
        return await again(Filled(form, str(error), news=news))
    except NoAnswer:
        back = exception_path(workflow_id, step)
        return await unanswered(request, form, workflow_id, back=back)
    return answered(request, "/exceptions", done)


def _action(form: FormData) -> Action:
    try:
        return Action(text(form, "act"))
    except ValueError:
        raise HttpProblem(400, f"the actions are {', '.join(Action)}") from None


def _check(visitor: Visitor, entity: str, parked: StepException, action: Action) -> None:
    refusal = access.refusal(visitor.roles_in(entity), access.to_resolve(parked, action))
    if refusal is not None:
        raise HttpProblem(403, refusal)


def _changes(form: FormData) -> dict[str, Any]:
    """The corrected values by their paths: those that are given."""
    found: dict[str, Any] = {}
    for name in form:
        if name.startswith(_VALUE) and text(form, name):
            found[name.removeprefix(_VALUE)] = _correction(name, text(form, name))
    path = text(form, _OTHER_PATH)
    if path:
        found[path] = _correction(path, text(form, _OTHER_VALUE))
    return found


def _correction(path: str, said: str) -> Any:
    """Which partner of Odoo is meant is a number there."""
    is_partner = path.rpartition(".")[2] == "odoo_partner"
    return int(said) if is_partner and said.isascii() and said.isdigit() else corrected(said)
