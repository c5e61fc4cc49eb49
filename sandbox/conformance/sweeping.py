"""A connector is swept as the product does it, without Temporal: the same book-keeping."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from gateways.connectors import Connector
from sandbox.conformance.remote import NAME

_MOST_PAGES = 1_000


class FoundPage(NamedTuple):
    """A page of what a connector found, each with when it changed; its clock; the next mark."""

    found: list[tuple[str, datetime]]
    as_of: datetime
    next: str


Read = Callable[[datetime, str], FoundPage]


class Sweeps:
    """One sweep after the other, each from where the last ended."""

    def __init__(self, connector: Connector[Any, Any], read: Read, *, time_zone: str) -> None:
        assert connector.sweep is not None, "a connector that is swept declares it"
        self.sweep = ConnectorSweep(
            system=NAME,
            legal_entity="northwind",
            overlap=connector.sweep.overlap,
            nightly=connector.sweep.nightly,
            time_zone=time_zone,
        )
        self._read = read
        self._before: ConnectorSweepResult | None = None

    def run(
        self,
        now: datetime,
        between: Callable[[FoundPage], None] | None = None,
        *,
        most_pages: int = _MOST_PAGES,
    ) -> list[str]:
        """One sweep; returns what it starts. `between` is called after each page. It ends after
        `most_pages`, and the next one goes on."""
        progress, started = self.sweep.begun(self._before, now), []
        for _ in range(most_pages):
            page = self._read(progress.since, progress.after)
            progress.begin_page(page.as_of)
            for key, changed_at in page.found:
                if progress.is_new(key, changed_at, self.sweep.overlap):
                    started.append(key)
            if between is not None:
                between(page)
            progress.after = page.next
            if not page.next:
                self._before = progress.result
                return started
        assert most_pages < _MOST_PAGES, f"a sweep of more than {_MOST_PAGES} pages"
        self._before = progress.ended()
        return started
