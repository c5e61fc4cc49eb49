"""Not to exceed: what a plan's cap leaves of a bill, and what becomes of the rest.

What is cut off at a cap stays known, row by row (a timesheet line, an expense). A later correction
downwards first reduces that, and only then what was charged: the customer pays the work or the
cap, whichever is less, and is not credited for what was never charged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from contracts.billing.charges import Charge, total
from contracts.model import Frozen
from contracts.money import Money


class Line(NamedTuple):
    """A charge, and the part of its amount that each row has. The parts add up to it."""

    charge: Charge
    parts: Mapping[int, Money]


class Capped(Frozen):
    """A bill under its cap.

    `uncharged` is the whole new amount by row, for the rows where it changed. `over` is how much
    of this bill exceeds the cap, whether it was cut off or not.
    """

    charges: tuple[Charge, ...]
    uncharged: dict[int, Money]
    over: Money


def under_cap(
    lines: Sequence[Line],
    cap: Money | None,
    spent: Money,
    uncharged: Mapping[int, Money],
    *,
    up_to_cap: bool,
) -> Capped:
    """Hold a bill against a cap of which `spent` is used up.

    Without `up_to_cap` the charges stay whole, for a person to decide. With it the last ones are
    cut so that the plan ends exactly at its cap. Raises CurrencyMismatch.
    """
    left = dict(uncharged)
    kept = [line for line in (_forgiven(line, left) for line in lines) if line]
    over = _over(kept, cap, spent)
    if up_to_cap and over.is_positive:
        kept = _cut(kept, over, left)
    changed = {row: amount for row, amount in left.items() if uncharged.get(row) != amount}
    return Capped(charges=tuple(line.charge for line in kept), uncharged=changed, over=over)


def _forgiven(line: Line, left: dict[int, Money]) -> Line | None:
    """A credit less what was not charged in the first place: of its own rows, then of others."""
    credit = -line.charge.amount
    if not credit.is_positive:
        return line
    own = [row for row in line.parts if row in left]
    taken = _take(credit, [*own, *sorted(left.keys() - line.parts.keys())], left)
    return _smaller(line, taken, "less what the cap left uncharged") if taken.is_positive else line


def _take(wanted: Money, rows: Iterable[int], left: dict[int, Money]) -> Money:
    """Use up what is uncharged on these rows, as far as it is wanted; returns how much."""
    taken = Money.zero(wanted.currency)
    for row in rows:
        part = min(left[row], wanted - taken)
        left[row] -= part
        taken += part
    return taken


def _over(lines: Sequence[Line], cap: Money | None, spent: Money) -> Money:
    """How much of a bill exceeds the cap. What exceeded it before is none of this bill's."""
    zero = Money.zero(spent.currency)
    if cap is None:
        return zero
    new = total([line.charge for line in lines], spent.currency)
    return max(min(new, spent + new - cap), zero)


def _cut(lines: Sequence[Line], over: Money, left: dict[int, Money]) -> list[Line]:
    """Take `over` off the last charges, and enter it as uncharged on their rows."""
    kept: list[Line] = []
    for line in reversed(lines):
        part = min(line.charge.amount, over)
        if not part.is_positive:
            kept.append(line)
            continue
        over -= part
        _enter(part, line, left)
        rest = _smaller(line, part, "up to the cap")
        kept += [rest] if rest else []
    return kept[::-1]


def _enter(amount: Money, line: Line, left: dict[int, Money]) -> None:
    """Spread what is cut off over a charge's rows, the last first; the first takes the rest."""
    first, *others = line.parts
    for row in reversed(others):
        part = min(max(line.parts[row], Money.zero(amount.currency)), amount)
        left[row] = left.get(row, Money.zero(amount.currency)) + part
        amount -= part
    left[first] = left.get(first, Money.zero(amount.currency)) + amount


def _smaller(line: Line, by: Money, why: str) -> Line | None:
    """The line with its amount nearer to zero; None if nothing is left of it."""
    charge = line.charge
    amount = charge.amount - by if charge.amount.is_positive else charge.amount + by
    if amount.is_zero:
        return None
    smaller = Charge.of_amount(
        charge.key,
        charge.kind,
        charge.order_line,
        charge.service_code,
        f"{charge.description}, {why}",
        amount,
    )
    return line._replace(charge=smaller)
