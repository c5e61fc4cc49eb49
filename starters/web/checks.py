"""What `c2c check` says of the web gateway: its senders, and whether their secrets can be read."""

from __future__ import annotations

from starters.findings import Area, Finding
from starters.web.senders import Sender, senders
from wiring.settings import ConfigurationError, Settings

_GATEWAY = Area("Web gateway")


def check(settings: Settings) -> list[Finding]:
    """Nothing where no sender is configured."""
    try:
        return [_sender(item) for item in senders(settings).values()]
    except ConfigurationError as error:
        return [_GATEWAY.missing("connectors", str(error), "correct it in the configuration")]


def _sender(sender: Sender) -> Finding:
    about = f"{sender.kind}: {sender.about}"
    readable = len(sender.revealed())
    if readable == len(sender.secrets):
        return _GATEWAY.ok(sender.name, about)
    detail = f"{readable} of {len(sender.secrets)} secrets can be read"
    remedy = f"see webhook_secret_files of {sender.place}"
    if readable:
        return _GATEWAY.warn(sender.name, detail, remedy)
    return _GATEWAY.missing(sender.name, detail, remedy)
