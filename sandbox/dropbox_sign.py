"""A stand-in for Dropbox Sign: signature requests, their documents, limits, and events.

Held to Dropbox Sign's own client (tests/unit/test_dropbox_sign.py). It is a model of what we use,
no more: nobody is mailed, and who signs is said by `sign`, `decline` and `expire`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from threading import RLock
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.docusign import pdf

Json = dict[str, Any]

_CREATED = re.compile(r"created:\[(\S+) TO (\S+)\]")
_MINUTE = timedelta(minutes=1)


class DropboxSignError(Exception):
    """An error as Dropbox Sign answers it."""

    def __init__(self, status: int, name: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"error_name": name, "error_msg": message}}
        self.headers = {key.replace("_", "-"): value for key, value in headers.items()}


class DropboxSignStore:
    """One account, in memory. Thread-safe. `calls_left` is what is left of the minute's calls;
    None: no limit. Documents of the requests in `preparing` cannot be had yet; those in `damaged`
    are shown with times that are none."""

    def __init__(
        self, api_key: str = "", *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.api_key = api_key or secrets.token_hex(32)
        self.calls_left: int | None = None
        self.preparing: set[str] = set()
        self.damaged: set[str] = set()
        self.now = now
        self._requests: dict[str, Json] = {}
        self._lock = RLock()

    # --- what people do ---------------------------------------------------------------------------

    def send(
        self,
        deal: str = "",
        *,
        signers: Sequence[tuple[str, str]] = (("Ada Client", "ada@client.example"),),
        title: str = "Contract",
        is_test: bool = False,
    ) -> str:
        """Send a request for signature; its id. `deal` is what its metadata say as `c2c_deal`."""
        metadata = {"c2c_deal": deal} if deal else {}
        return self.create(title, signers, metadata, is_test=is_test)

    def create(
        self,
        title: str,
        signers: Sequence[tuple[str, str]],
        metadata: Json,
        *,
        is_test: bool = False,
    ) -> str:
        request_id = secrets.token_hex(20)
        body: Json = {
            "test_mode": is_test,
            "signature_request_id": request_id,
            "requester_email_address": "c2c@northwind.example",
            "title": title,
            "original_title": title,
            "subject": title,
            "message": "",
            "metadata": metadata,
            "created_at": self._seconds(),
            "is_complete": False,
            "is_declined": False,
            "has_error": False,
            "custom_fields": [],
            "response_data": [],
            "cc_email_addresses": [],
            "signatures": [
                {
                    "signature_id": secrets.token_hex(16),
                    "signer_email_address": email,
                    "signer_name": name,
                    "order": place,
                    "status_code": "awaiting_signature",
                    "signed_at": None,
                    "last_viewed_at": None,
                }
                for place, (name, email) in enumerate(signers)
            ],
        }
        with self._lock:
            self._requests[request_id] = body
        return request_id

    def sign(self, request_id: str) -> None:
        """Everybody signs."""
        signed = {"status_code": "signed", "signed_at": self._seconds()}
        self._change(request_id, signed, is_complete=True)

    def decline(self, request_id: str, reason: str) -> None:
        """A signer declines."""
        opened = {"status_code": "declined", "decline_reason": reason}
        self._change(request_id, {**opened, "last_viewed_at": self._seconds()}, is_declined=True)

    def expire(self, request_id: str) -> None:
        """Nobody has signed in time."""
        self._change(request_id, {"status_code": "expired", "last_viewed_at": self._seconds()})

    def cancel(self, request_id: str) -> None:
        """The sender cancels it: it is gone."""
        with self._lock:
            del self._requests[request_id]

    def _change(self, request_id: str, signature: Json, **more: Any) -> None:
        with self._lock:
            body = self.request(request_id)
            signatures = [{**item, **signature} for item in body["signatures"]]
            self._requests[request_id] = {**body, **more, "signatures": signatures}

    # --- what the API reads -----------------------------------------------------------------------

    def request(self, request_id: str) -> Json:
        with self._lock:
            found = self._requests.get(request_id)
        if found is None:
            raise DropboxSignError(404, "not_found", "Not found")
        return self._shown(found)

    def _shown(self, body: Json) -> Json:
        if body["signature_request_id"] not in self.damaged:
            return body
        signatures = [{**item, "signed_at": "then"} for item in body["signatures"]]
        return {**body, "created_at": "then", "signatures": signatures}

    def created(self, first: date, last: date) -> list[Json]:
        """Requests of these days, the newest first."""
        with self._lock:
            every = list(self._requests.values())

        def day(item: Json) -> date:
            return datetime.fromtimestamp(item["created_at"], UTC).date()

        return [self._shown(item) for item in reversed(every) if first <= day(item) <= last]

    def document(self, request_id: str) -> bytes:
        body = self.request(request_id)
        if request_id in self.preparing:
            text = "The files are still being processed"
            raise DropboxSignError(409, "conflict", text)
        names = ", ".join(item["signer_name"] for item in body["signatures"])
        trail = f"Audit trail, printed {self.now().isoformat()}"
        return pdf(body["title"], f"Signed by {names}", trail)

    # --- events -----------------------------------------------------------------------------------

    def event(self, request_id: str, kind: str = "signature_request_downloadable") -> Json:
        """An event about a request as it is now, signed by the account's key."""
        with self._lock:
            body = self._requests.get(request_id) or {"signature_request_id": request_id}
        return {"event": self._event(kind), "signature_request": body}

    def test_event(self) -> Json:
        """What is sent to an address when it is configured."""
        return {"event": self._event("callback_test")}

    def _event(self, kind: str) -> Json:
        time = str(self._seconds())
        digest = hmac.digest(self.api_key.encode(), f"{time}{kind}".encode(), hashlib.sha256)
        return {"event_time": time, "event_type": kind, "event_hash": digest.hex()}

    def count(self) -> None:
        """Raises DropboxSignError for a call beyond the limit."""
        with self._lock:
            if self.calls_left is None:
                return
            if self.calls_left <= 0:
                reset = str(int((datetime.now(UTC) + _MINUTE).timestamp()))
                raise DropboxSignError(
                    429, "exceeded_rate", "You have exceeded your rate", X_Ratelimit_Reset=reset
                )
            self.calls_left -= 1

    def _seconds(self) -> int:
        return int(self.now().timestamp())


def form(event: Json) -> tuple[bytes, dict[str, str]]:
    """An event as Dropbox Sign posts it: a form whose field `json` has it; body and headers."""
    boundary = secrets.token_hex(12)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="json"\r\n\r\n'
    body = head.encode() + json.dumps(event).encode() + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


# --- HTTP -----------------------------------------------------------------------------------------

_Answer = Callable[[DropboxSignStore, Request], Awaitable[Response]]


def dropbox_sign_app(store: DropboxSignStore) -> Starlette:
    """The API of version 3."""

    def route(path: str, answer: _Answer, method: str = "GET") -> Route:
        async def answered(request: Request) -> Response:
            try:
                _check(store, request)
                store.count()
                return await answer(store, request)
            except DropboxSignError as error:
                return JSONResponse(error.body, error.status, error.headers)

        return Route(f"/v3{path}", answered, methods=[method])

    return Starlette(
        routes=[
            route("/account", _account),
            route("/signature_request/list", _list),
            route("/signature_request/send", _send, "POST"),
            route("/signature_request/files/{id}", _document),
            route("/signature_request/{id}", _read),
        ]
    )


def _check(store: DropboxSignStore, request: Request) -> None:
    """The key is the user of Basic authentication, without a password."""
    wanted = base64.b64encode(f"{store.api_key}:".encode()).decode()
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Basic {wanted}".encode()):
        raise DropboxSignError(401, "unauthorized", "Unauthorized API key")


async def _account(store: DropboxSignStore, request: Request) -> Response:
    account = {"account_id": "c2c", "email_address": "c2c@northwind.example", "callback_url": None}
    return JSONResponse({"account": account})


async def _read(store: DropboxSignStore, request: Request) -> Response:
    found = store.request(request.path_params["id"])
    return JSONResponse({"signature_request": found})


async def _list(store: DropboxSignStore, request: Request) -> Response:
    query = request.query_params
    page, size = int(query.get("page", "1")), int(query.get("page_size", "20"))
    if not 1 <= size <= 100:
        raise DropboxSignError(400, "bad_request", "page_size must be between 1 and 100")
    asked = _CREATED.search(query.get("query", ""))
    first, last = map(date.fromisoformat, asked.groups()) if asked else (date.min, date.max)
    found = store.created(first, last)
    return JSONResponse(
        {
            "list_info": {
                "page": page,
                "num_pages": -(-len(found) // size),
                "num_results": len(found),
                "page_size": size,
            },
            "signature_requests": found[(page - 1) * size : page * size],
        }
    )


async def _send(store: DropboxSignStore, request: Request) -> Response:
    body = await request.json()
    signers = [(item["name"], item["email_address"]) for item in body.get("signers") or []]
    request_id = store.create(body.get("title") or "", signers, body.get("metadata") or {})
    return JSONResponse({"signature_request": store.request(request_id)})


async def _document(store: DropboxSignStore, request: Request) -> Response:
    content = store.document(request.path_params["id"])
    return Response(content, media_type="application/pdf")
