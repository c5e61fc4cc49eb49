"""Harvest, held to the conformance kit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, ClassVar, Self

import pytest

from gateways.timesheets.harvest import CONNECTOR, api
from gateways.timesheets.protocol import Timesheets
from sandbox.conformance.remote import Answer
from sandbox.conformance.serving import served
from sandbox.conformance.timesheets import MONDAY, TimesheetConformance, TimesheetRemote, all_worked
from sandbox.harvest import HarvestStore, harvest_app
from sandbox.proxy import Request

TOKEN, WRONG, ACCOUNT = "token-of-the-kit", "token-of-nobody", "1001"
PAGE = 20


class HarvestRemote(TimesheetRemote):
    connector = CONNECTOR
    page_size = PAGE
    cannot: ClassVar = {
        "end_sessions": "a token has no session",
        "without_setup": "an account needs nothing",
    }
    tells_deletions = False

    def __init__(self, address: str, store: HarvestStore) -> None:
        self._address, self.store = address, store
        self._petra = store.add_person("Petra Developer", "petra@northwind.example")

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        store = HarvestStore(TOKEN, ACCOUNT)
        with served(harvest_app(store)) as address:
            yield cls(address, store)

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        return {"url": address, "api_key": TOKEN, "account_id": ACCOUNT}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {**self.settings(address), "api_key": WRONG}

    def secrets(self) -> list[str]:
        return [TOKEN, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        body = json.dumps({"message": "Too many requests"}).encode()
        return Answer(429, {"Retry-After": str(seconds)}, body)

    @property
    def person_id(self) -> str:
        return str(self._petra)

    # --- what people do ---------------------------------------------------------------------------

    def log(self, hours: str, on: date, *, note: str = "") -> str:
        return str(self.store.log(self._petra, hours, str(on), notes=note))

    def approve(self, *entries: str) -> None:
        for entry in entries:
            self.store.approve(int(entry))

    def correct(self, entry: str, hours: str) -> None:
        self.store.change(int(entry), hours=hours)

    def withdraw(self, entry: str) -> None:
        self.store.withdraw(int(entry))

    def delete(self, entry: str) -> None:
        self.store.delete(int(entry))


class TestHarvest(TimesheetConformance[HarvestRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[HarvestRemote]:
        with pytest.MonkeyPatch.context() as patch, HarvestRemote.running() as remote:
            patch.setattr(api, "PAGE", PAGE)
            yield remote

    def test_a_timer_that_runs_has_no_hours_yet(
        self, remote: HarvestRemote, timesheets: Timesheets
    ) -> None:
        person = remote.store.add_person("Conrad Consultant", "conrad@northwind.example")
        running = remote.store.log(person, "1", str(MONDAY), is_running=True)
        done = remote.store.log(person, "1", str(MONDAY))
        found = all_worked(timesheets, MONDAY, MONDAY)
        assert str(running) not in found
        assert found[str(done)].email == "conrad@northwind.example"

    def test_a_token_that_sees_its_owner_s_hours_only_is_named(
        self, remote: HarvestRemote, timesheets: Timesheets
    ) -> None:
        remote.store.sees_others = False
        try:
            [problem] = timesheets.missing_setup()
        finally:
            remote.store.sees_others = True
        assert (problem.code, problem.field) == ("time_access_limited", "api_key")
