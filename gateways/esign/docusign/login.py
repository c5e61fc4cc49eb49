"""Signing in to DocuSign for one user: a token for an hour, and where the user's account is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from contracts.addresses import is_loopback
from gateways import errors
from gateways.errors import GatewayError
from gateways.http import (
    json_object,
    refuse_plain_http,
    retry_after,
    unanswered,
)
from gateways.secrets import Secret
from gateways.tokens import RENEWED_BEFORE_SECONDS, Shared, assertion_form, granted

SCOPES = "signature impersonation"
_ASSERTION_SECONDS = 600


class Session(NamedTuple):
    """A token, and the address of the account's API."""

    token: str
    base: str


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
        self._shared = Shared(self._opened, clock=clock)

    def session(self, refused: Session | None = None) -> Session:
        """The session, opened where there is none, it ends soon, or it is the `refused`.

        Raises GatewayError: of kind credentials where DocuSign does not let the app in.
        """
        return self._shared.get(refused)

    def _opened(self) -> tuple[Session, int]:
        token, seconds = granted(
            self._http,
            "/oauth/token",
            self._form(),
            system=self._system,
            name="DocuSign",
            refusal=self._no_consent,
        )
        base = self._base(self._user(token))
        return Session(token, base), RENEWED_BEFORE_SECONDS if seconds is None else seconds

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
        return assertion_form(claims, self._private_key, system=self._system)

    def _user(self, token: str) -> dict[str, Any]:
        """Who has signed in, with the accounts."""
        headers = {"Authorization": f"Bearer {token}"}
        try:
            response = self._http.get("/oauth/userinfo", headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, self._system, "DocuSign") from None
        user = json_object(response)
        if response.is_success and user is not None:
            return user
        text = f"DocuSign does not say who has signed in (HTTP {response.status_code})."
        wait = retry_after(response)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise errors.transient(self._system, "rate_limited", text, wait)
        if response.status_code >= 500:
            raise errors.transient(self._system, "unavailable", text, wait)
        raise self._unexpected(text)

    def _base(self, user: dict[str, Any]) -> str:
        """The address of the API for the configured account, or the user's default one."""
        listed = user.get("accounts")
        if not isinstance(listed, list):
            raise self._unexpected("DocuSign's answer about the user names no accounts.")
        accounts = [item for item in listed if isinstance(item, dict)]
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

    def _no_consent(self, code: str, text: str) -> GatewayError | None:
        """`consent_required` is for the user that the app acts for."""
        if code != "consent_required":
            return None
        address = self._http.base_url.join("/oauth/auth").copy_merge_params(
            {"response_type": "code", "scope": SCOPES, "client_id": self._integration_key}
        )
        text = (
            f"Nobody has agreed that the app acts for user {self._user_id}. As that user open "
            f"{address}&redirect_uri=<one that the app has>"
        )
        return errors.credentials(self._system, "consent_required", text)

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", text)
