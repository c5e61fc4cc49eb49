"""Chains that a rule of retention has removed: the legal entity's own chain says so.

What it names as removed is not missing; but only where the last record that anchors know of is the
one that it names, or an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts.audit.merkle import Head
from contracts.audit.records import Verdict
from contracts.retention import CHAIN_REMOVED
from gateways.audit.entity_chain import EntityChain
from gateways.record_store.protocol import RecordStore


def removed_chains(store: RecordStore, legal_entity: str) -> dict[str, Head]:
    """The ends of the chains that were removed, by the workflows they are of. Raises
    GatewayError."""
    found = {}
    for entry in EntityChain(store, legal_entity).entries():
        if entry.what == CHAIN_REMOVED:
            said = entry.details
            found[str(said.get("of"))] = Head(seq=_number(said.get("seq")), hash=str(said["hash"]))
    return found


def verdict_of(of: str, removed: Head, known: Mapping[int, str]) -> Verdict | None:
    """What is said of a chain that was removed; None where anchors know of something else."""
    newest = max(known, default=0)
    if newest > removed.seq or known.get(removed.seq, removed.hash) != removed.hash:
        return None
    return Verdict(of=of, seq=removed.seq, head=removed.hash)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
