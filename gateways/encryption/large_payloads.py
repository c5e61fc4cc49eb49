"""Sealed payloads that are too large for Temporal, in the record store: Temporal has their names.

A name is `payloads/<scope>/<day>/<SHA-256>`, the hash of what is stored. So what is read is what
was written, whoever can write to the store; and what is not needed any more is found by its scope
and its day. Only what a data key seals is stored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

from contracts.identifiers import contract_scope
from gateways import errors
from gateways.encryption.keys import SHARED
from gateways.encryption.masters import SYSTEM
from gateways.record_store.protocol import MAX_PAGE, MAX_RECORD_BYTES, PAYLOADS, RecordStore

LARGER_THAN_BYTES = 256_000
"""By default. Temporal takes 2 MB of a payload, and a history of 50 MB."""
_NAME = re.compile(rf"{PAYLOADS}(.+)/([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/([0-9a-f]{{64}})")


class LargePayload(NamedTuple):
    """A record of a payload: whose it is, and when (UTC) it was written."""

    name: str
    scope: str
    day: date


class LargePayloads:
    """Keeps them. Thread-safe. All raise GatewayError, also those of the store."""

    def __init__(
        self,
        store: RecordStore,
        *,
        larger_than: int = LARGER_THAN_BYTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._larger_than, self._now = store, larger_than, now

    def takes(self, sealed: bytes) -> bool:
        """Whether a sealed payload belongs here and not into Temporal."""
        return len(sealed) > self._larger_than

    def keep(self, scope: str, sealed: bytes) -> str:
        """The name of the record. Raises GatewayError `payload_too_large`."""
        if len(sealed) > MAX_RECORD_BYTES:
            text = (
                f"A payload of {scope} has {len(sealed)} bytes, compressed; at most "
                f"{MAX_RECORD_BYTES} can be kept."
            )
            raise errors.defect(SYSTEM, "payload_too_large", text)
        name = f"{PAYLOADS}{scope}/{self._now():%Y-%m-%d}/{hashlib.sha256(sealed).hexdigest()}"
        self._store.create(name, sealed)
        return name

    def read(self, name: str, key_id: str) -> bytes:
        """What was kept under this name, sealed by this key. Raises GatewayError."""
        found, scope = _parsed(name), key_id.rpartition("/")[0]
        if found is None or found.scope != scope:  # it comes from whoever can write to Temporal
            text = f"{name[:200]!r} is no large payload under the key {key_id}."
            raise errors.defect(SYSTEM, "payload_unreadable", text)
        sealed = self._store.read(name)
        if sealed is None:
            text = (
                f"The large payload {name} is not in the record store: see that [records] names "
                "the store that it was written to, or bring it back from a backup."
            )
            raise errors.credentials(SYSTEM, "payload_missing", text)
        if hashlib.sha256(sealed).hexdigest() != name.rpartition("/")[2]:
            text = f"The large payload {name} was changed in the record store."
            raise errors.defect(SYSTEM, "payload_unreadable", text)
        return sealed

    def of(self, scope: str) -> Iterator[LargePayload]:
        """Those of a scope, in order of days."""
        after = ""
        while True:
            page, after = self.page(scope, after)
            yield from page
            if not after:
                return

    def page(
        self, prefix: str, after: str = "", limit: int = MAX_PAGE
    ) -> tuple[list[LargePayload], str]:
        """Some of a scope, or of all contracts of a legal entity (`contract/northwind`), behind a
        name; and the name that the next ones are behind, empty where these are the last."""
        names = self._store.names(f"{PAYLOADS}{prefix}/", after=after, limit=limit)
        following = names[-1] if len(names) == limit else ""
        return [item for item in map(_parsed, names) if item is not None], following

    def remove(self, name: str) -> bool:
        """Remove one for good; False where it is gone already."""
        return self._store.delete(name)

    def remove_all(self, scope: str) -> int:
        """Remove all of a scope; how many there were."""
        return sum(self.remove(item.name) for item in list(self.of(scope)))


def _parsed(name: str) -> LargePayload | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    scope, day, _ = found.groups()
    if scope != SHARED and contract_scope(scope) != scope:
        return None
    try:
        return LargePayload(name, scope, date.fromisoformat(day))
    except ValueError:
        return None
