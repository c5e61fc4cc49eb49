"""Odoo's own CRM, held to the conformance kit on both Odoos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from gateways.crm.odoo_crm import CONNECTOR
from gateways.crm.status import STATUS_LABELS
from gateways.odoo import OdooClient, connect
from gateways.secrets import Secret
from sandbox.conformance.crm import CrmConformance, CrmRemote, Deal
from sandbox.conformance.gateway import built
from sandbox.conformance.remote import Answer
from sandbox.proxy import Request
from tests.servers import OdooServer

WRONG = "key-of-nobody"


class OdooCrmRemote(CrmRemote):
    connector = CONNECTOR
    page_size = 500
    names_itself = "odoo"  # whose connection it is
    malformed = (b"", b"<html><body>Sign in to the network</body></html>", b'{"cut', b'"text"')
    cannot: ClassVar = {
        "end_sessions": "an API key has no session",
        "without_setup": "all tests share a server, which is set up",
        "add_late": "Odoo stamps with the time of its transaction, which only its database changes",
        "refuse_writes": "no rule of Odoo's own refuses a change of an opportunity's properties",
    }

    def __init__(self, server: OdooServer) -> None:
        self._server = server
        self._odoo = server.client()
        stages = self._odoo.search_read("crm.stage", [], ["is_won"], order="sequence, id")
        self._won = next(item["id"] for item in stages if item["is_won"])
        self._open = next(item["id"] for item in stages if not item["is_won"])
        teams = self._odoo.search_read("crm.team", [], ["id"], limit=1, order="id")
        self._team = teams[0]["id"]
        self._countries: dict[str, int] = {}

    @property
    def address(self) -> str:
        return self._server.url

    def settings(self, address: str) -> dict[str, Any]:
        return {}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {}

    def odoo(self, address: str, *, wrong: bool = False) -> OdooClient:
        key = Secret.of(WRONG) if wrong else Secret.file(self._server.keys["c2c"])
        return connect(address, self._server.database, key)

    def secrets(self) -> list[str]:
        return [WRONG, self._server.keys["c2c"].read_text().strip()]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        return Answer(429, {"Retry-After": str(seconds)}, b"<html>Too many requests</html>")

    # --- what people do ---------------------------------------------------------------------------

    def add(self, deal: Deal) -> str:
        customer = self._customer(deal)
        [lead] = self._odoo.create("crm.lead", [self._lead(deal.title, deal.won, customer)])
        if deal.closed_on is not None:
            closed = {"date_closed": f"{deal.closed_on} 12:00:00"}
            self._odoo.write("crm.lead", [lead], closed)
        if deal.lines:
            order = {
                "partner_id": customer,
                "opportunity_id": lead,
                "order_line": [
                    [
                        0,
                        0,
                        {
                            "product_id": self._product(line.code),
                            "name": line.name,
                            "product_uom_qty": 1,
                            "price_unit": float(line.amount),
                        },
                    ]
                    for line in deal.lines
                ],
            }
            self._odoo.create("sale.order", [order])
        return str(lead)

    def add_many(self, count: int) -> list[str]:
        rows = [self._lead(f"Deal {number}", True, None) for number in range(count)]
        return [str(item) for item in self._odoo.create("crm.lead", rows)]

    def win(self, deal_id: str) -> None:
        self._odoo.write("crm.lead", [int(deal_id)], {"stage_id": self._won})

    def reopen(self, deal_id: str) -> None:
        self._odoo.write("crm.lead", [int(deal_id)], {"stage_id": self._open})

    def edit(self, deal_id: str, text: str) -> None:
        self._odoo.write("crm.lead", [int(deal_id)], {"name": text})

    def delete(self, deal_id: str) -> None:
        self._odoo.call("crm.lead", "unlink", ids=[int(deal_id)])

    def shown(self, deal_id: str) -> Mapping[str, str]:
        [lead] = self._odoo.read("crm.lead", [int(deal_id)], ["lead_properties"])
        found = {item["name"]: item.get("value") or "" for item in lead["lead_properties"]}
        return {name: found.get(name, "") for name in STATUS_LABELS}

    def _lead(self, title: str, won: bool, customer: int | None) -> dict[str, Any]:
        return {
            "name": title,
            "type": "opportunity",
            "partner_id": customer or False,
            "team_id": self._team,
            "stage_id": self._won if won else self._open,
        }

    def _customer(self, deal: Deal) -> int:
        if deal.country not in self._countries:
            domain: Sequence[Any] = [["code", "=", deal.country]]
            found = self._odoo.search_read("res.country", domain, ["id"])
            self._countries[deal.country] = found[0]["id"]
        company = {
            "name": deal.customer,
            "is_company": True,
            "vat": deal.vat_number or False,
            "country_id": self._countries[deal.country],
            "email": deal.email or False,
        }
        return self._odoo.create("res.partner", [company])[0]

    def _product(self, code: str) -> int:
        domain = [["default_code", "=", code]]
        return int(self._odoo.search_read("product.product", domain, ["id"])[0]["id"])


class TestOdooCrm(CrmConformance[OdooCrmRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, odoo_server: OdooServer) -> OdooCrmRemote:
        remote = OdooCrmRemote(odoo_server)
        with built(remote, remote.address) as crm:
            crm.ensure_setup()
        return remote
