"""Tryton as a CRM and as a time system: what it declares of itself, and its settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from gateways.connectors import Connector, Surroundings, Sweep
from gateways.settings import Credential, CrmSettings, TimesheetSettings

if TYPE_CHECKING:
    from c2c_tryton.api import TrytonApi
    from gateways.crm.protocol import Crm
    from gateways.timesheets.protocol import Timesheets


class TrytonAccess(Credential):
    """A database of Tryton, as one of its users: the key is the user's password."""

    url: str = Field(description="Tryton's address, such as `https://tryton.firm.example`")
    database: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="the database's name")
    user: str = Field(min_length=1, description="the user's login name")
    company: int = Field(gt=0, description="the id of the company that is read")


class TrytonSettings(CrmSettings, TrytonAccess):
    """Tryton as a CRM."""


class TrytonTimeSettings(TimesheetSettings, TrytonAccess):
    """Tryton as a time system. Its works are the projects; it knows no approval, so that whatever
    is entered there counts."""


def _api(settings: TrytonAccess, name: str) -> TrytonApi:
    from c2c_tryton.api import TrytonApi
    from gateways.http import pooled_client

    return TrytonApi(
        pooled_client(settings.url),
        settings.database,
        settings.user,
        settings.secret,
        system=name,
        company=settings.company,
    )


def _crm(settings: TrytonSettings, around: Surroundings) -> Crm:
    from c2c_tryton.crm import TrytonCrm

    api = _api(settings, around.name)
    return TrytonCrm(api, system=around.name, closed_since=settings.closed_since)


def _timesheets(settings: TrytonTimeSettings, around: Surroundings) -> Timesheets:
    from c2c_tryton.timesheets import TrytonTimesheets

    return TrytonTimesheets(_api(settings, around.name), system=around.name)


_SWEEP = Sweep(overlap=timedelta(minutes=5), nightly=timedelta(days=1))

CONNECTOR = Connector(
    kind="tryton",
    about="opportunities won in Tryton 8.2, with their sales",
    settings=TrytonSettings,
    build=_crm,
    sweep=_SWEEP,
)

TIMESHEETS = Connector(
    kind="tryton",
    about="hours of Tryton 8.2",
    settings=TrytonTimeSettings,
    build=_timesheets,
    sweep=_SWEEP,
)
