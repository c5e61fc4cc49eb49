"""The entries since a moment, of all contracts of a legal entity.

The anchors say which chains have grown: only these are read, each from its end, as far as
`may_read` lets it. Without anchors every chain is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from contracts.audit import anchors
from contracts.audit.records import entity_prefixes
from gateways.audit.chains import Chains, Stored
from gateways.record_store.protocol import MAX_PAGE, RecordStore


def since(
    chains: Chains, legal_entity: str, moment: datetime, may_read: Callable[[], bool]
) -> Iterator[Stored]:
    """The entries at or after a moment (aware), in no order; one for each time that `may_read`
    says yes. Raises GatewayError."""
    ends = _ends(chains.store, legal_entity, moment)
    if ends is None:
        found = chains.chains(*entity_prefixes(legal_entity))
        ends = {of: numbers[-1] for of, numbers in found}
    for of, end in ends.items():
        yield from _newer(chains, of, end, may_read)
        for seq in range(end, 0, -1):
            if not may_read():
                return
            stored = chains.entry(of, seq)
            if stored is not None:
                if not _is_since(stored, moment):
                    break
                yield stored


def _newer(chains: Chains, of: str, end: int, may_read: Callable[[], bool]) -> Iterator[Stored]:
    """What came after the end that was anchored."""
    while may_read():
        end += 1
        stored = chains.entry(of, end)
        if stored is None:
            return
        yield stored


def _is_since(stored: Stored, moment: datetime) -> bool:
    """One that says no time, as a changed one, is taken for one of the period."""
    try:
        return datetime.fromisoformat(stored.record.at) >= moment
    except (ValueError, TypeError):
        return True


def _ends(store: RecordStore, legal_entity: str, moment: datetime) -> dict[str, int] | None:
    """The last anchored number of each chain that has grown since a moment; None without anchors.
    An anchor is of a day's end, so what was anchored before the moment happened before it."""
    names = list(_names(store, anchors.anchors_prefix(legal_entity)))
    found: dict[str, int] = {}
    for name in reversed(names):
        anchor = anchors.read(store.read(name) or b"")
        if anchor is None:
            continue  # the verification says so
        if datetime.fromisoformat(anchor.at) < moment:
            break
        for of, head in anchor.heads.items():
            found.setdefault(of, head.seq)
    return found if names else None


def _names(store: RecordStore, prefix: str) -> Iterator[str]:
    after = ""
    while True:
        page = store.names(prefix, after=after, limit=MAX_PAGE)
        yield from page
        if len(page) < MAX_PAGE:
            return
        after = page[-1]
