"""The configured senders of webhooks: what they sign with, and whose contracts they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateways.connectors import Connector, Group, Webhook, connector
from gateways.errors import GatewayError
from gateways.secrets import Secret
from wiring.settings import ConfigurationError, Settings


@dataclass(frozen=True)
class Sender:
    """One configured connector that sends webhooks, under the name in its address; `place` is its
    table in the configuration."""

    name: str
    place: str
    kind: str
    about: str
    webhook: Webhook
    secrets: tuple[Secret, ...]
    legal_entity: str

    def revealed(self) -> list[str]:
        """The secrets as they are now: a file is read again when it changes. One that cannot be
        read leaves the others."""
        found = []
        for secret in self.secrets:
            try:
                found.append(secret.reveal())
            except GatewayError:
                continue
        return found


def senders(settings: Settings) -> Mapping[str, Sender]:
    """Those with a secret, by name: who has none sends nothing. Raises ConfigurationError."""
    found = {}
    for group in Group:
        for name, configured in settings.connectors(group).items():
            secrets = configured.all_webhook_secrets
            if secrets:
                declared, place = connector(group, configured.kind), f"{group.section}.{name}"
                webhook = _webhook(declared, place, settings)
                found[name] = Sender(
                    name=name,
                    place=place,
                    kind=declared.kind,
                    about=declared.about,
                    webhook=webhook,
                    secrets=secrets,
                    legal_entity=configured.legal_entity or "",
                )
    return found


def _webhook(declared: Connector[object, object], place: str, settings: Settings) -> Webhook:
    if declared.webhook is None:
        raise ConfigurationError(
            f"{place} has secrets of webhooks, but connectors of kind {declared.kind} send none: "
            "remove them"
        )
    if declared.webhook.signs_address and not settings.web.public_url:
        raise ConfigurationError(f"{place} needs web.public_url, the address that its sender signs")
    return declared.webhook
