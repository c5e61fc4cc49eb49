"""Key rings for tests: a folder, masters of their own, a clock that stands still."""

from __future__ import annotations

from pathlib import Path

from gateways.encryption.keys import KeyRing
from gateways.encryption.masters import LocalMasters, new_master
from gateways.record_store.folder import FolderStore
from gateways.secrets import Secret

CONTRACT = "contract/northwind/C-1001"
MASTERS = {name: new_master() for name in ("old", "new", "other")}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def masters(*names: str, active: str = "") -> LocalMasters:
    """The active one is the first, unless it is said."""
    return LocalMasters({name: Secret.of(MASTERS[name]) for name in names}, active or names[0])


def key_ring(
    folder: Path, *names: str, active: str = "", clock: Clock | None = None, max_kept: int = 100
) -> KeyRing:
    return KeyRing(
        FolderStore(folder),
        masters(*(names or ("old",)), active=active),
        clock=clock or Clock(),
        max_kept=max_kept,
    )
