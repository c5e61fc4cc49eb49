"""Salesforce's record ids: 15 characters that tell case apart, and three that hold the case."""

from __future__ import annotations

import re

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def whole_id(text: str) -> str:
    """The id of 18 characters, of either form; "" for what is none.

    The last three characters say which of the others are capitals, five by five: an id whose case
    was changed on its way is none.
    """
    if not _ID.fullmatch(text):
        return ""
    stem = text[:15]
    whole = stem + "".join(_case_of(stem[start : start + 5]) for start in (0, 5, 10))
    return whole if text in (stem, whole) else ""


def _case_of(five: str) -> str:
    return _ALPHABET[sum(1 << place for place, one in enumerate(five) if "A" <= one <= "Z")]
