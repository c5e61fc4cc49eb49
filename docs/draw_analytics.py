"""Draws the pictures of docs/analytics.md: its queries, on figures that are made.

    python docs/draw_analytics.py

It requires matplotlib, duckdb and pyarrow (the extras `bench`, `test` and `analytics`).
"""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from contracts.analytics import tables
from contracts.analytics.columns import Row, Table
from contracts.analytics.tables import (
    Aging,
    Backlog,
    Billed,
    Collected,
    Forecast,
    Margin,
    Utilization,
)
from gateways.analytics.parquet import day_export
from gateways.analytics.places import place_of
from gateways.analytics.settings import AnalyticsSettings

FOLDER = Path(__file__).parent
IMAGES = FOLDER / "images"
NAMES = ("cash", "aging", "margin", "utilization", "backlog")
"""Of the pictures, in the order of the queries."""

ENTITY, TODAY = "northwind", date(2026, 11, 30)
_EXPORTS, _MONTHS, _TO_COME = 10, 12, 4
_CUSTOMERS = ("Acme Industries", "Brightwater", "Cobalt Legal", "Dunmore", "Everline")
_PROJECTS = ("Website", "Migration", "Audit", "Platform", "Support")
_ROLES = {"Consultant": 4, "Designer": 2, "Engineer": 5}
_BUCKETS = {"not due": 0, "1-30": 20, "31-60": 45, "61-90": 75, "over 90": 120}


# --- the queries ----------------------------------------------------------------------------------


def queries(folder: Path) -> tuple[str, list[str]]:
    """What the page says to run once a session, and its queries, on the figures of a folder."""
    text = (FOLDER / "analytics.md").read_text(encoding="utf-8")
    first, *others = re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return first.replace("figures/", f"{folder}/"), others


def answers(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of each query."""
    first, others = queries(folder)
    with duckdb.connect() as database:
        database.execute(first)
        for query in others:
            found = database.execute(query)
            names = [name for name, *_ in found.description or ()]
            yield [dict(zip(names, row, strict=True)) for row in found.fetchall()]


# --- made figures ---------------------------------------------------------------------------------


def make(folder: Path) -> None:
    """Exports of some weeks, the last of them today's."""
    chance = random.Random(7)  # noqa: S311
    place = place_of(str(folder), AnalyticsSettings())
    for week in range(_EXPORTS):
        day = TODAY - timedelta(days=7 * (_EXPORTS - 1 - week))
        with day_export(place, ENTITY, day, tables.TABLES) as export:
            export.write(tables.BACKLOG, list(_backlog(week, chance)))
            if day == TODAY:
                for table, rows in _today(chance):
                    export.write(table, rows)


def _today(chance: random.Random) -> Iterator[tuple[Table, list[Row]]]:
    billed = list(_billed(chance))
    yield tables.BILLED, [*billed]
    yield tables.COLLECTED, [*_collected(billed, chance)]
    yield tables.FORECAST, [*_forecast(chance)]
    yield tables.AGING, [*_aging(chance)]
    yield tables.MARGIN, [*_margin(chance)]
    yield tables.UTILIZATION, [*_utilization(chance)]


def _month(back: int) -> date:
    """The first day of a month so many months ago; of one to come where it is negative."""
    number = TODAY.year * 12 + TODAY.month - 1 - back
    return date(number // 12, number % 12 + 1, 1)


def _money(low: int, high: int, chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(low * 100, high * 100)) / 100


def _backlog(week: int, chance: random.Random) -> Iterator[Row]:
    for number, customer in enumerate(_CUSTOMERS, start=1):
        grown = 40_000 + 2_500 * week - 9_000 * (week % 4)
        planned, entitled = _money(grown, grown + 9_000, chance), _money(2_000, 9_000, chance)
        yield Backlog(
            contract=f"C-{number}",
            customer=customer,
            order_line="build",
            name="Build",
            entitled=entitled,
            planned=planned,
            billed=Decimal(0),
            currency="EUR",
        )


def _billed(chance: random.Random) -> Iterator[Billed]:
    for back in range(_MONTHS):
        for number, customer in enumerate(_CUSTOMERS, start=1):
            month, untaxed = _month(back), _money(8_000, 26_000, chance)
            tax = (untaxed * 21 / 100).quantize(Decimal("0.01"))
            yield Billed(
                contract=f"C-{number}",
                project=_PROJECTS[number - 1],
                customer=customer,
                invoice=f"INV/{month:%Y/%m}/{number:04}",
                kind="invoice",
                invoiced_on=month + timedelta(days=4),
                month=month,
                due_on=month + timedelta(days=34),
                untaxed=untaxed,
                tax=tax,
                total=untaxed + tax,
                currency="EUR",
                untaxed_in_books=untaxed,
                books="EUR",
            )


def _collected(billed: list[Billed], chance: random.Random) -> Iterator[Row]:
    for item in billed:
        paid_on = item.invoiced_on + timedelta(days=chance.randrange(20, 70))
        if paid_on <= TODAY:
            yield Collected(
                item.contract,
                item.customer,
                item.invoice,
                "payment",
                paid_on,
                paid_on.replace(day=1),
                item.total,
                item.currency,
                item.total,
                item.books,
            )


def _forecast(chance: random.Random) -> Iterator[Row]:
    for ahead in range(_TO_COME):
        month = _month(-ahead)
        for number, customer in enumerate(_CUSTOMERS, start=1):
            amount = _money(9_000 - 2_000 * ahead, 24_000 - 4_000 * ahead, chance)
            yield Forecast(
                f"C-{number}",
                customer,
                "cash_in",
                f"INV/{number}",
                month + timedelta(days=27),
                month,
                amount,
                "EUR",
            )


def _aging(chance: random.Random) -> Iterator[Row]:
    for number, customer in enumerate(_CUSTOMERS, start=1):
        for bucket, late in list(_BUCKETS.items())[: 1 + number % 5]:
            open_ = _money(3_000, 15_000, chance)
            yield Aging(
                contract=f"C-{number}",
                customer=customer,
                invoice=f"INV/{number}/{late}",
                due_on=TODAY - timedelta(days=late),
                days_late=late,
                bucket=bucket,
                open=open_,
                currency="EUR",
                in_books=open_,
                books="EUR",
            )


def _margin(chance: random.Random) -> Iterator[Row]:
    for number, project in enumerate(_PROJECTS, start=1):
        for back in range(_MONTHS):
            revenue = _money(8_000, 26_000, chance)
            hours = revenue * chance.randrange(45, 85 + 5 * number) / 100
            for part, amount in (
                ("revenue", revenue),
                ("hours", -hours),
                ("expenses", -_money(100, 1_500, chance)),
            ):
                yield Margin(
                    contract=f"C-{number}",
                    project=project,
                    customer=_CUSTOMERS[number - 1],
                    month=_month(back),
                    part=part,
                    amount=amount.quantize(Decimal("0.01")),
                    books="EUR",
                    hours=(hours / 80).quantize(Decimal("0.01")) if part == "hours" else Decimal(0),
                )


def _utilization(chance: random.Random) -> Iterator[Row]:
    for place, (role, people) in enumerate(_ROLES.items()):
        for person in range(people):
            for back in range(_MONTHS):
                billable = Decimal(chance.randrange(90 + 8 * place, 130 + 8 * place))
                yield Utilization(
                    employee=f"{role} {person + 1}",
                    email=f"{role.lower()}{person + 1}@northwind.example",
                    role=role,
                    month=_month(back),
                    working_hours=Decimal(160),
                    worked_hours=billable + chance.randrange(10, 30),
                    billable_hours=billable,
                    billed_hours=billable - chance.randrange(5, 25),
                )


# --- the pictures ---------------------------------------------------------------------------------

_COLORS = ("#2f6f9f", "#8fb8d3", "#e0a458", "#c8553d", "#7d3c3c")
_THOUSAND = 1_000


def draw(folder: Path, images: Path) -> None:
    """A picture a query."""
    drawn: tuple[Callable[[Any, list[dict[str, Any]]], None], ...] = (
        _cash_picture,
        _aging_picture,
        _margin_picture,
        _utilization_picture,
        _backlog_picture,
    )
    for name, rows, paint in zip(NAMES, answers(folder), drawn, strict=True):
        _picture(images / f"analytics-{name}.png", rows, paint)


def _picture(
    file: Path, rows: list[dict[str, Any]], paint: Callable[[Any, list[dict[str, Any]]], None]
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    paint(axes, rows)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axes.tick_params(labelsize=8)
    figure.savefig(file, metadata={"Software": None})


def _cash_picture(axes: Any, rows: list[dict[str, Any]]) -> None:
    for place, (name, color) in enumerate(
        zip(("billed", "collected", "expected"), _COLORS, strict=False)
    ):
        heights = [float(row[name]) / _THOUSAND for row in rows]
        axes.bar(
            [n + (place - 1) * 0.28 for n in range(len(rows))],
            heights,
            0.28,
            label=name,
            color=color,
        )
    axes.set_xticks(range(len(rows)), [f"{row['month']:%b}" for row in rows])
    axes.set_ylabel("thousand EUR, with tax", fontsize=8)


def _aging_picture(axes: Any, rows: list[dict[str, Any]]) -> None:
    customers = sorted({row["customer"] for row in rows}, reverse=True)
    left = dict.fromkeys(customers, 0.0)
    for bucket, color in zip(_BUCKETS, _COLORS, strict=True):
        found = {
            row["customer"]: float(row["open"]) / _THOUSAND
            for row in rows
            if row["bucket"] == bucket
        }
        widths = [found.get(name, 0.0) for name in customers]
        axes.barh(
            customers, widths, left=[left[name] for name in customers], label=bucket, color=color
        )
        for name, width in zip(customers, widths, strict=True):
            left[name] += width
    axes.set_xlabel("thousand EUR open", fontsize=8)


def _margin_picture(axes: Any, rows: list[dict[str, Any]]) -> None:
    names = [row["project"] for row in rows]
    left = [0.0] * len(rows)
    for part, color in zip(
        ("hours", "expenses", "margin"), (_COLORS[1], _COLORS[2], _COLORS[0]), strict=True
    ):
        widths = [float(row[part]) / _THOUSAND for row in rows]
        axes.barh(names, widths, left=left, label=part, color=color)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axes.set_xlabel("thousand EUR of revenue", fontsize=8)


def _utilization_picture(axes: Any, rows: list[dict[str, Any]]) -> None:
    for role, color in zip(_ROLES, (_COLORS[0], _COLORS[2], _COLORS[3]), strict=True):
        of_role = [row for row in rows if row["role"] == role]
        months = [f"{row['month']:%b}" for row in of_role]
        axes.plot(
            months, [float(row["billed_percent"]) for row in of_role], label=role, color=color
        )
    axes.set_ylabel("% of working hours billed", fontsize=8)
    axes.set_ylim(0, 100)


def _backlog_picture(axes: Any, rows: list[dict[str, Any]]) -> None:
    days = [f"{row['day']:%d %b}" for row in rows]
    planned = [float(row["planned"]) / _THOUSAND for row in rows]
    entitled = [float(row["entitled"]) / _THOUSAND for row in rows]
    axes.stackplot(
        days,
        planned,
        entitled,
        labels=("planned", "earned, not billed"),
        colors=(_COLORS[1], _COLORS[0]),
    )
    axes.set_ylabel("thousand EUR, without tax", fontsize=8)
    axes.set_ylim(0)


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        make(Path(made))
        draw(Path(made), IMAGES)


if __name__ == "__main__":
    main()
