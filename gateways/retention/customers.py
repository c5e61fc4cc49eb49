"""Which contracts a customer has had, also those that Temporal has forgotten.

A record is `customers/<legal entity>/<hash of the customer's key>/<contract>`: the key may be what
no name of a record can be, and whoever only lists names learns nothing of it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

from contracts.identifiers import contract_workflow_id, legal_entity_of
from gateways.record_store.protocol import MAX_PAGE, RecordStore

_MOST_KNOWN = 20_000
_LETTERS = 32


class CustomerIndex:
    """Written as contracts are recorded. Thread-safe. All raise GatewayError."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def note(self, customer: str, contract: str) -> None:
        """A contract, by its workflow id, has this customer. What this process has written is not
        written again."""
        legal_entity = legal_entity_of(contract)
        name = f"{_prefix(legal_entity, customer)}{contract.rpartition('/')[2]}"
        with self._lock:
            if name in self._known:
                return
        self._store.create(name, contract.encode())
        with self._lock:
            self._known[name] = None
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)

    def contracts(self, legal_entity: str, customer: str) -> list[str]:
        """The workflow ids of a customer's contracts, in order."""
        prefix, after = _prefix(legal_entity, customer), ""
        found: list[str] = []
        while True:
            page = self._store.names(prefix, after=after, limit=MAX_PAGE)
            ids = (name.rpartition("/")[2] for name in page)
            found += [contract_workflow_id(legal_entity, item) for item in ids]
            if len(page) < MAX_PAGE:
                return found
            after = page[-1]


def _prefix(legal_entity: str, customer: str) -> str:
    digest = hashlib.sha256(f"{legal_entity}\0{customer}".encode()).hexdigest()
    return f"customers/{legal_entity}/{digest[:_LETTERS]}/"
