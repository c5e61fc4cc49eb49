"""What people did, from Odoo: approved timesheet lines and approved expenses, in batched reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field
from temporalio import activity

from activities import metrics
from activities.failures import BusinessRefusal
from activities.odoo_clock import overlapping, utc
from contracts.billing.expenses import Expense
from contracts.billing.time import TimeEntry
from contracts.model import Key
from contracts.money import Currency, Money
from gateways.odoo import OdooClient

_EXPENSE_APPROVED = ["approved", "posted", "in_payment", "paid"]
_EXPENSE_FIELDS = [
    "name",
    "date",
    "employee_id",
    "currency_id",
    "company_currency_id",
    "untaxed_amount_currency",
    "untaxed_amount",
    "analytic_distribution",
    "write_date",
]
_TIME_FIELDS = [
    "task_id",
    "so_line",
    "employee_id",
    "date",
    "unit_amount",
    "product_uom_id",
    "name",
    "write_date",
]
_HOURS = "Hours"


class _Reading(BaseModel):
    """What to read: everything dated until a day (inclusive) that changed at or after `since`, or
    is dated after `seen_until`, the day the reading before went to; without `since`, everything.

    `known` are ids in our ledger: those that are no longer approved, or no longer there, are
    reported as gone.
    """

    until: date
    since: datetime | None = None
    seen_until: date | None = None
    known: tuple[int, ...] = ()


class TimeRequest(_Reading):
    """Hours are a time plan's by its order line in Odoo, and a retainer's by its task; so `tasks`
    matter for the plans without an order line here."""

    tasks: dict[Key, int] = Field(default_factory=dict)
    order_lines: dict[Key, int] = Field(default_factory=dict)


class TimeReading(BaseModel):
    """`as_of` is Odoo's clock, where the next reading starts; None: nothing was found."""

    entries: list[TimeEntry]
    gone: list[int]
    as_of: datetime | None = None


class ExpensesRequest(_Reading):
    """The expenses of a project, by its analytic account; `currency` is the contract's."""

    plan: Key
    analytic_account_id: int
    currency: Currency


class ExpenseReading(BaseModel):
    """`as_of` is Odoo's clock, where the next reading starts; None: nothing was found."""

    expenses: list[Expense]
    gone: list[int]
    as_of: datetime | None = None


class OdooTime:
    """Activities on the `odoo-finance` task queue that read what is billed by what was done.

    `approved_field` is the boolean field of `account.analytic.line` that says a line is approved:
    Enterprise has `validated`; in Community the firm adds one.
    """

    def __init__(self, odoo: OdooClient, approved_field: str) -> None:
        self._odoo = odoo
        self._approved = approved_field

    @activity.defn
    def read_time(self, request: TimeRequest) -> TimeReading:
        """The approved hours of the plans, and which of the known lines are billable no more."""
        scope = self._time_scope(request)
        if not scope:
            return TimeReading(entries=[], gone=list(request.known))
        rows = self._odoo.search_read(
            "account.analytic.line", [*scope, *_window(request)], _TIME_FIELDS, order="id"
        )
        people = self._people({row["employee_id"][0] for row in rows if row["employee_id"]})
        plans = {line: plan for plan, line in request.order_lines.items()}
        by_task = self._plans_of_tasks(request, rows)
        entries = [_entry(row, _plan_of(row, plans, by_task), people) for row in rows]
        metrics.hours_read.add(float(sum(entry.hours for entry in entries)))
        return TimeReading(
            entries=entries,
            gone=self._gone("account.analytic.line", scope, request.known),
            as_of=_latest(rows),
        )

    def _time_scope(self, request: TimeRequest) -> list[Any]:
        """Approved lines of the time plans' order lines, and of the retainers' tasks and their
        sub-tasks unless people gave them to an order line."""
        lines = sorted(request.order_lines.values())
        tasks = sorted(set(request.tasks) - set(request.order_lines))
        approved = [(self._approved, "=", True)]
        by_line = [("so_line", "in", lines)]
        by_task = [
            "&",
            ("task_id", "child_of", [request.tasks[key] for key in tasks]),
            ("so_line", "=", False),
        ]
        if lines and tasks:
            return [*approved, "|", *by_line, *by_task]
        if lines or tasks:
            return [*approved, *(by_line if lines else by_task)]
        return []

    def _plans_of_tasks(
        self, request: TimeRequest, rows: Sequence[Mapping[str, Any]]
    ) -> dict[int, Key]:
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
        if not employees:
            return {}
        found = self._odoo.search_read(
            "hr.employee.public",
            [("id", "in", sorted(employees)), ("active", "in", [True, False])],
            ["name", "work_email", "job_title"],
        )
        return {row["id"]: row for row in found}

    @activity.defn
    def read_expenses(self, request: ExpensesRequest) -> ExpenseReading:
        """The approved expenses of the project, and which known ones are billable no more.

        Refuses (`expense_currency`) one in a currency that neither it nor its company keeps in
        the contract's.
        """
        scope = [
            ("analytic_distribution", "in", [request.analytic_account_id]),
            ("state", "in", _EXPENSE_APPROVED),
        ]
        rows = self._odoo.search_read(
            "hr.expense", [*scope, *_window(request)], _EXPENSE_FIELDS, order="id"
        )
        return ExpenseReading(
            expenses=[_expense(row, request) for row in rows],
            gone=self._gone("hr.expense", scope, request.known),
            as_of=_latest(rows),
        )

    def _gone(self, model: str, scope: Sequence[Any], known: Sequence[int]) -> list[int]:
        if not known:
            return []
        there = self._odoo.search_read(model, [*scope, ("id", "in", list(known))], ["id"])
        return sorted(set(known) - {row["id"] for row in there})


def _window(request: _Reading) -> list[Any]:
    until = ("date", "<=", request.until.isoformat())
    if request.since is None:
        return [until]
    changed = ("write_date", ">=", overlapping(request.since))
    if request.seen_until is None:
        return [until, changed]
    # Worked ahead of the last period's end, and approved before: it did not change since.
    return [until, "|", changed, ("date", ">", request.seen_until.isoformat())]


def _latest(rows: Sequence[Mapping[str, Any]]) -> datetime | None:
    return max((utc(row["write_date"]) for row in rows), default=None)


def _plan_of(row: Mapping[str, Any], by_line: Mapping[int, Key], by_task: Mapping[int, Key]) -> Key:
    if row["so_line"]:
        return by_line[row["so_line"][0]]
    return by_task[row["task_id"][0]]


def _entry(row: Mapping[str, Any], plan: Key, people: Mapping[int, Mapping[str, Any]]) -> TimeEntry:
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
        description=row["name"] or "",
    )


def _expense(row: Mapping[str, Any], request: ExpensesRequest) -> Expense:
    shares = row["analytic_distribution"] or {}
    account = str(request.analytic_account_id)
    # A key may name accounts of several analytic plans: "12,15".
    ours = [share for accounts, share in shares.items() if account in accounts.split(",")]
    percent = sum((Decimal(str(share)) for share in ours), Decimal(0))
    cost = _cost(row, request.currency) * percent / 100
    return Expense(
        expense_id=row["id"],
        plan=request.plan,
        on=date.fromisoformat(row["date"]),
        description=row["name"],
        employee=row["employee_id"][1] if row["employee_id"] else "",
        cost=Money.rounded(cost, request.currency),
    )


def _cost(row: Mapping[str, Any], currency: str) -> Decimal:
    """The cost without tax in the contract's currency: as it was paid, or as the company books
    it."""
    paid, booked = row["currency_id"][1], row["company_currency_id"][1]
    if paid == currency:
        return Decimal(str(row["untaxed_amount_currency"]))
    if booked == currency:
        return Decimal(str(row["untaxed_amount"]))
    raise BusinessRefusal(
        "expense_currency",
        f"expense {row['name']} ({row['id']}) is in {paid}, its company books in {booked}, and the "
        f"contract is in {currency}; enter it in {currency} in Odoo",
        field="expense.currency_id",
        value=paid,
    )
