"""What receivables and figures cannot read is left out and counted, and hides nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import WorkflowQueryFailedError
from temporalio.testing import ActivityEnvironment

from activities.figures import MOST_UNREAD, FiguresActivities
from activities.odoo.analytics_invoices import OdooPostedInvoices
from activities.odoo.catalogue import Catalogue
from contracts.figures import DayFigures, FiguresRequest
from gateways.errors import GatewayError
from gateways.odoo import OdooClient
from tests.unit.analytics.test_kpis import told

DAY = date(2026, 6, 30)


class Books:
    """An Odoo with these posted invoices, each nothing but open."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self._rows = list(rows)

    def with_company(self, company: int) -> Books:
        return self

    def search_read(self, model: str, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return self._rows if model == "account.move" else []

    def find(self, model: str, _: str, ids: list[int], *__: Any, **___: Any) -> list[Any]:
        due = {"date_maturity": "2026-05-01", "amount_currency": 100.0, "balance": 100.0}
        is_line = model == "account.move.line"
        return [{"id": number, "move_id": [number], **due} for number in ids if is_line]

    def by_id(self, *_: Any, **__: Any) -> dict[int, dict[str, Any]]:
        return {}


def move(number: int, currency: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"INV/{number}",
        "move_type": "out_invoice",
        "invoice_date": "2026-04-01",
        "invoice_date_due": "2026-05-01",
        "invoice_origin": f"Contract C-1 no. {number} (northwind)",
        "commercial_partner_id": [1, "Harbour"],
        "currency_id": [1, currency],
        "company_currency_id": [2, "EUR"],
        "amount_untaxed": 100.0,
        "amount_total": 100.0,
        "amount_untaxed_signed": 100.0,
    }


def test_an_invoice_in_what_is_no_currency_spoils_only_its_row() -> None:
    left_out: dict[str, str] = {}
    odoo = cast("OdooClient", Books(move(1, "EUR"), move(2, "BTC")))
    source = OdooPostedInvoices(odoo, 1, "northwind", DAY, left_out.__setitem__)
    assert [item.number for page in source.pages() for item in page] == ["INV/1"]
    assert left_out == {"INV/2": "BTC is no currency of ISO 4217"}


class Asked:
    """Temporal with contracts that answer, of which some keys were destroyed, or that are away."""

    def __init__(self, *, erased: int = 0, away: int = 0) -> None:
        self._answers = [
            *[f"the payload cannot be read [key_erased] {number}" for number in range(erased)],
            *["no worker" for _ in range(away)],
            "",
        ]

    async def list_workflows(self, _: str) -> AsyncIterator[SimpleNamespace]:
        for number in range(len(self._answers)):
            yield SimpleNamespace(id=str(number))

    def get_workflow_handle(self, workflow_id: str) -> SimpleNamespace:
        async def query(*_: Any, **__: Any) -> list[Any]:
            if why := self._answers[int(workflow_id)]:
                raise WorkflowQueryFailedError(why)
            return [told(provisioned_on=DAY)]

        return SimpleNamespace(query=query)


async def measured(temporal: Asked, *moves: dict[str, Any]) -> DayFigures:
    odoo = cast("OdooClient", Books(*moves))
    catalogue = cast("Catalogue", SimpleNamespace(company=lambda _: 1))
    figures = FiguresActivities(odoo, catalogue, {"northwind": "Northwind"})
    environment = ActivityEnvironment(client=cast("Any", temporal))
    found: DayFigures = await environment.run(
        figures.measure_figures, FiguresRequest(legal_entity="northwind")
    )
    return found


async def test_figures_count_the_contracts_whose_keys_were_destroyed_however_many() -> None:
    found = await measured(Asked(erased=MOST_UNREAD + 10, away=2), move(1, "BTC"))
    assert (found.erased, found.unread, found.unread_invoices) == (MOST_UNREAD + 10, 2, 1)
    with pytest.raises(GatewayError, match="gave no answer"):
        await measured(Asked(away=MOST_UNREAD + 1))
