"""Signing in to Salesforce by an External Client App: one token, which all threads share."""

from __future__ import annotations

import base64
import threading
import time
from typing import Protocol

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from gateways import errors
from gateways.errors import GatewayError
from gateways.http import json_object, retry_after, unanswered
from gateways.secrets import Secret

PATH = "/services/oauth2/token"
_ASSERTION_SECONDS = 120
"""Salesforce accepts three minutes by its own clock, which may be behind ours."""
_SHOWN_CHARACTERS = 500
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
        pem = self._private_key.reveal()
        try:
            assertion = jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(pem))
        except (JoseError, ValueError, TypeError) as error:
            # The cause is dropped: it may quote the key.
            text = f"The private key is no RSA key in PEM ({type(error).__name__})."
            raise errors.credentials(self._system, "secret_unreadable", text) from None
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": assertion,
        }

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
        self._lock = threading.Lock()
        self._token = ""

    def token(self, refused: str = "") -> str:
        """The token, fetched where there is none or the last one is the `refused`.

        Raises GatewayError: of kind credentials where Salesforce does not let the app in.
        """
        with self._lock:
            if not self._token or self._token == refused:
                self._token = ""  # a failure leaves none: the next call tries again
                self._token = self._fetched()
            return self._token

    def _fetched(self) -> str:
        form, headers = self._grant.form(), self._grant.headers()
        try:
            response = self._http.post(PATH, data=form, headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "Salesforce") from None
        body = json_object(response) or {}
        if not response.is_success:
            raise self._not_let_in(response, body)
        token = body.get("access_token")
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            text = "Salesforce's answer to signing in has no token."
            raise errors.defect(self._system, "unexpected_answer", text)
        return token

    def _not_let_in(self, response: httpx.Response, body: dict[str, object]) -> GatewayError:
        """`invalid_grant` and its like are for a person: the app, its user or its key is wrong."""
        code = str(body.get("error") or "")
        stated = str(body.get("error_description") or response.reason_phrase)[:_SHOWN_CHARACTERS]
        text = f"{code}: {stated} (HTTP {response.status_code}, signing in)".removeprefix(": ")
        if response.status_code >= 500 or code == _RETRY_YOUR_REQUEST:
            return errors.transient(self._system, "unavailable", text, retry_after(response))
        if response.status_code == 429:
            return errors.transient(self._system, "rate_limited", text, retry_after(response))
        if not code:
            # A page of a proxy, or an address that is not Salesforce's.
            return errors.defect(self._system, "unexpected_answer", text)
        return errors.credentials(self._system, "credentials_refused", text)
