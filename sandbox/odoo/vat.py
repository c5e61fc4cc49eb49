"""VAT numbers as the real server's `base_vat` module treats them."""

from __future__ import annotations

import re
from collections.abc import Callable

import stdnum
import stdnum.ch.uid
import stdnum.de.stnr
import stdnum.de.vat
import stdnum.jp.cn
import stdnum.no.orgnr

from sandbox.odoo.errors import ValidationError

EU_MEMBERS = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
PREFIXED = frozenset([*EU_MEMBERS.split(), "CH", "GB", "NO", "SM"])
"""Countries whose numbers carry their country's code; a partner of one may have any other's."""

COUNTRY_OF_PREFIX = {"EL": "GR", "XI": "GB"}

EXAMPLES = {
    "AT": "ATU12345675",
    "AU": "83 914 571 673",
    "BE": "BE0477472701",
    "BG": "BG1234567892",
    "CH": "CHE-123.456.788 TVA or CHE-123.456.788 MWST or CHE-123.456.788 IVA",
    "CY": "CY10259033P",
    "CZ": "CZ12345679",
    "DE": "DE123456788 or 12/345/67890",
    "DK": "DK12345674",
    "EE": "EE123456780",
    "ES": "ESA12345674",
    "FI": "FI12345671",
    "FR": "FR23334175221",
    "GB": "GB123456782 or XI123456782",
    "GR": "EL123456783",
    "HR": "HR01234567896",
    "HU": "HU12345676 or 12345678-1-11 or 8071592153",
    "IE": "IE1234567FA",
    "IT": "IT12345670017",
    "JP": "T7000012050002",
    "LT": "LT123456715",
    "LU": "LU12345613",
    "LV": "LV41234567891",
    "MT": "MT12345634",
    "NL": "NL123456782B90",
    "NO": "NO123456785",
    "PL": "PL1234567883",
    "PT": "PT123456789",
    "RO": "RO1234567897 or 8001011234567 or 9000123456789",
    "SE": "SE123456789701",
    "SI": "SI12345679",
    "SK": "SK2022749619",
    "SA": '310175397400003 [Fifteen digits, first and last digits should be "3"]',
    "SM": "SM24165",
    "UA": "12345678 or UA12345678 (EDRPOU), 1234567890 (RNOPP) or 123456789012 (IPN)",
}
"""The formats the refusal shows."""


def checked(vat: str, country: str, partner: str) -> str:
    """The number as it is stored; ValidationError if it cannot be one of its country."""
    if not country or not vat:
        return vat
    if len(vat) == 1:
        if vat == "/":
            return vat
        raise ValidationError("To explicitly indicate no (valid) VAT, use '/' instead. ")
    prefix, number = _split(vat)
    foreign = COUNTRY_OF_PREFIX.get(prefix, prefix)
    if foreign in PREFIXED and country in PREFIXED:
        return _checked_prefixed(prefix, foreign, number, partner)
    compact = _compact(country, vat)
    if not _valid(country, compact) and not (foreign in PREFIXED and _valid(foreign, number)):
        raise _refusal(country, compact, partner)
    return compact


def _checked_prefixed(prefix: str, country: str, number: str, partner: str) -> str:
    compact = _compact(country, number)
    if not _valid(country, compact):
        raise _refusal(country, compact, partner)
    return ("EL" if country == "GR" else prefix) + compact


def _split(vat: str) -> tuple[str, str]:
    prefix = vat[:2].upper()
    return (prefix, vat[2:].replace(" ", "")) if prefix.isalpha() else ("", vat)


def _compact(country: str, number: str) -> str:
    if country == "CH":
        return re.sub(r"(\d)(?=[A-Z]{3,4}$)", r"\1 ", number.upper())
    module = stdnum.get_cc_module(country.lower(), "vat")
    if module is None:
        return number
    try:
        return str(module.compact(number))
    except Exception:  # a module may refuse what it cannot read at all
        return number


def _valid(country: str, number: str) -> bool:
    if country in RULES:
        return RULES[country](number)
    module = stdnum.get_cc_module(country.lower(), "vat")
    return module is None or bool(module.is_valid(number))


def _swiss(number: str) -> bool:
    parts = re.fullmatch(r"E-?([\d.]+) ?(MWST|TVA|IVA)", number)
    return bool(parts and stdnum.ch.uid.is_valid(f"CHE{parts.group(1)}"))


def _german(number: str) -> bool:
    return bool(stdnum.de.vat.is_valid(number) or stdnum.de.stnr.is_valid(number))


def _norwegian(number: str) -> bool:
    return bool(stdnum.no.orgnr.is_valid(number.removesuffix("MVA")))


def _japanese(number: str) -> bool:
    return bool(stdnum.jp.cn.is_valid(number.removeprefix("T")))


def _ukrainian(number: str) -> bool:
    return len(number.removeprefix("UA")) in (8, 10, 12)


def _saudi(number: str) -> bool:
    return bool(re.fullmatch(r"3\d{13}3", number))


RULES: dict[str, Callable[[str], bool]] = {
    "CH": _swiss,
    "DE": _german,
    "JP": _japanese,
    "NO": _norwegian,
    "SA": _saudi,
    "UA": _ukrainian,
}
"""Where Odoo's rule is another than python-stdnum's."""


def _refusal(country: str, number: str, partner: str) -> ValidationError:
    example = EXAMPLES.get(country)
    note = f" \nNote: the expected format is {example}" if example else ""
    return ValidationError(
        f"\nThe VAT number [{number}] for partner [{partner}] does not seem to be valid. {note}"
    )
