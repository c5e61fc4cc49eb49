"""Which weeks are compared, and whose hours are paid."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, cast

import pytest

from activities.failures import BusinessRefusal
from activities.odoo.catalogue import Catalogue
from activities.odoo.payroll import approved_time
from activities.timesheets import DAYS_AT_ONCE, OpenDays, TimesheetActivities, TimeSystem
from contracts.timesheets.mapping import TimeMapping
from contracts.timesheets.payroll import Period
from gateways.odoo import OdooClient
from gateways.timesheets.protocol import Timesheets


def weeks(today: date, open_days: int) -> list[date]:
    system = TimeSystem(
        gateway=cast(Timesheets, None),
        legal_entity="northwind",
        company="Northwind",
        mapping=TimeMapping(),
        open_days=open_days,
    )
    logged = TimesheetActivities(
        {"harvest": system}, cast(OdooClient, None), cast(Catalogue, None), "x_approved"
    )
    return logged.open_weeks(OpenDays(system="harvest", today=today)).weeks


@pytest.mark.parametrize("open_days", [1, 7, 45])
def test_a_week_is_the_same_one_on_each_day_that_it_is_compared(open_days: int) -> None:
    """What waits for a person is named by it: it must not be another one each night."""
    days = [date(2026, 10, 1) + timedelta(days=number) for number in range(28)]
    found = {today: weeks(today, open_days) for today in days}
    for today, firsts in found.items():
        assert firsts[0] <= today - timedelta(days=open_days)
        assert firsts[-1] <= today < firsts[-1] + timedelta(days=DAYS_AT_ONCE)
        assert {first.weekday() for first in firsts} == {0}
        assert len(firsts) <= (open_days + 6) // DAYS_AT_ONCE + 1


class NobodyInOdoo:
    def search_read(self, model: str, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return []


def test_a_company_without_employees_is_no_month_without_hours() -> None:
    """To the payroll's files it would look as if everything was taken back."""
    odoo, october = cast(OdooClient, NobodyInOdoo()), Period(year=2026, month=10)
    with pytest.raises(BusinessRefusal) as refused:
        approved_time(odoo, 1, "x_approved", october)
    assert refused.value.detail.code == "payroll_without_employees"
