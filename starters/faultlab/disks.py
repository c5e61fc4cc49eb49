"""A disk that is full: a small file system of its own, filled to the last block."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_MOUNT, _UMOUNT = shutil.which("mount") or "", shutil.which("umount") or ""
_BLOCK = bytes(64 * 1024)


class SmallDisk:
    """A file system in memory with little room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room for another byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for block in (_BLOCK, _BLOCK[:512], b"\0"):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(block)

    def clear(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk | None]:
    """Mount one on a folder for as long as this is open; None where we may not mount."""
    folder.mkdir(parents=True)
    mount = [_MOUNT, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = (
        os.geteuid() == 0 and bool(_MOUNT) and subprocess.run(mount, check=False).returncode == 0
    )
    try:
        yield SmallDisk(folder) if mounted else None
    finally:
        if mounted:
            subprocess.run([_UMOUNT, "--lazy", str(folder)], check=True)
