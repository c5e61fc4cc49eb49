"""Project templates of Odoo: found by name, and their tasks copied into a contract's project.

Odoo's own `copy` is not safe to repeat: measured on 19, two calls at once, as after a killed
worker, made two projects, and nothing a service user may write keeps the second one out. `load`
creates one record for an external id, however often it comes. So what a copy would hold is loaded:
level by level, because a task whose parent comes in the same call is refused as unknown where two
calls meet, and not as the conflict it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo import external_ids
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import PROJECT, UPSERT, Need
from contracts.contract.state import CopiedTask
from contracts.model import Contract
from contracts.ownership import create_once
from gateways.fields import names
from gateways.odoo import OdooClient

ONLY_FOR = "contracts that are handed over to delivery"
MAX_TASKS, MAX_LEVELS = 500, 6
"""Of all the templates of a contract: each level is a call."""

_PROJECT_FIELDS = names("name is_template user_id type_ids tag_ids")
_TASK_FIELDS = names("""
    name project_id parent_id stage_id description sequence priority allocated_hours
    tag_ids user_ids role_ids
""")

NEEDS = (
    Need("project.project", _PROJECT_FIELDS, access=PROJECT),
    Need("project.task", (*_TASK_FIELDS, "sale_line_id"), access=PROJECT, rights=UPSERT),
    Need("project.role", ("name",), access=PROJECT, only_for=ONLY_FOR),
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """A project that others are copied from: who manages it, its stages, tags and tasks."""

    name: str
    manager: int | None
    stages: tuple[int, ...]
    tags: tuple[int, ...]
    tasks: tuple[Row, ...]


_KEPT, _MOST_ROLES = 200, 20
"""Characters of a name, and roles of a task, that the contract's state keeps: no role of a contract
has more."""
MAX_CHARACTERS = 100_000
"""Of the names of a template's tasks and of their roles, as they are kept for years."""


def find(odoo: OdooClient, wanted: Collection[str]) -> dict[str, list[Row]]:
    """The projects of each name: those that are marked as templates, where any of that name is."""
    named = sorted(set(wanted))
    if not named:
        return {}
    rows = odoo.search_read("project.project", [("name", "in", named)], _PROJECT_FIELDS, order="id")
    found: dict[str, list[Row]] = {}
    for name in named:
        same: list[Row] = [row for row in rows if row["name"] == name]
        found[name] = [row for row in same if row["is_template"]] or same
    return found


def read(odoo: OdooClient, wanted: Collection[str]) -> dict[str, Template]:
    """The templates of these names. Refuses `template_unknown`, `template_ambiguous` and
    `template_too_large`."""
    projects = {name: _only(name, rows) for name, rows in find(odoo, wanted).items()}
    tasks = tasks_of(odoo, [row["id"] for row in projects.values()])
    return {
        name: Template(
            name=name,
            manager=row["user_id"][0] if row["user_id"] else None,
            stages=tuple(row["type_ids"]),
            tags=tuple(row["tag_ids"]),
            tasks=tuple(task for task in tasks if task["project_id"][0] == row["id"]),
        )
        for name, row in projects.items()
    }


def tasks_of(odoo: OdooClient, templates: Sequence[int]) -> list[dict[str, Any]]:
    """The tasks of these templates, in the order people gave them."""
    if not templates:
        return []
    domain = [("project_id", "in", list(templates))]
    order, limit = "sequence, id", MAX_TASKS + 1
    found = odoo.search_read("project.task", domain, _TASK_FIELDS, order=order, limit=limit)
    if len(found) > MAX_TASKS:
        raise BusinessRefusal(
            "template_too_large",
            f"the templates have more than {MAX_TASKS} tasks; use smaller ones",
            field="handover.template",
        )
    return found


def _only(name: str, rows: Sequence[Row]) -> Row:
    if len(rows) != 1:
        raise BusinessRefusal(
            "template_ambiguous" if rows else "template_unknown",
            f"Odoo has {len(rows)} projects named {name!r}, not one",
            field="handover.template",
            value=name,
        )
    return rows[0]


def copy_tasks(
    odoo: OdooClient,
    contract: Contract,
    project: int,
    template: Template,
    service: str,
    tasks: Mapping[str, int],
) -> dict[int, CopiedTask]:
    """Create the template's tasks in a project, as they are in the template; by their ids.

    What delivers a service that is billed by time is tied to that order line; what delivers the
    included hours of a retainer lies below its task, where hours are counted. `tasks` are the
    contract's own, by key.
    """
    keys = (contract.legal_entity, contract.contract_id)
    line, parent = _billed_by(contract, service, tasks)
    kept = _kept(odoo, template, service)
    made: dict[int, int] = {}
    for level in _levels(template):
        rows = [
            {
                "id": external_ids.template_task_id(*keys, row["id"]),
                "name": row["name"],
                "project_id/.id": project,
                "parent_id/.id": made.get(row["parent_id"][0]) if row["parent_id"] else parent,
                "stage_id/.id": row["stage_id"][0] if row["stage_id"] else "",
                "description": row["description"] or "",
                "sequence": row["sequence"],
                "priority": row["priority"] or "0",
                "allocated_hours": _hours(row),
                "tag_ids/.id": _ids(row["tag_ids"]),
                "user_ids/.id": _ids(row["user_ids"]),
                "sale_line_id/id": external_ids.order_line_id(*keys, line) if line else "",
            }
            for row in level
        ]
        once = create_once("task.name")
        ids = odoo.load("project.task", rows, create_once=once, context=UNTRACKED)
        made |= dict(zip((row["id"] for row in level), ids, strict=True))
    return {made[task]: copied for task, copied in kept.items()}


def _kept(odoo: OdooClient, template: Template, service: str) -> dict[int, CopiedTask]:
    """What the contract's state keeps of the template's tasks, by their ids in the template.
    Refuses `template_too_large`."""
    roles = _role_names(odoo, template)
    kept = {
        row["id"]: CopiedTask(
            name=row["name"][:_KEPT],
            service=service,
            hours=_hours(row),
            roles=tuple(
                roles[role][:_KEPT] for role in row["role_ids"][:_MOST_ROLES] if role in roles
            ),
        )
        for row in template.tasks
    }
    if sum(len(task.name) + sum(map(len, task.roles)) for task in kept.values()) > MAX_CHARACTERS:
        raise BusinessRefusal(
            "template_too_large",
            f"the tasks of {template.name} have names and roles of more than {MAX_CHARACTERS} "
            "characters; use shorter ones",
            field="handover.template",
            value=template.name,
        )
    return kept


def _billed_by(
    contract: Contract, service: str, tasks: Mapping[str, int]
) -> tuple[str, int | None]:
    """The order line that a service's hours are billed on, and the task that they lie below."""
    for time in contract.time:
        if time.service == service:
            return time.key, None
    for retainer in contract.retainers:
        if retainer.service == service and retainer.included_hours:
            return "", tasks.get(retainer.key)
    return "", None


def _levels(template: Template) -> Iterator[list[Row]]:
    """The tasks, parents before their sub-tasks; below a parent of elsewhere none is."""
    known = {row["id"] for row in template.tasks}
    left = [
        row if row["parent_id"] and row["parent_id"][0] in known else {**row, "parent_id": False}
        for row in template.tasks
    ]
    above: set[int] = set()
    for _ in range(MAX_LEVELS):
        level = [row for row in left if not row["parent_id"] or row["parent_id"][0] in above]
        if level:
            yield level
        above |= {row["id"] for row in level}
        left = [row for row in left if row["id"] not in above]
    if left:
        raise BusinessRefusal(
            "template_too_large",
            f"{template.name} has more than {MAX_LEVELS} levels of sub-tasks",
            field="handover.template",
            value=template.name,
        )


def _role_names(odoo: OdooClient, template: Template) -> dict[int, str]:
    roles = {role for row in template.tasks for role in row["role_ids"]}
    found = odoo.by_id("project.role", roles, ["name"])
    return {role: str(row["name"]) for role, row in found.items()}


def _hours(row: Row) -> Decimal:
    return Decimal(str(row["allocated_hours"] or 0))


def _ids(records: Sequence[int]) -> str:
    """Records as one cell of `load`."""
    return ",".join(str(record) for record in records)
