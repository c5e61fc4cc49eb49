"""The gateways as configured: Odoo and the CRMs."""

from __future__ import annotations

from gateways.crm.hubspot import HubSpotCrm
from gateways.crm.hubspot_api import HubSpotApi
from gateways.crm.odoo_crm import OdooCrm
from gateways.crm.protocol import Crm
from gateways.http import pooled_client
from gateways.odoo import OdooClient, OnCall
from gateways.odoo import connect as connect_odoo
from wiring.settings import Settings


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
    """The configured CRMs by the system name their contracts carry."""
    found: list[Crm] = []
    if settings.crm.hubspot is not None:
        remote = settings.crm.hubspot
        found.append(
            HubSpotCrm(
                HubSpotApi(pooled_client(remote.url), remote.secret),
                billing_label=remote.billing_label,
                default_currency=remote.default_currency,
                time_zone=settings.entities[remote.legal_entity].time_zone,
                closed_since=remote.closed_since,
            )
        )
    if settings.crm.odoo is not None:
        opportunities = settings.crm.odoo
        zone = settings.entities[opportunities.legal_entity].time_zone
        found.append(OdooCrm(odoo_client, time_zone=zone, closed_since=opportunities.closed_since))
    return {crm.system: crm for crm in found}
