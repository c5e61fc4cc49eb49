"""Tables at any width: a value never splits, and every value is there."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import parking
from contracts.views import layout
from contracts.views.layout import Column, cells, laid_out, text_table, wrapped
from contracts.views.statement import statement
from starters.cli import render
from starters.cli.contracts import contract_table
from starters.cli.tables import View, painted
from starters.client import ParkedStep
from tests.unit import examples
from tests.unit.command import CONTRACT, INVOICE
from tests.unit.engagements import mixed
from tests.unit.test_cli import ROW

WIDTHS = (60, 72, 80, 100, 120, 160, 200)
MONEY = re.compile(r"-?\d[\d.]* [A-Z]{3}\b")
DAY = re.compile(r"\d{4}-\d\d-\d\d")

COLUMNS = ("*Contract", "Customer", "Since", ">Value", ">Open", "Says")
ROWS = [
    ("northwind/C-1001", "Acme Industries International", "3 d", "1000000.00 EUR", "", "hm"),
    ("northwind/C-2", "株式会社 Harbour", "12 min", "10.00 EUR", "-4.00 EUR", "2 of 1000.00 EUR"),
]


def test_a_wide_terminal_has_every_column_beside_the_others() -> None:
    first, _, *rows = text_table(COLUMNS, ROWS, 200).split("\n")
    assert first.split() == [name.lstrip(">*") for name in COLUMNS]
    assert len(rows) == len(ROWS)


def test_columns_fold_below_their_row_as_a_whole_and_with_their_names() -> None:
    told = text_table(COLUMNS, ROWS, 60)
    assert "    Value: 1000000.00 EUR · Says: hm" in told
    assert "    Value: 10.00 EUR · Open: -4.00 EUR\n    Says: 2 of 1000.00 EUR" in told


def test_an_amount_a_moment_a_duration_and_a_command_stay_on_one_line() -> None:
    text = "paid (-1000.00 EUR), on 2026-03-02 12:00 after 12 min: c2c invoice show C-1/1"
    for width in range(1, 90):
        lines = wrapped(text, width)
        for unit in ("(-1000.00 EUR),", "2026-03-02 12:00", "12 min", "c2c invoice show C-1/1"):
            assert any(unit in line for line in lines), (width, unit, lines)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=40)
amounts = st.decimals(-(10**9), 10**9, places=2).map(lambda number: f"{number} EUR")


@given(
    st.lists(st.tuples(texts, texts, amounts, amounts, texts), min_size=1, max_size=5),
    st.integers(60, 200),
)
def test_no_width_splits_a_value(rows: list[tuple[str, ...]], width: int) -> None:
    columns = [Column.of(name) for name in ("*Name", "Customer", ">Value", ">Open", "Says")]
    lines = [str(line) for line in laid_out(columns, rows, width)]
    for row in rows:
        for amount in row[2:4]:
            assert any(re.search(rf"(?<![\d.-]){re.escape(amount)}", line) for line in lines)
    units = {unit for row in rows for cell in row for unit in layout._UNIT.findall(cell)}
    longest = max(map(cells, units | {row[0] for row in rows}))
    assert all(cells(line) <= width or longest > width - 10 for line in lines)


def _printed(views: Sequence[View], width: int) -> str:
    lines = (painted(line, color=False) for view in views for line in view.lines(width))
    return "\n".join(lines)


def _views() -> dict[str, Sequence[View]]:
    state = mixed()
    parked = examples.parked(parking.CUSTOMER)
    return {
        "contracts": [contract_table([ROW, ROW])],
        "contract": render.contract(state, CONTRACT, "UTC"),
        "versions": [render.versions(state.versions)],
        "statement": render.statement(statement(state)),
        "invoice": render.invoice(examples.invoice_state(balance=examples.balance()), INVOICE),
        "exceptions": [render.exceptions([ParkedStep(CONTRACT, parked)])],
        "exception": render.parked(ParkedStep(CONTRACT, parked), "UTC"),
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", _views())
def test_what_is_printed_says_the_same_at_any_width(name: str, width: int) -> None:
    views = _views()[name]
    wide, narrow = _printed(views, 10_000), _printed(views, width)
    assert wide.strip()
    for value in (MONEY, DAY):
        assert sorted(value.findall(wide)) == sorted(value.findall(narrow))
    for line in narrow.splitlines():
        assert cells(line) <= width or "c2c " in line, line
