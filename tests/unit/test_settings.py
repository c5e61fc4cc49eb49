"""What the configuration says of Odoo's limits where nothing is stated, and of connectors."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateways.crm.hubspot import HubSpotSettings
from sandbox.stack import CONFIG
from wiring.settings import ConfigurationError, OdooSettings, load_settings


def odoo(url: str, **stated: Any) -> OdooSettings:
    return OdooSettings.model_validate({"url": url, "database": "firm", "api_key": "k", **stated})


@pytest.mark.parametrize(
    ("url", "limits"),
    [
        ("https://firm.odoo.com", (1, 1)),
        ("https://FIRM.Odoo.com/", (1, 1)),
        ("https://firm-staging-1.dev.odoo.com:443", (1, 1)),
        ("https://erp.firm.example", (None, 4)),
        ("https://odoo.com.firm.example", (None, 4)),
        ("https://notodoo.com", (None, 4)),
        ("http://localhost:8069", (None, 4)),
    ],
)
def test_a_hosted_odoo_is_spared(url: str, limits: tuple[float | None, int]) -> None:
    settings = odoo(url)
    assert (settings.calls_per_second, settings.calls_at_once) == limits


def test_what_is_stated_counts_on_a_hosted_odoo_too() -> None:
    settings = odoo("https://firm.odoo.com", calls_per_second=5)
    assert (settings.calls_per_second, settings.calls_at_once) == (5, 1)
    settings = odoo("https://firm.odoo.com", calls_at_once=3)
    assert (settings.calls_per_second, settings.calls_at_once) == (1, 3)


@pytest.mark.parametrize(
    ("url", "hosts", "is_so"),
    [
        ("http://odoo:8069", ["odoo"], True),
        ("https://odoo", ["odoo"], False),
        ("http://localhost:8069", ["localhost"], False),
        ("http://odoo.example.com", ["odoo"], False),
    ],
)
def test_plain_http_beyond_this_machine_is_known(url: str, hosts: list[str], is_so: bool) -> None:
    assert odoo(url, plain_http_hosts=hosts).is_in_clear_text is is_so


@pytest.mark.parametrize("host", ["*", "*.svc", "http://odoo", "odoo:8069", "ODOO", ""])
def test_only_whole_names_of_hosts_are_named_for_plain_http(host: str) -> None:
    with pytest.raises(ValidationError, match="plain_http_hosts"):
        odoo("http://odoo:8069", plain_http_hosts=[host])


@pytest.mark.parametrize("stated", [{"calls_at_once": 0}, {"calls_at_once": 33}, {"batch_size": 0}])
def test_limits_out_of_bounds_are_refused(stated: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        odoo("https://erp.firm.example", **stated)


@pytest.mark.parametrize("content", [b"entities = [", b"\xff\xfe", b'worker = "many"'])
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = tmp_path / "c2c.toml"
    file.write_bytes(content)
    monkeypatch.setenv("C2C_CONFIG", str(file))
    with pytest.raises(ConfigurationError, match=re.escape(str(file))):
        load_settings()


HARVEST = {"kind": "harvest", "legal_entity": "northwind", "account_id": "1", "api_key": "k"}
PORTAL = {"kind": "hubspot", "legal_entity": "northwind", "closed_since": "2026-01-01"}


@pytest.fixture
def firm(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a firm that has no connector yet."""
    monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "key")
    return monkeypatch


def test_a_connector_may_come_from_the_environment_alone(firm: pytest.MonkeyPatch) -> None:
    firm.setenv("C2C_CRM__EMEA__KIND", "hubspot")
    firm.setenv("C2C_CRM__EMEA__LEGAL_ENTITY", "northwind")
    firm.setenv("C2C_CRM__EMEA__CLOSED_SINCE", "2026-01-01")
    firm.setenv("C2C_CRM__EMEA__API_KEY", "0042")
    firm.setenv("C2C_CRM__EMEA__WEBHOOK_SECRETS", '["first", "second"]')
    [(name, crm)] = load_settings().crm.items()
    assert isinstance(crm, HubSpotSettings)
    assert (name, crm.kind, crm.closed_since) == ("emea", "hubspot", date(2026, 1, 1))
    assert crm.secret.reveal() == "0042", "a key of digits stays as it is"
    assert [item.reveal() for item in crm.all_webhook_secrets] == ["first", "second"]


def test_a_connector_is_of_the_kind_of_its_name_and_several_may_be_of_one(
    firm: pytest.MonkeyPatch,
) -> None:
    by_name = {name: value for name, value in PORTAL.items() if name != "kind"}
    crm = {
        "hubspot": {**by_name, "api_key": "k"},
        "uk": {**PORTAL, "legal_entity": "northwind-uk", "api_key": "k"},
    }
    found = load_settings(crm=crm).crm
    assert {name: (item.kind, item.legal_entity) for name, item in found.items()} == {
        "hubspot": ("hubspot", "northwind"),
        "uk": ("hubspot", "northwind-uk"),
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"crm": {"a": {**PORTAL, "legal_entity": "nobody"}}}, "crm.a.legal_entity: expected one"),
        ({"crm": {"a": {**PORTAL, "closed_since": "soon"}}}, "crm.a.closed_since: expected a date"),
        ({"crm": {"a": {**PORTAL, "signature": "b"}}}, "crm.a.signature: expected one of esign"),
        ({"crm": {"a": {**PORTAL, "colour": "red"}}}, "crm.a.colour: expected no such field"),
        ({"crm": {"a": {**PORTAL, "kind": "x"}}}, "expected one of the installed kinds"),
        ({"crm": {"a": "hubspot"}}, "crm.a: expected an object"),
        ({"crm": ["hubspot"]}, "crm: expected an object"),
        (
            {"timesheets": {"h": {**HARVEST, "projects": {"7": "C-1"}}}},
            'timesheets.h.projects.7: expected such as "C-1001/dev"',
        ),
        ({"timesheets": {"h": {**HARVEST, "people": {"7": "x"}}}}, "timesheets.h.people.7"),
        ({"timesheets": {"h": {**HARVEST, "legal_entity": "nobody"}}}, "timesheets.h.legal_entity"),
        (
            {
                "crm": {"a": {**PORTAL, "api_key": "k"}},
                "sender": {"a": {"kind": "events", "webhook_secrets": ["s"]}},
            },
            "sender.a: expected a name of its own: there is crm.a, too",
        ),
        ({"default_entity": "nobody"}, "default_entity: expected one of entities"),
    ],
)
def test_what_is_wrong_with_a_connector_is_told_by_its_place(
    firm: pytest.MonkeyPatch, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        load_settings(**given)
