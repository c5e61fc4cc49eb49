"""Timesheet lines that a time system's entries become: one line an entry, found by its `ref`.

External ids cannot be searched by a service user, so that each line says in its reference which
entry it is; people see there where it comes from. Loading goes by the external id all the same:
who edits the reference makes no second line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo.catalogue import Catalogue
from activities.odoo.external_ids import task_id, time_line_id
from activities.odoo.needs import EMPLOYEES, PROJECT, SALES, TIMESHEETS, UPSERT, Need
from activities.odoo.paging import batches
from contracts.identifiers import contract_workflow_id
from contracts.timesheets.entries import Unplaced
from contracts.timesheets.importing import (
    Changes,
    Directory,
    LineInOdoo,
    PlacedTime,
    TaskInOdoo,
    note_of,
    refused,
)
from contracts.timesheets.mapping import Target
from gateways.errors import FailureKind, GatewayError
from gateways.fields import names
from gateways.odoo import LoadRefused, OdooClient
from gateways.odoo.errors import is_record_missing

LINES_A_CALL = 200
"""Of a call that loads or deletes: two seconds of Odoo's time."""
LINES_A_PAGE = 5_000
MOST_LINES = 200_000
MOST_REFUSED = 20
"""More of one call are refused for a reason that is not their own."""
MOST_EMPLOYEES = 50_000

_LINE = "account.analytic.line"
_FIELDS = names("ref employee_id project_id task_id date unit_amount name")
_TASK_FIELDS = ("project_id", "active")
_ARCHIVED_OR_NOT = [("active", "in", [True, False])]

NEEDS = (
    # The field that says a line is approved is the firm's: `c2c check` looks at it by itself.
    Need(_LINE, _FIELDS, access=TIMESHEETS, rights=(*UPSERT, "unlink")),
    Need("hr.employee.public", ("work_email", "company_id"), access=EMPLOYEES),
    Need("sale.order", ("origin", "project_id"), access=SALES),
    Need("project.task", ("project_id", "active"), access=PROJECT, methods=("get_external_id",)),
)


@dataclass
class Written:
    """How many lines were loaded, lost their approval or were deleted; and what Odoo refused."""

    loaded: int = 0
    withdrawn: int = 0
    deleted: int = 0
    refused: list[Unplaced] = field(default_factory=list)


class OdooTimeLines:
    """The lines of one time system in one company's timesheets.

    `approved_field` is the boolean field that says a line is approved, as `OdooTimesheets` reads
    it. Raises BusinessRefusal for a company that Odoo does not have.
    """

    def __init__(
        self, odoo: OdooClient, catalogue: Catalogue, approved_field: str, system: str, company: str
    ) -> None:
        company_id = catalogue.company(company)
        if company_id is None:
            text = f"Odoo has no single company {company} that the service user may use"
            raise BusinessRefusal("company_unknown", text, field="odoo_company", value=company)
        self._odoo = odoo.with_company(company_id)
        self._company_id = company_id
        self._approved = approved_field
        self._system = system

    # --- reading --------------------------------------------------------------------------------

    def of_entries(self, entries: Collection[str]) -> list[LineInOdoo]:
        """The lines of these entries, as far as Odoo has them."""
        refs = [self._ref(entry) for entry in sorted(set(entries))]
        found = self._odoo.find(_LINE, "ref", refs, [*_FIELDS, self._approved])
        return self._lines(found)

    def between(self, first: date, last: date) -> list[LineInOdoo]:
        """All lines of the system on these days."""
        found: list[LineInOdoo] = []
        days: list[Any] = [("date", ">=", str(first)), ("date", "<=", str(last))]
        domain, after = [("ref", "=like", self._ref("%")), *days], 0
        while len(found) <= MOST_LINES:
            rows = self._odoo.search_read(
                _LINE,
                [*domain, ("id", ">", after)],
                [*_FIELDS, self._approved],
                order="id",
                limit=LINES_A_PAGE,
            )
            found += self._lines(rows)
            if len(rows) < LINES_A_PAGE:
                return found
            after = rows[-1]["id"]
        text = f"more than {MOST_LINES} lines from {first} to {last}"
        raise BusinessRefusal("time_too_many_lines", text, field="open_days")

    def directory(
        self, legal_entity: str, emails: Collection[str], targets: Collection[Target]
    ) -> Directory:
        """What Odoo has of these people, by their work e-mails in lower case, and places."""
        rows = self._tasks(legal_entity, targets)
        return Directory(
            employees=self._employees(set(emails)) if emails else {},
            tasks={target: _task(row) for target, row in rows.items() if row["active"]},
            archived={target: _task(row) for target, row in rows.items() if not row["active"]},
        )

    def _employees(self, emails: Collection[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row in self._odoo.search_read(
            "hr.employee.public",
            [("work_email", "!=", False), ("company_id", "=", self._company_id)],
            ["work_email"],
            limit=MOST_EMPLOYEES,
        ):
            email = str(row["work_email"]).strip().lower()
            if email in emails:
                found.setdefault(email, []).append(row["id"])
        return found

    def _tasks(
        self, legal_entity: str, targets: Collection[Target]
    ) -> dict[Target, dict[str, Any]]:
        """The tasks that targets name, archived or not."""
        by_id = {target.task: target for target in targets if target.task}
        rows = self._odoo.by_id("project.task", by_id, _TASK_FIELDS, also=_ARCHIVED_OR_NOT)
        found = {by_id[row["id"]]: row for row in rows.values() if row["project_id"]}
        of_contracts = [target for target in targets if target.contract_id]
        wanted = {task_id(legal_entity, it.contract_id, it.key): it for it in of_contracts}
        rows = self._tasks_of(legal_entity, {target.contract_id for target in of_contracts})
        if rows:
            external = self._odoo.call("project.task", "get_external_id", sorted(rows))
            for key, name in external.items():
                if name in wanted:
                    found[wanted[name]] = rows[int(key)]
        return found

    def _tasks_of(self, legal_entity: str, contracts: Collection[str]) -> dict[int, dict[str, Any]]:
        """The tasks of these contracts' projects. A project is found by its order, which says
        whose it is; a contract that ends archives it with its tasks."""
        origins = [contract_workflow_id(legal_entity, key) for key in sorted(contracts)]
        orders = self._odoo.find("sale.order", "origin", origins, ["project_id"])
        projects = sorted({row["project_id"][0] for row in orders if row["project_id"]})
        rows = self._odoo.find(
            "project.task", "project_id", projects, _TASK_FIELDS, also=_ARCHIVED_OR_NOT
        )
        return {row["id"]: row for row in rows}

    # --- writing --------------------------------------------------------------------------------

    def write(self, changes: Changes) -> Written:
        """Carry changes out; safe to repeat. What Odoo refuses of a single line holds up no other.

        A line that Odoo itself has invoiced cannot be deleted there: it loses its approval, by
        which its contract credits it.
        """
        written = Written()
        for copies in batches(changes.let_go, LINES_A_CALL):
            self._odoo.write(_LINE, copies, {"ref": False})
        for batch in batches(changes.load, LINES_A_CALL):
            self._load(batch, written)
        kept = [
            line for batch in batches(changes.delete, LINES_A_CALL) for line in self._delete(batch)
        ]
        written.deleted = len(changes.delete) - len(kept)
        withdrawn = [*changes.withdraw, *kept]
        for some in batches(withdrawn, LINES_A_CALL):
            self._odoo.write(_LINE, some, {self._approved: False})
        written.withdrawn = len(withdrawn)
        return written

    def _load(self, batch: Sequence[PlacedTime], written: Written) -> None:
        """Load lines; those that are refused are left out, and the others loaded again."""
        left = list(batch)
        while left:
            try:
                written.loaded += len(self._odoo.load(_LINE, [self._row(item) for item in left]))
                return
            except LoadRefused as refusal:
                if refusal.kind is not FailureKind.BUSINESS or not refusal.by_record:
                    raise
                if len(refusal.by_record) > MOST_REFUSED:
                    raise
                for place, error in refusal.by_record.items():
                    entry = left[place].entry
                    written.refused.append(refused(entry, self._system, error.message))
                left = [it for place, it in enumerate(left) if place not in refusal.by_record]

    def _row(self, item: PlacedTime) -> dict[str, Any]:
        entry = item.entry
        return {
            "id": time_line_id(self._system, entry.entry_id),
            "ref": self._ref(entry.entry_id),
            "project_id/.id": item.place.project,
            "task_id/.id": item.place.task,
            "employee_id/.id": item.employee,
            "date": entry.on,
            "unit_amount": entry.hours,
            "name": note_of(entry),
            self._approved: True,
        }

    def _delete(self, lines: Sequence[int]) -> list[int]:
        """Delete lines; returns those that Odoo keeps."""
        try:
            self._odoo.call(_LINE, "unlink", list(lines))
        except GatewayError as error:
            if error.kind is not FailureKind.BUSINESS:
                raise
            if len(lines) > 1:
                return [line for one in lines for line in self._delete([one])]
            return [] if is_record_missing(error) else list(lines)
        return []

    def _lines(self, rows: Sequence[Mapping[str, Any]]) -> list[LineInOdoo]:
        """Without what `=like` finds besides: it takes an underscore for any letter."""
        prefix = self._ref("")
        return [
            LineInOdoo(
                line=row["id"],
                entry_id=row["ref"].removeprefix(prefix),
                employee=_id(row["employee_id"]),
                project=_id(row["project_id"]),
                task=_id(row["task_id"]),
                on=row["date"],
                hours=Decimal(str(row["unit_amount"])),
                note=row["name"] or "",
                is_approved=bool(row[self._approved]),
            )
            for row in rows
            if str(row["ref"]).startswith(prefix)
        ]

    def _ref(self, entry: str) -> str:
        return f"{self._system} {entry}"


def _task(row: Mapping[str, Any]) -> TaskInOdoo:
    return TaskInOdoo(task=row["id"], project=row["project_id"][0])


def _id(value: Any) -> int:
    return int(value[0]) if value else 0
