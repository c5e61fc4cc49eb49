"""A connector of another package is found, configured, listed, checked and swept, and its webhooks
are received, without a change here."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.events import ForDeal
from contracts.sweeps import ConnectorSweep
from gateways import connectors
from gateways.connectors import Group
from sandbox.stack import CONFIG
from starters import schedules
from starters.connectors import installed
from starters.web.senders import senders
from tests import foreign
from tests.unit.web.conftest import opened
from wiring import remotes
from wiring.settings import ConfigurationError, Settings, WebSettings, load_settings


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """It is installed in this process."""
    monkeypatch.syspath_prepend(foreign.install(tmp_path))
    importlib.invalidate_caches()
    connectors._entry_points.cache_clear()
    yield tmp_path
    connectors._entry_points.cache_clear()
    sys.modules.pop("ledgerline_c2c", None)


@pytest.fixture
def settings(package: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "key")
    return load_settings(crm=foreign.tables())


def test_it_is_configured_as_it_declares_and_built_with_its_surroundings(
    settings: Settings,
) -> None:
    [(name, crm)] = remotes.gateways(settings, remotes.odoo(settings)).crm.items()
    assert (name, crm.system) == ("emea", "emea")
    assert crm.read_contract("7") == {
        "title": "Deal 7 of Antwerp, Europe/Brussels",
        "source": {"system": "emea", "id": "7"},
    }


def test_several_of_one_kind_are_built_each_with_its_legal_entity(settings: Settings) -> None:
    tables = foreign.tables()
    uk = foreign.tables(legal_entity="northwind-uk", region="Leeds")
    both = load_settings(crm={**tables, "uk": uk["emea"]})
    found = remotes.gateways(both, remotes.odoo(both)).crm
    assert {name: crm.read_contract("7")["title"] for name, crm in found.items()} == {
        "emea": "Deal 7 of Antwerp, Europe/Brussels",
        "uk": "Deal 7 of Leeds, Europe/London",
    }


def test_every_problem_of_its_table_is_told_at_once_by_its_place(settings: Settings) -> None:
    tables: dict[str, Any] = foreign.tables(legal_entity="nobody", signature="none", colour="red")
    del tables["emea"]["region"]
    tables["uk"] = {"kind": "ledger"}
    tables["us"] = {"kind": "broken"}
    with pytest.raises(ConfigurationError) as refused:
        load_settings(crm=tables)
    told = dict(line.split(": ", 1) for line in str(refused.value).splitlines()[1:])
    assert {place.strip() for place in told} == {
        "crm.emea.legal_entity",
        "crm.emea.signature",
        "crm.emea.region",
        "crm.emea.colour",
        "crm.uk.kind",
        "crm.us.kind",
    }
    assert {"broken", "hubspot", "ledgerline"} <= set(re.findall(r"[\w-]+", told["  crm.uk.kind"]))
    assert "NOTHING_OF_THAT_NAME" in told["  crm.us.kind"]


def test_it_is_swept_with_its_overlap_in_its_legal_entitys_zone(settings: Settings) -> None:
    found = {item.id: item.argument for item in schedules.sweeps(settings)}
    assert found["c2c-crm-sweep-emea"] == ConnectorSweep(
        system="emea",
        legal_entity="northwind",
        overlap=timedelta(minutes=15),
        nightly=timedelta(days=2),
        time_zone="Europe/Brussels",
    )


def test_it_is_listed_also_where_its_declaration_is_broken(settings: Settings) -> None:
    web = settings.model_copy(update={"web": WebSettings(public_url="https://c2c.example/")})
    found = {(item.group, item.kind): item for item in installed(web)}
    ours = found["crm", foreign.KIND]
    assert (ours.about, ours.configured) == ("won deals of Ledgerline", ("emea",))
    assert ours.webhooks == ("https://c2c.example/webhooks/emea",)
    assert ours.sweep == "every 5 min, 15 min back, 2 d once a day"
    assert ours.not_tried == "Never tried: nobody has an account."
    assert found["crm", "hubspot"].configured == ()
    assert "NOTHING_OF_THAT_NAME" in found["crm", "broken"].error


async def test_its_webhooks_are_received_under_its_name_and_answered_with_its_text(
    settings: Settings,
) -> None:
    body = b"7001"
    headers = {"Webhook-Signature": hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()}
    async with opened(settings.web, senders(settings)) as gateway:
        answer = await gateway.post("emea", body, headers)
        refused = await gateway.post("emea", b"7002", headers)
    assert (answer.status_code, answer.text) == (200, "Thank you, Ledgerline")
    assert refused.status_code == 401
    [event] = gateway.temporal.kept.values()
    assert event.source == "emea"
    assert event.task == ForDeal(system="emea", deal_id="7001", legal_entity="northwind")


def c2c(folder: Path, *line: str) -> tuple[int, Any]:
    """A line of the command where the package is installed; neither Temporal nor Odoo answers."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)]),
        "C2C_CONFIG": str(CONFIG),
        "C2C_ODOO__URL": "http://127.0.0.1:1",
        "C2C_ODOO__API_KEY": "key",
        "C2C_CRM": json.dumps(foreign.tables()),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "starters", "--json", *line],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout)


@pytest.mark.long
def test_the_command_lists_and_checks_it_and_reads_its_deals(tmp_path: Path) -> None:
    folder = foreign.install(tmp_path)
    code, listed = c2c(folder, "connectors")
    assert code == 0
    [item] = [item for item in listed if item["kind"] == foreign.KIND]
    assert (item["configured"], item["webhooks"]) == (["emea"], ["/webhooks/emea"])
    _, checked = c2c(folder, "check")
    lacks = [item for item in checked["findings"] if item["area"] == "CRM emea"]
    assert [(item["subject"], item["verdict"]) for item in lacks] == [("deal.stage", "missing")]
    assert "c2c setup --connectors" in lacks[0]["remedy"]
    _, dry = c2c(folder, "contract", "start", "--deal", "7", "--crm", "emea", "--dry-run", "--park")
    assert dry["contract"] == "northwind/emea-7"
    assert dry["contract_data"]["title"] == "Deal 7 of Antwerp, Europe/Brussels"


def test_each_group_has_a_label_and_a_table_of_the_configuration() -> None:
    for group in Group:
        assert group.label
        assert group.section in Settings.model_fields
