"""What happens at the firm: contracts, files and events that wait for somebody."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from contracts.bank.file import BankFileView, FileRef
from contracts.bank.statement import BankLine
from contracts.changes import ChangeOrder
from contracts.events import EventRecord
from contracts.identifiers import EVENT_PREFIX
from contracts.invoice.messages import PaymentReceived
from contracts.invoice.state import InvoiceStage
from contracts.model import JsonObject
from contracts.money import Money
from contracts.page_addresses import approval_path, exception_path, place_of
from contracts.parking import Action, StepException
from gateways.bank.folder import FolderSettings
from sandbox.bank_files import statement_file
from starters import schedules
from starters.client import bank, events
from starters.client.names import FIGURES_SCHEDULE
from starters.client.references import short
from starters.figures import series
from tests.bank_source import Account, paid
from tests.browser.conftest import eventually
from tests.browser.firm import BANK
from tests.unit.web.signing import standard_headers
from tests.world import ANA, ENTITY, World, contract_data, single, unique
from wiring.settings import Settings

NO_STATEMENT = b"no statement"
_ACCOUNT = Account()


def today() -> date:
    return datetime.now(ZoneInfo("Europe/Brussels")).date()


def in_days(days: int) -> str:
    return str(today() + timedelta(days=days))


def named(customer: str, title: str, contract: JsonObject) -> JsonObject:
    """The contract of a named customer."""
    return {**contract, "title": title, "customer": {**contract["customer"], "name": customer}}


def priced(amount: str) -> JsonObject:
    """One milestone of that amount."""
    service = {"key": "s", "code": "BUILD", "description": "Build", "amount": amount}
    whole = {"key": "all", "name": "Go-live", "service": "s", "amount": amount}
    return single(value=amount, services=[service], milestones=[whole])


def unknown_service() -> JsonObject:
    """A contract that names a service that Odoo does not know."""
    data = single()
    data["services"][0]["code"] = "ALCHEMY"
    return data


# --- approvals ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Waiting:
    """Workflows that await approval: two invoices Ana may approve, one that directors must, and a
    change order that she asked for."""

    invoices: tuple[str, str]
    large: str
    contract: str


async def waiting(world: World) -> Waiting:
    first, second, large, contract = await asyncio.gather(
        world.proposed(named("Harbour Logistics", "Warehouse roll-out", single())),
        world.proposed(named("Meridian Partners", "Data platform", priced("8750.00"))),
        world.proposed(named("Castellan Group", "ERP migration", priced("42000.00"))),
        world.active(named("Osprey Robotics", "Support", contract_data())),
    )
    await propose_change(world, contract)
    await listed(world, {first, second, large, contract})
    return Waiting((first, second), large, contract)


async def propose_change(world: World, contract: str) -> None:
    order = ChangeOrder(number=1, by=ANA, reason="more work", reprice={"build": "3500.00 EUR"})
    await world.c2c.contract(contract).propose_change(order)


async def listed(world: World, ids: set[str]) -> None:
    """Wait until lists, which lag a little, show these."""

    async def shown() -> bool:
        found = await world.c2c.approval_cards(legal_entities=[ENTITY], unreadable=lambda *_: None)
        return ids <= {item.workflow_id for item in found.items}

    await eventually(shown)


async def approval_page(world: World, workflow_id: str) -> str:
    """The address of what awaits approval in an invoice."""
    state = await world.invoice(workflow_id, InvoiceStage.AWAITING_APPROVAL)
    assert state.approval_round is not None
    return approval_path(workflow_id, state.approval_round.subject.content_hash)


async def drafted_again(world: World, invoice: str) -> None:
    """Somebody changes the draft in Odoo, which the approval finds out, and then it is to say
    something else."""
    state = await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    domain = [("move_id", "=", state.invoice_id), ("display_type", "=", "product")]
    model = "account.move.line"
    [line] = await asyncio.to_thread(world.accountant.search_read, model, domain, ["id"])
    text = {"name": "Somebody's text"}
    await asyncio.to_thread(world.accountant.write, model, [line["id"]], text)
    await world.approve(invoice)
    await world.parked(invoice)
    changes = {"lines.0.description": "Acceptance tests"}
    await world.resolve(invoice, Action.AMEND, changes=changes)
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)


# --- exceptions -----------------------------------------------------------------------------------
async def parked(world: World, contract: JsonObject) -> tuple[str, StepException]:
    """The contract, and what waits in it, once lists show that."""
    workflow_id = await world.start(contract)
    return workflow_id, await shown_parked(world, workflow_id)


async def rejected(world: World) -> tuple[str, StepException]:
    """A contract that waits for what becomes of a rejected proposal."""
    invoice = await world.proposed(single())
    await world.reject(invoice, "the price is not what was agreed")
    workflow_id = invoice.partition("/invoice/")[0]
    return workflow_id, await shown_parked(world, workflow_id)


async def shown_parked(world: World, workflow_id: str) -> StepException:
    step = await world.parked(workflow_id)

    async def shown() -> bool:
        found = await world.c2c.parked([ENTITY])
        return any(row.workflow_id == workflow_id and row.steps for row in found.items)

    await eventually(shown)
    return step


async def refused_payment(world: World) -> tuple[str, StepException]:
    """An invoice for which a system reports a payment in another currency."""
    invoice = await world.open(named("Meridian Partners", "Audit", single()))
    payment = PaymentReceived(reference="odd", amount=Money("7.00", "USD"), paid_on=today())
    await world.client.get_workflow_handle(invoice).signal("payment_received", payment)
    return invoice, await shown_parked(world, invoice)


def exception_page(found: tuple[str, StepException]) -> str:
    workflow_id, step = found
    return exception_path(workflow_id, step.step)


# --- the bank -------------------------------------------------------------------------------------
@dataclass
class BankFile:
    """A file of the bank in the folder that the workers look into."""

    world: World
    ref: FileRef

    @property
    def name(self) -> str:
        """As lists have it."""
        return short(self.ref.workflow_id)

    @property
    def page(self) -> str:
        return place_of(self.ref.workflow_id)

    async def until_parked(self, steps: int) -> BankFileView:
        async def ask() -> BankFileView:
            return await bank.show(self.world.client, self.ref.workflow_id)

        return await self.world.until(ask, lambda view: len(view.state.exceptions) == steps)


async def bank_file(world: World, settings: Settings, content: bytes) -> BankFile:
    inbox = settings.bank[BANK]
    assert isinstance(inbox, FolderSettings)
    name = f"{unique('statement')}.xml"
    (inbox.folder / name).write_bytes(content)
    ref = FileRef(
        bank=BANK, legal_entity=ENTITY, name=name, sha256=hashlib.sha256(content).hexdigest()
    )
    assert await bank.start(world.client, ref)
    return BankFile(world, ref)


def statement(*lines: BankLine) -> bytes:
    """The account's next statement."""
    return statement_file([_ACCOUNT.statement(*lines)])


def skip_statement() -> None:
    """One that no file has."""
    _ACCOUNT.statement(paid("5.00", "lost"))


# --- events ---------------------------------------------------------------------------------------
async def event(world: World, site: str, type: str, data: Mapping[str, Any]) -> str:
    """A system reports something; the address of the page of that, once somebody must see to it."""
    id, now = unique("msg"), datetime.now(UTC)
    body = json.dumps({"type": type, "timestamp": now.isoformat(), "data": data}).encode()
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            f"{site}/webhooks/tickets", content=body, headers=standard_headers(body, now, id=id)
        )
    assert answer.status_code == 202, answer.text
    reference = f"tickets/{id}"

    async def ask() -> EventRecord:
        return await events.show(world.client, reference)

    await world.until(ask, lambda record: record.needs_person(datetime.now(UTC)))

    async def shown() -> bool:
        found = await events.rows(world.client, needs_person=True)
        return reference in [row.id for row in found]

    await eventually(shown)
    return place_of(f"{EVENT_PREFIX}{reference}")


async def unknown_milestone(world: World, site: str) -> str:
    workflow_id = await world.active(single())
    data = {"contract": short(workflow_id), "milestone": "extra"}
    return await event(world, site, "milestone.reached", data)


# --- figures --------------------------------------------------------------------------------------
async def measured(world: World, settings: Settings) -> None:
    """Figures of today."""
    name = f"{FIGURES_SCHEDULE}{ENTITY}"
    [schedule] = [item for item in schedules.sweeps(settings) if item.id == name]
    await schedules._ensure(world.client, schedule)
    await world.client.get_schedule_handle(schedule.id).trigger()

    async def is_measured() -> bool:
        return bool((await series(world.client, ENTITY)).days)

    await eventually(is_measured)
