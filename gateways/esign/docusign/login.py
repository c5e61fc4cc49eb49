"""Signing in to DocuSign for one user: a token for an hour, and where the user's account is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from gateways import errors
from gateways.errors import GatewayError
from gateways.http import is_loopback, json_object, refuse_plain_http, unanswered
from gateways.secrets import Secret

SCOPES = "signature impersonation"
_ASSERTION_SECONDS = 600
_RENEWED_BEFORE_SECONDS = 300
_SHOWN_CHARACTERS = 500


class Session(NamedTuple):
    """A token, the address of the account's API, and until when it counts (monotonic seconds)."""

    token: str
    base: str
    until: float


class Login:
    """One session, which all threads share. Thread-safe: it is opened by one while others wait."""

    def __init__(
        self,
        http: httpx.Client,
        integration_key: str,
        user_id: str,
        private_key: Secret,
        *,
        account_id: str,
        system: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._integration_key = integration_key
        self._user_id = user_id
        self._private_key = private_key
        self._account_id = account_id
        self._system = system
        self._clock = clock
        self._lock = threading.Lock()
        self._session: Session | None = None

    def session(self, refused: str = "") -> Session:
        """The session, opened where there is none, it ends soon, or its token is the `refused`.

        Raises GatewayError: of kind credentials where DocuSign does not let the app in.
        """
        with self._lock:
            found = self._session
            if found is None or found.token == refused or found.until <= self._clock():
                self._session = None  # a failure leaves none: the next call tries again
                self._session = found = self._opened()
            return found

    def _opened(self) -> Session:
        asked_at = self._clock()
        granted = self._answer("POST", "/oauth/token", data=self._form())
        token, seconds = granted.get("access_token"), granted.get("expires_in")
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            raise self._unexpected("DocuSign's answer to signing in has no token.")
        lives = seconds if isinstance(seconds, int) else _RENEWED_BEFORE_SECONDS
        headers = {"Authorization": f"Bearer {token}"}
        base = self._base(self._answer("GET", "/oauth/userinfo", headers=headers))
        return Session(token, base, asked_at + max(lives - _RENEWED_BEFORE_SECONDS, 0))

    def _form(self) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": self._integration_key,
            "sub": self._user_id,
            "aud": self._http.base_url.netloc.decode(),  # without the scheme
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
            "scope": SCOPES,
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

    def _base(self, user: dict[str, Any]) -> str:
        """The address of the API for the configured account, or the user's default one."""
        accounts = [item for item in user.get("accounts") or [] if isinstance(item, dict)]
        wanted = [item for item in accounts if self._is_meant(item)]
        if not wanted:
            known = ", ".join(str(item.get("account_id")) for item in accounts) or "none"
            text = f"the user has no account {self._account_id or 'by default'}; accounts: {known}"
            raise errors.credentials(self._system, "credentials_refused", text)
        account, address = wanted[0].get("account_id"), str(wanted[0].get("base_uri") or "")
        try:
            refuse_plain_http(address)
        except ValueError as error:
            raise self._unexpected(str(error)) from None
        if is_loopback(httpx.URL(address).host) and not is_loopback(self._http.base_url.host):
            # Of all that runs on this machine nothing is DocuSign.
            raise self._unexpected(f"DocuSign says that the account is at {address}.")
        return f"{address.rstrip('/')}/restapi/v2.1/accounts/{quote(str(account), safe='')}"

    def _is_meant(self, account: dict[str, Any]) -> bool:
        if self._account_id:
            return account.get("account_id") == self._account_id
        return account.get("is_default") in (True, "true")

    def _answer(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "DocuSign") from None
        body = json_object(response) or {}
        if not response.is_success:
            raise self._not_let_in(response, body)
        return body

    def _not_let_in(self, response: httpx.Response, body: dict[str, Any]) -> GatewayError:
        """`consent_required` and its like are for a person."""
        code = str(body.get("error") or "")
        stated = str(body.get("error_description") or response.reason_phrase)[:_SHOWN_CHARACTERS]
        text = f"{code}: {stated} (HTTP {response.status_code}, signing in)".removeprefix(": ")
        if response.status_code >= 500 or response.status_code == 429:
            return errors.transient(self._system, "unavailable", text)
        if code == "consent_required":
            address = self._http.base_url.join("/oauth/auth").copy_merge_params(
                {"response_type": "code", "scope": SCOPES, "client_id": self._integration_key}
            )
            text = (
                f"Nobody has agreed that the app acts for user {self._user_id}. As that user open "
                f"{address}&redirect_uri=<one that the app has>"
            )
            return errors.credentials(self._system, "consent_required", text)
        if not code:
            # A page of a proxy, or an address that is not DocuSign's.
            return self._unexpected(text)
        return errors.credentials(self._system, "credentials_refused", text)

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", text)
