"""What the peers need, built once in the cache: Python packages, addons, and Redis."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.real_odoo.debian import Apt
from sandbox.real_odoo.errors import run
from sandbox.real_odoo.folders import (
    build_once,
    cache_folder,
    digest,
    locked,
    remove_other_builds,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REQUIREMENTS = HERE / "requirements.txt"
ADDONS = HERE / "addons.txt"
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")


@dataclass(frozen=True)
class Environment:
    """Where things are. `packages` holds the addons under `odoo/addons` and what they import;
    `libraries` are folders that Redis needs beside the machine's own."""

    python: Path
    packages: Path
    redis: Path
    libraries: tuple[Path, ...]


def prepare() -> Environment:
    """Build what is missing; a minute the first time, else a moment."""
    cache = cache_folder()
    content = digest(REQUIREMENTS.read_bytes(), ADDONS.read_bytes(), sys.version.encode())
    with locked(cache / "peers.lock"):
        peers = build_once(cache / f"peers-{content}", _install)
        remove_other_builds(peers)
        redis, libraries = _redis(cache / "redis-server")
    return Environment(peers / "python" / "bin" / "python", peers / "odoo", redis, libraries)


def _install(folder: Path) -> None:
    """Both sets are pinned in whole, so that nothing has to be resolved."""
    python = folder / "python" / "bin" / "python"
    run([sys.executable, "-m", "venv", folder / "python"], what="creating a Python environment")
    run(
        [python, *_PIP, "--require-hashes", "-r", REQUIREMENTS],
        what="installing the peers",
    )
    run(
        [python, *_PIP, "--require-hashes", "-r", ADDONS, "--target", folder / "odoo"],
        what="installing queue_job",
    )


def _redis(folder: Path) -> tuple[Path, tuple[Path, ...]]:
    """The machine's Redis, or Debian's in a folder of its own with the libraries it needs."""
    installed = shutil.which("redis-server")
    if installed is not None:
        return Path(installed), ()
    tree = build_once(folder, _fetch_redis) / "tree"
    libraries = {file.parent for file in tree.rglob("*.so.*")}
    return tree / "usr/bin/redis-server", tuple(sorted(libraries))


def _fetch_redis(folder: Path) -> None:
    apt = Apt(folder / "apt")
    apt.unpack(apt.missing("redis-server"), folder / "tree")
    shutil.rmtree(folder / "apt")
