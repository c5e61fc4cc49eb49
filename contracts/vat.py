"""VAT numbers as people write them, made comparable: `BE 0401.574.852` is `BE0401574852`."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

_WRITTEN_OTHERWISE = {"GR": "EL", "GB": "XI"}
"""Prefixes of countries whose VAT numbers begin with other letters than their code (also)."""
_COUNTRIES = {prefix: country for country, prefix in _WRITTEN_OTHERWISE.items()}
_SHORTEST = 5
"""What has fewer characters is no number that tells a firm from another one."""
_DIGITS = 8
"""Enough for few to have the same, and no more than every country's number has."""


class VatNumber(NamedTuple):
    """A number made comparable: with its country's code before it, without what people put in
    between. One that is not valid is only stripped of what is neither letter nor digit."""

    text: str
    is_valid: bool

    @property
    def country(self) -> str:
        """The country whose valid number it is."""
        return self.text[:2] if self.is_valid else ""


class Comparison(Enum):
    """`UNKNOWN`: one of them is missing, or differs and is not known to be valid."""

    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


def read(number: str | None, country: str | None) -> VatNumber:
    """The number; `country` (ISO) is that of its holder, for a number that names none."""
    text = re.sub(r"[^A-Z0-9]", "", (number or "").upper())
    if country == "CH":
        # What says in one of three languages that it is a VAT number.
        text = re.sub(r"(MWST|TVA|IVA|TPV)$", "", text)
    named = _COUNTRIES.get(text[:2], text[:2])
    for code in dict.fromkeys((country or "", named if named.isalpha() else "")):
        valid = _valid(text, code) if text and code else None
        if valid is not None:
            return VatNumber(valid, True)
    return VatNumber(text, False)


def normalised(number: str | None, country: str | None) -> str:
    """The number as text that equals that of any other way to write it."""
    return read(number, country).text


def compared(one: VatNumber, other: VatNumber) -> Comparison:
    """Whether both are one number. Two that differ are two only where both are valid."""
    if len(one.text) < _SHORTEST or len(other.text) < _SHORTEST:
        return Comparison.UNKNOWN
    if one.text == other.text:
        return Comparison.SAME
    both = one.is_valid and other.is_valid
    return Comparison.DIFFERENT if both else Comparison.UNKNOWN


def spellings(number: VatNumber) -> tuple[str, ...]:
    """The usual ways to write the number: as Odoo stores it, and without its country."""
    if not number.text:
        return ()
    if not number.is_valid:
        return (number.text,)
    country, bare = number.country, number.text[2:]
    other = _WRITTEN_OTHERWISE.get(country)
    return tuple(dict.fromkeys((number.text, bare, *([f"{other}{bare}"] if other else []))))


def pattern(wanted: str) -> str:
    """What any way of writing the normalised number is like, as Odoo searches with `=ilike`: its
    last digits, with anything before and between them."""
    digits = re.sub(r"[^A-Z0-9]", "", wanted)[-_DIGITS:]
    return f"%{'%'.join(digits)}%"


def _valid(text: str, country: str) -> str | None:
    """The number with the country's code before it; None where it is not valid there, or where
    python-stdnum has no rules for the country."""
    module = get_cc_module(country.lower(), "vat")
    if module is None:
        return None
    prefix = _WRITTEN_OTHERWISE.get(country, country)
    bare = next((text.removeprefix(p) for p in (country, prefix) if text.startswith(p)), text)
    try:
        compact = str(module.validate(bare))
    except ValidationError:
        return None
    return f"{country}{re.sub('[^A-Z0-9]', '', compact.upper()).removeprefix(country)}"
