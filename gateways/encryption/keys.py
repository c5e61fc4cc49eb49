"""Data keys: one for each contract and one for all else, wrapped by a master, in the record store.

A key's id is its scope and a random part, such as `contract/northwind/C-1001/5f3c9a10`. Its record
is `keys/<key id>/<master>`: a master is replaced by another record beside it. Two processes that
need the first key of a scope at the same moment may make two; each payload names the one it needs.

A scope that was erased has a record that says so, and gets no key any more.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.identifiers import contract_scope
from gateways import errors
from gateways.encryption.masters import KEY_BYTES, SYSTEM, Masters, unavailable
from gateways.errors import FailureKind, GatewayError
from gateways.record_store.protocol import KEYS, MAX_PAGE, RecordStore

SHARED = "shared"
"""The scope of what belongs to no single contract."""
ERASED = "key_erased"
"""The code of a scope that was erased."""
KEEP_SECONDS = 300.0
"""So long a key is used from memory: where it was erased elsewhere, this process notices then."""
MAX_KEPT = 10_000
_ERASED = "erased/"
_OWN = re.compile(r"[0-9a-f]{8}")
"""The random part of a key's id."""
_LOCKS = 64
_TRIES = 3


@dataclass(frozen=True, repr=False)
class DataKey:
    """An open data key. Never printed."""

    id: str
    cipher: AESGCM

    def __repr__(self) -> str:
        return f"DataKey({self.id})"


@dataclass(frozen=True)
class WrappedKey:
    """A record of a wrapped key."""

    name: str

    @property
    def key_id(self) -> str:
        return self.name.removeprefix(KEYS).rpartition("/")[0]

    @property
    def scope(self) -> str:
        return self.key_id.rpartition("/")[0]

    @property
    def master(self) -> str:
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class Erasure:
    """What is recorded of an erased scope: who, why, when (ISO) and which keys."""

    scope: str
    by: str
    reason: str
    at: str
    keys: tuple[str, ...]


def scope_of(workflow_id: str | None) -> str:
    """Whose key a workflow's payloads are under: its contract's, by its id, or the shared one."""
    return contract_scope(workflow_id or "") or SHARED


class KeyRing:
    """Finds and makes data keys. Thread-safe; keeps a bounded number open for a bounded time.

    All raise GatewayError: `key_unavailable` (no record, or no master for it), `key_erased`, and
    those of the record store.
    """

    def __init__(
        self,
        store: RecordStore,
        masters: Masters,
        *,
        clock: Callable[[], float] = time.monotonic,
        keep_seconds: float = KEEP_SECONDS,
        max_kept: int = MAX_KEPT,
    ) -> None:
        self._store, self._masters = store, masters
        self._by_scope = _Kept(clock, keep_seconds, max_kept)
        self._by_id = _Kept(clock, keep_seconds, max_kept)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    # --- for payloads ---------------------------------------------------------------------------

    def kept_for(self, scope: str) -> DataKey | None:
        """The key that seals for a scope, if it is in memory."""
        return self._by_scope.get(scope)

    def kept(self, key_id: str) -> DataKey | None:
        """A key by its id, if it is in memory."""
        return self._by_id.get(key_id)

    def key_for(self, scope: str) -> DataKey:
        """The key that seals for a scope; the first time it is made. Reads the store."""
        with self._lock(scope):
            found = self._by_scope.get(scope) or self._still(self._by_scope, scope, self._sealing)
            self._by_scope.put(scope, found)
            self._by_id.put(found.id, found)
            return found

    def key(self, key_id: str) -> DataKey:
        """A key by its id. Reads the store."""
        with self._lock(key_id):
            found = self._by_id.get(key_id) or self._still(self._by_id, key_id, self._opened)
            self._by_id.put(key_id, found)
            return found

    def _still(self, kept: _Kept, name: str, find: Callable[[str], DataKey]) -> DataKey:
        """Read it anew; where the store does not answer now, what was in memory does."""
        try:
            return find(name)
        except GatewayError as error:
            old = kept.outdated(name)
            if error.kind is FailureKind.TRANSIENT and old is not None:
                return old
            kept.drop(name)
            raise

    def _sealing(self, scope: str) -> DataKey:
        self._refuse_erased(scope)
        return self._first(scope) or self._made(scope)

    def _first(self, scope: str) -> DataKey | None:
        """The first key of a scope that a master from here opens."""
        ours = (item for item in self.wrapped(scope) if item.master in self._masters.ids)
        found = next(ours, None)
        return self._opened(found.key_id) if found else None

    def _made(self, scope: str) -> DataKey:
        key_id = f"{scope}/{secrets.token_hex(4)}"
        self._write(key_id, os.urandom(KEY_BYTES))
        if self.erasure(scope) is not None:  # meanwhile, so whoever erased did not see this one
            self._delete_all(scope)
            self._refuse_erased(scope)
        # Where another process made one at the same moment, both take the first.
        return self._first(scope) or self._opened(key_id)  # the second says why it is not there

    def _opened(self, key_id: str) -> DataKey:
        # Also where its record is there: an erasure ended half-way, or a backup brought it back.
        self._refuse_erased(_checked(key_id).rpartition("/")[0])
        return DataKey(key_id, AESGCM(self._unwrapped(key_id)))

    def _unwrapped(self, key_id: str) -> bytes:
        masters: list[str] = []
        for _ in range(_TRIES):  # between list and read another process may change the master
            masters = [item.master for item in self._records(f"{KEYS}{_checked(key_id)}/")]
            for master in sorted(self._masters.ids & set(masters)):
                key = self._open_by(master, key_id)
                if key is not None:
                    return key
        scope = key_id.rpartition("/")[0]
        self._refuse_erased(scope)
        if masters:
            raise unavailable(
                f"the key {key_id} is wrapped by the master {', '.join(masters)}, which is not "
                "configured here: add it under [encryption.masters], and start again"
            )
        raise unavailable(
            f"the key {key_id} is not in the record store: see that [records] names the store it "
            "was made in, or bring it back from a backup"
        )

    def _open_by(self, master: str, key_id: str) -> bytes | None:
        """The data key as this master opens it; None where it does not wrap it."""
        content = self._store.read(f"{KEYS}{key_id}/{master}")
        if content is None:
            return None
        return self._masters.unwrap(
            master, key_id, base64.b64decode(json.loads(content)["wrapped"])
        )

    # --- for people -----------------------------------------------------------------------------

    def check(self) -> None:
        """Open the first shared key, if there is one; where that cannot be, no other can."""
        first = next(self.wrapped(SHARED), None)
        if first is not None:
            self.key(first.key_id)

    def wrapped(self, scope: str = "") -> Iterator[WrappedKey]:
        """The records of a scope's keys, or of all, in order."""
        return self._records(f"{KEYS}{scope}/" if scope else KEYS)

    def rewrap(self, item: WrappedKey) -> bool:
        """Wrap a key by the active master and remove what another had wrapped; False where nothing
        was left to do."""
        if item.master == self._masters.active:
            return False
        self._write(item.key_id, self._unwrapped(item.key_id))
        if self._open_by(self._masters.active, item.key_id) is not None:
            self._store.delete(item.name)  # not before the active one opens it
        if self.erasure(item.scope) is not None:
            self._delete_all(item.scope)
        return True

    def erase(self, scope: str, *, by: str, reason: str, at: datetime) -> Erasure:
        """Destroy all keys of a scope, which never gets another one, and keep a record of it."""
        known = self.erasure(scope)
        if known is None:
            keys = sorted({item.key_id for item in self.wrapped(scope)})
            known = Erasure(
                scope, by, reason, at.astimezone(UTC).isoformat(timespec="seconds"), tuple(keys)
            )
            self._store.create(f"{_ERASED}{scope}", json.dumps(vars(known), indent=1).encode())
        self._delete_all(scope)  # also where an earlier attempt ended half-way
        self._by_scope.drop(scope)
        for key_id in known.keys:
            self._by_id.drop(key_id)
        return known

    def erasure(self, scope: str) -> Erasure | None:
        """What is recorded of a scope that was erased."""
        content = self._store.read(f"{_ERASED}{scope}")
        if content is None:
            return None
        read = json.loads(content)
        return Erasure(**{**read, "keys": tuple(read["keys"])})

    def erasures(self) -> list[Erasure]:
        """What is recorded of all that was erased."""
        scopes = [name.removeprefix(_ERASED) for name in self._names(_ERASED)]
        return [item for item in map(self.erasure, scopes) if item is not None]

    def _refuse_erased(self, scope: str) -> None:
        erased = self.erasure(scope)
        if erased is not None:
            raise errors.business(
                SYSTEM,
                ERASED,
                # In clear in Temporal, so without the words of a person.
                f"The keys of {scope} were erased on {erased.at}: what was under them cannot be "
                "read any more. By whom and why: c2c keys list.",
            )

    def _delete_all(self, scope: str) -> None:
        for item in list(self.wrapped(scope)):
            self._store.delete(item.name)

    def _write(self, key_id: str, key: bytes) -> None:
        record = {
            "key": key_id,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "wrapped": base64.b64encode(self._masters.wrap(key_id, key)).decode(),
        }
        name = f"{KEYS}{_checked(key_id)}/{self._masters.active}"
        try:
            self._store.create(name, json.dumps(record, indent=1).encode())
        except GatewayError as error:
            if error.code != "record_differs":  # somebody else wrapped this key at the same time
                raise

    def _records(self, prefix: str) -> Iterator[WrappedKey]:
        return map(WrappedKey, self._names(prefix))

    def _names(self, prefix: str) -> Iterator[str]:
        after = ""
        while True:
            page = self._store.names(prefix, after=after, limit=MAX_PAGE)
            yield from page
            if len(page) < MAX_PAGE:
                return
            after = page[-1]

    def _lock(self, name: str) -> threading.Lock:
        return self._locks[hash(name) % _LOCKS]


def _checked(key_id: str) -> str:
    """The id, which comes with a payload from wherever it was, if keys can have it."""
    scope, _, own = key_id.rpartition("/")
    of_scope = scope == SHARED or (scope != "" and contract_scope(scope) == scope)
    if not (of_scope and _OWN.fullmatch(own)):
        raise unavailable(f"{key_id[:200]!r} is not the id of a key of ours")
    return key_id


class _Kept:
    """The newest so many keys, each for so long."""

    def __init__(self, clock: Callable[[], float], keep_seconds: float, max_kept: int) -> None:
        self._clock, self._keep_seconds, self._max_kept = clock, keep_seconds, max_kept
        self._items: OrderedDict[str, tuple[float, DataKey]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> DataKey | None:
        with self._lock:
            item = self._items.get(name)
            if item is None or item[0] < self._clock():
                return None
            self._items.move_to_end(name)
            return item[1]

    def outdated(self, name: str) -> DataKey | None:
        with self._lock:
            item = self._items.get(name)
            return item[1] if item else None

    def put(self, name: str, key: DataKey) -> None:
        with self._lock:
            kept = self._items.get(name)
            if kept is not None and kept[0] >= self._clock():
                return
            self._items[name] = self._clock() + self._keep_seconds, key
            self._items.move_to_end(name)
            while len(self._items) > self._max_kept:
                self._items.popitem(last=False)

    def drop(self, name: str) -> None:
        with self._lock:
            self._items.pop(name, None)
