"""What the lines of a time system ask Odoo for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from activities.odoo.catalogue import Catalogue
from activities.odoo.external_ids import task_id
from activities.odoo.time_lines import OdooTimeLines
from contracts.timesheets.importing import TaskInOdoo
from contracts.timesheets.mapping import Target
from gateways.odoo import OdooClient

DEV, SUPPORT = (Target(contract_id="C-1", key=key) for key in ("dev", "support"))
BY_ID, GONE = Target(task=812), Target(task=813)


class Firm:
    """An Odoo with a contract's two tasks, one of them archived, and an archived task without
    one. As Odoo does, it leaves out what is archived unless `active` is asked for."""

    tasks: tuple[dict[str, Any], ...] = (
        {"id": 9, "project_id": [3, "Site"], "active": True},
        {"id": 10, "project_id": [3, "Site"], "active": False},
        {"id": 812, "project_id": [4, "Old"], "active": False},
    )

    def with_company(self, company: int) -> Firm:
        return self

    def company(self, name: str) -> int:
        return 1

    def find(
        self, model: str, field: str, values: Sequence[Any], fields: Any, *, also: Any = ()
    ) -> list[dict[str, Any]]:
        if model == "sale.order":
            return [{"id": 1, "project_id": [3, "Site"]}]
        named = any(term[0] == "active" for term in also)
        return [row for row in self.tasks if row["project_id"][0] in values and _shown(row, named)]

    def by_id(
        self, model: str, ids: Iterable[int], fields: Any, *, also: Any = ()
    ) -> dict[int, dict[str, Any]]:
        named = any(term[0] == "active" for term in also)
        return {row["id"]: row for row in self.tasks if row["id"] in ids and _shown(row, named)}

    def call(self, model: str, method: str, ids: Sequence[int]) -> dict[str, str]:
        names = {9: task_id("northwind", "C-1", "dev"), 10: task_id("northwind", "C-1", "support")}
        return {str(key): names[key] for key in ids}


def _shown(row: dict[str, Any], named: bool) -> bool:
    return named or bool(row["active"])


def test_archived_tasks_are_told_apart_from_those_that_are_gone() -> None:
    firm = Firm()
    odoo, catalogue = cast(OdooClient, firm), cast(Catalogue, firm)
    lines = OdooTimeLines(odoo, catalogue, "x_approved", "harvest", "Northwind")
    found = lines.directory("northwind", (), [DEV, SUPPORT, BY_ID, GONE])
    assert found.tasks == {DEV: TaskInOdoo(task=9, project=3)}
    assert found.archived == {
        SUPPORT: TaskInOdoo(task=10, project=3),
        BY_ID: TaskInOdoo(task=812, project=4),
    }
