"""A stand-in for Harvest: time entries, people, pages and limits.

Written from Harvest's documentation; no client of it is maintained that could judge. It is a model
of what we use, no more: what people do there is said by `log`, `approve`, `withdraw`, `change` and
`delete`.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from threading import RLock
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.endpoints import ApiError, endpoint

Json = dict[str, Any]

MOST_A_PAGE = 2_000
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class HarvestError(ApiError):
    """An error as Harvest answers it."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message}
        self.headers = {key.replace("_", "-"): value for key, value in headers.items()}


class HarvestStore:
    """One account, in memory. Thread-safe. `calls_left` is what is left of the calls of 15 seconds;
    None: no limit. `sees_others`: whether the token is an administrator's."""

    def __init__(
        self,
        token: str = "",
        account_id: str = "1001",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.token = token or secrets.token_hex(32)
        self.account_id = account_id
        self.calls_left: int | None = None
        self.sees_others = True
        self.now = now
        self._people: dict[int, Json] = {}
        self._entries: dict[int, Json] = {}
        # Accounts share one sequence in Harvest: no two of them ever have an entry of the same id.
        self._next_id = 635_000_000 + 10_000 * secrets.randbelow(100_000)
        self._lock = RLock()

    # --- what people do ---------------------------------------------------------------------------

    def add_person(self, name: str, email: str) -> int:
        first, _, last = name.partition(" ")
        with self._lock:
            user_id = 1_782_000 + len(self._people)
            self._people[user_id] = {
                "id": user_id,
                "first_name": first,
                "last_name": last,
                "email": email,
                "is_active": True,
                "access_roles": ["member"],
            }
        return user_id

    def set_email(self, person: int, email: str) -> None:
        with self._lock:
            self._people[person] = {**self._people[person], "email": email}

    def log(
        self,
        person: int,
        hours: str,
        on: str,
        *,
        project: int = 14_307_913,
        task: int = 8_083_365,
        notes: str | None = "",
        is_closed: bool = False,
        is_running: bool = False,
    ) -> int:
        """Somebody logs hours, which are text so that they stay as they are written."""
        user = self._people[person]
        with self._lock:
            self._next_id += 1
            entry = {
                "id": self._next_id,
                "spent_date": on,
                "user": {"id": person, "name": f"{user['first_name']} {user['last_name']}"},
                "client": {"id": 5_735_776, "name": "Acme"},
                "project": {"id": project, "name": f"Project {project}", "code": "P"},
                "task": {"id": task, "name": f"Task {task}"},
                "hours": hours,
                "rounded_hours": hours,
                "notes": notes,
                "is_locked": is_closed,
                "is_closed": is_closed,
                "is_billed": False,
                "is_running": is_running,
                "billable": True,
                "created_at": self._stamp(),
                "updated_at": self._stamp(),
            }
            self._entries[self._next_id] = entry
            return self._next_id

    def approve(self, entry_id: int) -> None:
        """A manager approves the timesheet that the entry is in."""
        self.change(entry_id, is_closed=True, is_locked=True)

    def withdraw(self, entry_id: int) -> None:
        """The manager takes the approval back."""
        self.change(entry_id, is_closed=False, is_locked=False)

    def change(self, entry_id: int, **values: Any) -> None:
        """The entry is edited."""
        with self._lock:
            entry = self._entries[entry_id]
            self._entries[entry_id] = {**entry, **values, "updated_at": self._stamp()}

    def delete(self, entry_id: int) -> None:
        """It is gone, and nothing says so."""
        with self._lock:
            del self._entries[entry_id]

    def clear(self) -> None:
        """No entry is left; people stay."""
        with self._lock:
            self._entries.clear()

    # --- what the API reads -----------------------------------------------------------------------

    def entries(self, since: str, first: str, last: str) -> list[Json]:
        """The entries that were updated since, of these days; what is empty does not narrow."""
        with self._lock:
            every = list(self._entries.values())
        found = [
            item
            for item in every
            if (not since or item["updated_at"] >= _seconds(since))
            and (not first or item["spent_date"] >= first)
            and (not last or item["spent_date"] <= last)
        ]
        return sorted(found, key=lambda item: (item["spent_date"], item["id"]), reverse=True)

    def people(self) -> list[Json]:
        with self._lock:
            return list(self._people.values())

    def own_user(self) -> Json:
        roles = ["administrator"] if self.sees_others else ["member"]
        return {"id": 1, "first_name": "C", "last_name": "2C", "access_roles": roles}

    def count(self) -> None:
        """Raises HarvestError for a call beyond the limit."""
        with self._lock:
            if self.calls_left is None:
                return
            if self.calls_left <= 0:
                raise HarvestError(429, "Too many requests", Retry_After="15")
            self.calls_left -= 1

    def _stamp(self) -> str:
        return self.now().astimezone(UTC).strftime(_FORMAT)


def _seconds(text: str) -> str:
    """A time of a question as the records have theirs."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime(_FORMAT)


# --- HTTP -----------------------------------------------------------------------------------------


def harvest_app(store: HarvestStore) -> Starlette:
    """The API of version 2."""

    route = partial(endpoint, store, _check)
    return Starlette(
        routes=[
            route("/v2/time_entries", _time_entries),
            route("/v2/users/me", _own_user),
            route("/v2/users", _users),
        ]
    )


def _check(store: HarvestStore, request: Request) -> None:
    """A token, an account, and the name of the application, which Harvest insists on."""
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {store.token}".encode()):
        raise HarvestError(401, "The access token is invalid")
    if request.headers.get("harvest-account-id") != store.account_id:
        raise HarvestError(403, "No access to this account")
    if not request.headers.get("user-agent"):
        raise HarvestError(400, "A User-Agent header is required")


async def _time_entries(store: HarvestStore, request: Request) -> Response:
    query = request.query_params
    found = store.entries(
        query.get("updated_since", ""), query.get("from", ""), query.get("to", "")
    )
    return _page(request, "time_entries", found)


async def _users(store: HarvestStore, request: Request) -> Response:
    return _page(request, "users", store.people())


async def _own_user(store: HarvestStore, request: Request) -> Response:
    return JSONResponse(store.own_user())


def _page(request: Request, name: str, records: list[Json]) -> Response:
    """A page behind the record that its cursor names, and the address of the next one."""
    query = dict(request.query_params)
    size = int(query.get("per_page", "2000"))
    if not 1 <= size <= MOST_A_PAGE:
        raise HarvestError(422, "per_page must be between 1 and 2000")
    ids = [item["id"] for item in records]
    start = _behind(query.get("cursor", ""), ids)
    some = records[start : start + size]
    following = None
    if start + size < len(records):
        query["cursor"] = base64.urlsafe_b64encode(str(some[-1]["id"]).encode()).decode()
        following = str(request.url.replace_query_params(**query))
    body = {
        name: some,
        "per_page": size,
        "total_entries": len(records),
        "links": {"first": str(request.url), "next": following, "previous": None},
    }
    return Response("".join(_written(body)), media_type="application/json")


def _behind(cursor: str, ids: list[int]) -> int:
    if not cursor:
        return 0
    last = int(base64.urlsafe_b64decode(cursor))
    return ids.index(last) + 1 if last in ids else len([item for item in ids if item > last])


def _written(body: Json) -> Iterator[str]:
    """JSON in which hours are numbers as they were written: no float has touched them."""
    marked = json.dumps(body)
    parts = marked.split('hours": "')
    yield parts[0]
    for part in parts[1:]:
        number, _, rest = part.partition('"')
        yield f'hours": {number}{rest}'
