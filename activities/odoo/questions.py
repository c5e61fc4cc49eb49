"""What finance asks of the work of all contracts at once, answered by Odoo in a few queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from activities.odoo.needs import PROJECT, SALES, TIMESHEETS, Need
from contracts.identifiers import contract_workflow_id, legal_entity_of
from gateways.fields import names
from gateways.odoo import OdooClient

MOST_MILESTONES = 2_000
_ANALYTIC, _SUM = "account.analytic.line", "formatted_read_group"
_HOURS, _UNIT = "unit_amount:sum", "Hours"
_MILESTONE_FIELDS = ("name", "deadline", "sale_line_id")
_LINE_FIELDS = names("name order_id qty_invoiced qty_delivered_method product_uom_id")

NEEDS = (
    Need("project.milestone", (*_MILESTONE_FIELDS, "is_reached", "project_id"), access=PROJECT),
    Need("project.project", ("active",), access=PROJECT),
    # The field that says a line is approved is the firm's: `c2c check` looks at it by itself.
    Need(_ANALYTIC, names("so_line project_id unit_amount"), access=TIMESHEETS, methods=(_SUM,)),
    Need("sale.order.line", _LINE_FIELDS, access=SALES),
    Need("sale.order", ("origin", "partner_id"), access=SALES),
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class LateMilestone:
    """A milestone of a contract that is not reached, and was due on a day before."""

    workflow_id: str
    customer: str
    name: str
    due_on: date


@dataclass(frozen=True)
class LateMilestones:
    """The longest late first; `more`: there are others."""

    rows: list[LateMilestone]
    more: bool = False


@dataclass(frozen=True)
class UnbilledTime:
    """Approved hours of an order line beyond those that drafts and invoices have."""

    workflow_id: str
    customer: str
    name: str
    hours: Decimal


class OdooQuestions:
    """What Odoo says of the work of one legal entity's contracts. Raises GatewayError."""

    def __init__(self, odoo: OdooClient, company_id: int, legal_entity: str) -> None:
        self._odoo = odoo.with_company(company_id)
        self._entity = legal_entity
        self._origin = contract_workflow_id(legal_entity, "%")

    def late_milestones(self, today: date, most: int = MOST_MILESTONES) -> LateMilestones:
        """The milestones that are late, at most so many."""
        rows = self._odoo.search_read(
            "project.milestone",
            [
                ("is_reached", "=", False),
                ("deadline", "<", str(today)),
                ("project_id.active", "=", True),
                ("sale_line_id.order_id.origin", "=like", self._origin),
            ],
            _MILESTONE_FIELDS,
            order="deadline, id",
            limit=most + 1,
        )
        sold = self._sold({row["sale_line_id"][0] for row in rows[:most]})
        found = [
            LateMilestone(
                workflow_id=order["origin"],
                customer=order["partner_id"][1],
                name=row["name"],
                due_on=date.fromisoformat(row["deadline"]),
            )
            for row in rows[:most]
            if (of := sold.get(row["sale_line_id"][0]))
            for _, order in [of]
        ]
        return LateMilestones(found, more=len(rows) > most)

    def unbilled_time(self, approved_field: str) -> list[UnbilledTime]:
        """The order lines, counted in hours, with approved time that is not invoiced: the most
        first. Those of projects that are archived are over."""
        groups = self._odoo.call(
            _ANALYTIC,
            _SUM,
            domain=[
                (approved_field, "=", True),
                ("project_id.active", "=", True),
                ("so_line.order_id.origin", "=like", self._origin),
            ],
            groupby=["so_line"],
            aggregates=[_HOURS],
        )
        worked = {row["so_line"][0]: Decimal(str(row[_HOURS] or 0)) for row in groups}
        found = []
        for key, (line, order) in self._sold(worked).items():
            hours = worked[key] - Decimal(str(line["qty_invoiced"]))
            unit = line["product_uom_id"]
            # Hours on what has a fixed price are not what is billed.
            is_billed = line["qty_delivered_method"] == "timesheet" and unit and unit[1] == _UNIT
            if is_billed and hours > 0:
                title, customer = line["name"].partition("\n")[0], order["partner_id"][1]
                found.append(UnbilledTime(order["origin"], customer, title, hours))
        return sorted(found, key=lambda item: (-item.hours, item.workflow_id, item.name))

    def _sold(self, lines: Collection[int]) -> dict[int, tuple[Row, Row]]:
        """Order lines with their orders, by the lines' ids: those of this legal entity."""
        rows = self._odoo.by_id("sale.order.line", lines, _LINE_FIELDS)
        wanted = {row["order_id"][0] for row in rows.values()}
        orders = self._odoo.by_id("sale.order", wanted, ["origin", "partner_id"])
        found = {key: (row, orders.get(row["order_id"][0])) for key, row in rows.items()}
        # `=like` takes an underscore for any letter.
        return {
            key: (row, order)
            for key, (row, order) in found.items()
            if order is not None and legal_entity_of(order["origin"]) == self._entity
        }
