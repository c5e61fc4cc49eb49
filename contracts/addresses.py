"""Addresses of servers: their host, and whether that is this machine itself."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, by address or as `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(address: str) -> str:
    """The host of `host:port`, of an IPv6 address in brackets too."""
    return address.rpartition(":")[0].strip("[]") or address
