"""What people do with the keys of contracts: see them, change the master."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateways.encryption.keys import Erasure, KeyRing


@dataclass(frozen=True)
class Known:
    """The keys in the record store: how many each master wraps, and what was erased."""

    by_master: Mapping[str, int]
    erased: Sequence[Erasure]


def known(ring: KeyRing) -> Known:
    """Count the keys. Reads names only, and the records of erasures."""
    counted = Counter(item.master for item in ring.wrapped())
    return Known(dict(sorted(counted.items())), ring.erasures())


def rewrap(ring: KeyRing) -> int:
    """Wrap by the active master whatever another one wraps; how many keys that were."""
    return sum(ring.rewrap(item) for item in list(ring.wrapped()))
