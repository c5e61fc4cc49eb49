"""Hours and costs of projects, summed by Odoo: of one contract, and of all that have a budget."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.odoo.catalogue import Catalogue
from activities.odoo.needs import PROJECT, SALES, TIMESHEETS, Need
from activities.odoo.staffing import is_managed, is_staffed, without_people
from contracts.handover import Burn, ServiceBurn, burn_step
from contracts.money import Money
from contracts.sweeps import BurnPage, ProjectBurn
from gateways.fields import names
from gateways.odoo import OdooClient

PROJECTS_PER_PAGE = 500
_LINE = "account.analytic.line"
_SUM = "formatted_read_group"
_HOURS, _AMOUNT = "unit_amount:sum", "amount:sum"
_LEVELS = 6
"""How far up it is looked for the task that a sub-task belongs to."""

NEEDS = (
    Need(
        _LINE,
        names("project_id task_id account_id unit_amount amount"),
        access=TIMESHEETS,
        methods=(_SUM,),
    ),
    Need("project.project", names("user_id currency_id allocated_hours active"), access=PROJECT),
    Need(
        "project.task",
        names("parent_id active project_id allocated_hours user_ids"),
        access=PROJECT,
        methods=(_SUM,),
    ),
    Need("sale.order", names("origin project_id"), access=SALES),
)


class BurnReading(BaseModel):
    """Which project to read: the tasks whose service is known, by id, and where its costs meet."""

    project_id: int
    analytic_account_id: int | None = None
    services: dict[int, str]


class BurnFound(BaseModel):
    burn: Burn
    staffed: bool


class PortfolioRequest(BaseModel):
    """A page of the projects with a budget; it begins behind the order `after`."""

    after: int = 0


class OdooBurn:
    """Activities on the `odoo-finance` task queue. They add nothing up by themselves: Odoo does,
    in one query each."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue) -> None:
        self._odoo = odoo
        self._catalogue = catalogue

    @activity.defn
    def read_burn(self, request: BurnReading) -> BurnFound:
        """The hours on a project, what they and other costs come to, by service."""
        [project] = self._odoo.read("project.project", [request.project_id], _PROJECT)
        currency = project["currency_id"][1]
        worked = self._summed([("project_id", "=", request.project_id)], ["task_id"])
        tasks = {row["task_id"][0] for row in worked if row["task_id"]}
        services = self._services(tasks, request.services)
        hours: dict[str, Decimal] = {}
        cost: dict[str, Decimal] = {}
        for row in worked:
            service = services.get(row["task_id"][0], "") if row["task_id"] else ""
            hours[service] = hours.get(service, Decimal(0)) + _number(row[_HOURS])
            cost[service] = cost.get(service, Decimal(0)) - _number(row[_AMOUNT])
        others = self._other_costs(request.analytic_account_id)
        if others:
            cost[""] = cost.get("", Decimal(0)) + others
        found = [
            ServiceBurn(
                service=service,
                hours=hours.get(service, Decimal(0)),
                cost=Money.rounded(cost.get(service, Decimal(0)), currency),
            )
            for service in sorted({*hours, *cost})
        ] or [ServiceBurn(service="", cost=Money.zero(currency))]
        user = self._catalogue.own_user()
        return BurnFound(
            burn=Burn(services=tuple(found), as_of=datetime.now(UTC)),
            staffed=is_staffed(self._odoo, request.project_id, project["user_id"], user),
        )

    def _other_costs(self, account: int | None) -> Decimal:
        """What else was spent on the project: expenses and vendors' bills."""
        if account is None:
            return Decimal(0)
        domain = [("account_id", "=", account), ("project_id", "=", False), ("amount", "<", 0)]
        found = self._summed(domain, [])
        return -_number(found[0][_AMOUNT]) if found else Decimal(0)

    def _summed(self, domain: list[Any], groupby: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._odoo.call(
            _LINE, _SUM, domain=domain, groupby=groupby, aggregates=[_HOURS, _AMOUNT]
        )
        return found

    def _services(self, tasks: set[int], known: Mapping[int, str]) -> dict[int, str]:
        """The services of tasks, and of sub-tasks that people have added below them."""
        found = dict(known)
        above: dict[int, int] = {}
        left = tasks - found.keys()
        for _ in range(_LEVELS):
            if not left:
                break
            also = [("active", "in", [True, False])]
            rows = self._odoo.by_id("project.task", left, ["parent_id"], also=also)
            parents = {task: row["parent_id"][0] for task, row in rows.items() if row["parent_id"]}
            above |= parents
            left = {parent for parent in parents.values() if parent not in found} - above.keys()
        for task in tasks - found.keys():
            top = task
            for _ in range(_LEVELS):
                if top in known or top not in above:
                    break
                top = above[top]
            if top in known:
                found[task] = known[top]
        return found

    @activity.defn
    def read_portfolio(self, request: PortfolioRequest) -> BurnPage:
        """How far each project with allocated hours has burned them, and whether it has its people:
        four queries for a page of them."""
        orders = self._odoo.search_read(
            "sale.order",
            [
                ("origin", "=like", "contract/%"),
                ("project_id.allocated_hours", ">", 0),
                ("project_id.active", "=", True),
                ("id", ">", request.after),
            ],
            ["origin", "project_id"],
            order="id",
            limit=PROJECTS_PER_PAGE,
        )
        ids = [row["project_id"][0] for row in orders]
        projects = self._odoo.by_id("project.project", ids, ["allocated_hours", "user_id"])
        in_these = [("project_id", "in", ids)]
        spent = self._by_project(_LINE, in_these, _HOURS) if ids else {}
        idle = self._by_project("project.task", without_people(ids), "__count") if ids else {}
        user = self._catalogue.own_user()
        found = [
            ProjectBurn(
                workflow_id=row["origin"],
                project_id=project,
                step=burn_step(spent.get(project, Decimal(0)), _number(there["allocated_hours"])),
                staffed=is_managed(there["user_id"], user) and not idle.get(project),
            )
            for row in orders
            for project in [row["project_id"][0]]
            for there in [projects.get(project)]
            if there is not None  # archived or gone since the orders were read
        ]
        is_full = len(orders) == PROJECTS_PER_PAGE
        return BurnPage(projects=found, next=int(orders[-1]["id"]) if is_full else None)

    def _by_project(self, model: str, domain: list[Any], aggregate: str) -> dict[int, Decimal]:
        rows = self._odoo.call(
            model, _SUM, domain=domain, groupby=["project_id"], aggregates=[aggregate]
        )
        return {row["project_id"][0]: _number(row[aggregate]) for row in rows}


_PROJECT = ("user_id", "currency_id")


def _number(value: Any) -> Decimal:
    return Decimal(str(value or 0))
