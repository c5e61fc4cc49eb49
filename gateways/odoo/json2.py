"""JSON-2, for Odoo 19 and later: odoo-client-lib's connection and model on one pool.

The library opens a connection a call, waits a fixed time, holds the key for good and tells
errors as text; here these four are ours, the addressing is the library's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from odoolib.json2 import Json2Connection, Json2Connector, JsonModel

from gateways.errors import FailureKind, GatewayError
from gateways.odoo import errors
from gateways.odoo._post import Poster
from gateways.secrets import Secret


class PooledJson2Connection(Json2Connection):  # type: ignore[misc]  # the library has no types
    """A connection that serves all calls from one pool and reads the key anew for each."""

    user_context: Mapping[str, Any] | None

    def __init__(self, base_url: str, database: str, secret: Secret, poster: Poster) -> None:
        super().__init__(_Connector(base_url), database, api_key="")
        # The library would keep the key in here.
        del self.bearer_header["Authorization"]
        self._secret = secret
        self._poster = poster

    def get_model(self, model_name: str) -> PooledJsonModel:
        return PooledJsonModel(self, model_name)

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        """Call a method on records, or on the model where there are no ids."""
        body = {**arguments, "ids": list(ids)} if ids else dict(arguments)
        return self.get_model(model).invoke(method, body)

    def post(self, url: str, body: Mapping[str, Any]) -> Any:
        key = self._secret.reveal()
        if not (key.isascii() and key.isprintable()):
            # It could not be sent; the HTTP library would quote it in its error.
            raise errors.key_refused()
        return self._poster.post(
            url, body, {**self.bearer_header, "Authorization": f"Bearer {key}"}
        )

    def check_login(self, force: bool = True) -> bool:
        """Whether the key is good, by asking for the user's context.

        Unlike the library's this never answers False for another reason: GatewayError is raised.
        """
        try:
            if force or not self.user_context:
                self.user_context = self.get_model("res.users").invoke("context_get", {})
        except GatewayError as error:
            if error.kind is FailureKind.CREDENTIALS:
                return False
            raise
        return True

    def close(self) -> None:
        self._poster.close()


class PooledJsonModel(JsonModel):  # type: ignore[misc]  # the library has no types
    """A model whose methods take their arguments by name: `model.write(ids=[1], vals={...})`."""

    connection: PooledJson2Connection

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):  # never callable remotely, but asked for by copy and debuggers
            raise AttributeError(method)

        def proxy(**arguments: Any) -> Any:
            return self.invoke(method, arguments)

        return proxy

    def invoke(self, method: str, arguments: Mapping[str, Any]) -> Any:
        return self.connection.post(self._url(method), arguments)

    def read(self, **arguments: Any) -> Any:
        """Always a list; the library's own gives the bare record where there is only one."""
        return self.invoke("read", arguments)


class _Connector(Json2Connector):  # type: ignore[misc]  # the library has no types
    """The address as it was given; the library would build it from host and port."""

    def __init__(self, base_url: str) -> None:
        self.url = f"{base_url}/json/2/"
        self.callback_fire = False
