"""Which invoices make up an amount, within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.bank.verdicts import MAX_COMBINED
from contracts.currencies import EXPONENTS
from contracts.money import Money

MAX_ITEMS = 60
"""That are combined; the first of those given."""
MAX_STEPS = 20_000


class Sums(NamedTuple):
    """The ways found, each the places of the amounts; `is_all`: there are no others."""

    ways: tuple[tuple[int, ...], ...]
    is_all: bool


def sums(
    amounts: Sequence[int], wanted: int, *, fewest: int = 1, most: int = MAX_COMBINED, ways: int = 5
) -> Sums:
    """Subsets of `fewest` to `most` amounts (in the smallest unit, some negative) that make the
    wanted one. The search ends after `ways` of them or MAX_STEPS steps."""
    order = sorted(range(min(len(amounts), MAX_ITEMS)), key=lambda place: -amounts[place])
    # What the amounts from each place on can add at most, and at least.
    above, below = [0], [0]
    for place in reversed(order):
        above.append(above[-1] + max(amounts[place], 0))
        below.append(below[-1] + min(amounts[place], 0))
    above.reverse()
    below.reverse()
    found: list[tuple[int, ...]] = []
    stack: list[tuple[int, int, tuple[int, ...]]] = [(0, wanted, ())]
    steps = 0
    while stack and steps < MAX_STEPS and len(found) < ways:
        steps += 1
        start, left, chosen = stack.pop()
        if start == len(order) or len(chosen) == most:
            continue
        if not below[start] <= left <= above[start]:
            continue
        rest, more = left - amounts[order[start]], (*chosen, order[start])
        if rest == 0 and len(more) >= fewest:
            found.append(tuple(sorted(more)))
        stack += [(start + 1, left, chosen), (start + 1, rest, more)]
    is_all = not stack and len(amounts) <= MAX_ITEMS
    return Sums(tuple(found), is_all)


def minor(amount: Money) -> int:
    """In the currency's smallest unit."""
    return int(amount.amount.scaleb(EXPONENTS[amount.currency]))
