"""Whoever is shown in clear what was sealed is recorded before it is shown: under `decodes/`."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable
from datetime import datetime

from fastapi import Request

from gateways.record_store.protocol import DECODES, RecordStore


async def note(
    store: RecordStore,
    request: Request,
    at: datetime,
    *,
    action: str,
    who: str,
    keys: Iterable[str],
    count: int,
) -> None:
    """Record who is shown so many of what under which keys. Raises GatewayError."""
    request.state.keys = sorted(keys)
    entry = {
        "at": at.isoformat(timespec="seconds"),
        "action": action,
        "who": who,
        "from": request.client.host if request.client else "",
        "namespace": request.headers.get("x-namespace", "")[:200],
        "keys": request.state.keys,
        "payloads": count,
    }
    name = f"{DECODES}{at:%Y-%m-%d}/{at:%H%M%S}-{secrets.token_hex(6)}"
    await asyncio.to_thread(store.create, name, json.dumps(entry, indent=1).encode())
