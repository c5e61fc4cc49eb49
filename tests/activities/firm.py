"""The activities on one Odoo, called as the plain methods they are, and an onlooker's view."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from activities.odoo import milestones, tasks
from activities.odoo.balances import InvoiceRef, OdooBalances
from activities.odoo.burn import OdooBurn
from activities.odoo.catalogue import Catalogue
from activities.odoo.chatter import OdooChatter
from activities.odoo.delivery import MailRequest, OdooDelivery
from activities.odoo.expenses import OdooExpenses
from activities.odoo.handover import OdooHandover
from activities.odoo.invoice_content import read_whole
from activities.odoo.invoice_rows import DraftRequest
from activities.odoo.invoices import OdooInvoices, PostRequest
from activities.odoo.milestones import OdooMilestones
from activities.odoo.order_totals import order_totals
from activities.odoo.orders import OdooOrders, confirm_order, create_order
from activities.odoo.partners import find_or_create_customer
from activities.odoo.payments import OdooPayments, PaymentRequest
from activities.odoo.project_rows import ProjectChange
from activities.odoo.projects import AmendedProject, OdooProjects, set_up_project
from activities.odoo.provisioning import OdooProvisioning
from activities.odoo.sweeps import OdooSweeps
from activities.odoo.timesheets import OdooTimesheets
from activities.odoo.validation import OdooValidation
from activities.odoo.write_offs import OdooWriteOffs
from activities.policies import Policies
from contracts.billing.lines import InvoiceKind, InvoiceProposal, Line
from contracts.billing.order import order_lines
from contracts.contract.state import OdooRefs, require_id
from contracts.identifiers import (
    contract_workflow_id,
    invoice_origin,
    invoice_workflow_id,
    origins_of_contract,
)
from contracts.invoice.answers import Draft
from contracts.invoice.messages import InvoiceBalance, PaymentReceived
from contracts.model import Contract, JsonObject
from contracts.money import Money
from contracts.odoo_totals import OrderTotals
from gateways.odoo import OdooClient
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.world import unique

COMPANY, TERM = "Northwind Consulting", "30 Days"
INVOICE_ON = date(2026, 3, 2)
APPROVED_FIELD = "x_approved"


def policies(server: OdooServer) -> Policies:
    """The configured entity's rules, for another company of the firm as well."""
    rules = settings_for(server).entities["northwind"]
    return Policies({"northwind": rules, "northwind-uk": rules})


@dataclass
class Firm:
    """The activities on one Odoo, and what an onlooker sees of a contract there."""

    server: OdooServer
    client: OdooClient
    """As the service user: the activities' own."""
    validation: OdooValidation
    projects: OdooProjects
    milestones: OdooMilestones
    orders: OdooOrders
    provisioning: OdooProvisioning
    chatter: OdooChatter
    timesheets: OdooTimesheets
    expenses: OdooExpenses
    invoices: OdooInvoices
    balances: OdooBalances
    delivery: OdooDelivery
    payments: OdooPayments
    write_offs: OdooWriteOffs
    sweeps: OdooSweeps
    handover: OdooHandover
    burn: OdooBurn
    catalogue: Catalogue
    odoo: OdooClient
    """As the administrator, who sees everything."""
    company: str = COMPANY

    @classmethod
    def of(cls, server: OdooServer, odoo: OdooClient, admin: OdooClient) -> Firm:
        catalogue = Catalogue(odoo)
        return cls(
            server,
            odoo,
            OdooValidation(catalogue, policies(server)),
            OdooProjects(odoo),
            OdooMilestones(odoo),
            OdooOrders(odoo, catalogue),
            OdooProvisioning(odoo, catalogue),
            OdooChatter(odoo),
            OdooTimesheets(odoo, APPROVED_FIELD),
            OdooExpenses(odoo),
            OdooInvoices(odoo, policies(server), catalogue),
            OdooBalances(odoo),
            OdooDelivery(odoo),
            OdooPayments(odoo),
            OdooWriteOffs(odoo),
            OdooSweeps(odoo, catalogue),
            OdooHandover(odoo, catalogue),
            OdooBurn(odoo, catalogue),
            catalogue,
            admin,
        )

    def of_company(self, name: str) -> Firm:
        """The same firm, with contracts of another legal entity."""
        return replace(self, company=name)

    def accepted(self, contract: JsonObject) -> tuple[Contract, int]:
        """The contract as validated, and its company's id."""
        source = {"source": {"system": "file", "id": contract["contract_id"]}}
        validation = self.validation.check(source | contract, self.company, TERM)
        assert validation.contract is not None, validation.problems
        assert validation.company_id is not None
        return validation.contract, validation.company_id

    def customer(self, contract: Contract) -> int:
        return find_or_create_customer(self.client, contract.customer, contract.source)

    def ordered(self, contract: JsonObject) -> Ordered:
        """A contract with its customer, project and order, not yet confirmed."""
        accepted, company = self.accepted(contract)
        made = OdooRefs(company_id=company)
        set_up_project(self.client, accepted, made)
        create_order(self.client, self.catalogue, accepted, made)
        return Ordered.of(accepted, made)

    def confirmed(self, contract: JsonObject) -> Ordered:
        """The same with its order confirmed, its milestones and its tasks."""
        made = self.ordered(contract)
        made = Ordered.of(made.contract, self.confirm(made))
        # There already: this only tells the ids of the milestones' tasks too.
        made.tasks = tasks.create(self.client, made.contract, made.project)
        return made

    def confirm(self, made: Ordered) -> OdooRefs:
        """Confirm the order, and create the milestones and the tasks."""
        refs = made.refs()
        confirm_order(self.client, made.contract, refs)
        return refs

    def amend_project(self, made: Ordered, after: Contract) -> AmendedProject:
        """Let the project follow a later version of the contract."""
        return self.projects.amend_project(made.change(after))

    def create_milestones(self, made: Ordered) -> dict[str, int]:
        """The milestones alone, without tasks; their ids by their keys."""
        return milestones.create(self.client, made.contract, made.project)

    def drafted(self, contract: JsonObject) -> tuple[Ordered, DraftRequest]:
        """A confirmed order, and the request for the invoice of its first milestone."""
        made = self.confirmed(contract)
        return made, made.invoice_request()

    def posted(self, made: Ordered, proposal: InvoiceProposal, credits: int = 0) -> InvoiceBalance:
        """An invoice from its proposal to the posting; `credits` is an invoice's id in Odoo."""
        request = made.request(proposal, credits)
        draft = self.invoices.create_draft(request)
        return self.invoices.post_invoice(made.post_request(draft, proposal))

    def mail_request(self, made: Ordered, invoice: int) -> MailRequest:
        """As it was approved, and to the address that the customer was created with."""
        content = read_whole(self.client, invoice).content
        address = made.contract.customer.billing_email
        approved = content.model_copy(update={"mailed_to": address})
        return MailRequest(invoice_id=invoice, approved=approved)

    def balance(self, invoice: int) -> InvoiceBalance:
        return self.balances.read_balance(InvoiceRef(invoice_id=invoice))

    def pays(self, invoice: int, amount: str, currency: str = "EUR") -> InvoiceBalance:
        payment = PaymentReceived(
            reference=unique("P"), amount=Money(amount, currency), paid_on=date(2026, 3, 20)
        )
        return self.payments.register_payment(PaymentRequest(invoice_id=invoice, payment=payment))

    def figures(self, made: Ordered) -> OrderTotals:
        return order_totals(self.client, made.order, made.lines)

    def everything(self, contract: Contract) -> dict[str, Any]:
        """All that stands in Odoo about a contract, and the mails it sent."""
        origin = contract_workflow_id(contract.legal_entity, contract.contract_id)
        orders = self._rows("sale.order", [("origin", "=", origin)], _ORDER)
        moves = self._rows(
            "account.move", [("invoice_origin", "=like", origins_of_contract(origin))], _MOVE
        )
        order_ids, move_ids = ids_of(orders), ids_of(moves)
        anyhow = ("active", "in", [True, False])
        projects = self._rows(
            "project.project",
            [("name", "like", contract.contract_id), anyhow],
            ["name", "active", "partner_id", "last_update_status"],
        )
        in_project = ("project_id", "in", ids_of(projects))
        about = ["|", "&", ("model", "=", "sale.order"), ("res_id", "in", order_ids)]
        about += ["&", ("model", "=", "account.move"), ("res_id", "in", move_ids)]
        on_order = [("res_model", "=", "sale.order"), ("res_id", "in", order_ids)]
        on_moves = [("res_model", "=", "account.move"), ("res_id", "in", move_ids)]
        return {
            "customers": self._rows(
                "res.partner", [("name", "=", contract.customer.name)], _PARTNER
            ),
            "projects": projects,
            "updates": self._rows("project.update", [in_project], ["name", "status"]),
            "milestones": self._rows("project.milestone", [in_project], _MILESTONE),
            "tasks": self._rows("project.task", [in_project, anyhow], _TASK),
            "orders": orders,
            "order lines": self._rows("sale.order.line", [("order_id", "in", order_ids)], _LINE),
            "invoices": moves,
            "invoice lines": self._rows("account.move.line", [("move_id", "in", move_ids)], _ITEM),
            "payments": self._rows(
                "account.payment", [("memo", "like", contract.contract_id)], ["amount", "state"]
            ),
            "messages": self._rows("mail.message", about, ["subject", "body"]),
            "files": self._rows("ir.attachment", on_order, ["name", "datas"]),
            "to-dos": self._rows("mail.activity", on_moves, ["summary", "user_id"]),
            "mails": [str(mail["Subject"]) for mail in self.mails(contract)],
        }

    def mails(self, contract: Contract) -> list[Any]:
        return list(self.server.mails(contract.customer.billing_email))

    def _rows(self, model: str, domain: list[Any], fields: list[str]) -> list[dict[str, Any]]:
        return self.odoo.search_read(model, domain, fields, order="id")


_PARTNER = ["name", "email", "vat", "street", "city", "zip", "country_id"]
_MILESTONE = ["name", "deadline", "is_reached", "quantity_percentage", "sale_line_id"]
_TASK = ["name", "milestone_id", "sale_line_id", "date_deadline", "active"]
_ORDER = [
    *("name", "state", "amount_untaxed", "partner_id", "project_id"),
    *("payment_term_id", "client_order_ref"),
]
_LINE = ["name", "price_unit", "product_uom_qty", "qty_delivered", "qty_invoiced"]
_MOVE = ["name", "state", "payment_state", "amount_total", "amount_residual", "invoice_date", "ref"]
_ITEM = ["name", "debit", "credit", "quantity", "date_maturity"]


def ids_of(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def line_of(key: str, service_code: str, description: str, amount: Money) -> Line:
    """A line of one unit on the order's line of that key."""
    return Line(
        key=key,
        order_line=key,
        service_code=service_code,
        description=description,
        unit_price=amount.amount,
        amount=amount,
    )


@dataclass
class Ordered:
    """A contract and what stands for it in Odoo."""

    contract: Contract
    company: int
    partner: int
    project: int
    order: int
    account: int = 0
    """Where the project's costs meet; this and the rest are known once the order is confirmed."""
    lines: dict[str, int] = field(default_factory=dict)
    milestones: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)

    @property
    def workflow_id(self) -> str:
        return contract_workflow_id(self.contract.legal_entity, self.contract.contract_id)

    @classmethod
    def of(cls, contract: Contract, made: OdooRefs) -> Ordered:
        return cls(
            contract,
            require_id(made.company_id),
            require_id(made.partner_id),
            require_id(made.project_id),
            require_id(made.order_id),
            made.analytic_account_id or 0,
            made.order_line_ids,
            made.milestone_ids,
            made.task_ids,
        )

    def refs(self) -> OdooRefs:
        """What there is, as provisioning knows it."""
        return OdooRefs(
            company_id=self.company,
            partner_id=self.partner,
            project_id=self.project,
            order_id=self.order,
        )

    def change(self, after: Contract) -> ProjectChange:
        """What the project is to follow."""
        return ProjectChange(
            before=self.contract,
            after=after,
            project_id=self.project,
            milestones=self.milestones,
            tasks=self.tasks,
        )

    def charge(self, line: str, quantity: str, price: str) -> Line:
        """Something to bill on one of the order's lines."""
        [found] = [item for item in order_lines(self.contract) if item.key == line]
        amount = Decimal(quantity) * Decimal(price)
        return Line(
            key=f"{line}:{quantity}:{price}",
            order_line=line,
            service_code=found.service_code,
            description=f"{found.name}: {quantity} at {price}",
            quantity=Decimal(quantity),
            unit_price=Decimal(price),
            amount=Money.rounded(amount, self.contract.currency),
        )

    def proposal(
        self,
        *charges: Line,
        number: int = 1,
        kind: InvoiceKind = InvoiceKind.INVOICE,
        purchase_order: str | None = None,
    ) -> InvoiceProposal:
        """The invoice of these charges; without any, the invoice of the first milestone."""
        contract = self.contract
        return InvoiceProposal(
            contract_id=contract.contract_id,
            legal_entity=contract.legal_entity,
            number=number,
            kind=kind,
            customer_key=contract.customer.key,
            customer_name=contract.customer.name,
            lines=charges or (self.milestone(),),
            payment_term=contract.payment_term,
            purchase_order=contract.purchase_order if purchase_order is None else purchase_order,
            proposed_on=INVOICE_ON,
        )

    def milestone(self) -> Line:
        """The charge of the first milestone."""
        first = self.contract.milestones[0]
        code = self.contract.service(first.service).code
        return line_of(first.key, code, first.name, first.amount)

    def credit_note(self, *charges: Line, number: int) -> InvoiceProposal:
        """A credit note that takes these charges back."""
        back = tuple(
            item.model_copy(
                update={
                    "key": f"{item.key}:back",
                    "description": f"Credit: {item.key}",
                    "quantity": -item.quantity,
                    "amount": -item.amount,
                }
            )
            for item in charges
        )
        return self.proposal(*back, number=number, kind=InvoiceKind.CREDIT_NOTE)

    def request(self, proposal: InvoiceProposal, credits: int = 0) -> DraftRequest:
        return DraftRequest(
            proposal=proposal,
            company_id=self.company,
            order_id=self.order,
            partner_id=self.partner,
            invoice_on=INVOICE_ON,
            credited_invoice_id=credits or None,
        )

    def invoice_origin(self, number: int = 1) -> str:
        """By which an invoice's records in Odoo are found."""
        contract = contract_workflow_id(self.contract.legal_entity, self.contract.contract_id)
        return invoice_origin(invoice_workflow_id(contract, number))

    def invoice_request(self) -> DraftRequest:
        return self.request(self.proposal())

    def post_request(self, draft: Draft, proposal: InvoiceProposal | None = None) -> PostRequest:
        proposal = proposal or self.proposal()
        return PostRequest(
            invoice_id=draft.invoice_id,
            legal_entity=self.contract.legal_entity,
            kind=proposal.kind,
            approved=draft.content,
            proposed_on=proposal.proposed_on,
        )
