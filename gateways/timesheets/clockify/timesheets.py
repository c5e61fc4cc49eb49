"""Clockify's approval requests as logged time.

An entry is approved by its request. Once that is withdrawn, its entries may be edited and submitted
again, with another request: an entry says which request it belongs to now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.model import JsonObject
from contracts.problems import Problem
from contracts.timesheets.entries import (
    MAX_NAME,
    MAX_NOTE,
    LoggedTime,
    LoggedTimes,
    UnreadableTime,
    hours_of,
    short,
)
from gateways import errors
from gateways.errors import GatewayError
from gateways.timesheets.clockify.api import ClockifyApi, Page
from gateways.timesheets.people import Emails
from gateways.timesheets.unreadable import unreadable

NO_PROJECT = "none"
"""What hours without a project count for, in the configuration."""
_APPROVED, _WITHDRAWN, _PENDING = "APPROVED", "WITHDRAWN_APPROVAL", "PENDING"
_STATES = (_WITHDRAWN, _PENDING, _APPROVED)
"""In this order: of an entry that comes twice, the later one counts."""
_WORK = (None, "REGULAR")
"""Breaks, holidays and time off are no hours of a project."""
_MAX_PAGES = 500
_Read: TypeAlias = LoggedTime | UnreadableTime
_A_DAY, _LONGEST = timedelta(days=1), timedelta(days=35)
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class Clockify:
    """One workspace as a time system."""

    def __init__(self, api: ClockifyApi, *, system: str, reads_deletions: bool = True) -> None:
        self._api = api
        self._system = system
        self._emails = Emails(self._all_emails)
        self._steps: dict[str, Callable[[datetime, int], LoggedTimes]] = {
            # In this order: what was withdrawn and approved again is approved.
            "withdrawn": lambda since, page: self._requests(_WITHDRAWN, since, page),
            "approved": lambda since, page: self._requests(_APPROVED, since, page),
        }
        if reads_deletions:
            self._steps["deleted"] = self._deleted

    @property
    def system(self) -> str:
        return self._system

    def close(self) -> None:
        self._api.close()

    def changed(self, since: datetime, after: str = "") -> LoggedTimes:
        names = list(self._steps)
        name, _, page = (after or f"{names[0]} 1").partition(" ")
        if name not in self._steps:
            # An earlier sweep ended where it read deletions, which are read no more.
            return LoggedTimes(entries=[], as_of=datetime.now(UTC))
        found = self._steps[name](since.astimezone(UTC), int(page))
        return _in_steps(found, name, names)

    def worked(self, first: date, last: date, after: str = "") -> LoggedTimes:
        """Also what waits for its approval, or lost it: it is there still."""
        status, _, page = (after or f"{_STATES[0]} 1").partition(" ")
        answer = self._api.approval_requests(status, "START", int(page))
        entries = [
            entry
            for item in answer.records
            for entry in self._entries(item, is_approved=status == _APPROVED)
            if isinstance(entry, UnreadableTime) or first <= entry.on <= last
        ]
        # The latest begin comes first, and none is for longer than a month.
        starts = [self._time(item, "dateRange", "start").date() for item in answer.records]
        reaches = all(start >= first - _LONGEST for start in starts)
        found = self._logged(answer, entries, int(page), goes_on=reaches)
        return _in_steps(found, status, _STATES)

    def email(self, person_id: str) -> str:
        return self._emails.now(person_id)

    def missing_setup(self) -> list[Problem]:
        self._api.approval_requests(_APPROVED, "UPDATED_AT", 1, size=1)
        return []

    def ensure_setup(self) -> list[Problem]:
        return self.missing_setup()

    # --- pages ----------------------------------------------------------------------------------

    def _requests(self, status: str, since: datetime, page: int) -> LoggedTimes:
        answer = self._api.approval_requests(status, "UPDATED_AT", page)
        is_approved = status == _APPROVED
        entries = [
            entry
            for item in answer.records
            if self._time(item, "status", "updatedAt") >= since
            for entry in self._entries(item, is_approved=is_approved)
        ]
        reaches = all(self._time(it, "status", "updatedAt") >= since for it in answer.records)
        return self._logged(answer, entries, page, goes_on=reaches)

    def _deleted(self, since: datetime, page: int) -> LoggedTimes:
        answer = self._api.deleted(since, datetime.now(UTC) + _A_DAY, page)
        ids = [item.get("id") for item in answer.records]
        if not all(isinstance(item, str) and _ID.fullmatch(item) for item in ids):
            raise self._unexpected("a deleted time entry without an id")
        return self._logged(answer, [], page, goes_on=True).replace(deleted=ids)

    def _logged(
        self, answer: Page, entries: Sequence[_Read], page: int, *, goes_on: bool
    ) -> LoggedTimes:
        if page > _MAX_PAGES:
            raise self._unexpected(f"more than {_MAX_PAGES} pages")
        following = str(page + 1) if answer.has_more and goes_on else ""
        as_of = answer.as_of or datetime.now(UTC)
        return LoggedTimes.of(entries, as_of, following)

    def _all_emails(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for page in range(1, _MAX_PAGES + 1):
            answer = self._api.users(page)
            found |= {str(item.get("id")): str(item.get("email") or "") for item in answer.records}
            if not answer.has_more:
                return found
        raise self._unexpected(f"more than {_MAX_PAGES} pages of people")

    # --- entries --------------------------------------------------------------------------------

    def _entries(self, item: JsonObject, *, is_approved: bool) -> Iterator[_Read]:
        """The work of an approval request, as far as it still belongs to it."""
        request, entries = item.get("approvalRequest"), item.get("entries")
        if not isinstance(request, dict) or not isinstance(entries, list | None):
            raise self._unexpected("an approval request without its parts")
        for entry in entries or []:
            if not isinstance(entry, dict):
                raise self._unexpected("a time entry that is none")
            belongs = entry.get("approvalRequestId") in (None, request.get("id"))
            if belongs and entry.get("type") in _WORK:
                yield self._entry(request, entry, is_approved)

    def _entry(self, request: JsonObject, entry: JsonObject, is_approved: bool) -> _Read:
        owner, project, task = (
            _dict(request.get("owner")),
            _dict(entry.get("project")),
            _dict(entry.get("task")),
        )
        person = str(owner.get("userId") or "")
        start, end = (_moment(_of(entry, "timeInterval", name)) for name in ("start", "end"))
        try:
            if start is None or end is None:
                raise ValueError("timeInterval")
            return LoggedTime(
                entry_id=str(entry.get("id") or ""),
                person_id=person,
                person=short(owner.get("userName"), MAX_NAME),
                email=self._emails.of({person}).get(person, ""),
                project_id=str(project.get("id") or NO_PROJECT),
                project=short(project.get("name") or "without a project", MAX_NAME),
                task_id=str(task["id"]) if task.get("id") else None,
                task=short(task.get("name"), MAX_NAME),
                on=start.astimezone(ZoneInfo(str(owner.get("timeZone") or "UTC"))).date(),
                hours=hours_of(Decimal(str((end - start).total_seconds()))),
                note=short(entry.get("description"), MAX_NOTE),
                is_approved=is_approved,
                changed_at=_of(request, "status", "updatedAt"),
            )
        except (ValueError, ZoneInfoNotFoundError) as error:
            return unreadable(str(entry.get("id") or ""), error, str(error), self._unexpected)

    def _time(self, item: JsonObject, *path: str) -> datetime:
        """A time that an approval request must have."""
        found = _moment(_of(item, "approvalRequest", *path))
        if found is None:
            raise self._unexpected(f"an approval request without {'.'.join(path)}")
        return found

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"Clockify: {text}")


def _in_steps(found: LoggedTimes, step: str, steps: Sequence[str]) -> LoggedTimes:
    """A page of a step, with the mark of the page behind it: of the same step, or of the next."""
    if found.next:
        return found.replace(next=f"{step} {found.next}")
    following = steps[steps.index(step) + 1 :]
    return found.replace(next=f"{following[0]} 1" if following else "")


def _of(item: Any, *path: str) -> Any:
    for name in path:
        item = item.get(name) if isinstance(item, dict) else None
    return item


def _dict(item: Any) -> JsonObject:
    return item if isinstance(item, dict) else {}


def _moment(text: Any) -> datetime | None:
    """An aware time; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
