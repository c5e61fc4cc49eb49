"""Odoo's master data: customers, projects, milestones and tasks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities import odoo_records as records
from activities.failures import BusinessRefusal
from contracts.model import Contract, Customer, JsonObject, Source
from contracts.ownership import create_once
from contracts.validation import InvalidContract, Problem, validate
from gateways.crm import odoo_crm
from gateways.odoo import OdooClient


class ValidateRequest(BaseModel):
    """A document to accept or refuse, and the Odoo company (by name) it is for."""

    document: JsonObject
    odoo_company: str
    payment_term: str


class Validation(BaseModel):
    """Either a contract and its company's id in Odoo, or every problem found."""

    contract: Contract | None = None
    company_id: int | None = None
    problems: list[Problem] = []


class CustomerRequest(BaseModel):
    customer: Customer
    source: Source


class CustomerRef(BaseModel):
    partner_id: int


class ProjectRequest(BaseModel):
    contract: Contract
    company_id: int
    partner_id: int


class ProjectRef(BaseModel):
    project_id: int
    name: str


class MilestonesRequest(BaseModel):
    contract: Contract
    project_id: int


class MilestoneIds(BaseModel):
    """Milestone key to its id in Odoo."""

    ids: dict[str, int]


class Done(BaseModel):
    """Nothing to report but that it is done."""


class MilestoneRef(BaseModel):
    legal_entity: str
    contract_id: str
    milestone: str


class ProjectArchive(BaseModel):
    project_id: int


class OdooMaster:
    """Activities on the `odoo-master` task queue."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def validate_contract(self, request: ValidateRequest) -> Validation:
        """Check a document by its own rules and against Odoo's catalogue; all problems at once."""
        document = request.document
        # The entity's default belongs to the contract from here on: what was agreed is frozen.
        if not document.get("payment_term"):
            document = {**document, "payment_term": request.payment_term}
        problems: list[Problem] = []
        contract: Contract | None = None
        try:
            contract = validate(document)
        except InvalidContract as invalid:
            problems += invalid.problems
        company_id = self._company(request.odoo_company)
        if company_id is None:
            problems.append(
                Problem(
                    code="company_unknown",
                    field="legal_entity",
                    value=request.odoo_company,
                    expected="a legal entity whose company exists in Odoo and is open to c2c",
                )
            )
        problems += self._catalogue_problems(document)
        metrics.contracts_validated.add(1, {"outcome": "refused" if problems else "accepted"})
        if problems:
            return Validation(problems=problems)
        return Validation(contract=contract, company_id=company_id)

    def _company(self, name: str) -> int | None:
        found = self._odoo.search_read("res.company", [("name", "=", name)], ["id"], limit=2)
        return int(found[0]["id"]) if len(found) == 1 else None

    def _catalogue_problems(self, document: JsonObject) -> list[Problem]:
        """What the document names that Odoo does not have: services, payment term, currency."""
        problems = []
        rows = document.get("services")
        services = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        codes = {str(row["code"]) for row in services if row.get("code")}
        known = self._names("product.product", "default_code", codes)
        for index, row in enumerate(services):
            code = str(row.get("code") or "")
            if code and code not in known:
                problems.append(
                    Problem(
                        code="service_code_unknown",
                        field=f"services.{index}.code",
                        value=code,
                        expected="the internal reference of a product in Odoo",
                    )
                )
        for field, model, column, expected in (
            ("payment_term", "account.payment.term", "name", "the name of a payment term in Odoo"),
            ("currency", "res.currency", "name", "a currency that is active in Odoo"),
        ):
            value = document.get(field)
            if isinstance(value, str) and value and not self._names(model, column, {value}):
                problems.append(
                    Problem(
                        code=f"{field}_not_in_odoo", field=field, value=value, expected=expected
                    )
                )
        return problems

    def _names(self, model: str, column: str, wanted: set[str]) -> set[str]:
        if not wanted:
            return set()
        domain = [(column, "in", sorted(wanted))]
        return {str(row[column]) for row in self._odoo.search_read(model, domain, [column])}

    @activity.defn
    def ensure_customer(self, request: CustomerRequest) -> CustomerRef:
        """Find the customer by VAT number, or create it once; what people edited stays.

        Odoo's own CRM names the partner itself: it is taken as it is, or is `record_missing`.
        A business failure `customer_ambiguous` names the partners where several have the number.
        """
        customer = request.customer
        if request.source.system == odoo_crm.SYSTEM:
            known = odoo_crm.partner_id(customer.key)
            if known is not None:
                self._odoo.read("res.partner", [known], ["name"])
                return CustomerRef(partner_id=known)
        if customer.vat_number:
            domain = [("vat", "=", customer.vat_number), ("parent_id", "=", False)]
            found = self._odoo.search_read("res.partner", domain, ["id", "display_name"], limit=5)
            if len(found) > 1:
                names = ", ".join(f"{row['display_name']} (id {row['id']})" for row in found)
                raise BusinessRefusal(
                    "customer_ambiguous",
                    f"several customers in Odoo have this VAT number: {names}; merge them there",
                    field="customer.vat_number",
                    value=customer.vat_number,
                )
            if found:
                return CustomerRef(partner_id=found[0]["id"])
        row: dict[str, Any] = {
            "id": records.customer_id(request.source.system, customer.key),
            "name": customer.name,
            "is_company": True,
            "email": customer.billing_email,
            "vat": customer.vat_number or "",
            "country_id/id": f"base.{_country_xml_id(customer.country)}",
            "street": customer.street,
            "city": customer.city,
            "zip": customer.zip,
        }
        once = create_once("customer.name", "customer.vat_number", "customer.address")
        [partner] = self._odoo.load("res.partner", [row], create_once=once)
        return CustomerRef(partner_id=partner)

    @activity.defn
    def create_project(self, request: ProjectRequest) -> ProjectRef:
        """Create the contract's project, billable and with milestones."""
        contract = request.contract
        name = f"{contract.title} ({contract.contract_id})"
        row = {
            "id": records.project_id(contract.legal_entity, contract.contract_id),
            "name": name,
            "partner_id/.id": request.partner_id,
            "company_id/.id": request.company_id,
            "allow_milestones": True,
            "allow_billable": True,
        }
        [project] = self._odoo.load(
            "project.project", [row], create_once=create_once("project.name")
        )
        return ProjectRef(project_id=project, name=name)

    @activity.defn
    def create_milestones(self, request: MilestonesRequest) -> MilestoneIds:
        """Create the milestones, each delivering its own order line in whole (100 %)."""
        contract = request.contract
        keys = (contract.legal_entity, contract.contract_id)
        rows = [
            {
                "id": records.milestone_id(*keys, item.key),
                "name": item.name,
                "project_id/.id": request.project_id,
                "deadline": item.due_on.isoformat() if item.due_on else "",
                "sale_line_id/id": records.order_line_id(*keys, item.key),
                "quantity_percentage": 1,
            }
            for item in contract.milestones
        ]
        once = create_once("milestone.name", "milestone.deadline")
        ids = self._odoo.load("project.milestone", rows, create_once=once)
        return MilestoneIds(
            ids=dict(zip((item.key for item in contract.milestones), ids, strict=True))
        )

    @activity.defn
    def create_tasks(self, request: MilestonesRequest) -> Done:
        """Create one task a milestone, for the people who deliver it."""
        contract = request.contract
        keys = (contract.legal_entity, contract.contract_id)
        rows = [
            {
                "id": records.task_id(*keys, item.key),
                "name": item.name,
                "project_id/.id": request.project_id,
                "milestone_id/id": records.milestone_id(*keys, item.key),
                "date_deadline": f"{item.due_on} 16:00:00" if item.due_on else "",
            }
            for item in contract.milestones
        ]
        once = create_once("task.name")
        self._odoo.load("project.task", rows, create_once=once)
        return Done()

    @activity.defn
    def mark_milestone_reached(self, ref: MilestoneRef) -> Done:
        """Set `is_reached`; the order line's delivered quantity follows in Odoo."""
        row = {
            "id": records.milestone_id(ref.legal_entity, ref.contract_id, ref.milestone),
            "is_reached": True,
        }
        once = create_once("milestone.reached")
        self._odoo.load("project.milestone", [row], create_once=once)
        return Done()

    @activity.defn
    def archive_project(self, request: ProjectArchive) -> Done:
        """Archive the project; archiving it again changes nothing."""
        self._odoo.write("project.project", [request.project_id], {"active": False})
        return Done()


def _country_xml_id(country: str) -> str:
    # Odoo names its country records by the ISO code in lower case, but for the United Kingdom.
    return "uk" if country == "GB" else country.lower()
