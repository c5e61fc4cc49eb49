"""Odoo's clock: its datetimes are UTC without saying so; readings since a moment overlap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

ODOO_DATETIME = "%Y-%m-%d %H:%M:%S"
OVERLAP = timedelta(minutes=5)
"""How far a reading looks back behind its watermark: `write_date` is when a transaction began, so a
long one becomes visible with an old date."""


def utc(text: str) -> datetime:
    """A datetime as Odoo writes it, made aware."""
    return datetime.strptime(text, ODOO_DATETIME).replace(tzinfo=UTC)


def overlapping(since: datetime) -> str:
    """Where to read from for nothing to be missed that changed at or after `since` (aware)."""
    return (since - OVERLAP).astimezone(UTC).strftime(ODOO_DATETIME)
