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


def sender(**tables: dict[str, Any]) -> dict[str, Any]:
    return {"sender": {name: {"webhook_secrets": ["s"]} | item for name, item in tables.items()}}


def test_a_sender_is_of_the_kind_of_its_name_unless_it_says_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = senders(configured(monkeypatch, **sender(odoo={}, tickets={"kind": "events"})))
    assert {name: item.kind for name, item in found.items()} == {
        "odoo": "odoo",
        "tickets": "events",
    }


PORTAL = {"legal_entity": "northwind", "closed_since": "2026-01-01", "api_key": "k"}


def test_a_crm_that_has_a_secret_sends_for_its_legal_entity_if_we_say_our_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emea = {**PORTAL, "kind": "hubspot", "webhook_secrets": ["s"]}
    given: dict[str, Any] = {"crm": {"emea": emea, "hubspot": PORTAL}}
    with pytest.raises(ConfigurationError, match=r"crm\.emea needs web\.public_url"):
        senders(configured(monkeypatch, **given))
    given["web"] = {"public_url": "https://c2c.example"}
    [(name, found)] = senders(configured(monkeypatch, **given)).items()
    assert (name, found.place, found.legal_entity) == ("emea", "crm.emea", "northwind")


def test_a_secret_for_what_sends_no_webhooks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    opportunities = {"legal_entity": "northwind", "closed_since": "2026-01-01"}
    crm = {"odoo-crm": {**opportunities, "webhook_secrets": ["s"]}}
    with pytest.raises(ConfigurationError, match=r"crm\.odoo-crm has secrets"):
        senders(configured(monkeypatch, crm=crm))


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"webhook_secrets": []}, "sender.odoo"),
        ({"legal_entity": "nobody"}, "sender.odoo.legal_entity"),
        ({"kind": "tickets"}, "sender.odoo.kind"),
    ],
)
def test_the_settings_name_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, table: dict[str, Any], place: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"  {place}: expected"):
        configured(monkeypatch, **sender(odoo=table))


def test_a_secret_file_is_read_again_and_a_missing_one_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    item = {"webhook_secrets": [], "webhook_secret_files": [str(tmp_path / "none"), str(file)]}
    [found] = senders(configured(monkeypatch, **sender(odoo=item))).values()
    assert found.revealed() == []
    file.write_text("first\n")
    assert found.revealed() == ["first"]
    file.write_text("the second\n")
    assert found.revealed() == ["the second"]


def test_the_check_names_senders_whose_secrets_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, none = tmp_path / "secret", str(tmp_path / "none")
    file.write_text("s")
    given = {
        "good": {"webhook_secret_files": [str(file)]},
        "half": {"webhook_secret_files": [str(file), none]},
        "bad": {"webhook_secret_files": [none]},
    }
    items = {name: {"kind": "odoo", "webhook_secrets": []} | item for name, item in given.items()}
    found = checks.check(configured(monkeypatch, **sender(**items)))
    assert {item.subject: item.verdict for item in found} == {
        "good": Verdict.OK,
        "half": Verdict.WARN,
        "bad": Verdict.MISSING,
    }
    wrong_crm = {"hubspot": {**PORTAL, "webhook_secrets": ["s"]}}
    [wrong] = checks.check(configured(monkeypatch, crm=wrong_crm))
    assert wrong.verdict is Verdict.MISSING
    assert checks.check(configured(monkeypatch)) == []
