"""Harvest as a time system: what it declares of itself, and its settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from gateways.connectors import Connector, Surroundings, Sweep
from gateways.settings import Credential, TimesheetSettings

if TYPE_CHECKING:
    from gateways.timesheets.protocol import Timesheets


class HarvestSettings(TimesheetSettings, Credential):
    """A Harvest account, by a personal access token of an administrator, or of a manager whose
    teams are all that is billed: whoever else asks sees their own hours only."""

    url: str = Field("https://api.harvestapp.com", description="where its API is")
    account_id: str = Field(
        pattern=r"^[0-9]{1,20}$", description="the account's id, beside the token in Harvest"
    )


def _build(settings: HarvestSettings, around: Surroundings) -> Timesheets:
    from gateways.http import pooled_client
    from gateways.timesheets.harvest.api import HarvestApi
    from gateways.timesheets.harvest.timesheets import Harvest

    http = pooled_client(settings.url)
    api = HarvestApi(http, settings.account_id, settings.secret, system=around.name)
    return Harvest(api, system=around.name)


CONNECTOR = Connector(
    kind="harvest",
    about="approved hours of Harvest",
    settings=HarvestSettings,
    build=_build,
    sweep=Sweep(overlap=timedelta(minutes=15)),
    live="Written from Harvest's documentation; no client of it is maintained that could judge, "
    "and it was never tried against a live account.",
    docs="How to set it up, and what happens: [timesheets.md](connectors/timesheets.md).",
)
