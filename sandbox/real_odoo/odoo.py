"""Odoo's program: where it is installed, how it is configured, and how it is called."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.real_odoo.errors import HarnessError, last_lines_of, run
from sandbox.real_odoo.mailbox import LOOPBACK
from sandbox.real_odoo.postgres import ROLE

# What Odoo itself loads with the server; a list of one's own replaces it.
SERVER_WIDE = ("base", "rpc", "web")
_MOST_SECONDS_A_CALL = 3_600
# A running server learns of changes made beside it only when it is told.
SHELL_END = "\nenv.cr.commit()\nenv.registry.clear_all_caches()\nenv.registry.signal_changes()\n"


@dataclass(frozen=True)
class Extension:
    """Addons of others, installed into a run's database beside what the template has.

    `addons` are folders of addons, `libraries` folders that Odoo's Python imports from, and
    `modules` the addons to install; those in `server_wide` are loaded with the server, for every
    database. `settings` are sections of the configuration file beside Odoo's own.
    """

    addons: tuple[Path, ...]
    modules: tuple[str, ...]
    server_wide: tuple[str, ...] = ()
    libraries: tuple[Path, ...] = ()
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True)
class OdooConfig:
    """The configuration of one database in one run folder."""

    run_folder: Path
    database: str
    socket: Path
    port: int = 0
    gevent_port: int = 0
    smtp_port: int = 0
    workers: int = 0
    cron_threads: int = 0
    extension: Extension | None = None

    @property
    def file(self) -> Path:
        """Odoo's configuration file."""
        return self.run_folder / "odoo.conf"

    @property
    def log(self) -> Path:
        """Where Odoo writes what it does."""
        return self.run_folder / "odoo.log"

    @property
    def data(self) -> Path:
        """Odoo's data folder."""
        return self.run_folder / "odoo"

    @property
    def filestore(self) -> Path:
        """The files that belong to the database."""
        return self.data / "filestore" / self.database

    @property
    def arguments(self) -> list[str]:
        """What every call of the program gets."""
        return ["-c", str(self.file), "-d", self.database]

    def write(self) -> None:
        """Write the configuration file and make the folders it names."""
        self.filestore.mkdir(parents=True, exist_ok=True)
        (self.run_folder / "xdg").mkdir(mode=0o700, exist_ok=True)
        settings: dict[str, object] = {
            "db_host": self.socket,
            "db_user": ROLE,
            "db_name": self.database,
            "list_db": False,
            "data_dir": self.data,
            "logfile": self.log,
            "http_interface": LOOPBACK,
            "http_port": self.port,
            "gevent_port": self.gevent_port,
            "workers": self.workers,
            "max_cron_threads": self.cron_threads,
            # At its usual two minutes an Odoo with threads starts itself anew, which it cannot as a
            # module of Python: a call whose other half never comes would end it.
            "limit_time_real": _MOST_SECONDS_A_CALL,
            "smtp_server": LOOPBACK,
            "smtp_port": self.smtp_port,
            "email_from": "odoo@northwind.example",
        }
        sections: dict[str, Mapping[str, object]] = {"options": settings}
        if self.extension is not None:
            settings["addons_path"] = ",".join(str(path) for path in self.extension.addons)
            wide = ",".join((*SERVER_WIDE, *self.extension.server_wide))
            settings["server_wide_modules"] = wide
            sections |= self.extension.settings
        self.file.write_text("".join(_section(*section) for section in sections.items()))


def _section(name: str, settings: Mapping[str, object]) -> str:
    lines = [f"{key} = {value}\n" for key, value in settings.items()]
    return "".join([f"[{name}]\n", *lines])


@dataclass(frozen=True)
class Installation:
    """Odoo's files, its Python environment, and a folder with wkhtmltopdf if we brought one."""

    odoo: Path
    python: Path
    programs: Path | None

    @property
    def version(self) -> str:
        """The version of Debian's package."""
        return (self.odoo / "VERSION").read_text()

    @property
    def site_packages(self) -> Path:
        """Where the environment keeps its packages."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.python / "lib" / version / "site-packages"

    def command(self, arguments: Sequence[str]) -> list[str]:
        """How to call Odoo's program."""
        return [str(self.python / "bin" / "python"), "-m", "odoo", *arguments]

    def environment(self, config: OdooConfig) -> dict[str, str]:
        """Only what Odoo needs: none of the caller's database, proxy or Python settings."""
        path = os.environ.get("PATH", "/usr/bin:/bin")
        libraries = [self.odoo / "usr/lib/python3/dist-packages"]
        libraries += config.extension.libraries if config.extension else ()
        return {
            "PATH": f"{self.programs}:{path}" if self.programs else path,
            "PYTHONPATH": ":".join(str(folder) for folder in libraries),
            "HOME": str(config.run_folder),
            "XDG_RUNTIME_DIR": str(config.run_folder / "xdg"),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }

    def run(self, arguments: Sequence[str], config: OdooConfig, *, what: str) -> None:
        """Call Odoo for something that ends by itself."""
        try:
            run(
                self.command(arguments),
                what=what,
                environment=self.environment(config),
                folder=config.run_folder,
            )
        except HarnessError as error:
            raise HarnessError(f"{error}\nOdoo's log:\n{last_lines_of(config.log)}") from error

    def shell(self, script: str, config: OdooConfig, extra: Mapping[str, str] | None = None) -> str:
        """Run a script in `odoo shell`, commit, and return what it printed."""
        return run(
            self.command(["shell", *config.arguments, "--no-http"]),
            what="the script in Odoo's shell",
            stdin=script + SHELL_END,
            environment={**self.environment(config), **(extra or {})},
            folder=config.run_folder,
        )
