"""The project's tasks in Odoo, which people log their hours on: created, moved and archived."""

from __future__ import annotations

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.odoo import project_rows
from activities.odoo.needs import PROJECT, Need
from activities.odoo.project_rows import MilestonesRequest, ProjectChange
from contracts.model import Contract
from contracts.ownership import create_once
from gateways.odoo import OdooClient

NEEDS = (
    project_rows.TASKS,
    Need("project.task", ("milestone_id", "active"), access=PROJECT),
)


class TaskIds(BaseModel):
    """Key of a milestone or plan to its task's id in Odoo."""

    ids: dict[str, int]


class OdooTasks:
    """Activities on the `odoo-master` task queue: the project's tasks."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    def plan_tasks(self, contract: Contract, project_id: int) -> dict[str, int]:
        """Create the tasks of plans, whose hours are billed or included; their ids by their keys.
        A step of `provision`: the milestones' tasks are created with the milestones."""
        tasks = [task for task in project_rows.tasks_of(contract) if not task.milestone]
        rows = project_rows.task_rows(contract, project_id, tasks)
        ids = self._odoo.load("project.task", rows, create_once=create_once("task.name"))
        return dict(zip((task.key for task in tasks), ids, strict=True))

    @activity.defn
    def create_tasks(self, request: MilestonesRequest) -> TaskIds:
        """Create the tasks that people work on and log their hours on: one a milestone, one a
        plan that bills by time, one a retainer with included hours."""
        tasks = project_rows.tasks_of(request.contract)
        rows = project_rows.task_rows(request.contract, request.project_id, tasks)
        ids = self._odoo.load("project.task", rows, create_once=create_once("task.name"))
        return TaskIds(ids=dict(zip((task.key for task in tasks), ids, strict=True)))

    @activity.defn
    def amend_tasks(self, change: ProjectChange) -> Done:
        """Move the tasks of moved milestones, and archive those of what was dropped; a task that
        people deleted stays so. Two writes at most, each of them safe to repeat."""
        dropped = {task.key for task in project_rows.tasks_of(change.before)}
        dropped -= {task.key for task in project_rows.tasks_of(change.after)}
        moved = project_rows.rescheduled(change)
        keys = {task: key for key, task in change.tasks.items() if key in {*dropped, *moved}}
        if not keys:
            return Done()
        domain = [("id", "in", sorted(keys)), ("active", "in", [True, False])]
        there = [row["id"] for row in self._odoo.search_read("project.task", domain, ["id"])]
        rows = [
            {".id": task, "date_deadline": project_rows.deadline(moved[keys[task]])}
            for task in there
            if keys[task] in moved
        ]
        once = create_once("milestone.rescheduled")
        self._odoo.load("project.task", rows, create_once=once)
        gone = [task for task in there if keys[task] in dropped]
        self._odoo.write("project.task", gone, {"active": False})
        return Done()
