"""Access tokens: fetched once for all threads, renewed before they end, signed for by a key."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from gateways import errors
from gateways.errors import GatewayError
from gateways.http import json_object, retry_after, unanswered
from gateways.secrets import Secret

RENEWED_BEFORE_SECONDS = 300
"""A token is replaced that long before it ends, or halfway where it lasts less than twice that."""

_SHOWN_CHARACTERS = 500

T = TypeVar("T")


class Shared(Generic[T]):
    """What one thread fetches while the others wait for it. `fetch` gives it with the seconds it
    lasts, none where it lasts until it is refused. Its failure leaves nothing behind, so that the
    next call tries again."""

    def __init__(
        self,
        fetch: Callable[[], tuple[T, int | None]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: T | None = None
        self._renew_at: float | None = None

    def get(self, refused: T | None = None) -> T:
        """The one there is; a new one where there is none, it ends soon, or it is the `refused`."""
        with self._lock:
            kept = self._kept
            if kept is None or kept == refused or self._ends_soon():
                self._kept, asked_at = None, self._clock()
                kept, seconds = self._fetch()
                self._renew_at = None if seconds is None else asked_at + _renewed_after(seconds)
                self._kept = kept
            return kept

    def _ends_soon(self) -> bool:
        return self._renew_at is not None and self._clock() >= self._renew_at


def _renewed_after(seconds: int) -> float:
    return max(seconds - RENEWED_BEFORE_SECONDS, seconds / 2)


def assertion_form(
    claims: Mapping[str, Any], private_key: Secret, *, system: str
) -> dict[str, str]:
    """The form by which an application signs what it claims (RFC 7523, RS256). The key is read
    anew each time, so that a rotated one takes effect. Raises GatewayError of kind credentials."""
    pem = private_key.reveal()
    try:
        assertion = jwt.encode({"alg": "RS256"}, dict(claims), _key(pem))
    except (JoseError, ValueError, TypeError) as error:
        # The cause is dropped: it may quote the key.
        text = f"The private key is no RSA key in PEM ({type(error).__name__})."
        raise errors.credentials(system, "secret_unreadable", text) from None
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}


@functools.lru_cache(maxsize=16)
def _key(pem: str) -> RSAKey:
    """The key of a text, which is verified once: that takes a tenth of a second."""
    return RSAKey.import_key(pem)


def granted(
    http: httpx.Client,
    path: str,
    form: Mapping[str, str],
    *,
    system: str,
    name: str,
    headers: Mapping[str, str] | None = None,
    refusal: Callable[[str, str], GatewayError | None] = lambda code, text: None,
) -> tuple[str, int | None]:
    """Ask a token endpoint (RFC 6749): the access token, and the seconds it lasts, where that is
    told. `name` is what people call the remote.

    Raises GatewayError: of kind credentials, where the remote does not let the application in;
    `refusal` may know better by the error's code and text.
    """
    try:
        response = http.post(path, data=dict(form), headers=dict(headers or {}))
    except httpx.HTTPError as error:
        raise unanswered(error, system, name) from None
    body = json_object(response) or {}
    if not response.is_success:
        raise _not_let_in(response, body, system, name, refusal)
    token, lasts = body.get("access_token"), str(body.get("expires_in", ""))
    if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
        # What it holds is not told: it may be a token after all.
        text = f"{name}'s answer to signing in has no token."
        raise errors.defect(system, "unexpected_answer", text)
    return token, int(lasts) if lasts.isascii() and lasts.isdigit() else None


def _not_let_in(
    response: httpx.Response,
    body: Mapping[str, Any],
    system: str,
    name: str,
    refusal: Callable[[str, str], GatewayError | None],
) -> GatewayError:
    """`invalid_grant` and its like are for a person: the application, its user or key is wrong."""
    status, code = response.status_code, str(body.get("error") or "")
    stated = str(body.get("error_description") or response.reason_phrase) or "no reason given"
    first = stated.splitlines()[0][:_SHOWN_CHARACTERS]
    text = f"{code}: {first} (HTTP {status}, signing in to {name})".removeprefix(": ")
    wait = retry_after(response)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return errors.transient(system, "rate_limited", text, wait)
    if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
        return errors.transient(system, "unavailable", text, wait)
    if not code and status not in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        # A page of a proxy, or an address that is not the remote's.
        return errors.defect(system, "unexpected_answer", text)
    return refusal(code, text) or errors.credentials(system, "credentials_refused", text)
