"""Tryton's timesheet lines behind the Timesheets protocol."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from pydantic import ValidationError

from c2c_tryton.api import TrytonApi, day, moment
from contracts.model import JsonObject
from contracts.problems import Problem
from contracts.timesheets.entries import (
    MAX_NAME,
    MAX_NOTE,
    LoggedTime,
    LoggedTimes,
    hours_of,
    short,
)
from gateways import errors
from gateways.fields import names

LINE, EMPLOYEE = "timesheet.line", "company.employee"
PAGE = 200
_FIELDS = names("""
    date duration description write_date create_date
    employee.party.name employee.party.email work.rec_name
""")


class TrytonTimesheets:
    """A time system. Thread-safe: it holds nothing but its connections."""

    def __init__(self, api: TrytonApi, *, system: str) -> None:
        self.system = system
        self._api = api

    def close(self) -> None:
        self._api.close()

    def changed(self, since: datetime, after: str = "") -> LoggedTimes:
        """See Timesheets. What was deleted leaves nothing."""
        at = moment(since)
        changed = [
            "OR",
            ["write_date", ">=", at],
            [["write_date", "=", None], ["create_date", ">=", at]],
        ]
        return self._page([changed], after, since)

    def worked(self, first: date, last: date, after: str = "") -> LoggedTimes:
        """See Timesheets."""
        days = [["date", ">=", day(first)], ["date", "<=", day(last)]]
        return self._page(days, after, None)

    def email(self, person_id: str) -> str:
        """See Timesheets."""
        key = [["id", "=", int(person_id) if person_id.isdigit() else 0]]
        found = self._api.search(EMPLOYEE, key, ["party.email"], limit=1)
        return str(found[0]["party."]["email"] or "") if found else ""

    def missing_setup(self) -> list[Problem]:
        """See Timesheets: it needs nothing but the right to read lines."""
        self._api.search(LINE, [], ["id"], limit=1)
        return []

    def ensure_setup(self) -> list[Problem]:
        """See Timesheets."""
        return self.missing_setup()

    def _page(self, domain: Sequence[object], after: str, since: datetime | None) -> LoggedTimes:
        beyond = ["id", ">", int(after or 0)]
        rows = self._api.search(LINE, [*domain, beyond], ["employee", "work", *_FIELDS], limit=PAGE)
        entries = [self._entry(row) for row in rows]
        as_of = self._api.as_of or since or datetime.now(UTC)
        following = "" if len(rows) < PAGE else str(rows[-1]["id"])
        return LoggedTimes(entries=entries, as_of=as_of, next=following)

    def _entry(self, row: JsonObject) -> LoggedTime:
        try:
            party, work = row["employee."]["party."], row["work."]
            return LoggedTime(
                entry_id=str(row["id"]),
                person_id=str(row["employee"]),
                person=short(party["name"], MAX_NAME),
                email=party["email"] or "",
                project_id=str(row["work"]),
                project=short(work["rec_name"], MAX_NAME),
                on=row["date"],
                hours=hours_of(Decimal(row["duration"])),
                note=short(row["description"], MAX_NOTE),
                is_approved=True,
                changed_at=row["write_date"] or row["create_date"],
            )
        except (ValidationError, KeyError, TypeError, ArithmeticError) as error:
            text = f"Tryton: timesheet line {row.get('id')} cannot be read ({error})"
            raise errors.defect(self.system, "unexpected_answer", text) from None
