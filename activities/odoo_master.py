"""Odoo's master data: customers, projects, milestones and tasks."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities import odoo_records as records
from activities import odoo_work as work
from activities.failures import BusinessRefusal
from activities.odoo_catalogue import Catalogue
from activities.odoo_clock import utc
from contracts.billing.order import LineKind, order_lines
from contracts.contract.messages import MilestoneReachedInOdoo
from contracts.model import Contract, Customer, JsonObject, Source
from contracts.ownership import create_once
from contracts.problems import first_of
from contracts.validation import InvalidContract, Problem, validate
from gateways.crm import odoo_crm
from gateways.errors import GatewayError
from gateways.odoo import OdooClient
from gateways.odoo.errors import is_record_missing


class ValidateRequest(BaseModel):
    """Contract data to accept or refuse, and the Odoo company (by name) it is for."""

    contract_data: JsonObject
    odoo_company: str
    payment_term: str


class Validation(BaseModel):
    """Either a contract and its company's id in Odoo, or every problem found."""

    contract: Contract | None = None
    company_id: int | None = None
    problems: list[Problem] = []


class ProjectRequest(BaseModel):
    contract: Contract
    company_id: int


class ProjectRef(BaseModel):
    """The project, and the partner that pays for it."""

    partner_id: int
    project_id: int
    name: str


class MilestonesRequest(BaseModel):
    contract: Contract
    project_id: int


class MilestoneIds(BaseModel):
    """Milestone key to its id in Odoo."""

    ids: dict[str, int]


class TaskIds(BaseModel):
    """Key of a milestone or plan to its task's id in Odoo."""

    ids: dict[str, int]


class ProjectChange(BaseModel):
    """Two versions of a contract, and the milestones' and tasks' ids in Odoo by their keys."""

    before: Contract
    after: Contract
    milestones: dict[str, int]
    tasks: dict[str, int]


class ProjectStatusRequest(BaseModel):
    """Work stops (`suspended`) or goes on; `key` is unique to this turn, `text` says why."""

    legal_entity: str
    contract_id: str
    project_id: int
    suspended: bool
    key: str
    text: str


class Rescheduled(BaseModel):
    """Those of the milestones whose day was moved that are marked reached."""

    reached: list[MilestoneReachedInOdoo] = []


class Done(BaseModel):
    """Nothing to report but that it is done."""


class Marked(BaseModel):
    """When the mark was set, by Odoo's clock (aware, UTC): what was read before it is no news."""

    as_of: datetime


class MilestoneRef(BaseModel):
    """A milestone in Odoo."""

    milestone_id: int


class ProjectArchive(BaseModel):
    project_id: int


_CUSTOMER_FIELDS = {
    "vat": "customer.vat_number",
    "email": "customer.billing_email",
    "country_id": "customer.country",
}


class OdooMaster:
    """Activities on the `odoo-master` task queue."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue | None = None) -> None:
        """`catalogue` is the one of the worker's other activities, if they share it."""
        self._odoo = odoo
        self._catalogue = catalogue or Catalogue(odoo)

    def validate_contract(self, request: ValidateRequest) -> Validation:
        """Check contract data by its own rules and Odoo's catalogue; all problems at once."""
        contract_data = request.contract_data
        # The entity's default belongs to the contract from here on: what was agreed is frozen.
        if not contract_data.get("payment_term"):
            contract_data = {**contract_data, "payment_term": request.payment_term}
        problems: list[Problem] = []
        contract: Contract | None = None
        try:
            contract = validate(contract_data)
        except InvalidContract as invalid:
            problems += invalid.problems
        company_id = self._catalogue.company(request.odoo_company)
        if company_id is None:
            problems.append(
                Problem(
                    code="company_unknown",
                    field="legal_entity",
                    value=request.odoo_company,
                    expected="a legal entity whose company exists in Odoo and is open to c2c",
                )
            )
        problems += self._catalogue_problems(contract_data)
        if contract is not None and not problems:
            problems += self._product_problems(contract)
        metrics.contracts_validated.add(1, {"outcome": "refused" if problems else "accepted"})
        if problems:
            return Validation(problems=first_of(problems))
        return Validation(contract=contract, company_id=company_id)

    def _catalogue_problems(self, contract_data: JsonObject) -> list[Problem]:
        """What the data names that Odoo does not have: services, payment term, currency."""
        problems = []
        rows = contract_data.get("services")
        services = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        codes = {str(row["code"]) for row in services if row.get("code")}
        known = self._catalogue.products(codes)
        for index, row in enumerate(services):
            code = str(row.get("code") or "")
            if code and not known[code]:
                problems.append(
                    Problem(
                        code="service_code_unknown",
                        field=f"services.{index}.code",
                        value=code,
                        expected="the internal reference of a product in Odoo",
                    )
                )
        for field, model, expected in (
            ("payment_term", "account.payment.term", "the name of a payment term in Odoo"),
            ("currency", "res.currency", "a currency that is active in Odoo"),
        ):
            value = contract_data.get(field)
            if isinstance(value, str) and value and not self._catalogue.has(model, value):
                problems.append(
                    Problem(
                        code=f"{field}_not_in_odoo", field=field, value=value, expected=expected
                    )
                )
        return problems

    def _product_problems(self, contract: Contract) -> list[Problem]:
        """Services whose product Odoo delivers another way than the contract bills it."""
        products = self._catalogue.products({line.code for line in contract.services})
        kinds = _kinds_of_services(contract)
        problems = []
        for index, service in enumerate(contract.services):
            product = products[service.code][-1]
            problems += [
                Problem(
                    code="service_type_unfit",
                    field=f"services.{index}.code",
                    value=service.code,
                    expected=_FITTING[kind][1],
                )
                for kind in sorted(kinds.get(service.key, ()))
                if not _fits(product, kind)
            ]
        return problems

    def set_up_project(self, request: ProjectRequest) -> ProjectRef:
        """Find or create the contract's customer, and create its project, billable and with
        milestones. What people edited stays."""
        contract = request.contract
        partner = self.customer(contract.customer, contract.source)
        name = f"{contract.title} ({contract.contract_id})"
        row = {
            "id": records.project_id(contract.legal_entity, contract.contract_id),
            "name": name,
            "partner_id/.id": partner,
            "company_id/.id": request.company_id,
            "allow_milestones": True,
            "allow_billable": True,
        }
        [project] = self._odoo.load(
            "project.project",
            [row],
            create_once=create_once("project.name"),
            context=records.UNTRACKED,
        )
        return ProjectRef(partner_id=partner, project_id=project, name=name)

    def customer(self, customer: Customer, source: Source) -> int:
        """The customer's partner: found by VAT number, or created once.

        Odoo's own CRM names the partner itself: it is taken as it is, or is `record_missing`.
        A business failure `customer_ambiguous` names the partners where several have the number.
        """
        if source.system == odoo_crm.SYSTEM:
            known = odoo_crm.partner_id(customer.key)
            if known is not None:
                self._odoo.read("res.partner", [known], ["name"])
                return known
        if customer.vat_number:
            found = self._odoo.find(
                "res.partner",
                "vat",
                [customer.vat_number],
                ["vat", "display_name"],
                also=[("parent_id", "=", False)],
            )
            if len(found) > 1:
                names = ", ".join(f"{row['display_name']} (id {row['id']})" for row in found[:5])
                raise BusinessRefusal(
                    "customer_ambiguous",
                    f"several customers in Odoo have this VAT number: {names}; merge them there",
                    field="customer.vat_number",
                    value=customer.vat_number,
                )
            if found:
                return int(found[0]["id"])
        row: dict[str, Any] = {
            "id": records.customer_id(source.system, customer.key),
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
        try:
            [partner] = self._odoo.load(
                "res.partner", [row], create_once=once, context=records.UNTRACKED
            )
        except GatewayError as refusal:
            # Named as in the contract, where it is amended.
            refusal.field = _CUSTOMER_FIELDS.get(refusal.field, refusal.field)
            raise
        return partner

    @activity.defn
    def create_milestones(self, request: MilestonesRequest) -> MilestoneIds:
        """Create the milestones, each delivering its own order line in whole (100 %)."""
        rows = work.milestone_rows(request.contract, request.project_id)
        once = create_once("milestone.name", "milestone.deadline")
        ids = self._odoo.load("project.milestone", rows, create_once=once)
        keys = (item.key for item in request.contract.milestones)
        return MilestoneIds(ids=dict(zip(keys, ids, strict=True)))

    @activity.defn
    def create_tasks(self, request: MilestonesRequest) -> TaskIds:
        """Create the tasks that people work on and log their hours on: one a milestone, one a
        plan that bills by time, one a retainer with included hours."""
        tasks = work.tasks_of(request.contract)
        rows = work.task_rows(request.contract, request.project_id, tasks)
        ids = self._odoo.load("project.task", rows, create_once=create_once("task.name"))
        return TaskIds(ids=dict(zip((task.key for task in tasks), ids, strict=True)))

    @activity.defn
    def mark_milestone_reached(self, ref: MilestoneRef) -> Marked:
        """Set `is_reached`; the order line's delivered quantity follows in Odoo."""
        [saved] = self._odoo.save(
            "project.milestone", [ref.milestone_id], {"is_reached": True}, ["write_date"]
        )
        return Marked(as_of=utc(saved["write_date"]))

    # --- change orders ----------------------------------------------------------------------

    @activity.defn
    def amend_milestones(self, change: ProjectChange) -> Rescheduled:
        """Set the deadlines that a change order moved; a milestone people deleted stays so.

        Says which of them are marked reached: from now on we are who wrote them last, and a sweep
        takes such a mark for ours."""
        moved = {change.milestones[key]: due for key, due in rescheduled(change).items()}
        if not moved:
            return Rescheduled()
        there = self._odoo.search_read("project.milestone", [("id", "in", sorted(moved))], ["id"])
        rows = [
            {".id": row["id"], "deadline": due.isoformat() if due else ""}
            for row in there
            for due in [moved[row["id"]]]
        ]
        once = create_once("milestone.rescheduled")
        written = self._odoo.load("project.milestone", rows, create_once=once)
        fields = ["is_reached", "reached_date", "write_date"]
        return Rescheduled(
            reached=[
                MilestoneReachedInOdoo(
                    milestone_id=row["id"],
                    on=row["reached_date"] or None,
                    as_of=utc(row["write_date"]),
                )
                for row in self._odoo.read("project.milestone", written, fields)
                if row["is_reached"]
            ]
        )

    @activity.defn
    def drop_milestones(self, change: ProjectChange) -> Done:
        """Delete the milestones that a change order dropped; those gone already are a success."""
        after = {item.key for item in change.after.milestones}
        ids = [
            change.milestones[item.key]
            for item in change.before.milestones
            if item.key not in after and item.key in change.milestones
        ]
        if not ids:
            return Done()
        there = self._odoo.search_read("project.milestone", [("id", "in", ids)], ["id"])
        if there:
            self._delete_milestones([row["id"] for row in there])
        return Done()

    def _delete_milestones(self, ids: list[int]) -> None:
        """Deleted by somebody else in the same moment, or by a call that came twice, is deleted."""
        try:
            self._odoo.call("project.milestone", "unlink", ids)
        except GatewayError as refusal:
            gone = is_record_missing(refusal)
            if not gone or self._odoo.search_read("project.milestone", [("id", "in", ids)], ["id"]):
                raise

    @activity.defn
    def amend_tasks(self, change: ProjectChange) -> Done:
        """Move the tasks of moved milestones, and archive those of what was dropped; a task that
        people deleted stays so. Two writes at most, each of them safe to repeat."""
        dropped = {task.key for task in work.tasks_of(change.before)}
        dropped -= {task.key for task in work.tasks_of(change.after)}
        moved = rescheduled(change)
        keys = {task: key for key, task in change.tasks.items() if key in {*dropped, *moved}}
        if not keys:
            return Done()
        domain = [("id", "in", sorted(keys)), ("active", "in", [True, False])]
        there = [row["id"] for row in self._odoo.search_read("project.task", domain, ["id"])]
        rows = [
            {".id": task, "date_deadline": work.deadline(moved[keys[task]])}
            for task in there
            if keys[task] in moved
        ]
        once = create_once("milestone.rescheduled")
        self._odoo.load("project.task", rows, create_once=once)
        gone = [task for task in there if keys[task] in dropped]
        self._odoo.write("project.task", gone, {"active": False})
        return Done()

    # --- the project ------------------------------------------------------------------------

    @activity.defn
    def set_project_status(self, request: ProjectStatusRequest) -> Done:
        """Say on the project that work stops or goes on: one update of its status a key."""
        row = {
            "id": records.project_update_id(request.legal_entity, request.contract_id, request.key),
            "project_id/.id": request.project_id,
            "name": "Suspended" if request.suspended else "Resumed",
            "status": "On Hold" if request.suspended else "On Track",
            "description": f"<p>{html.escape(request.text)}</p>",
        }
        once = create_once("project.status")
        self._odoo.load("project.update", [row], create_once=once)
        return Done()

    @activity.defn
    def archive_project(self, request: ProjectArchive) -> Done:
        """Archive the project; archiving it again changes nothing."""
        self._odoo.write("project.project", [request.project_id], {"active": False})
        return Done()


def rescheduled(change: ProjectChange) -> dict[str, date | None]:
    """The milestones in both versions whose day changed, with the new one."""
    return {
        item.key: item.due_on
        for item in change.after.milestones
        for old in [change.before.milestone(item.key)]
        if old is not None and old.due_on != item.due_on and item.key in change.milestones
    }


_FITTING = {
    LineKind.MILESTONE: ("milestones", 'a product that Odoo invoices "Based on Milestones"'),
    LineKind.TIME: (
        "timesheet",
        'a product in hours that Odoo invoices "Based on Timesheets"',
    ),
    LineKind.MANUAL: (
        "manual",
        'a product that Odoo invoices "Based on Delivered Quantity (Manual)"',
    ),
}


def _kinds_of_services(contract: Contract) -> dict[str, set[LineKind]]:
    """By the keys of the services, how the order lines on them are delivered."""
    # Services may share a product: tell them apart by their keys instead.
    by_key = [item.model_copy(update={"code": item.key}) for item in contract.services]
    kinds: dict[str, set[LineKind]] = {}
    for line in order_lines(contract.model_copy(update={"services": tuple(by_key)})):
        kinds.setdefault(line.service_code, set()).add(line.kind)
    return kinds


def _fits(product: Mapping[str, Any], kind: LineKind) -> bool:
    in_hours = bool(product["uom_id"]) and product["uom_id"][1] == "Hours"
    return product["service_type"] == _FITTING[kind][0] and (kind is not LineKind.TIME or in_hours)


def _country_xml_id(country: str) -> str:
    # Odoo names its country records by the ISO code in lower case, but for the United Kingdom.
    return "uk" if country == "GB" else country.lower()
