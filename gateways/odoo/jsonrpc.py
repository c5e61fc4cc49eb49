"""JSON-RPC, for Odoo before 19: odoo-client-lib's connection, connector and model on one pool.

Odoo 19 still serves it and Odoo 20 will not. Errors come with HTTP 200, and arguments go in by
position for the records and by name for the rest.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from odoolib.rpc import Connection, JsonRPCConnector, Model, Service

from gateways.odoo import errors
from gateways.odoo._post import Poster
from gateways.secrets import Secret


class PooledRpcConnection(Connection):  # type: ignore[misc]  # the library has no types
    """A connection that serves all calls from one pool and reads the key anew for each."""

    user_id: int | None

    def __init__(
        self, base_url: str, database: str, login: str, secret: Secret, poster: Poster
    ) -> None:
        super().__init__(_Connector(base_url, poster), database, login, password=None)
        self._secret = secret
        self._poster = poster
        self._login_lock = threading.Lock()

    def get_model(self, model_name: str) -> PooledRpcModel:
        return PooledRpcModel(self, model_name)

    def check_login(self, force: bool = True) -> None:
        """Ask for the user's number, once. Raises GatewayError, also for a refused key."""
        with self._login_lock:
            if self.user_id and not force:
                return
            answer = self.get_service("common").login(
                self.database, self.login, self._secret.reveal()
            )
            if not answer:
                raise errors.key_refused()
            self.user_id = answer

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        """Call a method on records, or on the model where there are no ids."""
        named = dict(arguments)
        positional: list[Any] = [list(ids)] if ids else []
        if method == "web_save" and not ids:
            positional = [[]]  # a method of records, also where the record is still to come
        if method == "create":
            # Odoo looks at the first argument to tell one record from many.
            positional.append(named.pop("vals_list"))
        return self.get_model(model).invoke(method, positional, named)

    def execute_kw(
        self, model: str, method: str, positional: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        self.check_login(force=False)
        key = self._secret.reveal()
        service = self.get_service("object")
        return service.execute_kw(
            self.database, self.user_id, key, model, method, list(positional), dict(named)
        )

    def close(self) -> None:
        self._poster.close()


class PooledRpcModel(Model):  # type: ignore[misc]  # the library has no types
    """A model whose methods take the ids by position and the rest by name."""

    connection: PooledRpcConnection
    model_name: str

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):  # never callable remotely, but asked for by copy and debuggers
            raise AttributeError(method)

        def proxy(*positional: Any, **named: Any) -> Any:
            return self.invoke(method, positional, named)

        return proxy

    def invoke(self, method: str, positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return self.connection.execute_kw(self.model_name, method, positional, named)

    def search_read(self, *positional: Any, **named: Any) -> Any:
        """One call; the library's own makes two."""
        return self.invoke("search_read", positional, named)


class _Connector(JsonRPCConnector):  # type: ignore[misc]  # the library has no types
    def __init__(self, base_url: str, poster: Poster) -> None:
        self.url = f"{base_url}/jsonrpc"
        self._poster = poster
        self._numbers = itertools.count(1)

    def get_service(self, service_name: str) -> _Service:
        return _Service(self, service_name)

    def send(self, service_name: str, method: str, *args: Any) -> Any:
        parameters = {"service": service_name, "method": method, "args": args}
        answer = self._poster.post(
            self.url,
            {
                "jsonrpc": "2.0",
                "method": "call",
                "params": parameters,
                "id": next(self._numbers),
            },
        )
        if not isinstance(answer, dict):
            raise errors.unexpected("The answer is no JSON-RPC.")
        if answer.get("error"):
            raise errors.from_rpc_error(answer["error"])
        return answer.get("result")


class _Service(Service):  # type: ignore[misc]  # the library has no types
    """The library's own logs every argument at DEBUG, and the key is one of them."""

    connector: _Connector
    service_name: str

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)

        def proxy(*args: Any) -> Any:
            return self.connector.send(self.service_name, method, *args)

        return proxy
