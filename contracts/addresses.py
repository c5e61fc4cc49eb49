"""Addresses of servers: their host, and whether that is this machine itself."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, by address or as `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of `host:port`. Raises ValueError for what is none."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError(f"expected host:port such as 127.0.0.1:9464, not {address}")
    return host.strip("[]"), int(port)


def host_of(address: str) -> str:
    """The host of `host:port`, of an IPv6 address in brackets too."""
    return address.rpartition(":")[0].strip("[]") or address
