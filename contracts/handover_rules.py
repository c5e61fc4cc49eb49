"""Rules of a hand-over that span several fields; each looks only at fields that can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

from pydantic import TypeAdapter

from contracts.contract_rules import MONEY, part, read, rows
from contracts.handover import task_keys
from contracts.model import FIRST_DATE, LAST_DATE, Day, JsonObject
from contracts.problems import Problem, finding, show

_DAY: TypeAdapter[Any] = TypeAdapter(Day)


def handover_checks(contract_data: JsonObject) -> Iterator[Problem]:
    """Every finding about the hand-over of contract data."""
    handover = part(contract_data, "handover")
    if handover:
        yield from _services(contract_data, handover)
        yield from _people(contract_data, handover)
        yield from _dates(contract_data, handover)


def _services(contract_data: JsonObject, handover: JsonObject) -> Iterator[Problem]:
    known = [row.get("key") for _, row in rows(contract_data, "services")]
    named = [(index, row, row.get("service")) for index, row in rows(handover, "services")]
    count = Counter(key for _, _, key in named if isinstance(key, str))
    for index, row, key in named:
        path = f"handover.services.{index}"
        if isinstance(key, str) and known and key not in known:
            names = show(", ".join(map(str, known)))
            expected = f"the key of a service of this contract: {names}"
            yield finding("service_unknown", f"{path}.service", key, expected)
        elif isinstance(key, str) and count[key] > 1:
            expected = "a service that no other row of the hand-over names"
            yield finding("key_not_unique", f"{path}.service", key, expected)
        cost = read(MONEY, row.get("cost"), contract_data.get("currency"))
        if cost is not None and cost.amount < 0:
            expected = "a cost of zero or more"
            yield finding("amount_not_positive", f"{path}.cost", str(cost), expected)
        if row.get("cost") is not None and row.get("hours") is None:
            expected = "hours beside the cost: by them the burn is watched"
            yield finding("missing", f"{path}.hours", "", expected)


def _people(contract_data: JsonObject, handover: JsonObject) -> Iterator[Problem]:
    keys = task_keys(contract_data)
    has_template = any(
        row.get("template") for row in (handover, *(row for _, row in rows(handover, "services")))
    )
    seen: set[tuple[Any, Any, Any]] = set()
    for index, row in rows(handover, "people"):
        path = f"handover.people.{index}"
        task, person, role = (row.get(name) or "" for name in ("task", "person", "role"))
        if not (person or role):
            expected = "the e-mail address of a user of Odoo, or a role that is to be filled"
            yield finding("missing", f"{path}.person", "", expected)
        elif not task and not (person and role and has_template and not row.get("hours")):
            expected = "the key of a milestone or plan, or the name of a template's task"
            yield finding("missing", f"{path}.task", "", expected)
        if isinstance(task, str) and task and task not in keys and not has_template:
            expected = f"the key of a milestone or of a plan with hours: {show(', '.join(keys))}"
            yield finding("task_unknown", f"{path}.task", task, expected)
        same = (str(task), str(person).casefold(), "" if person and task else str(role))
        if (person or role) and same in seen:
            expected = "one row for a person, or a role, and a task"
            yield finding("assignment_not_unique", path, person or role, expected)
        seen.add(same)


def _dates(contract_data: JsonObject, handover: JsonObject) -> Iterator[Problem]:
    first_name, first = _first(contract_data)
    last: date | None = read(_DAY, contract_data.get("ends_on"))
    starts: date | None = read(_DAY, handover.get("starts_on"))
    ends: date | None = read(_DAY, handover.get("ends_on"))
    begins = ("handover.starts_on", starts) if starts else (first_name, first)
    for name, day, (not_before, least) in (
        ("handover.starts_on", starts, (first_name, first)),
        ("handover.ends_on", ends, begins),
    ):
        if day is None:
            continue
        if not FIRST_DATE <= day <= LAST_DATE:
            expected = f"a date from {FIRST_DATE} to {LAST_DATE}"
            yield finding("date_out_of_range", name, str(day), expected)
        elif least and day < least:
            expected = f"a date on or after {not_before}, {least}"
            yield finding("dates_out_of_order", name, str(day), expected)
        elif last and day > last:
            expected = f"a date on or before the contract's ends_on, {last}"
            yield finding("dates_out_of_order", name, str(day), expected)


def _first(contract_data: JsonObject) -> tuple[str, date | None]:
    starts = read(_DAY, contract_data.get("starts_on"))
    return (
        ("starts_on", starts)
        if starts
        else ("signed_on", read(_DAY, contract_data.get("signed_on")))
    )
