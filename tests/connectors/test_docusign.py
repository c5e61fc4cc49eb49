"""DocuSign, held to the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

import pytest
from joserfc.jwk import RSAKey

from contracts.model import Source
from gateways.esign.docusign import CONNECTOR
from gateways.esign.docusign.api import PAGE
from gateways.esign.envelopes import DEAL_FIELD
from sandbox.conformance.esign import EsignConformance, EsignRemote
from sandbox.conformance.remote import Answer, Delivery
from sandbox.conformance.serving import served
from sandbox.docusign import INTEGRATION_KEY, USER, DocuSignStore, docusign_app, signed
from sandbox.proxy import Request

KEY, WRONG = (RSAKey.generate_key(2048, private=True) for _ in range(2))


def pem(key: RSAKey, *, private: bool) -> str:
    return key.as_pem(private=private).decode()


class DocuSignRemote(EsignRemote):
    connector = CONNECTOR
    page_size = PAGE
    cannot: ClassVar = {"prepare": "DocuSign has the document once everybody has signed"}

    def __init__(self, address: str, store: DocuSignStore) -> None:
        self._address, self._store = address, store
        self.behind = timedelta(0)

    @classmethod
    @contextmanager
    def running(cls, *, set_up: bool = True) -> Iterator[Self]:
        public = pem(KEY, private=False)
        store = DocuSignStore(public_key=public, now=lambda: datetime.now(UTC) - remote.behind)
        if set_up:
            store.define_field(DEAL_FIELD)
        with served(docusign_app(store)) as address:
            remote = cls(address, store)
            yield remote
        store.close()

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        return {
            "url": address,
            "integration_key": INTEGRATION_KEY,
            "user_id": USER,
            "private_key": pem(KEY, private=True),
        }

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {**self.settings(address), "private_key": pem(WRONG, private=True)}

    def secrets(self) -> list[str]:
        return [pem(key, private=True).splitlines()[2] for key in (KEY, WRONG)]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        if request.path.startswith("/oauth/"):
            return Answer(429, {"Retry-After": str(seconds)}, b"{}")
        reset = int(self.now().timestamp()) + seconds
        code = "HOURLY_APIINVOCATION_LIMIT_EXCEEDED"
        body = {"errorCode": code, "message": "The maximum number of calls has been exceeded."}
        return Answer(400, {"X-RateLimit-Reset": str(reset)}, json.dumps(body).encode())

    def end_sessions(self) -> None:
        self._store.expire_tokens()

    @contextmanager
    def without_setup(self) -> Iterator[Self]:
        with self.running(set_up=False) as bare:
            yield bare

    def webhook(self, record_id: str, secret: str) -> Delivery:
        body = self._store.message(record_id)
        return Delivery(body, signed(body, secret))

    # --- what people do ---------------------------------------------------------------------------

    def send(self, deal: Source | None, signers: Mapping[str, str]) -> str:
        named = f"{deal.system}/{deal.id}" if deal else ""
        return self._store.send(named, signers=list(signers.items()))

    def sign(self, envelope_id: str) -> None:
        self._store.complete(envelope_id)

    def decline(self, envelope_id: str, reason: str) -> None:
        self._store.decline(envelope_id, reason)

    def void(self, envelope_id: str) -> None:
        self._store.void(envelope_id, "wrong version")

    def delete(self, envelope_id: str) -> None:
        self._store.delete(envelope_id)

    def damage(self, envelope_id: str) -> None:
        self._store.damage(envelope_id)

    def signed_late(self, behind: timedelta) -> str:
        self.behind = behind
        try:
            envelope_id = self.send(None, {"Ada Client": "ada@client.example"})
            self.sign(envelope_id)
            return envelope_id
        finally:
            self.behind = timedelta(0)


class TestDocuSign(EsignConformance[DocuSignRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[DocuSignRemote]:
        with DocuSignRemote.running() as remote:
            yield remote
