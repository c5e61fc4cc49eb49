"""Destroys what makes a contract readable: its keys, and its large payloads.

The entry in the legal entity's chain is written first: whatever comes between, nothing was
destroyed that no entry names. Done again, it goes on where it was cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contracts.audit.entries import Entry, Who
from contracts.identifiers import legal_entity_of
from gateways.audit.entity_chain import EntityChain
from gateways.encryption.keys import Erasure, KeyRing
from gateways.encryption.large_payloads import LargePayloads
from gateways.record_store.protocol import RecordStore

ERASED = "contract_erased"


@dataclass(frozen=True)
class Eraser:
    """What it works with. All raise GatewayError."""

    store: RecordStore
    ring: KeyRing
    large: LargePayloads

    def erase(
        self, contract: str, *, by: str, reason: str, at: datetime, who: Who | None = None
    ) -> Erasure:
        """Destroy a contract's keys and large payloads, at an aware time; `who` says more of
        whoever `by` is, or that it is no person."""
        if not self.is_done(contract):
            entry = Entry(
                at=at,
                what=ERASED,
                actor=who or Who(person=by),
                why=reason,
                details={"contract": contract},
            )
            EntityChain(self.store, legal_entity_of(contract)).append(entry)
        done = self.ring.erase(contract, by=by, reason=reason, at=at)
        self.large.remove_all(contract)
        return done

    def is_done(self, contract: str) -> bool:
        """Whether nothing of it is left to destroy, and never will be."""
        if self.ring.erasure(contract) is None:
            return False
        left = (self.ring.wrapped(contract), self.large.of(contract))
        return all(next(iter(items), None) is None for items in left)
