"""Bank lines matched with invoices: how many are booked without a person, and that none is wrong.

The made year of `benchmarks.made_payments` goes through the product's matcher day by day, and
through a plain one that books what names exactly one invoice and pays exactly what is open of it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks import made_payments
from benchmarks.frame import Bench, at_least, at_most, benchmark
from benchmarks.made_payments import COMPANY, Truth, Year
from contracts.bank.ledger import Ledger
from contracts.bank.matching import CannotApply, decided, match
from contracts.bank.statement import BankLine, new_lines
from contracts.bank.verdicts import (
    Booked,
    CashPolicy,
    NotOurs,
    Parked,
    Part,
    Returned,
    Rule,
    Verdict,
)
from contracts.money import Money
from contracts.problems import finding

POLICY = CashPolicy(company=COMPANY, tolerance=(Money("1.00", "EUR"),), difference_account="658000")
_SEEDS = (1, 2, 3)
_SHOWN = 3
"""Of the candidates: what a person looks at first."""


@dataclass
class Score:
    """What became of the lines. `payable` are those that pay an invoice or undo a payment."""

    lines: int = 0
    repeated: int = 0
    payable: int = 0
    booked: int = 0
    wrong: list[str] = field(default_factory=list)
    parked: int = 0
    with_answer: int = 0
    """Parked lines that a person can settle, as there is a right answer."""
    answered: int = 0
    """Those of them with the right answer among the first candidates."""
    parked_by_kind: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, other: Score) -> None:
        for name in ("lines", "repeated", "payable", "booked", "parked", "with_answer", "answered"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.wrong += other.wrong
        self.parked_by_kind += other.parked_by_kind
        self.seconds += other.seconds


def judged(year: Year, decide: Callable[[BankLine, Ledger], Verdict]) -> Score:
    """Each line of the year by one matcher, its verdict compared with what the payer meant."""
    score, ledger, known = Score(), Ledger(), set[str]()
    for day in year.days:
        for item in day.posted:
            ledger.add(item)
        fresh = new_lines(day.statement, known)
        score.lines += len(day.statement.lines)
        score.repeated += len(day.statement.lines) - len(fresh)
        known |= {line.entry_key for line in fresh}
        for line in fresh:
            started = time.perf_counter()
            verdict = decide(line, ledger)
            score.seconds += time.perf_counter() - started
            _judge(score, line, verdict, year.truth[line.key])
            _settle(ledger, line, verdict, year.truth[line.key])
    return score


def _judge(score: Score, line: BankLine, verdict: Verdict, truth: Truth) -> None:
    score.payable += bool(truth.pays or truth.undoes)
    if isinstance(verdict, Parked):
        score.parked += 1
        answer = {move for move, _ in truth.pays} or set(truth.about)
        score.parked_by_kind[truth.kind] += 1
        if answer or truth.undoes:
            score.with_answer += 1
            score.answered += any(
                {part.move for part in item.parts} == answer
                or (truth.undoes and item.undoes == truth.undoes)
                for item in verdict.candidates[:_SHOWN]
            )
    elif _is_right(verdict, truth, line):
        score.booked += not isinstance(verdict, NotOurs)
    else:
        score.wrong.append(f"{truth.kind}: {line.amount} {line.texts} -> {verdict!r}")


def _is_right(verdict: Verdict, truth: Truth, line: BankLine) -> bool:
    if isinstance(verdict, Returned):
        return verdict.undoes == truth.undoes
    if not isinstance(verdict, Booked):
        return not truth.pays and not truth.undoes
    meant = dict(truth.pays)
    if {part.move for part in verdict.parts} != meant.keys():
        return False
    zero = Money.zero(line.amount.currency)
    difference = zero if verdict.difference is None else verdict.difference.amount
    parts = Money.total((part.amount for part in verdict.parts), line.amount.currency)
    off = [part.amount - meant[part.move] for part in verdict.parts]
    return parts + difference == line.amount and all(
        each.is_zero or POLICY.tolerates(each) for each in off
    )


def _settle(ledger: Ledger, line: BankLine, verdict: Verdict, truth: Truth) -> None:
    """What is booked is booked, and a person settles what is parked, by what the payer meant; not
    an invoice that a wrong booking has settled before."""
    if isinstance(verdict, (Booked, Returned)):
        ledger.book(verdict, line)
    elif isinstance(verdict, Parked) and truth.pays:
        with suppress(CannotApply):
            ledger.book(decided(line, [move for move, _ in truth.pays], ledger, POLICY), line)


# --- the plain matcher ----------------------------------------------------------------------------


def plain(line: BankLine, ledger: Ledger) -> Verdict:
    """Books a line that writes the number or reference of one invoice as it is printed, and pays
    exactly what is open of it."""
    written = {
        *line.references,
        *(word.strip(",;") for text in line.texts for word in text.split()),
    }
    written |= set(line.texts)
    exact = ledger.by_amount(line.amount)
    found = [item for item in exact if {item.number, item.reference} & written]
    if len(found) == 1:
        parts = (Part(move=found[0].move, amount=line.amount),)
        return Booked(line=line.key, rule=Rule.NUMBER, parts=parts)
    problem = finding("payment_unidentified", "texts", "", "a number")
    return Parked(line=line.key, problem=problem)


# --- the benchmark --------------------------------------------------------------------------------


@benchmark("cash_application", about="bank lines booked rightly without a person", minutes=20)
async def cash_application(bench: Bench) -> None:
    """Wrong bookings, the share booked alone, and the right answer among the first three."""
    invoices = bench.size(full=3_000, quick=300)
    lines = bench.size(full=5_000, quick=400)
    ours, theirs = Score(), Score()
    for seed in _SEEDS[: bench.size(full=3, quick=1)]:
        year = made_payments.year(seed, open_invoices=invoices, lines=lines)
        ours.add(judged(year, lambda line, ledger: match(line, ledger, POLICY)))
        theirs.add(judged(year, plain))
        bench.say(f"year {seed}: {ours.booked} of {ours.payable} booked, {len(ours.wrong)} wrong")
    for found in ours.wrong:
        bench.say(f"wrong: {found}")
    bench.report("cash_application_wrong", len(ours.wrong), at_most(0), unit="lines booked wrongly")
    bench.report(
        "cash_application_candidates",
        ours.answered / max(ours.with_answer, 1),
        at_least(0.9),
        unit="parked lines with the right answer among the first three",
    )
    bench.report(
        "cash_application",
        ours.booked / ours.payable,
        at_least(0.9),
        unit="lines that pay something, booked without a person",
        lines=ours.lines,
        repeated=ours.repeated,
        payable=ours.payable,
        booked=ours.booked,
        parked=ours.parked,
        parked_by_kind=dict(ours.parked_by_kind.most_common()),
        seconds_a_thousand=1000 * ours.seconds / ours.lines,
        plain_booked=theirs.booked / theirs.payable,
        plain_wrong=len(theirs.wrong),
    )
