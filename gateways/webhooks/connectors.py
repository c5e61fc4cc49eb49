"""The kinds of connectors that may send webhooks: how each signs, and what its requests mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts.events import InboundEvent
from gateways.webhooks import events, hubspot, odoo, schemes
from gateways.webhooks.received import Received
from gateways.webhooks.schemes import Scheme


@dataclass(frozen=True)
class WebhookConnector:
    """A kind of sender. It is answered within `deadline_seconds`, as it waits no longer itself;
    what does not prove its sender is answered with `unverified_status`.

    `signs_address`: what it signs holds our public address.
    `system` is the CRM whose settings name the legal entity; empty where the connector's own do.
    """

    kind: str
    about: str
    verify: Scheme
    parse: Callable[[Received], list[InboundEvent]]
    deadline_seconds: float
    unverified_status: int = 401
    signs_address: bool = False
    system: str = ""


CONNECTORS = {
    item.kind: item
    for item in (
        WebhookConnector(
            kind="events",
            about="milestones, usage and service credits from any system, by Standard Webhooks",
            verify=schemes.standard_webhooks,
            parse=events.parse,
            deadline_seconds=10,
        ),
        WebhookConnector(
            kind="hubspot",
            about="changes of deals in HubSpot",
            verify=schemes.hubspot,
            parse=hubspot.parse,
            deadline_seconds=4,
            signs_address=True,
            system=hubspot.SYSTEM,
        ),
        WebhookConnector(
            kind="odoo",
            about="payments and milestones in Odoo, by its automation rules",
            verify=schemes.secret_in_url(odoo.SECRET_PARAMETER),
            parse=odoo.parse,
            # Odoo waits for one second, and whoever saved the record waits with it.
            deadline_seconds=0.8,
        ),
    )
}
"""By kind. A new one is a row here."""
