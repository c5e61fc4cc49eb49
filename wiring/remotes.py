"""The gateways as configured: Odoo, and the connectors around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateways.bank.protocol import BankSource
from gateways.connectors import Group, Surroundings, connector
from gateways.crm.protocol import Crm
from gateways.esign.protocol import Esign
from gateways.odoo import OdooClient, OnCall
from gateways.odoo import connect as connect_odoo
from gateways.payments.protocol import Processor
from gateways.secrets import Secret
from gateways.timesheets.protocol import Timesheets
from wiring.settings import ConfigurationError, Settings

BUILT = (Group.BANK, Group.CRM, Group.ESIGN, Group.PAYMENTS, Group.TIMESHEETS)
"""The groups whose connectors are spoken to; the others only send."""


@dataclass(frozen=True)
class Gateways:
    """The firm's Odoo, and by group the connectors by the name that each is configured under."""

    odoo: OdooClient
    crm: Mapping[str, Crm] = field(default_factory=dict)
    esign: Mapping[str, Esign] = field(default_factory=dict)
    timesheets: Mapping[str, Timesheets] = field(default_factory=dict)
    payments: Mapping[str, Processor] = field(default_factory=dict)
    bank: Mapping[str, BankSource] = field(default_factory=dict)


def odoo(settings: Settings, on_call: OnCall | None = None, mark: str = "") -> OdooClient:
    """The firm's Odoo, with a `mark` only if it carries that; nothing is sent yet."""
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
        plain_hosts=remote.plain_http_hosts,
        on_call=on_call,
        mark=mark,
    )


def odoo_as(settings: Settings, key: Secret) -> OdooClient:
    """The firm's Odoo as whoever has this API key, such as its administrator; nothing is sent."""
    remote = settings.odoo
    return connect_odoo(
        remote.url,
        remote.database,
        key,
        protocol=remote.protocol,
        login=remote.login,
        plain_hosts=remote.plain_http_hosts,
    )


def gateways(settings: Settings, odoo_client: OdooClient) -> Gateways:
    """All that is configured; nothing is sent yet. Raises ConfigurationError."""
    groups = {group.section: built(settings, group, odoo_client) for group in BUILT}
    return Gateways(odoo_client, **groups)


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
