"""A connector that another package brings: installed into a folder, as any package installs one."""

from __future__ import annotations

from pathlib import Path

KIND = "ledgerline"

_MODULE = '''
from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import Field

from contracts.crm import WonDeal, WonDeals
from contracts.problems import Problem
from gateways.connectors import Connector, Surroundings, Sweep, Webhook
from gateways.settings import Credential, CrmSettings
from gateways.webhooks import schemes


class LedgerlineSettings(CrmSettings, Credential):
    """An account at Ledgerline."""

    region: str = Field(description="the account's region")


class Ledgerline:
    most_at_once = 10

    def __init__(self, settings, around):
        self.system, self._settings, self._entity = around.name, settings, around.entity

    def read_contract(self, deal_id):
        return {
            "title": f"Deal {deal_id} of {self._settings.region}, {self._entity.time_zone}",
            "source": {"system": self.system, "id": deal_id},
        }

    def write_statuses(self, statuses):
        return [None] * len(statuses)

    def won_deals(self, since, after=""):
        at = datetime(2026, 5, 4, tzinfo=UTC)
        first = WonDeal(deal_id="41", modified_at=at)
        second = WonDeal(deal_id="42", modified_at=at)
        if after:
            return WonDeals(deals=[second], as_of=at)
        return WonDeals(deals=[first], as_of=at, next="41")

    def is_due(self, deal_id):
        return True

    def missing_setup(self):
        return [Problem(code="crm_property_missing", field="deal.stage", expected="a field")]

    def ensure_setup(self):
        return []


def parse(received):
    from contracts.events import ForDeal

    deal = received.body.decode()
    task = ForDeal(system=received.source, deal_id=deal, legal_entity=received.legal_entity)
    return [received.event(deal, "deal.won", task)]


CONNECTOR = Connector(
    kind="ledgerline",
    about="won deals of Ledgerline",
    settings=LedgerlineSettings,
    build=Ledgerline,
    webhook=Webhook(
        verify=schemes.gocardless, parse=parse, deadline_seconds=5, answer="Thank you, Ledgerline"
    ),
    sweep=Sweep(overlap=timedelta(minutes=15), nightly=timedelta(days=2)),
    live="Never tried: nobody has an account.",
)
'''
_ENTRY_POINTS = f"""[c2c.crm]
{KIND} = ledgerline_c2c:CONNECTOR
broken = ledgerline_c2c:NOTHING_OF_THAT_NAME
"""


def install(folder: Path) -> Path:
    """Put the package and what an installation records of it there; the folder is to be on the
    path. It also names a connector that is not there."""
    (folder / "ledgerline_c2c.py").write_text(_MODULE)
    record = folder / "ledgerline_c2c-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: ledgerline-c2c\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder


def tables(**more: str) -> dict[str, object]:
    """Its configuration under the name `emea`, a key of digits and a secret for webhooks."""
    common = {"legal_entity": "northwind", "closed_since": "2026-01-01", "region": "Antwerp"}
    secrets = {"api_key": "0042", "webhook_secrets": ["s3cret"]}
    return {"emea": {"kind": KIND, **common, **secrets, **more}}
