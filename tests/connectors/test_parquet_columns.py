"""DuckDB reads from every table what was written to it: values, types, what is missing, sums."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.analytics.columns import DECIMALS, DIGITS, PARTITION, Column, Kind, Row, Table
from contracts.analytics.tables import TABLES
from gateways.analytics.parquet import day_export
from gateways.analytics.places import place_of
from gateways.analytics.settings import AnalyticsSettings

DAY = date(2026, 11, 30)
_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.MONEY: f"DECIMAL({DIGITS},{DECIMALS})",
    Kind.DECIMAL: f"DECIMAL({DIGITS},{DECIMALS})",
    Kind.INTEGER: "BIGINT",
    Kind.INSTANT: "TIMESTAMP WITH TIME ZONE",
    Kind.DAY: "DATE",
    Kind.BOOLEAN: "BOOLEAN",
}
_MOST = Decimal(10) ** (DIGITS - DECIMALS) - Decimal(10) ** -DECIMALS
_VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: st.text(),
    Kind.MONEY: st.decimals(-_MOST, _MOST, places=DECIMALS),
    Kind.DECIMAL: st.decimals(-_MOST, _MOST, places=DECIMALS),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.INSTANT: st.datetimes(timezones=st.timezones()),
    Kind.DAY: st.dates(),
    Kind.BOOLEAN: st.booleans(),
}


def _value(column: Column) -> st.SearchStrategy[Any]:
    values = _VALUES[column.kind]
    return st.none() | values if column.optional else values


def _rows(table: Table) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.tuples(*map(_value, table.columns)), max_size=5)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), entity=st.sampled_from(["northwind", "007", "2026-01-01", "north_wind-2"]))
def test_what_is_written_is_read(table: Table, data: st.DataObject, entity: str) -> None:
    rows = data.draw(_rows(table))
    with TemporaryDirectory() as folder, duckdb.connect() as database:
        with day_export(place_of(folder, AnalyticsSettings()), entity, DAY, [table]) as export:
            export.write(table, rows)
        database.execute(
            f"create view t as from read_parquet('{folder}/{table.name}/*/*/*.parquet', "
            "hive_types = {entity: VARCHAR, day: DATE})"
        )
        described = database.execute("describe t").fetchall()
        columns = [*table.columns, *PARTITION]
        assert {(name, kind) for name, kind, *_ in described} == {
            (column.name, _TYPES[column.kind]) for column in columns
        }
        read = database.execute(f"select {', '.join(map(_shown, columns))} from t").fetchall()
        assert read == [(*map(_expected, row), entity, DAY) for row in rows]
        for number, column in enumerate(table.columns):
            if column.kind in (Kind.MONEY, Kind.DECIMAL) and rows:
                [total] = database.execute(f'select sum("{column.name}") from t').fetchone() or ()
                values = [value for row in rows if isinstance(value := row[number], Decimal)]
                assert (total or 0) == sum(values)


def _shown(column: Column) -> str:
    name = f'"{column.name}"'
    return f"epoch_us({name})" if column.kind is Kind.INSTANT else name


def _expected(value: Any) -> Any:
    """As it is read: an instant by its microseconds."""
    if not isinstance(value, datetime):
        return value
    since = value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds


def test_every_kind_is_in_some_table() -> None:
    kinds = {column.kind for table in TABLES for column in table.columns}
    assert kinds == set(Kind)


def test_no_column_hides_a_partition() -> None:
    def hidden() -> Iterator[str]:
        for table in TABLES:
            names = {column.name for column in table.columns}
            yield from names & {column.name for column in PARTITION}

    assert list(hidden()) == []


def test_an_amounts_currency_is_beside_it() -> None:
    for table in TABLES:
        texts = {column.name for column in table.columns if column.kind is Kind.TEXT}
        money = [column for column in table.columns if column.kind is Kind.MONEY]
        assert {column.currency for column in money} <= texts


def test_days_of_two_entities_are_one_table(tmp_path: Path) -> None:
    table = TABLES[0]
    row = tuple(_one(column) for column in table.columns)
    for entity in ("northwind", "southwind"):
        for day in (DAY, date(2026, 12, 1)):
            with day_export(
                place_of(str(tmp_path), AnalyticsSettings()), entity, day, [table]
            ) as export:
                export.write(table, [row])
    query = f"select entity, day from '{tmp_path}/{table.name}/*/*/*.parquet' order by all"
    with duckdb.connect() as database:
        found = database.execute(query).fetchall()
    assert found == [
        (entity, day) for entity in ("northwind", "southwind") for day in (DAY, date(2026, 12, 1))
    ]


def _one(column: Column) -> Any:
    values = {
        Kind.TEXT: "x",
        Kind.MONEY: Decimal(1),
        Kind.DECIMAL: Decimal(1),
        Kind.INTEGER: 1,
        Kind.INSTANT: datetime(2026, 1, 1, tzinfo=UTC),
        Kind.DAY: DAY,
        Kind.BOOLEAN: True,
    }
    return values[column.kind]
