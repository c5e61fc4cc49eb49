"""Odoo over JSON-2 (19 and later) or JSON-RPC (before 19), behind one interface."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, assert_never

import httpx

from gateways.http import (
    CONNECT_TIMEOUT_SECONDS,
    MAX_CONNECTIONS,
    READ_TIMEOUT_SECONDS,
    pooled_client,
)
from gateways.odoo._post import Poster
from gateways.odoo.batch_policy import BATCH_SIZE, CALLS_AT_ONCE
from gateways.odoo.client import OdooClient, OnCall, Transport
from gateways.odoo.errors import SYSTEM, LoadRefused
from gateways.odoo.json2 import Json2Transport
from gateways.odoo.jsonrpc import RpcTransport
from gateways.odoo.mark import Marked
from gateways.odoo.requests.mail import FAILED, MAX_MAILS, SHOWN, Mailed
from gateways.secrets import Secret
from gateways.throttle import Throttle

__all__ = [
    "FAILED",
    "MAX_MAILS",
    "SHOWN",
    "LoadRefused",
    "Mailed",
    "OdooClient",
    "OnCall",
    "Transport",
    "WireProtocol",
    "connect",
]

WireProtocol = Literal["json2", "jsonrpc"]


def connect(
    url: str,
    database: str,
    secret: Secret,
    *,
    protocol: WireProtocol = "json2",
    login: str | None = None,
    context: Mapping[str, Any] | None = None,
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    max_connections: int = MAX_CONNECTIONS,
    calls_per_second: float | None = None,
    calls_at_once: int = CALLS_AT_ONCE,
    batch_size: int = BATCH_SIZE,
    plain_hosts: Collection[str] = (),
    on_call: OnCall | None = None,
    http_transport: httpx.BaseTransport | None = None,
    mark: str = "",
) -> OdooClient:
    """A client for one database as one user; nothing is sent yet.

    `secret` is the user's API key, read anew for each call. `login` is needed by JSON-RPC only.
    `context` joins every call's context. `calls_per_second` limits this client, for hosted Odoo,
    and `calls_at_once` how many are in flight; up to `batch_size` requests share one (1: none do).
    With a `mark` it speaks only to the database that carries it (mark.py).
    `http_transport` replaces the network, for tests. Raises ValueError for plain HTTP beyond the
    loopback and `plain_hosts`, and for JSON-RPC without a login.
    """
    base_url = url.rstrip("/")
    http = pooled_client(
        base_url,
        connect_timeout_seconds=connect_timeout_seconds,
        read_timeout_seconds=read_timeout_seconds,
        max_connections=max_connections,
        plain_hosts=plain_hosts,
        transport=http_transport,
    )
    poster = Poster(http, Throttle(calls_per_second, system=SYSTEM))
    transport: Transport
    match protocol:
        case "json2":
            transport = Json2Transport(base_url, database, secret, poster)
        case "jsonrpc":
            if not login:
                raise ValueError("JSON-RPC needs the login of the API key's user.")
            transport = RpcTransport(base_url, database, login, secret, poster)
        case _:
            assert_never(protocol)
    return OdooClient(
        Marked(transport, mark) if mark else transport,
        context=context,
        on_call=on_call,
        calls_at_once=calls_at_once,
        batch_size=batch_size,
    )
