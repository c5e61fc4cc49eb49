"""Business days: weekends, holidays, month ends, leap days and the nights the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import BusinessCalendar
from tests.unit.examples import FRIDAY, MONDAY, SATURDAY, SUNDAY, weekdays

days = st.dates(date(2024, 1, 1), date(2030, 12, 31))
calendars = st.builds(BusinessCalendar, holidays=st.lists(days, max_size=60).map(tuple))

easter = BusinessCalendar(
    time_zone="Europe/Brussels", holidays=(date(2026, 4, 6), date(2026, 5, 1))
)
"""Easter Monday and Labour Day, a Friday."""

year_end = BusinessCalendar(holidays=(date(2026, 12, 25), date(2027, 1, 1)))


def test_weekends_and_holidays_are_not_business_days() -> None:
    assert easter.is_business_day(MONDAY)
    assert easter.is_business_day(FRIDAY)
    assert not easter.is_business_day(SATURDAY)
    assert not easter.is_business_day(SUNDAY)
    assert not easter.is_business_day(date(2026, 4, 6))


@pytest.mark.parametrize(
    ("calendar", "day", "expected"),
    [
        (weekdays, MONDAY, MONDAY),
        (weekdays, SATURDAY, date(2026, 3, 9)),
        (weekdays, date(2026, 1, 31), date(2026, 2, 2)),  # a month's end, on a Saturday
        (easter, date(2026, 4, 4), date(2026, 4, 7)),  # over Easter
        (easter, date(2026, 5, 1), date(2026, 5, 4)),  # a holiday before a weekend
        (year_end, date(2027, 1, 1), date(2027, 1, 4)),
        (weekdays, date(2028, 2, 29), date(2028, 2, 29)),  # a leap day, on a Tuesday
    ],
)
def test_the_next_business_day(calendar: BusinessCalendar, day: date, expected: date) -> None:
    assert calendar.next_business_day(day) == expected


@pytest.mark.parametrize(
    ("calendar", "day", "count", "expected"),
    [
        (weekdays, MONDAY, 0, MONDAY),
        (weekdays, SATURDAY, 0, date(2026, 3, 9)),
        (weekdays, MONDAY, 1, date(2026, 3, 3)),
        (weekdays, FRIDAY, 1, date(2026, 3, 9)),
        (weekdays, SATURDAY, 1, date(2026, 3, 9)),
        (weekdays, MONDAY, 5, date(2026, 3, 9)),
        (weekdays, date(2028, 2, 28), 1, date(2028, 2, 29)),
        (weekdays, date(2028, 2, 29), 1, date(2028, 3, 1)),
        (weekdays, date(2027, 2, 26), 1, date(2027, 3, 1)),  # no leap year
        (weekdays, date(2026, 4, 30), 2, date(2026, 5, 4)),
        (easter, date(2026, 4, 3), 1, date(2026, 4, 7)),
        (easter, date(2026, 4, 30), 1, date(2026, 5, 4)),
        (year_end, date(2026, 12, 24), 5, date(2027, 1, 4)),
    ],
)
def test_counting_business_days(
    calendar: BusinessCalendar, day: date, count: int, expected: date
) -> None:
    assert calendar.add_business_days(day, count) == expected


@given(calendars, days)
def test_the_next_business_day_skips_none(calendar: BusinessCalendar, day: date) -> None:
    found = calendar.next_business_day(day)
    assert calendar.is_business_day(found)
    between = [day + timedelta(days=n) for n in range((found - day).days)]
    assert not any(map(calendar.is_business_day, between))


@given(calendars, days, st.integers(1, 30))
def test_so_many_business_days_lie_between(
    calendar: BusinessCalendar, day: date, count: int
) -> None:
    found = calendar.add_business_days(day, count)
    passed = [day + timedelta(days=n) for n in range(1, (found - day).days + 1)]
    assert sum(map(calendar.is_business_day, passed)) == count
    assert calendar.is_business_day(found)


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("UTC", "2026-03-02T23:59:59+00:00", "2026-03-02"),
        ("Europe/Brussels", "2026-03-02T22:59:59+00:00", "2026-03-02"),
        ("Europe/Brussels", "2026-03-02T23:00:00+00:00", "2026-03-03"),
        # The night the clocks go forward, and the one they go back.
        ("Europe/Brussels", "2026-03-28T22:59:59+00:00", "2026-03-28"),
        ("Europe/Brussels", "2026-03-29T22:00:00+00:00", "2026-03-30"),
        ("Europe/Brussels", "2026-10-24T21:59:59+00:00", "2026-10-24"),
        ("Europe/Brussels", "2026-10-25T22:59:59+00:00", "2026-10-25"),
        ("Pacific/Auckland", "2026-12-31T11:00:00+00:00", "2027-01-01"),
        ("America/Los_Angeles", "2028-03-01T07:59:59+00:00", "2028-02-29"),
        # Whatever zone the time itself is told in.
        ("UTC", "2026-03-03T00:30:00+01:00", "2026-03-02"),
    ],
)
def test_the_day_it_is_where_the_legal_entity_is(zone: str, now: str, expected: str) -> None:
    calendar = BusinessCalendar(time_zone=zone)
    assert calendar.today(datetime.fromisoformat(now)) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("day", "hour"),
    [
        (date(2026, 3, 27), 8),  # the last business day of winter time
        (date(2026, 3, 29), 7),  # the Sunday the clocks go forward
        (date(2026, 3, 30), 7),
        (date(2026, 10, 23), 7),
        (date(2026, 10, 25), 8),  # the Sunday they go back
        (date(2026, 10, 26), 8),
    ],
)
def test_business_opens_at_nine_by_the_clock_on_the_wall(day: date, hour: int) -> None:
    opening = weekdays.opening(day)
    assert opening == datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    assert opening.tzinfo is UTC


@given(days, st.sampled_from(["Europe/Brussels", "Pacific/Auckland", "America/St_Johns", "UTC"]))
def test_when_business_opens_it_is_that_day(day: date, zone: str) -> None:
    calendar = BusinessCalendar(time_zone=zone)
    opening = calendar.opening(day)
    assert calendar.today(opening) == day
    assert opening.astimezone(ZoneInfo(zone)).hour == 9


@given(calendars)
def test_a_calendar_survives_json(calendar: BusinessCalendar) -> None:
    assert BusinessCalendar.model_validate_json(calendar.model_dump_json()) == calendar
