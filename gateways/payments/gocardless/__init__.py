"""GoCardless as a payment processor: what it declares of itself, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from gateways.connectors import Connector, Surroundings, Sweep, Webhook
from gateways.settings import Credential, PaymentsSettings

if TYPE_CHECKING:
    from contracts.events import InboundEvent
    from gateways.payments.protocol import Processor
    from gateways.webhooks.received import Received
    from gateways.webhooks.schemes import SignedRequest


class GoCardlessSettings(PaymentsSettings, Credential):
    """A GoCardless creditor, by an access token: read-only, or read-write for links."""

    url: str = Field(
        "https://api.gocardless.com",
        description="where its API is; to try it out: https://api-sandbox.gocardless.com",
    )


def _build(settings: GoCardlessSettings, around: Surroundings) -> Processor:
    from gateways.http import pooled_client
    from gateways.payments.gocardless.api import GoCardlessApi
    from gateways.payments.gocardless.payments import GoCardless

    api = GoCardlessApi(pooled_client(settings.url), settings.secret, system=around.name)
    return GoCardless(api, system=around.name, link_words=settings.link_words)


def _verify(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    from gateways.webhooks import schemes

    schemes.gocardless(request, secrets, now)


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.payments.gocardless import webhook

    return webhook.parse(received)


CONNECTOR = Connector(
    kind="gocardless",
    about="payments, refunds, chargebacks and payouts of GoCardless, and its pages to pay on",
    settings=GoCardlessSettings,
    build=_build,
    webhook=Webhook(verify=_verify, parse=_parse, deadline_seconds=8, unverified_status=498),
    sweep=Sweep(overlap=timedelta(minutes=15), nightly=timedelta(days=3)),
    live="Held to gocardless-pro, GoCardless' own client, never to a live account.",
    docs="How to set it up, and what happens: [payments.md](connectors/payments.md).",
)
