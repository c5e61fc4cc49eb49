"""Three contracts from signature to cash, told as they happen and checked against Odoo.

    Harbour Logistics   smooth: three milestones, approved, paid on time, closed
    Meridian Partners   the deal has a wrong VAT number and an unknown service: parked, amended
    Castellan Group     pays late and partially, after two reminders; the rest stays open

Months pass in seconds: each workflow's own clock is moved forward on the real server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.identifiers import contract_workflow_id, deal_contract_id
from contracts.money import Money
from contracts.parking import Action, Resolution
from contracts.receivable import InvoiceStage, ReceivableState
from contracts.state import ContractStage, ContractState, MilestoneReached, money_table
from gateways.odoo import OdooClient
from gateways.odoo import connect as connect_odoo
from gateways.secrets import Secret
from starters import operations, schedules
from starters.local.stack import Stack
from wiring import remotes
from wiring.settings import CrmSettings, Settings, SweepSettings, load_settings

T = TypeVar("T")

ENTITY = "northwind"
CRM = "hubspot"
FINANCE = ("ana@northwind.example", "bob@northwind.example")
DIRECTORS = ("cleo@northwind.example", "dora@northwind.example")
SELLER = "sam@northwind.example"
PROJECT_MANAGER = "pia@northwind.example"
_WAIT_SECONDS = 90
_POLL_SECONDS = 0.1
_SWEEP_SECONDS = 5


class DemoError(Exception):
    """Something the story waits for did not happen; the message says what."""


@dataclass
class Chapter:
    """One contract of the story, and what it must come to: open amount and stage."""

    customer: str
    deal_id: str = ""
    stage: ContractStage = ContractStage.CLOSED
    open: Money = field(default_factory=lambda: Money.zero("EUR"))

    @property
    def workflow_id(self) -> str:
        return contract_workflow_id(ENTITY, deal_contract_id(CRM, self.deal_id))


class Demo:
    """Tells the story on a running stack."""

    def __init__(
        self, stack: Stack, client: Client, console: Console, *, kill_worker: bool
    ) -> None:
        self.stack = stack
        self.time = TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
        self.client = self.time.client
        self.console = console
        self.kill_worker = kill_worker
        self.settings = load_settings()
        self.began = time.monotonic()
        odoo = stack.odoo
        self.accountant = connect_odoo(
            odoo.url, odoo.database, Secret.file(odoo.keys["accountant"])
        )

    async def run(self) -> int:
        """Tell the three stories beside each other; returns the number of errors."""
        await schedules.ensure_sweeps(self.client, self._demo_settings())
        self._prepare_hubspot()
        chapters = [
            Chapter("Harbour Logistics"),
            Chapter("Meridian Partners"),
            Chapter("Castellan Group", stage=ContractStage.CLOSING, open=_eur("13340.00")),
        ]
        stories = (self._smooth, self._parked, self._late)
        results = await asyncio.gather(
            *(story(chapter) for story, chapter in zip(stories, chapters, strict=True)),
            return_exceptions=True,
        )
        failures = [error for error in results if isinstance(error, BaseException)]
        for error in failures:
            if not isinstance(error, DemoError):
                raise error
            self.console.print(f"[red]{error}[/]")
        return len(failures) + await self._report(chapters)

    def _demo_settings(self) -> Settings:
        """A quick sweep of Odoo, and none of the CRM: the story signs its deals itself."""
        changed = {"crm": CrmSettings(), "sweeps": SweepSettings(odoo_seconds=_SWEEP_SECONDS)}
        return self.settings.model_copy(update=changed)

    def _prepare_hubspot(self) -> None:
        """Create the custom properties, as `c2c setup --crm` does for a real account."""
        crms = remotes.crms(self.settings, self.accountant)
        left = crms[CRM].ensure_setup()
        if left:
            raise DemoError("; ".join(map(str, left)))

    # --- the stories ------------------------------------------------------------------------

    async def _smooth(self, chapter: Chapter) -> None:
        chapter.deal_id = self.stack.sandbox.hubspot.add_deal(
            name="Warehouse automation",
            amount="24000",
            company=_company(chapter.customer, "BE", "BE0477472701"),
            contacts=[_contact("ap@harbour.example.com")],
            owner_email="sam@northwind-consulting.com",
            line_items=[
                _line("Process design", "CONSULTING", "9000"),
                _line("Build", "BUILD", "15000", "Increment 1 50%; Increment 2 50%"),
            ],
        )
        await self._sign(chapter)
        state = await self._stage(chapter, ContractStage.ACTIVE)
        self._say(chapter, f"order {state.odoo.order_name}, {state.odoo.project_name}")
        if self.kill_worker:
            self._say(chapter, "the worker is killed (SIGKILL) and started again")
            self.stack.kill_worker()
            self.stack.start_worker()
        for milestone in state.milestones:
            await self._reach(chapter, milestone)
        for number in range(1, len(state.milestones) + 1):
            await self._approve(chapter, number, *self._approvers(state, number))
            await self._invoice(chapter, number, InvoiceStage.OPEN)
        for number in range(1, len(state.milestones) + 1):
            await self._customer_pays(chapter, number)
        await self._settle(chapter, range(1, len(state.milestones) + 1))

    async def _parked(self, chapter: Chapter) -> None:
        chapter.deal_id = self.stack.sandbox.hubspot.add_deal(
            name="Compliance audit",
            amount="7800",
            company=_company(chapter.customer, "BE", "BE0203430577"),
            contacts=[_contact("finance@meridian.example.com")],
            owner_email="sam@northwind-consulting.com",
            line_items=[_line("Audit", "AUDITING", "7800", "Field work 60%; Report 40%")],
        )
        await self._sign(chapter)
        state = await self._until(
            f"{chapter.customer} to park",
            lambda: operations.contract_state(self.client, chapter.workflow_id),
            lambda found: bool(found.exceptions),
        )
        for problem in state.exceptions[0].problems:
            self._say(chapter, f"parked: {problem}")
        resolution = Resolution(
            action=Action.AMEND,
            by=SELLER,
            changes={"customer.vat_number": "BE0203430576", "services.0.code": "CONSULTING"},
        )
        await operations.resolve(self.client, chapter.workflow_id, resolution)
        self._say(chapter, "amended by the seller; the step resumes")
        state = await self._stage(chapter, ContractStage.ACTIVE)
        numbers = range(1, len(state.milestones) + 1)
        for number, milestone in zip(numbers, state.milestones, strict=True):
            await self._reach(chapter, milestone)
            await self._approve(chapter, number, FINANCE[1])
            await self._invoice(chapter, number, InvoiceStage.OPEN)
            await self._customer_pays(chapter, number)
        await self._settle(chapter, numbers)

    async def _late(self, chapter: Chapter) -> None:
        chapter.deal_id = self.stack.sandbox.hubspot.add_deal(
            name="Data platform",
            amount="23340",
            company=_company(chapter.customer, "DE", None),
            contacts=[_contact("rechnung@castellan.example.com")],
            owner_email="sam@northwind-consulting.com",
            line_items=[_line("Platform", "BUILD", "23340")],
        )
        await self._sign(chapter)
        state = await self._stage(chapter, ContractStage.ACTIVE)
        await self._reach(chapter, next(iter(state.milestones)))
        await self._approve(chapter, 1, *DIRECTORS)
        await self._invoice(chapter, 1, InvoiceStage.OPEN)
        for level in (1, 2):
            receivable = await self._reminded(chapter, 1, level)
            self._say(chapter, f"reminder {level}: {receivable.journal.entries[-1].text}")
        await self._customer_pays(chapter, 1, amount=_eur("10000.00"))
        await self._until(
            f"{chapter.customer}'s part payment",
            lambda: operations.receivable_state(self.client, f"{chapter.workflow_id}/invoice/1"),
            lambda found: found.balance is not None and found.balance.residual == chapter.open,
        )
        self._say(chapter, f"paid a part; {chapter.open} stays open and is dunned on")

    # --- what happens in them ---------------------------------------------------------------

    async def _sign(self, chapter: Chapter) -> None:
        await operations.start_deal(self.client, CRM, chapter.deal_id, ENTITY)
        self._say(chapter, f"deal {chapter.deal_id} is won: {chapter.workflow_id}")

    async def _reach(self, chapter: Chapter, milestone: str) -> None:
        reached = MilestoneReached(milestone=milestone, by=PROJECT_MANAGER)
        await operations.reach_milestone(self.client, chapter.workflow_id, reached)
        self._say(chapter, f"milestone {milestone} reached")

    def _approvers(self, state: ContractState, number: int) -> tuple[str, ...]:
        amount = state.invoices[number].amount if number in state.invoices else None
        return FINANCE[:1] if amount is None or amount <= _eur("10000.00") else DIRECTORS

    async def _approve(self, chapter: Chapter, number: int, *people: str) -> None:
        state = await self._invoice(chapter, number, InvoiceStage.AWAITING_APPROVAL)
        for person in people:
            await operations.approve(
                self.client, f"{chapter.workflow_id}/invoice/{number}", by=person
            )
        self._say(chapter, f"{state.proposal.amount} approved by {' and '.join(people)}")

    async def _customer_pays(
        self, chapter: Chapter, number: int, amount: Money | None = None
    ) -> None:
        """An accountant registers the payment in Odoo; the sweep finds it and tells us."""
        state = await operations.receivable_state(
            self.client, f"{chapter.workflow_id}/invoice/{number}"
        )
        if state.balance is None:
            raise DemoError(f"{chapter.customer}'s invoice {number} is not posted")
        paid = amount or state.balance.residual
        await asyncio.to_thread(_register_payment, self.accountant, state, paid)
        await self.client.get_schedule_handle(schedules.ODOO_SWEEP).trigger()
        self._say(chapter, f"{paid} paid on {state.balance.number}")

    async def _reminded(self, chapter: Chapter, number: int, level: int) -> ReceivableState:
        """Let the clock run to the next action until that reminder is sent."""
        workflow_id = f"{chapter.workflow_id}/invoice/{number}"
        for _ in range(10):
            state = await operations.receivable_state(self.client, workflow_id)
            if state.dunning.level >= level:
                return state
            await self._skip(workflow_id, timedelta(days=12))
        raise DemoError(f"{chapter.customer} got no reminder {level}")

    async def _settle(self, chapter: Chapter, numbers: range) -> None:
        """Let the settlement period of every invoice pass; the contract then closes."""
        for number in numbers:
            state = await self._invoice(chapter, number, InvoiceStage.PAID)
            await self._skip(f"{chapter.workflow_id}/invoice/{number}", timedelta(days=31))
            self._say(chapter, f"{state.proposal.amount} settled")
        await self._stage(chapter, ContractStage.CLOSED)
        self._say(chapter, "closed: checked against Odoo, project archived")

    async def _skip(self, workflow_id: str, duration: timedelta) -> None:
        await self.time.fast_forward(self.client.get_workflow_handle(workflow_id), duration)

    async def _stage(self, chapter: Chapter, stage: ContractStage) -> ContractState:
        return await self._until(
            f"{chapter.customer} to be {stage}",
            lambda: operations.contract_state(self.client, chapter.workflow_id),
            lambda state: state.stage is stage,
        )

    async def _invoice(self, chapter: Chapter, number: int, stage: InvoiceStage) -> ReceivableState:
        return await self._until(
            f"{chapter.customer}'s invoice {number} to be {stage}",
            lambda: operations.receivable_state(
                self.client, f"{chapter.workflow_id}/invoice/{number}"
            ),
            lambda state: state.stage is stage,
        )

    async def _until(
        self, what: str, ask: Callable[[], Awaitable[T]], enough: Callable[[T], bool]
    ) -> T:
        deadline = time.monotonic() + _WAIT_SECONDS
        answer: T | None = None
        while time.monotonic() < deadline:
            try:
                answer = await ask()
            except operations.NotFound:
                answer = None
            if answer is not None and enough(answer):
                return answer
            await asyncio.sleep(_POLL_SECONDS)
        raise DemoError(f"waited {_WAIT_SECONDS} s in vain for {what}")

    # --- the end ----------------------------------------------------------------------------

    async def _report(self, chapters: list[Chapter]) -> int:
        """The table of what happened, with Odoo's own figures; returns the differences."""
        table = Table(
            title="Contracts, and what Odoo says about them (EUR)",
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        table.add_column("Customer", no_wrap=True)
        table.add_column("Stage", no_wrap=True)
        for column in ("Value", "Invoiced", "Paid", "Open"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("Odoo", no_wrap=True)
        errors = 0
        for chapter in chapters:
            if not chapter.deal_id:
                errors += 1
                continue
            state = await operations.contract_state(self.client, chapter.workflow_id)
            odoo = await asyncio.to_thread(_figures, self.accountant, state)
            differences = _differences(chapter, state, odoo)
            errors += len(differences)
            value = state.contract.value.amount if state.contract else "-"
            figures = (odoo.invoiced, odoo.paid, odoo.open)
            table.add_row(
                chapter.customer,
                str(state.stage),
                str(value),
                *(str(figure.amount) for figure in figures),
                "[red]differs[/]" if differences else "[green]agrees[/]",
            )
            for difference in differences:
                self.console.print(f"[red]{escape(chapter.customer)}: {escape(difference)}[/]")
        self.console.print()
        self.console.print(table)
        return errors

    def _say(self, chapter: Chapter, text: str) -> None:
        seconds = time.monotonic() - self.began
        self.console.print(
            f"[dim]{seconds:5.1f} s[/]  [bold]{chapter.customer:<18}[/] {escape(text)}"
        )


@dataclass(frozen=True)
class Figures:
    """Odoo's own figures of one contract, in the contract's currency. Order and invoiced are
    without tax, paid and open with it."""

    order: Money
    invoiced: Money
    paid: Money
    open: Money
    invoices: int


def _figures(odoo: OdooClient, state: ContractState) -> Figures:
    orders = odoo.search_read(
        "sale.order",
        [("origin", "=", contract_workflow_id(ENTITY, state.contract_id))],
        ["amount_untaxed", "currency_id"],
    )
    currency = orders[0]["currency_id"][1] if orders else "EUR"
    moves = odoo.search_read(
        "account.move",
        [
            ("invoice_origin", "=like", f"contract/{ENTITY}/{state.contract_id}/invoice/%"),
            ("state", "=", "posted"),
        ],
        ["amount_untaxed", "amount_total", "amount_residual"],
    )

    def total(rows: list[dict[str, object]], field: str) -> Money:
        return Money.total((Money.rounded(float(str(r[field])), currency) for r in rows), currency)

    gross, residual = total(moves, "amount_total"), total(moves, "amount_residual")
    return Figures(
        order=total(orders, "amount_untaxed"),
        invoiced=total(moves, "amount_untaxed"),
        paid=gross - residual,
        open=residual,
        invoices=len(moves),
    )


def _differences(chapter: Chapter, state: ContractState, odoo: Figures) -> list[str]:
    """Where contract, workflow, Odoo and the story disagree, in words."""
    money = money_table(state)
    if state.contract is None or money is None:
        return ["the contract was never validated"]
    expected = [
        ("stage", state.stage, chapter.stage),
        ("order", odoo.order, state.contract.value),
        ("invoiced", odoo.invoiced, state.contract.value),
        ("invoices", odoo.invoices, len(state.contract.milestones)),
        ("open", odoo.open, chapter.open),
        ("open in the workflow", money.open, odoo.open),
        ("paid in the workflow", money.paid, odoo.paid),
    ]
    return [f"{what} {found}, not {wanted}" for what, found, wanted in expected if found != wanted]


def _register_payment(odoo: OdooClient, state: ReceivableState, amount: Money) -> None:
    balance = state.balance
    if balance is None:
        raise DemoError("only a posted invoice can be paid")
    context = {"active_model": "account.move", "active_ids": [balance.invoice_id]}
    values = {
        "amount": amount.amount,
        "payment_date": balance.due_on,
        "communication": f"transfer for {balance.number}",
    }
    [register] = odoo.create("account.payment.register", [values], context=context)
    odoo.call("account.payment.register", "action_create_payments", [register], context=context)


def _eur(amount: str) -> Money:
    return Money(amount, "EUR")


def _company(name: str, country: str, vat: str | None) -> dict[str, str | None]:
    return {
        "name": name,
        "hs_country_code": country,
        "vat_number": vat,
        "address": "Quay 1",
        "city": "Antwerp",
        "zip": "2000",
    }


def _contact(email: str) -> dict[str, str | None]:
    return {"email": email, "label": "Billing"}


def _line(
    name: str, code: str, amount: str, milestones: str | None = None
) -> dict[str, str | None]:
    line: dict[str, str | None] = {"name": name, "hs_sku": code, "quantity": "1", "price": amount}
    return line if milestones is None else {**line, "c2c_milestones": milestones}
