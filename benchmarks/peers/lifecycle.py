"""The lifecycle every contender runs, and its steps by odoo-client-lib for those outside Odoo.

Each step looks for what it is about to make by its business reference, then makes it: a step that
is repeated after a lost answer finds its own record. What the firm has but once (products, terms)
is looked up once a process. Refusals of Odoo come as odoo-client-lib's ValueError.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypedDict

import odoolib

PRODUCT = "BUILD"
PAYMENT_TERM = "30 Days"


class SignedMilestone(TypedDict):
    """A part of the contract; its amount in euro, without tax, as text."""

    key: str
    name: str
    amount: str


class SignedContract(TypedDict):
    """A signed contract as it comes from the CRM; all amounts in euro."""

    reference: str
    title: str
    customer: str
    vat: str
    email: str
    milestones: list[SignedMilestone]


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
        """The customer, known by the VAT number."""
        return self._find("res.partner", "vat", contract["vat"]) or self._create(
            "res.partner",
            name=contract["customer"],
            is_company=True,
            vat=contract["vat"],
            email=contract["email"],
        )

    def project(self, contract: SignedContract, customer: int) -> int:
        """A billable project with milestones."""
        name = f"{contract['title']} ({contract['reference']})"
        return self._find("project.project", "name", name) or self._create(
            "project.project",
            name=name,
            partner_id=customer,
            allow_milestones=True,
            allow_billable=True,
        )

    def order(
        self, contract: SignedContract, customer: int, project: int
    ) -> tuple[int, list[int]]:
        """The order and its lines, one a milestone."""
        product = self._once("product.product", "default_code", PRODUCT)
        lines = [
            {
                "product_id": product,
                "name": item["name"],
                "product_uom_qty": 1,
                "price_unit": float(item["amount"]),
            }
            for item in contract["milestones"]
        ]
        reference = contract["reference"]
        order = self._find("sale.order", "client_order_ref", reference) or self._create(
            "sale.order",
            partner_id=customer,
            project_id=project,
            client_order_ref=reference,
            payment_term_id=self._once("account.payment.term", "name", PAYMENT_TERM),
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
        [row] = self._model("sale.order").search_read(
            domain=[["id", "=", order]], fields=["state"]
        )
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
        reference = f"{contract['reference']}/{item['key']}"
        return self._find("account.move", "ref", reference) or self._create(
            "account.move",
            move_type="out_invoice",
            partner_id=customer,
            ref=reference,
            invoice_origin=contract["reference"],
            invoice_payment_term_id=self._once("account.payment.term", "name", PAYMENT_TERM),
            invoice_line_ids=[
                [
                    0,
                    0,
                    {
                        "product_id": self._once("product.product", "default_code", PRODUCT),
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

    # --- shared -----------------------------------------------------------------------------

    def _find(self, model: str, field: str, value: str) -> int | None:
        found = self._model(model).search_read(
            domain=[[field, "=", value]], fields=["id"], limit=1
        )
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
