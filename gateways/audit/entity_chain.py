"""The chain of what concerns a legal entity and no single workflow: what was erased and removed.

It is in clear, for who destroyed what and why must stay readable once the keys are gone. Processes
that append at the same moment try again, each behind the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from contracts.audit.entries import Entry
from contracts.audit.records import entity_chain
from gateways.audit.chains import Chains
from gateways.errors import GatewayError
from gateways.record_store.protocol import RecordStore

_TRIES = 5


class EntityChain:
    """The chain of a legal entity; of the installation, where none is named. All raise
    GatewayError."""

    def __init__(self, store: RecordStore, legal_entity: str = "") -> None:
        self._chains, self.of = Chains(store, None), entity_chain(legal_entity)

    def append(self, entry: Entry) -> None:
        """Add an entry, once where it is the last already."""
        for left in reversed(range(_TRIES)):
            try:
                self._chains.write(self.of, 0, "", [entry], rejoins=True)
                return
            except GatewayError as error:
                if error.code != "audit_differs" or not left:
                    raise

    def entries(self) -> Iterator[Entry]:
        """Those that can be read, the oldest first."""
        for item in self._chains.entries(self.of):
            if item.entry is not None:
                yield item.entry
