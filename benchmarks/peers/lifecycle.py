"""The lifecycle every contender runs, and its steps by odoo-client-lib for those outside Odoo.

Each step looks for what it is about to make by its business reference, then makes it: a step that
is repeated after a lost answer finds its own record. What the firm has but once (products, terms)
is looked up once a process. Refusals of Odoo come as odoo-client-lib's ValueError.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypedDict

import odoolib

PAYMENT_TERM = "30 Days"
COMPANY = "Northwind Consulting"
PRICE_LIST = CURRENCY = "EUR"

SignedContract = dict[str, Any]
"""A signed contract as `benchmarks.contracts` makes them: JSON, amounts in euro as text."""


class Ids(TypedDict, total=False):
    """Odoo's ids of what the steps so far have made; lists in the milestones' order,
    `invoice` the latest."""

    customer: int
    project: int
    order: int
    lines: list[int]
    milestones: list[int]
    invoice: int


class OdooSteps:
    """The steps on one Odoo, by its JSON-2 API; safe to share between threads."""

    def __init__(self, host: str, port: int, database: str, api_key: str) -> None:
        connection = odoolib.get_connection(
            hostname=host, port=port, protocol="json2", database=database, password=api_key
        )
        self._model = cache(connection.get_model)
        self._once = cache(self._look_up)

    def customer(self, contract: SignedContract) -> int:
        """The customer, known by the address that bills go to."""
        customer = contract["customer"]
        email = customer["billing_email"]
        return self._find("res.partner", "email", email) or self._create(
            "res.partner",
            name=customer["name"],
            is_company=True,
            email=email,
            country_id=self._once("res.country", "code", customer["country"]),
            street=customer["street"],
            city=customer["city"],
            zip=customer["zip"],
        )

    def project(self, contract: SignedContract, customer: int) -> int:
        """A billable project with milestones."""
        name = f"{contract['title']} ({contract['contract_id']})"
        return self._find("project.project", "name", name) or self._create(
            "project.project",
            name=name,
            partner_id=customer,
            company_id=self._company(),
            allow_milestones=True,
            allow_billable=True,
        )

    def order(self, contract: SignedContract, customer: int, project: int) -> tuple[int, list[int]]:
        """The order and its lines, one a milestone."""
        product = self._product(contract)
        lines = [
            {
                "product_id": product,
                "name": item["name"],
                "product_uom_qty": 1,
                "price_unit": float(item["amount"]),
            }
            for item in contract["milestones"]
        ]
        reference = contract["contract_id"]
        order = self._find("sale.order", "origin", reference) or self._create(
            "sale.order",
            partner_id=customer,
            company_id=self._company(),
            project_id=project,
            pricelist_id=self._once("product.pricelist", "name", PRICE_LIST),
            payment_term_id=self._once("account.payment.term", "name", PAYMENT_TERM),
            origin=reference,
            order_line=[[0, 0, line] for line in lines],
        )
        made = self._model("sale.order.line").search_read(
            domain=[["order_id", "=", order]], fields=["id"], order="id"
        )
        return order, [row["id"] for row in made]

    def milestones(self, contract: SignedContract, project: int, lines: list[int]) -> list[int]:
        """One milestone an order line, delivering it in whole."""
        return self._all(
            "project.milestone",
            project,
            [
                {
                    "name": item["name"],
                    "project_id": project,
                    "sale_line_id": line,
                    "quantity_percentage": 1,
                }
                for item, line in zip(contract["milestones"], lines, strict=True)
            ],
        )

    def confirm(self, order: int) -> None:
        """Confirm the order, before its tasks are made, which would; one confirmed stays so."""
        [row] = self._model("sale.order").search_read(domain=[["id", "=", order]], fields=["state"])
        if row["state"] != "sale":
            self._model("sale.order").action_confirm(ids=[order])

    def tasks(
        self, contract: SignedContract, project: int, milestones: list[int], lines: list[int]
    ) -> list[int]:
        """One task a milestone, for the people who work on it."""
        return self._all(
            "project.task",
            project,
            [
                {
                    "name": item["name"],
                    "project_id": project,
                    "milestone_id": milestone,
                    "sale_line_id": line,
                }
                for item, milestone, line in zip(
                    contract["milestones"], milestones, lines, strict=True
                )
            ],
        )

    def reach(self, milestone: int) -> None:
        """The milestone is reached: its order line is delivered and may be invoiced."""
        self._model("project.milestone").write(ids=[milestone], vals={"is_reached": True})

    def invoice(self, contract: SignedContract, customer: int, line: int, number: int) -> int:
        """The draft of a milestone's invoice, tied to its order line."""
        item = contract["milestones"][number]
        reference = f"{contract['contract_id']}/{item['key']}"
        return self._find("account.move", "invoice_origin", reference) or self._create(
            "account.move",
            move_type="out_invoice",
            partner_id=customer,
            company_id=self._company(),
            currency_id=self._once("res.currency", "name", CURRENCY),
            invoice_origin=reference,
            invoice_payment_term_id=self._once("account.payment.term", "name", PAYMENT_TERM),
            invoice_line_ids=[
                [
                    0,
                    0,
                    {
                        "product_id": self._product(contract),
                        "name": item["name"],
                        "quantity": 1,
                        "price_unit": float(item["amount"]),
                        "sale_line_ids": [[6, 0, [line]]],
                    },
                ]
            ],
        )

    def post(self, invoice: int) -> None:
        """Post the invoice; one that is posted stays so."""
        [row] = self._model("account.move").search_read(
            domain=[["id", "=", invoice]], fields=["state"]
        )
        if row["state"] == "draft":
            self._model("account.move").action_post(ids=[invoice])

    # --- what the firm has but once ---------------------------------------------------------

    def _company(self) -> int:
        return self._once("res.company", "name", COMPANY)

    def _product(self, contract: SignedContract) -> int:
        return self._once("product.product", "default_code", contract["services"][0]["code"])

    # --- shared -----------------------------------------------------------------------------

    def _find(self, model: str, field: str, value: str) -> int | None:
        found = self._model(model).search_read(domain=[[field, "=", value]], fields=["id"], limit=1)
        return int(found[0]["id"]) if found else None

    def _create(self, model: str, **values: Any) -> int:
        [made] = self._model(model).create(vals_list=[values])
        return int(made)

    def _all(self, model: str, project: int, rows: list[dict[str, Any]]) -> list[int]:
        """The rows' records of a project in their order: those of an earlier try, or made now."""
        found = self._model(model).search_read(
            domain=[["project_id", "=", project]], fields=["id"], order="id"
        )
        if found:
            return [int(row["id"]) for row in found]
        return [int(made) for made in self._model(model).create(vals_list=rows)]

    def _look_up(self, model: str, field: str, value: str) -> int:
        found = self._find(model, field, value)
        if found is None:
            raise LookupError(f"Odoo has no {model} with {field} {value}")
        return found
