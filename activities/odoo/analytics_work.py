"""Hours and costs of contracts' projects, and people's hours, for the analytics export.

Odoo adds them up by month; a page of contracts takes a few queries, however much was worked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from activities.odoo.clock import utc
from activities.odoo.needs import (
    CALENDARS,
    CONTACTS,
    EMPLOYEES,
    EXPORT,
    PROJECT,
    SALES,
    TIMESHEETS,
    Need,
)
from activities.odoo.paging import pages_of
from contracts.analytics.work import Employee, ProjectMonth, months_until
from contracts.billing.lines import rounded
from contracts.identifiers import contract_workflow_id, legal_entity_of
from gateways.fields import names
from gateways.odoo import OdooClient

PAGE_ORDERS = 200
"""Contracts of a page: their projects have thousands of months of work together."""
PAGE_EMPLOYEES = 500

_LINE = "account.analytic.line"
_SUM = "formatted_read_group"
_HOURS, _AMOUNT, _MONTH = "unit_amount:sum", "amount:sum", "date:month"
_BOTH = [("active", "in", [True, False])]

NEEDS = (
    Need(
        _LINE,
        names("project_id employee_id account_id date category unit_amount amount"),
        access=TIMESHEETS,
        methods=(_SUM,),
    ),
    Need(
        "hr.employee.public",
        names("name work_email job_title resource_calendar_id company_id active create_date"),
        access=EMPLOYEES,
    ),
    Need("project.project", names("account_id currency_id active"), access=PROJECT),
    Need("res.partner", names("commercial_partner_id active"), access=CONTACTS),
    Need("resource.calendar", names("hours_per_week active"), access=CALENDARS, only_for=EXPORT),
    Need("sale.order", names("origin company_id project_id partner_id"), access=SALES),
)

Row = Mapping[str, Any]
Hours = dict[tuple[int, date], Decimal]
"""Hours by employee (id) and month."""


class OdooWork:
    """The work of one legal entity's contracts and people, up to a day. Raises GatewayError.

    `billable` has the hours on contracts' projects in the last months, of the pages read so far.
    """

    def __init__(self, odoo: OdooClient, company_id: int, legal_entity: str, day: date) -> None:
        self.billable: Hours = {}
        self._odoo = odoo.with_company(company_id)
        self._company_id = company_id
        self._entity = legal_entity
        self._since = ("date", ">=", str(months_until(day)[0]))
        self._until = ("date", "<=", str(day))

    # --- projects -------------------------------------------------------------------------------

    def pages(self) -> Iterator[list[ProjectMonth]]:
        """What was spent on each contract's project, month by month, in the order of their orders'
        ids."""
        domain = [
            ("company_id", "=", self._company_id),
            ("origin", "=like", contract_workflow_id(self._entity, "%")),
            ("project_id", "!=", False),
        ]
        fields = ["origin", "project_id", "partner_id"]
        for rows in pages_of(self._odoo, "sale.order", domain, fields, PAGE_ORDERS):
            # `=like` takes an underscore for any letter.
            orders = self._firsts([row for row in rows if self._is_ours(row)])
            if orders:
                projects = sorted(row["project_id"][0] for row in orders)
                self._add(self.billable, [("project_id", "in", projects)])
                yield self._spent(orders)

    def _firsts(self, orders: Sequence[Row]) -> list[Row]:
        """Those that are the first of their project, which is to count once: a copy of an order has
        its origin, and people may give it the project, too."""
        rows = self._odoo.find(
            "sale.order",
            "project_id",
            sorted({row["project_id"][0] for row in orders}),
            ["origin", "project_id"],
            also=[("company_id", "=", self._company_id)],
        )
        first: dict[int, int] = {}
        for row in filter(self._is_ours, rows):
            project = row["project_id"][0]
            first[project] = min(row["id"], first.get(project, row["id"]))
        return [row for row in orders if first.get(row["project_id"][0], row["id"]) == row["id"]]

    def _is_ours(self, order: Row) -> bool:
        return legal_entity_of(order["origin"] or "") == self._entity

    def _spent(self, orders: Sequence[Row]) -> list[ProjectMonth]:
        ids = {row["project_id"][0] for row in orders}
        fields = ["account_id", "currency_id"]
        projects = self._odoo.by_id("project.project", ids, fields, also=_BOTH)
        accounts = {row["account_id"][0] for row in projects.values() if row["account_id"]}
        hours = self._by_month("project_id", [("project_id", "in", sorted(ids))])
        costs = self._by_month("account_id", _other_costs(sorted(accounts))) if accounts else {}
        payers = self._payers({row["partner_id"][0] for row in orders})
        found = []
        for order in orders:
            project = projects.get(order["project_id"][0])
            if project is None:
                continue  # It was deleted since the orders were read.
            account = project["account_id"][0] if project["account_id"] else 0
            for part, rows in (
                ("hours", hours.get(project["id"], ())),
                ("expenses", costs.get(account, ())),
            ):
                found += [
                    ProjectMonth(
                        contract=order["origin"].rpartition("/")[2],
                        project=order["project_id"][1],
                        customer=payers.get(order["partner_id"][0], order["partner_id"][1]),
                        month=date.fromisoformat(row[_MONTH][0]),
                        part=part,
                        amount=rounded(_number(row[_AMOUNT]), project["currency_id"][1]),
                        books=project["currency_id"][1],
                        hours=_number(row[_HOURS]) if part == "hours" else Decimal(0),
                    )
                    for row in rows
                ]
        return found

    def _by_month(self, group: str, domain: list[Any]) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = defaultdict(list)
        for row in self._summed(domain, group, [_HOURS, _AMOUNT]):
            found[row[group][0]].append(row)
        return found

    def _payers(self, partners: set[int]) -> dict[int, str]:
        rows = self._odoo.by_id("res.partner", partners, ["commercial_partner_id"], also=_BOTH)
        return {key: row["commercial_partner_id"][1] for key, row in rows.items()}

    # --- people ---------------------------------------------------------------------------------

    def employees(self) -> Iterator[list[Employee]]:
        """The employees of the company, and those who left."""
        domain = [("company_id", "=", self._company_id), *_BOTH]
        fields = names("name work_email job_title resource_calendar_id active create_date")
        for rows in pages_of(self._odoo, "hr.employee.public", domain, fields, PAGE_EMPLOYEES):
            schedules = {
                row["resource_calendar_id"][0] for row in rows if row["resource_calendar_id"]
            }
            weeks = self._odoo.by_id("resource.calendar", schedules, ["hours_per_week"], also=_BOTH)
            yield [_employee(row, weeks) for row in rows]

    def worked(self, employees: Sequence[Employee]) -> Hours:
        """All hours of these employees on projects in the last months."""
        found: Hours = {}
        ids = [item.id for item in employees]
        self._add(found, [("employee_id", "in", ids), ("project_id", "!=", False)])
        return found

    def _add(self, hours: Hours, domain: list[Any]) -> None:
        domain = [*domain, ("employee_id", "!=", False), self._since]
        for row in self._summed(domain, "employee_id", [_HOURS]):
            key = row["employee_id"][0], date.fromisoformat(row[_MONTH][0])
            hours[key] = hours.get(key, Decimal(0)) + _number(row[_HOURS])

    def _summed(self, domain: list[Any], group: str, sums: list[str]) -> list[Row]:
        found: list[Row] = self._odoo.call(
            _LINE, _SUM, domain=[*domain, self._until], groupby=[group, _MONTH], aggregates=sums
        )
        return found


def _other_costs(accounts: Sequence[int]) -> list[Any]:
    """Expenses and vendors' bills: all on the projects' accounts but hours and what is billed."""
    return [
        ("account_id", "in", list(accounts)),
        ("project_id", "=", False),
        ("category", "!=", "invoice"),
    ]


def _employee(row: Row, weeks: Mapping[int, Row]) -> Employee:
    schedule = row["resource_calendar_id"]
    week = weeks.get(schedule[0]) if schedule else None
    return Employee(
        id=row["id"],
        name=row["name"],
        email=row["work_email"] or "",
        role=row["job_title"] or "",
        week_hours=_number(week["hours_per_week"]) if week else None,
        since=utc(row["create_date"]).date(),
        is_active=bool(row["active"]),
    )


def _number(value: Any) -> Decimal:
    return Decimal(str(value or 0))
