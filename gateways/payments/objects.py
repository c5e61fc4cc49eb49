"""What payment processors have in common: the fields that name an invoice, amounts, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from contracts.model import JsonObject
from contracts.money import Money
from contracts.processors import MAX_TEXT, PaymentLink, Reversal, of_minor_units
from gateways.errors import GatewayError

INVOICE_FIELD, NUMBER_FIELD = "c2c_invoice", "invoice_number"
"""Of a payment's metadata: the invoice's workflow, and its number in Odoo, which people may also
state by hand."""

Unexpected = Callable[[str], GatewayError]


def metadata_of(found: JsonObject) -> Mapping[str, str]:
    """The texts that an object carries for its owner."""
    stated = found.get("metadata")
    return {str(k): str(v) for k, v in stated.items()} if isinstance(stated, dict) else {}


def text_of(found: JsonObject, *more: object) -> str:
    """Where a person may have stated an invoice's number."""
    parts = (metadata_of(found).get(NUMBER_FIELD), *more)
    return " ".join(str(part) for part in parts if part)[:MAX_TEXT]


def amount_of(
    found: JsonObject,
    name: str,
    unexpected: Unexpected,
    special: Mapping[str, int] | None = None,
) -> Money:
    """An object's amount in the smallest unit of its currency."""
    try:
        return of_minor_units(found.get(name), found.get("currency"), special)
    except ValueError as error:
        raise unexpected(f"{name}: {error}") from None


def text_field(found: JsonObject, name: str, unexpected: Unexpected) -> str:
    """A text that has to be there."""
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise unexpected(f"an object without its {name}")
    return value


def day_of(seconds: object, zone: str, unexpected: Unexpected) -> date:
    """The day of a time in seconds since 1970, where the legal entity is."""
    return moment_of(seconds, unexpected).astimezone(ZoneInfo(zone)).date()


def moment_of(seconds: object, unexpected: Unexpected) -> datetime:
    """A time in seconds since 1970."""
    if type(seconds) is not int:
        raise unexpected(f"a time that is none: {seconds!r}")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise unexpected(f"a time that is none: {seconds}") from None


def rows_of(answer: JsonObject, name: str, unexpected: Unexpected) -> list[JsonObject]:
    """The objects of a list."""
    rows = answer.get(name)
    if not isinstance(rows, list) or not all(isinstance(item, dict) for item in rows):
        raise unexpected(f"a list without its {name}")
    return rows


def all_of(
    rows: Iterable[JsonObject], most: int, what: str, unexpected: Unexpected
) -> list[JsonObject]:
    """These rows. What is left out of a list looks as if it was undone: more than `most` are an
    error, and none is left out."""
    found = list(islice(rows, most + 1))
    if len(found) > most:
        raise unexpected(f"a payment with more than {most} {what}")
    return found


def in_currency(
    reversals: Iterable[Reversal], amount: Money, unexpected: Unexpected
) -> tuple[Reversal, ...]:
    """These, which undo a payment of this amount: only a person books what is taken back in another
    currency than was paid."""
    found = tuple(reversals)
    for item in found:
        if item.amount.currency != amount.currency:
            raise unexpected(f"{item.id} takes {item.amount} back of a payment of {amount}")
    return found


def reference(value: Any) -> str:
    """The id of an object that is named by its id, or stands there itself; "" for none."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def link_of(url: object, words: str, unexpected: Unexpected) -> PaymentLink:
    """A page to pay on. Raises what `unexpected` makes of a text where its address is none."""
    try:
        return PaymentLink(url=str(url or ""), words=words)
    except ValidationError:
        raise unexpected("a page to pay on without an https address") from None
