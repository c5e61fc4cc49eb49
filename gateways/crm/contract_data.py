"""From CRM values to contract data: what every CRM needs, and nothing any of them owns.

Nothing here refuses: what cannot be read is passed on for `contracts.validation` to report.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from contracts.model import JsonObject

_MAX_STEM = 48
"""Characters of a key kept before a number is added; a key may have 64."""

_MILESTONE = re.compile(
    r"""
    ^(?:(?P<name>\S.*?)\s+)?
    (?: (?P<percent>\d+(?:\.\d+)?)\s*%
      | (?P<amount>-?\d+(?:\.\d+)?(?:\s+[A-Z]{3})?) )
    (?:\s+(?P<due_on>\d{4}-\d{2}-\d{2}))?$
    """,
    re.VERBOSE,
)
_MAX_NAME = 200

_DURATION = re.compile(
    r"P(?=\d)(?:(?P<years>\d{1,3})Y)?(?:(?P<months>\d{1,4})M)?"
    r"(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
)


def present(values: JsonObject) -> JsonObject:
    """Without the entries that say nothing: None, False (Odoo's null) and blank text."""
    return {
        key: value.strip() if isinstance(value, str) else value
        for key, value in values.items()
        if value is not None and value is not False and value != "" and not _is_blank(value)
    }


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def decimal_text(text: str) -> str:
    """A number in plain notation without idle zeros, "4000.50" for "4.0005E+3"; other text as is.

    CRMs keep numbers at their own precision; what is more exact than the currency must still
    reach validation as it stands, because rounding it is a person's decision.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > 30:
        return text
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def utc_date(text: str) -> str:
    """The UTC calendar date of an ISO 8601 time; other text, and a bare date, as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.date().isoformat()


def local_date(text: str, zone: ZoneInfo) -> str:
    """The calendar date there of an ISO 8601 time, which is of UTC where it names no zone; other
    text, and a bare date, as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if len(text) <= len("2026-01-31"):
        return text
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(zone).date().isoformat()


def end_of_term(first: str, duration: str) -> str | None:
    """The last day of a term: a first day, 2026-02-01, and an ISO 8601 duration such as P12M.

    None where either cannot be read, or the term has no day within the calendar.
    """
    day, match = readable_date(first), _DURATION.fullmatch(duration)
    if day is None or match is None:
        return None
    years, months, weeks, days = (int(number or 0) for number in match.groups())
    whole = day.year * 12 + day.month - 1 + years * 12 + months
    year, month = divmod(whole, 12)
    try:
        last_day = monthrange(year, month + 1)[1]
        beyond = date(year, month + 1, min(day.day, last_day)) + timedelta(weeks=weeks, days=days)
        end = beyond - timedelta(days=1)
    except (ValueError, OverflowError):
        return None
    return end.isoformat() if end >= day else None


def unique_keys(stems: Iterable[str], default: str) -> list[str]:
    """A contract key for each stem in turn: its letters and digits, numbered where it recurs.

    The same stems in the same order give the same keys. A stem without a usable character gets
    the default.
    """
    keys: list[str] = []
    for stem in stems:
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:_MAX_STEM] or default
        key, number = base, 1
        while key in keys:
            number += 1
            key = f"{base}-{number}"
        keys.append(key)
    return keys


def milestones_of(service_key: str, text: str) -> list[JsonObject]:
    """Milestones written as `Design 40% 2026-03-01; Go-live 60% 2026-06-30`.

    Parts are separated by `;` or a new line. Each is a name, then a percentage of the service
    (`40%`) or an amount (`4000.00`, `4000.00 EUR`), then optionally its due date. A part that
    reads otherwise becomes a milestone whose `percent` is that text, which validation reports;
    one without a name lacks its name there.
    """
    parts = [part.strip() for part in re.split(r"[;\n]", text) if part.strip()]
    return [
        {"key": f"{service_key}-{number}", "service": service_key, **_milestone(part)}
        for number, part in enumerate(parts, start=1)
    ]


def _milestone(part: str) -> JsonObject:
    match = _MILESTONE.match(part)
    if match is None:
        return {"name": part[:_MAX_NAME], "percent": part}
    found = match.groupdict()
    # "Design: 40%" and "Design - 40%" mean the name "Design".
    found["name"] = (found["name"] or "").rstrip(" :–—-")
    return present(found)


def single_milestone(service: JsonObject, due_on: str | None) -> JsonObject:
    """The one milestone of a service that is billed as a whole."""
    return present(
        {
            "key": f"{service['key']}-1",
            "name": service.get("description"),
            "service": service["key"],
            "amount": service.get("amount"),
            "due_on": due_on,
        }
    )


def default_due_on(contract_data: JsonObject) -> str | None:
    """When a milestone without a date of its own is due: at signature, or at the start if later.

    None where neither can be read: that is reported once, for the field itself.
    """
    dates = [readable_date(contract_data.get(name)) for name in ("signed_on", "starts_on")]
    readable = [day for day in dates if day is not None]
    return max(readable).isoformat() if readable else None


def readable_date(text: Any) -> date | None:
    """The calendar date of an ISO text; None for anything else."""
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        return None
