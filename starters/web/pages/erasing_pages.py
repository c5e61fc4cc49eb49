"""The page that erases a customer: what is destroyed by it, what may not be yet, and what it does
not reach."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response
from temporalio.service import RPCError

from contracts.access import Permission
from contracts.identifiers import KEY
from gateways.errors import GatewayError
from starters.client.errors import NotFound, Refused
from starters.erasing import CustomerFound, Erasing
from starters.web.forms import form_of, text
from starters.web.pages.rendering import address
from starters.web.pages.shell import Outcome, PageModule, answered, page
from starters.web.pages.workbench import workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

T = TypeVar("T")

PATH = "/erase"
MAX_SHOWN = 50
"""Contracts of a kind that the page shows; of more it says how many."""
_MAX_LETTERS = 200
_SET_UP = [needs(Permission.SET_UP)]

routes = APIRouter()
PAGES = PageModule(routes)


@routes.get(PATH, dependencies=_SET_UP)
async def shown(request: Request, visitor: Present) -> Response:
    """What erasing a customer would destroy."""
    own = visitor.entities(Permission.SET_UP, workbench_of(request).entities)
    entity = request.query_params.get("entity", "") or (own[0] if len(own) == 1 else "")
    customer = request.query_params.get("customer", "").strip()
    if entity and entity not in own:
        raise HttpProblem(404, "there is no such legal entity")
    if not (entity and customer):
        wrong = "Choose a legal entity." if customer else ""
        return await _drawn(request, visitor, entity, customer, None, wrong)
    found, wrong = await _found(request, entity, customer)
    return await _drawn(request, visitor, entity, customer, found, wrong)


@routes.post(PATH + "/{entity}", dependencies=_SET_UP)
async def erase(entity: str, request: Request, visitor: Present) -> Response:
    """Destroy the keys of all contracts of a customer."""
    if not KEY.match(entity):
        raise HttpProblem(404, "there is no such legal entity")
    form = await form_of(request)
    customer, reason = text(form, "customer", _MAX_LETTERS), text(form, "reason", _MAX_LETTERS)
    wrong = _wrong(customer, text(form, "typed", _MAX_LETTERS), reason)
    if not wrong:
        try:
            done = await _answer(
                _erasing(request).erase_customer(
                    entity,
                    customer,
                    by=visitor.person,
                    reason=reason,
                    at=datetime.now(UTC),
                    partly=bool(text(form, "partly")),
                    who=visitor.who(entity),
                )
            )
        except (NotFound, Refused) as error:
            wrong = f"Refused: {error}"
        else:
            left = f" {len(done.left)} are left." if done.left else ""
            outcome = Outcome(f"{len(done.erased)} contracts of {customer} were erased.{left}")
            return answered(
                request, address(PATH, {"entity": entity, "customer": customer}), outcome
            )
    found, problem = await _found(request, entity, customer)
    wrong = problem or wrong
    return await _drawn(request, visitor, entity, customer, found, wrong, reason, status=422)


def _wrong(customer: str, typed: str, reason: str) -> str:
    """What is wrong with the form; nothing is destroyed by it."""
    if typed != customer:
        return "Nothing was erased: type the customer's key, to confirm which customer you mean."
    return "" if reason else "Nothing was erased: say why."


def _erasing(request: Request) -> Erasing:
    """Raises HttpProblem where nothing can be destroyed."""
    made = workbench_of(request).erasing
    if made is None:
        raise HttpProblem(409, "payloads are not encrypted here, so there are no keys to destroy")
    return made(request.app.state.temporal)


async def _found(request: Request, entity: str, customer: str) -> tuple[CustomerFound | None, str]:
    """The customer's contracts, or why there are none to show. Raises HttpProblem."""
    try:
        asked = _erasing(request).of_customer(entity, customer, datetime.now(UTC))
        return await _answer(asked), ""
    except (NotFound, Refused) as error:
        return None, str(error)


async def _answer(question: Awaitable[T]) -> T:
    """The answer. Raises HttpProblem where Temporal or the record store does not answer."""
    try:
        return await question
    except (GatewayError, RPCError, RuntimeError) as error:
        raise HttpProblem(
            503,
            "Temporal, or the record store, does not answer at the moment. Try again in some "
            "seconds: what was begun goes on.",
            why=f"{type(error).__name__}: {error}",
        ) from error


async def _drawn(
    request: Request,
    visitor: Visitor,
    entity: str,
    customer: str,
    found: CustomerFound | None,
    wrong: str = "",
    reason: str = "",
    *,
    status: int = 200,
) -> Response:
    return await page(
        request,
        "erase.html",
        status=status,
        title="Erase a customer",
        entities=visitor.entities(Permission.SET_UP, workbench_of(request).entities),
        entity=entity,
        customer=customer,
        found=found,
        wrong=wrong,
        reason=reason,
        most=MAX_SHOWN,
        zone=workbench_of(request).zone(entity),
    )
