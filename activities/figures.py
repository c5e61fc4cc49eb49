"""Measures the figures of a legal entity on a day: from Odoo's invoices, and by asking contracts.

It is done once a day, and costs a Query of each contract that runs or has ended lately.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
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
        unread = 0
        async for facts, missing in _contracts(activity.client(), entity, now):
            unread += missing
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
        return tally.figures(unread)

    def _add_invoices(self, entity: str, tally: DayTally) -> None:
        source = OdooPostedInvoices(self._odoo, self._company(entity), entity, tally.day)
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


async def _contracts(
    client: Client, entity: str, now: datetime
) -> AsyncIterator[tuple[list[ContractFacts], int]]:
    """What contracts tell, in pages, and how many of a page gave no answer."""
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

    async def ask(contract: str) -> list[ContractFacts] | None:
        async with turns:
            try:
                found: list[ContractFacts] = await client.get_workflow_handle(contract).query(
                    "facts", result_type=list[ContractFacts], rpc_timeout=_WITHIN
                )
                return found
            except (RPCError, WorkflowQueryFailedError) as error:
                activity.logger.warning("%s is left out of the figures: %s", contract, error)
                return None

    for first in range(0, len(ids), _PAGE):
        answers = await asyncio.gather(*map(ask, ids[first : first + _PAGE]))
        read = [one for answer in answers if answer is not None for one in answer]
        yield read, answers.count(None)
