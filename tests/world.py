"""A running stack for tests, and the verbs scenarios are told in."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from contracts.contract.state import ContractStage, ContractState
from contracts.identifiers import origins_of_contract
from contracts.invoice.state import CLEARED, InvoiceStage, InvoiceState
from contracts.model import JsonObject
from contracts.money import Money
from contracts.parking import Action, StepException
from contracts.sweeps import OdooSweepResult
from gateways.odoo import OdooClient
from sandbox import clock
from starters.client import C2C, NoAnswer, NotFound, calls
from starters.client.protocol import Update
from tests.servers import OdooServer
from workflows import task_queues
from workflows.sweeps import OdooSweepWorkflow

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

ENTITY = "northwind"
ANA, BOB = "ana@northwind.example", "bob@northwind.example"
CLEO, DORA = "cleo@northwind.example", "dora@northwind.example"
PETRA, CONRAD = "petra@northwind.example", "conrad@northwind.example"
_numbers = itertools.count(1)
_RUN = uuid.uuid4().hex[:6]


def unique(prefix: str) -> str:
    """A name no other test of any run uses."""
    return f"{prefix}-{_RUN}-{next(_numbers)}"


def belgian_vat() -> str:
    """A valid Belgian VAT number nobody used before: seven random digits, two check digits."""
    digits = 2_000_000 + int.from_bytes(os.urandom(4), "big") % 7_000_000
    return f"BE0{digits}{97 - digits % 97:02d}"


def contract_data(**changes: Any) -> JsonObject:
    """A good contract: 9,000 EUR in three milestones of one service."""
    contract_id = unique("C")
    return {
        "contract_id": contract_id,
        "legal_entity": ENTITY,
        "title": "ERP roll-out",
        "customer": {
            "key": contract_id,
            "name": f"Acme {contract_id}",
            "country": "BE",
            "vat_number": belgian_vat(),
            "billing_email": f"{contract_id.lower()}@acme.example.com",
        },
        "currency": "EUR",
        "value": "9000.00",
        "signed_on": "2026-01-05",
        "requested_by": "sam@northwind.example",
        "services": [
            {"key": "build", "code": "BUILD", "description": "Build", "amount": "9000.00"}
        ],
        "milestones": [
            {"key": "design", "name": "Design", "service": "build", "percent": "33.33"},
            {"key": "build", "name": "Build", "service": "build", "percent": "33.33"},
            {"key": "live", "name": "Go-live", "service": "build", "percent": "33.34"},
        ],
    } | changes


def single(**changes: Any) -> JsonObject:
    """A good contract with one milestone, `all`, of 1,000 EUR."""
    whole = {
        "value": "1000.00",
        "services": [{"key": "s", "code": "BUILD", "description": "B", "amount": "1000.00"}],
        "milestones": [{"key": "all", "name": "All", "service": "s", "amount": "1000.00"}],
    }
    return contract_data(**(whole | changes))


@dataclass
class World:
    """A Temporal server, a worker, an Odoo; time is moved by hand."""

    client: Client
    time: TimeSkipper
    server: OdooServer

    @property
    def c2c(self) -> C2C:
        return C2C(self.client)

    @property
    def accountant(self) -> OdooClient:
        return self.server.client("accountant")

    @property
    def admin(self) -> OdooClient:
        return self.server.client("admin")

    # --- contracts

    async def start(self, contract: JsonObject) -> str:
        return (await self.c2c.start(contract)).workflow_id

    async def active(self, contract: JsonObject) -> str:
        """Start a contract and wait until it is provisioned."""
        workflow_id = await self.start(contract)
        await self.stage(workflow_id, ContractStage.ACTIVE)
        return workflow_id

    async def contract(
        self, workflow_id: str, until: Callable[[ContractState], bool] = lambda _: True
    ) -> ContractState:
        return await self.until(self.c2c.contract(workflow_id).state, until)

    async def stage(self, workflow_id: str, stage: ContractStage) -> ContractState:
        return await self.contract(workflow_id, lambda state: state.stage is stage)

    async def parked(self, workflow_id: str) -> StepException:
        """The step that is parked in a contract or an invoice, once one is."""
        steps = await self.until(
            self.c2c.contract_or_invoice(workflow_id).exceptions, lambda found: bool(found)
        )
        return steps[0]

    async def resolve(self, workflow_id: str, action: Action, **words: Any) -> None:
        stuck = self.c2c.contract_or_invoice(workflow_id)
        await stuck.resolve_exception(action, by="olga@northwind.example", **words)

    async def reach(self, workflow_id: str, milestone: str) -> None:
        contract = self.c2c.contract(workflow_id)
        await contract.reach_milestone(milestone, by="pia@northwind.example")

    async def cancel(self, workflow_id: str) -> None:
        contract = self.c2c.contract(workflow_id)
        await contract.cancel(by="sam@northwind.example", reason="changed their mind")

    async def tell(self, workflow_id: str, update: Update[M, T], message: M) -> T:
        """Send a contract or an invoice one of its Updates, as it stands."""
        return await calls.update(self.client, workflow_id, update, message)

    # --- what people do in Odoo

    async def work(
        self, workflow_id: str, plan: str, hours: str, on: str, *, by: str = PETRA, **values: Any
    ) -> int:
        """Somebody logs hours on a plan's task, approved unless `x_approved` says otherwise."""
        state = await self.contract(workflow_id)
        pm = self.server.client("pm")
        [employee] = pm.search_read("hr.employee", [("work_email", "=", by)], ["id"])
        row = {
            "project_id": state.odoo.project_id,
            "task_id": state.odoo.task_ids[plan],
            "employee_id": employee["id"],
            "date": on,
            "unit_amount": float(hours),
            "name": "Work",
            "x_approved": True,
        }
        [line] = pm.create("account.analytic.line", [row | values])
        return int(line)

    async def correct(self, line: int, **values: Any) -> None:
        """The hours of a line change, or their approval."""
        pm = self.server.client("pm")
        await asyncio.to_thread(pm.write, "account.analytic.line", [line], values)

    async def spend(self, workflow_id: str, cost: str, on: str, what: str = "Train") -> int:
        """An approved expense of the contract's project."""
        state = await self.contract(workflow_id)
        pm = self.server.client("pm")
        [employee] = pm.search_read("hr.employee", [("work_email", "=", PETRA)], ["id"])
        [product] = pm.search_read("product.product", [("default_code", "=", "EXP_GEN")], ["id"])
        row = {
            "name": what,
            "employee_id": employee["id"],
            "product_id": product["id"],
            "total_amount_currency": float(cost),
            "date": on,
            "analytic_distribution": {str(state.odoo.analytic_account_id): 100},
        }
        [expense] = pm.create("hr.expense", [row])
        pm.call("hr.expense", "action_submit", [expense])
        return int(expense)

    async def withdraw(self, expense: int) -> None:
        """An approved expense goes back to draft."""
        pm = self.server.client("pm")
        await asyncio.to_thread(pm.call, "hr.expense", "action_reset", [expense])

    # --- invoices

    async def issue(self, workflow_id: str, number: int, *people: str) -> InvoiceState:
        """Have an invoice approved, and wait until the customer has it."""
        invoice = f"{workflow_id}/invoice/{number}"
        state = await self.invoice(
            invoice, until=lambda f: f.issued or f.stage is InvoiceStage.AWAITING_APPROVAL
        )
        if not state.issued:
            await self.approve(invoice, *people)
        return await self.invoice(invoice, until=lambda found: found.delivered)

    async def collect(self, workflow_id: str, number: int) -> None:
        """The customer pays an invoice, or we pay out a credit note; then it settles."""
        invoice = f"{workflow_id}/invoice/{number}"
        state = await self.invoice(invoice)
        assert state.balance is not None
        if state.balance.residual.is_positive:
            await self.pay(invoice)
            await self.sweep()
        await self.invoice(invoice, until=lambda found: found.stage in CLEARED)
        await self.skip(invoice, days=31)

    async def invoice(
        self,
        workflow_id: str,
        stage: InvoiceStage | None = None,
        until: Callable[[InvoiceState], bool] = lambda _: True,
    ) -> InvoiceState:
        return await self.until(
            self.c2c.invoice(workflow_id).state,
            lambda state: (stage is None or state.stage is stage) and until(state),
        )

    async def renewed(self, workflow_id: str, run_id: str | None) -> None:
        """Wait until the workflow goes on in another run; it does so once it is at rest."""

        async def current_run() -> str:
            return (await self.client.get_workflow_handle(workflow_id).describe()).run_id

        await self.until(current_run, lambda now: now != run_id)

    async def proposed(self, contract: JsonObject) -> str:
        """A contract with its first milestone reached: the invoice that awaits approval."""
        workflow_id = await self.active(contract)
        await self.reach(workflow_id, contract["milestones"][0]["key"])
        invoice = f"{workflow_id}/invoice/1"
        await self.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        return invoice

    async def approve(self, invoice: str, *people: str) -> None:
        for person in people or (ANA,):
            await self.c2c.contract_or_invoice(invoice).approve(by=person)

    async def reject(self, invoice: str, comment: str, by: str = ANA) -> None:
        await self.c2c.contract_or_invoice(invoice).reject(by=by, comment=comment)

    async def open(self, contract: JsonObject) -> str:
        """An invoice that is approved, posted and delivered."""
        invoice = await self.proposed(contract)
        await self.approve(invoice)
        await self.invoice(invoice, InvoiceStage.OPEN)
        return invoice

    async def pay(self, invoice: str, amount: str | None = None, on: date | None = None) -> int:
        """An accountant registers a payment in Odoo; returns the payment's id there."""
        state = await self.invoice(invoice)
        assert state.balance is not None
        return await asyncio.to_thread(
            register_payment, self.accountant, state.balance.invoice_id, amount, on
        )

    async def sweep(self) -> OdooSweepResult:
        """Look once for everything that changed in Odoo."""
        return await self.client.execute_workflow(
            OdooSweepWorkflow.run,
            id=unique("sweep"),
            task_queue=task_queues.CONTRACTS,
        )

    async def skip(self, workflow_id: str, **duration: float) -> None:
        """Move one workflow's clock forward."""
        await clock.forward(self.time, workflow_id, timedelta(**duration))

    async def skip_to(self, workflow_id: str, day: date) -> None:
        """Move one workflow's clock forward to noon of a day."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        await clock.forward(self.time, workflow_id, noon - await clock.now(self.time, workflow_id))

    async def until(
        self, ask: Callable[[], Awaitable[T]], enough: Callable[[T], bool], seconds: float = 150
    ) -> T:
        deadline = time.monotonic() + seconds
        seen: object = None
        while time.monotonic() < deadline:
            try:
                answer = await ask()
                seen = answer
            except (NotFound, NoAnswer) as missing:
                seen = missing  # not started yet, or the worker has its hands full
            else:
                if enough(answer):
                    return answer
            await asyncio.sleep(0.05)
        shown = seen.model_dump_json(indent=1) if isinstance(seen, BaseModel) else seen
        raise AssertionError(f"waited {seconds} s in vain; last seen: {shown}")


def register_payment(
    odoo: OdooClient, invoice_id: int, amount: str | None = None, on: date | None = None
) -> int:
    """Register a payment as an accountant does: in part, or (without amount) what is open."""
    context = {"active_model": "account.move", "active_ids": [invoice_id]}
    values: JsonObject = {"communication": unique("transfer")}
    values |= {"amount": Decimal(amount)} if amount else {}
    values |= {"payment_date": on} if on else {}
    [register] = odoo.create("account.payment.register", [values], context=context)
    odoo.call("account.payment.register", "action_create_payments", [register], context=context)
    [payment] = odoo.search_read(
        "account.payment", [("memo", "=", values["communication"])], ["id"]
    )
    return int(payment["id"])


def undo_payment(odoo: OdooClient, payment_id: int) -> None:
    """Take a payment back, as after a bounced transfer."""
    odoo.call("account.payment", "action_draft", [payment_id])
    odoo.call("account.payment", "action_cancel", [payment_id])


def credit(odoo: OdooClient, invoice_id: int) -> None:
    """Credit an invoice in whole and reconcile it with its credit note."""
    context = {"active_model": "account.move", "active_ids": [invoice_id]}
    [move] = odoo.read("account.move", [invoice_id], ["journal_id"])
    values = {"reason": "credited", "journal_id": move["journal_id"][0]}
    [wizard] = odoo.create("account.move.reversal", [values], context=context)
    action = odoo.call("account.move.reversal", "refund_moves", [wizard], context=context)
    odoo.call("account.move", "action_post", [action["res_id"]])


def odoo_order(odoo: OdooClient, workflow_id: str) -> list[dict[str, Any]]:
    """The orders in Odoo that a contract's workflow has made."""
    return odoo.search_read(
        "sale.order",
        [("origin", "=", workflow_id)],
        ["name", "state", "amount_untaxed", "amount_total", "partner_id", "project_id"],
    )


def odoo_invoices(odoo: OdooClient, workflow_id: str) -> list[dict[str, Any]]:
    """The posted invoices in Odoo that a contract's workflow has made, oldest first."""
    return odoo.search_read(
        "account.move",
        [("invoice_origin", "=like", origins_of_contract(workflow_id)), ("state", "=", "posted")],
        ["name", "amount_untaxed", "amount_total", "amount_residual", "payment_state"],
        order="id",
    )


def eur(amount: str) -> Money:
    return Money(amount, "EUR")
