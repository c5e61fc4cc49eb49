"""Chains of records in a store: appended to, read, opened.

What names people is sealed under the contract's key, where there are keys. Sealed twice, the same
differs. So where a record is there already, it is opened, and compared with what was to be written:
an attempt that comes again finds what an earlier one wrote, however far that came.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from contracts.audit import records
from contracts.audit.entries import ENDED, Entry, Written
from contracts.audit.merkle import Head
from contracts.audit.records import Record, Sealed, Verdict
from contracts.model import JsonObject
from gateways import errors
from gateways.encryption.keys import KeyRing, scope_of
from gateways.encryption.sealing import seal, unseal
from gateways.errors import GatewayError
from gateways.record_store.protocol import MAX_PAGE, RecordStore

SYSTEM = "audit"


@dataclass(frozen=True)
class Stored:
    """A record, and its entry; without one, `sealed` says why that cannot be read."""

    record: Record
    entry: Entry | None = None
    sealed: str = ""

    @property
    def is_opened(self) -> bool:
        """Whether it was sealed, and is shown in clear."""
        return self.entry is not None and bool(self.record.key_id)

    @property
    def document(self) -> JsonObject:
        """An entry as programs read it: what is stored, and what was sealed in clear."""
        stored = self.record.model_dump(mode="json", exclude={"private", "algorithm"})
        if self.entry is None:
            return {**stored, "unreadable": self.sealed}
        clear = self.entry.model_dump(mode="json", include={"actor", "why", "details"})
        changes = self.entry.model_dump(mode="json", include={"before", "after"})
        return {**stored, **clear, **changes}


class Chains:
    """The chains of a record store. Without a `ring` nothing new is sealed, and nothing opened.

    All raise GatewayError: `audit_differs`, and those of the store and of keys.
    """

    def __init__(self, store: RecordStore, ring: KeyRing | None, *, seals: bool = True) -> None:
        self.store = store
        self._ring, self._seals = ring, seals

    # --- writing --------------------------------------------------------------------------------

    def write(
        self, of: str, seq: int, head: str, entries: Sequence[Entry], *, rejoins: bool = False
    ) -> Written:
        """Append entries behind the record of this number and hash; with `rejoins` behind the one
        that is the last in the store. What was written before is found again.

        Raises GatewayError `audit_differs` where the store has something else there.
        """
        left = list(entries)
        if rejoins:
            seq, head = self._end(of)
            left = left[self._found_at_end(of, seq, entries) :]
        for entry in left:
            seq += 1
            head = self._appended(of, seq, head, entry)
        return Written(count=len(entries), seq=seq, head=head)

    def _appended(self, of: str, seq: int, prev: str, entry: Entry) -> str:
        """The hash of the record, written now or before."""
        name = records.record_name(of, seq)
        record = records.appended(of, seq, prev, entry, self._sealed(of, entry))
        try:
            self.store.create(name, record.content)
        except GatewayError as error:
            if error.code != "record_differs":
                raise
            there = self._read(of, seq)
            if there is None or not self._is(there, of, seq, entry) or there.prev != prev:
                raise _differs(of, seq) from None
            return there.hash
        return record.hash

    def _is(self, record: Record, of: str, seq: int, entry: Entry) -> bool:
        """Whether a record is that of an entry."""
        is_whole = records.hash_of(record) == record.hash
        return is_whole and (record.of, record.seq) == (of, seq) and self.opened(record) == entry

    def _end(self, of: str) -> tuple[int, str]:
        """The number and the hash of a chain's last record."""
        *_, last = (0, *self._numbers(of))
        record = self._read(of, last) if last else None
        return last, record.hash if record else ""

    def _found_at_end(self, of: str, last: int, entries: Sequence[Entry]) -> int:
        """How many of the entries, from the first, an earlier attempt has written last."""
        most = min(len(entries), last)
        first = last - most + 1
        there = [self._read(of, seq) for seq in range(first, last + 1)]
        for count in range(most, 0, -1):
            newest = there[most - count :]
            pairs = zip(newest, entries[:count], range(last - count + 1, last + 1), strict=True)
            if all(record and self._is(record, of, seq, entry) for record, entry, seq in pairs):
                return count
        return 0

    def _sealed(self, of: str, entry: Entry) -> Sealed:
        private = records.private_part(entry)
        if self._ring is None or not self._seals:
            return Sealed(private=private.decode())
        key = self._ring.key_for(scope_of(of))
        algorithm, content = seal(key, private)
        return Sealed(
            private=base64.b64encode(content).decode(), key_id=key.id, algorithm=algorithm
        )

    # --- reading --------------------------------------------------------------------------------

    def opened(self, record: Record) -> Entry:
        """The entry of a record. Raises GatewayError where its key cannot be had."""
        private = record.private.encode()
        if record.key_id:
            if self._ring is None:
                text = f"Entry {record.seq} of {record.of} is sealed, and no master is configured."
                raise errors.credentials(SYSTEM, "key_unavailable", text)
            content = base64.b64decode(record.private)
            private = unseal(self._ring.key(record.key_id), record.algorithm, content)
        return records.entry_of(record, private)

    def stored(
        self, of: str, numbers: Iterable[int] | None = None
    ) -> Iterator[tuple[int, bytes | None]]:
        """The records of a chain as they are stored, by their numbers; all, or these."""
        for seq in self._numbers(of) if numbers is None else numbers:
            yield seq, self.store.read(records.record_name(of, seq))

    def entries(self, of: str, numbers: Iterable[int] | None = None) -> Iterator[Stored]:
        """The entries of a chain, as far as they can be read; all, or these."""
        for seq in self._numbers(of) if numbers is None else numbers:
            found = self.one(of, seq)
            if found is not None:
                yield found

    def one(
        self, of: str, seq: int, is_wanted: Callable[[Record], bool] = lambda record: True
    ) -> Stored | None:
        """An entry, as far as it can be read; None where it is not wanted by what is readable."""
        record = self._read(of, seq)
        if record is None:
            return _changed(of, seq)
        return self._shown(record) if is_wanted(record) else None

    def entry(self, of: str, seq: int) -> Stored | None:
        """An entry, as far as it can be read; None where there is none of this number."""
        content = self.store.read(records.record_name(of, seq))
        record = records.read(content) if content is not None else None
        if record is not None:
            return self._shown(record)
        return None if content is None else _changed(of, seq)

    def numbers(self, of: str) -> list[int]:
        """The numbers of a chain's records."""
        return list(self._numbers(of))

    def _shown(self, record: Record) -> Stored:
        try:
            return Stored(record, self.opened(record))
        except (GatewayError, ValueError) as error:
            return Stored(record, sealed=getattr(error, "message", str(error)))

    def chains(self, *prefixes: str, after: str = "") -> Iterator[tuple[str, list[int]]]:
        """Every chain below the prefixes, and the numbers of its records; `after` a record's name
        only what comes behind it."""
        for prefix in prefixes:
            names = self._names(prefix, after)
            places = filter(None, map(records.place_of, names))
            for of, group in groupby(places, lambda place: place[0]):
                yield of, [seq for _, seq in group]

    def hash_of(self, of: str, seq: int) -> str:
        """The hash of a record; empty where there is none."""
        record = self._read(of, seq)
        return record.hash if record else ""

    def time_of(self, of: str, seq: int) -> datetime | None:
        """When the entry of a record was made; None where there is none that says it."""
        record = self._read(of, seq)
        try:
            return datetime.fromisoformat(record.at) if record else None
        except ValueError:
            return None

    def check(
        self, of: str, known: Mapping[int, str], numbers: Iterable[int] | None = None
    ) -> Verdict:
        """Whether a chain is whole, or the records of these numbers, from its first; `known` are
        hashes of records by their numbers."""
        return records.check(of, self.stored(of, numbers), known)

    def grown(
        self, prefixes: Iterable[str], heads: Mapping[str, Head]
    ) -> Iterator[tuple[str, Head | Verdict]]:
        """The ends of the chains that are longer than known, or what is wrong with what is new;
        and what is wrong with those that are shorter, or gone."""
        left = dict(heads)
        for of, numbers in self.chains(*prefixes):
            head = left.pop(of, records.BEGINNING)
            if numbers[-1] > head.seq:
                verdict = records.check(
                    of,
                    self._after(of, head, numbers),
                    behind=head,
                    is_ended=self._is_end(of, head.seq),
                )
                yield (
                    of,
                    (Head(seq=verdict.seq, hash=verdict.head) if verdict.is_whole else verdict),
                )
            elif numbers[-1] < head.seq:
                yield of, _cut_off(of, numbers[-1], head)
        for of, head in left.items():
            yield of, _cut_off(of, 0, head)

    def _after(
        self, of: str, head: Head, numbers: Iterable[int]
    ) -> Iterator[tuple[int, bytes | None]]:
        for seq in numbers:
            if seq > head.seq:
                yield seq, self.store.read(records.record_name(of, seq))

    def _is_end(self, of: str, seq: int) -> bool:
        """Whether a workflow had ended with this record; there is none before the first."""
        record = self._read(of, seq) if seq else None
        return record is not None and record.what == ENDED

    def _read(self, of: str, seq: int) -> Record | None:
        return records.read(self.store.read(records.record_name(of, seq)) or b"")

    def _numbers(self, of: str) -> Iterator[int]:
        for name in self._names(records.chain_prefix(of)):
            place = records.place_of(name)
            if place is not None:
                yield place[1]

    def _names(self, prefix: str, after: str = "") -> Iterator[str]:
        while True:
            page = self.store.names(prefix, after=after, limit=MAX_PAGE)
            yield from page
            if len(page) < MAX_PAGE:
                return
            after = page[-1]


def _changed(of: str, seq: int) -> Stored:
    """What stands for a record that is none."""
    unreadable = Record(seq=seq, of=of, at="", what="unreadable")
    return Stored(unreadable, sealed="the record was changed")


def _cut_off(of: str, last: int, known: Head) -> Verdict:
    """What is wrong with a chain that ends before an end that is known of it."""
    return records.check(of, (), {known.seq: known.hash}, Head(seq=last, hash=""))


def _differs(of: str, seq: int) -> GatewayError:
    text = (
        f"Entry {seq} of the audit record of {of} is another one in the store than this workflow "
        "writes: somebody has changed it, or the workflow was reset or started anew. See "
        "c2c audit verify."
    )
    return errors.business(SYSTEM, "audit_differs", text, field="entry", value=str(seq))
