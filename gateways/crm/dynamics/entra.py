"""The token of an application in Entra, by client credentials."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from gateways import errors
from gateways.secrets import Secret
from gateways.tokens import Shared, granted


class EntraToken:
    """An access token that all threads share; fetched when it is first needed.

    The client secret is revealed anew for each fetch, so that a rotated one takes effect.
    """

    def __init__(
        self,
        http: httpx.Client,
        tenant: str,
        client_id: str,
        secret: Secret,
        *,
        scope: str,
        system: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._path = f"/{tenant}/oauth2/v2.0/token"
        self._client_id = client_id
        self._secret = secret
        self._scope = scope
        self._system = system
        self._shared = Shared(self._fetched, clock=clock)

    def close(self) -> None:
        self._http.close()

    def bearer(self, *, refused: str = "") -> str:
        """The value of an `Authorization` header.

        `refused` is one that was not accepted: it is replaced, unless another thread did so
        already. Raises GatewayError: `credentials_refused` where Entra refuses the application.
        """
        return self._shared.get(refused)

    def _fetched(self) -> tuple[str, int]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret.reveal(),
            "scope": self._scope,
        }
        token, seconds = granted(self._http, self._path, form, system=self._system, name="Entra")
        if seconds is None:
            text = "Entra answered without the seconds that its token lasts."
            raise errors.defect(self._system, "unexpected_answer", text)
        return f"Bearer {token}", seconds
