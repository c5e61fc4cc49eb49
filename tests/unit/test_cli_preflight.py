"""The check of Odoo: each thing that can be missing is named, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from activities.odoo.requirements import NEEDS
from contracts.figures import FiguresRequest
from contracts.problems import Problem
from contracts.retention import RetentionDue
from contracts.sweeps import ConnectorSweep
from gateways.connectors import Group
from gateways.crm import hubspot
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from sandbox import __file__ as sandbox_file
from starters import preflight, schedules
from starters.findings import Finding, Verdict
from wiring.settings import ConfigurationError, Settings, load_settings
from workflows.burn_sweep import BurnSweepWorkflow
from workflows.figures import FiguresWorkflow
from workflows.sweeps import CrmSweepWorkflow, OdooSweepWorkflow
from workflows.timesheet_sweep import TimesheetSweepWorkflow

UK = "northwind-uk"
SERVICES = {"BUILD": "milestones", "DEVELOPMENT": "timesheet", "RETAINER": "manual"}


class Fake:
    """A transport that answers by model and method; everything is there unless told otherwise."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {
            "res.company": [{"id": 1, "currency_id": [1, "EUR"]}],
            "account.payment.term": [{"id": 1, "name": "30 Days"}],
            "product.pricelist": [{"id": 1, "currency_id": [1, "EUR"]}],
            "product.product": [
                {"id": number, "default_code": code, "service_type": kind}
                for number, (code, kind) in enumerate(SERVICES.items(), start=1)
            ],
            "account.account": [{"id": 1, "code": "650000"}],
            "account.journal": [{"id": 1, "name": "Bank"}],
            "account.payment.method.line": [{"id": 1}],
            "ir.module.module": [{"id": 1, "latest_version": "19.0.1.3"}],
        }
        self.errors: dict[tuple[str, str], GatewayError] = {}
        self.refused: set[tuple[str, str]] = set()
        self.fields: dict[str, list[str]] = {}
        self.types: dict[str, str] = {"x_approved": "boolean"}

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        if (model, method) in self.errors:
            raise self.errors[model, method]
        match method:
            case "search_read":
                return self.rows.get(model, [])
            case "has_access":
                return (model, arguments["operation"]) not in self.refused
            case "fields_get":
                names = self.fields.get(model, list(self.types))
                return {name: {"type": self.types.get(name, "char")} for name in names}
        return {}

    def close(self) -> None:
        pass


def _error(code: str, kind: FailureKind = FailureKind.BUSINESS) -> GatewayError:
    return GatewayError(kind, system="odoo", code=code, message=f"it says {code}")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("C2C_CONFIG", sandbox_file.replace("__init__.py", "c2c.toml"))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "key")
    monkeypatch.delenv("C2C_ODOO__API_KEY_FILE", raising=False)
    settings = load_settings()
    # One is enough to see what each of them is asked for.
    return settings.model_copy(update={"entities": {"northwind": settings.entities["northwind"]}})


async def _lacking(fake: Fake, settings: Settings) -> list[Finding]:
    found = await preflight.check_odoo(OdooClient(fake), settings)
    return [item for item in found if item.verdict is not Verdict.OK]


async def test_nothing_missing(settings: Settings) -> None:
    found = await preflight.check_odoo(OdooClient(Fake()), settings)
    assert preflight.is_ready(found)
    assert all(item.verdict is Verdict.OK for item in found)
    assert "19.0.1.3" in found[0].detail


async def test_an_odoo_that_is_spoken_to_in_clear_text_is_said(settings: Settings) -> None:
    named = {"url": "http://odoo:8069", "plain_http_hosts": ("odoo",)}
    odoo = settings.odoo.model_copy(update=named)
    [finding] = await _lacking(Fake(), settings.model_copy(update={"odoo": odoo}))
    assert finding.verdict is Verdict.WARN
    assert "clear text" in finding.detail


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("unreachable", "odoo.url"),
        ("api_key_refused", "API key"),
        ("secret_missing", "C2C_ODOO__API_KEY"),
        ("database_unknown", "odoo.database"),
        ("unexpected_answer", "jsonrpc"),
    ],
)
async def test_an_odoo_that_cannot_be_used(settings: Settings, code: str, remedy: str) -> None:
    fake = Fake()
    fake.errors["res.users", "context_get"] = _error(code)
    [finding] = await preflight.check_odoo(OdooClient(fake), settings)
    assert finding.verdict is Verdict.MISSING
    assert remedy in finding.remedy


async def test_a_missing_module_names_itself(settings: Settings) -> None:
    fake = Fake()
    fake.errors["project.milestone", "search_read"] = _error("module_missing")
    [finding] = await _lacking(fake, settings)
    assert finding.subject == "project.milestone"
    assert "sale_project" in finding.remedy


async def test_missing_fields_are_named(settings: Settings) -> None:
    fake = Fake()
    fake.errors["sale.order", "search_read"] = _error("field_unknown")
    fake.fields["sale.order"] = [
        name for name in NEEDS["sale.order"].fields if name != "project_id"
    ]
    [finding] = await _lacking(fake, settings)
    assert finding.detail == "no field project_id"


async def test_missing_rights_name_the_group(settings: Settings) -> None:
    fake = Fake()
    fake.refused = {("account.move", "create"), ("account.move", "write")}
    fake.errors["mail.message", "search_read"] = _error("access_denied")
    move, message = await _lacking(fake, settings)
    assert move.detail == "the user may not create or write"
    assert "Accounting / Invoicing" in move.remedy
    assert "may not read" in message.detail


async def test_an_odoo_that_does_not_tell_rights_is_warned_about(settings: Settings) -> None:
    fake = Fake()
    unknown = _error("unknown_method", FailureKind.DEFECT)
    fake.errors["sale.order", "has_access"] = unknown
    fake.errors["sale.order", "check_access_rights"] = unknown
    [finding] = await _lacking(fake, settings)
    assert finding.verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("model", "rows", "subject", "told"),
    [
        ("res.company", [], "company", "no company Northwind Consulting"),
        ("res.company", [{"id": 1}, {"id": 2}], "company", "several companies"),
        ("account.payment.term", [], "payment term", "no payment term 30 Days"),
        ("product.pricelist", [], "price lists", "no price list in EUR"),
        (
            "product.pricelist",
            [{"id": 1, "currency_id": [2, "USD"]}],
            "price lists",
            "no price list in EUR, only in USD",
        ),
        ("product.product", [], "services", "internal reference"),
        ("account.journal", [], "bank journal", "the company has none"),
    ],
)
async def test_what_a_legal_entity_lacks(
    settings: Settings, model: str, rows: list[dict[str, Any]], subject: str, told: str
) -> None:
    fake = Fake()
    fake.rows[model] = rows
    # Without any journal there is none for losses either.
    found = await _lacking(fake, settings)
    [finding] = [item for item in found if item.subject != "write-offs"]
    assert (finding.area, finding.subject) == ("Entity northwind", subject)
    assert finding.verdict is Verdict.MISSING
    assert told in finding.detail
    assert finding.remedy


async def test_what_a_person_should_look_at(settings: Settings) -> None:
    fake = Fake()
    build = {"default_code": "BUILD", "service_type": "milestones"}
    fake.rows["product.product"] = [{"id": number, **build} for number in (1, 2)]
    fake.rows["account.payment.method.line"] = []
    found = await _lacking(fake, settings)
    assert [item.subject for item in found] == [
        "services",
        "services: timesheet",
        "services: manual",
        "payments",
    ]
    assert "hours" in found[1].remedy
    assert "retainers" in found[2].remedy
    assert preflight.is_ready(found)


@pytest.mark.parametrize(
    ("types", "told"),
    [
        ({"validated": "boolean"}, "no field x_approved"),
        ({"x_approved": "char"}, "x_approved is char, not boolean"),
        ({}, "did not say which fields"),
    ],
)
async def test_how_timesheets_are_approved_is_looked_at(
    settings: Settings, types: dict[str, str], told: str
) -> None:
    fake = Fake()
    fake.types = types
    [finding] = await _lacking(fake, settings)
    assert finding.subject == "approved timesheets"
    assert finding.verdict is Verdict.WARN
    assert told in finding.detail
    assert "x_approved" in finding.remedy


@pytest.mark.parametrize(
    ("model", "rows", "told"),
    [
        ("account.account", [], "the company has 0 accounts 650000"),
        ("account.account", [{"id": 1}, {"id": 2}], "the company has 2 accounts 650000"),
    ],
)
async def test_where_losses_are_booked_must_be_there(
    settings: Settings, model: str, rows: list[dict[str, Any]], told: str
) -> None:
    fake = Fake()
    fake.rows[model] = rows
    [finding] = await _lacking(fake, settings)
    assert (finding.subject, finding.verdict) == ("write-offs", Verdict.MISSING)
    assert told in finding.detail
    assert "write_off_account" in finding.remedy


async def test_each_legal_entity_is_looked_at(settings: Settings) -> None:
    one = settings.entities["northwind"]
    two = {"northwind": one, "other": one.model_copy(update={"odoo_company": "Other"})}
    fake = Fake()
    fake.rows["res.company"] = []
    found = await _lacking(fake, settings.model_copy(update={"entities": two}))
    told = [(item.area, item.verdict) for item in found if item.subject == "company"]
    assert told == [("Entity northwind", Verdict.MISSING), ("Entity other", Verdict.MISSING)]


async def test_losses_need_a_journal(settings: Settings) -> None:
    fake = Fake()
    fake.rows["account.journal"] = []
    found = {item.subject: item for item in await _lacking(fake, settings)}
    assert found["write-offs"].detail == "no general journal"


async def test_without_an_account_for_losses_nothing_is_missing(settings: Settings) -> None:
    entity = settings.entities["northwind"].model_copy(update={"write_off_account": ""})
    without = settings.model_copy(update={"entities": {"northwind": entity}})
    fake = Fake()
    fake.rows["account.account"] = []
    found = await preflight.check_odoo(OdooClient(fake), without)
    assert preflight.is_ready(found)
    assert any("cannot be asked for" in item.detail for item in found)


async def test_what_only_some_contracts_need_is_for_a_person_to_judge(settings: Settings) -> None:
    fake = Fake()
    fake.errors["hr.expense", "search_read"] = _error("module_missing")
    [finding] = await _lacking(fake, settings)
    assert finding.verdict is Verdict.WARN
    assert "hr_expense" in finding.remedy
    assert "only contracts that bill expenses on need it" in finding.remedy


OPPORTUNITIES = {"legal_entity": "northwind", "closed_since": "2026-01-01"}
PORTAL = {**OPPORTUNITIES, "kind": "hubspot", "api_key": "key"}


def test_a_time_system_is_looked_through_in_its_entity_s_zone(settings: Settings) -> None:
    harvest = {"legal_entity": UK, "account_id": "1", "api_key": "k"}
    [*_, found] = schedules.sweeps(load_settings(timesheets={"harvest": harvest}))
    assert (found.id, found.workflow) == (
        "c2c-timesheets-sweep-harvest",
        TimesheetSweepWorkflow.__name__,
    )
    assert (found.every, found.time_zone) == (timedelta(minutes=5), "Europe/London")


def test_sweeps_follow_the_configuration(settings: Settings) -> None:
    assert [item.id for item in schedules.sweeps(settings)] == [
        "c2c-odoo-sweep",
        "c2c-burn-sweep",
        *(f"c2c-figures-{name}" for name in settings.entities),
    ]
    crm = {"odoo-crm": OPPORTUNITIES, "emea": PORTAL, "uk": {**PORTAL, "legal_entity": UK}}
    found = schedules.sweeps(load_settings(crm=crm))
    figures = [item for item in found if item.workflow == FiguresWorkflow.__name__]
    assert [item.argument for item in figures] == [
        FiguresRequest(legal_entity=name, time_zone=entity.time_zone)
        for name, entity in load_settings(crm=crm).entities.items()
    ]
    found = [item for item in found if item not in figures]
    assert [(item.id, item.workflow) for item in found] == [
        ("c2c-odoo-sweep", OdooSweepWorkflow.__name__),
        ("c2c-burn-sweep", BurnSweepWorkflow.__name__),
        ("c2c-crm-sweep-odoo-crm", CrmSweepWorkflow.__name__),
        ("c2c-crm-sweep-emea", CrmSweepWorkflow.__name__),
        ("c2c-crm-sweep-uk", CrmSweepWorkflow.__name__),
    ]
    declared = hubspot.CONNECTOR.sweep
    assert declared is not None
    assert found[4].argument == ConnectorSweep(
        system="uk",
        legal_entity=UK,
        overlap=declared.overlap,
        nightly=declared.nightly,
        time_zone="Europe/London",
    )
    assert [item.time_zone for item in found[::4]] == ["UTC", "Europe/London"]


def test_rules_of_retention_are_applied_daily_by_a_schedule_of_each_entity_that_has_some(
    settings: Settings, tmp_path: Path
) -> None:
    rules = {"decodes_days": 30, "entities": {UK: {"keys_days": 30}, "northwind": {}}}
    found = {
        item.id: (item.argument, item.every)
        for item in schedules.sweeps(
            load_settings(retention=rules, records={"folder": str(tmp_path)})
        )
        if item.id.startswith(schedules.RETENTION)
    }
    assert found == {
        f"c2c-retention-{UK}": (
            RetentionDue(legal_entity=UK, time_zone="Europe/London"),
            timedelta(days=1),
        ),
        "c2c-retention": (RetentionDue(), timedelta(days=1)),
    }
    for wrong, where in (
        ({"retention": rules}, "records"),
        ({"retention": {"entities": {"unknown": {}}}}, r"retention\.entities\.unknown"),
    ):
        with pytest.raises(ConfigurationError, match=where):
            load_settings(**wrong)


def test_each_sweep_that_an_outage_kept_from_starting_is_made_up_for(settings: Settings) -> None:
    """The last time that was missed lies within its interval. One that is soon due again ends by
    itself; a daily one waits for a remote that is away for hours."""
    odoo, burn, *_ = schedules.sweeps(settings)
    assert (odoo.every, odoo.catch_up) == (timedelta(minutes=1), timedelta(minutes=1))
    assert (burn.every, burn.catch_up) == (timedelta(days=1), timedelta(days=1))
    assert (odoo.ends_within, burn.ends_within) == (timedelta(minutes=30), timedelta(days=1))
    soon = load_settings(sweeps={"odoo_seconds": 5})
    assert schedules.sweeps(soon)[0].catch_up == timedelta(minutes=1)


async def test_what_a_connector_lacks_is_told_with_its_name(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = Problem(code="crm_property_missing", field="deals.c2c_stage", expected="a property")
    refuses = _error("credentials_refused", FailureKind.CREDENTIALS)

    def refuse() -> list[Problem]:
        raise refuses

    gateways = {
        "fine": SimpleNamespace(system="fine", missing_setup=list),
        "emea": SimpleNamespace(system="emea", missing_setup=lambda: [lacks]),
        "uk": SimpleNamespace(system="uk", missing_setup=refuse),
    }
    of_group = {Group.CRM: gateways}
    monkeypatch.setattr("wiring.remotes.built", lambda _, group, __: of_group.get(group, {}))
    crm = {name: PORTAL for name in gateways}
    found = await preflight.check_connectors(load_settings(crm=crm), OdooClient(Fake()))
    assert [(item.area, item.subject, item.verdict) for item in found] == [
        ("CRM fine", "access and setup", Verdict.OK),
        ("CRM emea", "deals.c2c_stage", Verdict.MISSING),
        ("CRM uk", "access", Verdict.MISSING),
    ]
    assert "crm.uk" in found[2].remedy


async def test_a_connector_that_cannot_be_built_is_told_by_its_place(settings: Settings) -> None:
    crm = {"emea": {**PORTAL, "url": "http://crm.example"}}
    [finding] = await preflight.check_connectors(load_settings(crm=crm), OdooClient(Fake()))
    assert finding.verdict is Verdict.MISSING
    assert finding.detail.startswith("crm.emea: ")
