"""Measures the figures of a legal entity on a day: from Odoo's invoices, and by asking contracts.

It is done once a day, and costs a Query of each contract that runs or has ended lately.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from temporalio import activity
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from activities.failures import BusinessRefusal
from activities.odoo.analytics_invoices import OdooPostedInvoices, invoice_dates
from activities.odoo.catalogue import Catalogue
from contracts.analytics.contract import ContractFacts
from contracts.contract.state import UNSIGNED, ContractStage
from contracts.figures import SPAN_DAYS, DayFigures, DayTally, FiguresRequest
from gateways.encryption.keys import ERASED
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient

_PAGE = 200
_AT_ONCE = 20
_WITHIN = timedelta(seconds=20)
MOST_UNREAD = 50
"""More contracts than these are not left out: then workers are busy or away, and it is tried
again."""
_NOT_YET = UNSIGNED | {ContractStage.PROVISIONING}


class FiguresActivities:
    """An activity on the `odoo-finance` task queue. `companies` are the names of the companies in
    Odoo, by legal entity."""

    def __init__(
        self, odoo: OdooClient, catalogue: Catalogue, companies: Mapping[str, str]
    ) -> None:
        self._odoo = odoo
        self._catalogue = catalogue
        self._companies = companies

    @activity.defn
    async def measure_figures(self, request: FiguresRequest) -> DayFigures:
        """The figures of the day it is now. A contract that gives no answer is counted."""
        entity, zone = request.legal_entity, ZoneInfo(request.time_zone)
        now = datetime.now(UTC)
        tally = DayTally(now.astimezone(zone).date())
        await asyncio.to_thread(self._add_invoices, entity, tally)
        unread = erased = 0
        async for page in _contracts(activity.client(), entity, now):
            facts = page.facts
            unread += page.unread
            erased += page.erased
            if unread > MOST_UNREAD:
                raise GatewayError(
                    FailureKind.TRANSIENT,
                    system="temporal",
                    code="contracts_unread",
                    message=f"more than {MOST_UNREAD} contracts of {entity} gave no answer",
                )
            ids = {item.invoice_id for one in facts for item in one.earned}
            dates = await asyncio.to_thread(invoice_dates, self._odoo, ids, tally.day)
            for one in facts:
                ended = one.ended_at.astimezone(zone).date() if one.ended_at else None
                tally.contract(one, dates, ended)
        return tally.figures(unread, erased)

    def _add_invoices(self, entity: str, tally: DayTally) -> None:
        company, left_out = self._company(entity), tally.unread_invoice
        source = OdooPostedInvoices(self._odoo, company, entity, tally.day, left_out)
        for page in source.pages(tally.since):
            for item in page:
                tally.invoice(item)

    def _company(self, entity: str) -> int:
        name = self._companies.get(entity, "")
        company = self._catalogue.company(name) if name else None
        if company is None:
            raise BusinessRefusal(
                "company_unknown",
                f"Odoo has no single company {name!r} for the legal entity {entity}: see c2c check",
                field="legal_entity",
                value=entity,
            )
        return company


@dataclass
class _Page:
    """What some contracts tell. `unread` gave no answer; of `erased` the keys were destroyed, so
    that nobody reads them any more."""

    facts: list[ContractFacts] = field(default_factory=list)
    unread: int = 0
    erased: int = 0


async def _contracts(client: Client, entity: str, now: datetime) -> AsyncIterator[_Page]:
    """What contracts tell, in pages."""
    since = f"{now - timedelta(days=SPAN_DAYS + 2):%Y-%m-%dT%H:%M:%SZ}"
    stages = ", ".join(f"'{stage}'" for stage in sorted(_NOT_YET))
    where = (
        f"WorkflowType = 'ContractWorkflow' AND LegalEntity = '{entity}' "
        f"AND ContractStage NOT IN ({stages}) AND (ExecutionStatus = 'Running' "
        f"OR (ExecutionStatus = 'Completed' AND CloseTime >= '{since}'))"
    )
    # Between two runs both may be listed as the newest for a moment.
    ids = list(dict.fromkeys([run.id async for run in client.list_workflows(where)]))
    turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(contract: str, page: _Page) -> None:
        async with turns:
            try:
                page.facts += await client.get_workflow_handle(contract).query(
                    "facts", result_type=list[ContractFacts], rpc_timeout=_WITHIN
                )
            except (RPCError, WorkflowQueryFailedError) as error:
                is_erased = f"[{ERASED}]" in str(error)
                page.erased += is_erased
                page.unread += not is_erased
                activity.logger.warning("%s is left out of the figures: %s", contract, error)

    for first in range(0, len(ids), _PAGE):
        page = _Page()
        await asyncio.gather(*(ask(contract, page) for contract in ids[first : first + _PAGE]))
        yield page
