"""The sandbox as one server: the Odoo stand-in at `/`, the HubSpot stand-in at `/hubspot`."""

from __future__ import annotations

import importlib
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from sandbox.faults import DroppedConnection, FaultMiddleware, Faults
from sandbox.odoo import OdooStore, loopback_only, odoo_app

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
    """

    data: Path | None = None
    faults: Faults = field(default_factory=Faults)
    url: str = field(init=False, default="")
    keys: dict[str, str] = field(init=False, default_factory=dict)
    odoo: OdooStore = field(init=False)

    def __post_init__(self) -> None:
        if self.data is not None:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.odoo = OdooStore(self.data and self.data / "odoo.sqlite")
        self.keys = {login: self._key(login) for login in LOGINS}
        self._hubspot = _hubspot(self.data)
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

    def stop(self) -> None:
        """Stop serving and close the data."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)
            self._server = self._thread = None
        self.odoo.close()

    def run(self, port: int) -> None:
        """Serve in the foreground until interrupted."""
        listener = _listen(port)
        self.url = f"http://{HOST}:{listener.getsockname()[1]}"
        try:
            uvicorn.Server(self._config()).run(sockets=[listener])
        finally:
            self.odoo.close()

    def __enter__(self) -> Sandbox:
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
        ]
        if self._hubspot is not None:
            routes.append(Mount("/hubspot", app=self._hubspot))
        routes.append(Mount("/", app=odoo_app(self.odoo)))
        return FaultMiddleware(Starlette(routes=routes), self.faults)

    @property
    def serves_hubspot(self) -> bool:
        return self._hubspot is not None

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

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            _quiet(self.app()), log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )

    def _key(self, login: str) -> str:
        """The login's API key: read from its private file, or made and written there."""
        if self.data is None:
            return self.odoo.issue_key(login)
        path = self.key_file(login)
        if path.exists():
            return self.odoo.issue_key(login, key=path.read_text("utf-8").strip())
        path.parent.mkdir(exist_ok=True, mode=0o700)
        key = self.odoo.issue_key(login)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w") as file:
            file.write(key)
        return key

    def key_file(self, login: str) -> Path:
        if self.data is None:
            raise SandboxError("a sandbox in memory has no key files; see `keys`")
        return self.data / "keys" / login


def _hubspot(data: Path | None) -> Starlette | None:
    """The HubSpot stand-in, if this installation has it."""
    try:
        module = importlib.import_module("sandbox.hubspot")
    except ModuleNotFoundError as error:
        if error.name != "sandbox.hubspot":
            raise
        return None
    app = module.hubspot_app(module.HubSpotStore(data and data / "hubspot.sqlite"))
    assert isinstance(app, Starlette)
    return app


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SandboxError(f"port {port} is in use; choose another with --port") from error
    return listener


def _quiet(app: ASGIApp) -> ASGIApp:
    """Let uvicorn close a connection that a fault drops, without a traceback in its log."""

    async def quiet(scope: object, receive: object, send: object) -> None:
        try:
            await app(scope, receive, send)  # type: ignore[arg-type]
        except DroppedConnection:
            scope_transport = None
            del scope_transport

    return quiet
