"""Harvest's time entries as logged time. `is_closed` is what its timesheet approval sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from contracts.model import JsonObject
from contracts.problems import Problem
from contracts.timesheets.entries import (
    MAX_NAME,
    MAX_NOTE,
    LoggedTime,
    LoggedTimes,
    UnreadableTime,
    rounded_hours,
    short,
)
from gateways import errors
from gateways.errors import GatewayError
from gateways.timesheets.harvest.api import HarvestApi
from gateways.timesheets.people import Emails
from gateways.timesheets.unreadable import unreadable

_MAX_PAGES_OF_USERS = 20
_SEES_OTHERS = frozenset({"administrator", "manager"})


class Harvest:
    """One account as a time system. Harvest tells nobody of what was deleted: that is found by
    reading days again."""

    def __init__(self, api: HarvestApi, *, system: str) -> None:
        self._api = api
        self._system = system
        self._emails = Emails(self._all_emails)

    @property
    def system(self) -> str:
        return self._system

    def close(self) -> None:
        self._api.close()

    def changed(self, since: datetime, after: str = "") -> LoggedTimes:
        at = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._read({"updated_since": at}, after)

    def worked(self, first: date, last: date, after: str = "") -> LoggedTimes:
        return self._read({"from": str(first), "to": str(last)}, after)

    def email(self, person_id: str) -> str:
        return self._emails.now(person_id)

    def missing_setup(self) -> list[Problem]:
        roles = self._api.own_user().get("access_roles")
        if not isinstance(roles, list):
            raise self._unexpected("a user without access_roles")
        if _SEES_OTHERS & set(map(str, roles)):
            return []
        expected = "the token of an administrator: it sees the hours of everybody"
        return [Problem(code="time_access_limited", field="api_key", expected=expected)]

    def ensure_setup(self) -> list[Problem]:
        return self.missing_setup()

    def _read(self, asked: Mapping[str, str], after: str) -> LoggedTimes:
        page = self._api.time_entries(json.loads(after) if after else asked)
        emails = self._emails.of({_id(item.get("user")) for item in page.records})
        # A running timer has no hours yet.
        found = [item for item in page.records if item.get("is_running") is not True]
        return LoggedTimes.of(
            (self._entry(item, emails) for item in found),
            page.as_of or datetime.now(UTC),
            json.dumps(page.next) if page.next else "",
        )

    def _all_emails(self) -> dict[str, str]:
        found: dict[str, str] = {}
        params: dict[str, str] = {}
        for _ in range(_MAX_PAGES_OF_USERS):
            page = self._api.users(params)
            found |= {_id(item): str(item.get("email") or "") for item in page.records}
            params = page.next
            if not params:
                return found
        raise self._unexpected(f"more than {_MAX_PAGES_OF_USERS} pages of people")

    def _entry(self, item: JsonObject, emails: Mapping[str, str]) -> LoggedTime | UnreadableTime:
        user, project, task = item.get("user"), item.get("project"), item.get("task")
        try:
            return LoggedTime(
                entry_id=_id(item),
                person_id=_id(user),
                person=_name(user),
                email=emails.get(_id(user), ""),
                project_id=_id(project),
                project=_name(project),
                task_id=_id(task) or None,
                task=_name(task),
                on=item.get("spent_date"),
                hours=rounded_hours(Decimal(item["hours"])),
                note=short(item.get("notes"), MAX_NOTE),
                is_approved=item.get("is_closed"),
                changed_at=item.get("updated_at"),
            )
        except (ValidationError, KeyError, TypeError, ArithmeticError) as error:
            return unreadable(_id(item), error, "hours", self._unexpected)

    def _unexpected(self, text: str) -> GatewayError:
        return errors.defect(self._system, "unexpected_answer", f"Harvest: {text}")


def _id(item: Any) -> str:
    found = item.get("id") if isinstance(item, dict) else None
    return str(found) if isinstance(found, int) else ""


def _name(item: Any) -> str:
    return short(item.get("name"), MAX_NAME) if isinstance(item, dict) else ""
