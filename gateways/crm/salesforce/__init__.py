"""Salesforce as a CRM: what it declares of itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gateways.connectors import Connector, Surroundings, Sweep
from gateways.crm.salesforce.settings import SalesforceSettings

if TYPE_CHECKING:
    from gateways.crm.protocol import Crm


def _build(settings: SalesforceSettings, around: Surroundings) -> Crm:
    from gateways.crm.salesforce.api import SalesforceApi
    from gateways.crm.salesforce.crm import SalesforceCrm
    from gateways.crm.salesforce.login import ClientCredentials, JwtBearer
    from gateways.http import pooled_client

    key, secret = settings.consumer_key, settings.secret
    grant = (
        JwtBearer(key, settings.user, settings.audience, secret, system=around.name)
        if settings.signs_by_key
        else ClientCredentials(key, secret)
    )
    return SalesforceCrm(
        SalesforceApi(
            pooled_client(settings.url), grant, system=around.name, version=settings.api_version
        ),
        system=around.name,
        fields=settings.fields,
        billing_role=settings.billing_role,
        default_currency=settings.default_currency,
        time_zone=around.entity.time_zone,
        closed_since=settings.closed_since,
    )


CONNECTOR = Connector(
    kind="salesforce",
    about="won opportunities of Salesforce, with their products, quotes and schedules",
    settings=SalesforceSettings,
    build=_build,
    # Rows are committed minutes behind the time they are stamped with, and what a formula or a
    # child record changes is not stamped at all: hence the overlap, and a day again each night.
    sweep=Sweep(overlap=timedelta(minutes=15), nightly=timedelta(days=1)),
    live="Held to simple-salesforce, jsforce and a SOQL parser of others, never to a live org.",
    docs="How to set up the app, its permissions and the fields: "
    "[connectors/salesforce.md](connectors/salesforce.md).",
)
