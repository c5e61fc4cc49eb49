"""The connection to Temporal, by its standard environment configuration, payloads encrypted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from temporalio.client import Client, Interceptor
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime

from contracts.addresses import host_of, is_loopback
from wiring.config_file import speaks_of
from wiring.sealed import CLEAR

_DEFAULT_ADDRESS = "localhost:7233"


class TemporalUnreachable(Exception):
    """Temporal could not be reached; the message says where it was looked for."""

    def without_internals(self) -> str:
        """Where Temporal was looked for and why that failed, without the SDK's inner names."""
        text = str(self)
        where = text.partition(" (")[0]
        reasons = re.findall(r'message: "([^"]+)"', text)
        return f"{where} ({reasons[-1]})" if reasons else text.partition("; ")[0]


async def connect(
    *,
    interceptors: Sequence[Interceptor] = (),
    runtime: Runtime | None = None,
    lazy: bool = False,
) -> Client:
    """Connect as TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, ... or a TOML profile say.

    Payloads are encrypted as the configuration says, wherever the connection is used. With `lazy`
    it connects once it is used. Raises TemporalUnreachable, and ConfigurationError.
    """
    config = ClientConfig.load_client_connect_config()
    address = config.setdefault("target_host", _DEFAULT_ADDRESS)
    try:
        return await Client.connect(
            **config,
            data_converter=_converter(address),
            interceptors=interceptors,
            runtime=runtime,
            lazy=lazy,
        )
    except RuntimeError as error:
        raise TemporalUnreachable(
            f"no Temporal server answers at {address} ({error}); "
            "start one (c2c dev) or set TEMPORAL_ADDRESS"
        ) from error


def _converter(address: str) -> DataConverter:
    """What turns values into payloads. Most commands on one machine need no more than the first:
    what reads configurations, and cryptography, would double the time they take to start."""
    if is_loopback(host_of(address)) and not speaks_of("encryption"):
        return CLEAR
    from wiring import encryption
    from wiring.settings import load_protection

    return encryption.converter(load_protection(), address)


def address() -> str:
    """Where Temporal is, by its environment configuration."""
    return ClientConfig.load_client_connect_config().get("target_host", _DEFAULT_ADDRESS)


def place_of(client: Client) -> str:
    """Where a client is connected, for people: the server's address and the namespace."""
    return f"{client.service_client.config.target_host}, namespace {client.namespace}"
