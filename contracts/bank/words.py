"""What payers write: numbers of invoices in free text, whole, short or misspelt."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

MAX_LETTERS = 2_000
"""Of a line's text that are looked at."""
_LETTERS_BEFORE = 3
"""A number may be glued to a word before it; fewer letters make it another number (`RINV`)."""
_RANGE = re.compile(r"([0-9]{1,9})\s*(?:-|–|to|bis|tot|t/m|à|au)\s*([0-9]{1,4})(?![0-9])", re.I)
_MOST_IN_RANGE = 12
_SUMS_AND_DAYS = re.compile(
    r"(?<![0-9/-])(?:[0-3]?[0-9][.][01]?[0-9][.](?:20)?[0-9]{2}"
    r"|[0-9]{1,3}(?:[., ][0-9]{3})*[.,][0-9]{2})(?![0-9])"
)
"""Amounts and dates, as people write them: none of their digits is a number of ours."""
_YEAR = re.compile(r"20[0-9]{2}")
_LONGEST_TAIL, _MOST_DIGITS = 5, 9
_MOST_TOKENS, _FEWEST_DIGITS = 6, 3
_MOST_LOOKED_AT = 100
"""Words and numbers of a text that are looked at for slips."""
_DIGITS = "0123456789"


def squashed(text: str) -> str:
    """Letters in capitals and digits, nothing else."""
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def tail(number: str) -> str:
    """The digits of an invoice's number that count: without prefix, year and leading zeros."""
    groups = re.findall(r"[0-9]+", number)
    last: str = groups[-1] if groups else ""
    if len(groups) < 2 and _YEAR.match(last) and len(last) > 4:
        last = last[4:]
    return last.lstrip("0")


@dataclass(frozen=True)
class Words:
    """The texts of a line. `texts` are read as one: banks break them where a line is full."""

    texts: tuple[str, ...]

    @cached_property
    def joined(self) -> str:
        return " ".join(self.texts)[:MAX_LETTERS].upper()

    @cached_property
    def letters(self) -> str:
        return self._squashed[0]

    @cached_property
    def _squashed(self) -> tuple[str, frozenset[int], frozenset[int]]:
        """The letters, the places before which there was something else, and before which a
        blank."""
        letters: list[str] = []
        breaks, gaps = {0}, {0}
        for chunk in self.joined.split():
            gaps.add(len(letters))
            for found in re.findall(r"[A-Z0-9]+", chunk):
                breaks.add(len(letters))
                letters += found
        breaks.add(len(letters))
        return "".join(letters), frozenset(breaks), frozenset(gaps)

    # --- whole numbers ----------------------------------------------------------------------------

    def whole(self, known: Collection[str], lengths: Collection[int]) -> tuple[str, ...]:
        """The known numbers in the text, in its order: separators and case do not count, `O` may
        stand for a zero. Of two that overlap the longer one counts."""
        for letters in dict.fromkeys((self.letters, _with_zeros(self.letters))):
            found = list(self._whole(letters, known, lengths))
            found += [item for item in self._glued(known, lengths) if item not in found]
            if found:
                return tuple(dict.fromkeys(found))
        return ()

    def _whole(
        self, letters: str, known: Collection[str], lengths: Collection[int]
    ) -> Iterator[str]:
        place = 0
        longest_first = sorted(lengths, reverse=True)
        while place < len(letters):
            ends = (place + length for length in longest_first)
            end = next(
                (
                    end
                    for end in ends
                    if letters[place:end] in known and self._ends(letters, place, end)
                ),
                None,
            )
            if end is not None:
                yield self._as_written(letters, place, end, known)
            place = place + 1 if end is None else end

    def _as_written(self, letters: str, start: int, end: int, known: Collection[str]) -> str:
        """`Inv. 202600012` is the number 202600012, if there is one, and not INV/2026/00012."""
        digits = letters[start:end].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        inner = end - len(digits)
        is_one_token = not any(place in self._squashed[1] for place in range(inner + 1, end))
        apart = inner > start and inner in self._squashed[1] and is_one_token
        return digits if apart and digits in known else letters[start:end]

    def _ends(self, letters: str, start: int, end: int) -> bool:
        """Whether a number is whole: not a part of a longer one."""
        if end > len(letters):
            return False
        is_whole = self._begins(letters, start) and self._stops(letters, end)
        return is_whole and not self._is_of_another(letters, start, end)

    def _begins(self, letters: str, start: int) -> bool:
        breaks = self._squashed[1]
        if start in breaks or letters[start - 1].isdigit() != letters[start].isdigit():
            return True
        if letters[start].isdigit():
            return False
        before = start
        while before not in breaks and letters[before - 1].isalpha():
            before -= 1
        return start - before >= _LETTERS_BEFORE

    def _is_of_another(self, letters: str, start: int, end: int) -> bool:
        """Whether digits with separators among them follow a prefix: `RINV/2026/00012` is not
        202600012."""
        _, breaks, gaps = self._squashed
        if not letters[start].isdigit() or start in gaps or not letters[start - 1].isalpha():
            return False
        return any(place in breaks for place in range(start + 1, end))

    def _stops(self, letters: str, end: int) -> bool:
        return end in self._squashed[1] or letters[end - 1].isdigit() != letters[end].isdigit()

    def _glued(self, known: Collection[str], lengths: Collection[int]) -> Iterator[str]:
        """Numbers written one behind the other without a blank, if nothing else is between."""
        for chunk in self.joined.split():
            parts = _parts(squashed(chunk), known, lengths)
            if len(parts) > 1:
                yield from parts

    # --- parts of numbers -------------------------------------------------------------------------

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        return tuple(re.findall(r"[A-Z]+|[0-9]+", self.joined))

    @cached_property
    def counts(self) -> frozenset[int]:
        """Numbers that stand alone and are no years, and those of ranges such as `12-14`."""
        bare = _SUMS_AND_DAYS.sub(" ", self.joined)
        written = [item for item in re.findall(r"[0-9]+", bare) if len(item) <= _MOST_DIGITS]
        found = {int(item) for item in written if not _YEAR.fullmatch(item)}
        for first, last in _RANGE.findall(bare):
            start, whole = int(first), 10 ** len(last)
            stop = start // whole * whole + int(last)
            if start < stop < start + _MOST_IN_RANGE:
                found |= set(range(start, stop + 1))
        return frozenset(found)

    def has_short(self, number: str) -> bool:
        """Whether the text has the number without its prefix, year or zeros."""
        counted = tail(number)
        return (
            bool(counted)
            and (len(counted) > 1 or "0" * 3 in number)
            and int(counted) in self.counts
        )

    def has_tail(self, number: str, fewest_digits: int = 1) -> bool:
        """Whether the text ends a list of numbers with the last digits of this one."""
        counted = tail(number)
        most = min(len(counted), _LONGEST_TAIL)
        ends = {int(counted[-digits:]) for digits in range(1, most + 1)}
        return any(end in self.counts and len(str(end)) >= fewest_digits for end in ends)

    def misspelt(self, known: Collection[str], lengths: Collection[int]) -> tuple[str, ...]:
        """The known numbers that are one slip away from something in the text."""
        found: dict[str, None] = {}
        for written in self._runs(max(lengths, default=0) + 1):
            if any(abs(len(written) - length) <= 1 for length in lengths):
                found |= dict.fromkeys(item for item in _slips(written) if item in known)
        return tuple(found)

    def _runs(self, longest: int) -> Iterator[str]:
        """Neighbouring tokens joined, where they may be a number."""
        tokens = self.tokens[:_MOST_LOOKED_AT]
        for start in range(len(tokens)):
            run = ""
            for token in tokens[start : start + _MOST_TOKENS]:
                run += token
                if len(run) > longest:
                    break
                if sum(letter.isdigit() for letter in run) >= _FEWEST_DIGITS:
                    yield run


def _with_zeros(letters: str) -> str:
    """`O` beside a digit is a zero."""
    while (changed := re.sub(r"(?<=[0-9])O|O(?=[0-9])", "0", letters)) != letters:
        letters = changed
    return letters


def _parts(
    letters: str, known: Collection[str], lengths: Collection[int], depth: int = 0
) -> list[str]:
    """The known numbers that make up the letters; empty where they do not."""
    for length in sorted(lengths, reverse=True):
        head, rest = letters[:length], letters[length:]
        if head in known and len(head) == length and depth < _MOST_IN_RANGE:
            if not rest:
                return [head]
            if more := _parts(rest, known, lengths, depth + 1):
                return [head, *more]
    return []


def _slips(written: str) -> Iterator[str]:
    """The text with one letter left out, swapped, changed into a digit, or a digit added."""
    for place in range(len(written) + 1):
        head, rest = written[:place], written[place:]
        yield from (head + digit + rest for digit in _DIGITS)
        if rest:
            yield head + rest[1:]
            yield from (head + digit + rest[1:] for digit in _DIGITS)
        if len(rest) > 1:
            yield head + rest[1] + rest[0] + rest[2:]
