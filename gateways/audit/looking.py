"""Looks at the record that end in time, however much there is of it: one chain, and a search.

A look reads so many records and no more, and says where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from contracts.audit import records
from contracts.audit.entries import Entry
from contracts.audit.merkle import Head
from contracts.audit.records import Record, Verdict
from gateways.audit.chains import Chains, Stored
from gateways.audit.reading import Reader
from gateways.encryption.keys import Erasure

MAX_OF_A_CHAIN = 5_000
MAX_SEARCHED = 2_000
MAX_FOUND = 100
_SECONDS = 3.0


@dataclass(frozen=True)
class ChainLook:
    """A page of a chain's entries, and what the chain is found to be, all of it but the last
    `left_out` records. `erasure` is there where its keys are destroyed; `anchored_seq` is the last
    entry that an anchor knows of."""

    of: str
    verdict: Verdict
    entries: tuple[Stored, ...]
    total: int
    left_out: int = 0
    problems: tuple[str, ...] = ()
    erasure: Erasure | None = None
    anchored_seq: int = 0

    @property
    def is_whole(self) -> bool:
        return self.verdict.is_whole and not self.problems


def chain(
    reader: Reader, of: str, entity: str, live: Head | None, first: int, count: int
) -> ChainLook:
    """The chain of this name, anchored by this legal entity: `count` entries, the first of them is
    the `first` there is (from 0). `live` is its end as its workflow knows it.

    Raises GatewayError.
    """
    checked = reader.anchors(entity)
    known = dict(checked.heads.get(of, {}))
    if live is not None and live.seq:
        known.setdefault(live.seq, live.hash)
    numbers = reader.chains.numbers(of)
    read, shown = numbers[:MAX_OF_A_CHAIN], numbers[first : first + count]
    left_out = len(numbers) - len(read)
    if left_out:
        known = {seq: end for seq, end in known.items() if seq <= read[-1]}
    return ChainLook(
        of=of,
        verdict=reader.verdict(entity, of, known, read),
        entries=tuple(reader.chains.entries(of, shown)),
        total=len(numbers),
        left_out=left_out,
        problems=tuple(checked.problems),
        erasure=reader.erasure(of),
        anchored_seq=max(checked.heads.get(of, {}), default=0),
    )


@dataclass(frozen=True)
class Wanted:
    """What narrows a search; what is left out does not. Times are aware: from `since` on, before
    `until`. `person` is a part of who did it, `what` the message or act."""

    person: str = ""
    what: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def may_be(self, record: Record) -> bool:
        """Whether it is one, by what is readable of it."""
        if self.what and record.what != self.what:
            return False
        if self.since is None and self.until is None:
            return True
        try:
            at = datetime.fromisoformat(record.at)
        except ValueError:
            return True  # it was changed: whoever looks has to see it
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def is_by(self, entry: Entry | None) -> bool:
        """Whether the person did it; nobody knows that of what cannot be read."""
        if not self.person:
            return True
        if entry is None:
            return False
        who = entry.actor
        return self.person.lower() in f"{who.person} {who.subject} {who.system}".lower()


class Place(NamedTuple):
    """Where records are looked for: below these prefixes, behind the record of this name."""

    prefixes: Sequence[str]
    after: str = ""


@dataclass
class Found:
    """What a search found, in how many records of how many chains. `after` is the name of the last
    record that was looked at, where there are more; `opened` are the keys that were used."""

    entries: list[Stored] = field(default_factory=list)
    records: int = 0
    chains: int = 0
    after: str = ""
    opened: set[str] = field(default_factory=set)


def search(chains: Chains, place: Place, wanted: Wanted) -> Found:
    """The entries that are wanted, chain by chain, in bounded time. Raises GatewayError."""
    found, ends_at = Found(), time.monotonic() + _SECONDS
    for of, seq in islice(_places(chains, place, found), MAX_SEARCHED):
        stored = chains.one(of, seq, wanted.may_be)
        found.records += 1
        if stored is not None:
            if stored.entry is not None and stored.record.key_id:
                found.opened.add(stored.record.key_id)
            if wanted.is_by(stored.entry):
                found.entries.append(stored)
        is_enough = len(found.entries) >= MAX_FOUND or found.records >= MAX_SEARCHED
        if is_enough or time.monotonic() >= ends_at:
            found.after = records.record_name(of, seq)
            break
    return found


def _places(chains: Chains, place: Place, found: Found) -> Iterator[tuple[str, int]]:
    for of, numbers in chains.chains(*place.prefixes, after=place.after):
        found.chains += 1
        for seq in numbers:
            yield of, seq
