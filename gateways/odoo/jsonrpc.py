"""JSON-RPC, for Odoo before 19: odoo-client-lib's connection and connector on one pool.

Odoo 19 still serves it and Odoo 20 will not. Errors come with HTTP 200, and arguments go in by
position for the records and by name for the rest.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from odoolib.rpc import Connection, JsonRPCConnector

from gateways.odoo import errors
from gateways.odoo._post import Poster
from gateways.secrets import Secret


class RpcTransport(Connection):  # type: ignore[misc]  # the library has no types
    """Carries all calls over one pool, and reads the key anew for each."""

    user_id: int | None

    def __init__(
        self, base_url: str, database: str, login: str, secret: Secret, poster: Poster
    ) -> None:
        super().__init__(_Connector(base_url, poster), database, login, password=None)
        self._secret = secret
        self._poster = poster
        self._login_lock = threading.Lock()

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
        key, user = self._secret.reveal(), self._user()
        call = (self.database, user, key, model, method, positional, named)
        return self.connector.send("object", "execute_kw", *call)

    def close(self) -> None:
        self._poster.close()

    def _user(self) -> Any:
        """The user's number, asked for once. Raises GatewayError, also for a refused key."""
        with self._login_lock:
            if not self.user_id:
                key = self._secret.reveal()
                self.user_id = self.connector.send(
                    "common", "login", self.database, self.login, key
                )
            if not self.user_id:
                raise errors.key_refused()
            return self.user_id


class _Connector(JsonRPCConnector):  # type: ignore[misc]  # the library has no types
    """The library's own logs every argument at DEBUG, and the key is one of them."""

    def __init__(self, base_url: str, poster: Poster) -> None:
        self.url = f"{base_url}/jsonrpc"
        self._poster = poster
        self._numbers = itertools.count(1)

    def send(self, service_name: str, method: str, *args: Any) -> Any:
        parameters = {"service": service_name, "method": method, "args": args}
        number = next(self._numbers)
        answer = self._poster.post(
            self.url, {"jsonrpc": "2.0", "method": "call", "params": parameters, "id": number}
        )
        if not isinstance(answer, dict):
            raise errors.unexpected("The answer is no JSON-RPC.")
        if answer.get("error"):
            raise errors.from_rpc_error(answer["error"])
        return answer.get("result")
