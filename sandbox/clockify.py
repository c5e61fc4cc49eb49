"""A stand-in for Clockify: approval requests with their entries, people, what was deleted, and
webhooks.

Held to clockify-python-115, a client by others (tests/unit/test_clockify.py). It is a model of what
we use, no more: what people do there is said by `log`, `approve`, `withdraw` and `delete`.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import RLock
from typing import Any
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.endpoints import ApiError, endpoint

Json = dict[str, Any]

APPROVED, WITHDRAWN, PENDING = "APPROVED", "WITHDRAWN_APPROVAL", "PENDING"
_LISTED = (PENDING, APPROVED, WITHDRAWN)
_COLUMNS = ("ID", "USER_ID", "START", "UPDATED_AT")


class ClockifyError(ApiError):
    """An error as Clockify answers it."""

    def __init__(self, status: int, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "code": code}
        self.headers = {key.replace("_", "-"): value for key, value in headers.items()}


class ClockifyStore:
    """One workspace, in memory. Thread-safe. `calls_left` is what is left of a second's calls;
    None: no limit."""

    def __init__(
        self,
        api_key: str = "",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.api_key = api_key or secrets.token_hex(24)
        self.workspace_id = "64a687e29ae1f428e7ebe303"
        self.calls_left: int | None = None
        self.now = now
        self._people: dict[str, Json] = {}
        self._entries: dict[str, Json] = {}
        self._requests: dict[str, Json] = {}
        self._deleted: list[tuple[datetime, str]] = []
        self._lock = RLock()

    # --- what people do ---------------------------------------------------------------------------

    def add_person(self, name: str, email: str, time_zone: str = "Europe/Brussels") -> str:
        user_id = secrets.token_hex(12)
        with self._lock:
            self._people[user_id] = {
                "id": user_id,
                "name": name,
                "email": email,
                "status": "ACTIVE",
                "activeWorkspace": self.workspace_id,
                "defaultWorkspace": self.workspace_id,
                "settings": {
                    "timeZone": time_zone,
                    "dateFormat": "YYYY-MM-DD",
                    "timeFormat": "HOUR24",
                },
            }
        return user_id

    def log(
        self,
        person: str,
        hours: str,
        on: str,
        *,
        project: str | None = "5b641568b07987035750505e",
        task: str | None = None,
        description: str = "",
        kind: str = "REGULAR",
        starts: str = "09:00",
    ) -> str:
        """Somebody works so many hours on a day, from that time of where they are."""
        zone = ZoneInfo(self._people[person]["settings"]["timeZone"])
        start = datetime.fromisoformat(f"{on}T{starts}").replace(tzinfo=zone)
        entry_id = secrets.token_hex(12)
        with self._lock:
            self._entries[entry_id] = {
                "id": entry_id,
                "userId": person,
                "description": description,
                "billable": True,
                "type": kind,
                "isLocked": False,
                "tags": [],
                "approvalRequestId": None,
                "project": {"id": project, "name": f"Project {project}"} if project else None,
                "task": {"id": task, "name": f"Task {task}"} if task else None,
                "timeInterval": _interval(start, hours),
            }
        return entry_id

    def approve(self, *entries: str) -> str:
        """Somebody's entries are submitted together and approved; the request's id."""
        with self._lock:
            request_id = self.submit(*entries)
            self._set(request_id, APPROVED)
        return request_id

    def submit(self, *entries: str) -> str:
        """Somebody's entries are submitted together, and wait for their approval."""
        request_id = secrets.token_hex(12)
        with self._lock:
            some = [self._entries[entry] for entry in entries]
            for entry in some:
                entry["approvalRequestId"], entry["isLocked"] = request_id, True
            starts = sorted(entry["timeInterval"]["start"] for entry in some)
            ends = sorted(entry["timeInterval"]["end"] for entry in some)
            owner = self._people[some[0]["userId"]]
            self._requests[request_id] = {
                "id": request_id,
                "entries": list(entries),
                "dateRange": {"start": starts[0], "end": ends[-1]},
                "owner": owner["id"],
                "status": {},
            }
            self._set(request_id, PENDING)
        return request_id

    def withdraw(self, request_id: str) -> None:
        """The approval is taken back: the entries may be edited again."""
        with self._lock:
            for entry in self._requests[request_id]["entries"]:
                if entry in self._entries:
                    self._entries[entry]["isLocked"] = False
            self._set(request_id, WITHDRAWN)

    def change(self, entry_id: str, *, hours: str | None = None, **values: Any) -> None:
        """An entry that is not locked is edited."""
        with self._lock:
            entry = self._entries[entry_id]
            if hours is not None:
                start = datetime.fromisoformat(entry["timeInterval"]["start"])
                values["timeInterval"] = _interval(start, hours)
            self._entries[entry_id] = {**entry, **values}

    def delete(self, entry_id: str) -> None:
        """It is gone: from its request, too."""
        with self._lock:
            del self._entries[entry_id]
            self._deleted.append((self.now(), entry_id))

    def _set(self, request_id: str, state: str) -> None:
        self._requests[request_id]["status"] = {
            "state": state,
            "note": "",
            "updatedAt": _moment(self.now()),
            "updatedBy": "manager",
            "updatedByUserName": "Maria Manager",
        }

    # --- what the API reads -----------------------------------------------------------------------

    def requests(self, status: str, column: str, order: str) -> list[Json]:
        """Approval requests of that status, in the order of a column."""
        if (status and status not in _LISTED) or column not in _COLUMNS:
            raise ClockifyError(400, 501, "status or sort-column is wrong")
        keys: dict[str, Callable[[Json], str]] = {
            "ID": lambda item: str(item["id"]),
            "USER_ID": lambda item: str(item["owner"]),
            "START": lambda item: str(item["dateRange"]["start"]),
            "UPDATED_AT": lambda item: str(item["status"]["updatedAt"]),
        }
        with self._lock:
            found = [
                item
                for item in self._requests.values()
                if not status or item["status"]["state"] == status
            ]
            found.sort(key=keys[column], reverse=order == "DESCENDING")
            return [self._shown(item) for item in found]

    def _shown(self, item: Json) -> Json:
        owner = self._people[item["owner"]]
        entries = [self._entries[entry] for entry in item["entries"] if entry in self._entries]
        return {
            "approvalRequest": {
                "id": item["id"],
                "workspaceId": self.workspace_id,
                "type": "TIMESHEET",
                "dateRange": item["dateRange"],
                "owner": {
                    "userId": owner["id"],
                    "userName": owner["name"],
                    "timeZone": owner["settings"]["timeZone"],
                    "startOfWeek": "MONDAY",
                },
                "creator": {
                    "userId": owner["id"],
                    "userName": owner["name"],
                    "userEmail": owner["email"],
                },
                "status": item["status"],
            },
            "entries": [
                {key: value for key, value in entry.items() if key != "userId"} for entry in entries
            ],
            "expenses": [],
            "trackedTime": "PT0S",
        }

    def deleted(self, start: str, end: str) -> list[Json]:
        first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
        with self._lock:
            return [
                {"id": entry, "documentCode": "TIME_ENTRY"}
                for at, entry in self._deleted
                if first <= at <= last
            ]

    def people(self) -> list[Json]:
        with self._lock:
            return list(self._people.values())

    # --- webhooks ---------------------------------------------------------------------------------

    def webhook(self, request_id: str) -> bytes:
        """What is posted when the status of a request changed."""
        with self._lock:
            return json.dumps(self._shown(self._requests[request_id])["approvalRequest"]).encode()

    def count(self) -> None:
        """Raises ClockifyError for a call beyond the limit."""
        with self._lock:
            if self.calls_left is None:
                return
            if self.calls_left <= 0:
                raise ClockifyError(429, 429, "Too many requests")
            self.calls_left -= 1


def _interval(start: datetime, hours: str) -> Json:
    seconds = int(Decimal(hours) * 3_600)
    return {
        "start": _moment(start),
        "end": _moment(start + timedelta(seconds=seconds)),
        "duration": f"PT{seconds}S",
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


# --- HTTP -----------------------------------------------------------------------------------------


def clockify_app(store: ClockifyStore) -> Starlette:
    """The API of version 1, below /api."""

    route = partial(endpoint, store, _check)
    return Starlette(
        routes=[
            route("/api/v1/workspaces/{workspace}/approval-requests", _approval_requests),
            route("/api/v1/workspaces/{workspace}/entities/deleted", _deleted),
            route("/api/v1/workspaces/{workspace}/users", _users),
        ]
    )


def _check(store: ClockifyStore, request: Request) -> None:
    given = request.headers.get("x-api-key", "")
    if not hmac.compare_digest(given.encode(), store.api_key.encode()):
        raise ClockifyError(401, 4003, "Api key does not exist")
    if request.path_params["workspace"] != store.workspace_id:
        raise ClockifyError(403, 403, "Access denied")


async def _approval_requests(store: ClockifyStore, request: Request) -> Response:
    query = request.query_params
    found = store.requests(
        query.get("status", ""),
        query.get("sort-column", "ID"),
        query.get("sort-order", "ASCENDING"),
    )
    return _page(found, query.get("page", "1"), query.get("page-size", "50"), most=200)


async def _users(store: ClockifyStore, request: Request) -> Response:
    query = request.query_params
    return _page(store.people(), query.get("page", "1"), query.get("page-size", "50"), most=5_000)


async def _deleted(store: ClockifyStore, request: Request) -> Response:
    query = request.query_params
    if query.getlist("type") != ["TIME_ENTRY"]:
        raise ClockifyError(400, 501, "type is required")
    found = store.deleted(query["start"], query["end"])
    return _page(found, query.get("page", "1"), query.get("limit", "50"), most=5_000)


def _page(records: list[Json], page: str, size: str, *, most: int) -> Response:
    number, count = int(page), int(size)
    if number < 1 or not 1 <= count <= most:
        raise ClockifyError(400, 501, f"page-size must be between 1 and {most}")
    some = records[(number - 1) * count : number * count]
    headers = {"Last-Page": str(number * count >= len(records)).lower()}
    return JSONResponse(some, headers=headers)
