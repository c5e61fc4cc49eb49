"""Tryton as a CRM: what it declares of itself, and its settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from gateways.connectors import Connector, Surroundings, Sweep
from gateways.settings import Credential, CrmSettings

if TYPE_CHECKING:
    from gateways.crm.protocol import Crm


class TrytonSettings(CrmSettings, Credential):
    """A database of Tryton, as one of its users: the key is the user's password."""

    url: str = Field(description="Tryton's address, such as `https://tryton.firm.example`")
    database: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="the database's name")
    user: str = Field(min_length=1, description="the user's login name")
    company: int = Field(gt=0, description="the id of the company whose opportunities are read")


def _build(settings: TrytonSettings, around: Surroundings) -> Crm:
    from c2c_tryton.api import TrytonApi
    from c2c_tryton.crm import TrytonCrm
    from gateways.http import pooled_client

    api = TrytonApi(
        pooled_client(settings.url),
        settings.database,
        settings.user,
        settings.secret,
        system=around.name,
        company=settings.company,
    )
    return TrytonCrm(api, system=around.name, closed_since=settings.closed_since)


CONNECTOR = Connector(
    kind="tryton",
    about="opportunities won in Tryton 8.2, with their sales",
    settings=TrytonSettings,
    build=_build,
    sweep=Sweep(overlap=timedelta(minutes=5), nightly=timedelta(days=1)),
)
