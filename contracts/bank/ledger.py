"""What a bank line is compared with: invoices by everything that a payer may write, and who pays
from which account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from contracts.bank import references
from contracts.bank.statement import BankLine
from contracts.bank.verdicts import Booked, OpenItem, Part, Returned, SettledLine
from contracts.bank.words import Words, squashed, tail
from contracts.money import Money
from contracts.names import FirmName, Likeness, compared, firm_name

MAX_ITEMS = 200_000
_SHORTEST_NUMBER = 5
"""Letters and digits of a number that is looked for in a text; fewer are found by anything."""
_SHORTEST_REFERENCE = 9
_MOST_NAMESAKES, _MOST_COUNTS = 100, 20
_DIGITS, _FEWEST_DIGITS, _YEAR_DIGITS = "0123456789", 3, 4
_SHORTEST_CUT = 8
"""Letters of a name that a bank may have cut short."""


@dataclass(frozen=True)
class Payer:
    """The partners whom the other side of a line may be: by its account, by its name."""

    by_iban: frozenset[int] = frozenset()
    by_name: frozenset[int] = frozenset()

    @property
    def partners(self) -> frozenset[int]:
        return self.by_iban or self.by_name

    def is_one_of(self, partners: Iterable[int]) -> bool:
        """Whether it is known to be every one of these: by account, or else by name."""
        wanted = frozenset(partners)
        return bool(wanted) and (wanted <= self.by_iban or wanted <= self.by_name)

    def is_another_than(self, partners: Iterable[int]) -> bool:
        """Whether it is known to be somebody else: the account is another's, or the name is."""
        return bool(self.partners) and not frozenset(partners) <= self.by_iban | self.by_name


class Ledger:
    """Open and recently settled invoices of a firm, and the bank lines that settled them.

    It changes as lines are booked: what one line pays is not open for the next one. Building it
    takes some seconds for 100,000 invoices, a line some milliseconds.
    """

    def __init__(self, items: Iterable[OpenItem] = (), settled: Iterable[SettledLine] = ()) -> None:
        self._items: dict[int, OpenItem] = {}
        self._by_reference: defaultdict[str, list[int]] = defaultdict(list)
        self._by_number: defaultdict[str, list[int]] = defaultdict(list)
        self._by_id: defaultdict[str, list[int]] = defaultdict(list)
        self._by_amount: defaultdict[Money, dict[int, None]] = defaultdict(dict)
        self._by_partner: defaultdict[int, list[int]] = defaultdict(list)
        self._by_iban: defaultdict[str, set[int]] = defaultdict(set)
        self._names: dict[int, FirmName] = {}
        self._by_whole_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)
        self._by_tail: defaultdict[str, list[int]] = defaultdict(list)
        self._named_before: dict[str, frozenset[int]] = {}
        self._number_lengths: set[int] = set()
        self._reference_lengths: set[int] = set()
        self._heads: defaultdict[str, set[int]] = defaultdict(set)
        self._lines: dict[str, SettledLine] = {}
        self._lines_by_id: defaultdict[str, list[str]] = defaultdict(list)
        self._lines_by_payer: defaultdict[tuple[str, Money], list[str]] = defaultdict(list)
        for item in items:
            self.add(item)
        for line in settled:
            self.remember(line)

    # --- what goes in -----------------------------------------------------------------------------

    def add(self, item: OpenItem) -> None:
        """An invoice that was not there before. Raises ValueError beyond MAX_ITEMS."""
        if len(self._items) >= MAX_ITEMS:
            raise ValueError(f"more than {MAX_ITEMS:,} invoices are compared with a bank line")
        self._items[item.move] = item
        self._by_partner[item.partner].append(item.move)
        self._index_texts(item)
        if not item.open.is_zero:
            self._by_amount[item.open][item.move] = None
        for iban in item.ibans:
            self._by_iban[squashed(iban)].add(item.partner)
        for identifier in item.ids:
            self._by_id[identifier].append(item.move)
        if item.partner not in self._names and item.partner_name:
            name = _firm(item.partner_name)
            self._names[item.partner] = name
            self._named_before.clear()
            self._by_whole_name[name.joined].append(item.partner)
            for word in dict.fromkeys(name.words):
                self._by_word[word].append(item.partner)

    def _index_texts(self, item: OpenItem) -> None:
        number = squashed(item.number)
        if len(number) >= _SHORTEST_NUMBER:
            self._by_number[number].append(item.move)
            self._number_lengths.add(len(number))
            self._by_tail[tail(item.number)].append(item.move)
            self._heads[number.rstrip(_DIGITS) or number[:_YEAR_DIGITS]].add(len(number))
        # A reference that is the number itself has no check digits, whatever they come to.
        if squashed(item.reference) == number:
            return
        forms = references.forms(item.reference)
        for form in dict.fromkeys((*forms, squashed(item.reference)) if forms else ()):
            self._by_reference[form].append(item.move)
            if len(form) >= _SHORTEST_REFERENCE:
                self._reference_lengths.add(len(form))

    def remember(self, line: SettledLine) -> None:
        """A line that was booked."""
        self._lines[line.line] = line
        if line.end_to_end_id:
            self._lines_by_id[line.end_to_end_id].append(line.line)
        if line.counterparty_iban:
            payer = (line.counterparty_iban, line.amount)
            self._lines_by_payer[payer].append(line.line)

    def book(self, verdict: Booked | Returned, line: BankLine) -> None:
        """What becomes of the invoices and of what is known, once a line is booked."""
        back = isinstance(verdict, Returned)
        for part in verdict.parts:
            item = self._items.get(part.move)
            if item is not None:
                self._put(item, item.open + part.amount if back else item.open - part.amount)
        if isinstance(verdict, Returned):
            self._lines.pop(verdict.undoes, None)
            return
        if verdict.learned is not None:
            self._by_iban[verdict.learned.iban].add(verdict.learned.partner)
        self.remember(
            SettledLine(
                line=line.key,
                amount=line.amount,
                booked_on=line.booked_on,
                parts=verdict.parts,
                end_to_end_id=line.end_to_end_id,
                counterparty_iban=line.counterparty_iban,
            )
        )

    def _put(self, item: OpenItem, amount: Money) -> None:
        self._by_amount[item.open].pop(item.move, None)
        self._items[item.move] = item.replace(open=amount)
        if not amount.is_zero:
            self._by_amount[amount][item.move] = None

    # --- invoices ---------------------------------------------------------------------------------

    def item(self, move: int) -> OpenItem:
        return self._items[move]

    def items(self, moves: Iterable[int]) -> tuple[OpenItem, ...]:
        return tuple(self._items[move] for move in dict.fromkeys(moves))

    def numbered(self, number: str) -> tuple[OpenItem, ...]:
        """Those of exactly this number, however it is spaced."""
        return self.items(self._by_number.get(squashed(number), ()))

    def by_reference(self, line: BankLine, words: Words) -> tuple[OpenItem, ...]:
        """Those that a structured reference names: in its field, or in the text."""
        forms = [form for text in line.references for form in references.forms(text)]
        forms += words.whole(self._by_reference, self._reference_lengths)
        return self.items(move for form in forms for move in self._by_reference.get(form, ()))

    def by_id(self, identifier: str) -> tuple[OpenItem, ...]:
        return self.items(self._by_id.get(identifier, ()) if identifier else ())

    def by_number(self, words: Words) -> tuple[OpenItem, ...]:
        """Those whose numbers are in the text, in its order."""
        numbers = words.whole(self._by_number, self._number_lengths)
        return self.items(move for number in numbers for move in self._by_number[number])

    def by_misspelt(self, words: Words) -> tuple[OpenItem, ...]:
        """Those whose numbers or references are one slip away from something in the text."""
        numbers = words.misspelt(self._by_number, self._number_lengths)
        found = words.misspelt(self._by_reference, self._reference_lengths)
        moves = [move for number in numbers for move in self._by_number[number]]
        return self.items([*moves, *(move for form in found for move in self._by_reference[form])])

    def by_short(self, words: Words) -> tuple[OpenItem, ...]:
        """Those whose numbers without prefix, year and zeros are in the text."""
        counts = sorted(words.counts)[:_MOST_COUNTS]
        return self.items(move for count in counts for move in self._by_tail.get(str(count), ()))

    def by_amount(self, amount: Money) -> tuple[OpenItem, ...]:
        return self.items(self._by_amount.get(amount, ()))

    def of_partners(self, partners: Iterable[int]) -> tuple[OpenItem, ...]:
        """What they have open, the oldest first."""
        moves = [move for partner in sorted(partners) for move in self._by_partner.get(partner, ())]
        found = (item for item in self.items(moves) if not item.open.is_zero)
        return tuple(sorted(found, key=lambda item: (item.due_on, item.move)))

    def looks_numbered(self, words: Words) -> bool:
        """Whether the text has something like one of our numbers, whichever it may be: a prefix
        and digits, or digits that begin as ours do."""
        for head, lengths in self._heads.items():
            for place in _places(head, words.letters):
                digits = words.letters[place + len(head) :]
                count = len(digits) - len(digits.lstrip(_DIGITS))
                if not head.isdigit() and count >= _FEWEST_DIGITS:
                    return True
                if head.isdigit() and any(len(head) + count == length for length in lengths):
                    return True
        return False

    # --- who pays ---------------------------------------------------------------------------------

    def payer(self, line: BankLine) -> Payer:
        known = self._by_iban.get(line.counterparty_iban, ()) if line.counterparty_iban else ()
        name = line.counterparty
        if name not in self._named_before:
            self._named_before[name] = self._named(name)
        return Payer(frozenset(known), self._named_before[name])

    def _named(self, name: str) -> frozenset[int]:
        """The partners of this name, also cut short or misspelt."""
        if not name:
            return frozenset()
        wanted = _firm(name)
        if same := self._by_whole_name.get(wanted.joined):
            return frozenset(same)
        words = [word for word in wanted.words if word in self._by_word]
        near = dict.fromkeys(
            partner for word in words for partner in self._by_word[word][:_MOST_NAMESAKES]
        )
        alike: dict[Likeness | str, set[int]] = defaultdict(set)
        for partner in near:
            alike[_likeness(wanted, self._names[partner])].add(partner)
        return frozenset(alike[Likeness.SIMILAR] or alike[_CUT])

    # --- lines that were booked -------------------------------------------------------------------

    def lines_of_id(self, end_to_end_id: str) -> list[SettledLine]:
        return self._known(self._lines_by_id.get(end_to_end_id, []) if end_to_end_id else [])

    def lines_of_payer(self, iban: str, amount: Money) -> list[SettledLine]:
        return self._known(self._lines_by_payer.get((iban, amount), []) if iban else [])

    def paid_lately(self, line: BankLine, days: int) -> bool:
        """Whether the same account paid the same amount in the days before."""
        since: date = line.booked_on - timedelta(days)
        paid = self.lines_of_payer(line.counterparty_iban, line.amount)
        return any(earlier.booked_on >= since for earlier in paid)

    def _known(self, keys: list[str]) -> list[SettledLine]:
        return [self._lines[key] for key in keys if key in self._lines]


_CUT = "cut"


def _places(head: str, letters: str) -> Iterator[int]:
    place = letters.find(head)
    while place >= 0:
        yield place
        place = letters.find(head, place + 1)


def _likeness(written: FirmName, known: FirmName) -> Likeness | str:
    found = compared(written, known)
    if found is Likeness.SIMILAR:
        return found
    is_cut = len(written.joined) >= _SHORTEST_CUT and known.joined.startswith(written.joined)
    return _CUT if is_cut else found


@lru_cache(maxsize=100_000)
def _firm(name: str) -> FirmName:
    return firm_name(name)


def settled_parts(items: Iterable[OpenItem]) -> tuple[Part, ...]:
    """All that is open of these."""
    return tuple(Part(move=item.move, amount=item.open) for item in items)
