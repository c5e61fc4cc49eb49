"""How a stand-in serves an API: each call is checked and counted, and an error is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.model import JsonObject


class ApiError(Exception):
    """An error as a remote answers it."""

    status: int
    body: JsonObject
    headers: Mapping[str, str] = {}


class Counting(Protocol):
    """What a stand-in knows: it counts its calls, and raises ApiError for one too many."""

    def count(self) -> None: ...


S = TypeVar("S", bound=Counting)


def endpoint(
    store: S,
    check: Callable[[S, Request], None],
    path: str,
    answer: Callable[[S, Request], Awaitable[Response]],
    method: str = "GET",
    *,
    limits: Callable[[S], Mapping[str, str]] = lambda _: {},
) -> Route:
    """A path of the API. `check` raises ApiError for who may not call it; `limits` are the headers
    of every error."""

    async def answered(request: Request) -> Response:
        try:
            check(store, request)
            store.count()
            return await answer(store, request)
        except ApiError as error:
            return JSONResponse(error.body, error.status, {**error.headers, **limits(store)})

    return Route(path, answered, methods=[method])
