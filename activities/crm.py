"""The CRM: reading won deals, and telling it how their contracts stand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.failures import BusinessRefusal
from activities.shared_calls import SharedCalls
from contracts.crm import ContractStatus, WonDeals
from contracts.model import JsonObject, Source
from gateways.crm.protocol import Crm, ReadsTogether

READS_AT_ONCE = 20
"""Deals that are read at a time, of CRMs that read each by itself; they limit their callers."""


class DealRequest(BaseModel):
    source: Source


class DealData(BaseModel):
    """The contract data a deal gives, as yet unchecked; `signature` is the service for signatures
    whose envelope its contract waits for, empty for none."""

    contract_data: JsonObject
    signature: str = ""


class StatusRequest(BaseModel):
    source: Source
    status: ContractStatus


class DealIsDue(BaseModel):
    """Whether a deal is won and has no contract yet."""

    is_due: bool


class WonDealsRequest(BaseModel):
    """Deals changed at or after `since` (aware; the CRM's clock). `after` is the deal that this
    page begins behind; "": the first page."""

    system: str
    since: datetime
    after: str = ""


class CrmActivities:
    """Activities on the `crm` task queue; one connector a CRM, by its system name. `signatures` are
    the services for signatures that the contracts of a CRM wait for, by its name."""

    def __init__(
        self, crms: Mapping[str, Crm], signatures: Mapping[str, str], *, gather_seconds: float
    ) -> None:
        """Requests that can share a call wait so long for each other."""
        self._crms = crms
        self._signatures = signatures
        self._statuses = {name: statuses_of(crm, gather_seconds) for name, crm in crms.items()}
        self._reads = {name: _reads_of(crm, gather_seconds) for name, crm in crms.items()}
        self._threads = ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="read-deal")

    def _crm(self, system: str) -> Crm:
        crm = self._crms.get(system)
        if crm is None:
            raise BusinessRefusal(
                "crm_not_configured",
                f"no CRM {system} is configured; configured: {', '.join(self._crms) or 'none'}",
                field="source.system",
                value=system,
            )
        return crm

    @activity.defn
    async def read_deal(self, request: DealRequest) -> DealData:
        """Read a won deal as contract data; together with others, where the CRM can."""
        source = request.source
        return DealData(
            contract_data=await self._read(source),
            signature=self._signatures.get(source.system, ""),
        )

    async def _read(self, source: Source) -> JsonObject:
        crm, together = self._crm(source.system), self._reads[source.system]
        if together is not None:
            return await together.ask(source.id)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, crm.read_contract, source.id)

    @activity.defn
    def is_due(self, request: DealRequest) -> DealIsDue:
        """Whether a deal is won and has no contract yet."""
        source = request.source
        return DealIsDue(is_due=self._crm(source.system).is_due(source.id))

    @activity.defn
    async def write_status(self, request: StatusRequest) -> Done:
        """Write a contract's stage and figures to its deal, together with those of others;
        repeating it changes nothing."""
        system = request.source.system
        self._crm(system)  # is configured
        await self._statuses[system].ask(request.status)
        return Done()

    @activity.defn
    def won_deals(self, request: WonDealsRequest) -> WonDeals:
        """A page of the won deals changed since a moment."""
        return self._crm(request.system).won_deals(request.since, request.after)


def statuses_of(crm: Crm, gather_seconds: float) -> SharedCalls[ContractStatus, None]:
    """The statuses of many contracts, written together."""
    return SharedCalls(
        crm.write_statuses,
        system=crm.system,
        key=lambda status: status.deal_id,
        most_at_once=crm.most_at_once,
        gather_seconds=gather_seconds,
        changes=True,
    )


def _reads_of(crm: Crm, gather_seconds: float) -> SharedCalls[str, JsonObject] | None:
    if not isinstance(crm, ReadsTogether):
        return None
    return SharedCalls(
        crm.read_contracts,
        system=crm.system,
        key=lambda deal_id: deal_id,
        most_at_once=crm.most_at_once,
        gather_seconds=gather_seconds,
    )
