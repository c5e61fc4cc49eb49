"""Contracts and invoices over the HTTP API of an application: the client face, away from Temporal.

Whoever the token belongs to is who sends; a message says it to nobody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar, cast

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.approvals import ApprovalKind
from contracts.bank.file import BankFileView
from contracts.contract.state import ContractStage
from contracts.model import JsonObject
from contracts.money import Money
from contracts.problems import InvalidContract, Problem
from contracts.views.access import Review
from gateways import http
from gateways.errors import GatewayError
from starters.client import listing, starting, wire
from starters.client.approvals import Awaiting
from starters.client.bank import BANK_FILE
from starters.client.c2c import C2C
from starters.client.calls import Unreadable
from starters.client.connection import Attempt, Remote
from starters.client.errors import (
    NoAnswer,
    NotFound,
    OnlyOnTemporal,
    Refused,
    SignedOut,
    Unreachable,
)
from starters.client.event_rows import EventRow
from starters.client.events import EVENT
from starters.client.listing import ContractRow, Listed
from starters.client.messages import CONTRACT, INVOICE, OPEN_APPROVALS
from starters.client.names import MAX_LISTED
from starters.client.parked import ParkedSteps
from starters.client.protocol import Query, Update
from starters.client.references import NO_ENTITIES, Entities
from starters.client.starting import Started
from starters.client.wire import Said, Unread

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

Token = Callable[[], str]
"""Gives the access token of whoever is signed in. Raises SignedOut."""

_SYSTEM = "api"
_ANSWER_WITHIN_SECONDS = 40.0
"""Longer than the application itself waits for a workflow's answer."""
_REQUEST_ID = re.compile(wire.REQUEST_ID_PATTERN)
_SIGN_IN = "sign in: c2c login"
_STATES = (CONTRACT.name, INVOICE.name, BANK_FILE.name, EVENT.name)
"""Queries that are answered at the address of the workflow itself."""


class Api(Remote):
    """The HTTP API at an address. Close it when done. Raises ValueError for plain HTTP beyond this
    machine."""

    def __init__(
        self, address: str, token: Token, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.address = address.rstrip("/")
        self._token = token
        self._http = http.pooled_client(
            self.address, read_timeout_seconds=_ANSWER_WITHIN_SECONDS, transport=transport
        )

    def close(self) -> None:
        self._http.close()

    # --- one workflow ---------------------------------------------------------------------------

    async def query(self, workflow_id: str, question: Query[T], argument: object = None) -> T:
        path = wire.path_of(workflow_id)
        if question.name == OPEN_APPROVALS.name:
            found = await self.get(f"{path}/approvals", wire.Approvals)
            return cast("T", [item.approval_round for item in found.approvals])
        if question.name not in _STATES or argument is not None:
            raise OnlyOnTemporal(f"the API does not answer {question.name}")
        return await self.get(path, question.result)

    async def update(
        self, workflow_id: str, message: Update[M, T], argument: M, request_id: str
    ) -> T:
        answer = await self._call(
            "POST",
            f"{wire.path_of(workflow_id)}/{message.name}",
            json=wire.without_sender(argument),
            request_id=request_id,
        )
        if message.result is str:
            return cast("T", _read(answer, Said).answer)
        return _read(answer, message.result)

    async def trying(self, workflow_id: str) -> list[Attempt]:
        return (await self.get(f"{wire.path_of(workflow_id)}/trying", wire.Trying)).trying

    async def bank_files(
        self,
        *,
        only_open: bool,
        legal_entity: str,
        limit: int,
        unreadable: Unreadable | None = None,
    ) -> list[BankFileView]:
        found = await self.get(
            f"{wire.PREFIX}/bank/files",
            wire.BankFiles,
            only_open=str(only_open).lower(),
            entity=legal_entity,
            limit=limit,
        )
        _note(found.unread, unreadable)
        return found.files

    async def events(
        self, *, source: str, outcome: str, needs_person: bool, day: date | None, limit: int
    ) -> Listed[EventRow]:
        found = await self.get(
            f"{wire.PREFIX}/events",
            wire.Events,
            source=source,
            outcome=outcome,
            needs_person=str(needs_person).lower(),
            day=day,
            limit=limit,
        )
        return Listed(found.events, found.more)

    # --- what lists and starts ask --------------------------------------------------------------

    async def get(self, path: str, kind: type[T], /, **narrowing: object) -> T:
        """What is at an address below the API's; what is left empty does not narrow."""
        given = {name: str(value) for name, value in narrowing.items() if value}
        return _read(await self._call("GET", path, params=given), kind)

    async def post(self, path: str, body: JsonObject, kind: type[T]) -> T:
        """What an address answers to an object."""
        return _read(await self._call("POST", path, json=body), kind)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        json: JsonObject | None = None,
        params: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> httpx.Response:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._token()}"}
        if request_id:
            if not _REQUEST_ID.fullmatch(request_id):
                known = f"at most {wire.MAX_REQUEST_ID} visible characters of ASCII"
                raise Refused(f"a request id over the API has {known}")
            headers[wire.REQUEST_ID_HEADER] = request_id
        try:
            answer = await asyncio.to_thread(
                self._http.request, method, path, json=json, params=params, headers=headers
            )
        except httpx.HTTPError as error:
            raise self._unanswered(error, request_id) from error
        if answer.status_code != httpx.codes.OK:
            raise self._failed(answer, request_id)
        return answer

    def _unanswered(self, error: httpx.HTTPError, request_id: str) -> Exception:
        failed: GatewayError = http.unanswered(error, _SYSTEM, self.address)
        if request_id and failed.maybe_done:
            return NoAnswer(str(failed), request_id)
        return Unreachable(str(failed))

    def _failed(self, answer: httpx.Response, request_id: str) -> Exception:
        """What an answer means that is no success."""
        document = http.json_object(answer) or {}
        told = str(document.get("detail") or document.get("title") or "")
        match answer.status_code:
            case 401:
                return SignedOut(f"{self.address} does not know who asks; {_SIGN_IN}")
            case 404 if told:
                return NotFound(told)
            case 403 | 409 if told:
                return Refused(told)
            case 400 | 413 | 415 | 422 if told:
                problems = _problems(document.get("problems"))
                return InvalidContract(problems) if problems else Refused(told)
            case 429 | 503 if told:
                return NoAnswer(told, request_id)
        return Unreachable(f"{self.address} answers {answer.status_code}: is it the application?")


class ApiC2C(C2C):
    """The same face as `C2C`. What needs Temporal itself raises OnlyOnTemporal."""

    def __init__(self, api: Api, entities: Entities = NO_ENTITIES) -> None:
        super().__init__(api, entities)
        self._api = api

    async def me(self) -> wire.Me:
        """Whoever is signed in."""
        return await self._api.get(f"{wire.PREFIX}/me", wire.Me)

    async def access(self, legal_entity: str = "") -> Review:
        """Who may do what in a legal entity, or all that the sender reviews."""
        return await self._api.get(f"{wire.PREFIX}/access", Review, entity=legal_entity)

    async def start(self, contract_data: JsonObject) -> Started:
        contract = starting.input_of_data(contract_data)
        named = {"contract_id": contract.contract_id, "legal_entity": contract.legal_entity}
        body = {**contract_data, **named}
        return await self._api.post(f"{wire.PREFIX}/contracts", body, Started)

    async def start_deal(self, system: str, deal_id: str, legal_entity: str) -> Started:
        starting.input_of_deal(system, deal_id, legal_entity)
        body = {"system": system, "deal_id": deal_id, "legal_entity": legal_entity}
        return await self._api.post(f"{wire.PREFIX}/deals", body, Started)

    async def contracts(
        self,
        *,
        stage: ContractStage | str = "",
        waiting_on: str = "",
        legal_entity: str = "",
        where: str = "",
        limit: int = MAX_LISTED,
    ) -> list[ContractRow]:
        _refuse_filter(where)
        listing.conditions(ContractStage=stage, waiting_on=waiting_on, entity=legal_entity)
        rows: list[ContractRow] = []
        cursor: str | None = ""
        while cursor is not None and len(rows) < limit:
            page = await self._api.get(
                f"{wire.PREFIX}/contracts",
                wire.Contracts,
                stage=str(stage),
                waiting_on=waiting_on,
                entity=legal_entity,
                limit=min(limit - len(rows), MAX_LISTED),
                cursor=cursor,
            )
            rows += page.contracts
            cursor = page.next
        return rows[:limit]

    async def exceptions(
        self, *, where: str = "", limit: int = MAX_LISTED, unreadable: Unreadable | None = None
    ) -> ParkedSteps:
        _refuse_filter(where)
        found = await self._api.get(f"{wire.PREFIX}/exceptions", wire.Exceptions, limit=limit)
        _note(found.unread, unreadable)
        return ParkedSteps([item.step() for item in found.exceptions], found.more, found.events)

    async def approvals(
        self,
        *,
        customer: str = "",
        up_to: Money | None = None,
        kind: ApprovalKind | None = None,
        legal_entity: str = "",
        where: str = "",
        limit: int = MAX_LISTED,
        unreadable: Unreadable | None = None,
    ) -> Listed[Awaiting]:
        _refuse_filter(where)
        listing.conditions(entity=legal_entity)
        found = await self._api.get(
            f"{wire.PREFIX}/approvals",
            wire.Approvals,
            customer=customer,
            up_to=up_to,
            kind=kind,
            entity=legal_entity,
            limit=limit,
        )
        _note(found.unread, unreadable)
        return Listed(found.approvals, found.more)


def _refuse_filter(where: str) -> None:
    if where:
        raise OnlyOnTemporal("a condition in Temporal's list filter needs Temporal")


def _note(unread: list[Unread], unreadable: Unreadable | None) -> None:
    """Say which workflows a list has left out. Raises NoAnswer where nobody is to be told."""
    for item in unread:
        error = NoAnswer(item.why)
        if unreadable is None:
            raise error
        unreadable(item.workflow_id, error)


def _read(answer: httpx.Response, kind: type[T]) -> T:
    try:
        return TypeAdapter(kind).validate_json(answer.content)
    except ValidationError as error:
        raise Unreachable(
            f"{answer.request.url.path} answers what this release of c2c does not know "
            f"({error.error_count()} differences): are both of the same release?"
        ) from None


def _problems(found: object) -> list[Problem]:
    try:
        return TypeAdapter(list[Problem]).validate_python(found or [])
    except ValidationError:
        return []
