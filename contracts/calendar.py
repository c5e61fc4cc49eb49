"""Business days of a legal entity: which days count, and when its day is."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from contracts.model import Value

SATURDAY = 5
OFFICE_OPENS = time(9, 0)
"""When reminders and escalations go out, in the legal entity's zone."""


class BusinessCalendar(Value):
    """Working days of a legal entity: Monday to Friday less its public holidays.

    `holidays` is data, looked up once when a policy is frozen, so that a workflow replays the
    same whatever holiday tables a later release carries.
    """

    time_zone: str = "UTC"
    holidays: tuple[date, ...] = ()

    def is_business_day(self, day: date) -> bool:
        return day.weekday() < SATURDAY and day not in self.holidays

    def next_business_day(self, day: date) -> date:
        """The day itself if it is one, else the first one after it."""
        while not self.is_business_day(day):
            day += timedelta(days=1)
        return day

    def add_business_days(self, day: date, count: int) -> date:
        """The `count`-th business day after `day`; for 0, `day` or the next business day."""
        result = self.next_business_day(day) if count == 0 else day
        for _ in range(count):
            result = self.next_business_day(result + timedelta(days=1))
        return result

    def today(self, now: datetime) -> date:
        """The calendar date at `now` (aware) in the legal entity's zone."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def begins(self, day: date) -> datetime:
        """When `day` begins, as an aware UTC time."""
        return datetime.combine(day, time.min, ZoneInfo(self.time_zone)).astimezone(UTC)

    def opening(self, day: date) -> datetime:
        """When business opens on `day`, as an aware UTC time."""
        return datetime.combine(day, OFFICE_OPENS, ZoneInfo(self.time_zone)).astimezone(UTC)
