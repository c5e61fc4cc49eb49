"""Inbound events as lists show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contracts.identifiers import legal_entity_of


@dataclass(frozen=True)
class EventRow:
    """An event as lists show it, a moment behind its workflow. `needs_person`: it is listed with
    the exceptions. `legal_entity` is empty where it is not known yet whose it is."""

    id: str
    source: str
    kind: str
    received_at: datetime
    sha256: str
    size: int
    outcome: str
    why: str
    touched: tuple[str, ...]
    attempts: int
    needs_person: bool
    legal_entity: str = ""

    @property
    def legal_entities(self) -> frozenset[str]:
        """Every legal entity that it is for or has touched; none where that is not known yet."""
        known = {self.legal_entity} if self.legal_entity else set()
        return frozenset({*known, *map(legal_entity_of, self.touched)})
