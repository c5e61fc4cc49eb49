"""How timesheet lines and use are written down: short, because a workflow's state travels whole.

Ten people for five years are more than ten thousand lines. Facts of one plan, person and role are
one text; each row says by how much the line's number and its day grow, and the hours where they
differ from the row before. The parts of an invoice's line that bill hours are the numbers alone,
with the price once, as long as they bill what the fact says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from contracts.billing.usage import UsageRecord

_HOURS = "hours:"


def pack_numbers(numbers: Iterable[int]) -> str:
    """Numbers as the steps between them."""
    steps, before = [], 0
    for number in sorted(numbers):
        steps.append(str(number - before))
        before = number
    return " ".join(steps)


def unpack_numbers(text: str) -> tuple[int, ...]:
    numbers, number = [], 0
    for step in text.split():
        number += int(step)
        numbers.append(number)
    return tuple(numbers)


def pack_hours(facts: Mapping[int, tuple[Any, ...]]) -> list[list[str]]:
    """Facts (plan, day, hours, person, e-mail, role) by line, grouped by all but day and hours."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    last: dict[tuple[str, str, str, str], tuple[int, int, Decimal]] = {}
    for line in sorted(facts):
        plan, on, hours, person, email, role = facts[line]
        group = (plan, person, email, role)
        number, day, before = last.get(group, (0, 0, Decimal(-1)))
        row = f"{line - number} {on.toordinal() - day}"
        groups.setdefault(group, []).append(row if hours == before else f"{row} {_short(hours)}")
        last[group] = (line, on.toordinal(), hours)
    return [[*group, ";".join(rows)] for group, rows in groups.items()]


def unpack_hours(groups: Iterable[Any]) -> dict[int, tuple[Any, ...]]:
    facts: dict[int, tuple[Any, ...]] = {}
    for plan, person, email, role, text in groups:
        line, day, hours = 0, 0, Decimal(0)
        for row in text.split(";"):
            step, days, *worked = row.split()
            line, day = line + int(step), day + int(days)
            hours = Decimal(worked[0]).quantize(Decimal("0.01")) if worked else hours
            facts[line] = (plan, date.fromordinal(day), hours, person, email, role)
    return dict(sorted(facts.items()))


def pack_parts(
    parts: Iterable[tuple[int, str, Decimal, Decimal]], facts: Mapping[int, tuple[Any, ...]]
) -> list[list[Any]]:
    """The parts of an invoice: hours of one line, plan and price together."""
    packed: list[list[Any]] = []
    last: dict[tuple[int, str, Decimal], tuple[list[str], int]] = {}
    for position, key, amount, measure in parts:
        price = amount / measure if key.startswith(_HOURS) and measure else None
        if price is None or price * measure != amount or len(str(price)) > 20:
            packed.append([position, key, str(amount), str(measure)])
            continue
        plan, _, name = key.removeprefix(_HOURS).partition(":")
        line = int(name)
        rows, before = last.get((position, plan, price), ([], 0))
        if not rows:
            packed.append([position, plan, str(price), rows])
        fact = facts.get(line)
        same = fact is not None and fact[2] == measure
        rows.append(f"{line - before}" if same else f"{line - before}:{_short(measure)}")
        last[position, plan, price] = (rows, line)
    return [[*item[:3], " ".join(item[3]) + " h"] if isinstance(item[3], list) else item
            for item in packed]  # fmt: skip


def unpack_parts(
    packed: Iterable[Any], facts: Mapping[int, tuple[Any, ...]]
) -> list[tuple[int, str, Decimal, Decimal]]:
    parts: list[tuple[int, str, Decimal, Decimal]] = []
    for position, key, amount, rest in packed:
        if not (isinstance(rest, str) and rest.endswith(" h")):
            parts.append((position, key, Decimal(amount), Decimal(rest)))
            continue
        line = 0
        for row in rest.removesuffix(" h").split():
            step, _, hours = row.partition(":")
            line += int(step)
            measure = Decimal(hours) if hours else facts[line][2]
            parts.append((position, f"{_HOURS}{key}:{line}", measure * Decimal(amount), measure))
    return parts


def pack_usage(records: Mapping[str, UsageRecord]) -> list[list[str]]:
    """The records of one plan, without what all of them say alike."""
    return [[item.id, item.on.isoformat(), str(item.quantity)] for item in records.values()]


def unpack_usage(plan: str, rows: Iterable[Any]) -> dict[str, dict[str, str]]:
    return {
        name: {"id": name, "plan": plan, "on": on, "quantity": quantity}
        for name, on, quantity in rows
    }


def _short(hours: Decimal) -> str:
    return f"{hours.normalize():f}"
