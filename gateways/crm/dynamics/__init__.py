"""Dynamics 365 Sales, on Microsoft Dataverse: what it declares of itself.

Written from Microsoft's documentation and held to Microsoft's own client in the tests; not yet run
against a live organisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, HttpUrl, SecretStr, StringConstraints, model_validator

from gateways.connectors import Connector, Surroundings, Sweep, Webhook
from gateways.crm.dynamics.columns import Columns
from gateways.settings import CrmSettings, secret_of
from gateways.webhooks.schemes import shared_token

if TYPE_CHECKING:
    from contracts.events import InboundEvent
    from gateways.crm.protocol import Crm
    from gateways.webhooks.received import Received

HEADER = "x-c2c-secret"
"""The header in which the registration of a webhook gives the shared secret."""


class DynamicsSettings(CrmSettings):
    """An organisation of Dynamics 365 Sales, as the user of an application in Entra."""

    url: HttpUrl = Field(
        description="the organisation's address, such as `https://contoso.crm4.dynamics.com`"
    )
    tenant: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$")] = Field(
        description="the tenant in Entra: its id, or a domain of it"
    )
    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")] = Field(
        description="the application's (client) id in Entra"
    )
    client_secret_file: Path | None = Field(
        None, description="a file with the application's secret; read again for each new token"
    )
    client_secret: SecretStr | None = Field(
        None, description="the secret itself, for the environment. Give one of the two"
    )
    login_url: HttpUrl = Field(
        HttpUrl("https://login.microsoftonline.com"),
        description="where Entra gives tokens; another address in Microsoft's national clouds",
    )
    billing_role: Annotated[str, StringConstraints(max_length=100)] = Field(
        "",
        description="the connection role of the contact that receives the invoices, among the "
        "deal's stakeholders; left out, the deal's own contact receives them",
    )
    columns: Columns = Field(
        Columns(),
        description="names of columns, for a firm with its own; an empty one is not read",
    )
    calls_per_second: Annotated[float, Field(gt=0, le=100)] = Field(
        16.0, description="our own limit; Dataverse allows a user 20 on average over five minutes"
    )

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.client_secret_file is None) == (self.client_secret is None):
            raise ValueError("give either client_secret_file or client_secret (by the environment)")
        return self

    @model_validator(mode="after")
    def _only_origins(self) -> Self:
        for name, address in (("url", self.url), ("login_url", self.login_url)):
            if (address.path or "/") != "/" or address.query or address.username:
                raise ValueError(f"{name} is the address alone, without a path: https://…")
        return self


def _build(settings: DynamicsSettings, around: Surroundings) -> Crm:
    from gateways.crm.dynamics.api import DynamicsApi
    from gateways.crm.dynamics.crm import DynamicsCrm
    from gateways.crm.dynamics.entra import EntraToken
    from gateways.http import pooled_client

    url = str(settings.url).rstrip("/")
    token = EntraToken(
        pooled_client(str(settings.login_url)),
        settings.tenant,
        settings.client_id,
        secret_of(settings.client_secret_file, settings.client_secret),
        scope=f"{url}/.default",
        system=around.name,
    )
    api = DynamicsApi(
        pooled_client(url),
        token,
        system=around.name,
        calls_per_second=settings.calls_per_second,
    )
    return DynamicsCrm(
        api,
        closed_since=settings.closed_since,
        time_zone=around.entity.time_zone,
        billing_role=settings.billing_role,
        columns=settings.columns,
    )


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.crm.dynamics import webhook

    return webhook.parse(received)


CONNECTOR = Connector(
    kind="dynamics",
    about="deals won in Dynamics 365 Sales; the status in a table of its own",
    settings=DynamicsSettings,
    build=_build,
    webhook=Webhook(
        verify=shared_token(HEADER),
        parse=_parse,
        deadline_seconds=30,  # Dataverse waits for 60
    ),
    # A transaction may last for two minutes, and what it changed shows only then.
    sweep=Sweep(overlap=timedelta(minutes=5), nightly=timedelta(days=7)),
    live="Held to Microsoft's own client and documentation, never to a live organisation.",
    docs="How to set it up: [connectors/dynamics.md](connectors/dynamics.md).",
)
