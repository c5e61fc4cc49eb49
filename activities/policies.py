"""The firm's rules, read when they are needed so that a changed rule meets new proposals only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import holidays
from pydantic import BaseModel
from temporalio import activity

from activities.failures import BusinessRefusal
from contracts.calendar import BusinessCalendar
from contracts.policy import EntityPolicy, LegalEntity

YEARS_AHEAD = 4
"""How many years of public holidays a frozen policy knows; collections are over long before."""


class PolicyRequest(BaseModel):
    """`today` is the date of the workflow's clock, where the holidays start."""

    legal_entity: str
    today: date


class Policies:
    """Local activities on the `contracts` task queue; they read configuration only."""

    def __init__(self, entities: Mapping[str, LegalEntity]) -> None:
        self._entities = entities

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
        years = range(request.today.year, request.today.year + YEARS_AHEAD)
        days = holidays.country_holidays(entity.country, subdiv=entity.subdivision, years=years)
        return EntityPolicy(
            odoo_company=entity.odoo_company,
            payment_term=entity.payment_term,
            write_off_account=entity.write_off_account,
            calendar=BusinessCalendar(time_zone=entity.time_zone, holidays=tuple(sorted(days))),
            approval=entity.approval,
            dunning=entity.dunning,
        )
