"""Exports the demo's figures, as of the day that its contracts have come to."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from temporalio.client import Client

from gateways.analytics.places import NotInstalled, NotWritten, place_of
from wiring.settings import Settings

FOLDER = Path(".run/figures")


async def exported(client: Client, settings: Settings, day: date) -> str:
    """Export every legal entity; where the files are, or why there are none. What an earlier demo
    left there goes."""
    from starters.analytics import export_day

    try:
        place = place_of(str(FOLDER), settings.analytics)
        shutil.rmtree(FOLDER, ignore_errors=True)
        done = [await export_day(client, settings, place, name, day) for name in settings.entities]
    except NotInstalled:
        return "Figures as Parquet: with the extra contract-to-cash[analytics]"
    except NotWritten as error:
        return f"Figures as Parquet: none, {error}"
    rows = sum(sum(item.rows.values()) for item in done)
    return f"Figures as Parquet: {FOLDER} ({rows} rows, as of {day})"
