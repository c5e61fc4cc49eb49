"""The contract's project in Odoo: created, its status, archived."""

from __future__ import annotations

import html

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.odoo import external_ids
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import PROJECT, UPSERT, Need
from activities.odoo.partners import find_or_create_customer
from contracts.model import Contract
from contracts.ownership import create_once
from gateways.odoo import OdooClient

NEEDS = (
    Need(
        "project.project",
        ("name", "partner_id", "company_id", "allow_milestones", "allow_billable", "active"),
        access=PROJECT,
        rights=UPSERT,
    ),
    Need(
        "project.update",
        ("project_id", "name", "status", "description"),
        access=PROJECT,
        rights=UPSERT,
    ),
)


class ProjectRequest(BaseModel):
    contract: Contract
    company_id: int


class ProjectRef(BaseModel):
    """The project, and the partner that pays for it."""

    partner_id: int
    project_id: int
    name: str


class ProjectStatusRequest(BaseModel):
    """Work stops (`suspended`) or goes on; `key` is unique to this change, `text` says why."""

    legal_entity: str
    contract_id: str
    project_id: int
    suspended: bool
    key: str
    text: str


class ProjectArchive(BaseModel):
    project_id: int


class OdooProjects:
    """Activities on the `odoo-master` task queue: the project itself."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    def set_up_project(self, request: ProjectRequest) -> ProjectRef:
        """Find or create the contract's customer, and create its project, billable and with
        milestones. What people edited stays. A step of `provision`."""
        contract = request.contract
        partner = find_or_create_customer(self._odoo, contract.customer, contract.source)
        name = f"{contract.title} ({contract.contract_id})"
        row = {
            "id": external_ids.project_id(contract.legal_entity, contract.contract_id),
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
            context=UNTRACKED,
        )
        return ProjectRef(partner_id=partner, project_id=project, name=name)

    @activity.defn
    def set_project_status(self, request: ProjectStatusRequest) -> Done:
        """Say on the project that work stops or goes on: one update of its status for each key."""
        keys = (request.legal_entity, request.contract_id, request.key)
        row = {
            "id": external_ids.project_update_id(*keys),
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
