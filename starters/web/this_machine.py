"""Whether a request comes from this machine itself, and nothing in between hides from where."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from contracts.addresses import is_loopback
from wiring.settings import WebSettings

_OF_PROXIES = ("forwarded", "x-forwarded-", "x-real-ip", "via")
"""How headers of a proxy in front begin, stated or not: behind it everybody asks from this
machine."""


def is_local(web: WebSettings) -> bool:
    """Whether nothing but this machine reaches the application: nothing in front of it is stated,
    nor an address by which others know it. What leads from there to here need not say so."""
    is_known_elsewhere = web.public_url != "" and not is_loopback(_host(web.public_url))
    return is_loopback(web.host) and not (web.tls_in_front or web.proxies or is_known_elsewhere)


def comes_from_here(request: Request) -> bool:
    """Whether the request was made on this machine. By its host, too: a name of somebody else's may
    lead a browser here."""
    client = request.client.host if request.client else ""
    is_here = is_loopback(client) and is_loopback(host_of(request))
    return is_here and not any(name.startswith(_OF_PROXIES) for name in request.headers)


def host_of(request: Request) -> str:
    """The host that the request names, without its port."""
    return _host(f"//{request.headers.get('host', '')}")


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
