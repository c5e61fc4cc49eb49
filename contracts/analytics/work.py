"""What work cost and how much of it is billed: hours at cost, other costs, people's utilization.

Costs are in the currency of the legal entity's books, as Odoo has them: hours at the cost of the
employee when they were logged, expenses and vendors' bills without tax.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from contracts.analytics.columns import DECIMALS
from contracts.analytics.invoices import ZERO, month_of
from contracts.analytics.tables import Margin, Utilization
from contracts.calendar import BusinessCalendar

MONTHS = 13
"""How many months people's utilization is of: the present one, and a year before it."""
WORKING_DAYS = 5
"""Of a working week, which the hours of a week are spread over."""


@dataclass(frozen=True)
class ProjectMonth:
    """What was spent on a contract's project in a month; `amount` as Odoo has it, costs below 0."""

    contract: str
    project: str
    customer: str
    month: date
    part: str
    amount: Decimal
    books: str
    hours: Decimal = ZERO


@dataclass(frozen=True)
class Employee:
    """`week_hours` is a week of the person's working schedule; None without one. `since` is the
    day the employee was entered in Odoo; one who left is not active there."""

    id: int
    name: str
    email: str
    role: str
    week_hours: Decimal | None
    since: date
    is_active: bool = True

    def is_of(self, month: date) -> bool:
        """Whether the person belongs to the firm in a month, as far as anybody can tell."""
        return self.is_active and month >= month_of(self.since)

    def has_row(self, month: date, worked: Decimal) -> bool:
        """Whether a month is told: without hours only of who belongs to the firm then."""
        return self.is_of(month) or bool(worked)


@dataclass(frozen=True)
class PersonMonth:
    """Hours of an employee in a month, by whatever they were for."""

    worked: Decimal = ZERO
    billable: Decimal = ZERO
    billed: Decimal = ZERO


def spent(item: ProjectMonth) -> Margin:
    """A cost's share in the margin."""
    return Margin(
        contract=item.contract,
        project=item.project,
        customer=item.customer,
        month=item.month,
        part=item.part,
        amount=item.amount,
        books=item.books,
        hours=fitted(item.hours),
    )


def months_until(day: date, count: int = MONTHS) -> list[date]:
    """The first days of the month of `day` and of those before it, the oldest first."""
    last = day.year * 12 + day.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(last - count + 1, last + 1)]


def working_hours(week_hours: Decimal, month: date, until: date, days: BusinessCalendar) -> Decimal:
    """The hours of a working schedule in a month, up to a day of it: a fifth of the week's on each
    business day (Monday to Friday less public holidays)."""
    last = min(month.replace(day=calendar.monthrange(month.year, month.month)[1]), until)
    span = (month + timedelta(days=n) for n in range((last - month).days + 1))
    return fitted(week_hours / WORKING_DAYS * sum(days.is_business_day(day) for day in span))


def utilization(
    employee: Employee, months: Mapping[date, PersonMonth], day: date, days: BusinessCalendar
) -> Iterable[Utilization]:
    """An employee's months up to the day of the export. A month without hours is one, too, of who
    belongs to the firm: the working hours of all are what utilization is a share of."""
    for month in months_until(day):
        hours = months.get(month, PersonMonth())
        if not employee.has_row(month, hours.worked):
            continue
        week = employee.week_hours
        yield Utilization(
            employee=employee.name,
            email=employee.email,
            role=employee.role,
            month=month,
            working_hours=None if week is None else working_hours(week, month, day, days),
            worked_hours=fitted(hours.worked),
            billable_hours=fitted(hours.billable),
            billed_hours=fitted(hours.billed),
        )


def fitted(number: Decimal) -> Decimal:
    """A number with as many decimals as a column has."""
    return number.quantize(Decimal(1).scaleb(-DECIMALS))
