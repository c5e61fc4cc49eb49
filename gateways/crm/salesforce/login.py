"""Signing in to Salesforce by an External Client App: one token, which all threads share."""

from __future__ import annotations

import base64
import time
from typing import Protocol

import httpx

from gateways import errors
from gateways.errors import GatewayError
from gateways.secrets import Secret
from gateways.tokens import Shared, assertion_form, granted

PATH = "/services/oauth2/token"
_ASSERTION_SECONDS = 120
"""Salesforce accepts three minutes by its own clock, which may be behind ours."""
_RETRY_YOUR_REQUEST = "unknown_error"


class Grant(Protocol):
    """A way to sign in. It reads its secret anew each time, so that a rotated one takes effect."""

    def form(self) -> dict[str, str]:
        """The fields that are posted. Raises GatewayError of kind credentials."""

    def headers(self) -> dict[str, str]:
        """The headers beside them. Raises GatewayError of kind credentials."""


class JwtBearer:
    """The app signs that it acts as a user (RFC 7523)."""

    def __init__(
        self, consumer_key: str, user: str, audience: str, private_key: Secret, *, system: str
    ) -> None:
        self._consumer_key = consumer_key
        self._user = user
        self._audience = audience
        self._private_key = private_key
        self._system = system

    def form(self) -> dict[str, str]:
        claims = {
            "iss": self._consumer_key,
            "sub": self._user,
            "aud": self._audience,
            "exp": int(time.time()) + _ASSERTION_SECONDS,
        }
        return assertion_form(claims, self._private_key, system=self._system)

    def headers(self) -> dict[str, str]:
        return {}


class ClientCredentials:
    """The app signs in as the one user that its policies name."""

    def __init__(self, consumer_key: str, consumer_secret: Secret) -> None:
        self._consumer_key = consumer_key
        self._consumer_secret = consumer_secret

    def form(self) -> dict[str, str]:
        return {"grant_type": "client_credentials"}

    def headers(self) -> dict[str, str]:
        pair = f"{self._consumer_key}:{self._consumer_secret.reveal()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


class Login:
    """The token of one org. Thread-safe: it is fetched by one thread while the others wait.

    Salesforce does not say how long a token lives (the org's session policy does), so it is kept
    until a call is refused for it.
    """

    def __init__(self, http: httpx.Client, grant: Grant, *, system: str) -> None:
        self._http = http
        self._grant = grant
        self._system = system
        self._shared = Shared(self._fetched)

    def token(self, refused: str = "") -> str:
        """The token, fetched where there is none or the last one is the `refused`.

        Raises GatewayError: of kind credentials where Salesforce does not let the app in.
        """
        return self._shared.get(refused)

    def _fetched(self) -> tuple[str, None]:
        token, _ = granted(
            self._http,
            PATH,
            self._grant.form(),
            headers=self._grant.headers(),
            system=self._system,
            name="Salesforce",
            refusal=self._may_pass,
        )
        return token, None

    def _may_pass(self, code: str, text: str) -> GatewayError | None:
        is_transient = code == _RETRY_YOUR_REQUEST
        return errors.transient(self._system, "unavailable", text) if is_transient else None
