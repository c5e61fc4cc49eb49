"""A customer is erased: what would be destroyed, and that it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from temporalio.client import Client

from contracts.access import Permission
from gateways.errors import GatewayError
from starters.client import wire
from starters.client.errors import Refused
from starters.client.wire import CustomerErasure
from starters.erasing import CustomerErased, CustomerFound, Erasing
from starters.web.api.documents import sent
from starters.web.api.failures import RETRY_AFTER_SECONDS, told
from starters.web.api.parameters import Entity
from starters.web.api.sending import ANSWERS, Sending
from starters.web.problems import HttpProblem, documented
from starters.web.visitors import Present, needs

NO_KEYS = (
    "payloads are not encrypted here, so there are no keys to destroy: see encryption.masters in "
    "the configuration"
)
_PATH = "/customers/{entity}/erasure"
_SET_UP = [needs(Permission.SET_UP)]
_EXAMPLE = {"asked for": {"customer": "20001", "reason": "Asked for by the customer, ticket 4711"}}
Customer = Annotated[
    str,
    Query(
        min_length=1,
        max_length=200,
        description="The customer's key, as contracts name it.",
        examples=["20001"],
    ),
]


def add_routes(
    routes: APIRouter, sending: Sending, erasing: Callable[[Client], Erasing] | None
) -> None:
    """Add the routes that erase customers."""

    def made(request: Request) -> Erasing:
        if erasing is None:
            raise Refused(NO_KEYS)
        return erasing(request.app.state.temporal)

    @routes.get(
        _PATH,
        tags=["customers"],
        dependencies=_SET_UP,
        responses=documented(401, 403, 404, 409, 422, 429, 503),
    )
    async def erasure(entity: Entity, customer: Customer, request: Request) -> CustomerFound:
        """What erasing a customer would destroy: each contract, and why it may not be erased
        yet."""
        with _answered():
            return await made(request).of_customer(entity, customer, datetime.now(UTC))

    @routes.post(
        _PATH,
        tags=["customers"],
        dependencies=_SET_UP,
        responses=ANSWERS,
        openapi_extra=sent(CustomerErasure, _EXAMPLE),
    )
    async def erase(entity: Entity, request: Request, visitor: Present) -> CustomerErased:
        """Destroy the keys and the large payloads of all contracts of a customer, for good. Sent
        again it goes on where it was cut off, and destroys nothing else. Odoo, the CRM and mails
        are not reached."""
        said = await sending.body(request)
        with _answered():
            asked = wire.as_written(CustomerErasure, said)
            return await made(request).erase_customer(
                entity,
                asked.customer,
                by=visitor.person,
                reason=asked.reason,
                at=datetime.now(UTC),
                partly=asked.partly,
                who=visitor.who(entity),
            )


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Raises HttpProblem."""
    with told():
        try:
            yield
        except GatewayError as error:
            raise HttpProblem(
                503,
                "the record store does not answer: send it again, and it goes on",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
                why=str(error),
            ) from None
