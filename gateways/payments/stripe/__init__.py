"""Stripe as a payment processor: what it declares of itself, and its settings."""

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


class StripeSettings(PaymentsSettings, Credential):
    """A Stripe account, by a restricted key. It reads payment intents, charges, refunds, disputes,
    payouts, balance transactions and events; for links it also writes payment links."""

    url: str = Field("https://api.stripe.com", description="where its API is")
    api_version: str = Field(
        "2026-10-28.endive",
        pattern=r"^20\d\d-\d\d-\d\d(\.[a-z]+)?$",
        description="the version of its API that is spoken",
    )


def _build(settings: StripeSettings, around: Surroundings) -> Processor:
    from gateways.http import pooled_client
    from gateways.payments.stripe.api import StripeApi
    from gateways.payments.stripe.payments import Stripe

    api = StripeApi(
        pooled_client(settings.url),
        settings.secret,
        system=around.name,
        version=settings.api_version,
    )
    return Stripe(
        api,
        system=around.name,
        time_zone=around.entity.time_zone,
        link_words=settings.link_words,
    )


def _verify(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    from gateways.webhooks import schemes

    schemes.stripe(request, secrets, now)


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.payments.stripe import webhook

    return webhook.parse(received)


CONNECTOR = Connector(
    kind="stripe",
    about="payments, refunds, disputes and payouts of Stripe, and its payment links",
    settings=StripeSettings,
    build=_build,
    webhook=Webhook(verify=_verify, parse=_parse, deadline_seconds=10),
    # Stripe repeats a webhook for three days; events can be listed for thirty.
    sweep=Sweep(overlap=timedelta(minutes=15), nightly=timedelta(days=3)),
    live="Held to stripe, Stripe's own client, never to a live account.",
    docs="How to set it up, and what happens: [payments.md](connectors/payments.md).",
)
