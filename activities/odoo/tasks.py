"""The project's tasks in Odoo, which people log their hours on: created, moved and archived."""

from __future__ import annotations

from collections.abc import Mapping

from activities.odoo import project_rows
from activities.odoo.needs import PROJECT, Need
from activities.odoo.project_rows import ProjectChange, Task
from contracts.model import Contract
from contracts.ownership import create_once
from gateways.odoo import OdooClient

NEEDS = (
    project_rows.TASKS,
    Need("project.task", ("milestone_id", "active"), access=PROJECT),
)


def plan(odoo: OdooClient, contract: Contract, project: int) -> dict[str, int]:
    """Create the tasks of plans, whose hours are billed or included; their ids by their keys. The
    milestones' tasks are created with the milestones."""
    tasks = [task for task in project_rows.tasks_of(contract) if not task.milestone]
    return _load(odoo, contract, project, tasks)


def create(odoo: OdooClient, contract: Contract, project: int) -> dict[str, int]:
    """Create the tasks that people work on and log their hours on: one a milestone, one a plan
    that bills by time, one a retainer with included hours. Their ids by those keys."""
    return _load(odoo, contract, project, project_rows.tasks_of(contract))


def _load(odoo: OdooClient, contract: Contract, project: int, tasks: list[Task]) -> dict[str, int]:
    rows = project_rows.task_rows(contract, project, tasks)
    ids = odoo.load("project.task", rows, create_once=create_once("task.name"))
    return dict(zip((task.key for task in tasks), ids, strict=True))


def move(odoo: OdooClient, change: ProjectChange, tasks: Mapping[str, int]) -> None:
    """Move the tasks of moved milestones, and archive those of what was dropped; a task that
    people deleted stays so. Two writes at most, each of them safe to repeat."""
    dropped = {task.key for task in project_rows.tasks_of(change.before)}
    dropped -= {task.key for task in project_rows.tasks_of(change.after)}
    moved = project_rows.rescheduled(change)
    keys = {task: key for key, task in tasks.items() if key in {*dropped, *moved}}
    there = odoo.by_id("project.task", keys, ["id"], also=[("active", "in", [True, False])])
    rows = [
        {".id": task, "date_deadline": project_rows.deadline(moved[keys[task]])}
        for task in there
        if keys[task] in moved
    ]
    odoo.load("project.task", rows, create_once=create_once("milestone.rescheduled"))
    gone = [task for task in there if keys[task] in dropped]
    odoo.write("project.task", gone, {"active": False})
