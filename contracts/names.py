"""Names and addresses of firms, made comparable: legal forms, accents, punctuation, case."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

_FORMS = {
    "private": "bv bvba sprl srl sarl gmbh ug ltd limited llc lda sl ab oy aps doo sro spzoo kft "
    "eood ood uab sia ou",
    "public": "nv sa ag spa plc se asa oyj ad dd",
    "incorporated": "inc incorporated corp corporation",
    "partnership": "kg ohg gbr vof snc scs commv cv scrl cvba lp llp gmbhcokg",
    "association": "vzw asbl ev stichting",
    "cooperative": "eg scop",
}
"""Words that say a firm's legal form, by kind: a Belgian firm is as well `NV` as `SA`."""
_KIND_OF_FORM = {word: kind for kind, words in _FORMS.items() for word in words.split()}
_PHRASES = {
    "gmbh & co kg": "gmbhcokg",
    "gmbh und co kg": "gmbhcokg",
    "sp z oo": "spzoo",
    "sp zoo": "spzoo",
    "comm v": "commv",
    "d o o": "doo",
    "s r o": "sro",
}
"""Legal forms of several words, once dots are gone."""
_FILLERS = frozenset({"the", "and", "et", "und", "en"})
_MANY_HAVE = """
    advies agency associates bouw business company consult consultancy consulting contractors
    design development digital engineering enterprise enterprises europe european financial
    global group groep groupe gruppe holding holdings industries industry international invest
    investments logistics management marketing media partner partners production products projects
    services solutions studio systems technics technologies technology trading transport ventures
"""
_COMMON = frozenset(_MANY_HAVE.split())
"""Words of many names: they tell one firm from another, but nobody is searched by them."""
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d"})
_SHORTEST_TELLING = 3
_MOST_TELLING = 2
_ONE_TYPO, _TWO_TYPOS = 5, 9
"""How many letters a name has at least for one or two typing errors to leave it the same firm's."""


class Likeness(Enum):
    """How two names compare. `WITHIN`: all words of one are among those of the other."""

    SAME = "same"
    SIMILAR = "similar"
    WITHIN = "within"
    OTHER = "other"


class FirmName(NamedTuple):
    """The words of a name that tell the firm, and the kinds of its legal form."""

    words: tuple[str, ...]
    forms: frozenset[str]

    @property
    def joined(self) -> str:
        return "".join(self.words)


class House(NamedTuple):
    """An address: postal code, house numbers in the street's text, and the street's letters."""

    zip: str
    numbers: tuple[str, ...]
    street: str


def folded(text: str) -> str:
    """The text in small letters without accents; umlauts as if they were written without."""
    small = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    plain = unicodedata.normalize("NFKD", small)
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"([aou])e+", r"\1", bare)


def firm_name(name: str) -> FirmName:
    """The name without its legal form, fillers and punctuation."""
    text = folded(re.sub(r"[.'’]", "", name))
    text = " ".join(re.sub(r"[^\w&]|_", " ", text).split())
    for phrase, form in _PHRASES.items():
        text = re.sub(rf"(?<!\S){re.escape(phrase)}(?!\S)", form, text)
    words = text.replace("&", " ").split()
    forms = frozenset(_KIND_OF_FORM[word] for word in words if word in _KIND_OF_FORM)
    telling = [word for word in words if word not in _KIND_OF_FORM and word not in _FILLERS]
    # A name that is nothing else, such as `Le SA`, is what it is.
    return FirmName(tuple(telling or words), forms)


def compared(one: FirmName, other: FirmName) -> Likeness:
    """How alike two names are. Digits are no typing errors: `Garage 2` is not `Garage 3`."""
    ours, theirs = one.joined, other.joined
    if not ours or not theirs:
        return Likeness.OTHER
    if ours == theirs:
        return Likeness.SAME
    if _digits(ours) == _digits(theirs):
        if sorted(one.words) == sorted(other.words):
            return Likeness.SIMILAR
        if _is_typo(ours, theirs):
            return Likeness.SIMILAR
    few, many = sorted((set(one.words), set(other.words)), key=len)
    tells = any(len(word) >= _SHORTEST_TELLING and word not in _COMMON for word in few)
    return Likeness.WITHIN if few < many and tells else Likeness.OTHER


def forms_conflict(one: FirmName, other: FirmName) -> bool:
    """Whether both name a legal form, and not of one kind."""
    return bool(one.forms and other.forms and not one.forms & other.forms)


def words_of(name: str) -> tuple[str, ...]:
    """The words that tell the firm, in small letters as they are written."""
    plain = re.sub(r"[^\w]|_", " ", name.lower().replace(".", "")).split()
    telling = [word for word in plain if folded(word) not in (*_KIND_OF_FORM, *_FILLERS)]
    return tuple(telling or plain)


def numbers_of(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[0-9]+", " ".join(words_of(name))))


def telling_words(name: str) -> tuple[str, ...]:
    """The longest of the words that few other firms have in their names."""
    found = [word for word in words_of(name) if len(word) >= _SHORTEST_TELLING]
    rare = [word for word in found if folded(word) not in _COMMON]
    ranked = sorted(enumerate(rare or found), key=lambda item: (-len(item[1]), item[0]))
    return tuple(dict.fromkeys(word for _, word in ranked))[:_MOST_TELLING]


def house(street: str, postal_code: str) -> House:
    """An address made comparable. The kind of street, which is often shortened, is left out."""
    text = re.sub(r"[^\w]|_", " ", folded(street).replace(".", " "))
    kinds = r"(strasse|straße|stras?se|straat|laan|weg|str|street|st|road|rd|avenue|ave?|rue|via)"
    letters = re.sub(rf"{kinds}\b|\b{kinds}\b", " ", text)
    return House(
        # Some write the country before it, as in `B-1000`.
        re.sub(r"^[a-z]{1,3}-|[^a-z0-9]", "", folded(postal_code)),
        tuple(re.findall(r"[0-9]+", text)),
        re.sub(r"[^a-z]", "", letters),
    )


def same_house(one: House, other: House) -> bool | None:
    """Whether two addresses are one; None where that is not known."""
    if one.zip and other.zip and one.zip != other.zip:
        return False
    if not (one.zip and other.zip and one.street and other.street):
        return None
    if one.numbers != other.numbers:
        return False if one.numbers and other.numbers else None
    return _distance(one.street, other.street, 2) <= 2


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _is_typo(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    allowed = 2 if shorter >= _TWO_TYPOS else 1 if shorter >= _ONE_TYPO else 0
    return bool(allowed) and _distance(one, other, allowed) <= allowed


def _distance(one: str, other: str, most: int) -> int:
    """How many letters are changed, added, left out or swapped; `most` + 1 where there are more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: dict[int, int] = {}
    last = {column: column for column in range(min(most, len(other)) + 1)}
    for row in range(1, len(one) + 1):
        now: dict[int, int] = {}
        for column in _band(row, most, len(other)):
            now[column] = _cell(one, other, row, column, now, last, before, most)
        if min(now.values()) > most:
            return most + 1
        before, last = last, now
    return last.get(len(other), most + 1)


def _band(row: int, most: int, width: int) -> Iterator[int]:
    yield from range(max(0, row - most), min(width, row + most) + 1)


def _cell(
    one: str,
    other: str,
    row: int,
    column: int,
    now: dict[int, int],
    last: dict[int, int],
    before: dict[int, int],
    most: int,
) -> int:
    """One cell of the table of distances; what lies outside the band is more than `most`."""
    if column == 0:
        return row
    far = most + 1
    same = one[row - 1] == other[column - 1]
    ways = [
        last.get(column, far) + 1,
        now.get(column - 1, far) + 1,
        last.get(column - 1, far) + (not same),
    ]
    swapped = row > 1 and column > 1 and one[row - 1] == other[column - 2]
    if swapped and one[row - 2] == other[column - 1]:
        ways.append(before.get(column - 2, far) + 1)
    return min(ways)
