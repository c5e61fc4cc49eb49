"""What scenarios of behaviours share: services, months to come, and looks into Odoo."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from contracts.changes import ChangeOrder
from contracts.contract.state import ContractState
from contracts.identifiers import origins_of_contract
from contracts.invoice.state import InvoiceState
from contracts.model import JsonObject
from contracts.money import Money
from starters.client import messages
from tests.world import World, contract_data

CLARA, SAM = "clara@northwind.example", "sam@northwind.example"


def today() -> date:
    """As the workflows have it: in the legal entity's zone, and another one after midnight."""
    return datetime.now(ZoneInfo("Europe/Brussels")).date()


YEAR_END = date(today().year, 12, 31)
NEW_YEAR = date(today().year + 1, 1, 4)

BUILD = {"key": "build", "code": "BUILD", "description": "Build", "amount": "9000.00"}
DEPOSIT = {"key": "down", "code": "DEPOSIT", "description": "Down payment", "amount": "0.00"}
HELD = {"key": "held", "code": "RETAINAGE", "description": "Retainage", "amount": "0.00"}
DEVELOPMENT = {"key": "dev", "code": "DEVELOPMENT", "description": "Hours", "amount": "0.00"}
RETAINER = {"key": "care", "code": "RETAINER", "description": "Managed service", "amount": "0.00"}
USAGE = {"key": "api", "code": "USAGE", "description": "API calls", "amount": "0.00"}
TRAINING = {"key": "course", "code": "TRAINING", "description": "Course", "amount": "1000.00"}


def month(number: int) -> date:
    """The first day of a month: 1 is the coming one."""
    years, index = divmod(today().month - 1 + number, 12)
    return date(today().year + years, index + 1, 1)


def on(number: int, day: int) -> date:
    """A day of a month: 1 is the coming one."""
    return month(number).replace(day=day)


def last_of(number: int) -> date:
    """The last day of a month: 1 is the coming one."""
    return month(number + 1) - timedelta(days=1)


def hourly(months: int = 2, **plan: Any) -> JsonObject:
    """A contract by the hour, 120 EUR for a developer, from the coming month on."""
    rates = [{"price": "120.00", "role": "Developer"}]
    return contract_data(
        value="0.00",
        milestones=[],
        starts_on=str(month(1)),
        ends_on=str(last_of(months)),
        services=[DEVELOPMENT],
        time=[{"key": "dev", "service": "dev", "rates": rates} | plan],
    )


def cared_for(months: int = 2, **changes: Any) -> JsonObject:
    """A contract with a fee of 2,000 EUR a month in advance, from the coming month on."""
    contract = contract_data(
        value="0.00",
        milestones=[],
        starts_on=str(month(1)),
        ends_on=str(last_of(months)),
        services=[RETAINER],
        retainers=[{"key": "care", "service": "care", "fee": "2000.00"}],
    )
    return contract | changes


def american(contract: JsonObject) -> JsonObject:
    """The same with a customer in the firm's own country, whose invoices bear tax."""
    contract["customer"] |= {"country": "US", "vat_number": None}
    return contract


def lines_of(state: InvoiceState) -> list[tuple[str, str]]:
    """The lines of a proposal: the lines of the order they are for, and amounts without tax."""
    return [(line.order_line, str(line.amount.amount)) for line in state.proposal.lines]


def noted(state: ContractState | InvoiceState, words: str) -> bool:
    return any(words in entry.text for entry in state.journal.entries)


def notes(words: str) -> Callable[[Any], bool]:
    """For `until`: the journal says so."""
    return lambda state: noted(state, words)


def subjects(world: World, contract: JsonObject) -> list[str]:
    """The subjects of the reminders the customer got."""
    mails = world.server.mails(contract["customer"]["billing_email"])
    return [str(mail["Subject"]) for mail in mails if "eminder" in mail["Subject"]]


async def change(world: World, workflow_id: str, **what: Any) -> None:
    """A seller proposes a change order."""
    order = ChangeOrder(number=1, by=SAM, reason=what.pop("reason", "agreed by mail"), **what)
    await world.tell(workflow_id, messages.PROPOSE_CHANGE, order)
    await world.contract(
        workflow_id, lambda state: bool(state.change and state.change.approval_round is not None)
    )


async def changed(world: World, workflow_id: str, *people: str, **what: Any) -> ContractState:
    """A change order is proposed and approved, and the order in Odoo follows."""
    version = known_version(await world.contract(workflow_id)) + 1
    await change(world, workflow_id, **what)
    await world.approve(workflow_id, *people)
    return await world.contract(
        workflow_id,
        lambda state: bool(state.order_version and state.order_version.version == version),
    )


def known_version(state: ContractState) -> int:
    assert state.contract is not None
    return state.contract.version


async def order_lines(world: World, workflow_id: str) -> dict[str, dict[str, Any]]:
    """The lines of the contract's order in Odoo, by their keys."""
    state = await world.contract(workflow_id)
    ids = state.odoo.order_line_ids
    rows = world.admin.read(
        "sale.order.line",
        list(ids.values()),
        ["name", "product_uom_qty", "price_unit", "qty_delivered", "qty_invoiced"],
    )
    by_id = {row["id"]: row for row in rows}
    return {key: by_id[number] for key, number in ids.items()}


def invoices(world: World, workflow_id: str) -> list[dict[str, Any]]:
    """Every invoice in Odoo of a contract, oldest first; credit notes are positive there."""
    return world.admin.search_read(
        "account.move",
        [
            ("invoice_origin", "=like", origins_of_contract(workflow_id)),
            ("move_type", "in", ["out_invoice", "out_refund"]),
        ],
        ["move_type", "state", "ref", "amount_untaxed", "amount_total", "amount_residual"],
        order="id",
    )


def invoiced(world: World, workflow_id: str, currency: str = "EUR") -> Money:
    """Posted invoices less posted credit notes, without tax, as Odoo has them."""
    signs = {"out_invoice": 1, "out_refund": -1}
    amounts = [
        Money.rounded(row["amount_untaxed"], currency).amount * signs[row["move_type"]]
        for row in invoices(world, workflow_id)
        if row["state"] == "posted"
    ]
    return Money(sum(amounts), currency)


def closing_record(world: World, state: ContractState) -> dict[str, Any]:
    """The closing record that is attached to the contract's order in Odoo."""
    [row] = world.admin.search_read(
        "ir.attachment",
        [("res_model", "=", "sale.order"), ("res_id", "=", state.odoo.order_id)],
        ["name", "datas"],
    )
    assert row["name"] == f"{state.contract_id}-closing.json"
    record: dict[str, Any] = json.loads(base64.b64decode(row["datas"]))
    return record


def project(world: World, state: ContractState) -> dict[str, Any]:
    [row] = world.admin.search_read(
        "project.project",
        [("id", "=", state.odoo.project_id), ("active", "in", [True, False])],
        ["active", "last_update_status"],
    )
    return row
