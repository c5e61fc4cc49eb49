"""Approved hours and expenses, read from Odoo: nothing twice, nothing lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from activities.odoo.expenses import ExpenseReading, ExpensesRequest
from activities.odoo.timesheets import TimeReading, TimeRequest
from contracts.money import Money
from gateways.odoo import OdooClient
from tests.activities.firm import APPROVED_FIELD, Firm, Ordered
from tests.activities.mixed import mixed
from tests.activities.refusals import code, refused
from tests.world import eur

MARCH = date(2026, 3, 31)
APRIL = date(2026, 4, 30)
LATER = timedelta(days=1)
"""Well beyond the overlap with which a reading looks back."""


@dataclass
class Timesheets:
    """What the project manager does in Odoo, and what c2c reads of it."""

    firm: Firm
    made: Ordered
    pm: OdooClient

    def log(
        self,
        plan: str,
        hours: str,
        day: str = "2026-03-10",
        who: str = "Petra Developer",
        approved: bool = True,
        **values: Any,
    ) -> int:
        [line] = self.pm.create(
            "account.analytic.line",
            [
                {
                    "project_id": self.made.project,
                    "task_id": self.made.tasks[plan],
                    "employee_id": self.employee(who),
                    "date": day,
                    "unit_amount": Decimal(hours),
                    "name": f"{who}: {hours}",
                    APPROVED_FIELD: approved,
                }
                | values
            ],
        )
        return line

    def change(self, line: int, **values: Any) -> None:
        self.pm.write("account.analytic.line", [line], values)

    def employee(self, name: str) -> int:
        [row] = self.firm.odoo.search_read("hr.employee", [("name", "=", name)], ["id"])
        return int(row["id"])

    def read(self, until: date = MARCH, **changes: Any) -> TimeReading:
        made = self.made
        request = TimeRequest(
            tasks={"dev": made.tasks["dev"], "support": made.tasks["support"]},
            order_lines={"dev": made.lines["dev"]},
            until=until,
        )
        return self.firm.timesheets.read_time(request.model_copy(update=changes))

    def spend(self, amount: str, day: str = "2026-03-12", share: int = 100, **values: Any) -> int:
        [row] = self.firm.odoo.search_read(
            "product.product", [("default_code", "=", "EXP_GEN")], ["id"]
        )
        [expense] = self.pm.create(
            "hr.expense",
            [
                {
                    "name": f"Train {amount}",
                    "employee_id": self.employee("Petra Developer"),
                    "product_id": row["id"],
                    "date": day,
                    "total_amount_currency": Decimal(amount),
                    "tax_ids": [[6, 0, []]],
                    "analytic_distribution": {str(self.made.account): share},
                }
                | values
            ],
        )
        return expense

    def approve(self, expense: int) -> None:
        self.pm.call("hr.expense", "action_submit", [expense])

    def spent(self, until: date = MARCH, **changes: Any) -> ExpenseReading:
        request = ExpensesRequest(
            plan="costs", analytic_account_id=self.made.account, currency="EUR", until=until
        )
        return self.firm.expenses.read_expenses(request.model_copy(update=changes))


@pytest.fixture
def timesheets(firm: Firm) -> Timesheets:
    return Timesheets(firm, firm.confirmed(mixed()), firm.server.client("pm"))


# --- hours ----------------------------------------------------------------------------------


def test_hours_come_with_plan_person_and_role(timesheets: Timesheets) -> None:
    first = timesheets.log("dev", "7.25")
    second = timesheets.log("support", "0.5", day="2026-03-31", who="Conrad Consultant")
    timesheets.log("design", "8")  # a milestone's: its price is fixed
    timesheets.log("dev", "1", approved=False)
    timesheets.log("dev", "2", day="2026-04-01")
    reading = timesheets.read()
    assert [(item.line_id, item.plan, item.hours) for item in reading.found] == [
        (first, "dev", Decimal("7.25")),
        (second, "support", Decimal("0.5")),
    ]
    petra, conrad = reading.found
    assert (petra.person, petra.email, petra.role) == (
        "Petra Developer",
        "petra@northwind.example",
        "Developer",
    )
    assert (conrad.role, conrad.on) == ("Senior Consultant", date(2026, 3, 31))
    assert petra.description == "Petra Developer: 7.25"
    assert timesheets.read() == reading
    assert reading.as_of is not None
    assert abs(datetime.now(UTC) - reading.as_of) < timedelta(minutes=1)


def test_only_what_changed_since_is_read_again(timesheets: Timesheets) -> None:
    line = timesheets.log("dev", "3")
    ahead = timesheets.log("dev", "4", day="2026-04-02")
    first = timesheets.read()
    assert [item.line_id for item in first.found] == [line]
    assert first.as_of is not None
    quiet: dict[str, Any] = {
        "since": first.as_of + LATER,
        "seen_until": MARCH,
        "known": (line,),
    }
    assert timesheets.read(**quiet) == TimeReading(found=[], gone=[])
    # Nothing changed about it since, but March did not include it.
    april = timesheets.read(until=APRIL, **quiet)
    assert [item.line_id for item in april.found] == [ahead]
    timesheets.change(line, unit_amount=2.5)
    again = timesheets.read(since=first.as_of, seen_until=MARCH, known=(line,))
    assert [(item.line_id, item.hours) for item in again.found] == [(line, Decimal("2.5"))]
    assert again.gone == []


def test_a_line_that_has_no_rate_is_read_again_with_the_job_title_of_now(
    timesheets: Timesheets, firm: Firm
) -> None:
    """Issue 11, number 11: the correction changes the employee, and no timesheet line."""
    line, other = timesheets.log("dev", "3"), timesheets.log("dev", "4")
    first = timesheets.read()
    assert first.as_of is not None
    quiet: dict[str, Any] = {"since": first.as_of + LATER, "seen_until": MARCH}
    employee = timesheets.employee("Petra Developer")
    firm.odoo.write("hr.employee", [employee], {"job_title": "Architect"})
    try:
        again = timesheets.read(**quiet, known=(line, other), again=(line,))
    finally:
        firm.odoo.write("hr.employee", [employee], {"job_title": "Developer"})
    assert [(item.line_id, item.role) for item in again.found] == [(line, "Architect")]
    assert timesheets.read(**quiet, known=(line, other)).found == []


def test_a_late_approval_is_news(timesheets: Timesheets) -> None:
    line = timesheets.log("dev", "3", approved=False)
    before = timesheets.read()
    assert before.found == []
    timesheets.change(line, **{APPROVED_FIELD: True})
    since = datetime.now(UTC) - timedelta(minutes=1)
    late = timesheets.read(until=APRIL, since=since, seen_until=MARCH)
    assert [(item.line_id, item.on) for item in late.found] == [(line, date(2026, 3, 10))]


def test_what_was_billed_and_is_billable_no_more_is_gone(timesheets: Timesheets) -> None:
    kept, moved_day, deleted, unapproved, moved, given_away = (
        timesheets.log("dev", str(hours)) for hours in range(1, 7)
    )
    known = (kept, moved_day, deleted, unapproved, moved, given_away)
    timesheets.pm.call("account.analytic.line", "unlink", [deleted])
    timesheets.change(moved_day, date="2026-05-05")
    timesheets.change(unapproved, **{APPROVED_FIELD: False})
    timesheets.change(moved, task_id=timesheets.made.tasks["design"])
    timesheets.change(given_away, task_id=timesheets.made.tasks["support"])
    reading = timesheets.read(known=known)
    assert reading.gone == [deleted, unapproved, moved]
    plans = {item.line_id: item.plan for item in reading.found}
    assert plans == {kept: "dev", given_away: "support"}


def test_hours_on_a_sub_task_are_its_plan_s(timesheets: Timesheets) -> None:
    made = timesheets.made
    below = timesheets.pm.create(
        "project.task",
        [
            {
                "name": f"Part of {plan}",
                "project_id": made.project,
                "parent_id": made.tasks[plan],
                "sale_line_id": made.lines["dev"] if plan == "dev" else False,
            }
            for plan in ("dev", "support")
        ],
    )
    timesheets.log("dev", "1", task_id=below[0])
    timesheets.log("support", "2", task_id=below[1])
    plans = {item.hours: item.plan for item in timesheets.read().found}
    assert plans == {Decimal("1"): "dev", Decimal("2"): "support"}


def test_another_contract_s_hours_are_not_ours(firm: Firm, timesheets: Timesheets) -> None:
    other = Timesheets(firm, firm.confirmed(mixed()), timesheets.pm)
    theirs = other.log("dev", "5")
    assert timesheets.read(known=(theirs,)) == TimeReading(found=[], gone=[theirs])


def test_a_contract_without_hours_asks_odoo_nothing(timesheets: Timesheets) -> None:
    reading = timesheets.read(tasks={}, order_lines={}, known=(4711,))
    assert reading == TimeReading(found=[], gone=[4711])


# --- expenses -------------------------------------------------------------------------------


def test_approved_expenses_of_the_project(timesheets: Timesheets) -> None:
    train = timesheets.spend("121.35")
    timesheets.spend("50.00")  # not approved
    half = timesheets.spend("75.05", share=50)
    later = timesheets.spend("10.00", day="2026-04-01")
    for expense in (train, half, later):
        timesheets.approve(expense)
    reading = timesheets.spent()
    assert [(item.expense_id, item.cost) for item in reading.found] == [
        (train, eur("121.35")),
        (half, eur("37.53")),  # half a cent is rounded up
    ]
    first = reading.found[0]
    assert (first.plan, first.on, first.employee, first.description) == (
        "costs",
        date(2026, 3, 12),
        "Petra Developer",
        "Train 121.35",
    )
    assert timesheets.spent() == reading
    assert reading.as_of is not None
    rest = timesheets.spent(until=APRIL, since=reading.as_of + LATER, seen_until=MARCH)
    assert [item.expense_id for item in rest.found] == [later]


def test_an_expense_taken_back_is_gone(timesheets: Timesheets) -> None:
    expense, kept = timesheets.spend("20.00"), timesheets.spend("30.00")
    for item in (expense, kept):
        timesheets.approve(item)
    assert timesheets.spent(known=(expense, kept)).gone == []
    timesheets.pm.call("hr.expense", "action_reset", [expense])
    assert timesheets.spent(known=(expense, kept)).gone == [expense]


def test_an_expense_in_another_currency_counts_as_it_is_booked(timesheets: Timesheets) -> None:
    [dollar] = timesheets.firm.odoo.search_read("res.currency", [("name", "=", "USD")], ["id"])
    expense = timesheets.spend("110.00", currency_id=dollar["id"])
    timesheets.approve(expense)
    [euro] = timesheets.spent().found
    assert euro.cost == eur("100.00")  # 1.10 dollars a euro
    [as_paid] = timesheets.spent(currency="USD").found
    assert as_paid.cost == Money("110.00", "USD")
    refusal = refused(lambda: timesheets.spent(currency="GBP"))
    assert (code(refusal), refusal.detail.value) == ("expense_currency", "USD")
    assert str(expense) in refusal.detail.message
