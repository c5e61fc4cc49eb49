"""The ledger of billed timesheet lines, and how it is written down.

Ten people for five years are more than ten thousand lines. A workflow's state travels whole with
every continue-as-new, so lines of one charge and price share what they have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from contracts.billing.time import BilledTime

_SEPARATOR = "|"


def _write(rows: Mapping[int, BilledTime]) -> dict[str, dict[str, str]]:
    """Hours by line, under `charge|price|uncharged`."""
    packed: dict[str, dict[str, str]] = {}
    for line, row in rows.items():
        uncharged = "" if row.uncharged is None else str(row.uncharged)
        common = _SEPARATOR.join((row.charge, str(row.price), uncharged))
        packed.setdefault(common, {})[str(line)] = str(row.hours)
    return packed


def _read(data: Any) -> Any:
    """The rows again; what is not written in groups is left to the usual validation."""
    if not isinstance(data, dict):
        return data
    rows: dict[Any, Any] = {}
    for key, value in data.items():
        if isinstance(key, str) and _SEPARATOR in key and isinstance(value, dict):
            charge, price, uncharged = key.rsplit(_SEPARATOR, 2)
            common = {"charge": charge, "price": price, "uncharged": uncharged or None}
            rows |= {int(line): {**common, "hours": hours} for line, hours in value.items()}
        else:
            rows[key] = value
    return rows


TimeLedger = Annotated[
    dict[int, BilledTime], BeforeValidator(_read), PlainSerializer(_write, return_type=dict)
]
"""Timesheet line id to what it was billed with."""
