"""Runs the gateway on uvicorn."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable

import uvicorn

from contracts.actors import Sign
from contracts.addresses import is_loopback
from starters.web import codec
from starters.web.app import application
from starters.web.codec import CodecServer, Readers
from starters.web.login.wiring import signing_in
from starters.web.middleware import LOGGER
from starters.web.pages.workbench import Workbench
from starters.web.senders import senders
from starters.web.signing import Signing
from starters.web.visitors import Visitor
from wiring import client as temporal
from wiring import encryption, garbage, identity, logs
from wiring.settings import ConfigurationError, Settings, WebSettings

_KEEP_ALIVE_SECONDS = 30
_CONNECTIONS = 500
_GRACE_SECONDS = 10


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Temporal may be away: then webhooks are answered with 503.

    Raises ConfigurationError.
    """
    garbage.look_often()
    web = settings.web
    check_address(web)
    login = signing_in(settings)
    app = application(
        web,
        senders(settings),
        lambda: temporal.connect(lazy=True),
        codec=codec_server(settings, login.identity),
        workbench=Workbench.of(
            settings, signing=signing(settings), seen=login.identity.lately.seen
        ),
        visits=login.identity,
        login=login.routes,
    )
    _log_as_json()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=web.host,
            port=web.port,
            access_log=False,  # it would write the addresses, which may hold secrets
            log_config=None,
            server_header=False,
            proxy_headers=bool(web.proxies),
            forwarded_allow_ips=list(web.proxies),
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server ends by these, and then raises them once more for whoever it was started by.
        signal.signal(number, lambda *_: None)
    await server.serve()
    if not server.started:
        raise ConfigurationError(f"{web.host}:{web.port} cannot be listened on")


def codec_server(settings: Settings, readers: Readers | None = None) -> CodecServer | None:
    """The codec server; None without master keys. Raises ConfigurationError."""
    if not settings.encryption.masters:
        return None
    return codec.server(
        encryption.sealing_codec(settings),
        encryption.record_store(settings),
        settings.encryption.codec,
        settings.web,
        readers=readers,
        has_provider=settings.identity.oidc is not None,
    )


def signing(settings: Settings) -> Callable[[Visitor], Sign] | None:
    """Gives what signs for a visitor; None without a key. Raises ConfigurationError where there
    must be one, or it cannot be read."""
    identity.check(settings.identity, temporal.address())
    signer = identity.signer(settings.identity)
    return Signing(signer).of if signer else None


def check_address(web: WebSettings) -> None:
    """Secrets and customers' data must not cross a network in clear text. Raises
    ConfigurationError."""
    if not (web.tls_in_front or is_loopback(web.host)):
        raise ConfigurationError(
            f"web.host {web.host} can be reached from elsewhere, and this gateway speaks no TLS: "
            "put a proxy with TLS in front of it and set web.tls_in_front, or listen on 127.0.0.1"
        )


def _log_as_json() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.formatter(redacts=True, as_json=True))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.INFO)
