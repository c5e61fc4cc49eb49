"""A small made year through the matcher, and that the judge of the benchmark sees what is wrong."""

from __future__ import annotations

import pytest

from benchmarks import made_payments
from benchmarks.cash_application import POLICY, Score, judged, plain
from contracts.bank.ledger import Ledger
from contracts.bank.matching import match
from contracts.bank.statement import BankLine, totals_problems
from contracts.bank.verdicts import Booked, Part, Rule, Verdict

YEARS = {seed: made_payments.year(seed, open_invoices=200, lines=350) for seed in (7, 8)}


def ours(seed: int) -> Score:
    return judged(YEARS[seed], lambda line, ledger: match(line, ledger, POLICY))


@pytest.mark.parametrize("seed", YEARS)
def test_nothing_is_booked_wrongly_and_most_without_a_person(seed: int) -> None:
    score = ours(seed)
    assert score.wrong == []
    assert score.booked / score.payable > 0.8
    assert score.booked > judged(YEARS[seed], plain).booked


def test_a_made_year_is_the_same_again_and_its_statements_add_up() -> None:
    year = YEARS[7]
    assert made_payments.year(7, open_invoices=200, lines=350) == year
    assert [totals_problems(day.statement) for day in year.days] == [[]] * len(year.days)
    kinds = {truth.kind.partition(":")[0] for truth in year.truth.values()}
    assert {"one", "several", "part", "twice", "returned", "stranger", "supplier"} <= kinds


def test_the_judge_sees_what_is_booked_wrongly() -> None:
    def careless(line: BankLine, ledger: Ledger) -> Verdict:
        exact = ledger.by_amount(line.amount)
        if not exact:
            return match(line, ledger, POLICY)
        part = Part(move=exact[0].move, amount=line.amount)
        return Booked(line=line.key, rule=Rule.NUMBER, parts=(part,))

    assert len(judged(YEARS[7], careless).wrong) > 10
