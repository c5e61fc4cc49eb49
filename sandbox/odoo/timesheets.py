"""Employees and the hours they log on projects."""

from __future__ import annotations

from decimal import Decimal

from sandbox.odoo.companies import current_company
from sandbox.odoo.errors import AccessError, ValidationError
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Domain, Env, Model, Row, Values, on_model

OFFICER = "Employees/Officer: Manage all employees"
PRIVATE = ("job_title",)


class Employee(Model):
    """The full record; what an ordinary user may search and read together is less of it."""

    @on_model
    def search_read(
        self,
        domain: Domain | None = None,
        fields: list[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
        order: str | None = None,
        load: str = "_classic_read",
    ) -> list[Row]:
        if OFFICER not in self.env.groups and set(fields or PRIVATE) & set(PRIVATE):
            raise AccessError(
                'You do not have enough rights to access the field "version_id" on Employee'
                " (hr.employee). Please contact your system administrator.\n\nOperation: read\n"
                f"User: {self.env.uid}\nGroups: allowed for groups 'Employees / Officer: Manage all"
                " employees'"
            )
        return super().search_read(domain, fields, offset, limit, order, load)


class AnalyticAccount(Model):
    def defaults(self, values: Values) -> Values:
        return {"company_id": current_company(self.env)}

    def display_name(self, row: Row) -> str | bool:
        partner = self.env["res.partner"].rows([row["partner_id"]] if row["partner_id"] else [])
        return f"{row['name']} - {partner[0]['name']}" if partner else row["name"] or False


class AnalyticLine(Model):
    """A line of hours. The order line it delivers is its task's, else its project's."""

    def defaults(self, values: Values) -> Values:
        found: Values = {"date": str(self.env.today), "company_id": current_company(self.env)}
        found["name"] = "/"
        project = self._project(values)
        if project is None:
            return found
        if not self.env["hr.employee"].exists([values.get("employee_id") or 0]):
            raise ValidationError(
                "Timesheets must be created with an active employee in the selected companies."
            )
        return found | {
            "project_id": project["id"],
            "account_id": project["account_id"],
            "company_id": project["company_id"] or found["company_id"],
            "product_uom_id": self.env.required_xid("uom.product_uom_hour"),
            "so_line": self._sale_line(values.get("task_id") or None, project),
        }

    def _project(self, values: Values) -> Row | None:
        project = values.get("project_id") or None
        if not project and values.get("task_id"):
            project = self.env["project.task"].row(values["task_id"])["project_id"]
        return self.env["project.project"].row(project) if project else None

    def _sale_line(self, task: int | None, project: Row) -> int | None:
        line = self.env["project.task"].row(task)["sale_line_id"] if task else None
        found: int | None = line or project["sale_line_id"]
        return found

    def before_write(self, ids: list[int], values: Values) -> None:
        self._touch_sale_lines(ids)
        if values.get("task_id") and "so_line" not in values:
            task = self.env["project.task"].row(values["task_id"])
            project = self.env["project.project"].row(task["project_id"])
            values["so_line"] = self._sale_line(task["id"], project)

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        self._touch_sale_lines(ids)
        if changed & {"unit_amount", "employee_id"}:
            for row in self.rows(ids):
                self._cost(row)

    def _cost(self, row: Row) -> None:
        """What the hours of an employee cost the firm."""
        if row["project_id"] and row["employee_id"]:
            hourly = self.env["hr.employee"].row(row["employee_id"])["hourly_cost"]
            self.settle(row["id"], {"amount": -float(exact(row["unit_amount"]) * exact(hourly))})

    def before_unlink(self, ids: list[int]) -> None:
        self._touch_sale_lines(ids)

    def _touch_sale_lines(self, ids: list[int]) -> None:
        lines = [row["so_line"] for row in self.rows(ids)]
        self.env.touch("sale.order.line", [line for line in lines if line])


def hours_of(env: Env, sale_line: int) -> Decimal:
    """All hours logged on an order line, approved or not."""
    lines = env["account.analytic.line"]
    rows = lines.rows(lines.find([["so_line", "=", sale_line]]))
    return sum((exact(row["unit_amount"]) for row in rows), Decimal(0))


MODELS: dict[str, type[Model]] = {
    "account.analytic.account": AnalyticAccount,
    "account.analytic.line": AnalyticLine,
    "hr.employee": Employee,
}
