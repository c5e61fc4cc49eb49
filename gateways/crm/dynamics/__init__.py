"""Dynamics 365 Sales, on Microsoft Dataverse: what it declares of itself.

Written from Microsoft's documentation and held to Microsoft's own client in the tests; not yet run
against a live organisation.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, HttpUrl, SecretStr, StringConstraints, model_validator

from gateways.connectors import Connector, Surroundings, Sweep, Webhook
from gateways.crm.dynamics.columns import Columns
from gateways.crm.dynamics.webhook import HEADER, parse
from gateways.settings import CrmSettings, secret_of
from gateways.webhooks.schemes import shared_token

if TYPE_CHECKING:  # what it imports takes long, and few commands need it
    from gateways.crm.dynamics.crm import DynamicsCrm

KIND = "dynamics"


class DynamicsSettings(CrmSettings):
    """`url` is the organisation's, such as `https://contoso.crm4.dynamics.com`; `tenant` and
    `client_id` are those of our application in Entra; `login_url` is another one in Microsoft's
    national clouds.

    `billing_role` names the connection role of the contact that invoices go to, in a deal's
    stakeholders; left out, the deal's own contact takes them.
    """

    url: HttpUrl
    tenant: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$")]
    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    client_secret_file: Path | None = None
    client_secret: SecretStr | None = None
    login_url: HttpUrl = HttpUrl("https://login.microsoftonline.com")
    billing_role: Annotated[str, StringConstraints(max_length=100)] = ""
    columns: Columns = Columns()
    calls_per_second: Annotated[float, Field(gt=0, le=100)] = 16.0

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


def _build(settings: DynamicsSettings, surroundings: Surroundings) -> DynamicsCrm:
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
        system=surroundings.name,
    )
    api = DynamicsApi(
        pooled_client(url),
        token,
        system=surroundings.name,
        calls_per_second=settings.calls_per_second,
    )
    return DynamicsCrm(
        api,
        closed_since=settings.closed_since,
        time_zone=surroundings.entity.time_zone,
        billing_role=settings.billing_role,
        columns=settings.columns,
    )


CONNECTOR = Connector(
    kind=KIND,
    about="deals won in Dynamics 365 Sales; the status in a table of its own",
    settings=DynamicsSettings,
    build=_build,
    webhook=Webhook(
        verify=shared_token(HEADER),
        parse=parse,
        deadline_seconds=30,  # Dataverse waits for 60
    ),
    # A transaction may last for two minutes, and what it changed shows only then.
    sweep=Sweep(overlap=timedelta(minutes=5), nightly=timedelta(days=7)),
    live="never run against a live organisation of Dynamics 365",
    docs="connectors/dynamics.md",
)
