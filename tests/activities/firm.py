"""The activities on one Odoo, called as the plain methods they are, and an onlooker's view."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from activities.odoo_finance import (
    ConfirmRequest,
    InvoiceRequest,
    OdooFinance,
    OrderRequest,
    PostRequest,
)
from activities.odoo_master import CustomerRequest, OdooMaster, ProjectRequest, ValidateRequest
from contracts.billing import InvoiceProposal, propose
from contracts.identifiers import contract_workflow_id
from contracts.model import Contract, JsonObject
from gateways.odoo import OdooClient
from tests.servers import OdooServer

COMPANY, TERM = "Northwind Consulting", "30 Days"
INVOICE_ON = date(2026, 3, 2)


@dataclass
class Firm:
    """The activities on one Odoo, and what an onlooker sees of a contract there."""

    server: OdooServer
    master: OdooMaster
    finance: OdooFinance
    odoo: OdooClient
    """As the administrator, who sees everything."""

    @classmethod
    def of(cls, server: OdooServer, odoo: OdooClient, admin: OdooClient) -> Firm:
        return cls(server, OdooMaster(odoo), OdooFinance(odoo), admin)

    def accepted(self, contract: JsonObject) -> tuple[Contract, int]:
        """The contract as validated, and its company's id."""
        source = {"source": {"system": "file", "id": contract["contract_id"]}}
        request = ValidateRequest(
            document=source | contract, odoo_company=COMPANY, payment_term=TERM
        )
        validation = self.master.validate_contract(request)
        assert validation.contract is not None, validation.problems
        assert validation.company_id is not None
        return validation.contract, validation.company_id

    def customer(self, contract: Contract) -> int:
        request = CustomerRequest(customer=contract.customer, source=contract.source)
        return self.master.ensure_customer(request).partner_id

    def ordered(self, contract: JsonObject) -> Ordered:
        """A contract with its customer, project and order, not yet confirmed."""
        accepted, company = self.accepted(contract)
        partner = self.customer(accepted)
        project = self.master.create_project(
            ProjectRequest(contract=accepted, company_id=company, partner_id=partner)
        ).project_id
        request = OrderRequest(
            contract=accepted, company_id=company, partner_id=partner, project_id=project
        )
        order = self.finance.create_order(request).order_id
        return Ordered(accepted, company, partner, project, order)

    def drafted(self, contract: JsonObject) -> tuple[Ordered, InvoiceRequest]:
        """A confirmed order, and the request for the invoice of its first milestone."""
        made = self.ordered(contract)
        self.finance.confirm_order(ConfirmRequest(order_id=made.order, value=made.contract.value))
        return made, made.invoice_request()

    def everything(self, contract: Contract) -> dict[str, Any]:
        """All that stands in Odoo about a contract, and the mails it sent."""
        origin = contract_workflow_id(contract.legal_entity, contract.contract_id)
        orders = self._rows("sale.order", [("origin", "=", origin)], _ORDER)
        moves = self._rows("account.move", [("invoice_origin", "=like", f"{origin}/%")], _MOVE)
        order_ids, move_ids = ids_of(orders), ids_of(moves)
        projects = self._rows(
            "project.project",
            [("name", "like", contract.contract_id), ("active", "in", [True, False])],
            ["name", "active", "partner_id"],
        )
        in_project = ("project_id", "in", ids_of(projects))
        about = ["|", "&", ("model", "=", "sale.order"), ("res_id", "in", order_ids)]
        about += ["&", ("model", "=", "account.move"), ("res_id", "in", move_ids)]
        return {
            "customers": self._rows(
                "res.partner", [("name", "=", contract.customer.name)], _PARTNER
            ),
            "projects": projects,
            "milestones": self._rows("project.milestone", [in_project], _MILESTONE),
            "tasks": self._rows("project.task", [in_project], ["name", "milestone_id"]),
            "orders": orders,
            "order lines": self._rows("sale.order.line", [("order_id", "in", order_ids)], _LINE),
            "invoices": moves,
            "invoice lines": self._rows("account.move.line", [("move_id", "in", move_ids)], _ITEM),
            "payments": self._rows(
                "account.payment", [("memo", "like", contract.contract_id)], ["amount", "state"]
            ),
            "messages": self._rows("mail.message", about, ["subject", "body"]),
            "mails": [str(mail["Subject"]) for mail in self.mails(contract)],
        }

    def mails(self, contract: Contract) -> list[Any]:
        return list(self.server.mails(contract.customer.billing_email))

    def _rows(self, model: str, domain: list[Any], fields: list[str]) -> list[dict[str, Any]]:
        return self.odoo.search_read(model, domain, fields, order="id")


_PARTNER = ["name", "email", "vat", "street", "city", "zip", "country_id"]
_MILESTONE = ["name", "deadline", "is_reached", "quantity_percentage", "sale_line_id"]
_ORDER = ["name", "state", "amount_untaxed", "partner_id", "project_id", "payment_term_id"]
_LINE = ["name", "price_unit", "product_uom_qty", "qty_delivered", "qty_invoiced"]
_MOVE = ["name", "state", "payment_state", "amount_total", "amount_residual", "invoice_date", "ref"]
_ITEM = ["name", "debit", "credit", "quantity", "date_maturity"]


def ids_of(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


@dataclass
class Ordered:
    contract: Contract
    company: int
    partner: int
    project: int
    order: int

    def proposal(self) -> InvoiceProposal:
        first = self.contract.milestones[0]
        return propose(self.contract, self.contract.customer, first, 1, INVOICE_ON)

    def invoice_request(self) -> InvoiceRequest:
        return InvoiceRequest(
            proposal=self.proposal(),
            company_id=self.company,
            partner_id=self.partner,
            invoice_on=INVOICE_ON,
        )

    def post_request(self, invoice: int) -> PostRequest:
        proposal = self.proposal()
        return PostRequest(
            invoice_id=invoice,
            legal_entity=self.contract.legal_entity,
            amount=proposal.amount,
            proposed_on=proposal.proposed_on,
        )
