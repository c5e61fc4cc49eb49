"""Dropbox Sign, held to the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

import pytest

from contracts.model import Source
from gateways.esign.dropbox_sign import CONNECTOR
from gateways.esign.dropbox_sign.api import PAGE
from sandbox.conformance.esign import EsignConformance, EsignRemote
from sandbox.conformance.remote import Answer, Delivery
from sandbox.conformance.serving import served
from sandbox.dropbox_sign import DropboxSignStore, dropbox_sign_app, form
from sandbox.proxy import Request

KEY, WRONG = "key-of-the-kit", "key-of-nobody"


class DropboxSignRemote(EsignRemote):
    connector = CONNECTOR
    page_size = PAGE
    cannot: ClassVar = {
        "end_sessions": "an API key has no session",
        "without_setup": "an account needs nothing",
    }

    def __init__(self, address: str, store: DropboxSignStore) -> None:
        self._address, self._store = address, store
        self.behind = timedelta(0)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        store = DropboxSignStore(KEY, now=lambda: datetime.now(UTC) - remote.behind)
        with served(dropbox_sign_app(store)) as address:
            remote = cls(address, store)
            yield remote

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        return {"url": address, "api_key": KEY}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {"url": address, "api_key": WRONG}

    def secrets(self) -> list[str]:
        return [KEY, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        reset = int(self.now().timestamp()) + seconds
        body = {"error": {"error_name": "exceeded_rate", "error_msg": "Too many calls"}}
        return Answer(429, {"X-Ratelimit-Reset": str(reset)}, json.dumps(body).encode())

    def webhook(self, record_id: str, secret: str) -> Delivery:
        kept, self._store.api_key = self._store.api_key, secret
        try:
            body, headers = form(self._store.event(record_id))
        finally:
            self._store.api_key = kept
        return Delivery(body, headers)

    # --- what people do ---------------------------------------------------------------------------

    def send(self, deal: Source | None, signers: Mapping[str, str]) -> str:
        named = f"{deal.system}/{deal.id}" if deal else ""
        return self._store.send(named, signers=list(signers.items()))

    def sign(self, envelope_id: str) -> None:
        self._store.sign(envelope_id)

    def decline(self, envelope_id: str, reason: str) -> None:
        self._store.decline(envelope_id, reason)

    def void(self, envelope_id: str) -> None:
        self._store.expire(envelope_id)

    def signed_late(self, behind: timedelta) -> str:
        self.behind = behind
        try:
            envelope_id = self.send(None, {"Ada Client": "ada@client.example"})
            self.sign(envelope_id)
            return envelope_id
        finally:
            self.behind = timedelta(0)

    def delete(self, envelope_id: str) -> None:
        self._store.cancel(envelope_id)

    def damage(self, envelope_id: str) -> None:
        self._store.damaged.add(envelope_id)

    def prepare(self, envelope_id: str) -> None:
        self._store.preparing.add(envelope_id)


class TestDropboxSign(EsignConformance[DropboxSignRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[DropboxSignRemote]:
        with DropboxSignRemote.running() as remote:
            yield remote
