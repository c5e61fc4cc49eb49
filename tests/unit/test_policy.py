"""A legal entity's rules as configuration states them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import sandbox
from contracts.money import Money
from contracts.policy import EntityPolicy, LegalEntity
from tests.unit.examples import MONDAY, approval_policy, dunning_policy, policy


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


def test_the_configuration_that_is_shipped_is_one() -> None:
    text = (Path(sandbox.__file__).parent / "c2c.toml").read_text()
    entities = {
        name: LegalEntity.model_validate(fields)
        for name, fields in tomllib.loads(text)["entities"].items()
    }
    assert entities
    for read in entities.values():
        assert read.approval.tier_for(Money("0.01", "EUR")).approvals == 1
        assert read.dunning.steps


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
