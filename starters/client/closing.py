"""A contract's closing record as it would be now, and whether it would close, by Odoo's figures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import closeout
from contracts.closeout import Check
from contracts.contract.state import ContractState
from contracts.odoo_totals import OrderTotals
from starters.client.errors import Refused

if TYPE_CHECKING:
    from gateways.odoo import OdooClient


@dataclass(frozen=True)
class CloseOut:
    """The record as JSON text, its SHA-256, and the close-out's checklist."""

    text: str
    sha256: str
    checks: list[Check]

    @property
    def passes(self) -> bool:
        return all(item.passes for item in self.checks)


async def close_out(odoo: OdooClient, state: ContractState) -> CloseOut:
    """Put the record together; nothing is written. Raises Refused for a contract without an order
    in Odoo, GatewayError where Odoo does not answer."""
    if state.contract is None or state.odoo.order_id is None:
        raise Refused(f"{state.contract_id} has no order in Odoo: there is nothing to close")
    figures = await asyncio.to_thread(_figures, odoo, state, state.odoo.order_id)
    settled = closeout.settlement(state)
    text, sha256 = closeout.closing_record(settled, figures)
    return CloseOut(text, sha256, closeout.checklist(settled, figures))


def _figures(odoo: OdooClient, state: ContractState, order_id: int) -> OrderTotals:
    # Late: Odoo's client comes with it, which nothing else here needs.
    from activities.odoo.order_totals import order_totals

    return order_totals(odoo, order_id, state.odoo.order_line_ids)
