"""A confirmed order with a line of each kind, its project, and invoices that bill it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateways.odoo import OdooClient
from tests.odoo.helpers import COMPANY, product, the, xid

QUANTITIES = {"BUILD": 1, "TRAINING": 1}
PRICES = {"BUILD": "1000.00", "TRAINING": "500.00", "DEVELOPMENT": "120.00"}


@dataclass
class Engagement:
    """Order lines by product code: `lines` holds their external ids, `ids` those of Odoo."""

    odoo: OdooClient
    company: int
    currency: str
    partner: int
    project: int
    account: int
    order: int
    lines: dict[str, str]
    ids: dict[str, int]

    def line(self, code: str, *fields: str) -> dict[str, Any]:
        return the(self.odoo, "sale.order.line", self.ids[code], *fields)

    def invoiced(self, code: str) -> float:
        return float(self.line(code, "qty_invoiced")["qty_invoiced"])

    def delivered(self, code: str) -> float:
        return float(self.line(code, "qty_delivered")["qty_delivered"])

    def task(self, code: str = "") -> int:
        """A task whose hours deliver an order line, or none."""
        row = {"id": xid("task"), "name": f"Work {code}", "project_id/.id": self.project}
        row["sale_line_id/id"] = self.lines[code] if code else ""
        [task] = self.odoo.load("project.task", [row])
        return task

    def draft(self, *items: tuple[str, str, str], **header: Any) -> int:
        """A draft invoice of (code, quantity, price) lines."""
        return self._move(items, {"move_type": "Customer Invoice"} | header)

    def invoice(self, *items: tuple[str, str, str], **header: Any) -> int:
        """A posted invoice."""
        move = self.draft(*items, **header)
        self.odoo.call("account.move", "action_post", [move])
        return move

    def credit(self, credited: int | None, *items: tuple[str, str, str]) -> int:
        """A posted credit note, of an invoice or of none."""
        header = {"reversed_entry_id/.id": credited} if credited else {}
        move = self.draft_credit(*items, **header)
        self.odoo.call("account.move", "action_post", [move])
        return move

    def draft_credit(self, *items: tuple[str, str, str], **header: Any) -> int:
        """A draft credit note."""
        credit = {"move_type": "Customer Credit Note", "invoice_payment_term_id": ""}
        return self._move(items, credit | header)

    def _move(self, items: tuple[tuple[str, str, str], ...], header: dict[str, Any]) -> int:
        top: dict[str, Any] = {
            "id": xid("move"),
            "partner_id/.id": self.partner,
            "company_id/.id": self.company,
            "currency_id/id": f"base.{self.currency}",
            "invoice_date": "2026-04-30",
            "invoice_payment_term_id": "30 Days",
        }
        rows = [
            {
                "invoice_line_ids/id": xid("line"),
                "invoice_line_ids/product_id/.id": product(self.odoo, code),
                "invoice_line_ids/name": code.title(),
                "invoice_line_ids/quantity": quantity,
                "invoice_line_ids/price_unit": price,
                "invoice_line_ids/sale_line_ids/id": self.lines[code],
            }
            for code, quantity, price in items
        ]
        [move] = self.odoo.load("account.move", [top | header | rows[0], *rows[1:]])
        return move

    def receivable(self, move: int) -> dict[str, Any]:
        """The line of an invoice or an entry that stands for what the customer owes."""
        domain = [("move_id", "=", move), ("account_id.account_type", "=", "asset_receivable")]
        fields = ["account_id", "amount_residual", "reconciled", "credit"]
        [line] = self.odoo.search_read("account.move.line", domain, fields)
        return line

    def assign(self, invoice: int, credit: int) -> None:
        """Settle an invoice with what is open of a credit note or an entry."""
        line = self.receivable(credit)["id"]
        self.odoo.call("account.move", "js_assign_outstanding_line", [invoice], line_id=line)

    def pay(self, move: int, amount: float, reference: str) -> None:
        context = {"active_model": "account.move", "active_ids": [move]}
        values = {"amount": amount, "payment_date": "2026-05-02", "communication": reference}
        [register] = self.odoo.create("account.payment.register", [values], context=context)
        self.odoo.call(
            "account.payment.register", "action_create_payments", [register], context=context
        )

    def standing(self, move: int) -> tuple[float, str]:
        """What is open of an invoice, and how Odoo calls that."""
        row = the(self.odoo, "account.move", move, "amount_residual", "payment_state")
        return row["amount_residual"], row["payment_state"]


def engagement(
    odoo: OdooClient,
    *codes: str,
    company: int = COMPANY,
    currency: str = "EUR",
    country: str = "us",
    confirmed: bool = True,
) -> Engagement:
    """Sell one line of each code to a new customer, quantity 0 but for milestones."""
    customer = {"id": xid("partner"), "name": xid("Acme"), "is_company": True}
    [partner] = odoo.load("res.partner", [customer | {"country_id/id": f"base.{country}"}])
    row = {"id": xid("project"), "name": xid("Project"), "partner_id/.id": partner}
    row |= {"company_id/.id": company, "allow_milestones": True, "allow_billable": True}
    [project] = odoo.load("project.project", [row])
    priced_in = [("currency_id.name", "=", currency), ("company_id", "=", company)]
    [pricelist] = odoo.search_read("product.pricelist", priced_in, ["id"])
    lines = {code: xid("order-line") for code in codes}
    header = {
        "id": xid("order"),
        "partner_id/.id": partner,
        "company_id/.id": company,
        "project_id/.id": project,
        "pricelist_id/.id": pricelist["id"],
    }
    rows = [
        {
            "order_line/id": lines[code],
            "order_line/product_id/.id": product(odoo, code),
            "order_line/name": code.title(),
            "order_line/product_uom_qty": QUANTITIES.get(code, 0),
            "order_line/price_unit": PRICES.get(code, "0"),
        }
        for code in codes
    ]
    [order] = odoo.load("sale.order", [header | rows[0], *rows[1:]])
    if confirmed:
        odoo.call("sale.order", "action_confirm", [order])
    ids = the(odoo, "sale.order", order, "order_line")["order_line"]
    account = the(odoo, "project.project", project, "account_id")["account_id"][0]
    by_code = dict(zip(codes, ids, strict=True))
    return Engagement(odoo, company, currency, partner, project, account, order, lines, by_code)
