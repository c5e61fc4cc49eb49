"""Salesforce, held to the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, Self

import pytest

from gateways.crm.salesforce import CONNECTOR
from gateways.crm.salesforce.queries import PAGE
from gateways.crm.salesforce.settings import FieldNames
from gateways.crm.salesforce.setup import STATUS_FIELDS, custom_fields
from sandbox.accounts import add_fields
from sandbox.conformance.crm import CrmConformance, CrmRemote, Deal
from sandbox.conformance.remote import Answer
from sandbox.conformance.serving import served
from sandbox.proxy import Request
from sandbox.salesforce import ExternalClientApp, SalesforceOrg, salesforce_app
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.objects import WON_STAGE

SECRET, WRONG = "consumer-secret-of-the-kit", "consumer-secret-of-nobody"


class SalesforceRemote(CrmRemote):
    connector = CONNECTOR
    page_size = PAGE
    cannot: ClassVar = {
        "without_setup": "our user may not change an org: `ensure_setup` creates nothing there",
    }

    def __init__(self, address: str, org: SalesforceOrg, client: ExternalClientApp) -> None:
        self._address, self._org, self._client = address, org, client

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        org, client = SalesforceOrg(":memory:"), ExternalClientApp(consumer_secret=SECRET)
        add_fields(org, custom_fields(FieldNames()))
        with served(salesforce_app(org, client)) as address:
            yield cls(address, org, client)
        org.close()

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        key = self._client.consumer_key
        return {"url": address, "consumer_key": key, "consumer_secret": SECRET}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {**self.settings(address), "consumer_secret": WRONG}

    def secrets(self) -> list[str]:
        return [SECRET, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        if "oauth2" in request.path:
            return Answer(429, {"Retry-After": str(seconds)}, b"<html>Too many requests</html>")
        stated = {"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}
        return Answer(403, {"Retry-After": str(seconds)}, json.dumps([stated]).encode())

    def end_sessions(self) -> None:
        self._client.expire_tokens()

    # --- what people do ---------------------------------------------------------------------------

    def add(self, deal: Deal, **more: Any) -> str:
        return self._org.add_deal(
            name=deal.title,
            amount=str(deal.value),
            currency=deal.currency,
            closed_on=str(deal.closed_on) if deal.closed_on else None,
            won=deal.won,
            account={
                "Name": deal.customer,
                "BillingCountryCode": deal.country,
                "c2c_vat_number__c": deal.vat_number or None,
            },
            contacts=[{"Email": deal.email}] if deal.email else [],
            products=[
                {"code": line.code, "name": line.name, "TotalPrice": str(line.amount)}
                for line in deal.lines
            ],
            owner_email="sam@firm.example",
            **more,
        )

    def win(self, deal_id: str) -> None:
        self._org.change(deal_id, StageName=WON_STAGE)

    def reopen(self, deal_id: str) -> None:
        self._org.change(deal_id, StageName="Negotiation")

    def edit(self, deal_id: str, text: str) -> None:
        self._org.change(deal_id, Name=text)

    def delete(self, deal_id: str) -> None:
        self._org.delete(deal_id)

    def add_late(self, deal: Deal, behind: timedelta) -> str:
        return self.add(deal, modified_at=self.now() - behind)

    def refuse_writes(self, deal_id: str) -> None:
        text = "A won opportunity must keep its region."
        refusal = SalesforceError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", text)
        self._org.refuse_next(deal_id, refusal, 1_000)

    def shown(self, deal_id: str) -> Mapping[str, str]:
        record = self._org.get(deal_id)
        assert record is not None
        return {name: record.fields.get(field) or "" for name, field in STATUS_FIELDS.items()}


class TestSalesforce(CrmConformance[SalesforceRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[SalesforceRemote]:
        with SalesforceRemote.running() as remote:
            yield remote
