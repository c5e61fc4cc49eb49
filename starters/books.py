"""What Odoo says about the receivables and the work of whole legal entities, kept for a minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from activities.odoo.analytics_invoices import OdooPostedInvoices
from activities.odoo.catalogue import Catalogue
from activities.odoo.questions import LateMilestones, OdooQuestions, UnbilledTime
from contracts.policy import LegalEntity
from contracts.receivables import OpenPart, open_parts
from gateways.errors import GatewayError
from gateways.odoo import OdooClient
from starters.kept import Kept, Reading
from wiring import remotes
from wiring.settings import ConfigurationError, Settings

T = TypeVar("T")

MOST_OPEN = 20_000
"""Open parts of a legal entity: beyond, the list says that it is not whole."""
FAILURES = (GatewayError, ConfigurationError)
"""What one legal entity may fail with; the others are shown all the same."""


@dataclass(frozen=True)
class OpenParts:
    """What was open on a day, whatever is agreed of it. `left_out` are the numbers of invoices that
    could not be read, with the reasons; `more`: there were too many."""

    rows: list[OpenPart] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    more: bool = False


@dataclass
class Books:
    """Reads for several legal entities. Every method raises one of `FAILURES`. `connect` gives
    Odoo's client, once it is needed for the first time: pages of others do without."""

    connect: Callable[[], OdooClient]
    entities: Mapping[str, LegalEntity]
    approved_field: str
    kept: Kept = field(default_factory=Kept)

    @classmethod
    def of(cls, settings: Settings) -> Books:
        """Nothing is connected yet."""
        return cls(
            partial(remotes.odoo, settings), settings.entities, settings.odoo.time_approved_field
        )

    @cached_property
    def _odoo(self) -> OdooClient:
        return self.connect()

    @cached_property
    def _catalogue(self) -> Catalogue:
        return Catalogue(self._odoo)

    def today(self, entity: str, now: datetime | None = None) -> date:
        """The day it is where a legal entity is."""
        zone = ZoneInfo(self.entities[entity].time_zone)
        return (now or datetime.now(UTC)).astimezone(zone).date()

    async def open_parts(self, entity: str, day: date) -> Reading[OpenParts]:
        """What was open at the end of a day, or is now."""
        return await self._get(partial(self._open, entity, day), "open", entity, day)

    async def late_milestones(self, entity: str) -> Reading[LateMilestones]:
        day = self.today(entity)
        ask = lambda: self._questions(entity).late_milestones(day)  # noqa: E731
        return await self._get(ask, "late", entity, day)

    async def unbilled_time(self, entity: str) -> Reading[list[UnbilledTime]]:
        ask = lambda: self._questions(entity).unbilled_time(self.approved_field)  # noqa: E731
        return await self._get(ask, "time", entity)

    async def _get(self, ask: Callable[[], T], *key: object) -> Reading[T]:
        return await self.kept.get(key, ask)

    def _open(self, entity: str, day: date) -> OpenParts:
        found, company = OpenParts(), self._company(entity)
        source = OdooPostedInvoices(self._odoo, company, entity, day, found.left_out.__setitem__)
        for page in source.pages(day):
            for invoice in page:
                try:
                    found.rows.extend(open_parts(invoice, day))
                except ValueError as error:
                    found.left_out[invoice.number] = str(error)
            if len(found.rows) > MOST_OPEN:
                return replace(found, more=True)
        return found

    def _questions(self, entity: str) -> OdooQuestions:
        return OdooQuestions(self._odoo, self._company(entity), entity)

    def _company(self, entity: str) -> int:
        name = self.entities[entity].odoo_company
        company = self._catalogue.company(name)
        if company is None:
            raise ConfigurationError(f"Odoo has no single company {name}: see c2c check")
        return company
