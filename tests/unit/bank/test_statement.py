"""What does not fit in a statement or between it and those before, and what comes twice."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from contracts.bank.statement import (
    BankStatement,
    is_repeat,
    new_lines,
    sequence_problems,
    totals_problems,
)
from contracts.money import Money
from contracts.problems import Problem
from tests.unit.bank.made import DAY, euros, line, statement

FIRST = statement(line("100.00"))


def codes(problems: list[Problem]) -> list[str]:
    return [item.code for item in problems]


def following(*, days: int = 1, sequence: int | None = 2, opening: str = "600.00") -> BankStatement:
    day = DAY + timedelta(days)
    return statement(
        line("1.00", reference=f"BANK-{days}"),
        statement_id=f"ST-{days + 1}",
        sequence=sequence,
        opening=euros(opening),
        from_date=day,
        to_date=day,
    )


def test_a_statement_adds_up() -> None:
    assert totals_problems(FIRST) == []
    [problem] = totals_problems(FIRST.replace(closing=euros("600.01")))
    assert (problem.code, problem.field, problem.value) == (
        "statement_totals_differ",
        "closing",
        "600.01 EUR",
    )
    assert problem.expected.startswith("600.00 EUR")


def test_a_statement_needs_both_balances_in_the_accounts_currency() -> None:
    missing = FIRST.replace(opening=None, closing=None)
    assert codes(totals_problems(missing)) == ["balance_missing", "balance_missing"]
    foreign = FIRST.replace(closing=Money("600.00", "USD"))
    assert codes(totals_problems(foreign)) == ["line_currency_differs"]
    dollars = FIRST.lines[0].replace(amount=Money("100.00", "USD"))
    [problem] = totals_problems(FIRST.replace(lines=(dollars,)))
    assert (problem.code, problem.field) == ("line_currency_differs", "lines.0.amount")


def test_a_repeated_statement_is_known_by_its_lines_and_balances() -> None:
    renamed = FIRST.replace(statement_id="ANOTHER", sequence=9)
    assert is_repeat(renamed, [FIRST.mark])
    assert sequence_problems(renamed, [FIRST.mark]) == []
    assert not is_repeat(following(), [FIRST.mark])


@pytest.mark.parametrize(
    ("next_one", "expected"),
    [
        (following(), []),
        (following(sequence=None), []),
        (following(opening="601.00"), ["statement_gap"]),
        (following(days=3, sequence=4, opening="700.00"), ["statement_gap"]),
        (following(days=3, sequence=4), ["statement_skipped"]),
        (following(days=60, sequence=1), []),
        (statement(line("2.00")), ["statement_changed"]),
    ],
)
def test_what_does_not_follow_the_statement_before_is_noticed(
    next_one: BankStatement, expected: list[str]
) -> None:
    assert codes(sequence_problems(next_one, [FIRST.mark])) == expected


def test_statements_of_other_accounts_and_later_days_are_not_the_one_before() -> None:
    other = FIRST.replace(account="NL56AGDH9619008421", closing=euros("1.00"))
    later = following(days=9, opening="999.00")
    assert sequence_problems(FIRST, [other.mark, later.mark]) == []
    assert sequence_problems(following(), [FIRST.mark, later.mark]) == []


def test_pages_of_a_statement_follow_each_other() -> None:
    second = FIRST.replace(page=2, opening=FIRST.closing, closing=euros("700.00"))
    assert sequence_problems(second, [FIRST.mark]) == []
    third = second.replace(page=3, opening=euros("1.00"))
    assert codes(sequence_problems(third, [FIRST.mark, second.mark])) == ["statement_gap"]


def test_lines_of_entries_that_were_read_are_not_new() -> None:
    both = statement(line("1.00"), line("2.00", reference="BANK-2"))
    known = {both.lines[0].entry_key}
    assert new_lines(both, known) == both.lines[1:]
    assert both.lines[1].booked_on == date(2026, 11, 27)
