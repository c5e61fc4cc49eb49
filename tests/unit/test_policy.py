"""A legal entity's rules as configuration states them."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import sandbox
from activities.policies import Policies, PolicyRequest
from contracts.approvals import ApprovalKind, ApprovalRound, Subject
from contracts.money import Money
from contracts.policy import EntityPolicy, LegalEntity
from tests.unit.examples import MONDAY, approval_policy, dunning_policy, policy, weekdays
from wiring.config_file import CONFIG_VARIABLE
from wiring.settings import ConfigurationError, load_settings

SHIPPED = Path(sandbox.__file__).parent / "c2c.toml"


def entity(**changes: Any) -> LegalEntity:
    fields: dict[str, Any] = {
        "odoo_company": "Northwind Consulting",
        "country": "BE",
        "time_zone": "Europe/Brussels",
        "payment_term": "30 Days",
        "approval": approval_policy.model_dump(mode="json"),
        "dunning": dunning_policy.model_dump(mode="json"),
    }
    return LegalEntity.model_validate(fields | changes)


def shipped() -> dict[str, LegalEntity]:
    return {
        name: LegalEntity.model_validate(fields)
        for name, fields in tomllib.loads(SHIPPED.read_text())["entities"].items()
    }


def begun(entity: LegalEntity, kind: ApprovalKind, amount: str, as_planned: bool) -> ApprovalRound:
    about = Subject(
        kind=kind,
        title="it",
        amount=Money.parse(amount),
        content_hash="0" * 64,
        as_planned=as_planned,
    )
    return ApprovalRound.begin(entity.approval, weekdays, about, MONDAY)


@pytest.mark.parametrize(
    ("kind", "amount", "as_planned", "groups"),
    [
        (ApprovalKind.INVOICE, "50.00 EUR", True, []),
        (ApprovalKind.INVOICE, "50.00 EUR", False, ["finance"]),
        (ApprovalKind.INVOICE, "50.01 EUR", True, ["finance"]),
        (ApprovalKind.CREDIT_NOTE, "10000.00 EUR", True, ["finance"]),
        (ApprovalKind.CHANGE_ORDER, "10000.01 EUR", True, ["directors", "directors"]),
        (ApprovalKind.WRITE_OFF, "0.01 EUR", True, ["finance", "directors"]),
        (ApprovalKind.INVOICE, "0.01 CHF", True, ["directors", "directors"]),
    ],
)
def test_the_configuration_that_is_shipped_asks_whom_it_should(
    kind: ApprovalKind, amount: str, as_planned: bool, groups: list[str]
) -> None:
    found = begun(shipped()["northwind"], kind, amount, as_planned)
    assert [needed.group for needed in found.requirement.required] == groups


def test_the_configuration_that_is_shipped_can_dun_and_write_off() -> None:
    assert shipped()
    for read in shipped().values():
        assert read.dunning.steps
        assert read.write_off_account


# --- configuration files ----------------------------------------------------------------------


def configured(
    monkeypatch: pytest.MonkeyPatch, folder: Path, old: str = "", new: str = ""
) -> dict[str, LegalEntity]:
    """The legal entities of the shipped configuration with one text replaced."""
    text = SHIPPED.read_text()
    assert old in text
    file = folder / "c2c.toml"
    file.write_text(text.replace(old, new, 1))
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "not-a-key")
    return dict(load_settings().entities)


def test_delegations_are_written_as_the_shipped_file_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    example = SHIPPED.read_text().split("# delegations = [\n", 1)[1].split("# ]\n", 1)[0]
    commented = f"# delegations = [\n{example}# ]\n"
    read = configured(monkeypatch, tmp_path, commented, commented.replace("# ", ""))
    [delegation] = read["northwind"].approval.delegations
    assert (delegation.since, delegation.until) == (date(2026, 8, 3), date(2026, 8, 14))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('["50.00 EUR"]', '["50.00 EUR", "60.00 EUR"]', "two limits in EUR"),
        ('["50.00 EUR"]', '["0.00 EUR"]', "must be above zero"),
        ('second_group = "directors"', 'second_group = "board"', "'board' is not among groups"),
        ('kinds = ["write_off"]', 'kinds = ["refund"]', "write_off"),
        (
            '{ group = "directors", approvals = 2 }',
            '{ up_to = "20000.00 EUR", group = "directors" }',
            "must have neither up_to nor customers",
        ),
    ],
)
def test_rules_that_cannot_be_followed_are_refused_when_they_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, told: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured(monkeypatch, tmp_path, old, new)
    assert "entities.northwind.approval" in str(refused.value)
    assert told in str(refused.value)


def test_the_field_that_approves_hours_is_one_field(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configured(monkeypatch, tmp_path)
    assert load_settings().odoo.time_approved_field == "x_approved"
    with pytest.raises(ConfigurationError, match="time_approved_field"):
        configured(monkeypatch, tmp_path, '"x_approved"', '"task_id.x_approved"')
    configured(monkeypatch, tmp_path, 'time_approved_field = "x_approved"', "")
    assert load_settings().odoo.time_approved_field == "validated"


# --- legal entities ---------------------------------------------------------------------------


def test_what_a_workflow_freezes_is_the_entitys_rules_with_its_holidays() -> None:
    read = entity(write_off_account="650000")
    request = PolicyRequest(legal_entity="northwind", today=date(2026, 3, 2))
    frozen = Policies({"northwind": read}).entity_policy(request)
    assert frozen.write_off_account == "650000"
    assert frozen.calendar.time_zone == "Europe/Brussels"
    assert not frozen.calendar.is_business_day(date(2026, 7, 21))  # Belgium's national day
    assert EntityPolicy.model_validate_json(frozen.model_dump_json()).approval == approval_policy


@pytest.mark.parametrize("zone", ["Europe/Brussels", "UTC", "Pacific/Auckland"])
def test_a_time_zone_is_one_of_ianas(zone: str) -> None:
    assert entity(time_zone=zone).time_zone == zone


@pytest.mark.parametrize(
    "zone", ["", "Brussels", "Europe/Atlantis", "Europe", "../etc/passwd", "\x00", "x" * 5000]
)
def test_another_time_zone_is_refused_in_words(zone: str) -> None:
    with pytest.raises(ValidationError, match="not an IANA name"):
        entity(time_zone=zone)


@pytest.mark.parametrize(
    "changes",
    [
        {"country": "Belgium"},
        {"currency": "EUR"},
        {"approval": {}},
        {"dunning": {"steps": []}},
        {"odoo_company": None},
    ],
)
def test_a_rule_that_is_missing_wrong_or_unheard_of_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        entity(**changes)


def test_a_frozen_policy_survives_json_with_its_holidays() -> None:
    calendar = policy.calendar.model_copy(update={"holidays": (MONDAY,)})
    frozen = policy.model_copy(update={"calendar": calendar})
    read = EntityPolicy.model_validate_json(frozen.model_dump_json())
    assert read == frozen
    assert not read.calendar.is_business_day(MONDAY)
