"""The queries of docs/analytics.md run, and say of made figures what is right."""

from __future__ import annotations

import runpy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

DOCS = Path(__file__).parents[2] / "docs"
CASH, AGING, MARGIN, UTILIZATION, BACKLOG = range(5)


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "draw_analytics.py"))


@pytest.fixture(scope="module")
def figures(page: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    page["make"](folder)
    return folder


@pytest.fixture(scope="module")
def answers(page: dict[str, Any], figures: Path) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = list(page["answers"](figures))
    return found


def total(figures: Path, table: str, column: str, **where: str) -> Decimal:
    """The sum of a column over all days, without DuckDB."""
    read = pq.read_table(figures / table, partitioning=None)
    for name, value in where.items():
        read = read.filter(pc.field(name) == value)
    found: Decimal = pc.sum(read[column]).as_py()
    return found


def of(rows: list[dict[str, Any]], column: str) -> Decimal:
    return sum((row[column] for row in rows), Decimal(0))


def test_each_query_has_its_picture(page: dict[str, Any], figures: Path) -> None:
    _, others = page["queries"](figures)
    assert len(others) == len(page["NAMES"])
    text = (DOCS / "analytics.md").read_text(encoding="utf-8")
    shown = [f"](images/analytics-{name}.png)" for name in page["NAMES"]]
    assert [text.count(picture) for picture in shown] == [1] * len(shown)
    places = sorted(shown, key=text.index)
    assert places == shown


def test_cash(answers: list[list[dict[str, Any]]], figures: Path) -> None:
    rows = answers[CASH]
    assert of(rows, "billed") == total(figures, "billed", "total")
    assert of(rows, "collected") == total(figures, "collected", "amount")
    assert of(rows, "expected") == total(figures, "forecast", "amount", what="cash_in")


def test_aging(answers: list[list[dict[str, Any]]], figures: Path) -> None:
    assert of(answers[AGING], "open") == total(figures, "aging", "open")


def test_margin(answers: list[list[dict[str, Any]]], figures: Path) -> None:
    rows = answers[MARGIN]
    assert of(rows, "margin") == total(figures, "margin", "amount")
    assert of(rows, "revenue") == total(figures, "margin", "amount", part="revenue")
    for row in rows:
        assert row["revenue"] - row["hours"] - row["expenses"] == row["margin"]


def test_utilization(answers: list[list[dict[str, Any]]]) -> None:
    rows = answers[UTILIZATION]
    assert len({(row["role"], row["month"]) for row in rows}) == len(rows) > 0
    assert all(0 < row["billed_percent"] < row["billable_percent"] < 100 for row in rows)


def test_backlog(answers: list[list[dict[str, Any]]], figures: Path) -> None:
    rows = answers[BACKLOG]
    assert len({row["day"] for row in rows}) == len(rows) > 1
    assert of(rows, "planned") == total(figures, "backlog", "planned")
    assert of(rows, "entitled") == total(figures, "backlog", "entitled")


def test_the_latest_day_is_the_last_whole_one(page: dict[str, Any], figures: Path) -> None:
    """Of a day that nobody says to be whole, nothing is shown."""
    [last] = figures.glob(f"_exports/*/{page['TODAY']}.json")
    content = last.read_text(encoding="utf-8")
    last.unlink()
    try:
        assert next(page["answers"](figures)) == []
    finally:
        last.write_text(content, encoding="utf-8")
