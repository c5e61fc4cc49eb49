"""Dynamics 365, held to the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, Self

import pytest

from contracts.identifiers import deal_contract_id
from gateways.crm.dynamics import CONNECTOR, HEADER
from gateways.crm.dynamics.api import PAGE
from gateways.crm.status import STATUS_LABELS
from sandbox.conformance.crm import CrmConformance, CrmRemote, Deal
from sandbox.conformance.remote import NAME, Answer, Delivery
from sandbox.conformance.serving import served
from sandbox.proxy import Request
from tests.standins.dataverse import DataverseError
from tests.standins.dynamics import CLIENT_ID, SECRET, TENANT, Organisation, dynamics_app

WRONG = "secret-of-nobody"


class DynamicsRemote(CrmRemote):
    connector = CONNECTOR
    page_size = PAGE
    cannot: ClassVar = {}

    def __init__(self, address: str, organisation: Organisation) -> None:
        self._address, self._organisation = address, organisation

    @classmethod
    @contextmanager
    def running(cls, *, set_up: bool = True) -> Iterator[Self]:
        organisation = Organisation(set_up=set_up)
        with served(dynamics_app(organisation)) as address:
            yield cls(address, organisation)

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        return {
            "url": address,
            "login_url": address,
            "tenant": TENANT,
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
        }

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {**self.settings(address), "client_secret": WRONG}

    def secrets(self) -> list[str]:
        return [SECRET, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        text = "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
        body = {"error": {"code": "0x80072322", "message": text}}
        return Answer(429, {"Retry-After": str(seconds)}, json.dumps(body).encode())

    def end_sessions(self) -> None:
        self._organisation.expire_tokens()

    @contextmanager
    def without_setup(self) -> Iterator[Self]:
        with self.running(set_up=False) as bare:
            yield bare

    def webhook(self, record_id: str, secret: str) -> Delivery:
        body = {
            "PrimaryEntityName": "opportunity",
            "PrimaryEntityId": record_id,
            "MessageName": "Update",
            "RequestId": f"11111111-0000-4000-8000-{record_id[-12:]}",
            "OperationCreatedOn": "/Date(1767225600000)/",
        }
        return Delivery(json.dumps(body).encode(), {HEADER: secret})

    # --- what people do ---------------------------------------------------------------------------

    def add(self, deal: Deal, **more: Any) -> str:
        account: dict[str, Any] = {
            "name": deal.customer,
            "address1_country": deal.country,
            "c2c_vat_number": deal.vat_number or None,
        }
        if deal.email:
            account["primary"] = {"emailaddress1": deal.email}
        return self._organisation.add_deal(
            name=deal.title,
            value=str(deal.value),
            currency=deal.currency,
            closed_on=str(deal.closed_on or self.now().date()) if deal.won else None,
            won=deal.won,
            account=account,
            owner="sam@firm.example",
            lines=[
                {
                    "product": line.code,
                    "productdescription": line.name,
                    "extendedamount": str(line.amount),
                    "lineitemnumber": place,
                }
                for place, line in enumerate(deal.lines, start=1)
            ],
            **more,
        )

    def win(self, deal_id: str) -> None:
        today = str(self.now().date())
        self._organisation.change(deal_id, statecode=1, actualclosedate=today)

    def reopen(self, deal_id: str) -> None:
        self._organisation.change(deal_id, statecode=0, actualclosedate=None)

    def edit(self, deal_id: str, text: str) -> None:
        self._organisation.change(deal_id, name=text)

    def delete(self, deal_id: str) -> None:
        self._organisation.delete(deal_id)

    def add_late(self, deal: Deal, behind: timedelta) -> str:
        return self.add(deal, modified_at=self.now() - behind)

    def refuse_writes(self, deal_id: str) -> None:
        error = DataverseError(400, "0x80040265", "A plug-in of the firm refuses this.")
        self._organisation.row_failures[deal_contract_id(NAME, deal_id)] = error

    def shown(self, deal_id: str) -> Mapping[str, str]:
        row = self._organisation.billing(deal_id) or {}
        return {name: row.get(name) or "" for name in STATUS_LABELS}


class TestDynamics(CrmConformance[DynamicsRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[DynamicsRemote]:
        with DynamicsRemote.running() as remote:
            yield remote
