"""Contracts whose projects are handed over to delivery, and templates for that."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from activities.odoo.handover import HandoverRequest, HandoverResult
from contracts.changes import ChangeOrder, changed
from contracts.model import Contract, JsonObject
from gateways.odoo import OdooClient
from tests.activities.firm import Firm, Ordered
from tests.odoo.helpers import the, xid
from tests.world import single, unique

PM, ADA = "pm@northwind.example", "accountant@northwind.example"
TODAY = date(2026, 3, 2)


@dataclass
class Made:
    """A template: its name, its stages, and its tasks by name."""

    name: str
    project: int
    stages: list[int]
    tasks: dict[str, int] = field(default_factory=dict)


def template(odoo: OdooClient, role: str = "") -> Made:
    """Kick-off with Prepare below it, and QA; two stages and a tag."""
    name = unique("Template")
    stages = odoo.load(
        "project.task.type",
        [{"id": xid("stage"), "name": f"{name} {n}"} for n in ("To do", "Done")],
    )
    [tag] = odoo.load("project.tags", [{"id": xid("tag"), "name": f"{name} tag"}])
    row = {"id": xid("project"), "name": name, "is_template": True, "tag_ids/.id": tag}
    row |= {"type_ids/.id": ",".join(map(str, stages)), "user_id/.id": ""}
    [project] = odoo.load("project.project", [row])
    top: dict[str, Any] = {
        "project_id/.id": project,
        "stage_id/.id": stages[0],
        "user_ids/.id": "",
    }
    roles = odoo.load("project.role", [{"id": xid("role"), "name": role}]) if role else []
    rows = [
        {"id": xid("task"), "name": "Kick-off", "allocated_hours": 4, "sequence": 1, **top},
        {"id": xid("task"), "name": "QA", "allocated_hours": 6, "sequence": 2, **top},
    ]
    rows[1]["role_ids/.id"] = ",".join(map(str, roles))
    ids = odoo.load("project.task", rows)
    below = {"id": xid("task"), "name": "Prepare", "parent_id/.id": ids[0], **top}
    below |= {"description": "<p>Read it</p>", "stage_id/.id": stages[1]}
    [prepare] = odoo.load("project.task", [below])
    return Made(name, project, stages, {"Kick-off": ids[0], "QA": ids[1], "Prepare": prepare})


def one(handover: JsonObject, **fields: Any) -> JsonObject:
    """A contract of one milestone with a hand-over."""
    dated = {"starts_on": "2026-03-01", "ends_on": "2026-12-31"}
    return single() | dated | {"handover": handover} | fields


@dataclass
class Handed:
    """A contract whose project is handed over, version by version."""

    firm: Firm
    made: Ordered
    contract: Contract
    last: HandoverResult

    def request(self, contract: Contract | None = None) -> HandoverRequest:
        return HandoverRequest(
            contract=contract or self.contract,
            before=self.last.plan,
            project_id=self.made.project,
            tasks=self.last.tasks,
            copied=self.last.copied,
            today=TODAY,
        )

    def change(self, **changes: Any) -> HandoverResult:
        """The project follows a change order."""
        order = ChangeOrder(number=1, by="sam", reason="agreed", **changes)
        self.contract = changed(self.contract, order, ())
        self.last = self.firm.handover.hand_over(self.request())
        return self.last

    def project(self, *fields: str) -> dict[str, Any]:
        return the(self.firm.odoo, "project.project", self.made.project, *fields)

    def tasks(self) -> dict[str, dict[str, Any]]:
        rows = self.firm.odoo.search_read(
            "project.task", [("project_id", "=", self.made.project)], _TASK, order="id"
        )
        assert len({row["name"] for row in rows}) == len(rows)
        return {row["name"]: row for row in rows}

    def milestone_task(self) -> dict[str, Any]:
        return self.tasks()[self.contract.milestones[0].name]

    def todos(self) -> list[dict[str, Any]]:
        domain = [("res_model", "=", "project.project"), ("res_id", "=", self.made.project)]
        return self.firm.odoo.search_read(
            "mail.activity", domain, ["summary", "note", "user_id"], order="id"
        )

    def documents(self) -> list[tuple[str, str]]:
        domain = [("res_model", "=", "project.project"), ("res_id", "=", self.made.project)]
        rows = self.firm.odoo.search_read(
            "ir.attachment", [*domain, ("type", "=", "url")], ["name", "url"], order="id"
        )
        return [(row["name"], row["url"]) for row in rows]


_TASK = ["name", "user_ids", "allocated_hours", "stage_id", "parent_id", "description"]
_TASK += ["sale_line_id", "active"]


def first_request(made: Ordered) -> HandoverRequest:
    tasks = {key: task for key, task in made.tasks.items() if key not in made.milestones}
    return HandoverRequest(
        contract=made.contract, project_id=made.project, tasks=tasks, today=TODAY
    )


def handed(firm: Firm, contract: JsonObject) -> Handed:
    made = firm.confirmed(contract)
    return Handed(firm, made, made.contract, firm.handover.hand_over(first_request(made)))


def user(odoo: OdooClient, email: str) -> int:
    [row] = odoo.search_read("res.users", [("email", "=", email)], ["id"])
    return int(row["id"])


def log(odoo: OdooClient, project: int, task: int | None, hours: float) -> None:
    """Hours of an employee who costs 50 an hour."""
    [petra] = odoo.search_read("hr.employee", [("name", "=", "Petra Developer")], ["id"])
    odoo.write("hr.employee", [petra["id"]], {"hourly_cost": 50})
    line = {"project_id": project, "employee_id": petra["id"], "unit_amount": hours, "name": "work"}
    line |= {"date": "2026-03-10"} | ({"task_id": task} if task else {})
    odoo.create("account.analytic.line", [line])
