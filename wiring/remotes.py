"""The gateways as configured: Odoo, and the connectors around it."""

from __future__ import annotations

from typing import Any

from gateways.connectors import Group, Surroundings, connector
from gateways.crm.protocol import Crm
from gateways.esign.protocol import Esign
from gateways.odoo import OdooClient, OnCall
from gateways.odoo import connect as connect_odoo
from wiring.settings import ConfigurationError, Settings


def odoo(settings: Settings, on_call: OnCall | None = None) -> OdooClient:
    """The firm's Odoo; nothing is sent yet."""
    remote = settings.odoo
    return connect_odoo(
        remote.url,
        remote.database,
        remote.secret,
        protocol=remote.protocol,
        login=remote.login,
        connect_timeout_seconds=remote.connect_timeout_seconds,
        read_timeout_seconds=remote.read_timeout_seconds,
        calls_per_second=remote.calls_per_second,
        calls_at_once=remote.calls_at_once,
        batch_size=remote.batch_size,
        on_call=on_call,
    )


def crms(settings: Settings, odoo_client: OdooClient) -> dict[str, Crm]:
    """The configured CRMs by name, which is the system that their contracts carry."""
    return built(settings, Group.CRM, odoo_client)


def esigns(settings: Settings, odoo_client: OdooClient) -> dict[str, Esign]:
    """The configured services for signatures by name."""
    return built(settings, Group.ESIGN, odoo_client)


def built(settings: Settings, group: Group, odoo_client: OdooClient) -> dict[str, Any]:
    """The gateways of a group's configured connectors by name; nothing is sent yet.

    Raises ConfigurationError.
    """
    found = {}
    for name, configured in settings.connectors(group).items():
        build, entity = connector(group, configured.kind).build, configured.legal_entity
        if build is None or entity is None:
            continue  # it only sends
        around = Surroundings(name, settings.entities[entity], odoo_client)
        try:
            found[name] = build(configured, around)
        except ValueError as error:
            raise ConfigurationError(f"{group.section}.{name}: {error}") from error
    return found
