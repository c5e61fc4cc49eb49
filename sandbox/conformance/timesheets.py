"""What the kit holds every time system to.

    class TestTempo(TimesheetConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def remote(cls): ...   # yields a TimesheetRemote

Each test logs hours of its own, so that one account serves them all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

import pytest

from contracts.events import ForTime, InboundEvent
from contracts.timesheets.entries import LoggedTime
from gateways.timesheets.protocol import Timesheets
from sandbox.conformance.gateway import Call, GatewayConformance
from sandbox.conformance.remote import NAME, Remote
from sandbox.conformance.webhooks import WebhookConformance

_DAY = timedelta(days=1)
_MOST_PAGES = 1_000
MONDAY = date(2026, 10, 5)


class TimesheetRemote(Remote):
    """A time system, and what people do there. Every method that takes hours takes them as text."""

    page_size: ClassVar[int]
    """The most entries, or groups of them, that one page of the connector holds."""
    tells_deletions: ClassVar[bool] = True
    """Whether `changed` has what was deleted."""

    @property
    @abstractmethod
    def person_id(self) -> str:
        """Petra's id there."""

    @abstractmethod
    def log(self, hours: str, on: date, *, note: str = "") -> str:
        """Petra (`petra@northwind.example`) logs hours of work on a project; returns the entry's
        id."""

    @abstractmethod
    def approve(self, *entries: str) -> None:
        """A manager approves these entries of Petra's; where a system knows no approval, nothing
        happens."""

    @abstractmethod
    def correct(self, entry: str, hours: str) -> None:
        """Hours are corrected and, where they have to be, approved again."""

    @abstractmethod
    def delete(self, entry: str) -> None:
        """An entry is deleted."""

    def withdraw(self, entry: str) -> None:
        """The manager takes the approval of this entry back."""
        raise NotImplementedError("withdraw, or why not in `cannot`")


R = TypeVar("R", bound=TimesheetRemote)


class TimesheetConformance(GatewayConformance[R], WebhookConformance[R]):
    """The tests of a connector of the group `c2c.timesheets`."""

    @pytest.fixture
    def timesheets(self, gateway: Any) -> Timesheets:
        found: Timesheets = gateway
        return found

    def calls(self, remote: R) -> Mapping[str, Call]:
        entry = self.record(remote)
        since = remote.now() - _DAY

        def changed(timesheets: Timesheets) -> object:
            return [item.entry_id for item in all_changed(timesheets, since)[0]]

        def worked(timesheets: Timesheets) -> object:
            found = all_worked(timesheets, MONDAY, MONDAY)
            assert entry in found
            return sorted(found)

        return {
            "changed": changed,
            "worked": worked,
            "email": lambda timesheets: timesheets.email(remote.person_id),
            "missing_setup": lambda timesheets: timesheets.missing_setup(),
        }

    # --- entries --------------------------------------------------------------------------------

    def test_an_approved_entry_says_who_worked_what_and_when(
        self, remote: R, timesheets: Timesheets
    ) -> None:
        entry = remote.log("7.25", MONDAY, note=" Wired the café’s  till ")
        remote.approve(entry)
        found = all_worked(timesheets, MONDAY, MONDAY)[entry]
        assert (found.on, found.hours) == (MONDAY, Decimal("7.25"))
        assert found.email == "petra@northwind.example"
        assert "Petra" in found.person
        assert found.person_id
        assert found.project_id
        assert found.note == "Wired the café’s till"
        assert found.is_approved
        assert abs(found.changed_at - remote.now()) < _DAY

    @pytest.mark.parametrize("hours", ["0.1", "0.25", "2.11", "10"])
    def test_hours_are_exact(self, remote: R, timesheets: Timesheets, hours: str) -> None:
        entry = remote.log(hours, MONDAY)
        remote.approve(entry)
        assert all_worked(timesheets, MONDAY, MONDAY)[entry].hours == Decimal(hours)

    def test_what_is_not_approved_does_not_say_it_is(
        self, remote: R, timesheets: Timesheets
    ) -> None:
        if remote.can("withdraw"):
            entry = remote.log("3", MONDAY)
            found = all_worked(timesheets, MONDAY, MONDAY).get(entry)
            assert found is None or not found.is_approved

    def test_other_days_are_not_asked_for(self, remote: R, timesheets: Timesheets) -> None:
        entry = self.record(remote)
        assert entry in all_worked(timesheets, MONDAY - _DAY, MONDAY)
        assert entry not in all_worked(timesheets, MONDAY + _DAY, MONDAY + 6 * _DAY)
        assert entry not in all_worked(timesheets, MONDAY - 6 * _DAY, MONDAY - _DAY)

    def test_a_person_has_an_address_and_nobody_has_none(
        self, remote: R, timesheets: Timesheets
    ) -> None:
        assert timesheets.email(remote.person_id) == "petra@northwind.example"
        assert timesheets.email("0") == ""

    # --- changes --------------------------------------------------------------------------------

    def test_approvals_and_corrections_are_changes(self, remote: R, timesheets: Timesheets) -> None:
        entry = self.record(remote)
        since = remote.now() - timedelta(minutes=1)
        assert latest(timesheets, since)[entry].hours == Decimal(8)
        remote.correct(entry, "6.5")
        found = latest(timesheets, since)[entry]
        assert (found.hours, found.is_approved) == (Decimal("6.5"), True)

    def test_an_approval_that_is_taken_back_is_a_change(
        self, remote: R, timesheets: Timesheets
    ) -> None:
        if remote.can("withdraw"):
            entry = self.record(remote)
            remote.withdraw(entry)
            since = remote.now() - timedelta(minutes=1)
            assert not latest(timesheets, since)[entry].is_approved
            remote.approve(entry)
            assert latest(timesheets, since)[entry].is_approved

    def test_what_is_deleted_is_told_or_missing(self, remote: R, timesheets: Timesheets) -> None:
        entry = self.record(remote)
        remote.delete(entry)
        assert entry not in all_worked(timesheets, MONDAY, MONDAY)
        if remote.tells_deletions:
            _, deleted = all_changed(timesheets, remote.now() - timedelta(minutes=1))
            assert entry in deleted

    def test_a_sweep_costs_what_changed(self, remote: R, timesheets: Timesheets) -> None:
        self.record(remote)
        found, deleted = all_changed(timesheets, remote.now() + _DAY)
        assert (found, deleted) == ([], [])

    def test_more_entries_than_a_page_holds_are_all_found(
        self, remote: R, timesheets: Timesheets
    ) -> None:
        made = {self.record(remote) for _ in range(remote.page_size + 2)}
        since, pages = remote.now() - timedelta(hours=1), 0
        found: set[str] = set()
        after = ""
        while True:
            page = timesheets.changed(since, after)
            pages, after = pages + 1, page.next
            assert page.as_of.tzinfo is not None
            found |= {item.entry_id for item in page.entries}
            if not after:
                break
        assert pages > 1
        assert made <= found
        assert made <= set(all_worked(timesheets, MONDAY, MONDAY))

    # --- webhooks -------------------------------------------------------------------------------

    def record(self, remote: R) -> str:
        entry = remote.log("8", MONDAY)
        remote.approve(entry)
        return entry

    def is_about(self, event: InboundEvent, record_id: str) -> bool:
        """It is a hint: what changed since shortly before is read."""
        task = event.task
        if not isinstance(task, ForTime):
            return False
        return task.system == NAME and timedelta() < event.received_at - task.since < _DAY


def all_changed(timesheets: Timesheets, since: datetime) -> tuple[list[LoggedTime], list[str]]:
    """The entries of all pages, and what was deleted."""
    found: list[LoggedTime] = []
    deleted: list[str] = []
    after = ""
    for _ in range(_MOST_PAGES):
        page = timesheets.changed(since, after)
        found += page.entries
        deleted += page.deleted
        after = page.next
        if not after:
            return found, deleted
    raise AssertionError(f"more than {_MOST_PAGES} pages")


def latest(timesheets: Timesheets, since: datetime) -> dict[str, LoggedTime]:
    """Each entry as the last of its pages says it."""
    return {item.entry_id: item for item in all_changed(timesheets, since)[0]}


def all_worked(timesheets: Timesheets, first: date, last: date) -> dict[str, LoggedTime]:
    """The entries of these days, by id."""
    found: dict[str, LoggedTime] = {}
    after = ""
    for _ in range(_MOST_PAGES):
        page = timesheets.worked(first, last, after)
        found |= {item.entry_id: item for item in page.entries}
        after = page.next
        if not after:
            return found
    raise AssertionError(f"more than {_MOST_PAGES} pages")
