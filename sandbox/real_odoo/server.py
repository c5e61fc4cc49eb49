"""One running Odoo with a PostgreSQL and a mailbox of its own; runs do not touch each other."""

import atexit
import json
import os
import shutil
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from sandbox.real_odoo.errors import HarnessError, last_lines_of
from sandbox.real_odoo.folders import RunFolder, copy_tree
from sandbox.real_odoo.mailbox import LOOPBACK, Mailbox, free_port
from sandbox.real_odoo.odoo import Extension, Installation, OdooConfig
from sandbox.real_odoo.postgres import Postgres
from sandbox.real_odoo.preparation import TEMPLATE, Prepared, prepare
from sandbox.real_odoo.process import Process

DATABASE = "c2c"
HEALTH_SECONDS = 120


@dataclass
class RealOdoo:
    """A running server; use it as a context manager, or call `stop`."""

    url: str
    database: str
    keys: Mapping[str, Path]
    mailbox: Mailbox
    postgres: Postgres
    _installation: Installation = field(repr=False)
    _config: OdooConfig = field(repr=False)
    _folder: RunFolder = field(repr=False)
    _server: Process | None = field(default=None, repr=False)

    @property
    def smtp_port(self) -> int:
        """Where the mailbox accepts mail."""
        return self.mailbox.port

    @property
    def log(self) -> Path:
        """Odoo's log; it goes with the run."""
        return self._config.log

    @property
    def pid(self) -> int:
        """The pid of Odoo's main process, for those who want to kill it."""
        if self._server is None:
            raise HarnessError("Odoo is not running")
        return self._server.pid

    def key(self, login: str = "c2c") -> str:
        """The API key of a login."""
        return self.keys[login].read_text()

    def start_server(self) -> None:
        """Start Odoo, on the same port every time, and wait until it is well."""
        self.stop_server()
        self._server = Process(
            self._installation.command(self._config.arguments),
            log=self._config.run_folder / "odoo.out",
            environment=self._installation.environment(self._config),
            folder=self._config.run_folder,
        )
        self._wait_until_healthy(self._server)

    def stop_server(self) -> None:
        """Stop Odoo only, as an outage; a second call does nothing."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def restart(self) -> None:
        """Stop Odoo and start it again on the same database and port."""
        self.start_server()

    def reconfigure(self, *, workers: int, extension: Extension | None) -> None:
        """Restart Odoo with other settings; the extension's modules are there already."""
        self.stop_server()
        self._config = replace(self._config, workers=workers, extension=extension)
        self._config.write()
        self.start_server()

    def restore_copy(self, database: str) -> None:
        """Serve a copy of the database in its place, as a backup that was restored for tests: at
        the same address, under another name, with the keys and all that is in it."""
        self.stop_server()
        self.postgres.create_database(database, self.database)
        shutil.copytree(self._config.filestore, self._config.filestore.with_name(database))
        self.database = database
        self._config = replace(self._config, database=database)
        self._config.write()
        self.start_server()

    def reset(self) -> None:
        """Throw the database away and start over with a fresh one."""
        self.stop_server()
        self.postgres.drop_database(self.database)
        self._create_database()
        self.mailbox.clear()
        self.start_server()

    def execute(self, script: str) -> str:
        """Run Python in `odoo shell`, with `env`; it commits and the server notices."""
        return self._installation.shell(script, self._config)

    def psql(self, sql: str) -> str:
        """Run SQL on the database; rows come back as lines, columns split by `|`."""
        return self.postgres.psql(sql, self.database)

    def stop(self) -> None:
        """End everything this run started and delete its folder; a second call does nothing."""
        atexit.unregister(self.stop)
        self.stop_server()
        self.postgres.stop()
        self.mailbox.stop()
        self._folder.remove()

    def describe(self) -> dict[str, object]:
        """What another program needs to use this server."""
        return {
            "url": self.url,
            "database": self.database,
            "keys": {login: str(file) for login, file in self.keys.items()},
            "smtp_port": self.smtp_port,
            "log": str(self.log),
            "owner_pid": os.getpid(),
            "odoo_pid": self.pid,
            "postgres_pid": self.postgres.pid,
            "postgres_socket": str(self.postgres.socket),
            "odoo_version": self._installation.version,
        }

    def __enter__(self) -> "RealOdoo":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _create_database(self) -> None:
        self.postgres.create_database(self.database, TEMPLATE)
        shutil.rmtree(self._config.filestore, ignore_errors=True)
        copy_tree(self._config.run_folder / "filestore", self._config.filestore)
        # Before the server starts: PDFs take their styles, and mails their links, from here.
        self.psql(f"UPDATE ir_config_parameter SET value = '{self.url}' WHERE key = 'web.base.url'")
        if self._config.extension is not None:
            modules = ",".join(self._config.extension.modules)
            self._installation.run(
                [*self._config.arguments, "-i", modules, "--stop-after-init", "--no-http"],
                self._config,
                what=f"installing {modules}",
            )

    def _wait_until_healthy(self, server: Process) -> None:
        deadline = time.monotonic() + HEALTH_SECONDS
        while time.monotonic() < deadline and server.running:
            if _is_healthy(self.url):
                return
            time.sleep(0.1)
        reason = "did not answer" if server.running else "ended"
        output = f"{last_lines_of(self.log)}\n{last_lines_of(server.log)}"
        raise HarnessError(f"Odoo {reason} while starting:\n{output}")


def start(
    prepared: Prepared | None = None,
    *,
    database: str | None = None,
    workers: int = 0,
    port: int | None = None,
    durable: bool = False,
    smtp_port: int | None = None,
    cron: bool = False,
    extension: Extension | None = None,
    by_command: bool = False,
) -> RealOdoo:
    """Start a server on a fresh database, preparing the cache first if need be.

    `workers` are Odoo processes (0: one process with threads); `durable` lets PostgreSQL survive
    being killed; `cron` runs Odoo's scheduled jobs, which otherwise stay out of a test's way;
    `extension` are addons of others to install first, which takes a while; `by_command` marks the
    run as one that the command `stop` may end.
    """
    prepared = prepared or prepare()
    folder = RunFolder()
    prepared.copy_to(folder.path)
    installation = prepared.installation
    postgres = Postgres(folder.path, installation.site_packages, durable=durable)
    mailbox = Mailbox(smtp_port)
    config = OdooConfig(
        run_folder=folder.path,
        database=database or DATABASE,
        socket=postgres.socket,
        port=port or free_port(),
        gevent_port=free_port(),
        smtp_port=mailbox.port,
        workers=workers,
        cron_threads=1 if cron else 0,
        extension=extension,
    )
    odoo = RealOdoo(
        url=f"http://{LOOPBACK}:{config.port}",
        database=config.database,
        keys={file.name: file for file in sorted((folder.path / "keys").iterdir())},
        mailbox=mailbox,
        postgres=postgres,
        _installation=installation,
        _config=config,
        _folder=folder,
    )
    atexit.register(odoo.stop)
    try:
        config.write()
        mailbox.start()
        postgres.start()
        odoo._create_database()
        odoo.start_server()
    except BaseException:
        odoo.stop()
        raise
    (folder.path / "run.json").write_text(json.dumps({**odoo.describe(), "by_command": by_command}))
    return odoo


def wait_for_a_signal() -> None:
    """Sleep until Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    ended.wait()


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/web/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
