"""The CRM: reading won deals, and telling it how their contracts stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel
from temporalio import activity

from activities.crm_statuses import StatusBatcher
from activities.done import Done
from activities.failures import BusinessRefusal
from contracts.crm import ContractStatus, WonDeals
from contracts.model import JsonObject, Source
from gateways.crm.protocol import Crm


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

    def __init__(self, crms: Mapping[str, Crm], signatures: Mapping[str, str]) -> None:
        self._crms = crms
        self._statuses = {system: StatusBatcher(crm) for system, crm in crms.items()}
        self._signatures = signatures

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
    def read_deal(self, request: DealRequest) -> DealData:
        """Read a won deal as contract data."""
        source = request.source
        return DealData(
            contract_data=self._crm(source.system).read_contract(source.id),
            signature=self._signatures.get(source.system, ""),
        )

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
        await self._statuses[system].write(request.status)
        return Done()

    @activity.defn
    def won_deals(self, request: WonDealsRequest) -> WonDeals:
        """A page of the won deals changed since a moment."""
        return self._crm(request.system).won_deals(request.since, request.after)
