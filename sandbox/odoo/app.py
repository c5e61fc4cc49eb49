"""The HTTP face: JSON-2 calls in Odoo's shapes, health and version, and administration."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.odoo.errors import BadRequest, HttpError, NotFound, OdooError, Unauthorized
from sandbox.odoo.store import OPERATIONS, OdooStore

DATABASE = "c2c"
BEARER = re.compile(r"bearer\s+(.+)", re.IGNORECASE)
HINT = "Did you mean POST /json/2/<model>/<method>?"
NO_KEY = "User not authenticated, use an API Key with a Bearer Authorization header."
NO_DATABASE = (
    "<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>No database is selected"
    " and the requested URL was not found in the server-wide controllers.</p>\n"
)
VERSION = {"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}
LOOPBACK = ("127.0.0.1", "::1", "testclient")
Handler = Callable[[Request], Awaitable[Response]]


def odoo_app(store: OdooStore, database: str = DATABASE) -> Starlette:
    """The stand-in as an ASGI application over a store."""

    async def call(request: Request) -> Response:
        asked = request.headers.get("x-odoo-database", database)
        if asked != database:
            return HTMLResponse(NO_DATABASE, 404)
        if request.method != "POST":
            return _refusal(NotFound(HINT))
        try:
            body = _body(await request.body())
            uid = await run_in_threadpool(store.authenticate, _key(request))
            path = request.path_params
            result = await run_in_threadpool(store.call, uid, path["model"], path["method"], body)
        except Exception as error:
            return _refusal(error)
        return JSONResponse(result)

    async def hint(request: Request) -> Response:
        return _refusal(NotFound(HINT))

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "pass"})

    async def version(request: Request) -> Response:
        return JSONResponse(VERSION)

    methods = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    return Starlette(
        routes=[
            Route("/json/2/{model}/{method}", call, methods=methods),
            Route("/json/2", hint, methods=methods),
            Route("/json/2/{rest:path}", hint, methods=methods),
            Route("/web/health", health),
            Route("/web/version", version),
            *admin_routes(store),
        ]
    )


def admin_routes(store: OdooStore) -> list[Route]:
    """Administration for tests, reachable from this machine only; bodies are JSON objects."""

    async def key(body: dict[str, Any]) -> Any:
        """POST {login, key?, expires?}: one more key for a user."""
        expires = _moment(body.get("expires"))
        return {"key": store.issue_key(body["login"], key=body.get("key", ""), expires=expires)}

    async def key_expiry(body: dict[str, Any]) -> Any:
        """POST {login, expires}: when the user's keys end; null is never."""
        store.set_key_expiry(body["login"], _moment(body["expires"]))

    async def deny(body: dict[str, Any]) -> Any:
        """POST {login, model, operations?}: take rights on a model."""
        store.deny(body["login"], body["model"], tuple(body.get("operations", OPERATIONS)))

    async def allow(body: dict[str, Any]) -> Any:
        """POST {login, model}: give back what deny took."""
        store.allow(body["login"], body["model"])

    async def lock_date(body: dict[str, Any]) -> Any:
        """POST {name, date}: one of the company's lock dates; null takes it away."""
        store.set_lock_date(body["name"], body["date"])

    async def mail_server(body: dict[str, Any]) -> Any:
        """POST {up}: whether the mail server takes mails."""
        store.mail_server_up = bool(body["up"])

    async def mails(request: Request) -> Response:
        """GET: outgoing mails, oldest first."""
        return JSONResponse([asdict(mail) for mail in store.mails()])

    actions = {
        "keys": key,
        "key-expiry": key_expiry,
        "deny": deny,
        "allow": allow,
        "lock-date": lock_date,
        "mail-server": mail_server,
    }
    posts = [
        Route(f"/sandbox/{name}", loopback_only(_action(action)), methods=["POST"])
        for name, action in actions.items()
    ]
    return [*posts, Route("/sandbox/mails", loopback_only(mails))]


def loopback_only(handler: Handler) -> Handler:
    """Refuse callers from other machines, and posts that a web page could make a browser send."""

    async def guarded(request: Request) -> Response:
        if request.client is None or request.client.host not in LOOPBACK:
            return JSONResponse({"error": "only from this machine"}, 403)
        kind = request.headers.get("content-type", "")
        if request.method != "GET" and not kind.startswith("application/json"):
            return JSONResponse({"error": "send application/json"}, 415)
        return await handler(request)

    return guarded


def _action(action: Callable[[dict[str, Any]], Awaitable[Any]]) -> Handler:
    async def handler(request: Request) -> Response:
        try:
            result = await action(_body(await request.body()))
        except (KeyError, TypeError, ValueError, OdooError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse(result or {"ok": True})

    return handler


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("give the time with its zone, such as 2026-01-31T00:00:00+00:00")
    return moment


def _body(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise BadRequest(f"could not parse the body as json: {error}") from error
    return body if isinstance(body, dict) else {}


def _key(request: Request) -> str:
    match = BEARER.fullmatch(request.headers.get("authorization", ""))
    if not match:
        raise Unauthorized(NO_KEY)
    return match.group(1)


def _refusal(error: Exception) -> Response:
    """An exception as Odoo serialises it."""
    if isinstance(error, OdooError):
        name, status = error.name, error.status
        message, arguments = error.message, error.arguments
    else:
        name, status = f"{type(error).__module__}.{type(error).__name__}", 500
        message, arguments = " ".join(map(str, error.args)), list(error.args)
    body = {
        "name": name,
        "message": message,
        "arguments": arguments,
        "context": {},
        "debug": "".join(traceback.format_exception(error)),
    }
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else {}
    if isinstance(error, HttpError | OdooError):
        return JSONResponse(body, status, headers)
    return JSONResponse(json.loads(json.dumps(body, default=str)), status, headers)
