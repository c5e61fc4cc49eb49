"""The lifecycle on OCA's queue_job: an Odoo of its own, told of contracts by one call.

Jobs run in Odoo's own worker processes, at most as many at once as there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from benchmarks.peers.environment import HERE, Environment
from benchmarks.peers.lifecycle import SignedContract
from sandbox import real_odoo
from sandbox.real_odoo import Extension, HarnessError, RealOdoo

# Each look is a process of its own, which the jobs have to share the machine with.
POLLING_SECONDS = 0.25
CALL_SECONDS = 120
RUNNER_SECONDS = 60
RUNNER_LISTENS = b"database connections ready"


class QueueJob:
    """An Odoo with queue_job and the lifecycle as jobs."""

    def __init__(self, odoo: RealOdoo, environment: Environment, at_once: int) -> None:
        self.odoo = odoo
        self._environment = environment
        self._at_once = at_once

    @contextmanager
    def ready(self, at_once: int) -> Iterator[QueueJob]:
        """Odoo with that many worker processes, each with a job at a time."""
        if at_once != self._at_once:
            logged = self.odoo.log.stat().st_size
            changed = extension(self._environment, at_once)
            self.odoo.reconfigure(workers=at_once, extension=changed)
            self.wait_for_the_runner(logged)
            self._at_once = at_once
        yield self

    def run_contracts(self, contracts: Sequence[SignedContract], *, seconds: float) -> None:
        """Create the contracts in Odoo, and wait for their last job. Raises HarnessError."""
        rows = [{"reference": item["contract_id"], "document": item} for item in contracts]
        self._call("create", vals_list=rows)
        self._wait(seconds)

    def run_nothings(self, count: int, *, seconds: float) -> None:
        """Schedule that many chains of five jobs that do nothing. Raises HarnessError."""
        self._call("schedule_nothings", count=count)
        self._wait(seconds)

    def _call(self, method: str, **arguments: Any) -> None:
        answer = httpx.post(
            f"{self.odoo.url}/json/2/peer.contract/{method}",
            json=arguments,
            headers={
                "Authorization": f"Bearer {self.odoo.key()}",
                "X-Odoo-Database": self.odoo.database,
            },
            timeout=CALL_SECONDS,
        )
        answer.raise_for_status()

    def _wait(self, seconds: float) -> None:
        """Until every job is done. Raises HarnessError for one that failed."""
        deadline = time.monotonic() + seconds
        while left := self._unfinished():
            if failed := left.get("failed"):
                reason = self.odoo.psql("SELECT exc_info FROM queue_job WHERE state = 'failed'")
                raise HarnessError(f"{failed} jobs failed:\n{reason[-2000:]}")
            if time.monotonic() > deadline:
                raise HarnessError(f"jobs not done after {seconds:.0f} s: {left}")
            time.sleep(POLLING_SECONDS)

    def _unfinished(self) -> dict[str, int]:
        rows = self.odoo.psql(
            "SELECT state, count(*) FROM queue_job WHERE state <> 'done' GROUP BY state"
        )
        pairs = (row.split("|") for row in rows.splitlines())
        return {state: int(count) for state, count in pairs}

    def wait_for_the_runner(self, logged: int = 0) -> None:
        """Until the runner says in the log, after what was `logged` (bytes), that it listens."""
        deadline = time.monotonic() + RUNNER_SECONDS
        while RUNNER_LISTENS not in self.odoo.log.read_bytes()[logged:]:
            if time.monotonic() > deadline:
                raise HarnessError("queue_job's runner did not start")
            time.sleep(0.2)


def extension(environment: Environment, count: int) -> Extension:
    """queue_job and our addon on it, with a channel for that many jobs at once."""
    return Extension(
        addons=(environment.packages / "odoo" / "addons", HERE / "addons"),
        modules=("queue_job", "peer_contract"),
        server_wide=("queue_job",),
        libraries=(environment.packages,),
        settings={"queue_job": {"channels": f"root:{count}"}},
    )


@contextmanager
def running(environment: Environment, *, at_once: int = 2) -> Iterator[QueueJob]:
    """A fresh Odoo with both addons installed."""
    with real_odoo.start(workers=at_once, extension=extension(environment, at_once)) as odoo:
        peer = QueueJob(odoo, environment, at_once)
        peer.wait_for_the_runner()
        yield peer
