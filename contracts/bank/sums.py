"""Which invoices make up an amount, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd
from typing import NamedTuple

from contracts.bank.verdicts import MAX_COMBINED
from contracts.currencies import EXPONENTS
from contracts.money import Money

MAX_ITEMS = 60
"""That are combined; the first of those given."""
MAX_STEPS = 5_000
_MAX_WIDTH = 4_000_000
"""Up to this amount, in units that all amounts are multiples of, dead ends are known beforehand; it
takes half a megabyte an item meanwhile."""

_CanReach = Callable[[int, int], bool]


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
    can_reach = _reach([amounts[place] for place in order], wanted)
    found: list[tuple[int, ...]] = []
    stack: list[tuple[int, int, tuple[int, ...]]] = [(0, wanted, ())]
    steps = 0
    while stack and steps < MAX_STEPS and len(found) < ways:
        steps += 1
        start, left, chosen = stack.pop()
        if start == len(order) or len(chosen) == most or not can_reach(start, left):
            continue
        rest, more = left - amounts[order[start]], (*chosen, order[start])
        if rest == 0 and len(more) >= fewest:
            found.append(tuple(sorted(more)))
        stack += [(start + 1, left, chosen), (start + 1, rest, more)]
    return Sums(tuple(found), is_all=not stack and len(amounts) <= MAX_ITEMS)


def _reach(amounts: Sequence[int], wanted: int) -> _CanReach:
    """Whether the amounts from a place on may come to what is left: exactly where they are
    positive and small enough for a table, else by their bounds."""
    unit = gcd(*amounts) or 1
    if not amounts or min(amounts) <= 0 or not 0 < wanted // unit <= _MAX_WIDTH:
        return _by_bounds(amounts)
    if wanted % unit:
        return lambda start, left: False
    # A bit for each sum that the amounts from a place on can make, the empty one among them.
    mask = (1 << wanted // unit + 1) - 1
    tables, sums_so_far = [], 1
    for amount in reversed(amounts):
        sums_so_far |= (sums_so_far << amount // unit) & mask
        tables.append(sums_so_far.to_bytes(wanted // unit // 8 + 1, "little"))
    tables.reverse()

    def can_reach(start: int, left: int) -> bool:
        place = left // unit
        return left >= 0 and bool(tables[start][place >> 3] >> (place & 7) & 1)

    return can_reach


def _by_bounds(amounts: Sequence[int]) -> _CanReach:
    above, below = [0], [0]
    for amount in reversed(amounts):
        above.append(above[-1] + max(amount, 0))
        below.append(below[-1] + min(amount, 0))
    above.reverse()
    below.reverse()
    return lambda start, left: below[start] <= left <= above[start]


def minor(amount: Money) -> int:
    """In the currency's smallest unit."""
    return int(amount.amount.scaleb(EXPONENTS[amount.currency]))
