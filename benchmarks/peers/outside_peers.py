"""DBOS and Celery: programs outside Odoo that keep their state in PostgreSQL and in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environment import Environment
from benchmarks.peers.hosting import Program, surroundings
from benchmarks.peers.lifecycle import SignedContract
from benchmarks.peers.redis import Redis
from benchmarks.peers.serving import Surroundings
from benchmarks.remote import RealRemote
from sandbox.real_odoo.postgres import ADMIN
from sandbox.real_odoo.process import Process

DATABASE = "dbos"


class Outside:
    """A peer's program, ready."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def run_contracts(self, contracts: Sequence[SignedContract], *, seconds: float) -> None:
        """Run every contract to its last posted invoice. Raises HarnessError."""
        self._program.run("contracts", list(contracts), seconds=seconds)

    def run_nothings(self, count: int, *, seconds: float) -> None:
        """Run that many workflows of five steps that do nothing. Raises HarnessError."""
        self._program.run("nothings", count, seconds=seconds)


@dataclass
class OutsidePeer:
    """How to start a peer's program, and its worker where that is another process."""

    environment: Environment
    odoo: RealRemote
    folder: Path
    store: str
    program: str
    worker: tuple[str, ...] = ()

    @contextmanager
    def ready(self, at_once: int) -> Iterator[Outside]:
        """The program with that many contracts at once; it ends with the context."""
        told = Surroundings(
            at_once=at_once,
            store=self.store,
            odoo_url=self.odoo.url,
            odoo_database=self.odoo.database,
            odoo_key=self.odoo.key(),
        ).environment
        python = self.environment.python
        with ExitStack() as stack:
            if self.worker:
                worker = Process(
                    [python, "-m", *self.worker],
                    log=self.folder / "worker.log",
                    environment=surroundings(told),
                    folder=self.folder,
                )
                stack.callback(worker.stop)
            log = self.folder / "program.log"
            program = Program([python, "-m", self.program], environment=told, log=log)
            yield Outside(stack.enter_context(program))


def dbos(environment: Environment, odoo: RealRemote, folder: Path) -> OutsidePeer:
    """DBOS, with a database of its own beside Odoo's."""
    postgres = odoo.server.postgres
    postgres.psql(f"CREATE DATABASE {DATABASE}")
    store = f"postgresql://{ADMIN}@/{DATABASE}?host={postgres.socket}"
    return OutsidePeer(environment, odoo, folder, store, "benchmarks.peers.dbos_peer")


@contextmanager
def celery(environment: Environment, odoo: RealRemote, folder: Path) -> Iterator[OutsidePeer]:
    """Celery, with a Redis of its own."""
    redis = Redis(environment, folder)
    try:
        yield OutsidePeer(
            environment,
            odoo,
            folder,
            redis.url,
            "benchmarks.peers.celery_peer",
            worker=("celery", "-A", "benchmarks.peers.celery_tasks", "worker"),
        )
    finally:
        redis.stop()
