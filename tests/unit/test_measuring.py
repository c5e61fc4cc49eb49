"""The figures of a day: contracts that give no answer are counted, and too many are no day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.figures import MOST_UNREAD, FiguresActivities
from activities.odoo.catalogue import Catalogue
from contracts.analytics.contract import ContractFacts
from contracts.figures import FiguresRequest
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from tests.unit.analytics.test_kpis import told

NORTHWIND = FiguresRequest(legal_entity="northwind", time_zone="Europe/Brussels")


class EmptyOdoo:
    """Has the company, and no invoice."""

    def with_company(self, _: int) -> EmptyOdoo:
        return self

    def search_read(self, model: str, *_: object, **__: object) -> list[dict[str, Any]]:
        return [{"id": 1, "name": "Northwind"}] if model == "res.company" else []

    def find(self, *_: object, **__: object) -> list[dict[str, Any]]:
        return []

    def by_id(self, *_: object, **__: object) -> dict[int, dict[str, Any]]:
        return {}


@dataclass
class Contracts:
    """Lists contracts, one of them twice, and asks them; those with `away` in the name are."""

    names: list[str]
    asked: list[str] = field(default_factory=list)

    async def list_workflows(self, query: str) -> AsyncIterator[SimpleNamespace]:
        assert "LegalEntity = 'northwind'" in query
        for name in [*self.names, *self.names[:1]]:
            yield SimpleNamespace(id=name)

    def get_workflow_handle(self, name: str) -> SimpleNamespace:
        async def query(question: str, **_: object) -> list[ContractFacts]:
            self.asked.append(name)
            if "away" in name:
                raise RPCError("no worker", RPCStatusCode.DEADLINE_EXCEEDED, b"")
            today = datetime.now(UTC).date()
            return [told(contract_id=name, signed_on=today, provisioned_on=today, backlog=())]

        return SimpleNamespace(query=query)


async def measured(names: list[str]) -> Any:
    odoo = cast("OdooClient", EmptyOdoo())
    figures = FiguresActivities(odoo, Catalogue(odoo), {"northwind": "Northwind"})
    contracts = Contracts(names)
    environment = ActivityEnvironment(client=cast("Client", contracts))
    found = await environment.run(figures.measure_figures, NORTHWIND)
    assert sorted(contracts.asked) == sorted(names)  # each once
    return found


async def test_a_contract_that_gives_no_answer_counts_nowhere_and_is_counted() -> None:
    found = await measured(["a", "b", "away"])
    assert (found.unread, found.numbers["signature_to_project"]) == (1, 0)


async def test_where_many_give_no_answer_the_day_is_tried_again() -> None:
    with pytest.raises(GatewayError, match="gave no answer") as told_so:
        await measured([f"away-{number}" for number in range(MOST_UNREAD + 1)])
    assert told_so.value.kind is FailureKind.TRANSIENT
