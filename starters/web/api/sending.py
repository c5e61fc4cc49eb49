"""A route for each Update of contracts, invoices and bank files, made from the one list of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from pydantic_core import from_json

from contracts.access import OF_MESSAGES, RESOLVE_EXCEPTION, TO_RESOLVE
from contracts.actors import Sign
from contracts.identifiers import bank_workflow_id, contract_workflow_id, invoice_workflow_id
from contracts.model import JsonObject
from contracts.parking import Resolution
from contracts.problems import InvalidContract
from contracts.validation import payload_problems
from starters.client import bank, calls, messages, wire
from starters.client.c2c import C2C
from starters.client.protocol import Update
from starters.client.wire import Said
from starters.web.api.access import require_to_resolve
from starters.web.api.documents import examples, sent
from starters.web.api.failures import told
from starters.web.api.parameters import Contract, Entity, FileHash, Number, RequestId
from starters.web.limits import read_body
from starters.web.pages.workbench import Signing
from starters.web.problems import HttpProblem, documented
from starters.web.visitors import Present, Visitor, needs

JSON = "application/json"
ANSWERS = documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503)


@dataclass(frozen=True)
class Sending:
    """How messages come in and go on. Without `signing` they are sent unsigned, which workers
    accept where `identity.required` is off."""

    max_body_bytes: int
    signing: Signing | None = None

    async def body(self, request: Request) -> JsonObject:
        """The JSON object of a request. Raises HttpProblem."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            # A form of another site's page cannot say so, whatever cookie its browser has.
            raise HttpProblem(415, f"the body is {JSON}")
        raw = await read_body(request, self.max_body_bytes)
        try:
            # Neither NaN, nor halves of characters, nor what is nested without end.
            said = from_json(raw, allow_inf_nan=False)
        except ValueError:
            raise HttpProblem(400, "the body is no JSON") from None
        if not isinstance(said, dict):
            raise HttpProblem(400, "the body is an object")
        return said

    def sign(self, visitor: Visitor) -> Sign | None:
        return self.signing(visitor) if self.signing is not None else None

    async def send(
        self,
        request: Request,
        visitor: Visitor,
        workflow_id: str,
        update: Update[Any, Any],
        request_id: str | None,
    ) -> Any:
        """Send what the body says as the visitor's message; what the workflow answers."""
        said = await self.body(request)
        client = request.app.state.temporal
        with told():
            message = wire.message_of(update.message, said, visitor.person)
            if isinstance(message, Resolution):
                await self._check(C2C(client), visitor, workflow_id, message)
            return await calls.update(
                client,
                workflow_id,
                update,
                message,
                request_id=request_id,
                sign=self.sign(visitor),
            )

    async def _check(
        self, c2c: C2C, visitor: Visitor, workflow_id: str, message: Resolution
    ) -> None:
        """Whether the visitor may decide so about the step. Raises HttpProblem, and what `C2C`
        does."""
        if problems := payload_problems(message.changes):
            raise InvalidContract(problems)
        entity = workflow_id.split("/")[1]
        found = await c2c.contract_or_invoice(workflow_id).exceptions()
        require_to_resolve(visitor, entity, found, message.step, message.action)


def add_routes(routes: APIRouter, sending: Sending) -> None:
    """Add the routes that send messages."""

    def to_contract(update: Update[Any, Any]) -> Callable[..., Awaitable[Response]]:
        async def send(
            entity: Entity,
            contract: Contract,
            request: Request,
            visitor: Present,
            request_id: RequestId = None,
        ) -> Response:
            workflow_id = contract_workflow_id(entity, contract)
            return _answer(await sending.send(request, visitor, workflow_id, update, request_id))

        return send

    def to_invoice(update: Update[Any, Any]) -> Callable[..., Awaitable[Response]]:
        async def send(
            entity: Entity,
            contract: Contract,
            number: Number,
            request: Request,
            visitor: Present,
            request_id: RequestId = None,
        ) -> Response:
            workflow_id = invoice_workflow_id(contract_workflow_id(entity, contract), number)
            return _answer(await sending.send(request, visitor, workflow_id, update, request_id))

        return send

    def to_file(update: Update[Any, Any]) -> Callable[..., Awaitable[Response]]:
        async def send(
            entity: Entity,
            file: FileHash,
            request: Request,
            visitor: Present,
            request_id: RequestId = None,
        ) -> Response:
            workflow_id = bank_workflow_id(entity, file)
            said = await sending.send(request, visitor, workflow_id, update, request_id)
            return _answer(Said(answer=said))

        return send

    contracts = "/contracts/{entity}/{contract}"
    _add(routes, contracts, "contracts", messages.OF_CONTRACTS, to_contract)
    invoices = f"{contracts}/invoices/{{number}}"
    _add(routes, invoices, "invoices", messages.OF_INVOICES, to_invoice)
    _add(routes, "/bank/files/{entity}/{file}", "bank", bank.OF_FILES, to_file)


def _add(
    routes: APIRouter,
    path: str,
    tag: str,
    updates: Sequence[Update[Any, Any]],
    make: Callable[[Update[Any, Any]], Callable[..., Awaitable[Response]]],
) -> None:
    for update in updates:
        routes.add_api_route(
            f"{path}/{update.name}",
            make(update),
            methods=["POST"],
            name=f"{tag}_{update.name}",
            tags=[tag],
            summary=update.name.replace("_", " ").capitalize(),
            description=_about(update),
            dependencies=[needs(*_permissions(update))],
            response_model=Said if update.result is str else update.result,
            responses=ANSWERS,
            openapi_extra=sent(update.message, examples(update.name)),
        )


def _permissions(update: Update[Any, Any]) -> list[Any]:
    if update.name == RESOLVE_EXCEPTION:
        return sorted(TO_RESOLVE)
    return [OF_MESSAGES[update.name]]


def _about(update: Update[Any, Any]) -> str:
    roles = ", ".join(sorted(_permissions(update)))
    return f"{update.message.__doc__ or ''}\n\nNeeds the permission {roles}."


def _answer(found: BaseModel) -> Response:
    return Response(found.model_dump_json(), media_type=JSON)
