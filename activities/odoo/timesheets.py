"""Approved hours, from Odoo's timesheet lines, in batched reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import Field
from temporalio import activity

from activities import metrics
from activities.failures import BusinessRefusal
from activities.odoo.needs import EMPLOYEES, PROJECT, TIMESHEETS, Need
from activities.odoo.readings import MAX_TEXT, Reading, ReadingRequest, read
from contracts.billing.time import TimeEntry
from contracts.model import Key
from gateways.fields import names
from gateways.odoo import OdooClient

_FIELDS = names("""
    task_id so_line employee_id date unit_amount product_uom_id name write_date
""")
_HOURS = "Hours"
_LINE = "account.analytic.line"
_PERSON_FIELDS = ("name", "work_email", "job_title")

Row = Mapping[str, Any]

NEEDS = (
    # The field that says a line is approved is the firm's: `c2c check` looks at it by itself.
    Need(_LINE, _FIELDS, access=TIMESHEETS),
    Need("project.task", ("active", "parent_id"), access=PROJECT),
    Need("hr.employee.public", (*_PERSON_FIELDS, "active"), access=EMPLOYEES),
)


class TimeRequest(ReadingRequest):
    """Hours are a time plan's by its order line in Odoo, and a retainer's by its task; so `tasks`
    matter for the plans without an order line here."""

    tasks: dict[Key, int] = Field(default_factory=dict)
    order_lines: dict[Key, int] = Field(default_factory=dict)


TimeReading = Reading[TimeEntry]


class OdooTimesheets:
    """An activity on the `odoo-finance` task queue: hours that are billed.

    `approved_field` is the boolean field of `account.analytic.line` that says a line is approved:
    Enterprise has `validated`; in Community the firm adds one.
    """

    def __init__(self, odoo: OdooClient, approved_field: str) -> None:
        self._odoo = odoo
        self._approved = approved_field

    @activity.defn
    def read_time(self, request: TimeRequest) -> TimeReading:
        """A page of the approved hours of the plans; with the last, which of the known lines are
        billable no more."""
        scope = self._time_scope(request)
        if not scope:
            return TimeReading(found=[], gone=list(request.known))

        def entries(rows: Sequence[Row]) -> list[TimeEntry]:
            people = self._people({row["employee_id"][0] for row in rows if row["employee_id"]})
            by_line = {line: plan for plan, line in request.order_lines.items()}
            by_task = self._plans_of_tasks(request, rows)
            return [_entry(row, _plan_of(row, by_line, by_task), people) for row in rows]

        reading = read(TimeReading, self._odoo, _LINE, scope, _FIELDS, request, entries)
        metrics.hours_read.add(float(sum(entry.hours for entry in reading.found)))
        return reading

    def _time_scope(self, request: TimeRequest) -> list[Any]:
        """Approved lines of the time plans' order lines, and of the retainers' tasks and their
        sub-tasks unless people gave them to an order line."""
        lines = sorted(request.order_lines.values())
        tasks = [
            request.tasks[key] for key in sorted(set(request.tasks) - set(request.order_lines))
        ]
        by_line = [("so_line", "in", lines)]
        by_task = ["&", ("task_id", "child_of", tasks), ("so_line", "=", False)]
        approved = (self._approved, "=", True)
        if lines and tasks:
            return [approved, "|", *by_line, *by_task]
        if lines or tasks:
            return [approved, *(by_line if lines else by_task)]
        return []

    def _plans_of_tasks(self, request: TimeRequest, rows: Sequence[Row]) -> dict[int, Key]:
        """Plans by their tasks and, where hours were worked on such, by sub-tasks."""
        plans = {
            task: plan for plan, task in request.tasks.items() if plan not in request.order_lines
        }
        worked = {row["task_id"][0] for row in rows if not row["so_line"]}
        if worked <= set(plans):
            return plans
        for task, plan in list(plans.items()):
            domain = [("id", "child_of", [task]), ("active", "in", [True, False])]
            below = self._odoo.search_read("project.task", domain, ["id"])
            plans |= {row["id"]: plan for row in below}
        return plans

    def _people(self, employees: Collection[int]) -> dict[int, dict[str, Any]]:
        """What the rate card knows people by. Everybody may read it of colleagues in all companies,
        where the employees' own records are for the personnel department."""
        also = [("active", "in", [True, False])]
        return self._odoo.by_id("hr.employee.public", employees, _PERSON_FIELDS, also=also)


def _plan_of(row: Row, by_line: Mapping[int, Key], by_task: Mapping[int, Key]) -> Key:
    if row["so_line"]:
        return by_line[row["so_line"][0]]
    return by_task[row["task_id"][0]]


def _entry(row: Row, plan: Key, people: Mapping[int, Row]) -> TimeEntry:
    unit = row["product_uom_id"]
    if unit and unit[1] != _HOURS:
        raise BusinessRefusal(
            "time_unit_unknown",
            f"timesheet line {row['id']} is in {unit[1]}; only lines in {_HOURS} can be billed",
            field="timesheet.product_uom_id",
            value=unit[1],
        )
    person = people.get(row["employee_id"][0], {}) if row["employee_id"] else {}
    return TimeEntry(
        line_id=row["id"],
        plan=plan,
        on=date.fromisoformat(row["date"]),
        hours=Decimal(str(row["unit_amount"])),
        person=person.get("name") or "",
        email=person.get("work_email") or "",
        role=person.get("job_title") or "",
        description=(row["name"] or "")[:MAX_TEXT],
    )
