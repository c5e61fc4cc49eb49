"""Whether a customer is one that Odoo has already: decided by evidence, the same every time.

`match` weighs each candidate by the table `EVIDENCE` (docs/customers.md shows it): its first row
that applies counts. One certain candidate is linked, a doubt is a person's to decide, and nobody
is linked on a likeness alone: a wrong link bills the wrong firm, a double only wastes a record.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from contracts import names, vat
from contracts.model import Customer, ParentCompany
from contracts.names import Likeness

_PROVIDERS = """
    aol.com bluewin.ch btinternet.com comcast.net free.fr fastmail.com gmail.com gmx.at gmx.ch
    gmx.com gmx.de gmx.net googlemail.com hotmail.be hotmail.co.uk hotmail.com hotmail.de
    hotmail.fr hotmail.it hotmail.nl icloud.com kpnmail.nl laposte.net libero.it live.be
    live.co.uk live.com live.fr live.nl mac.com mail.com mail.ru me.com msn.com neuf.fr o2.pl
    online.no orange.fr outlook.be outlook.com outlook.de outlook.fr planet.nl pm.me proton.me
    protonmail.com proximus.be qq.com scarlet.be seznam.cz sfr.fr skynet.be t-online.de
    telenet.be tin.it virgilio.it wanadoo.fr web.de wp.pl xs4all.nl yahoo.co.uk yahoo.com
    yahoo.de yahoo.es yahoo.fr yahoo.it yandex.ru ziggo.nl zonnet.nl
"""
FREE_MAIL = frozenset(_PROVIDERS.split())
"""Providers at whose domains anybody has an address: they say nothing of a firm."""


@dataclass(frozen=True)
class Party:
    """A firm, as a contract or Odoo describes it. What is not known is empty."""

    name: str
    country: str = ""
    vat_number: str = ""
    email: str = ""
    street: str = ""
    zip: str = ""
    city: str = ""
    key: str = ""
    """Its identity in the system that the contract came from."""

    @classmethod
    def of(cls, customer: Customer | ParentCompany) -> Party:
        if isinstance(customer, ParentCompany):
            return cls(customer.name, customer.country, customer.vat_number or "", key=customer.key)
        return cls(
            name=customer.name,
            country=customer.country,
            vat_number=customer.vat_number or "",
            email=customer.billing_email,
            street=customer.street,
            zip=customer.zip,
            city=customer.city,
            key=customer.key,
        )

    @cached_property
    def vat(self) -> vat.VatNumber:
        return vat.read(self.vat_number, self.country)

    @cached_property
    def words(self) -> names.FirmName:
        return names.firm_name(self.name)

    @cached_property
    def domain(self) -> str:
        """The firm's own domain, by its e-mail address; empty for a provider's."""
        host = self.email.strip().strip("<>").rpartition("@")[2].lower().strip(".")
        return "" if host in FREE_MAIL or "." not in host else host

    @cached_property
    def house(self) -> names.House:
        return names.house(self.street, self.zip)


@dataclass(frozen=True)
class Candidate:
    """A partner in Odoo. `is_linked`: the contract's system knew this customer as that partner
    before. `reference` is what the firm has written into its field of that name."""

    id: int
    party: Party
    reference: str = ""
    is_linked: bool = False
    is_archived: bool = False


class Level(IntEnum):
    """How much a candidate's evidence is worth. Of several certain ones the highest counts."""

    NONE = 0
    UNCERTAIN = 1
    SAME_NAME = 2
    SAME_NUMBER = 3
    KNOWN_BEFORE = 4

    @property
    def is_certain(self) -> bool:
        return self > Level.UNCERTAIN


class Found(NamedTuple):
    """A candidate with what speaks for it."""

    candidate: Candidate
    level: Level
    reason: str


@dataclass(frozen=True)
class Linked:
    """The customer is this partner."""

    partner: int
    reason: str


@dataclass(frozen=True)
class Uncertain:
    """A person decides. `more`: there are others that nobody has looked at."""

    candidates: tuple[Found, ...]
    more: bool = False


@dataclass(frozen=True)
class New:
    """Odoo does not have the customer."""


Match = Linked | Uncertain | New


# --- the table ------------------------------------------------------------------------------------


class Comparison:
    """A customer beside a candidate: each question is answered once."""

    def __init__(self, party: Party, candidate: Candidate) -> None:
        one, other = party, candidate.party
        self.is_linked = candidate.is_linked
        self.numbers = vat.compared(one.vat, other.vat)
        self.is_one_tax_country = one.vat.country == other.vat.country
        self.has_reference = bool(one.key) and candidate.reference == one.key
        self.names = names.compared(one.words, other.words)
        self.forms_conflict = names.forms_conflict(one.words, other.words)
        self.country = _known_same(one.country, other.country)
        self.domain = _known_same(one.domain, other.domain, _is_one_domain)
        self.address = names.same_house(one.house, other.house)

    @property
    def numbers_conflict(self) -> bool:
        return self.numbers is vat.Comparison.DIFFERENT

    @property
    def is_same_number(self) -> bool:
        return self.numbers is vat.Comparison.SAME

    @property
    def is_same_name(self) -> bool:
        return self.names is Likeness.SAME

    @property
    def is_near(self) -> bool:
        """They share a domain of their own, or a house."""
        return self.domain is True or self.address is True

    @property
    def is_far(self) -> bool:
        """All that is known of where they are differs: domain, house."""
        return self.domain is False and self.address is False


class Row(NamedTuple):
    """One row of the table: it applies where its test holds, and no row above it did."""

    level: Level
    reason: str
    applies: Callable[[Comparison], bool]
    remark: str = ""


EVIDENCE: tuple[Row, ...] = (
    Row(
        Level.UNCERTAIN,
        "known before, with another VAT number",
        lambda it: it.is_linked and it.numbers_conflict,
        "the firm at the CRM's account may be another one now",
    ),
    Row(
        Level.KNOWN_BEFORE,
        "known before",
        lambda it: it.is_linked,
        "the same key of the same system: c2c created it, or a person linked it",
    ),
    Row(
        Level.SAME_NUMBER,
        "same VAT number",
        lambda it: it.is_same_number,
        "however it is written, whatever the names are",
    ),
    Row(
        Level.UNCERTAIN,
        "same name and address, VAT numbers of two countries",
        lambda it: (
            it.numbers_conflict
            and not it.is_one_tax_country
            and it.is_same_name
            and it.address is True
        ),
        "one firm can be registered twice",
    ),
    Row(
        Level.NONE,
        "another VAT number",
        lambda it: it.numbers_conflict,
        "two firms, though they share name, domain and house",
    ),
    Row(
        Level.SAME_NAME,
        "same name and reference",
        lambda it: (
            it.has_reference
            and it.is_same_name
            and not it.forms_conflict
            and it.country is not False
        ),
        "the field Reference holds the customer's key in the CRM",
    ),
    Row(
        Level.UNCERTAIN,
        "same reference",
        lambda it: it.has_reference,
        "two systems may count alike",
    ),
    Row(
        Level.SAME_NAME,
        "same name, country and domain or address",
        lambda it: (
            it.is_same_name
            and not it.forms_conflict
            and it.country is True
            and it.is_near
            and it.address is not False
        ),
        "at most one of the two has a valid VAT number",
    ),
    Row(
        Level.NONE,
        "same name, but another country, or domain and address",
        lambda it: it.is_same_name and not it.is_near and (it.country is False or it.is_far),
        "firms of one name are many",
    ),
    Row(
        Level.NONE,
        "same name, but another legal form",
        lambda it: it.is_same_name and it.forms_conflict and not it.is_near,
        "a holding and its company",
    ),
    Row(
        Level.UNCERTAIN,
        "same name",
        lambda it: it.is_same_name,
        "moved, another legal form, or nothing else to compare",
    ),
    Row(
        Level.UNCERTAIN,
        "similar name, same domain or address",
        lambda it: it.names is Likeness.SIMILAR and it.country is not False and it.is_near,
        "one or two letters, or the order of words; digits have to be the same",
    ),
    Row(
        Level.UNCERTAIN,
        "similar name",
        lambda it: (
            it.names is Likeness.SIMILAR
            and it.country is True
            and it.domain is None
            and it.address is None
        ),
        "nothing else to compare",
    ),
    Row(
        Level.UNCERTAIN,
        "one name within the other, same address",
        lambda it: it.names is Likeness.WITHIN and it.address is True,
        "a short name, or a subsidiary at the same house",
    ),
    Row(
        Level.UNCERTAIN,
        "same domain and address",
        lambda it: it.domain is True and it.address is True,
        "renamed, or another firm of the group at the same house",
    ),
    Row(Level.NONE, "nothing in common that counts", lambda it: True),
)
"""What each kind of evidence is worth; the first row that applies counts."""


def weighed(party: Party, candidate: Candidate) -> Found:
    """What speaks for one candidate."""
    comparison = Comparison(party, candidate)
    row = next(row for row in EVIDENCE if row.applies(comparison))
    return Found(candidate, row.level, row.reason)


def match(party: Party, candidates: Iterable[Candidate], *, more: bool = False) -> Match:
    """Who of the candidates the customer is.

    The one with the best certain evidence is; where two have it, or the only one is archived, or
    there are likenesses alone, a person decides. `more`: Odoo has more than were looked at, so
    that none of them being it does not make the customer new.
    """
    found = [weighed(party, item) for item in sorted(candidates, key=lambda item: item.id)]
    active = [item for item in found if not item.candidate.is_archived]
    certain = _best(active)
    if len(certain) == 1:
        return Linked(certain[0].candidate.id, certain[0].reason)
    # An archived double of an active partner is no question; the only one that is certain is.
    archived = [item for item in found if item.candidate.is_archived and item.level.is_certain]
    asked = certain or archived + [item for item in active if item.level is Level.UNCERTAIN]
    if asked or more:
        return Uncertain(tuple(sorted(asked, key=lambda item: -item.level)), more)
    return New()


def _best(found: Sequence[Found]) -> list[Found]:
    """Those with the highest certain evidence."""
    best = max((item.level for item in found), default=Level.NONE)
    return [item for item in found if item.level is best] if best.is_certain else []


# --- what to search by ----------------------------------------------------------------------------


def key_of(party: Party) -> tuple[str, ...] | None:
    """What the firm is by itself, in whichever system it comes: its valid VAT number, or its name,
    country and own domain. Two contracts that come at the same time from two systems create one
    partner by it. None where it is only known by its key."""
    if party.vat.is_valid:
        return ("vat", party.vat.text)
    if party.domain and party.country and party.words.joined:
        return ("firm", party.country, party.domain, party.words.joined)
    return None


def name_patterns(party: Party) -> tuple[str, ...]:
    """What the same name is like, as `=ilike` searches: its words in their order, however they are
    spelled. A number at its end ends there: `Garage 2` is not searched as `Garage 23`."""
    words = names.words_of(party.name)
    return _ending("%".join(_pattern(word) for word in words), words) if words else ()


def telling_patterns(party: Party) -> tuple[str, ...]:
    """What a name with one of the firm's most telling words is like; or, where the name has
    numbers, one with the same numbers: in those nobody makes a typing error unseen."""
    numbers = names.numbers_of(party.name)
    if numbers:
        return _ending("%".join(numbers), names.words_of(party.name))
    return tuple(f"%{_pattern(word)}%" for word in names.telling_words(party.name))


def street_patterns(party: Party) -> tuple[str, ...]:
    """What the same street and house number are like: each is in its text, in either order."""
    start = _pattern(party.house.street[:_STREET_LETTERS])
    return tuple(f"%{part}%" for part in (start, *party.house.numbers[:1]))


_VOWELS = frozenset("aeiouy")
_STREET_LETTERS = 5
_SHORT = 4


def _ending(pattern: str, words: Sequence[str]) -> tuple[str, ...]:
    if not words[-1][-1].isdigit():
        return (f"%{pattern}%",)
    return (f"%{pattern}", f"%{pattern} %", f"%{pattern},%")


def _pattern(word: str) -> str:
    """A word with wildcards for letters that are written in several ways; a short one may be an
    abbreviation with dots."""
    spelled = re.sub(r"[äöü]|[aou]e|ß|ss", "%", word)
    letters = [_letter(letter) for letter in spelled]
    return ("%" if len(word) <= _SHORT else "").join(letters)


def _letter(letter: str) -> str:
    if letter == "%":
        return letter
    plain = unicodedata.normalize("NFKD", letter)
    return "_" if plain != letter or not letter.isascii() or letter in _VOWELS else letter


def _known_same(
    one: str, other: str, same: Callable[[str, str], bool] = lambda one, other: one == other
) -> bool | None:
    """Whether both are the same; None where one of them is not known."""
    return same(one, other) if one and other else None


def _is_one_domain(one: str, other: str) -> bool:
    """The same domain, or one below the other, as `ap.acme.com` is below `acme.com`."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")
