"""The calls of the stand-in for Salesforce: signing in, queries, descriptions, updates."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.salesforce.errors import Json, SalesforceError
from sandbox.salesforce.org import SalesforceOrg

CONSUMER_KEY = "3MVG9.consumer"
MAX_BATCH = 200
_ASSERTION_SECONDS = 180
_CLOCKS_DIFFER_SECONDS = 30
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

FAULTS = ("expired", "rate_limit", "unavailable", "no_answer", "malformed", "cut")
"""What `SalesforceOrg.fail_next` knows. `expired`: the session ended. `rate_limit`: the day's calls
are used. `no_answer`: the work is done, and a gateway in between answers 504. `malformed`: a
proxy's page. `cut`: the answer breaks off."""


@dataclass
class ExternalClientApp:
    """The app that signs in, the tokens it got, and how many calls it has left today.

    `public_key` (PEM) is that of its certificate, `user` whom it may act as. `offered` are the API
    versions of the org, `retired` those that are gone.
    """

    consumer_key: str = CONSUMER_KEY
    consumer_secret: str = "secret"  # noqa: S105 - of the stand-in
    user: str = "c2c@firm.example"
    public_key: str = ""
    audience: str = "https://login.salesforce.com"
    offered: Sequence[str] = ("v65.0", "v66.0", "v67.0")
    retired: Sequence[str] = ("v20.0",)
    calls_allowed: int = 100_000
    calls_made: int = 0
    sign_ins: int = 0
    tokens: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def sign_in(self, form: Mapping[str, str], authorization: str) -> str:
        """A token. Raises PermissionError with Salesforce's code and description."""
        grant = form.get("grant_type")
        if grant == _JWT_BEARER:
            self._check_assertion(form.get("assertion", ""))
        elif grant == "client_credentials":
            self._check_secret(authorization)
        else:
            raise PermissionError("unsupported_grant_type", "grant type not supported")
        token = f"00DHs00000000001!{secrets.token_urlsafe(24)}"
        with self.lock:
            self.sign_ins += 1
            self.tokens.add(token)
        return token

    def expire_tokens(self) -> None:
        with self.lock:
            self.tokens.clear()

    def count_call(self) -> str:
        """The header that says what is used. Raises SalesforceError when the day is used up."""
        with self.lock:
            self.calls_made += 1
            if self.calls_made > self.calls_allowed:
                raise _limit_exceeded()
            return f"api-usage={self.calls_made}/{self.calls_allowed}"

    def _check_assertion(self, assertion: str) -> None:
        try:
            key = RSAKey.import_key(self.public_key)
            claims = jwt.decode(assertion, key, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            raise PermissionError("invalid_grant", "invalid assertion") from None
        if claims.get("iss") != self.consumer_key:
            raise PermissionError("invalid_client_id", "client identifier invalid")
        if claims.get("sub") != self.user:
            raise PermissionError("invalid_grant", "user hasn't approved this consumer")
        if claims.get("aud") != self.audience:
            raise PermissionError("invalid_grant", "audience is invalid")
        left = int(claims.get("exp", 0)) - time.time()
        if not 0 < left <= _ASSERTION_SECONDS + _CLOCKS_DIFFER_SECONDS:
            raise PermissionError("invalid_grant", "expired authorization code")

    def _check_secret(self, authorization: str) -> None:
        pair = f"{self.consumer_key}:{self.consumer_secret}".encode()
        if authorization != f"Basic {base64.b64encode(pair).decode()}":
            raise PermissionError("invalid_client", "invalid client credentials")


def salesforce_app(org: SalesforceOrg, client: ExternalClientApp) -> Starlette:
    """The API over an org, to be served at the root of a host."""
    cursors: dict[str, list[Json]] = {}

    async def token(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        try:
            found = await run_in_threadpool(
                client.sign_in, form, request.headers.get("Authorization", "")
            )
        except PermissionError as error:
            code, description = error.args
            return JSONResponse({"error": code, "error_description": description}, 400)
        address = str(request.base_url).rstrip("/")
        return JSONResponse(
            {
                "access_token": found,
                "scope": "api",
                "instance_url": address,
                "id": f"{address}/id/00DHs00000000001/005Hs00000000001",
                "token_type": "Bearer",
            }
        )

    async def versions(request: Request) -> Response:
        return JSONResponse(
            [
                {"label": version, "url": f"/services/data/{version}", "version": version[1:]}
                for version in client.offered
            ]
        )

    def route(method: str, path: str, handle: Callable[[_Call], Any]) -> Route:
        async def endpoint(request: Request) -> Response:
            fault, usage = org.take_fault(), ""
            try:
                _refuse(fault)
                _authorise(request, client)
                _check_version(request.path_params["version"], client)
                usage = client.count_call()
                call = await _call_of(request, org, cursors)
                answer = await run_in_threadpool(handle, call)
                response: Response = JSONResponse(answer)
            except SalesforceError as error:
                response = JSONResponse(error.of_call(), error.status)
            response.headers["Sforce-Limit-Info"] = usage
            return _spoiled(response, fault)

        return Route(f"/services/data/{{version}}{path}", endpoint, methods=[method])

    return Starlette(
        routes=[
            Route("/services/oauth2/token", token, methods=["POST"]),
            Route("/services/data", versions),
            Route("/services/data/", versions),
            # simple-salesforce ends these with a slash.
            route("GET", "/query/", _query),
            route("GET", "/query", _query),
            route("GET", "/queryAll/", _query_all),
            route("GET", "/queryAll", _query_all),
            route("GET", "/query/{cursor}", _query_more),
            route("GET", "/sobjects/{kind}/describe", _describe),
            route("PATCH", "/composite/sobjects", _update_many),
        ]
    )


@dataclass(frozen=True)
class _Call:
    """What a request asks, and of what."""

    org: SalesforceOrg
    cursors: dict[str, list[Json]]
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Json

    @property
    def soql(self) -> str:
        return self.query.get("q", "")

    def page(self, rows: list[Json], total: int) -> Json:
        """The first rows of what is left, and where the rest is."""
        size = self.org.batch_size
        answer: Json = {"totalSize": total, "done": len(rows) <= size, "records": rows[:size]}
        if len(rows) > size:
            cursor = f"0r8Hs{secrets.token_hex(6)}-{size}-{total}"
            self.cursors[cursor] = rows[size:]
            answer["nextRecordsUrl"] = f"/services/data/{self.path['version']}/query/{cursor}"
        return answer


async def _call_of(request: Request, org: SalesforceOrg, cursors: dict[str, list[Json]]) -> _Call:
    body: Any = {}
    if request.method == "PATCH":
        try:
            body = await request.json()
        except ValueError:
            body = None
    if not isinstance(body, dict):
        raise SalesforceError(400, "JSON_PARSER_ERROR", "Unexpected character in the body")
    return _Call(org, cursors, request.path_params, dict(request.query_params), body)


def _authorise(request: Request, client: ExternalClientApp) -> None:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token not in client.tokens:
        raise _session_ended()


def _check_version(version: str, client: ExternalClientApp) -> None:
    if version in client.retired:
        text = "The requested API version has been retired."
        raise SalesforceError(410, "UNSUPPORTED_API_VERSION", text)
    if version not in client.offered:
        raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")


def _refuse(fault: str) -> None:
    """Raise what a fault answers before any work is done."""
    if fault == "expired":
        raise _session_ended()
    if fault == "rate_limit":
        raise _limit_exceeded()
    if fault == "unavailable":
        raise SalesforceError(503, "SERVER_UNAVAILABLE", "Server is too busy")


def _spoiled(response: Response, fault: str) -> Response:
    """The answer as a fault leaves it; the work is done."""
    if fault == "no_answer":
        return Response("upstream request timeout", 504, media_type="text/plain")
    if fault == "malformed":
        return Response("<p>Please log in</p>", 200, media_type="text/html")
    if fault == "cut":
        body = bytes(response.body)
        return Response(body[: len(body) // 2], response.status_code, media_type="application/json")
    return response


def _query(call: _Call) -> Json:
    return _answer(call, call.org.rows(call.soql))


def _query_all(call: _Call) -> Json:
    return _answer(call, call.org.rows(call.soql, with_deleted=True))


def _answer(call: _Call, rows: list[Json]) -> Json:
    for row in rows:
        for name, value in row.items():
            if isinstance(value, list):  # a sub-select: null where it found nothing
                row[name] = call.page(value, len(value)) if value else None
    return call.page(rows, len(rows))


def _query_more(call: _Call) -> Json:
    cursor = call.path["cursor"]
    if cursor not in call.cursors:
        raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return call.page(call.cursors[cursor], int(cursor.rpartition("-")[2]))


def _describe(call: _Call) -> Json:
    try:
        return call.org.objects.described(call.path["kind"])
    except SalesforceError:
        text = "The requested resource does not exist"
        raise SalesforceError(404, "NOT_FOUND", text) from None


def _update_many(call: _Call) -> list[Json]:
    records = call.body.get("records")
    if not isinstance(records, list) or not records or len(records) > MAX_BATCH:
        text = f"The number of records must be between 1 and {MAX_BATCH}"
        raise SalesforceError(400, "INVALID_INPUT", text)
    if call.body.get("allOrNone") is not False:
        raise SalesforceError(400, "INVALID_INPUT", "the stand-in takes allOrNone false only")
    ids = [str(record.get("id")) for record in records]
    if len(set(ids)) < len(ids):
        raise SalesforceError(400, "INVALID_INPUT", "duplicate id in the list of records")
    parsed = [_split(record) for record in records]
    for kind, _, values in parsed:
        call.org.objects.check_columns(kind, values)
    return [_updated(call.org, *item) for item in parsed]


def _split(record: Json) -> tuple[str, str, Json]:
    values = {name: value for name, value in record.items() if name not in ("attributes", "id")}
    return str((record.get("attributes") or {}).get("type")), str(record.get("id")), values


def _updated(org: SalesforceOrg, kind: str, record_id: str, values: Json) -> Json:
    try:
        org.update(kind, record_id, values)
    except SalesforceError as error:
        return error.of_record()
    return {"id": record_id, "success": True, "errors": []}


def _session_ended() -> SalesforceError:
    return SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def _limit_exceeded() -> SalesforceError:
    return SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
