"""What a scenario must come to: the workflow's sums, Odoo's own, and the sum stated beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from activities.odoo.order_totals import order_totals
from contracts import closeout
from contracts.contract.state import ContractStage, ContractState, money_table
from contracts.identifiers import contract_workflow_id, origins_of_contract
from contracts.money import Money
from gateways.odoo import OdooClient


@dataclass
class Scenario:
    """One contract of the demo, and what it must come to in the end.

    `billed` is invoices less credit notes without tax, `open` what the customer still owes, with
    it; both in the contract's currency.
    """

    customer: str
    billed: Money
    stage: ContractStage = ContractStage.CLOSED
    open: Money | None = None
    entity: str = "northwind"
    contract_id: str = ""

    @property
    def workflow_id(self) -> str:
        return contract_workflow_id(self.entity, self.contract_id)


@dataclass(frozen=True)
class ContractTotals:
    """Odoo's own figures of one contract, in the contract's currency. Order, invoiced and credited
    are without tax, paid and open with it."""

    order: Money
    invoiced: Money
    credited: Money
    paid: Money
    open: Money


def totals_in_odoo(odoo: OdooClient, state: ContractState) -> ContractTotals:
    """What Odoo's orders and posted invoices say, by the contract they name as their origin."""
    origin = contract_workflow_id(state.legal_entity, state.contract_id)
    orders = odoo.search_read(
        "sale.order", [("origin", "=", origin)], ["amount_untaxed", "currency_id"]
    )
    moves = odoo.search_read(
        "account.move",
        [("invoice_origin", "=like", origins_of_contract(origin)), ("state", "=", "posted")],
        ["move_type", "amount_untaxed", "amount_total", "amount_residual"],
    )
    currency = orders[0]["currency_id"][1] if orders else "EUR"
    invoices = [row for row in moves if row["move_type"] == "out_invoice"]
    notes = [row for row in moves if row["move_type"] == "out_refund"]

    def total(rows: Iterable[Mapping[str, Any]], field: str) -> Money:
        return Money.total((Money.rounded(row[field], currency) for row in rows), currency)

    still_open = total(invoices, "amount_residual") - total(notes, "amount_residual")
    return ContractTotals(
        order=total(orders, "amount_untaxed"),
        invoiced=total(invoices, "amount_untaxed"),
        credited=total(notes, "amount_untaxed"),
        paid=total(invoices, "amount_total") - total(notes, "amount_total") - still_open,
        open=still_open,
    )


def differences(scenario: Scenario, state: ContractState, odoo: ContractTotals) -> list[str]:
    """Where contract, workflow, Odoo and the scenario disagree, in words."""
    money = money_table(state)
    if state.contract is None or money is None:
        return ["the contract was never validated"]
    nothing = Money.zero(state.contract.currency)
    expected = [
        ("stage", state.stage, scenario.stage),
        ("order", odoo.order, state.contract.fixed_price),
        ("invoiced less credited", odoo.invoiced - odoo.credited, scenario.billed),
        ("value", money.value, scenario.billed),
        ("open", odoo.open, scenario.open or nothing),
        ("invoiced in the workflow", money.invoiced, odoo.invoiced),
        ("credited in the workflow", money.credited, odoo.credited),
        ("open in the workflow", money.open, odoo.open),
        ("paid in the workflow", money.paid, odoo.paid),
    ]
    return [f"{what} {found}, not {wanted}" for what, found, wanted in expected if found != wanted]


def unsettled(odoo: OdooClient, state: ContractState) -> list[str]:
    """What the close-out's own checklist says of a closed contract, with Odoo read anew: order
    lines by quantity, residuals, drafts. Nothing of a contract that is not closed."""
    if state.stage is not ContractStage.CLOSED or not (state.contract and state.odoo.order_id):
        return []
    totals = order_totals(odoo, state.odoo.order_id, state.odoo.order_line_ids)
    checks = closeout.checklist(closeout.settlement(state), totals)
    return [problem for check in checks for problem in check.problems]
