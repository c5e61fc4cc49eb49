"""HubSpot as a CRM: what it declares of itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from gateways.connectors import Connector, Surroundings, Sweep, Webhook
from gateways.settings import Credential, CrmSettings
from gateways.webhooks import schemes

if TYPE_CHECKING:
    from contracts.events import InboundEvent
    from gateways.crm.protocol import Crm
    from gateways.webhooks.received import Received


class HubSpotSettings(CrmSettings, Credential):
    """A HubSpot account, by a service key. Its webhooks are signed with the app's client secret."""

    url: str = Field("https://api.hubapi.com", description="HubSpot's address")
    version: str = Field(
        "2026-03",
        pattern=r"^20\d\d-(03|09)$",
        description="the version of HubSpot's API; from `2026-09` on an account's rules about "
        "required properties count for the API as well",
    )
    billing_label: str = Field(
        "Billing", description="the association label of the contact that receives the invoices"
    )
    default_currency: str = Field(
        "", description="the currency of deals in an account that has one currency only"
    )


def _build(settings: HubSpotSettings, around: Surroundings) -> Crm:
    from gateways.crm.hubspot.api import HubSpotApi
    from gateways.crm.hubspot.crm import HubSpotCrm
    from gateways.http import pooled_client

    return HubSpotCrm(
        HubSpotApi(
            pooled_client(settings.url),
            settings.secret,
            system=around.name,
            version=settings.version,
        ),
        system=around.name,
        billing_label=settings.billing_label,
        default_currency=settings.default_currency,
        time_zone=around.entity.time_zone,
        closed_since=settings.closed_since,
    )


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.crm.hubspot import webhook

    return webhook.parse(received)


CONNECTOR = Connector(
    kind="hubspot",
    about="won deals of HubSpot; changes of deals by its webhooks",
    settings=HubSpotSettings,
    build=_build,
    webhook=Webhook(verify=schemes.hubspot, parse=_parse, deadline_seconds=4, signs_address=True),
    sweep=Sweep(overlap=timedelta(minutes=5), nightly=timedelta(days=1)),
    live="Held to HubSpot's official clients and signature vectors, never to a live account.",
)
