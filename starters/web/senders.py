"""The configured senders of webhooks: what they sign with, and whose contracts they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateways.errors import GatewayError
from gateways.secrets import Secret
from gateways.webhooks.connectors import CONNECTORS, WebhookConnector
from wiring.settings import ConfigurationError, Settings, WebConnectorSettings


@dataclass(frozen=True)
class Sender:
    """One configured connector, under the name in its address."""

    name: str
    connector: WebhookConnector
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
    """By name. Raises ConfigurationError."""
    return {
        name: _sender(name, configured, settings)
        for name, configured in settings.web.connectors.items()
    }


def _sender(name: str, configured: WebConnectorSettings, settings: Settings) -> Sender:
    kind = configured.kind or name
    connector = CONNECTORS.get(kind)
    if connector is None:
        known = ", ".join(sorted(CONNECTORS))
        raise ConfigurationError(f"web.connectors.{name}: kind {kind!r} is none of {known}")
    entity = configured.legal_entity or ""
    if connector.system:
        crm = getattr(settings.crm, connector.system)
        if crm is None:
            raise ConfigurationError(
                f"web.connectors.{name} needs crm.{connector.system}: it says whose contracts the "
                "deals become"
            )
        entity = crm.legal_entity
    if connector.signs_address and not settings.web.public_url:
        raise ConfigurationError(
            f"web.connectors.{name} needs web.public_url, the address that its sender signs"
        )
    return Sender(name, connector, configured.all_secrets, entity)
