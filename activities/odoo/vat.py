"""VAT numbers as people write them, made comparable: `BE 0401.574.852` is `BE0401574852`."""

from __future__ import annotations

import re

from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

_WRITTEN_OTHERWISE = {"GR": "EL", "GB": "XI"}
"""Prefixes of countries whose VAT numbers begin with other letters than their code (also)."""


def normalised(number: str | None, country: str | None) -> str:
    """The number with its country's code before it, without anything people put in between.

    `country` (ISO) is that of its holder, for a number that names none. One that is not valid is
    only stripped of what is neither letter nor digit.
    """
    text = re.sub(r"[^A-Z0-9]", "", (number or "").upper())
    if country == "CH":
        # What says in one of three languages that it is a VAT number.
        text = re.sub(r"(MWST|TVA|IVA|TPV)$", "", text)
    if not text or not country:
        return text
    prefix = _WRITTEN_OTHERWISE.get(country, country)
    bare = next((text.removeprefix(p) for p in (country, prefix) if text.startswith(p)), text)
    compact = _compact(country, bare)
    if compact is None:
        return text
    return f"{country}{re.sub('[^A-Z0-9]', '', compact.upper()).removeprefix(country)}"


def pattern(wanted: str) -> str:
    """What any way of writing the normalised number is like, as Odoo searches with `=ilike`: its
    last digits, with anything before and between them."""
    digits = re.sub(r"[^A-Z0-9]", "", wanted)[-_DIGITS:]
    return f"%{'%'.join(digits)}%"


_DIGITS = 8
"""Enough for few to have the same, and no more than every country's number has."""


def _compact(country: str, number: str) -> str | None:
    """The number by stdnum's rules for the country; None where it knows none, or refuses it."""
    module = get_cc_module(country.lower(), "vat")
    if module is None:
        return None
    try:
        return str(module.validate(number))
    except ValidationError:
        return None
