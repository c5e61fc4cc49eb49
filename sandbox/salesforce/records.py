"""A stored record, and what Salesforce computes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sandbox.salesforce.errors import Json
from sandbox.salesforce.objects import WON_STAGE

Values = Mapping[str, Any]

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CASES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@dataclass(frozen=True)
class Record:
    """A stored record. Times are seconds since 1970, UTC, as Salesforce keeps them."""

    id: str
    kind: str
    fields: dict[str, Any]
    created: int
    modified: int
    is_deleted: bool

    @property
    def values(self) -> dict[str, Any]:
        """What is stored and what Salesforce computes."""
        computed = {
            "Id": self.id,
            "IsDeleted": self.is_deleted,
            "CreatedDate": _moment(self.created),
            "LastModifiedDate": _moment(self.modified),
            "SystemModstamp": _moment(self.modified),
        }
        if self.kind == "Opportunity":
            won = self.fields.get("StageName") == WON_STAGE
            computed |= {"IsWon": won, "IsClosed": won}
        if self.kind in ("OpportunityLineItem", "QuoteLineItem"):
            computed |= _total(self.fields)
        return {**self.fields, **computed}


def stored(fields: Values) -> Json:
    """An empty text is no value."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def record_id(prefix: str, number: int) -> str:
    """Prefix, instance, number; and three characters that say which others are capitals."""
    digits = ""
    for _ in range(15 - len(prefix) - len("Hs00")):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    stem = f"{prefix}Hs00{digits}"
    suffix = ""
    for start in (0, 5, 10):
        capitals = [one.isupper() for one in stem[start : start + 5]]
        suffix += _CASES[sum(1 << place for place, is_one in enumerate(capitals) if is_one)]
    return stem + suffix


def record_of(row: Sequence[Any]) -> Record:
    return Record(row[0], row[1], json.loads(row[2]), row[3], row[4], bool(row[5]))


def _total(line: Values) -> Json:
    """Salesforce's net price of a line, unless one is given."""
    if line.get("TotalPrice") is not None or line.get("UnitPrice") is None:
        return {}
    gross = Decimal(str(line["UnitPrice"])) * Decimal(str(line.get("Quantity") or "1"))
    discount = Decimal(str(line.get("Discount") or "0"))
    return {"TotalPrice": f"{gross * (100 - discount) / 100:f}"}


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
