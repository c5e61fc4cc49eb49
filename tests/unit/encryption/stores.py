"""Key rings for tests: a folder, masters of their own, a clock that stands still."""

from __future__ import annotations

from pathlib import Path

from gateways.encryption.keys import SHARED, KeyRing
from gateways.encryption.large_payloads import LargePayloads
from gateways.encryption.masters import LocalMaster, MasterSet, new_master
from gateways.record_store.folder import FolderStore
from gateways.secrets import Secret
from wiring.codec import SealingCodec

CONTRACT = "contract/northwind/C-1001"
MASTERS = {name: new_master() for name in ("old", "new", "other")}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def masters(*names: str, active: str = "") -> MasterSet:
    """The active one is the first, unless it is said."""
    found = {name: LocalMaster(name, Secret.of(MASTERS[name])) for name in names}
    return MasterSet(found, active or names[0])


def key_ring(
    folder: Path, *names: str, active: str = "", clock: Clock | None = None, max_kept: int = 100
) -> KeyRing:
    return KeyRing(
        FolderStore(folder),
        masters(*(names or ("old",)), active=active),
        clock=clock or Clock(),
        max_kept=max_kept,
    )


def sealing_codec(
    folder: Path,
    ring: KeyRing | None = None,
    *,
    scope: str = SHARED,
    larger_than: int = 256_000,
    seals: bool = True,
) -> SealingCodec:
    """A codec with keys and large payloads in one folder."""
    large = LargePayloads(FolderStore(folder), larger_than=larger_than)
    return SealingCodec(ring or key_ring(folder), large, scope=scope, seals=seals)
