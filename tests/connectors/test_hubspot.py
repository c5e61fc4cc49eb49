"""HubSpot, held to the conformance kit."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

import pytest

from gateways.crm.hubspot import CONNECTOR
from gateways.crm.hubspot.crm import CUSTOM_PROPERTIES
from gateways.crm.status import STATUS_LABELS
from sandbox.conformance.crm import CrmConformance, CrmRemote, Deal
from sandbox.conformance.remote import Answer, Delivery
from sandbox.conformance.serving import served
from sandbox.hubspot import HubSpotStore, hubspot_app
from sandbox.proxy import Request

TOKEN, WRONG = "pat-eu1-conformance", "pat-eu1-of-nobody"


class HubSpotRemote(CrmRemote):
    connector = CONNECTOR
    page_size = 200
    cannot: ClassVar = {"end_sessions": "a service key has no session"}

    def __init__(self, address: str, store: HubSpotStore) -> None:
        self._address, self._store = address, store
        self.behind = timedelta(0)

    @classmethod
    @contextmanager
    def running(cls, *, set_up: bool = True) -> Iterator[Self]:
        store = HubSpotStore(":memory:", now=lambda: datetime.now(UTC) - remote.behind)
        for item in CUSTOM_PROPERTIES if set_up else ():
            store.define(item.object_type, {"options": [], **item.definition()})
        with served(hubspot_app(store, token=TOKEN)) as address:
            remote = cls(address, store)
            yield remote
        store.close()

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        return {"url": address, "api_key": TOKEN, "version": "2026-09"}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {"url": address, "api_key": WRONG}

    def secrets(self) -> list[str]:
        return [TOKEN, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        body = {
            "status": "error",
            "message": "You have reached your limit.",
            "category": "RATE_LIMITS",
        }
        return Answer(429, {"Retry-After": str(seconds)}, json.dumps(body).encode())

    @contextmanager
    def without_setup(self) -> Iterator[Self]:
        with self.running(set_up=False) as bare:
            yield bare

    def webhook(self, record_id: str, secret: str) -> Delivery:
        event = {
            "eventId": 1,
            "subscriptionId": 7,
            "subscriptionType": "deal.propertyChange",
            "propertyName": "dealstage",
            "objectId": int(record_id),
            "occurredAt": 1_767_225_600_000,
        }
        body, sent_at = json.dumps([event]).encode(), str(int(datetime.now(UTC).timestamp() * 1000))
        signed = f"POST{Delivery.url}".encode() + body + sent_at.encode()
        digest = hmac.digest(secret.encode(), signed, hashlib.sha256)
        headers = {
            "X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
            "X-HubSpot-Request-Timestamp": sent_at,
        }
        return Delivery(body, headers)

    # --- what people do ---------------------------------------------------------------------------

    def add(self, deal: Deal) -> str:
        closed_at = f"{deal.closed_on}T12:00:00Z" if deal.closed_on else None
        return self._store.add_deal(
            name=deal.title,
            amount=str(deal.value),
            currency=deal.currency,
            closed_at=closed_at,
            won=deal.won,
            company={
                "name": deal.customer,
                "hs_country_code": deal.country,
                "vat_number": deal.vat_number or None,
            },
            contacts=[{"email": deal.email}] if deal.email else [],
            line_items=[
                {"name": line.name, "hs_sku": line.code, "price": str(line.amount)}
                for line in deal.lines
            ],
            owner_email="sam@firm.example",
        )

    def win(self, deal_id: str) -> None:
        self._store.update("deals", deal_id, {"dealstage": "closedwon"})

    def reopen(self, deal_id: str) -> None:
        self._store.update("deals", deal_id, {"dealstage": "contractsent"})

    def edit(self, deal_id: str, text: str) -> None:
        self._store.update("deals", deal_id, {"dealname": text})

    def delete(self, deal_id: str) -> None:
        self._store.delete("deals", deal_id)

    def add_late(self, deal: Deal, behind: timedelta) -> str:
        self.behind = behind
        try:
            return self.add(deal)
        finally:
            self.behind = timedelta(0)

    def refuse_writes(self, deal_id: str) -> None:
        self._store.require("deals", "pipeline")
        self._store.update("deals", deal_id, {"pipeline": ""})

    def shown(self, deal_id: str) -> Mapping[str, str]:
        record = self._store.get("deals", deal_id)
        assert record is not None
        return {name: record.properties.get(name, "") for name in STATUS_LABELS}


class TestHubSpot(CrmConformance[HubSpotRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[HubSpotRemote]:
        with HubSpotRemote.running() as remote:
            yield remote
