"""The project's milestones and tasks: what they are, and as rows to load."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel

from activities.odoo import external_ids
from activities.odoo.needs import PROJECT, UPSERT, Need
from contracts.model import Contract
from gateways.fields import names

MILESTONES = Need(
    "project.milestone",
    names("name project_id deadline sale_line_id quantity_percentage"),
    access=PROJECT,
    rights=UPSERT,
)
TASKS = Need(
    "project.task",
    names("name project_id sale_line_id date_deadline user_ids"),
    access=PROJECT,
    rights=UPSERT,
)
"""What the rows below take to be loaded."""


@dataclass(frozen=True)
class Task:
    """A task of the project; hours on it are billed by an order line of its own if `billed`."""

    key: str
    name: str
    milestone: bool = False
    billed: bool = False
    due_on: date | None = None


class ProjectChange(BaseModel):
    """Two versions of a contract, and the ids in Odoo of its project, and by their keys of the
    milestones and tasks."""

    before: Contract
    after: Contract
    project_id: int
    milestones: dict[str, int]
    tasks: dict[str, int]


def rescheduled(change: ProjectChange) -> dict[str, date | None]:
    """The milestones in both versions whose day changed, with the new one."""
    return {
        item.key: item.due_on
        for item in change.after.milestones
        for old in [change.before.milestone(item.key)]
        if old is not None and old.due_on != item.due_on and item.key in change.milestones
    }


def tasks_of(contract: Contract) -> list[Task]:
    """The tasks a contract's project starts with."""
    milestones = [
        Task(item.key, item.name, milestone=True, billed=True, due_on=item.due_on)
        for item in contract.milestones
    ]
    time = [
        Task(plan.key, f"{contract.service(plan.service).description} (by time)", billed=True)
        for plan in contract.time
    ]
    included = [
        Task(plan.key, f"{contract.service(plan.service).description} (included hours)")
        for plan in contract.retainers
        if plan.included_hours
    ]
    return [*milestones, *time, *included]


def milestone_rows(contract: Contract, project_id: int) -> list[dict[str, Any]]:
    """The milestones, each delivering its own order line in whole (100 %)."""
    keys = (contract.legal_entity, contract.contract_id)
    return [
        {
            "id": external_ids.milestone_id(*keys, item.key),
            "name": item.name,
            "project_id/.id": project_id,
            "deadline": item.due_on.isoformat() if item.due_on else "",
            "sale_line_id/id": external_ids.order_line_id(*keys, item.key),
            "quantity_percentage": 1,
        }
        for item in contract.milestones
    ]


def task_rows(contract: Contract, project_id: int, tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """Tasks of the contract; those of milestones name them."""
    keys = (contract.legal_entity, contract.contract_id)
    return [
        {
            **_task_row(contract, project_id, task),
            "milestone_id/id": external_ids.milestone_id(*keys, task.key) if task.milestone else "",
        }
        for task in tasks
    ]


def planned_rows(contract: Contract, project_id: int) -> list[dict[str, Any]]:
    """The milestones, each with its task: both in one load."""
    tasks = {task.key: task for task in tasks_of(contract)}
    rows = milestone_rows(contract, project_id)
    for row, item in zip(rows, contract.milestones, strict=True):
        task = _task_row(contract, project_id, tasks[item.key])
        row |= {f"task_ids/{column}": value for column, value in task.items()}
    return rows


def _task_row(contract: Contract, project_id: int, task: Task) -> dict[str, Any]:
    keys = (contract.legal_entity, contract.contract_id)
    return {
        "id": external_ids.task_id(*keys, task.key),
        "name": task.name,
        "project_id/.id": project_id,
        "sale_line_id/id": external_ids.order_line_id(*keys, task.key) if task.billed else "",
        "date_deadline": deadline(task.due_on),
        # Left out, it would be whoever creates it.
        "user_ids/.id": "",
    }


def deadline(day: date | None) -> str:
    """In the afternoon, by the service user's time zone: that is how Odoo loads it."""
    return f"{day} 16:00:00" if day else ""
