"""The lines of an opportunity or of a quote: one service each."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from contracts.model import JsonObject
from gateways.crm.contract_data import decimal_text, present
from gateways.fields import names

COLUMNS = names("""
    productdescription extendedamount tax producttypecode lineitemnumber sequencenumber createdon
""")
"""The same on the lines of both."""

_OF_A_BUNDLE = (3, 4)
"""`producttypecode` of a required and of an optional product of a bundle."""
_MAX_DESCRIPTION = 200


def sold(rows: Sequence[JsonObject]) -> list[JsonObject]:
    """Those that are sold, in the order people gave them. What is in a bundle and costs nothing of
    its own is sold by the bundle's line."""
    kept = [row for row in rows if not (_is_in_bundle(row) and not _net(row))]
    return sorted(kept, key=_place)


def code(line: JsonObject) -> str:
    """The product's number; "" for a line that names no product."""
    return (line.get("productid") or {}).get("productnumber") or ""


def service(key: str, line: JsonObject) -> JsonObject:
    """The service that a line sells, at its price without tax."""
    described = line.get("productdescription") or (line.get("productid") or {}).get("name") or ""
    return present(
        {
            "key": key,
            "code": code(line),
            "description": described.strip().split("\n")[0][:_MAX_DESCRIPTION],
            "amount": amount(_net(line)),
        }
    )


def amount(value: Any) -> str | None:
    """A number of Dataverse's as text; None where there is none."""
    return None if value is None else decimal_text(str(value))


def _net(line: JsonObject) -> Decimal | None:
    """Dynamics adds the tax to a line's extended amount."""
    try:
        return Decimal(line["extendedamount"]) - Decimal(line.get("tax") or 0)
    except (KeyError, TypeError, InvalidOperation):
        return None


def _is_in_bundle(line: JsonObject) -> bool:
    return line.get("producttypecode") in _OF_A_BUNDLE


def _place(line: JsonObject) -> tuple[int, int, str]:
    """By the number on the line, by the order of entry without one."""
    last = 2**31
    numbers = (line.get("sequencenumber"), line.get("lineitemnumber"))
    first, second = (last if number is None else int(number) for number in numbers)
    return first, second, str(line.get("createdon") or "")
