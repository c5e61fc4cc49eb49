"""The configuration of senders: what they sign with, and whose contracts they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.stack import CONFIG
from starters.findings import Verdict
from starters.web import checks
from starters.web.senders import senders
from wiring.settings import ConfigurationError, Settings, load_settings


def configured(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Settings:
    monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "key")
    return load_settings(**more)


def web(**connectors: dict[str, Any]) -> dict[str, Any]:
    return {"connectors": {name: {"secrets": ["s"]} | item for name, item in connectors.items()}}


def test_a_connector_is_of_the_kind_of_its_name_unless_it_says_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = senders(configured(monkeypatch, web=web(odoo={}, tickets={"kind": "events"})))
    assert {name: item.connector.kind for name, item in found.items()} == {
        "odoo": "odoo",
        "tickets": "events",
    }


@pytest.mark.parametrize(
    ("connectors", "why"),
    [
        ({"tickets": {}}, "kind 'tickets' is none of events, hubspot, odoo"),
        ({"hubspot": {}}, "needs crm.hubspot"),
    ],
)
def test_what_cannot_work_is_refused_before_it_serves(
    monkeypatch: pytest.MonkeyPatch, connectors: Any, why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why):
        senders(configured(monkeypatch, web=web(**connectors)))


def test_hubspot_signs_our_address_and_its_deals_have_a_legal_entity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    portal = {"legal_entity": "northwind", "closed_since": "2026-01-01", "api_key": "k"}
    given = {"crm": {"hubspot": portal}, "web": web(hubspot={})}
    with pytest.raises(ConfigurationError, match="public_url"):
        senders(configured(monkeypatch, **given))
    given["web"]["public_url"] = "https://c2c.example"
    assert senders(configured(monkeypatch, **given))["hubspot"].legal_entity == "northwind"


@pytest.mark.parametrize(
    "connectors", [{"odoo": {"secrets": []}}, {"odoo": {"legal_entity": "nobody"}}]
)
def test_the_settings_name_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, connectors: Any
) -> None:
    with pytest.raises(ConfigurationError, match="connectors"):
        configured(monkeypatch, web=web(**connectors))


def test_a_secret_file_is_read_again_and_a_missing_one_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    item = {"secrets": [], "secret_files": [str(tmp_path / "none"), str(file)]}
    [sender] = senders(configured(monkeypatch, web=web(odoo=item))).values()
    assert sender.revealed() == []
    file.write_text("first\n")
    assert sender.revealed() == ["first"]
    file.write_text("the second\n")
    assert sender.revealed() == ["the second"]


def test_the_check_names_senders_whose_secrets_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, none = tmp_path / "secret", str(tmp_path / "none")
    file.write_text("s")
    given = {
        "good": {"secret_files": [str(file)]},
        "half": {"secret_files": [str(file), none]},
        "bad": {"secret_files": [none]},
    }
    items = {name: {"kind": "odoo", "secrets": []} | item for name, item in given.items()}
    found = checks.check(configured(monkeypatch, web=web(**items)))
    assert {item.subject: item.verdict for item in found} == {
        "good": Verdict.OK,
        "half": Verdict.WARN,
        "bad": Verdict.MISSING,
    }
    [wrong] = checks.check(configured(monkeypatch, web=web(tickets={})))
    assert wrong.verdict is Verdict.MISSING
    assert checks.check(configured(monkeypatch)) == []
