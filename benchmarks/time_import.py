"""Approved hours of Harvest into Odoo's timesheets, and a script that does it line by line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import odoolib

from benchmarks import contracts, product
from benchmarks.contracts import ENTITY
from benchmarks.frame import Bench, at_least, benchmark, paired_ratio
from benchmarks.product import Product
from benchmarks.remote import Remote
from benchmarks.script import best_threads, on_threads
from contracts.sweeps import ConnectorSweep
from sandbox.conformance.serving import served
from sandbox.harvest import HarvestStore, harvest_app
from workflows import task_queues
from workflows.timesheet_sweep import TimesheetSweepWorkflow

_PROJECTS, _DAYS = 40, 100
_FIRST = date(2026, 1, 5)
"""Long ago: only what changed is read, and no open days are compared besides."""
_PEOPLE = ("petra@northwind.example", "conrad@northwind.example", "ines@northwind.example")
_LINE = "account.analytic.line"


@dataclass
class _Firm:
    """A Harvest with its people, and a task in Odoo for each of its projects."""

    store: HarvestStore
    address: str
    odoo: Remote
    tasks: list[tuple[int, int]] = field(default_factory=list)
    people: list[int] = field(default_factory=list)

    def prepare(self) -> None:
        client = self.odoo.client("pm")
        for number in range(_PROJECTS):
            values = {"name": f"Project {number}", "allow_timesheets": True}
            [project] = client.create("project.project", [values])
            row = {"name": "Work", "project_id": project}
            [task] = client.create("project.task", [row])
            self.tasks.append((project, task))
        self.people = [self.store.add_person(mail.split("@")[0], mail) for mail in _PEOPLE]

    def log(self, count: int) -> None:
        """New hours, and none of before."""
        self.store.clear()
        for number in range(count):
            self.store.log(
                self.people[number % len(self.people)],
                f"{1 + number % 8}.25",
                str(_FIRST + timedelta(days=number % _DAYS)),
                project=1 + number % _PROJECTS,
                notes=f"Work {number}",
                is_closed=True,
            )

    @property
    def environment(self) -> dict[str, str]:
        projects = {
            str(number): f"task {task}" for number, (_, task) in enumerate(self.tasks, start=1)
        }
        harvest = {
            "url": self.address,
            "legal_entity": ENTITY,
            "account_id": self.store.account_id,
            "api_key": self.store.token,
            "projects": projects,
            "open_days": 1,
        }
        return {"C2C_TIMESHEETS": json.dumps({"harvest": harvest})}


@benchmark("time_import", about="approved hours of Harvest into Odoo's timesheets", minutes=120)
async def time_import(bench: Bench) -> None:
    """Entries a minute, ours against the script with its best number of threads. The script writes
    fewer: an entry takes it as long however many there are."""
    count = bench.size(full=20_000, quick=200)
    some = bench.size(full=1_000, quick=20)
    store = HarvestStore()
    with served(harvest_app(store)) as address, bench.odoo() as odoo:
        firm = _Firm(store, address, odoo)
        firm.prepare()
        script = _Script(firm)
        few = bench.size(full=100, quick=8)
        threads = await best_threads(
            bench, "entries a minute", lambda threads: _by_script(firm, script, threads, few)
        )
        async with product.running(bench, odoo, environment=firm.environment) as ours:
            await _ours(ours, firm, 10)  # neither is to be measured before it has ever run
            samples = await bench.rounds(
                {
                    "ours": lambda _: _ours(ours, firm, count),
                    "script": lambda _: _by_script(firm, script, threads, some),
                }
            )
    bench.report(
        "time_import",
        paired_ratio(samples["ours"], samples["script"]),
        at_least(5),
        unit="entries a minute",
        entries=count,
        script_entries=some,
        script_threads=threads,
        samples=samples,
    )


async def _ours(ours: Product, firm: _Firm, count: int) -> float:
    """Entries a minute of one sweep, from its start until all are in Odoo."""
    firm.log(count)
    started = time.perf_counter()
    result = await ours.client.execute_workflow(
        TimesheetSweepWorkflow.run,
        ConnectorSweep(system="harvest", legal_entity=ENTITY, overlap=timedelta(minutes=15)),
        id=f"bench-time-{contracts.tag()}",
        task_queue=task_queues.CONTRACTS,
    )
    seconds = time.perf_counter() - started
    if result.started != count:
        raise AssertionError(f"{result.started} of {count} entries were brought to Odoo")
    return count / seconds * 60


# --- the script -----------------------------------------------------------------------------------


class _Script:
    """What a firm would write: it reads all pages, and creates a line for each entry. What can be
    looked up once is looked up once."""

    def __init__(self, firm: _Firm) -> None:
        address = urlsplit(firm.odoo.url)
        self._odoo = odoolib.get_connection(
            hostname=address.hostname,
            port=address.port,
            protocol="json2",
            database=firm.odoo.database,
            password=firm.odoo.key(),
        )
        self._firm = firm
        found = self._odoo.get_model("hr.employee.public").search_read(
            domain=[("work_email", "in", list(_PEOPLE))], fields=["work_email"]
        )
        employees = {row["work_email"]: row["id"] for row in found}
        self._employees = {
            person: employees[mail] for person, mail in zip(firm.people, _PEOPLE, strict=True)
        }

    def entries(self) -> Iterator[dict[str, Any]]:
        store = self._firm.store
        headers = {
            "Authorization": f"Bearer {store.token}",
            "Harvest-Account-Id": store.account_id,
            "User-Agent": "script",
        }
        url: str | None = f"{self._firm.address}/v2/time_entries?per_page=2000"
        with httpx.Client(headers=headers) as http:
            while url:
                page = http.get(url).raise_for_status().json()
                yield from page["time_entries"]
                url = page["links"]["next"]

    def write(self, entry: dict[str, Any]) -> int:
        project, task = self._firm.tasks[entry["project"]["id"] - 1]
        values = {
            "project_id": project,
            "task_id": task,
            "employee_id": self._employees[entry["user"]["id"]],
            "date": entry["spent_date"],
            "unit_amount": entry["hours"],
            "name": entry["notes"],
            "x_approved": entry["is_closed"],
        }
        [made] = self._odoo.get_model(_LINE).create(vals_list=[values])
        return int(made)


async def _by_script(firm: _Firm, script: _Script, threads: int, count: int) -> float:
    """Entries a minute of the script."""
    firm.log(count)
    started = time.perf_counter()
    entries = list(script.entries())
    await on_threads(threads, script.write, ((entry,) for entry in entries))
    return count / (time.perf_counter() - started) * 60
