"""What a parked line may pay, the likeliest first: each clue counts, and they add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from contracts.bank.clues import Clues
from contracts.bank.sums import minor, sums
from contracts.bank.verdicts import (
    MAX_CANDIDATES,
    Candidate,
    Hint,
    OpenItem,
    Part,
    SettledLine,
)
from contracts.money import Money

_WEIGHTS = {
    Hint.REFERENCE: 100,
    Hint.NUMBER: 90,
    Hint.AMOUNT: 60,
    Hint.NUMBER_MISSPELT: 45,
    Hint.NUMBER_SHORTENED: 40,
    Hint.SUM: 35,
    Hint.IBAN: 30,
    Hint.NAME: 25,
    Hint.SHARE: 15,
    Hint.OLDEST: 5,
}
_OF_ANOTHER, _OF_ANOTHER_AT_LEAST = 45, 20
"""What is another customer's than the one who seems to pay is less likely, by so much; by less
where that one has nothing of the amount open."""
_MOST_OF_AMOUNT, _MOST_SHORT, _MOST_WAYS = 20, 20, 30
_SHARES = Decimal("0.05")
"""People pay a half, a third of ten, all but a discount of two: round shares of an amount."""


def ranked(clues: Clues) -> tuple[Candidate, ...]:
    """At most MAX_CANDIDATES that have something open, the likeliest first."""
    scored: dict[tuple[int, ...], tuple[int, Candidate]] = {}
    for items, hints in _proposals(clues):
        if any(item.open.is_zero for item in items):
            continue
        moves = tuple(sorted(item.move for item in items))
        score = sum(_WEIGHTS[hint] for hint in hints)
        if clues.payer.partners and not {item.partner for item in items} & clues.payer.partners:
            score -= _of_another(clues)
        if moves not in scored or scored[moves][0] < score:
            parts = _parts(items, clues.line.amount)
            scored[moves] = (score, Candidate(parts=parts, hints=hints))
    best = sorted(scored.values(), key=lambda entry: -entry[0])
    return tuple(candidate for _, candidate in best[:MAX_CANDIDATES])


def _of_another(clues: Clues) -> int:
    return _OF_ANOTHER if clues.exact else _OF_ANOTHER_AT_LEAST


def of_returns(lines: Sequence[SettledLine]) -> tuple[Candidate, ...]:
    """The lines that a return may undo, the latest first."""
    latest = sorted(lines, key=lambda line: line.booked_on, reverse=True)
    return tuple(
        Candidate(parts=line.parts, hints=(Hint.RETURNED,), undoes=line.line)
        for line in latest[:MAX_CANDIDATES]
    )


def _parts(items: Sequence[OpenItem], amount: Money) -> tuple[Part, ...]:
    """All that is open of several; of one alone, what the line can pay."""
    if len(items) == 1 and items[0].open.currency == amount.currency:
        [item] = items
        return (
            Part(
                move=item.move, amount=min(item.open, amount) if amount.is_positive else item.open
            ),
        )
    return tuple(Part(move=item.move, amount=item.open) for item in items)


def _proposals(clues: Clues) -> Iterator[tuple[list[OpenItem], tuple[Hint, ...]]]:
    open_named = [item for item in clues.named if not item.open.is_zero]
    short = [item for item in clues.ledger.by_short(clues.words) if not item.open.is_zero]
    for item in (*clues.named, *clues.near.values(), *clues.of_payer, *short[:_MOST_SHORT]):
        yield [item], _hints(item, clues)
    if len(open_named) > 1:
        yield open_named, (Hint.NUMBER, *_of_sum(open_named, clues))
    yield from _combined(clues)
    for item in clues.ledger.by_amount(clues.line.amount)[:_MOST_OF_AMOUNT]:
        yield [item], _hints(item, clues)
    if clues.line.original is not None:
        for item in clues.ledger.by_amount(clues.line.original)[:_MOST_OF_AMOUNT]:
            yield [item], (*_hints(item, clues), Hint.AMOUNT)


def _of_sum(items: Sequence[OpenItem], clues: Clues) -> tuple[Hint, ...]:
    currencies = {item.open.currency for item in items}
    if currencies != {clues.line.amount.currency}:
        return ()
    total = Money.total((item.open for item in items), clues.line.amount.currency)
    return (Hint.AMOUNT,) if total == clues.line.amount else ()


def _combined(clues: Clues) -> Iterator[tuple[list[OpenItem], tuple[Hint, ...]]]:
    """Invoices of the payer that make up the amount, those first that the text hints at."""
    near = {
        item.move: item for item in (*clues.named, *clues.near.values()) if not item.open.is_zero
    }
    hinted = [item for item in near.values() if item.open.currency == clues.line.amount.currency]
    hinted += [
        item for item in clues.of_payer if item.move not in near and _text_hints(item, clues)
    ]
    seen: set[int] = {item.move for item in hinted}
    for pool in (hinted, [*hinted, *(item for item in clues.of_payer if item.move not in seen)]):
        amounts = [minor(item.open) for item in pool]
        found = sums(amounts, minor(clues.line.amount), fewest=2, ways=_MOST_WAYS)
        # People pay few together rather than many, and the older ones first.
        for way in sorted(found.ways, key=lambda way: (len(way), sum(way))):
            items = [pool[place] for place in way]
            named = sum(1 for item in items if item.move in seen)
            of_text = (Hint.NUMBER_SHORTENED,) if named == len(items) else ()
            yield items, (Hint.SUM, *_payer_hints(items[0], clues), *of_text)


def _hints(item: OpenItem, clues: Clues) -> tuple[Hint, ...]:
    found = [*_text_hints(item, clues), *_payer_hints(item, clues)]
    if item.open == clues.line.amount:
        found.append(Hint.AMOUNT)
    elif _is_near(item, clues):
        found.append(Hint.SHARE)
    if clues.of_payer and item is clues.of_payer[0]:
        found.append(Hint.OLDEST)
    return tuple(dict.fromkeys(found))


def _text_hints(item: OpenItem, clues: Clues) -> tuple[Hint, ...]:
    if any(item.move == other.move for other in clues.named):
        return (Hint.NUMBER,)
    found = []
    if clues.words.has_short(item.number):
        found.append(Hint.NUMBER_SHORTENED)
    if item.move in clues.near:
        found.append(Hint.NUMBER_MISSPELT)
    return tuple(found)


def _payer_hints(item: OpenItem, clues: Clues) -> tuple[Hint, ...]:
    if item.partner in clues.payer.by_iban:
        return (Hint.IBAN,)
    return (Hint.NAME,) if item.partner in clues.payer.by_name else ()


def _is_near(item: OpenItem, clues: Clues) -> bool:
    """Whether the line pays about what is open, a round share of it, or ten times as much."""
    amount = clues.line.amount
    if item.open.currency != amount.currency or item.open.is_zero:
        return False
    if clues.policy.tolerates(amount - item.open) or amount.amount == 10 * item.open.amount:
        return True
    share = amount.amount / item.total.amount
    return 0 < share < 1 and abs(share / _SHARES - round(share / _SHARES)) < Decimal("0.001")
