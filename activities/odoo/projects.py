"""The contract's project in Odoo: created, changed by change orders, its status, archived."""

from __future__ import annotations

import html

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.odoo import external_ids, milestones, tasks
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import PROJECT, UPSERT, Need
from activities.odoo.partners import find_or_create_customer
from activities.odoo.project_rows import ProjectChange
from contracts.contract.messages import MilestoneReachedInOdoo
from contracts.contract.state import OdooRefs, require_id
from contracts.model import Contract
from contracts.ownership import create_once
from gateways.fields import names
from gateways.odoo import OdooClient

AMENDING_CALLS = 11
"""How many calls to Odoo a changed project takes in a row at most."""

NEEDS = (
    Need(
        "project.project",
        names("name partner_id company_id allow_milestones allow_billable active"),
        access=PROJECT,
        rights=UPSERT,
    ),
    Need(
        "project.update",
        names("project_id name status description"),
        access=PROJECT,
        rights=UPSERT,
    ),
)


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


class AmendedProject(BaseModel):
    """Milestones and tasks as they are in Odoo after a change; marks that were found there."""

    milestone_ids: dict[str, int]
    task_ids: dict[str, int]
    reached: list[MilestoneReachedInOdoo]


class OdooProjects:
    """Activities on the `odoo-master` task queue: the project itself."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def amend_project(self, change: ProjectChange) -> AmendedProject:
        """Let milestones and tasks follow a change order: what is new, moved or dropped. Each step
        finds what an earlier attempt has made."""
        after, made = change.after, dict(change.milestones)
        reached: list[MilestoneReachedInOdoo] = []
        if {item.key for item in after.milestones} - made.keys():
            made |= milestones.create(self._odoo, after, change.project_id)
        if after.milestones != change.before.milestones:
            reached = milestones.move(self._odoo, change)
            milestones.drop(self._odoo, change)
        at_work = change.tasks | tasks.create(self._odoo, after, change.project_id)
        tasks.move(self._odoo, change, at_work)
        return AmendedProject(milestone_ids=made, task_ids=at_work, reached=reached)

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
        self._odoo.load("project.update", [row], create_once=create_once("project.status"))
        return Done()

    @activity.defn
    def archive_project(self, request: ProjectArchive) -> Done:
        """Archive the project; archiving it again changes nothing."""
        archive(self._odoo, request.project_id)
        return Done()


def set_up_project(odoo: OdooClient, contract: Contract, made: OdooRefs) -> None:
    """Find or create the contract's customer, and create its project, billable and with
    milestones. What people edited stays."""
    partner = find_or_create_customer(odoo, contract.customer, contract.source)
    name = f"{contract.title} ({contract.contract_id})"
    row = {
        "id": external_ids.project_id(contract.legal_entity, contract.contract_id),
        "name": name,
        "partner_id/.id": partner,
        "company_id/.id": require_id(made.company_id),
        "allow_milestones": True,
        "allow_billable": True,
    }
    once = create_once("project.name")
    [project] = odoo.load("project.project", [row], create_once=once, context=UNTRACKED)
    made.partner_id, made.project_id, made.project_name = partner, project, name


def archive(odoo: OdooClient, project: int) -> None:
    odoo.write("project.project", [project], {"active": False})
