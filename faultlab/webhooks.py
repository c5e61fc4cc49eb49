"""The systems around as senders of webhooks: they post to the gateway until it takes an event."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from sandbox.stripe import signed as stripe_signed

EVENTS, HUBSPOT, STRIPE = "events", "hubspot", "stripe"
"""The senders' names in the configuration."""
_AGAIN_SECONDS = 0.5
_TIMEOUT_SECONDS = 15
_NOT_NOW = (408, 429, 503)
"""Busy, away, or what was sent did not arrive in time."""
_SUBSCRIPTION = 12


class NotTaken(Exception):
    """The gateway refused what is right; the message says what it answered."""


@dataclass
class Webhooks:
    """Posts signed webhooks. `kept` has the ids of the events that were acknowledged, and how
    often."""

    url: str
    folder: Path
    kept: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._secrets: dict[str, str] = {}
        for name in (EVENTS, HUBSPOT, STRIPE):
            key = base64.b64encode(secrets.token_bytes(24)).decode()
            self._secrets[name] = key
            self.secret_file(name).write_text(key)

    def secret_file(self, name: str) -> Path:
        return self.folder / f"webhook-secret-{name}"

    async def deal_changed(self, deal_id: str, number: int) -> None:
        """HubSpot says that a deal changed; `number` tells one change from the next."""
        change = {
            "eventId": number,
            "subscriptionId": _SUBSCRIPTION,
            "subscriptionType": "deal.propertyChange",
            "objectId": int(deal_id),
            "propertyName": "dealstage",
            "occurredAt": 1767225600000 + number,
        }
        await self._post(HUBSPOT, [change], self._by_hubspot)

    async def milestone_reached(self, workflow_id: str, milestone: str, event_id: str) -> None:
        """A delivery tool says that a milestone of a contract is reached."""
        event = {
            "type": "milestone.reached",
            "timestamp": datetime.now(UTC).isoformat(),
            "data": {"contract": workflow_id.removeprefix("contract/"), "milestone": milestone},
        }
        await self._post(EVENTS, event, lambda body: self._by_standard(body, event_id))

    async def payment_changed(self, event: Mapping[str, Any]) -> None:
        """Stripe says what happened to a payment, a refund, a dispute or a payout."""
        secret = self._secrets[STRIPE]
        await self._post(STRIPE, dict(event), lambda body: stripe_signed(dict(event), secret)[1])

    async def _post(
        self, name: str, payload: Any, signed: Callable[[bytes], Mapping[str, str]]
    ) -> None:
        """Again and again, signed anew, for as long as nobody answers or it says "not now".
        Raises NotTaken."""
        body = json.dumps(payload).encode()
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
            while True:
                try:
                    address = f"{self.url}/webhooks/{name}"
                    answer = await http.post(address, content=body, headers=signed(body))
                except httpx.HTTPError:
                    answer = None
                if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                    break
                if answer is not None and answer.status_code not in _NOT_NOW:
                    raise NotTaken(f"a webhook of {name}: {answer.status_code} {answer.text}")
                await asyncio.sleep(_AGAIN_SECONDS)
        for event in answer.json()["events"]:
            self.kept[event["id"]] = self.kept.get(event["id"], 0) + 1

    def _by_hubspot(self, body: bytes) -> Mapping[str, str]:
        stamp = str(int(time.time() * 1000))
        text = f"POST{self.url}/webhooks/{HUBSPOT}".encode() + body + stamp.encode()
        signature = _mac(self._secrets[HUBSPOT].encode(), text)
        return {"x-hubspot-request-timestamp": stamp, "x-hubspot-signature-v3": signature}

    def _by_standard(self, body: bytes, event_id: str) -> Mapping[str, str]:
        stamp = str(int(time.time()))
        key = base64.b64decode(self._secrets[EVENTS])
        signature = _mac(key, f"{event_id}.{stamp}.".encode() + body)
        return {
            "webhook-id": event_id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{signature}",
        }


def _mac(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
