"""What people see of retention: the rules with what is due, and what was destroyed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import Client

from activities.retention import Retention, RetentionRequest, RetentionSetup
from contracts.audit.entries import Entry
from contracts.retention import Removed, kinds_of
from gateways.audit.entity_chain import EntityChain
from gateways.record_store.protocol import RecordStore


@dataclass(frozen=True)
class Rule:
    """A rule of a legal entity, or of what belongs to none; without days it keeps for good.
    `removed` is what would be removed now."""

    legal_entity: str
    days: int | None
    removed: Removed


async def rules(
    client: Client, setup: RetentionSetup | None, legal_entities: Iterable[str], now: datetime
) -> list[Rule]:
    """Every rule, tried without removing anything. Raises GatewayError, RPCError."""
    if setup is None:
        return []
    dry = Retention(setup, client, is_dry=True)
    found = []
    for legal_entity in legal_entities:
        for kind in kinds_of(legal_entity):
            request = RetentionRequest(legal_entity=legal_entity, kind=kind, at=now)
            days = dry.days(legal_entity, kind)
            found.append(Rule(legal_entity, days, await _tried(dry, request)))
    return found


async def _tried(dry: Retention, request: RetentionRequest) -> Removed:
    total = Removed(kind=request.kind)
    while True:
        page = await dry.page(request)
        total = total.plus(page.removed)
        if not page.after:
            return total
        request = request.model_copy(update={"after": page.after})


def entries(store: RecordStore, legal_entity: str) -> list[Entry]:
    """What was erased and removed of a legal entity, the oldest first. Raises GatewayError."""
    return list(EntityChain(store, legal_entity).entries())
