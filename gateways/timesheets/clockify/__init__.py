"""Clockify as a time system: what it declares of itself, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from gateways.connectors import Connector, Surroundings, Sweep, Webhook
from gateways.settings import Credential, TimesheetSettings
from gateways.webhooks import schemes

if TYPE_CHECKING:
    from contracts.events import InboundEvent
    from gateways.timesheets.protocol import Timesheets
    from gateways.webhooks.received import Received

SIGNATURE = "clockify-signature"
"""The header that has the token of the webhook."""


class ClockifySettings(TimesheetSettings, Credential):
    """A workspace of Clockify, on a plan with approvals, by the API key of one of its
    administrators."""

    url: str = Field(
        "https://api.clockify.me/api",
        description="where its API is; a workspace in a region: `https://euc1.clockify.me/api`",
    )
    workspace_id: str = Field(
        pattern=r"^[A-Za-z0-9]{1,64}$", description="the workspace's id, as its address shows it"
    )
    reads_deletions: bool = Field(
        True,
        description="whether each sweep asks what was deleted, which Clockify calls experimental; "
        "without it, that is found once a day",
    )


def _build(settings: ClockifySettings, around: Surroundings) -> Timesheets:
    from gateways.http import pooled_client
    from gateways.timesheets.clockify.api import ClockifyApi
    from gateways.timesheets.clockify.timesheets import Clockify

    http = pooled_client(settings.url)
    api = ClockifyApi(http, settings.workspace_id, settings.secret, system=around.name)
    return Clockify(api, system=around.name, reads_deletions=settings.reads_deletions)


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.timesheets.clockify import webhook

    return webhook.parse(received)


CONNECTOR = Connector(
    kind="clockify",
    about="approved hours of Clockify",
    settings=ClockifySettings,
    build=_build,
    webhook=Webhook(verify=schemes.shared_token(SIGNATURE), parse=_parse, deadline_seconds=8),
    sweep=Sweep(overlap=timedelta(minutes=15)),
    live="Held to clockify-python-115, a client by others, never to a live account.",
    docs="How to set it up, and what happens: [timesheets.md](connectors/timesheets.md).",
)
