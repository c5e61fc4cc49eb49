"""Erasing by order of a person: one contract, or all of a customer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from temporalio.client import Client

from activities.ends import Ended, ended
from contracts.audit.entries import Entry, Who
from contracts.identifiers import contract_scope, legal_entity_of
from contracts.retention import is_over
from gateways.audit.chains import Chains
from gateways.audit.entity_chain import EntityChain
from gateways.encryption.keys import Erasure
from gateways.retention.customers import CustomerIndex
from gateways.retention.erasing import Eraser
from gateways.retention.settings import RetentionSettings
from starters.client.errors import NotFound, Refused
from starters.client.names import CONTRACT_WORKFLOW, MAX_LISTED
from wiring import retention
from wiring.settings import Settings
from workflows import search_attributes

CUSTOMER_ERASED = "customer_erased"
_MOST_NAMED = 50
"""Contracts that an entry names; of more it has the number."""
_AT_ONCE = 20


class Standing(StrEnum):
    """Whether a contract may be erased."""

    OPEN = "open"
    KEPT = "kept"
    """It has to be kept for longer."""
    DUE = "due"
    ERASED = "erased"


@dataclass(frozen=True)
class Candidate:
    """A contract of a customer, by its workflow id: whether it may be erased, when it ended where
    that is known, and why it may not."""

    contract: str
    standing: Standing
    ended_at: datetime | None = None
    why: str = ""


@dataclass(frozen=True)
class CustomerErased:
    """What was destroyed of a customer, and what was left."""

    customer: str
    legal_entity: str
    erased: Sequence[Erasure]
    left: Sequence[Candidate]


@dataclass(frozen=True)
class CustomerFound:
    """The contracts of a customer of a legal entity: what would be erased, and what may not be."""

    customer: str
    legal_entity: str
    contracts: Sequence[Candidate]

    @property
    def due(self) -> list[Candidate]:
        """Those that may be erased now."""
        return self._of(Standing.DUE)

    @property
    def left(self) -> list[Candidate]:
        """Those that may not be erased yet."""
        return self._of(Standing.OPEN, Standing.KEPT)

    @property
    def erased(self) -> list[Candidate]:
        """Those that are erased already."""
        return self._of(Standing.ERASED)

    def _of(self, *standings: Standing) -> list[Candidate]:
        return [item for item in self.contracts if item.standing in standings]


@dataclass(frozen=True)
class Erasing:
    """What it works with: Temporal, what destroys, and for how long nobody may."""

    client: Client
    eraser: Eraser
    rules: RetentionSettings

    @classmethod
    def of(cls, settings: Settings) -> Callable[[Client], Erasing] | None:
        """How it is made once there is a client; None without keys of contracts, where nothing can
        be destroyed. Raises ConfigurationError."""
        if not settings.encryption.masters:
            return None
        eraser = retention.eraser(settings)
        return lambda client: cls(client, eraser, settings.retention)

    async def check(self, contract: str, at: datetime) -> None:
        """Raises Refused where a contract may not be erased yet; RPCError, GatewayError."""
        found = await self.candidate(contract, at)
        if found.standing in (Standing.OPEN, Standing.KEPT):
            raise Refused(found.why)

    async def erase(
        self, contract: str, *, by: str, reason: str, at: datetime, who: Who | None = None
    ) -> Erasure:
        """Destroy a contract's keys and large payloads; `who` says more of whoever `by` is. Raises
        Refused while it may not be."""
        await self.check(contract, at)
        return await asyncio.to_thread(
            self.eraser.erase, contract_scope(contract), by=by, reason=reason, at=at, who=who
        )

    async def candidate(self, workflow_id: str, now: datetime) -> Candidate:
        """How a contract stands. It would stop where it is if it lost its keys while it runs, or an
        invoice of it."""
        contract = contract_scope(workflow_id)
        if await asyncio.to_thread(self.eraser.is_done, contract):
            return Candidate(contract, Standing.ERASED)
        found = await ended(self.client, Chains(self.eraser.store, None), contract)
        if found.running:
            why = (
                f"{', '.join(found.running)} still runs: its keys are erased once it is closed, or "
                "cancelled or terminated in Temporal"
            )
            return Candidate(contract, Standing.OPEN, why=why)
        why = self._too_early(contract, found, now)
        return Candidate(contract, Standing.KEPT if why else Standing.DUE, found.at, why)

    def _too_early(self, contract: str, found: Ended, now: datetime) -> str:
        days = self.rules.of(legal_entity_of(contract)).least_days
        if not days or (found.at is not None and is_over(found.at, days, now)):
            return ""
        when = f"it ended on {found.at:%Y-%m-%d}" if found.at else "nothing says when it ended"
        return f"{contract} is kept for {days} days after its end (least_days), and {when}"

    # --- a customer -----------------------------------------------------------------------------

    async def of_customer(self, legal_entity: str, customer: str, now: datetime) -> CustomerFound:
        """The contracts of a customer, by the key, also those that Temporal has forgotten. Raises
        NotFound where there are none."""
        index = CustomerIndex(self.eraser.store)
        known = set(await asyncio.to_thread(index.contracts, legal_entity, customer))
        known |= await self._listed(legal_entity, customer)
        if not known:
            raise NotFound(f"{legal_entity} has no contract of a customer {customer}")
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(contract: str) -> Candidate:
            async with turns:
                return await self.candidate(contract, now)

        found = await asyncio.gather(*map(ask, sorted(known)))
        return CustomerFound(customer, legal_entity, found)

    async def _listed(self, legal_entity: str, customer: str) -> set[str]:
        """Those that Temporal lists."""
        if not customer or "'" in customer or "\\" in customer:
            return set()
        names = search_attributes.CUSTOMER.name, search_attributes.LEGAL_ENTITY.name
        query = (
            f"WorkflowType = '{CONTRACT_WORKFLOW}' AND {names[0]} = '{customer}' "
            f"AND {names[1]} = '{legal_entity}'"
        )
        found = {run.id async for run in self.client.list_workflows(query, limit=MAX_LISTED)}
        if len(found) == MAX_LISTED:
            raise Refused(f"{customer} has {MAX_LISTED} contracts or more: erase each of them")
        return found

    async def erase_customer(
        self,
        legal_entity: str,
        customer: str,
        *,
        by: str,
        reason: str,
        at: datetime,
        partly: bool = False,
        who: Who | None = None,
    ) -> CustomerErased:
        """Destroy the keys and large payloads of all contracts of a customer; `partly`: of those
        that may be erased. Cut off in the middle it is done again, and goes on. `who` says more of
        whoever `by` is.

        Raises Refused where a contract may not be erased, before anything is destroyed.
        """
        found = await self.of_customer(legal_entity, customer, at)
        left = found.left
        if left and not partly:
            raise Refused("; ".join(item.why for item in left[:_MOST_NAMED]))
        due = [item.contract for item in found.due]
        if due:
            entry = _entry(customer, due, by=who or Who(person=by), reason=reason, at=at)
            chain = EntityChain(self.eraser.store, legal_entity)
            await asyncio.to_thread(chain.append, entry)
        erased = [
            # Each is looked at once more: meanwhile somebody may have started it again.
            await self.erase(contract, by=by, reason=reason, at=at, who=who)
            for contract in due
        ]
        return CustomerErased(customer, legal_entity, erased, left)


def _entry(customer: str, due: Sequence[str], *, by: Who, reason: str, at: datetime) -> Entry:
    named = [contract.rpartition("/")[2] for contract in due[:_MOST_NAMED]]
    return Entry(
        at=at,
        what=CUSTOMER_ERASED,
        actor=by,
        why=reason,
        details={"customer": customer, "contracts": named, "count": len(due)},
    )
