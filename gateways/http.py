"""One way to build an HTTP client, so that every gateway has timeouts, limits and TLS."""

from __future__ import annotations

import functools
import os
import queue
import re
import ssl
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx

from contracts.addresses import is_loopback
from gateways import deadline, errors
from gateways.errors import GatewayError

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 60.0
"""Above 45 s: Odoo itself retries a conflict for up to 30 s before it answers."""

POOL_TIMEOUT_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 15.0
"""Shorter than any usual proxy's, so that we, not they, close an idle connection: a call sent
into a connection that is just being closed ends as "perhaps done"."""

MAX_CONNECTIONS = 20
MAX_BODY_BYTES = 100_000_000
"""Of an answer, as it came over the network: more is no answer of a system that is well."""
MAX_RETRY_AFTER = timedelta(hours=1)
"""A remote that asks for more is asked again after this: a typo there must not stop us for days."""

_DISTRIBUTION = "contract-to-cash"
_SHOWN_CHARACTERS = 500


def pooled_client(
    base_url: str,
    *,
    headers: Mapping[str, str] | None = None,
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    max_connections: int = MAX_CONNECTIONS,
    max_body_bytes: int = MAX_BODY_BYTES,
    plain_hosts: Collection[str] = (),
    transport: httpx.BaseTransport | None = None,
) -> httpx.Client:
    """A thread-safe client that keeps its connections, for one remote; close it when done.

    It follows no redirect and keeps no cookie (a session of one key must not serve the next).
    Raises ValueError for plain HTTP beyond the loopback and `plain_hosts`, here and for every
    request sent.
    """
    url = httpx.URL(base_url)
    refuse_plain_http(url, plain_hosts)
    is_direct = is_loopback(url.host) or url.host in plain_hosts
    return httpx.Client(
        base_url=url,
        headers={"User-Agent": _user_agent(), **(headers or {})},
        timeout=httpx.Timeout(
            read_timeout_seconds, connect=connect_timeout_seconds, pool=POOL_TIMEOUT_SECONDS
        ),
        follow_redirects=False,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        trust_env=not is_direct,
        # Absolute addresses (a vendor's "next page") bypass base_url, hence the check a request.
        event_hooks={"request": [lambda request: refuse_plain_http(request.url, plain_hosts)]},
        transport=transport
        or _ExclusivePool(
            max_connections,
            max_body_bytes=max_body_bytes,
            proxy=None if is_direct else proxy_for(url),
        ),
    )


class _ExclusivePool(httpx.BaseTransport):
    """Kept-alive connections that are lent to one thread at a time.

    httpcore's own pool can close a connection that it has just given to another thread
    (encode/httpcore#1110): the call then waits for its whole timeout, or ends as "perhaps done"
    although nothing was wrong. Here each transport has one connection, and one user.
    """

    def __init__(self, size: int, *, max_body_bytes: int, proxy: str | None) -> None:
        self._max_body_bytes = max_body_bytes
        tls = _trust(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))
        limits = httpx.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_ALIVE_SECONDS
        )
        self._all = [
            httpx.HTTPTransport(verify=tls, limits=limits, proxy=proxy) for _ in range(size)
        ]
        # Last in, first out: under light load the same few connections stay warm.
        self._free: queue.LifoQueue[httpx.HTTPTransport] = queue.LifoQueue()
        for one in reversed(self._all):
            self._free.put(one)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            lent = self._free.get(timeout=request.extensions.get("timeout", {}).get("pool"))
        except queue.Empty:
            raise httpx.PoolTimeout("all connections are in use", request=request) from None
        try:
            if deadline.has_passed():
                raise TooLate("whoever asked waits no longer", request=request)
            return _read_whole(lent.handle_request(request), self._max_body_bytes)
        finally:
            self._free.put(lent)

    def close(self) -> None:
        for one in self._all:
            one.close()


@functools.lru_cache(maxsize=4)
def _trust(cert_file: str, cert_dir: str) -> ssl.SSLContext:
    """Whom we trust, where the environment names these: reading the certificates costs tens of
    milliseconds, once for all clients."""
    return httpx.create_ssl_context(trust_env=True)


class TooLate(httpx.TransportError):
    """The request was not sent: its time is over (`gateways.deadline`)."""


class BodyTooLarge(httpx.HTTPError):
    """The answer has more bytes than this client takes; its connection is closed."""


def _read_whole(response: httpx.Response, max_bytes: int) -> httpx.Response:
    """The answer with its body in memory, so that its connection is free for the next call."""
    try:
        body = bytearray()
        for piece in response.iter_raw():  # still compressed, as its headers say
            body += piece
            if len(body) > max_bytes:
                raise BodyTooLarge(f"an answer of more than {max_bytes} bytes")
    finally:
        response.close()
    return httpx.Response(
        response.status_code,
        headers=response.headers,
        stream=httpx.ByteStream(bytes(body)),
        extensions=response.extensions,
    )


def proxy_for(url: httpx.URL) -> str | None:
    """The environment's proxy for this address, unless NO_PROXY exempts it."""
    if is_loopback(url.host):  # It would carry plain loopback traffic off this machine.
        return None
    return None if proxy_bypass(url.host) else getproxies().get(url.scheme)


def refuse_plain_http(url: httpx.URL | str, plain_hosts: Collection[str] = ()) -> None:
    """Raise ValueError unless the address is https, or http to this machine or one of these."""
    address = httpx.URL(url)
    if not address.host:
        raise ValueError(f"{str(url)!r} is no address: write it with its scheme, as in https://….")
    is_plain = address.scheme == "http"
    if address.scheme == "https" or (is_plain and is_loopback(address.host)):
        return
    if is_plain and address.host in plain_hosts:
        return
    raise ValueError(
        f"{address.scheme}://{address.host} would carry keys and customers' data in clear text: "
        "use https (plain http is accepted to this machine only)."
    )


def unanswered(error: httpx.HTTPError, system: str, name: str) -> GatewayError:
    """What a call without an answer means, for every remote: whether it can have arrived there.

    `name` is what people call the remote. The text of the other errors is not told: it can quote
    a header, hence the key.
    """
    kind = type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        text = f"{name} cannot be reached: {str(error) or kind}"
        return errors.transient(system, "unreachable", text)
    if isinstance(error, httpx.PoolTimeout):
        text = f"All connections to {name} are in use; nothing was sent."
        return errors.transient(system, "client_busy", text)
    if isinstance(error, TooLate):
        text = f"It took too long until {name} could be asked; nothing more was sent."
        return errors.transient(system, "client_busy", text)
    if isinstance(error, httpx.TimeoutException | httpx.NetworkError | httpx.RemoteProtocolError):
        text = f"The call was sent but no answer came ({kind}); perhaps it is done."
        return errors.transient(system, "no_answer", text, maybe_done=True)
    return errors.defect(system, "unexpected_answer", f"The call to {name} failed ({kind}).")


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """The answer's JSON object; None where it is anything else, such as a proxy's page."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def expected_object(
    response: httpx.Response, unexpected: Callable[[str], GatewayError]
) -> dict[str, Any]:
    """The answer's JSON object. Raises what `unexpected` makes of a text where it is none."""
    answer = json_object(response)
    if answer is None:
        shown = response.text[:_SHOWN_CHARACTERS]
        raise unexpected(f"an answer that is no JSON object: {shown}")
    return answer


def retry_after(response: httpx.Response) -> timedelta | None:
    """How long the remote asks us to wait, between nothing and MAX_RETRY_AFTER.

    Reads both forms of Retry-After, seconds and a date; None without the header or when it is
    malformed. A date is held against the answer's own Date: the two clocks need not agree.
    """
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    seconds = _seconds(text)
    if seconds is None:
        until = _date(text)
        if until is None:
            return None
        now = _date(response.headers.get("Date", "")) or datetime.now(UTC)
        seconds = (until - now).total_seconds()
    return timedelta(seconds=min(max(seconds, 0.0), MAX_RETRY_AFTER.total_seconds()))


def date_of(response: httpx.Response) -> datetime | None:
    """The remote's own clock, by the answer's Date header; None where it has none."""
    return _date(response.headers.get("Date", ""))


def _seconds(text: str) -> float | None:
    # Decimals are not in the standard, but are sent.
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else None


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _user_agent() -> str:
    try:
        return f"{_DISTRIBUTION}/{version(_DISTRIBUTION)}"
    except PackageNotFoundError:  # run from a checkout that was never installed
        return _DISTRIBUTION
