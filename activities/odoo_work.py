"""The project's milestones and tasks, as rows to load."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from activities import odoo_records as records
from contracts.model import Contract
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient


@dataclass(frozen=True)
class Task:
    """A task of the project; hours on it are billed by an order line of its own if `billed`."""

    key: str
    name: str
    milestone: bool = False
    billed: bool = False
    due_on: date | None = None


def mark_reached(odoo: OdooClient, milestones: Sequence[int]) -> None:
    """Set `is_reached` of milestones (ids); their order lines' delivered quantities follow in Odoo.
    One that people have deleted there has nothing to follow."""
    try:
        odoo.write("project.milestone", milestones, {"is_reached": True})
    except GatewayError as refusal:
        there = [row["id"] for row in odoo.find("project.milestone", "id", milestones, ["id"])]
        if refusal.kind is not FailureKind.BUSINESS or set(there) == set(milestones):
            raise
        if there:
            odoo.write("project.milestone", there, {"is_reached": True})


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
            "id": records.milestone_id(*keys, item.key),
            "name": item.name,
            "project_id/.id": project_id,
            "deadline": item.due_on.isoformat() if item.due_on else "",
            "sale_line_id/id": records.order_line_id(*keys, item.key),
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
            "milestone_id/id": records.milestone_id(*keys, task.key) if task.milestone else "",
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
        "id": records.task_id(*keys, task.key),
        "name": task.name,
        "project_id/.id": project_id,
        "sale_line_id/id": records.order_line_id(*keys, task.key) if task.billed else "",
        "date_deadline": deadline(task.due_on),
    }


def deadline(day: date | None) -> str:
    """In the afternoon, by the service user's time zone: that is how Odoo loads it."""
    return f"{day} 16:00:00" if day else ""
