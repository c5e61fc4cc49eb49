"""Compares every open contract of a legal entity with Odoo, after one of them was restored.

Only looks. The contracts are asked by a Query each, which a worker of the contracts' queue answers:
with no other worker running, nothing is sent to Odoo or anybody meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from temporalio.client import Client

from activities.odoo.catalogue import Catalogue
from activities.odoo.reconciling import OdooContracts
from contracts.contract.state import ContractState
from contracts.reconciling import Difference, Kind, differences
from starters.client import calls
from starters.client.listing import conditions
from starters.client.messages import CONTRACT
from starters.client.names import CONTRACT_WORKFLOW
from starters.client.portfolio import listed
from wiring import remotes
from wiring.settings import ConfigurationError, Settings

PAGE_CONTRACTS = 50
MOST_DIFFERENCES = 1_000
"""More are not listed: then the wrong copy was restored."""


@dataclass
class Reconciled:
    """What came of a comparison. `unreadable` are the contracts that gave no answer, with the
    reasons; `more`: there are further differences."""

    entity: str
    contracts: int = 0
    differences: list[Difference] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    more: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether all contracts were compared, and nothing differs."""
        return not (self.differences or self.unreadable)


async def reconcile(
    client: Client,
    settings: Settings,
    entity: str,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Reconciled:
    """Compare the open contracts of a legal entity. Raises ConfigurationError, GatewayError, and
    what `starters.client` raises."""
    with contextlib.closing(remotes.odoo(settings)) as odoo:
        company = settings.entities[entity].odoo_company
        company_id = await asyncio.to_thread(Catalogue(odoo).company, company)
        if company_id is None:
            raise ConfigurationError(f"Odoo has no single company {company}: see c2c check")
        return await _Comparison(client, OdooContracts(odoo, company_id), entity, progress).run()


class _Comparison:
    def __init__(
        self, client: Client, odoo: OdooContracts, entity: str, progress: Callable[[str], None]
    ) -> None:
        self._client, self._odoo, self._progress = client, odoo, progress
        self._where = f"WorkflowType = '{CONTRACT_WORKFLOW}' AND {conditions(entity=entity)}"
        self._result = Reconciled(entity)
        self._running: set[str] = set()

    async def run(self) -> Reconciled:
        result = self._result
        async for ids in self._pages():
            self._running.update(ids)
            states = await self._states(ids)
            found = await asyncio.to_thread(self._odoo.of, states)
            for workflow_id, state in states.items():
                self._add(*differences(workflow_id, state, found[workflow_id]))
            result.contracts += len(states)
            self._progress(f"{result.entity}: {result.contracts} contracts")
        await self._look_for_lost()
        return result

    async def _pages(self) -> AsyncIterator[list[str]]:
        page: list[str] = []
        async for run in listed(self._client, f"{self._where} AND ExecutionStatus = 'Running'"):
            page.append(run.id)
            if len(page) == PAGE_CONTRACTS:
                yield page
                page = []
        if page:
            yield page

    async def _states(self, ids: list[str]) -> Mapping[str, ContractState]:
        async def ask(workflow_id: str) -> list[tuple[str, ContractState]]:
            return [(workflow_id, await calls.query(self._client, workflow_id, CONTRACT))]

        return dict(await calls.each(ids, ask, self._left_out))

    def _left_out(self, workflow_id: str, error: Exception) -> None:
        self._result.unreadable[workflow_id] = str(error)

    async def _look_for_lost(self) -> None:
        """Contracts that run in Odoo, and of which Temporal knows nothing."""
        pages = self._odoo.running(self._result.entity)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            for origin in page:
                if origin not in self._running and not await self._is_known(origin):
                    self._add(_lost(origin))

    async def _is_known(self, workflow_id: str) -> bool:
        found = await self._client.count_workflows(f"WorkflowId = '{workflow_id}'")
        return found.count > 0

    def _add(self, *found: Difference) -> None:
        room = MOST_DIFFERENCES - len(self._result.differences)
        self._result.differences += found[:room]
        self._result.more |= len(found) > room


def _lost(origin: str) -> Difference:
    return Difference(
        contract=origin,
        kind=Kind.CONTRACT_UNKNOWN,
        record="contract",
        here="nothing",
        there="a confirmed order with an open project",
    )
