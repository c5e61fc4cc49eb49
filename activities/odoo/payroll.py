"""The approved time of a period, for the payroll: of the employees of one company."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo.needs import EMPLOYEES, TIMESHEETS, Need
from contracts.timesheets.payroll import PayrollLine, Period
from gateways.fields import names
from gateways.odoo import OdooClient

ROWS = 5_000
MOST_LINES = 1_000_000
MOST_EMPLOYEES = 50_000
_LINE, _HOURS = "account.analytic.line", "Hours"
_FIELDS = names("employee_id project_id task_id date unit_amount product_uom_id name")

NEEDS = (
    # The field that says a line is approved is the firm's: `c2c check` looks at it by itself.
    Need(_LINE, _FIELDS, access=TIMESHEETS),
    Need("hr.employee.public", ("name", "work_email", "company_id", "active"), access=EMPLOYEES),
)

Row = Mapping[str, Any]


def approved_time(
    odoo: OdooClient, company_id: int, approved_field: str, period: Period
) -> list[PayrollLine]:
    """All approved lines of the period, whichever company's projects the people worked on: a
    company pays its own. Raises GatewayError, and BusinessRefusal for lines that are no hours, and
    where nobody is employed, as a service user sees it that may not read employees any more."""
    people = {
        row["id"]: row
        for row in odoo.search_read(
            "hr.employee.public",
            [("company_id", "=", company_id), ("active", "in", [True, False])],
            ["name", "work_email"],
            limit=MOST_EMPLOYEES,
        )
    }
    if not people:
        raise BusinessRefusal(
            "payroll_without_employees",
            "Odoo shows no employee of the company: see that the service user may use the company "
            "and read its employees",
            field="employee.company_id",
            value=str(company_id),
        )
    domain = [
        (approved_field, "=", True),
        ("project_id", "!=", False),
        ("employee_id", "in", sorted(people)),
        ("date", ">=", str(period.first)),
        ("date", "<=", str(period.last)),
    ]
    return [_line(row, people) for row in _rows(odoo, domain)]


def _rows(odoo: OdooClient, domain: list[Any]) -> Iterator[Row]:
    after = 0
    for _ in range(MOST_LINES // ROWS):
        found = odoo.search_read(
            _LINE, [*domain, ("id", ">", after)], _FIELDS, order="id", limit=ROWS
        )
        yield from found
        if len(found) < ROWS:
            return
        after = found[-1]["id"]
    text = f"the period has more than {MOST_LINES} lines"
    raise BusinessRefusal("time_too_many_lines", text, field="period")


def _line(row: Row, people: Mapping[int, Row]) -> PayrollLine:
    unit = row["product_uom_id"]
    if unit and unit[1] != _HOURS:
        raise BusinessRefusal(
            "time_unit_unknown",
            f"timesheet line {row['id']} is in {unit[1]}; only lines in {_HOURS} can be exported",
            field="timesheet.product_uom_id",
            value=unit[1],
        )
    person = people[row["employee_id"][0]]
    return PayrollLine(
        line=row["id"],
        employee_id=person["id"],
        employee=person["name"],
        email=person["work_email"] or "",
        on=row["date"],
        hours=Decimal(str(row["unit_amount"])),
        project=row["project_id"][1],
        task=row["task_id"][1] if row["task_id"] else "",
        note=row["name"] or "",
    )
