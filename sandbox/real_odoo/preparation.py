"""Everything that is done once and kept in the cache: Odoo, its Python, and a template database."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.real_odoo.debian import fetch_odoo, fetch_wkhtmltopdf
from sandbox.real_odoo.errors import run
from sandbox.real_odoo.folders import (
    RunFolder,
    build_once,
    cache_folder,
    copy_tree,
    digest,
    locked,
    remove_other_builds,
)
from sandbox.real_odoo.odoo import Installation, OdooConfig
from sandbox.real_odoo.postgres import Postgres

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
BOOTSTRAP = HERE / "bootstrap.py"
TEMPLATE = "c2c_template"
MODULES = [
    *("sale_project", "sale_timesheet", "account", "crm", "sale_crm", "base_vat", "contacts"),
    *("hr_expense", "l10n_uk"),
]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """What a run starts from."""

    installation: Installation
    template: Path
    lock: Path

    def copy_to(self, folder: Path) -> None:
        """Copy the cluster, Odoo's files and the keys; a newer template may replace this one."""
        with locked(self.lock, shared=True):
            for part in ("pgdata", "filestore", "keys"):
                copy_tree(self.template / part, folder / part)


def say_on_stderr(message: str) -> None:
    """Show progress to whoever watches."""
    print(message, file=sys.stderr, flush=True)


def prepare(progress: Progress = say_on_stderr) -> Prepared:
    """Make whatever is missing in the cache; minutes the first time, else a moment."""
    cache = cache_folder()
    lock = cache / "lock"
    with locked(lock):
        installation = _install(cache, progress)
        template = cache / f"template-{_template_key(installation)}"
        if not template.exists():
            with _step(progress, f"creating the template database ({', '.join(MODULES)})"):
                build_once(template, lambda folder: _build_template(installation, folder))
            # Starting runs hold the same lock while they copy.
            remove_other_builds(template)
    return Prepared(installation, template, lock)


def _install(cache: Path, progress: Progress) -> Installation:
    """Odoo, its Python environment, and wkhtmltopdf where the machine has none."""
    odoo = cache / "odoo"
    if not odoo.exists():
        with _step(progress, "fetching Odoo from Debian"):
            build_once(odoo, fetch_odoo)
    environment = cache / f"python-{digest(REQUIREMENTS.read_bytes(), sys.version.encode())}"
    if not environment.exists():
        with _step(progress, "installing what Odoo needs in a Python environment of its own"):
            build_once(environment, _create_environment)
        remove_other_builds(environment)
    wkhtmltopdf = cache / "wkhtmltopdf"
    if shutil.which("wkhtmltopdf") is None and not wkhtmltopdf.exists():
        with _step(progress, "fetching wkhtmltopdf from Debian"):
            build_once(wkhtmltopdf, fetch_wkhtmltopdf)
    programs = wkhtmltopdf / "bin" if wkhtmltopdf.exists() else None
    return Installation(odoo, environment, programs)


def _create_environment(folder: Path) -> None:
    run([sys.executable, "-m", "venv", folder], what="creating a Python environment")
    run(
        [
            *(folder / "bin" / "python", "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--require-hashes", "-r", REQUIREMENTS),
        ],
        what="installing what Odoo needs",
    )


def _build_template(installation: Installation, folder: Path) -> None:
    """Fill `folder` with a PostgreSQL cluster, Odoo's files and the API keys."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    build = RunFolder()
    postgres = Postgres(build.path, installation.site_packages, durable=False)
    try:
        postgres.initialise()
        config = OdooConfig(build.path, TEMPLATE, postgres.socket)
        config.write()
        installation.run(
            [*config.arguments, "-i", ",".join(MODULES), "--without-demo=all", "--stop-after-init"],
            config,
            what="creating Odoo's database",
        )
        installation.shell(BOOTSTRAP.read_text(), config, {"C2C_KEYS_FOLDER": str(keys)})
        postgres.stop()
        copy_tree(postgres.data, folder / "pgdata")
        copy_tree(config.filestore, folder / "filestore")
    finally:
        postgres.stop()
        build.remove()


def _template_key(installation: Installation) -> str:
    """Changes whenever a new template is due."""
    # Whoever runs PostgreSQL must own the data.
    owner = "root" if os.geteuid() == 0 else "user"
    return digest(
        installation.version.encode(),
        REQUIREMENTS.read_bytes(),
        BOOTSTRAP.read_bytes(),
        " ".join([*MODULES, owner]).encode(),
    )


@contextmanager
def _step(progress: Progress, what: str) -> Iterator[None]:
    progress(f"{what} ...")
    began = time.monotonic()
    yield
    progress(f"{what}: {time.monotonic() - began:.0f} s")
