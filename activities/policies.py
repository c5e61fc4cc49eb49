"""The firm's rules, read when they are needed so that a changed rule meets new proposals only."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date

import holidays
from pydantic import BaseModel
from temporalio import activity

from activities.failures import BusinessRefusal
from contracts.calendar import BusinessCalendar
from contracts.handover import HandoverDefaults
from contracts.policy import EntityPolicy, LegalEntity

YEARS_AHEAD = 4
"""How many years of public holidays a frozen policy knows; collections are over long before."""


@functools.cache
def _holidays(country: str, subdivision: str | None, year: int) -> tuple[date, ...]:
    """Public holidays from a year on; each invoice asks for them, and they take milliseconds."""
    years = range(year, year + YEARS_AHEAD)
    return tuple(sorted(holidays.country_holidays(country, subdiv=subdivision, years=years)))


class PolicyRequest(BaseModel):
    """`today` is the date of the workflow's clock, where the holidays start."""

    legal_entity: str
    today: date


class Policies:
    """Rules from the worker's own configuration; no remote has a part in it."""

    def __init__(
        self,
        entities: Mapping[str, LegalEntity],
        payment_links: Mapping[str, str] | None = None,
    ) -> None:
        """`payment_links` is by legal entity the processor on whose pages its invoices are paid."""
        self._entities = entities
        self._payment_links = payment_links or {}

    def handover_defaults(self, legal_entity: str) -> HandoverDefaults:
        """What the legal entity hands over to delivery where a contract does not say."""
        entity = self._entities.get(legal_entity)
        return entity.handover if entity is not None else HandoverDefaults()

    @activity.defn
    def entity_policy(self, request: PolicyRequest) -> EntityPolicy:
        """The legal entity's rules with its public holidays looked up."""
        entity = self._entities.get(request.legal_entity)
        if entity is None:
            raise BusinessRefusal(
                "legal_entity_unknown",
                f"the configuration has no legal entity {request.legal_entity}; "
                f"it has: {', '.join(sorted(self._entities))}",
                field="legal_entity",
                value=request.legal_entity,
            )
        days = _holidays(entity.country, entity.subdivision, request.today.year)
        return EntityPolicy(
            odoo_company=entity.odoo_company,
            payment_term=entity.payment_term,
            write_off_account=entity.write_off_account,
            payment_links=self._payment_links.get(request.legal_entity, ""),
            calendar=BusinessCalendar(time_zone=entity.time_zone, holidays=days),
            approval=entity.approval,
            dunning=entity.dunning,
        )
