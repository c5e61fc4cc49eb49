"""The token of an application in Entra, by client credentials; one form POST, and no library."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx

from gateways import errors
from gateways.errors import GatewayError
from gateways.http import json_object, retry_after, unanswered
from gateways.secrets import Secret

RENEWED_BEFORE_SECONDS = 300
"""A token is replaced that long before it ends, or halfway where it lasts less than twice that."""

_SHOWN_CHARACTERS = 500


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
        self._clock = clock
        self._lock = threading.Lock()
        self._bearer = ""
        self._renew_at = 0.0

    def close(self) -> None:
        self._http.close()

    def bearer(self, *, refused: str = "") -> str:
        """The value of an `Authorization` header.

        `refused` is one that was not accepted: it is replaced, unless another thread did so
        already. Raises GatewayError: `credentials_refused` where Entra refuses the application.
        """
        with self._lock:  # who comes meanwhile waits for the one fetch
            if not self._bearer or self._bearer == refused or self._clock() >= self._renew_at:
                self._bearer = ""
                self._bearer, self._renew_at = self._fetch()
            return self._bearer

    def _fetch(self) -> tuple[str, float]:
        asked_at = self._clock()
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret.reveal(),
            "scope": self._scope,
        }
        try:
            response = self._http.post(self._path, data=form)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "Entra") from None
        answer = json_object(response)
        if not response.is_success:
            raise self._error(response, answer or {})
        token, lasts = (answer or {}).get("access_token"), (answer or {}).get("expires_in")
        is_known = isinstance(token, str) and token.isascii() and token.isprintable() and token
        if not is_known or not isinstance(lasts, int | str) or not str(lasts).isdigit():
            # What it holds is not told: it may be a token after all.
            text = "Entra answered without an access token and the seconds it lasts."
            raise errors.defect(self._system, "unexpected_answer", text)
        seconds = int(lasts)
        return f"Bearer {token}", asked_at + max(seconds - RENEWED_BEFORE_SECONDS, seconds / 2)

    def _error(self, response: httpx.Response, answer: dict[str, object]) -> GatewayError:
        """Entra's refusal: the application, its secret or its consent, unless Entra is busy."""
        status = response.status_code
        said = str(answer.get("error_description") or answer.get("error") or "no reason given")
        message = f"Entra: {said.splitlines()[0][:_SHOWN_CHARACTERS]} (HTTP {status})"
        if status == 429:
            return errors.transient(self._system, "rate_limited", message, retry_after(response))
        if status >= 500 or status == 408:
            return errors.transient(self._system, "unavailable", message, retry_after(response))
        if status in (400, 401, 403):
            return errors.credentials(self._system, "credentials_refused", message)
        return errors.defect(self._system, "unexpected_answer", message)
