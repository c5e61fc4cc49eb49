"""The codec server: the Temporal UI and the `temporal` command read payloads through it.

Each answer is recorded before it is given: who, which keys, how many. Whoever has a token of the
configuration reads everything; whoever is signed in reads the contracts of the legal entities for
which they may decode, and what belongs to none if they may everywhere. Where there are neither
tokens nor a login, this machine may ask, by no page but one of a configured origin.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from contracts.access import EVERYWHERE, Permission
from contracts.identifiers import contract_scope, legal_entity_of
from gateways.encryption.keys import SHARED
from gateways.encryption.settings import CodecSettings
from gateways.errors import FailureKind, GatewayError
from gateways.record_store.protocol import RecordStore
from gateways.secrets import Secret
from starters.web import decodes
from starters.web.limits import RateLimit, read_body
from starters.web.problems import HttpProblem, documented
from starters.web.this_machine import comes_from_here, is_local
from starters.web.visitors import Visitor
from wiring.codec import SealingCodec
from wiring.sealed import key_ids
from wiring.settings import WebSettings

MAX_BODY_BYTES = 20_000_000
"""Temporal takes 2 MB a payload, which is more in Base64, and a page may ask for several."""
MAX_PAYLOADS = 1_000
_CONTRACT_HEADER = "x-contract"
_ALLOWED_HEADERS = "Authorization, Authorization-Extras, Content-Type, X-Namespace, X-Contract"
_THIS_MACHINE = "this machine"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "Payloads as Temporal writes them; none are left out.",
                    "properties": {
                        "payloads": {
                            "type": "array",
                            "maxItems": MAX_PAYLOADS,
                            "items": {"type": "object"},
                        }
                    },
                }
            }
        },
    }
}


class Readers(Protocol):
    """Finds out who asks from a page of another origin, which was checked."""

    async def reader(self, request: Request) -> Visitor | None:
        """None for whoever is not signed in. Raises HttpProblem for a token that is wrong."""


@dataclass(frozen=True)
class Asker:
    """Who asks, and as whom they are signed in; None for whoever may read everything."""

    name: str
    visitor: Visitor | None = None

    def check(self, keys: Sequence[str]) -> None:
        """Raises HttpProblem with 403 for what they may not read, or seal."""
        if self.visitor is None:
            return
        for key in keys:
            entity = legal_entity_of(contract_scope(key)) or EVERYWHERE
            if not self.visitor.may(Permission.DECODE, entity):
                where = "everywhere" if entity == EVERYWHERE else f"for {entity}"
                raise HttpProblem(403, f"this needs the role operator {where}")


@dataclass(frozen=True)
class CodecServer:
    """What the routes need. `tokens` are by the name of who has it; `is_local` says that nothing
    but this machine reaches the gateway, and that nobody can sign in."""

    codec: SealingCodec
    records: RecordStore
    origins: frozenset[str]
    tokens: Mapping[str, Secret]
    is_local: bool
    readers: Readers | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def who(self, request: Request) -> Asker:
        """Raises HttpProblem with 401 or 403."""
        origin = request.headers.get("origin")
        if origin is not None and origin not in self.origins:
            raise HttpProblem(403, "this page may not ask", why="origin is not configured")
        owner = self._owner(request.headers.get("authorization", ""))
        if owner:
            return Asker(owner)
        if self.is_local and comes_from_here(request) and not self.tokens:
            return Asker(_THIS_MACHINE)
        visitor = await self.readers.reader(request) if self.readers else None
        if visitor is not None:
            if not visitor.may_somewhere(Permission.DECODE):
                raise HttpProblem(403, "this needs the role operator")
            return Asker(visitor.person, visitor)
        if self.tokens or (self.readers is not None and not self.is_local):
            raise HttpProblem(
                401,
                "a token is needed, or a login",
                headers={"WWW-Authenticate": "Bearer"},
                why="no token that is right",
            )
        raise HttpProblem(
            403, "without encryption.codec.tokens only this machine may ask", why="no token"
        )

    def _owner(self, header: str) -> str:
        """The name of the token in a header; empty for another."""
        given = header.removeprefix("Bearer ").strip().encode()
        found = ""
        for name, secret in self.tokens.items():
            try:
                right = secret.reveal().encode()
            except GatewayError:
                continue  # a file that cannot be read leaves the other tokens
            if hmac.compare_digest(given, right):
                found = name
        return found

    async def encode(self, payloads: Sequence[Payload], request: Request) -> list[Payload]:
        """Under the shared key, or that of the contract that the request names.

        Raises HttpProblem with 400 for what is no contract.
        """
        [scope] = _named(request) or [SHARED]
        if scope != SHARED and contract_scope(scope) != scope:
            raise HttpProblem(400, "X-Contract is LEGAL-ENTITY/CONTRACT, such as northwind/C-1001")
        return await self.codec.for_scope(scope).encode(payloads)

    async def decode(self, payloads: Sequence[Payload], _: Request) -> list[Payload]:
        return await self.codec.decode(payloads)

    async def note(self, action: str, who: str, keys: Sequence[str], request: Request) -> None:
        """Record what is about to be shown."""
        count = request.state.payloads
        at, store = self.now(), self.records
        await decodes.note(store, request, at, action=action, who=who, keys=keys, count=count)


def server(
    codec: SealingCodec,
    records: RecordStore,
    settings: CodecSettings,
    web: WebSettings,
    *,
    readers: Readers | None = None,
    has_provider: bool = False,
) -> CodecServer:
    """As configured. With a provider to sign in with, this machine is nobody."""
    return CodecServer(
        codec=codec,
        records=records,
        origins=frozenset(settings.origins),
        tokens={name: item.secret for name, item in settings.tokens.items()},
        is_local=is_local(web) and not has_provider,
        readers=readers,
    )


def router(served: CodecServer, requests_per_minute: int) -> APIRouter:
    """The routes below `/codec`."""
    routes = APIRouter(prefix="/codec", tags=["codec"])
    rate = RateLimit(requests_per_minute)
    answers = documented(400, 401, 403, 408, 413, 422, 429, 503)

    def add(name: str, work: Callable[..., Awaitable[list[Payload]]], about: str) -> None:
        async def act(request: Request) -> Response:
            request.state.sender = "codec"
            try:
                return await answered(request)
            except HttpProblem as problem:
                # A page that may ask may also read why it is refused.
                problem.headers.update(_cors(request, served))
                raise

        async def answered(request: Request) -> Response:
            await rate.check("codec", request.client.host if request.client else "")
            asker = await served.who(request)
            who = request.state.who = asker.name
            payloads = _read(await read_body(request, MAX_BODY_BYTES))
            keys = request.state.keys = key_ids(payloads)
            asker.check([*keys, *_named(request)])
            request.state.payloads = len(payloads)
            try:
                if keys:
                    await served.note(name, who, keys, request)
                found = await work(payloads, request)
            except GatewayError as error:
                status = 503 if error.kind is FailureKind.TRANSIENT else 422
                raise HttpProblem(status, error.message, why=error.code) from None
            return _answer(found, request, served)

        act.__doc__ = about
        routes.add_api_route(
            f"/{name}",
            act,
            methods=["POST"],
            name=name,
            response_model=dict[str, Any],
            responses=answers,
            openapi_extra=_BODY,
        )
        routes.add_api_route(
            f"/{name}", preflight, methods=["OPTIONS"], include_in_schema=False, status_code=204
        )

    async def preflight(request: Request) -> Response:
        allowed = {
            **_cors(request, served),
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
            "Access-Control-Max-Age": "600",
        }
        origin = request.headers.get("origin")
        return Response(status_code=204, headers=allowed if origin in served.origins else {})

    add("decode", served.decode, "Payloads in clear. It is recorded who asked for which keys.")
    add("download", served.decode, "The same: large payloads are read from the record store.")
    add("encode", served.encode, "Payloads sealed, under the key of the header X-Contract.")
    return routes


def _named(request: Request) -> list[str]:
    """The scope of the contract that the request names, if it names one."""
    contract = request.headers.get(_CONTRACT_HEADER, "")
    return [f"contract/{contract}"] if contract else []


def _read(body: bytes) -> list[Payload]:
    try:
        document = json.loads(body)
        # Protocol buffers would read null as an empty list, and an empty text as an empty payload.
        given = document.get("payloads", []) if isinstance(document, dict) else None
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
            raise TypeError("not an object with a list of objects")
        found = json_format.ParseDict(document, Payloads()).payloads
    except (ValueError, RecursionError, json_format.ParseError, AttributeError, TypeError):
        raise HttpProblem(400, 'the body is {"payloads": [...]} as Temporal writes it') from None
    if len(found) > MAX_PAYLOADS:
        raise HttpProblem(422, f"at most {MAX_PAYLOADS} payloads")
    return list(found)


def _answer(payloads: Sequence[Payload], request: Request, served: CodecServer) -> Response:
    # An empty list is asked for, too, and protocol buffers would leave it out.
    items = [json_format.MessageToDict(item) for item in payloads]
    content = json.dumps({"payloads": items})
    return Response(content, media_type="application/json", headers=_cors(request, served))


def _cors(request: Request, served: CodecServer) -> dict[str, str]:
    origin = request.headers.get("origin")
    if origin not in served.origins:
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": str(origin),
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }
