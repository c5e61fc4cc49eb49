"""The project is handed over to delivery in Odoo, and follows what the contract says of that.

Everything is found where an earlier attempt made it: tasks, documents and the to-do by their
external ids, and what people may edit too is compared three ways, with what we set last, what we
are to set, and what is there. So a repeat writes nothing, and what people have edited stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.failures import BusinessRefusal
from activities.odoo import external_ids, tasks, templates
from activities.odoo.catalogue import Catalogue
from activities.odoo.handover_todo import note_of
from activities.odoo.needs import MAIL, PROJECT, UPSERT, USER, Need
from activities.odoo.people import users_by_email
from activities.odoo.staffing import is_staffed
from activities.odoo.templates import Template
from contracts.contract.state import CopiedTask
from contracts.handover import (
    HandoverPlan,
    TaskPlan,
    merged_sets,
    plan_of,
    services_of_tasks,
    three_way,
)
from contracts.model import Contract
from contracts.ownership import create_once
from gateways.fields import names
from gateways.odoo import OdooClient

HANDOVER_CALLS = 30
"""How many calls to Odoo a hand-over makes in a row at most: a handful, and one for each level of
its templates' tasks."""

_PROJECT = names("user_id date_start date allocated_hours tag_ids type_ids")
_TASK = names("name user_ids allocated_hours stage_id")

NEEDS = (
    Need("project.project", _PROJECT, access=PROJECT, rights=("write",)),
    Need("project.task", _TASK, access=PROJECT, rights=("write",)),
    Need("project.task", ("active",), access=PROJECT),
    Need(
        "project.tags",
        ("name",),
        access=PROJECT,
        rights=UPSERT,
        only_for=templates.ONLY_FOR,
    ),
    Need("ir.attachment", names("name type url res_model res_id"), access=USER, rights=UPSERT),
    Need(
        "mail.activity",
        names("res_model_id res_id activity_type_id summary note date_deadline user_id"),
        access=MAIL,
        rights=UPSERT,
    ),
)


class HandoverRequest(BaseModel):
    """A version of the contract, and the plan that its project got last (none: the first time).
    `tasks` are the contract's own by key, `copied` those of templates; `today` is the workflow's
    date."""

    contract: Contract
    before: HandoverPlan | None = None
    project_id: int
    tasks: dict[str, int]
    copied: dict[int, CopiedTask] = {}
    today: date


class HandoverResult(BaseModel):
    """What the project got: its plan, all tasks, what stayed as people had edited it, and whether
    it has its people."""

    plan: HandoverPlan
    tasks: dict[str, int]
    copied: dict[int, CopiedTask]
    kept: list[str]
    staffed: bool


class OdooHandover:
    """An activity on the `odoo-master` task queue."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue) -> None:
        self._odoo = odoo
        self._catalogue = catalogue

    @activity.defn
    def hand_over(self, request: HandoverRequest) -> HandoverResult:
        """Bring the project to the plan of a version of the contract.

        Refuses `template_unknown`, `template_ambiguous`, `template_too_large`,
        `person_not_in_odoo` and `task_unknown`.
        """
        return _Handing(self._odoo, request, self._catalogue.own_user()).done()


class _Handing:
    """One hand-over."""

    def __init__(self, odoo: OdooClient, request: HandoverRequest, own_user: int) -> None:
        self._odoo = odoo
        self._request = request
        self._contract = request.contract
        self._own_user = own_user
        self._before = request.before or HandoverPlan()
        self._after = plan_of(request.contract)
        self._kept: list[str] = []

    def done(self) -> HandoverResult:
        request, contract = self._request, self._contract
        users = self._users()
        own = dict(request.tasks)
        if services_of_tasks(contract).keys() - own.keys():
            # There already: this only tells the ids of the milestones' tasks too.
            own |= tasks.create(self._odoo, contract, request.project_id)
        new = self._new_templates()
        copied = dict(request.copied)
        for service, template in new:
            copied |= templates.copy_tasks(
                self._odoo, contract, request.project_id, template, service, own
            )
        self._refuse_unknown(own, copied)
        found = [template for _, template in new]
        manager = self._bring_project(users, found)
        self._bring_tasks(users, own, copied, found)
        self._add_documents()
        self._leave_todo(manager)
        staffed = is_staffed(
            self._odoo, request.project_id, [manager] if manager else False, self._own_user
        )
        return HandoverResult(
            plan=self._after, tasks=own, copied=copied, kept=self._kept, staffed=staffed
        )

    # --- what it names ----------------------------------------------------------------------------

    def _users(self) -> dict[str, int]:
        """Everybody whom the plans name. One who is gone since the plan before is nobody there."""
        found = users_by_email(self._odoo, self._after.people | self._before.people)
        missing = sorted(item for item in self._after.people if item.lower() not in found)
        if missing:
            raise BusinessRefusal(
                "person_not_in_odoo",
                f"Odoo has no user with the e-mail address {', '.join(missing)}; create them "
                "there, or name others by a change order",
                field="handover.people",
                value=missing[0],
            )
        return found

    def _new_templates(self) -> list[tuple[str, Template]]:
        """The templates that the project does not hold yet, with the services they deliver."""
        known = {name for _, name in self._before.templates}
        new = [(service, name) for service, name in self._after.templates if name not in known]
        found = templates.read(self._odoo, [name for _, name in new])
        return [(service, found[name]) for service, name in new]

    def _refuse_unknown(self, own: Mapping[str, int], copied: Mapping[int, CopiedTask]) -> None:
        names = own.keys() | {item.name for item in copied.values()}
        unknown = [name for name in self._after.tasks if name not in names]
        if unknown:
            raise BusinessRefusal(
                "task_unknown",
                f"neither the contract nor a template has a task {', '.join(unknown)}; correct "
                "the hand-over by a change order",
                field="handover.people",
                value=unknown[0],
            )

    # --- the project ------------------------------------------------------------------------------

    def _bring_project(self, users: Mapping[str, int], new: list[Template]) -> int | None:
        """Manager, days, hours, tags and stages; the manager it then has."""
        project, before, after = self._request.project_id, self._before, self._after
        [row] = self._odoo.read("project.project", [project], _PROJECT)
        manager = self._manager(users, row, new)
        days = self._days(row)
        hours = three_way(before.hours, after.hours, Decimal(str(row["allocated_hours"] or 0)))
        self._note("hours of the project", hours.kept, row["allocated_hours"], after.hours)
        tags = self._tag_ids({*before.tags, *after.tags})
        added = {tag for template in new for tag in template.tags}
        wanted: dict[str, Any] = {
            "user_id": manager or False,
            "date_start": days[0] or False,
            "date": days[1] or False,
            "allocated_hours": float(hours.value),
        }
        there = {**row, "user_id": row["user_id"][0] if row["user_id"] else False}
        values = {name: value for name, value in wanted.items() if value != there[name]}
        if {"date_start", "date"} & values.keys():
            # Odoo keeps both or neither.
            values |= {name: wanted[name] for name in ("date_start", "date")}
        kept_tags = merged_sets(
            {tags[name] for name in before.tags if name in tags},
            {tags[name] for name in after.tags} | added,
            row["tag_ids"],
        )
        if kept_tags != set(row["tag_ids"]):
            values["tag_ids"] = [(6, 0, sorted(kept_tags))]
        stages = [stage for template in new for stage in template.stages]
        if missing := [stage for stage in stages if stage not in row["type_ids"]]:
            values["type_ids"] = [(4, stage) for stage in dict.fromkeys(missing)]
        if values:
            self._odoo.write("project.project", [project], values)
        return manager

    def _manager(
        self, users: Mapping[str, int], row: Mapping[str, Any], new: list[Template]
    ) -> int | None:
        # Until somebody is named it is ours: we have created the project.
        there = row["user_id"][0] if row["user_id"] else self._own_user
        before = users.get(self._before.manager.lower(), self._own_user)
        after = users.get(self._after.manager.lower())
        if after is None:
            of_templates = (template.manager for template in new)
            after = next((user for user in of_templates if user), before)
        merged = three_way(before, after, there)
        self._note(
            "the manager", merged.kept, row["user_id"] and row["user_id"][1], self._after.manager
        )
        return int(merged.value)

    def _days(self, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
        def days(plan: HandoverPlan) -> tuple[str | None, str | None]:
            return tuple(day and day.isoformat() for day in (plan.starts_on, plan.ends_on))  # type: ignore[return-value]

        there = (row["date_start"] or None, row["date"] or None)
        merged = three_way(days(self._before), days(self._after), there)
        self._note(
            "the days of the project",
            merged.kept,
            " to ".join(map(str, there)),
            " to ".join(map(str, days(self._after))),
        )
        value: tuple[str | None, str | None] = merged.value
        return value

    def _tag_ids(self, wanted: set[str]) -> dict[str, int]:
        """The tags by name; those that Odoo lacks are created."""
        if not wanted:
            return {}
        found = self._odoo.find("project.tags", "name", sorted(wanted), ["name"])
        known = {str(row["name"]): int(row["id"]) for row in found}
        rows = [
            {"id": external_ids.tag_id(name), "name": name}
            for name in self._after.tags
            if name not in known
        ]
        ids = self._odoo.load("project.tags", rows, create_once=create_once("project.tags"))
        return known | dict(zip((row["name"] for row in rows), ids, strict=True))

    # --- tasks ------------------------------------------------------------------------------------

    def _bring_tasks(
        self,
        users: Mapping[str, int],
        own: Mapping[str, int],
        copied: Mapping[int, CopiedTask],
        new: list[Template],
    ) -> None:
        """People and hours of the tasks that a plan names; with the first stage of a template, also
        those that had none. One that people deleted stays so."""
        plans = list(self._planned(own, copied))
        stage = next((stages[0] for template in new if (stages := template.stages)), None)
        ids = {task for task, *_ in plans} | (set(own.values()) if stage else set())
        there = self._odoo.by_id("project.task", ids, _TASK, also=[("active", "in", [True, False])])
        changed: dict[int, dict[str, Any]] = {}
        for task, before, after in plans:
            if task in there:
                changed[task] = self._task_row(users, there[task], before, after)
        for task, row in there.items():
            if stage and not row["stage_id"]:
                changed.setdefault(task, {})["stage_id/.id"] = stage
        for columns in dict.fromkeys(tuple(row) for row in changed.values() if row):
            rows = [{".id": task, **row} for task, row in changed.items() if tuple(row) == columns]
            once = create_once("task.staffing")
            self._odoo.load("project.task", rows, create_once=once)

    def _planned(
        self, own: Mapping[str, int], copied: Mapping[int, CopiedTask]
    ) -> Iterator[tuple[int, TaskPlan, TaskPlan]]:
        """Each task that a plan names, with what we set last and what we are to set."""
        for name in sorted(self._before.tasks.keys() | self._after.tasks.keys()):
            before = self._before.tasks.get(name, TaskPlan())
            if name in own:
                yield own[name], before, self._after.tasks.get(name, TaskPlan())
        for task, item in copied.items():
            before, after = (self._of_copied(plan, item) for plan in (self._before, self._after))
            if item.name not in own and before != after:
                yield task, before, after

    @staticmethod
    def _of_copied(plan: HandoverPlan, task: CopiedTask) -> TaskPlan:
        """What a plan says of a template's task: its name's, and its roles'. Its hours are the
        template's where the plan says none."""
        named = plan.tasks.get(task.name, TaskPlan())
        roles = {role.casefold() for role in task.roles}
        people = [
            person
            for role, people in plan.by_role.items()
            if role.casefold() in roles
            for person in people
        ]
        return TaskPlan(
            people=tuple(dict.fromkeys((*named.people, *people))), hours=named.hours or task.hours
        )

    def _task_row(
        self,
        users: Mapping[str, int],
        there: Mapping[str, Any],
        before: TaskPlan,
        after: TaskPlan,
    ) -> dict[str, Any]:
        """The columns that are to change of a task."""
        row: dict[str, Any] = {}
        people = merged_sets(
            {users[item.lower()] for item in before.people if item.lower() in users},
            {users[item.lower()] for item in after.people},
            there["user_ids"],
        )
        if people != set(there["user_ids"]):
            row["user_ids/.id"] = ",".join(map(str, sorted(people)))
        now = Decimal(str(there["allocated_hours"] or 0))
        hours = three_way(before.hours, after.hours, now)
        self._note(f"hours of {there['name']}", hours.kept, f"{now:f}", f"{after.hours:f}")
        if hours.value != now:
            row["allocated_hours"] = hours.value
        return row

    # --- beside them ------------------------------------------------------------------------------

    def _add_documents(self) -> None:
        contract = self._contract
        keys = (contract.legal_entity, contract.contract_id)
        documents = contract.handover.documents if contract.handover else ()
        rows = [
            {
                "id": external_ids.document_id(*keys, item.url),
                "name": item.name,
                "type": "URL",
                "url": item.url,
                "res_model": "project.project",
                "res_id": self._request.project_id,
            }
            for item in documents
            if item.url not in self._before.documents
        ]
        once = create_once("project.documents")
        self._odoo.load("ir.attachment", rows, create_once=once)

    def _leave_todo(self, manager: int | None) -> None:
        """What was sold, for the project manager; one for each version."""
        contract = self._contract
        keys = (contract.legal_entity, contract.contract_id, contract.version)
        version = f", version {contract.version}" if contract.version > 1 else ""
        row: dict[str, Any] = {
            "id": external_ids.handover_todo_id(*keys),
            "res_model_id/id": "project.model_project_project",
            "res_id": self._request.project_id,
            "activity_type_id/id": "mail.mail_activity_data_todo",
            "summary": f"Hand-over{version}: {contract.title}",
            "note": note_of(contract, self._after, self._kept),
            "date_deadline": self._request.today.isoformat(),
            "user_id/.id": manager,
        }
        self._odoo.load("mail.activity", [row], create_once=create_once("project.todo"))

    def _note(self, what: str, kept: bool, there: Any, ours: Any) -> None:
        if kept:
            self._kept.append(f"{what}: {there}, not {ours or 'none'}")
