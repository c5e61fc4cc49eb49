"""Projects, tasks and milestones."""

from __future__ import annotations

from sandbox.odoo.companies import company_values, current_company
from sandbox.odoo.errors import ValidationError
from sandbox.odoo.messages import Thread
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Env, Model, Row, Values

CLOSED = ("1_done", "1_canceled")


class Project(Thread):
    def defaults(self, values: Values) -> Values:
        """A project that keeps timesheets gets an analytic account of its own."""
        found: Values = {"user_id": self.env.uid}
        if values.get("allow_timesheets") and not values.get("account_id"):
            shared = {name: values.get(name) for name in ("name", "partner_id", "company_id")}
            account = {name: value for name, value in shared.items() if value}
            found["account_id"] = self.env["account.analytic.account"].add(account)
        return found

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        if "sale_line_id" in changed:
            _confirm_quotations(self.env, [row["sale_line_id"] for row in self.rows(ids)])

    def compute_currency_id(self, row: Row) -> int:
        company = row["company_id"] or current_company(self.env)
        return int(company_values(self.env, company)["currency_id"])


class Tag(Model):
    """No two have one name."""

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        for row in self.rows(ids):
            if len(self.find([["name", "=", row["name"]]])) > 1:
                raise ValidationError("A tag with the same name already exists.")


class Task(Thread):
    def defaults(self, values: Values) -> Values:
        """Whoever creates it is on it, unless it is said who is."""
        found: Values = {"user_ids": [(6, 0, [self.env.uid])]}
        project = values.get("project_id")
        if not project:
            return found
        projects = self.env["project.project"]
        stages = projects.links(project, "type_ids")
        found["partner_id"] = projects.row(project)["partner_id"]
        return found | ({"stage_id": stages[0]} if stages else {})

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        if "sale_line_id" not in changed:
            return
        _confirm_quotations(self.env, [row["sale_line_id"] for row in self.rows(ids)])
        hours = self.env["account.analytic.line"]
        for row in self.rows(ids):
            logged = hours.find([["task_id", "=", row["id"]]])
            hours.put(logged, {"task_id": row["id"]})


class Update(Thread):
    """A status report; the newest one is what the project shows."""

    def defaults(self, values: Values) -> Values:
        return {"user_id": self.env.uid, "date": str(self.env.today)}

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        projects = self.env["project.project"]
        for row in self.rows(ids):
            newest = self.find([["project_id", "=", row["project_id"]]], order="id desc", limit=1)
            status = self.row(newest[0])["status"]
            shown = {"last_update_id": newest[0], "last_update_status": status}
            projects.settle(row["project_id"], shown)


class Milestone(Model):
    def before_write(self, ids: list[int], values: Values) -> None:
        if "is_reached" in values:
            values["reached_date"] = str(self.env.today) if values["is_reached"] else False

    def defaults(self, values: Values) -> Values:
        return {"reached_date": str(self.env.today)} if values.get("is_reached") else {}

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        if changed & {"is_reached", "quantity_percentage", "sale_line_id"}:
            lines = (row["sale_line_id"] for row in self.rows(ids))
            self.env.touch("sale.order.line", [line for line in lines if line])

    def before_unlink(self, ids: list[int]) -> None:
        """Its tasks stay, without a milestone."""
        self.after_change(ids, {"is_reached"})
        for milestone in ids:
            for task in self.links(milestone, "task_ids"):
                self.env["project.task"].settle(task, {"milestone_id": None})

    def compute_product_uom_qty(self, row: Row) -> float:
        line = row["sale_line_id"] and self.env["sale.order.line"].row(row["sale_line_id"])
        ordered = line["product_uom_qty"] if line else 0
        return float(exact(row["quantity_percentage"]) * exact(ordered))


def _confirm_quotations(env: Env, lines: list[int | None]) -> None:
    """Tying work to a quotation's line confirms the quotation, as Odoo does."""
    orders = {row["order_id"] for row in env["sale.order.line"].rows([i for i in lines if i])}
    for order in env["sale.order"].rows(orders):
        if order["state"] == "draft":
            env["sale.order"].put(
                [order["id"]], {"state": "sale", "date_order": env.timestamp[:19]}
            )


MODELS: dict[str, type[Model]] = {
    "project.project": Project,
    "project.tags": Tag,
    "project.task": Task,
    "project.milestone": Milestone,
    "project.update": Update,
}
