"""Dropbox Sign as a service for signatures: what it declares of itself, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from gateways.connectors import Connector, Surroundings, Sweep, Webhook
from gateways.secrets import Secret
from gateways.settings import ConnectorSettings, Credential

if TYPE_CHECKING:
    from contracts.events import InboundEvent
    from gateways.esign.protocol import Esign
    from gateways.webhooks.received import Received
    from gateways.webhooks.schemes import SignedRequest

ANSWER = "Hello API Event Received"
"""Any other text, and Dropbox Sign sends the event again."""


class DropboxSignSettings(ConnectorSettings, Credential):
    """A Dropbox Sign account, by its API key, which its webhooks are signed with too."""

    url: str = Field("https://api.hellosign.com", description="where its API is")
    counts_tests: bool = Field(
        False,
        description="to try it out: requests in test mode, which bind nobody, sign deals too",
    )

    @property
    def all_webhook_secrets(self) -> tuple[Secret, ...]:
        return (self.secret, *super().all_webhook_secrets)


def _build(settings: DropboxSignSettings, around: Surroundings) -> Esign:
    from gateways.esign.dropbox_sign.api import DropboxSignApi
    from gateways.esign.dropbox_sign.esign import DropboxSign
    from gateways.esign.envelopes import MAX_DOCUMENT_BYTES
    from gateways.http import pooled_client

    http = pooled_client(settings.url, max_body_bytes=MAX_DOCUMENT_BYTES)
    api = DropboxSignApi(http, settings.secret, system=around.name)
    return DropboxSign(api, system=around.name, counts_tests=settings.counts_tests)


def _verify(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    from gateways.esign.dropbox_sign import webhook

    webhook.verify(request, secrets, now)


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.esign.dropbox_sign import webhook

    return webhook.parse(received)


CONNECTOR = Connector(
    kind="dropbox-sign",
    about="signed and declined signature requests of Dropbox Sign, and their documents",
    settings=DropboxSignSettings,
    build=_build,
    webhook=Webhook(verify=_verify, parse=_parse, deadline_seconds=20, answer=ANSWER),
    # A request that is declined does not say when: it is looked for by when it was last opened.
    sweep=Sweep(overlap=timedelta(minutes=15), nightly=timedelta(days=7)),
    live="Held to dropbox-sign, Dropbox Sign's own client, never to a live account.",
    docs="How to set it up, and what happens: [dropbox-sign.md](connectors/dropbox-sign.md).",
)
