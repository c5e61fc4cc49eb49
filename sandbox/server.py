"""The sandbox as one server: Odoo's stand-in at `/`, the others below their vendors' names."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.docusign import DocuSignError, DocuSignStore, docusign_app, new_key, public_of
from sandbox.docusign_connect import Connect, NotTaken
from sandbox.faults import CLOSE, FaultMiddleware, Faults
from sandbox.hubspot import HubSpotError, HubSpotStore, hubspot_app
from sandbox.odoo import OdooStore, loopback_only, odoo_app
from sandbox.salesforce import (
    ExternalClientApp,
    SalesforceError,
    SalesforceOrg,
    salesforce_app,
)

HOST = "127.0.0.1"
LOGINS = ("c2c", "admin", "accountant", "pm")
START_SECONDS = 15
STOP_SECONDS = 10
PRIVATE = 0o600


class SandboxError(Exception):
    """The sandbox cannot start; the message says what to do."""


@dataclass
class Sandbox:
    """A running sandbox. Without `data` everything is in memory and gone when it stops.

        with Sandbox() as sandbox:
            httpx.post(f"{sandbox.url}/json/2/res.users/context_get", ...)

    `odoo` and `faults` administer it from the same process; over HTTP see `/sandbox/...`.
    `connect_to` is where DocuSign's stand-in posts what happens to envelopes; "": nowhere.
    """

    data: Path | None = None
    connect_to: str = ""
    faults: Faults = field(default_factory=Faults)
    url: str = field(init=False, default="")
    keys: dict[str, str] = field(init=False, default_factory=dict)
    odoo: OdooStore = field(init=False)

    def __post_init__(self) -> None:
        if self.data is not None:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.odoo = OdooStore(self.data and self.data / "odoo.sqlite")
        self.keys = {login: self._key(login) for login in LOGINS}
        self.hubspot = HubSpotStore(self.data / "hubspot.sqlite" if self.data else ":memory:")
        self.hubspot_token = self._secret("hubspot", _given_or_new)
        # The app's private key, as a firm would make it in DocuSign.
        self.docusign_key = self._secret("docusign", lambda pem: pem or new_key())
        self.docusign = DocuSignStore(
            self.data / "docusign.sqlite" if self.data else ":memory:",
            public_key=public_of(self.docusign_key),
        )
        self.connect_key = self._secret("docusign-connect", _given_or_new)
        self.salesforce = SalesforceOrg(
            self.data / "salesforce.sqlite" if self.data else ":memory:"
        )
        self.salesforce_secret = self._secret("salesforce", _given_or_new)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int = 0) -> str:
        """Serve in a thread, on a free port unless told otherwise; returns the address."""
        listener = _listen(port)
        self.url = f"http://{HOST}:{listener.getsockname()[1]}"
        self._server = uvicorn.Server(self._config())
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, daemon=True, name="sandbox"
        )
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise SandboxError("the sandbox did not start; see the log above")
            time.sleep(0.01)
        return self.url

    @property
    def is_serving(self) -> bool:
        """Whether the thread that serves is alive."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Stop serving and close the data."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
            self._server = self._thread = None
        self._close()

    def run(self, port: int, announce: Callable[[], None]) -> None:
        """Serve in the foreground until interrupted; `announce` is called once the port is ours."""
        listener = _listen(port)
        self.url = f"http://{HOST}:{listener.getsockname()[1]}"
        announce()
        try:
            with suppress(KeyboardInterrupt):
                uvicorn.Server(self._config()).run(sockets=[listener])
        finally:
            self._close()

    def _close(self) -> None:
        self.odoo.close()
        self.hubspot.close()
        self.docusign.close()
        self.salesforce.close()

    def end_envelope(self, envelope_id: str, how: str, reason: str = "") -> None:
        """Let an envelope end as `completed`, `declined` or `voided`, and post that to the gateway.
        Raises DocuSignError, ValueError, NotTaken."""
        self.docusign.end(envelope_id, how, reason)
        if how and self.connect_to:
            message = self.docusign.message(envelope_id)
            Connect(self.connect_to, self.connect_key).post(message)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def app(self) -> ASGIApp:
        """Everything the sandbox serves, behind the faults."""
        routes: list[BaseRoute] = [
            Route("/sandbox/faults", loopback_only(self._show_faults), methods=["GET"]),
            Route("/sandbox/faults", loopback_only(self._set_faults), methods=["POST"]),
            Route("/sandbox/deals", loopback_only(self._add_deal), methods=["POST"]),
            Route("/sandbox/opportunities", loopback_only(self._add_opportunity), methods=["POST"]),
            Route("/sandbox/envelopes", loopback_only(self._add_envelope), methods=["POST"]),
        ]
        hubspot = hubspot_app(self.hubspot, token=self.hubspot_token)
        routes += [
            Mount("/hubspot", app=hubspot),
            Mount("/docusign", app=docusign_app(self.docusign)),
            Mount("/salesforce", app=salesforce_app(self.salesforce, self._salesforce_client())),
            Mount("/", app=odoo_app(self.odoo)),
        ]
        return FaultMiddleware(Starlette(routes=routes), self.faults)

    def _salesforce_client(self) -> ExternalClientApp:
        return ExternalClientApp(consumer_secret=self.salesforce_secret)

    async def _show_faults(self, request: Request) -> Response:
        """GET: the fault rules in force, with their counts."""
        return JSONResponse(self.faults.report())

    async def _set_faults(self, request: Request) -> Response:
        """POST {rules, seed?}: replace the fault rules."""
        try:
            document = await request.json()
            self.faults.configure(document["rules"], document.get("seed"))
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse({"ok": True})

    async def _add_opportunity(self, request: Request) -> Response:
        """POST what `SalesforceOrg.add_deal` takes: an opportunity with all that hangs on it."""
        try:
            deal_id = self.salesforce.add_deal(**await request.json())
        except (AttributeError, TypeError, ValueError, SalesforceError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse({"id": deal_id})

    async def _add_deal(self, request: Request) -> Response:
        """POST what `HubSpotStore.add_deal` takes: a deal with all that hangs on it."""
        try:
            deal_id = self.hubspot.add_deal(**await request.json())
        except (TypeError, ValueError, HubSpotError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse({"id": deal_id})

    async def _add_envelope(self, request: Request) -> Response:
        """POST {deal, ends?, reason?}: send an envelope for a deal, and let it end as `completed`,
        `declined` or `voided`. Answers its id, and what Connect says of it, which it has posted
        where it has an address to post to."""
        try:
            asked = await request.json()
            envelope_id = self.docusign.send(asked["deal"])
            how, reason = asked.get("ends", ""), asked.get("reason", "")
            await run_in_threadpool(self.end_envelope, envelope_id, how, reason)
        except (KeyError, TypeError, ValueError, DocuSignError, NotTaken) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        message = self.docusign.message(envelope_id).decode()
        return JSONResponse({"id": envelope_id, "message": message})

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self.app(),
            http=ClosableProtocol,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )

    def _key(self, login: str) -> str:
        """The login's API key, the same at every start on the same data."""
        return self._secret(login, lambda key: self.odoo.issue_key(login, key=key))

    def _secret(self, name: str, issue: Callable[[str], str]) -> str:
        """A secret from its private file, or issued and written there."""
        if self.data is None:
            return issue("")
        path = self.key_file(name)
        if path.exists():
            return issue(path.read_text("utf-8").strip())
        path.parent.mkdir(exist_ok=True, mode=0o700)
        secret = issue("")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w") as file:
            file.write(secret)
        return secret

    def key_file(self, name: str) -> Path:
        if self.data is None:
            raise SandboxError("a sandbox in memory has no key files; see `keys`")
        return self.data / "keys" / name


def _given_or_new(secret: str) -> str:
    return secret or secrets.token_hex(20)


def _listen(port: int) -> socket.socket:
    # asyncio sends at once (no delay for small packets) only where it reads "TCP" here.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SandboxError(f"port {port} is in use; choose another with --port") from error
    return listener


class ClosableProtocol(H11Protocol):
    """HTTP/1.1 whose application may close the connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def closable(scope: Any, receive: Any, send: Any) -> None:
            scope[CLOSE] = transport.close
            await app(scope, receive, send)

        self.app = closable
