"""JSON-2, for Odoo 19 and later: odoo-client-lib's addressing on one pool.

The library opens a connection a call, waits a fixed time, holds the key for good and tells
errors as text; here these four are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odoolib.json2 import Json2Connection, Json2Connector, JsonModel

from gateways.odoo._post import Poster
from gateways.secrets import Secret


class Json2Transport(Json2Connection):  # type: ignore[misc]  # the library has no types
    """Carries all calls over one pool, and reads the key anew for each."""

    def __init__(self, base_url: str, database: str, secret: Secret, poster: Poster) -> None:
        super().__init__(_Connector(base_url), database, api_key="")
        # The library would keep the key in here.
        del self.bearer_header["Authorization"]
        self._secret = secret
        self._poster = poster

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        """Call a method on records, or on the model where there are no ids."""
        url = JsonModel(self, model)._url(method)
        body = {**arguments, "ids": list(ids)} if ids else dict(arguments)
        headers = {**self.bearer_header, "Authorization": self._secret.bearer()}
        return self._poster.post(url, body, headers)

    def close(self) -> None:
        self._poster.close()


class _Connector(Json2Connector):  # type: ignore[misc]  # the library has no types
    """The address as it was given; the library would build it from host and port."""

    def __init__(self, base_url: str) -> None:
        self.url = f"{base_url}/json/2/"
        self.callback_fire = False
