"""Where things are kept: the cache between runs, and a folder for each run.

Every folder in the cache is built under a temporary name and renamed when it is complete, under a
file lock, so a killed or a second preparation never leaves or sees half of one.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sandbox.real_odoo.errors import HarnessError, run

RUN_PREFIX = "c2c-odoo-"
# A socket's path may have 107 bytes; a run folder below a longer folder would not leave enough.
LONGEST_TEMPORARY_FOLDER = 60


def cache_folder() -> Path:
    """`$C2C_CACHE`, or the user's cache folder by the XDG convention."""
    if own := os.environ.get("C2C_CACHE"):
        folder = Path(own).expanduser().absolute()
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(base) if base else Path.home() / ".cache") / "contract-to-cash"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(file: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock between processes; it ends with the process, however that ends."""
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Let `build` fill a temporary folder that becomes `target`; nothing to do if it exists."""
    if target.exists():
        return target
    half_built = target.with_name(target.name + ".building")
    shutil.rmtree(half_built, ignore_errors=True)
    half_built.mkdir(parents=True)
    build(half_built)
    half_built.rename(target)
    return target


def remove_other_builds(kept: Path) -> None:
    """Delete older builds of the same kind, which is a folder's name up to its last hyphen."""
    kind = kept.name.rpartition("-")[0]
    for folder in kept.parent.glob(f"{kind}-*"):
        if folder != kept:
            shutil.rmtree(folder, ignore_errors=True)


def digest(*parts: bytes) -> str:
    """A short name for a content."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def copy_tree(source: Path, target: Path) -> None:
    """Copy with owners and modes; on a file system that can, without copying the data."""
    run(["cp", "-a", "--reflink=auto", source, target], what=f"copying {source.name}")


class RunFolder:
    """A folder of one run, locked by its process so that a later run can tell an abandoned one."""

    def __init__(self) -> None:
        # One at a time: a folder just made and not yet locked looks abandoned.
        with locked(cache_folder() / "runs.lock"):
            remove_abandoned()
            self.path = Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir=_temporary_folder()))
            # PostgreSQL may run as another user (root may not run it) and must pass through.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self._lock: TextIO = (self.path / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Delete everything of the run; a second call does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def run_folders() -> list[tuple[Path, bool]]:
    """This user's run folders, each with whether its process lives."""
    found = []
    for folder in sorted(_temporary_folder().glob(RUN_PREFIX + "*")):
        try:
            if folder.stat().st_uid == os.geteuid():
                found.append((folder, _is_locked(folder / "lock")))
        except FileNotFoundError:  # a folder just made or just removed by its run
            continue
    return found


def remove_abandoned() -> None:
    """Delete what killed runs left behind; their programs ended with them."""
    for folder, alive in run_folders():
        if not alive:
            shutil.rmtree(folder, ignore_errors=True)


def _is_locked(file: Path) -> bool:
    with file.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _temporary_folder() -> Path:
    folder = Path(tempfile.gettempdir())
    if len(str(folder)) > LONGEST_TEMPORARY_FOLDER:
        folder = Path("/tmp")
    if not os.access(folder, os.W_OK):
        raise HarnessError(f"cannot write to {folder}: set TMPDIR to a folder with a short path")
    return folder
