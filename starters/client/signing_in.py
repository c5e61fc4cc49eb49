"""`c2c login`: tokens of the provider that an application knows people by, and their renewal.

A public client (RFC 8252): the browser comes back to a port of this machine, or a code is typed in
elsewhere (RFC 8628). Nothing here is verified but what protects the way: the application verifies
the token with every call.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from gateways.http import json_object, pooled_client
from starters.client.errors import SignedOut, Unreachable

LOGIN_WITHIN_SECONDS = 300
POLL_SECONDS = 5
_MAX_DEVICE_SECONDS = 1_800
_MAX_ANSWER_BYTES = 1_000_000
_READ_SECONDS = 15.0
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_PAGE = (
    b"<!doctype html><title>c2c</title><meta name=viewport content='width=device-width'>"
    b"<p>You may close this page and go back to the command line.</p>"
)


@dataclass(frozen=True)
class Tokens:
    """What a login is worth. `token` is sent to the application until `ends_at` (seconds of the
    epoch); then `refresh_token`, which is good for one use, gets another one."""

    token: str
    ends_at: float
    refresh_token: str = ""


@dataclass(frozen=True)
class PublicClient:
    """The client of `c2c login` at the provider, as the application names it. With an `audience`
    the application is sent access tokens, else ID tokens."""

    issuer: str
    client_id: str
    scopes: tuple[str, ...]
    audience: str = ""

    @classmethod
    def of(cls, address: str) -> PublicClient:
        """As an application says. Raises Unreachable, SignedOut."""
        found = _asked(address, "/login/command-line")
        return cls(
            issuer=str(found.get("issuer", "")),
            client_id=str(found.get("client_id", "")),
            scopes=tuple(map(str, found.get("scopes", ()))),
            audience=str(found.get("audience", "")),
        )

    # --- signing in -----------------------------------------------------------------------------

    def by_browser(self, show: Callable[[str], None]) -> Tokens:
        """Sign in with a browser of this machine; `show` is given the address to open. Raises
        SignedOut, Unreachable."""
        found = self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with _Listener(("127.0.0.1", 0), _Return) as listener:
            redirect = f"http://127.0.0.1:{listener.server_port}/"
            digest = hashlib.sha256(verifier.encode()).digest()
            asked = {
                "client_id": self.client_id,
                "response_type": "code",
                "redirect_uri": redirect,
                "scope": " ".join(self.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
                "code_challenge_method": "S256",
                # Without it a provider need not let the login outlive the browser's.
                **({"prompt": "consent"} if "offline_access" in self.scopes else {}),
                **self._resource,
            }
            show(f"{found['authorization_endpoint']}?{urlencode(asked)}")
            given = listener.wait(state)
        if given.get("iss", self.issuer) != self.issuer:
            raise SignedOut("another provider answered")
        if "code" not in given:
            raise SignedOut(f"the provider did not let you in: {given.get('error', '')[:80]}")
        code = given["code"]
        answer = self._granted(
            found,
            grant_type="authorization_code",
            code=code,
            redirect_uri=redirect,
            code_verifier=verifier,
            **self._resource,
        )
        said = _claims(str(answer.get("id_token", "")))
        if not hmac.compare_digest(str(said.get("nonce", "")), nonce):
            raise SignedOut("the provider answered something else than was asked")
        return self._tokens(answer)

    def by_device(
        self, show: Callable[[str, str], None], sleep: Callable[[float], None] = time.sleep
    ) -> Tokens:
        """Sign in with a browser anywhere; `show` is given the address and the code to type in.
        Raises SignedOut, Unreachable."""
        found = self._metadata()
        address = found.get("device_authorization_endpoint")
        if not isinstance(address, str):
            raise SignedOut("the provider has no login by a code: leave out --device")
        form = {"client_id": self.client_id, "scope": " ".join(self.scopes), **self._resource}
        begun = self._posted(address, form)
        show(
            str(begun.get("verification_uri_complete") or begun.get("verification_uri", "")),
            str(begun.get("user_code", "")),
        )
        wait = _seconds(begun.get("interval"), POLL_SECONDS, at_most=60)
        ends = time.monotonic() + _seconds(
            begun.get("expires_in"), LOGIN_WITHIN_SECONDS, at_most=_MAX_DEVICE_SECONDS
        )
        while time.monotonic() < ends:
            sleep(wait)
            answer = self._posted(
                str(found["token_endpoint"]),
                {
                    "grant_type": _DEVICE,
                    "client_id": self.client_id,
                    "device_code": str(begun.get("device_code", "")),
                    **self._resource,
                },
            )
            match answer.get("error"):
                case None:
                    return self._tokens(answer)
                case "authorization_pending":
                    continue
                case "slow_down":
                    wait += POLL_SECONDS
                case error:
                    raise SignedOut(f"the provider did not let you in: {str(error)[:80]}")
        raise SignedOut("nobody typed in the code in time")

    def renewed(self, refresh_token: str) -> Tokens:
        """Another token for the one of a login. Raises SignedOut where the login has ended: with
        its time, by the provider, or because the same token was used twice."""
        answer = self._granted(
            self._metadata(),
            grant_type="refresh_token",
            refresh_token=refresh_token,
            **self._resource,
        )
        return self._tokens(answer, refresh_token)

    def revoke(self, refresh_token: str) -> None:
        """End a login at the provider, where it can do that. Raises Unreachable, SignedOut."""
        address = self._metadata().get("revocation_endpoint")
        if isinstance(address, str) and refresh_token:
            form = {"client_id": self.client_id, "token": refresh_token}
            self._posted(address, form)

    # --- the provider ---------------------------------------------------------------------------

    @property
    def _resource(self) -> dict[str, str]:
        return {"resource": self.audience} if self.audience else {}

    def _metadata(self) -> Mapping[str, Any]:
        found = _asked(self.issuer, "/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            raise Unreachable(f"what answers at {self.issuer} calls itself otherwise")
        return found

    def _granted(self, found: Mapping[str, Any], **form: str) -> Mapping[str, Any]:
        answer = self._posted(str(found["token_endpoint"]), {"client_id": self.client_id, **form})
        if "error" in answer:
            raise SignedOut(f"sign in again: the provider says {str(answer['error'])[:80]}")
        return answer

    def _posted(self, address: str, form: Mapping[str, str]) -> dict[str, Any]:
        try:
            with _client(address) as client:
                answer = client.post(address, data=dict(form))
        except (httpx.HTTPError, ValueError) as error:
            raise Unreachable(f"{self.issuer} does not answer ({type(error).__name__})") from None
        found = json_object(answer) or {}
        if answer.status_code >= 500 or (not answer.is_success and "error" not in found):
            raise Unreachable(f"{self.issuer} answers with HTTP {answer.status_code}")
        return found

    def _tokens(self, answer: Mapping[str, Any], refresh_token: str = "") -> Tokens:
        name = "access_token" if self.audience else "id_token"
        token = answer.get(name)
        if not isinstance(token, str) or not token:
            raise SignedOut(f"the provider gave no {name}")
        ends = _claims(token).get("exp")
        if isinstance(ends, bool) or not isinstance(ends, (int, float)):
            ends = time.time() + _seconds(answer.get("expires_in"), 60, at_most=86_400)
        another = answer.get("refresh_token")
        return Tokens(token, ends, another if isinstance(another, str) else refresh_token)


class _Listener(HTTPServer):
    """Waits for the browser to come back."""

    given: dict[str, str] | None = None

    def wait(self, state: str) -> dict[str, str]:
        """What it brings with this state; anything else that comes by is not looked at."""
        ends = time.monotonic() + LOGIN_WITHIN_SECONDS
        while time.monotonic() < ends:
            self.timeout = max(0.1, ends - time.monotonic())
            self.given = None
            self.handle_request()
            given: dict[str, str] = self.given or {}
            if hmac.compare_digest(given.get("state", "").encode(), state.encode()):
                return given
        raise SignedOut("nobody signed in in time")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks off is none."""


class _Return(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        assert isinstance(self.server, _Listener)  # noqa: S101 (nobody else makes one)
        self.server.given = {name: found[0] for name, found in query.items()}
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, format: str, *args: Any) -> None:
        """The address holds a code."""


def _client(address: str) -> httpx.Client:
    return pooled_client(
        address,
        read_timeout_seconds=_READ_SECONDS,
        max_connections=1,
        max_body_bytes=_MAX_ANSWER_BYTES,
    )


def _asked(base: str, path: str) -> dict[str, Any]:
    address = base.rstrip("/") + path
    try:
        with _client(address) as client:
            answer = client.get(address)
    except (httpx.HTTPError, ValueError) as error:
        raise Unreachable(f"{base} does not answer ({type(error).__name__})") from None
    found = json_object(answer) if answer.is_success else None
    if answer.status_code == 404:
        raise SignedOut(f"{base} has no login for the command line: identity.oidc.cli_client_id")
    if found is None:
        raise Unreachable(f"{base} answers with HTTP {answer.status_code}")
    return found


def _claims(token: str) -> Mapping[str, Any]:
    """What a token says, unverified; nothing where it is opaque."""
    try:
        part = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(given: Any, otherwise: int, *, at_most: int) -> int:
    is_number = isinstance(given, int) and not isinstance(given, bool)
    return min(given, at_most) if is_number and given > 0 else otherwise
