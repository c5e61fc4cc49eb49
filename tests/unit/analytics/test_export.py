"""An export counts each contract and each billed hour once, whatever changes meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from contracts.analytics.tables import PIPELINE
from contracts.analytics.work import Employee
from contracts.calendar import BusinessCalendar
from gateways import errors
from gateways.encryption.keys import ERASED
from gateways.encryption.masters import SYSTEM
from gateways.odoo import OdooClient
from starters.analytics import MOST_UNREADABLE, Export, TooManyUnreadable
from starters.client import NoAnswer, Refused, calls, portfolio
from workflows import search_attributes

DAY = date(2026, 5, 31)
APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


@dataclass
class Run:
    """A contract, as lists have it."""

    id: str
    start_time: datetime
    stage: str = "signing"

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        name = self.id.rpartition("/")[2]
        return TypedSearchAttributes(
            [
                SearchAttributePair(search_attributes.CONTRACT_ID, name),
                SearchAttributePair(search_attributes.CONTRACT_STAGE, self.stage),
            ]
        )

    async def memo_value(self, _: str, default: str) -> str:
        return default


@dataclass
class Lists:
    """Lists runs as Temporal does: the newest first, each page from where the one before ended.
    After the first one the contract `continues` begins a new run."""

    runs: list[Run]
    continues: str = ""
    asked: list[str] = field(default_factory=list)

    async def list_workflows(self, query: str) -> AsyncIterator[Run]:
        self.asked.append(query)
        if search_attributes.WAITING_ON.name in query:
            return
        since = query.partition("StartTime >= '")[2].partition("'")[0]
        oldest = datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)
        before = datetime.max.replace(tzinfo=UTC)
        while found := [run for run in self.runs if oldest <= run.start_time < before]:
            newest = max(found, key=lambda run: run.start_time)
            before = newest.start_time
            yield newest
            for run in self.runs:
                if run.id == self.continues:
                    run.start_time, self.continues = datetime.now(UTC), ""


def export(lists: Lists, zone: str = "UTC") -> Export:
    calendar = BusinessCalendar(time_zone=zone)
    client, odoo = cast("Client", lists), cast("OdooClient", object())
    return Export(client, odoo, 1, "northwind", calendar, DAY)


async def pipeline(of: Export) -> list[str]:
    """The contracts, as they are exported."""
    return [
        cast("Any", row).contract
        async for table, rows in of._contracts(of._pages())
        for row in rows
        if table is PIPELINE
    ]


async def test_a_contract_that_begins_a_new_run_meanwhile_is_not_left_out() -> None:
    ago = datetime.now(UTC) - timedelta(days=30)
    runs = [Run(f"contract/northwind/C-{n}", ago + timedelta(hours=n)) for n in range(3)]
    found = await pipeline(export(Lists(runs, continues=runs[0].id)))
    assert sorted(found) == ["C-0", "C-1", "C-2"]


async def test_where_no_worker_answers_there_is_no_export_however_few_contracts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A day without its contracts would replace the one that has them."""
    monkeypatch.setattr(portfolio, "_AGAIN_AFTER_SECONDS", 0)
    failures: list[Exception] = []

    async def fails(*_: object) -> None:
        raise failures[0]

    monkeypatch.setattr(calls, "query", fails)
    ago = datetime.now(UTC) - timedelta(days=30)
    runs = [Run(f"contract/northwind/C-{n}", ago + timedelta(hours=n), "active") for n in range(3)]
    failures[:] = [NoAnswer("no worker answered")]
    with pytest.raises(TooManyUnreadable, match="no worker answered"):
        await pipeline(export(Lists(runs)))
    failures[:] = [Refused("it cannot be replayed")]  # says a worker
    of = export(Lists(runs))
    await pipeline(of)
    assert set(of.unreadable) == {run.id for run in runs}


async def test_erased_contracts_tell_nothing_and_are_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many there are: their keys were destroyed so that nobody reads them."""
    erased = errors.business(SYSTEM, ERASED, "The keys of contract/northwind/C-1 were erased.")

    async def fails(*_: object) -> None:
        raise Refused(str(erased))

    monkeypatch.setattr(calls, "query", fails)
    ago = datetime.now(UTC) - timedelta(days=30)
    ids = [f"contract/northwind/C-{n}" for n in range(MOST_UNREADABLE + 1)]
    of = export(Lists([Run(key, ago + timedelta(hours=n), "closed") for n, key in enumerate(ids)]))
    await pipeline(of)
    assert of.unreadable == {}


async def test_a_contract_ended_by_the_day_of_its_legal_entity() -> None:
    """The oldest month begins there, and not where the first of the month is elsewhere."""
    lists = Lists([])
    await pipeline(export(lists, "Europe/Berlin"))
    assert "CloseTime >= '2025-04-30T22:00:00Z'" in lists.asked[0]


def test_billed_hours_count_once_where_employees_share_an_address() -> None:
    """Somebody left and was entered anew: the address is all that billed hours know."""
    address = "ada@northwind.example"
    left = Employee(1, "Ada", address, "", Decimal(40), date(2020, 1, 1), is_active=False)
    back = Employee(2, "Ada", address, "", Decimal(40), APRIL)
    of = export(Lists([]))
    of._billed = {(address, APRIL): Decimal(6), (address, MAY): Decimal(10)}
    worked = {(1, APRIL): Decimal(4), (2, APRIL): Decimal(2), (2, MAY): Decimal(10)}
    rows = of._utilization([left, back], worked, worked)
    told = [(cast("Any", row).month, cast("Any", row).billed_hours) for row in rows]
    assert sum(hours for _, hours in told) == 16
    assert sum(hours for month, hours in told if month == MAY) == 10
