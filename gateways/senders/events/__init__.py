"""Events that any system may send: what their sender declares of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateways.connectors import Connector, Webhook
from gateways.settings import SenderSettings
from gateways.webhooks import schemes

if TYPE_CHECKING:
    from contracts.events import InboundEvent
    from gateways.webhooks.received import Received


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.senders.events import events

    return events.parse(received)


CONNECTOR: Connector[SenderSettings, None] = Connector(
    kind="events",
    about="milestones, usage and service credits from any system, by Standard Webhooks",
    settings=SenderSettings,
    webhook=Webhook(verify=schemes.standard_webhooks, parse=_parse, deadline_seconds=10),
)
