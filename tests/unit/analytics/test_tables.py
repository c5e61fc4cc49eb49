"""The tables of an export: what every one of them keeps to."""

from __future__ import annotations

import duckdb
import pytest

from contracts.analytics.columns import PARTITION, Kind, Table
from contracts.analytics.tables import BILLED, TABLES

ANY_TABLE = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@ANY_TABLE
def test_every_amount_names_the_column_of_its_currency(table: Table) -> None:
    by_name = {column.name: column for column in table.columns}
    for column in table.columns:
        assert (column.kind is Kind.MONEY) == bool(column.currency)
        if column.currency:
            currency = by_name[column.currency]
            assert currency.kind is Kind.TEXT
            assert column.optional or not currency.optional


@ANY_TABLE
def test_everything_says_what_it_is_about(table: Table) -> None:
    assert table.about.endswith(".")
    for column in table.columns:
        assert column.about.endswith("."), column.name


@ANY_TABLE
def test_no_name_has_to_be_quoted_in_sql(table: Table) -> None:
    names = [column.name for column in (*table.columns, *PARTITION)]
    assert len(set(names)) == len(names)
    listed = ", ".join(f"1 AS {name}" for name in names)
    found = duckdb.execute(f"SELECT {', '.join(names)} FROM (SELECT {listed})").fetchall()
    assert found == [(1,) * len(names)]


def test_columns_are_read_from_the_class_of_the_rows() -> None:
    columns = {column.name: column for column in BILLED.columns}
    assert columns["invoiced_on"].kind is Kind.DAY
    assert (columns["due_on"].kind, columns["due_on"].optional) == (Kind.DAY, True)
    assert (columns["total"].kind, columns["total"].currency) == (Kind.MONEY, "currency")
    assert columns["untaxed_in_books"].currency == "books"
