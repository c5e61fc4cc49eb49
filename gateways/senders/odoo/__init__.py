"""Odoo's automation rules: what this sender declares of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateways.connectors import Connector, Webhook
from gateways.settings import SenderSettings
from gateways.webhooks import schemes

if TYPE_CHECKING:
    from contracts.events import InboundEvent
    from gateways.webhooks.received import Received

SECRET_PARAMETER = "secret"  # noqa: S105 - the name of a parameter


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.senders.odoo import rules

    return rules.parse(received)


CONNECTOR: Connector[SenderSettings, None] = Connector(
    kind="odoo",
    about="payments and milestones in Odoo, by its automation rules",
    settings=SenderSettings,
    webhook=Webhook(
        verify=schemes.secret_in_url(SECRET_PARAMETER),
        parse=_parse,
        # Odoo waits for one second, and whoever saved the record waits with it.
        deadline_seconds=0.8,
    ),
)
