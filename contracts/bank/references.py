"""Structured references: what bank and payer copy by machine, with check digits against slips.

A reference is compared in its normal form: letters in capitals and digits, without separators and
leading zeros. So `+++090/9337/55493+++` is `90933755493`, and `RF18 5390 0754 7034` is
`RF18539007547034`.
"""

from __future__ import annotations

import re

import stdnum.be.ogm_vcs
import stdnum.ch.esr
import stdnum.iso11649

_SWISS_DIGITS = 27
_BELGIAN_DIGITS = 12
_FINNISH_DIGITS, _KID_DIGITS = range(4, 21), range(4, 26)
"""A KID may have two digits; so short a one is no evidence of anything."""
_BELGIAN = re.compile(r"^\W*[0-9]{3}/[0-9]{4}/[0-9]{5}\W*$")
"""As it is printed: so written, twelve digits are of no other scheme."""
_WEIGHTS_731 = (7, 3, 1)
_MAX_LENGTH = 40


def forms(text: str) -> tuple[str, ...]:
    """The normal forms of a reference whose check digits are right under one of the schemes that
    we know; empty for any other text. A Finnish reference has two, as it may be written as an
    ISO 11649 one, too."""
    bare = _bare(text)
    if _BELGIAN.search(text) and not stdnum.be.ogm_vcs.is_valid(bare):
        return ()
    if stdnum.iso11649.is_valid(bare):
        national = bare[4:]
        inside = (national.lstrip("0"),) if national.isdecimal() and is_finnish(national) else ()
        return (bare, *inside)
    return (bare.lstrip("0"),) if _is_checked(bare) else ()


def is_finnish(digits: str) -> bool:
    """Whether the last of 4 to 20 digits is right by the weights 7, 3, 1 from the right."""
    if not digits.isdecimal() or len(digits) not in _FINNISH_DIGITS:
        return False
    weighed = sum(
        int(digit) * _WEIGHTS_731[place % 3] for place, digit in enumerate(reversed(digits[:-1]))
    )
    return (10 - weighed % 10) % 10 == int(digits[-1])


def is_kid(digits: str) -> bool:
    """Whether a Norwegian KID is right: its last character by modulus 10 (Luhn) or modulus 11,
    where `-` stands for ten."""
    head, check = digits[:-1], digits[-1:]
    if not head.isdecimal() or len(digits) not in _KID_DIGITS:
        return False
    return check in (_modulus_10(head), _modulus_11(head))


def _modulus_10(head: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(head)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str((10 - total % 10) % 10)


def _modulus_11(head: str) -> str:
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(head)))
    check = (11 - total % 11) % 11
    return "-" if check == 10 else str(check)


def _is_checked(bare: str) -> bool:
    if not re.fullmatch(r"[0-9]+-?", bare) or not bare.strip("0-"):
        return False
    if len(bare) == _SWISS_DIGITS:
        return bool(stdnum.ch.esr.is_valid(bare))
    if len(bare) == _BELGIAN_DIGITS and stdnum.be.ogm_vcs.is_valid(bare):
        return True
    return is_finnish(bare) or is_kid(bare)


def _bare(text: str) -> str:
    """Without separators. A `-` at the end is a KID's check digit, and is kept."""
    kept = re.sub(r"[^A-Z0-9]", "", text.upper())[:_MAX_LENGTH]
    return f"{kept}-" if kept.isdecimal() and text.rstrip().endswith("-") else kept
