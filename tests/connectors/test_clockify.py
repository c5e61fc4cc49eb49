"""Clockify, held to the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, ClassVar, Self

import pytest

from gateways.timesheets.clockify import CONNECTOR, SIGNATURE
from gateways.timesheets.clockify.api import REQUESTS
from gateways.timesheets.protocol import Timesheets
from sandbox.clockify import ClockifyStore, clockify_app
from sandbox.conformance.remote import Answer, Delivery
from sandbox.conformance.serving import served
from sandbox.conformance.timesheets import (
    MONDAY,
    TimesheetConformance,
    TimesheetRemote,
    all_worked,
    latest,
)
from sandbox.proxy import Request

KEY, WRONG = "key-of-the-kit", "key-of-nobody"


class ClockifyRemote(TimesheetRemote):
    connector = CONNECTOR
    page_size = REQUESTS
    # An empty list is what a workspace without hours answers.
    malformed = (b"", b"<html><body>Sign in</body></html>", b'{"cut', b'"text"', b"null", b"{}")
    cannot: ClassVar = {
        "end_sessions": "an API key has no session",
        "without_setup": "a workspace needs nothing",
    }

    def __init__(self, address: str, store: ClockifyStore) -> None:
        self._address, self.store = address, store
        self.petra = store.add_person("Petra Developer", "petra@northwind.example")
        self._request_of: dict[str, str] = {}

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        store = ClockifyStore(KEY)
        with served(clockify_app(store)) as address:
            yield cls(address, store)

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        return {
            "url": f"{address}/api",
            "api_key": KEY,
            "workspace_id": self.store.workspace_id,
        }

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {**self.settings(address), "api_key": WRONG}

    def secrets(self) -> list[str]:
        return [KEY, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        body = json.dumps({"message": "Too many requests", "code": 429}).encode()
        return Answer(429, {"Retry-After": str(seconds)}, body)

    def webhook(self, record_id: str, secret: str) -> Delivery:
        body = self.store.webhook(self._request_of[record_id])
        return Delivery(body, {"Content-Type": "application/json", SIGNATURE: secret})

    @property
    def person_id(self) -> str:
        return self.petra

    # --- what people do ---------------------------------------------------------------------------

    def log(self, hours: str, on: date, *, note: str = "") -> str:
        return self.store.log(self.petra, hours, str(on), description=note)

    def approve(self, *entries: str) -> None:
        request = self.store.approve(*entries)
        self._request_of |= dict.fromkeys(entries, request)

    def correct(self, entry: str, hours: str) -> None:
        """An approved entry is locked: its approval is taken back before."""
        self.withdraw(entry)
        self.store.change(entry, hours=hours)
        self.approve(entry)

    def withdraw(self, entry: str) -> None:
        self.store.withdraw(self._request_of[entry])

    def delete(self, entry: str) -> None:
        self.store.delete(entry)


class TestClockify(TimesheetConformance[ClockifyRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[ClockifyRemote]:
        with ClockifyRemote.running() as remote:
            yield remote

    def test_a_day_is_the_one_where_somebody_worked(
        self, remote: ClockifyRemote, timesheets: Timesheets
    ) -> None:
        store = remote.store
        far = store.add_person("Keiko Consultant", "keiko@northwind.example", "Asia/Tokyo")
        early = store.log(far, "2", str(MONDAY), starts="07:00")  # Sunday evening in UTC
        store.approve(early)
        assert early in all_worked(timesheets, MONDAY, MONDAY)
        assert early not in all_worked(
            timesheets, MONDAY - timedelta(days=1), MONDAY - timedelta(1)
        )

    def test_breaks_and_time_off_are_no_work(
        self, remote: ClockifyRemote, timesheets: Timesheets
    ) -> None:
        store, person = remote.store, remote.petra
        others = [
            store.log(person, "1", str(MONDAY), kind=kind)
            for kind in ("BREAK", "HOLIDAY", "TIME_OFF")
        ]
        work = store.log(person, "1", str(MONDAY), project=None)
        store.approve(*others, work)
        found = all_worked(timesheets, MONDAY, MONDAY)
        assert not set(others) & set(found)
        assert found[work].project_id == "none"

    def test_what_waits_for_its_approval_is_there_and_not_approved(
        self, remote: ClockifyRemote, timesheets: Timesheets
    ) -> None:
        withdrawn, edited = self.record(remote), self.record(remote)
        remote.withdraw(withdrawn)
        remote.withdraw(edited)
        remote.store.submit(edited)
        found = all_worked(timesheets, MONDAY, MONDAY)
        assert not found[withdrawn].is_approved
        assert not found[edited].is_approved

    def test_what_is_approved_again_is_not_taken_back(
        self, remote: ClockifyRemote, timesheets: Timesheets
    ) -> None:
        """Its first request stays listed as withdrawn."""
        entry = self.record(remote)
        remote.correct(entry, "5")
        since = remote.now() - timedelta(minutes=1)
        page = timesheets.changed(since)
        assert entry not in {item.entry_id for item in page.entries if not item.is_approved}
        assert latest(timesheets, since)[entry].is_approved
