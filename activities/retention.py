"""Removes what the rules of retention no longer keep: one page of one kind at a time.

What is removed is written into the legal entity's chain first. Nothing of a contract that is open,
or of which nothing says when it ended, is touched, and nothing that a bucket's lock holds.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pydantic import BaseModel
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError

from activities.ends import ended
from contracts.audit.entries import OURSELVES, Entry
from contracts.audit.records import contract_prefix, record_name, workflow_prefixes
from contracts.model import JsonObject
from contracts.retention import CHAIN_REMOVED, REMOVED, Kind, Page, Removed, is_over
from gateways import errors
from gateways.audit.chains import Chains
from gateways.audit.entity_chain import EntityChain
from gateways.encryption.keys import SHARED, WrappedKey
from gateways.encryption.large_payloads import LargePayloads
from gateways.errors import GatewayError
from gateways.record_store.protocol import DECODES, KEYS, RecordStore
from gateways.retention.erasing import Eraser
from gateways.retention.settings import RetentionSettings

PAGE = 500
"""Names of records that are looked at in one page."""
CONTRACTS_A_PAGE = 100
_AT_ONCE = 20
_OF_CONTRACTS = ("ContractWorkflow", "InvoiceWorkflow")
_HANDED_ON_WITHIN = timedelta(days=1)
"""From when a run writes what the next one begins with until that has begun."""
_LAST = "~"
"""Behind every letter that a name can have."""
BY = "c2c"
"""Who destroys keys by a rule."""


class RetentionRequest(BaseModel):
    """One page of a kind, behind a name; `at` is when the run began (aware), which an attempt that
    comes again does not change."""

    legal_entity: str
    kind: Kind
    at: datetime
    after: str = ""


@dataclass(frozen=True)
class RetentionSetup:
    """The rules, and what they are applied to. Without an eraser there are no keys. `lock_days` is
    for how long a bucket holds what may be locked."""

    rules: RetentionSettings
    store: RecordStore
    large: LargePayloads
    eraser: Eraser | None
    lock_days: int = 0


class RetentionActivities:
    """An activity on the `records` task queue. Without a record store nothing is kept."""

    def __init__(self, setup: RetentionSetup | None) -> None:
        self._setup = setup

    @activity.defn
    async def apply_retention(self, request: RetentionRequest) -> Page:
        """Remove what is due in a page."""
        if self._setup is None:
            return Page(removed=Removed(kind=request.kind))
        try:
            return await Retention(self._setup, activity.client()).page(request)
        except RPCError as error:
            text = f"Temporal does not answer: {error.message}"
            raise errors.transient("temporal", "unreachable", text) from error


class Retention:
    """Applies the rules; with `is_dry` it only says what would be removed. Raises GatewayError, and
    RPCError where Temporal does not answer."""

    def __init__(self, setup: RetentionSetup, client: Client, *, is_dry: bool = False) -> None:
        self._setup, self._client, self._is_dry = setup, client, is_dry
        self._chains = Chains(setup.store, None)

    async def page(self, request: RetentionRequest) -> Page:
        """One page. A kind without a rule has one that is empty."""
        days = self.days(request.legal_entity, request.kind)
        if days is None:
            return Page(removed=Removed(kind=request.kind))
        if request.kind is Kind.DECODES:
            return await asyncio.to_thread(self._decodes, request, days)
        if request.kind is Kind.PAYLOADS and not request.legal_entity:
            return await self._shared_payloads(request, days)
        of_entity = {
            Kind.PAYLOADS: self._payloads,
            Kind.KEYS: self._keys,
            Kind.AUDIT: self._audit,
        }
        return await of_entity[request.kind](request, days)

    def days(self, legal_entity: str, kind: Kind) -> int | None:
        """For how many days a kind is kept; None: for good."""
        rules = self._setup.rules.of(legal_entity) if legal_entity else self._setup.rules
        days: int | None = getattr(rules, f"{kind}_days", None)
        return None if kind is Kind.KEYS and self._setup.eraser is None else days

    # --- by contract ----------------------------------------------------------------------------

    async def _keys(self, request: RetentionRequest, days: int) -> Page:
        names = await asyncio.to_thread(
            self._setup.store.names,
            f"{KEYS}contract/{request.legal_entity}/",
            after=request.after,
            limit=PAGE,
        )
        wrapped = [WrappedKey(name) for name in names]
        due, undated = await self._over({item.scope for item in wrapped}, days, request.at)
        if not self._is_dry:
            for contract in due:
                await asyncio.to_thread(self._destroy, contract, days, request.at)
        count = sum(item.scope in due for item in wrapped)
        removed = Removed(kind=Kind.KEYS, due=len(due), records=count, undated=undated)
        return Page(removed=removed, after=_following(names))

    def _destroy(self, contract: str, days: int, at: datetime) -> None:
        eraser = self._setup.eraser
        if eraser is not None:
            reason = f"keys are kept for {days} days after the end (retention)"
            eraser.erase(contract, by=BY, reason=reason, at=at, who=OURSELVES)

    async def _payloads(self, request: RetentionRequest, days: int) -> Page:
        prefix = f"contract/{request.legal_entity}"
        found, after = await asyncio.to_thread(
            self._setup.large.page, prefix, request.after, limit=PAGE
        )
        due, undated = await self._over({item.scope for item in found}, days, request.at)
        names = [item.name for item in found if item.scope in due]
        removed = Removed(kind=Kind.PAYLOADS, due=len(due), undated=undated)
        return Page(
            removed=await asyncio.to_thread(self._remove, request, days, removed, names),
            after=after,
        )

    async def _audit(self, request: RetentionRequest, days: int) -> Page:
        recorded = await asyncio.to_thread(self._recorded, request)
        over, undated = await self._over(recorded, days, request.at)
        free, _ = await self._over(over, max(days, self._setup.lock_days), request.at)
        removed = Removed(kind=Kind.AUDIT, due=len(free), undated=undated)
        for workflow in sorted(over):
            work = self._remove_chains if workflow in free else self._hold_chains
            removed = removed.plus(await asyncio.to_thread(work, workflow, days, request.at))
        is_last = len(recorded) < CONTRACTS_A_PAGE
        return Page(removed=removed, after="" if is_last else _behind(recorded[-1]))

    def _recorded(self, request: RetentionRequest) -> list[str]:
        """The next contracts and bank files that have an audit record, by their workflow ids."""
        found: list[str] = []
        after = request.after
        for prefix in workflow_prefixes(request.legal_entity):
            while len(found) < CONTRACTS_A_PAGE:
                names = self._setup.store.names(prefix, after=after, limit=1)
                if not names:
                    break
                found.append("/".join(names[0].split("/")[1:4]))
                after = _behind(found[-1])
        return found

    def _remove_chains(self, workflow: str, days: int, at: datetime) -> Removed:
        """The contract's chain and those of its invoices, or a bank file's. Who verifies finds the
        entry, with the number and the hash of the last record."""
        log = EntityChain(self._setup.store, workflow.split("/")[1])
        known = {
            str(item.details.get("of")) for item in log.entries() if item.what == CHAIN_REMOVED
        }
        total = Removed(kind=Kind.AUDIT)
        for of, numbers in list(self._chains.chains(contract_prefix(workflow))):
            head = self._chains.hash_of(of, numbers[-1])
            if self._is_dry:
                total = total.plus(Removed(kind=Kind.AUDIT, records=len(numbers)))
                continue
            if of not in known:
                details: JsonObject = {"of": of, "seq": numbers[-1], "hash": head, "days": days}
                log.append(Entry(at=at, what=CHAIN_REMOVED, details=details))
            names = [record_name(of, seq) for seq in numbers]
            total = total.plus(self._deleted(Kind.AUDIT, names))
        return total

    def _hold_chains(self, workflow: str, *_: object) -> Removed:
        chains = self._chains.chains(contract_prefix(workflow))
        return Removed(kind=Kind.AUDIT, held=sum(len(numbers) for _, numbers in chains))

    async def _over(
        self, contracts: Iterable[str], days: int, now: datetime
    ) -> tuple[set[str], int]:
        """The contracts that ended so many days ago, and of how many nothing says when."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(contract: str) -> tuple[str, bool | None]:
            async with turns:
                found = await ended(self._client, self._chains, contract)
            if found.running:
                return contract, False
            return contract, None if found.at is None else is_over(found.at, days, now)

        answers = await asyncio.gather(*map(ask, sorted(contracts)))
        over = {contract for contract, is_due in answers if is_due}
        return over, sum(is_due is None for _, is_due in answers)

    # --- by day ---------------------------------------------------------------------------------

    async def _shared_payloads(self, request: RetentionRequest, days: int) -> Page:
        found, after = await asyncio.to_thread(
            self._setup.large.page, SHARED, request.after, limit=PAGE
        )
        due: set[date] = set()
        for day in sorted({item.day for item in found}):
            if not is_over(_end_of(day), days, request.at) or await self._is_needed(day):
                break  # those of later days are kept, too
            due.add(day)
        names = [item.name for item in found if item.day in due]
        removed = Removed(kind=Kind.PAYLOADS, due=len(due))
        removed = await asyncio.to_thread(self._remove, request, days, removed, names)
        return Page(removed=removed, after=after if len(names) == len(found) else "")

    async def _is_needed(self, day: date) -> bool:
        """Whether something of no contract still runs that has begun by then: a bank's file or an
        event may wait for a person for months."""
        by = _end_of(day) + _HANDED_ON_WITHIN
        types = ", ".join(f"'{name}'" for name in _OF_CONTRACTS)
        found = await self._client.count_workflows(
            f"ExecutionStatus = 'Running' AND WorkflowType NOT IN ({types}) "
            f"AND StartTime <= '{by:%Y-%m-%dT%H:%M:%SZ}'"
        )
        return found.count > 0

    def _decodes(self, request: RetentionRequest, days: int) -> Page:
        names = self._setup.store.names(DECODES, after=request.after, limit=PAGE)
        over = [name for name in names if _is_over(name, days, request.at)]
        least = max(days, self._setup.lock_days)
        due = [name for name in over if _is_over(name, least, request.at)]
        removed = Removed(
            kind=Kind.DECODES,
            due=len({name.rpartition("/")[0] for name in due}),
            held=len(over) - len(due),
        )
        removed = self._remove(request, days, removed, due)
        # They are in the order of days: behind one that is kept all are.
        return Page(removed=removed, after=_following(names) if len(over) == len(names) else "")

    # --- removing -------------------------------------------------------------------------------

    def _remove(
        self, request: RetentionRequest, days: int, removed: Removed, names: Sequence[str]
    ) -> Removed:
        """Remove records, behind an entry that says how many by which rule."""
        if not names or self._is_dry:
            return removed.plus(Removed(kind=removed.kind, records=len(names)))
        details: JsonObject = {
            "kind": str(removed.kind),
            "days": days,
            "records": len(names),
            "sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        }
        log = EntityChain(self._setup.store, request.legal_entity)
        log.append(Entry(at=request.at, what=REMOVED, details=details))
        return removed.plus(self._deleted(removed.kind, names))

    def _deleted(self, kind: Kind, names: Iterable[str]) -> Removed:
        """Delete records; those that the store refuses to delete are held."""
        count = held = 0
        for name in names:
            try:
                count += self._setup.store.delete(name)
            except GatewayError as error:
                if error.code != "record_store_refused":
                    raise
                held += 1
        return Removed(kind=kind, records=count, held=held)


def _following(names: Sequence[str]) -> str:
    return names[-1] if len(names) == PAGE else ""


def _behind(contract: str) -> str:
    return f"{contract_prefix(contract)}{_LAST}"


def _is_over(name: str, days: int, now: datetime) -> bool:
    try:
        day = date.fromisoformat(name.removeprefix(DECODES).partition("/")[0])
    except ValueError:
        return False
    return is_over(_end_of(day), days, now)


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time.max, UTC)
