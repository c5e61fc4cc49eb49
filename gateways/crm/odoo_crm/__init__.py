"""Odoo's own CRM: what it declares of itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gateways.connectors import Connector, Surroundings, Sweep
from gateways.settings import CrmSettings

if TYPE_CHECKING:
    from gateways.crm.protocol import Crm


class OdooCrmSettings(CrmSettings):
    """Odoo's own CRM is on the server that `odoo` names, and is used as the same user. Each
    opportunity needs a sales team, whose properties hold the contract's status."""


def _build(settings: OdooCrmSettings, around: Surroundings) -> Crm:
    from gateways.crm.odoo_crm.crm import OdooCrm

    return OdooCrm(
        around.odoo,
        system=around.name,
        time_zone=around.entity.time_zone,
        closed_since=settings.closed_since,
    )


CONNECTOR = Connector(
    kind="odoo-crm",
    about="opportunities won in Odoo's own CRM",
    settings=OdooCrmSettings,
    build=_build,
    sweep=Sweep(overlap=timedelta(minutes=5), nightly=timedelta(days=1)),
)
