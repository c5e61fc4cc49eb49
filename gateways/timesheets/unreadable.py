"""Time entries of which something cannot be read: they are named, and hold up no other."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from contracts.timesheets.entries import UnreadableTime
from gateways.errors import GatewayError


def unreadable(
    entry_id: str, error: Exception, otherwise: str, unexpected: Callable[[str], GatewayError]
) -> UnreadableTime:
    """An entry that cannot be read, and the field that is why; `otherwise` is that field where the
    error does not say it. Raises GatewayError for one of which not even the id can be read."""
    where = otherwise
    if isinstance(error, ValidationError):
        where = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
    try:
        return UnreadableTime(entry_id=entry_id, why=f"its {where} cannot be read")
    except ValidationError:
        raise unexpected("a time entry without an id") from None
