"""Costs, working hours and utilization, by hand-made figures."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from contracts.analytics.work import (
    MONTHS,
    Employee,
    PersonMonth,
    ProjectMonth,
    months_until,
    spent,
    utilization,
    working_hours,
)
from contracts.calendar import BusinessCalendar

MAY = date(2026, 5, 1)
BELGIUM = BusinessCalendar(holidays=(date(2026, 5, 1), date(2026, 5, 14), date(2026, 5, 25)))


def test_costs_take_from_the_margin() -> None:
    row = spent(
        ProjectMonth(
            contract="C-1",
            project="Roll-out",
            customer="Acme",
            month=MAY,
            part="hours",
            amount=Decimal("-350.00"),
            books="EUR",
            hours=Decimal("3.3333333333"),
        )
    )
    assert (row.part, row.amount, row.hours) == ("hours", Decimal(-350), Decimal("3.3333"))


def test_the_months_are_the_present_one_and_a_year_before() -> None:
    months = months_until(date(2026, 2, 17))
    assert (len(months), months[0], months[-1]) == (MONTHS, date(2025, 2, 1), date(2026, 2, 1))


def test_working_hours_are_a_fifth_of_the_week_on_each_business_day() -> None:
    # May 2026 has 21 weekdays, of which three are holidays.
    assert working_hours(Decimal(40), MAY, date(2026, 6, 30), BELGIUM) == 18 * 8
    assert working_hours(Decimal("30.4"), MAY, date(2026, 5, 31), BELGIUM) == Decimal("109.44")
    assert working_hours(Decimal(40), MAY, date(2026, 5, 7), BELGIUM) == 4 * 8
    assert working_hours(Decimal(40), MAY, date(2026, 5, 3), BELGIUM) == 0


def test_a_month_without_hours_is_one_of_the_employees_months() -> None:
    petra = Employee(
        1, "Petra", "petra@northwind.example", "Developer", Decimal(40), date(2020, 1, 1)
    )
    hours = {MAY: PersonMonth(worked=Decimal(150), billable=Decimal(120), billed=Decimal("80.5"))}
    rows = list(utilization(petra, hours, date(2026, 5, 31), BELGIUM))
    assert [row.month for row in rows] == months_until(MAY)
    may = rows[-1]
    assert (may.employee, may.role, may.working_hours) == ("Petra", "Developer", Decimal(144))
    assert (may.worked_hours, may.billable_hours) == (Decimal(150), Decimal(120))
    assert may.billed_hours == Decimal("80.5")
    assert rows[0].worked_hours == 0


def test_who_left_or_came_later_has_the_months_with_hours() -> None:
    hours = {date(2026, 2, 1): PersonMonth(worked=Decimal(8))}
    came = Employee(1, "Ada", "", "", Decimal(40), date(2026, 4, 17))
    left = Employee(2, "Max", "", "", Decimal(40), date(2020, 1, 1), is_active=False)
    for employee, months in ((came, [2, 4, 5]), (left, [2])):
        rows = utilization(employee, hours, date(2026, 5, 31), BELGIUM)
        assert [row.month for row in rows] == [date(2026, month, 1) for month in months]


def test_who_has_no_schedule_has_no_working_hours() -> None:
    free = Employee(1, "Fred", "", "", None, date(2020, 1, 1))
    assert {row.working_hours for row in utilization(free, {}, MAY, BELGIUM)} == {None}
