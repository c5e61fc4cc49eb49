"""Retention and erasure as configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiring import encryption
from wiring.settings import Settings

if TYPE_CHECKING:
    from activities.retention import RetentionSetup
    from gateways.retention.erasing import Eraser


def setup(settings: Settings) -> RetentionSetup | None:
    """What the rules are applied to; None where no record store is configured. Raises
    ConfigurationError."""
    from activities.retention import RetentionSetup  # late: every command reads this

    records = settings.records
    if not records.is_configured:
        return None
    return RetentionSetup(
        rules=settings.retention,
        store=encryption.record_store(settings),
        large=encryption.large_payloads(settings),
        eraser=eraser(settings) if settings.encryption.masters else None,
        lock_days=records.lock_days if records.lock else 0,
    )


def eraser(settings: Settings) -> Eraser:
    """What destroys the keys of contracts. Raises ConfigurationError."""
    from gateways.retention.erasing import Eraser  # late, as above

    store = encryption.record_store(settings)
    return Eraser(store, encryption.key_ring(settings), encryption.large_payloads(settings))
