"""What the configuration says of how long data is kept. Light to import: every command reads it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.model import Key
from gateways.settings import Section

Days = Annotated[int, Field(ge=1, le=36_500)]


class EntityRetention(Section):
    """How long what a legal entity has is kept, in days after a contract and its invoices have
    ended. Left out, it is kept for good.

    `keys_days`: then its keys are destroyed, and what they sealed is unreadable. `payloads_days`:
    then its large payloads are removed. `audit_days`: then its audit record is removed.
    `least_days` is for how long nobody may erase it.
    """

    keys_days: Days | None = None
    payloads_days: Days | None = None
    audit_days: Days | None = None
    least_days: int = Field(default=0, ge=0, le=36_500)

    @model_validator(mode="after")
    def _after_the_least(self) -> Self:
        for name in ("keys_days", "payloads_days", "audit_days"):
            days = getattr(self, name)
            if days is not None and days < self.least_days:
                raise ValueError(f"{name} of at least least_days ({self.least_days})")
        return self

    @property
    def has_rules(self) -> bool:
        return (self.keys_days, self.payloads_days, self.audit_days) != (None, None, None)


class RetentionSettings(Section):
    """How long data is kept, in days. Left out, it is kept for good.

    `decodes_days` is for what is recorded of each look through the codec server, `payloads_days`
    for large payloads that belong to no contract: for a schedule that was paused they are what it
    goes on with, so they are kept for a month at least. `entities` has the rules of each legal
    entity.
    """

    decodes_days: Days | None = None
    payloads_days: Days | None = Field(default=None, ge=30)
    entities: dict[Key, EntityRetention] = Field(default_factory=dict)

    @property
    def has_rules(self) -> bool:
        """Whether there is a rule for what belongs to no legal entity."""
        return (self.decodes_days, self.payloads_days) != (None, None)

    @property
    def is_configured(self) -> bool:
        return self.has_rules or bool(self.entities)

    def of(self, legal_entity: str) -> EntityRetention:
        """The rules of a legal entity."""
        return self.entities.get(legal_entity, EntityRetention())
