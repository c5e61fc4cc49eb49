"""The steps that the demo's scenarios are made of: each does something, waits for it, says so."""

from __future__ import annotations

import asyncio
import contextlib
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import httpx
from rich.console import Console
from rich.markup import escape
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from contracts.approvals import ApprovalRound
from contracts.billing.lines import InvoiceKind
from contracts.contract.state import ContractStage, ContractState
from contracts.identifiers import deal_contract_id, invoice_workflow_id
from contracts.invoice.state import CLEARED, InvoiceStage, InvoiceState
from contracts.model import JsonObject
from contracts.money import Money
from contracts.parking import StepException
from gateways.odoo import connect as connect_odoo
from gateways.secrets import Secret
from sandbox import clock, people
from sandbox.demo_bank import BankDay
from sandbox.expected_totals import Scenario
from sandbox.office import Desk
from sandbox.stack import WEB_URL, Stack
from sandbox.staff import PROJECT_MANAGER, Staff
from starters import schedules
from starters.client import C2C, ContractClient, NoAnswer, NotFound
from starters.client.references import short

T = TypeVar("T")

HUBSPOT, SALESFORCE = "hubspot", "salesforce"
ACCOUNTANT, _MANAGER = "accountant", "pm"
"""Logins in Odoo of the people who act there."""
WIDTH = 80
_WAIT_SECONDS = 300
_POLL_SECONDS = 0.2
_SETTLED_AFTER = timedelta(days=31)
_INDENT = " " * 28


class DemoError(Exception):
    """Something the scenario waits for did not happen; the message says what."""


class DemoDriver:
    """Runs the steps of scenarios on a running stack."""

    def __init__(
        self,
        stack: Stack,
        client: Client,
        console: Console,
        staff: Staff,
        *,
        kill_worker: bool,
    ) -> None:
        self.stack = stack
        self.time = TimeSkipper(client, config=clock.BY_HAND)
        self.client = self.time.client
        self.c2c = C2C(self.client, sign=staff.sign)
        self.console = console
        self.kill_worker = kill_worker
        self.began = time.monotonic()
        self.today = datetime.now(UTC).date()
        self.bank = BankDay(self.client, stack.bank_files, self.today)

    def on(self, scenario: Scenario) -> ContractClient:
        """The contract of a scenario."""
        return self.c2c.contract(scenario.workflow_id)

    async def act(self, login: str, what: Callable[..., T], *arguments: object) -> T:
        """Let one of the firm's people do or look up something in Odoo.

        Over a connection of its own: one kept from long ago may be closed just when it is used.
        """
        odoo = self.stack.odoo

        def work() -> T:
            key = Secret.file(odoo.keys[login])
            with contextlib.closing(connect_odoo(odoo.url, odoo.database, key)) as client:
                return what(client, *arguments)

        return await asyncio.to_thread(work)

    def say(self, scenario: Scenario, text: str) -> None:
        """One event of a scenario, in lines that a terminal of 80 columns shows whole."""
        first, *rest = textwrap.wrap(text, WIDTH - len(_INDENT)) or [""]
        seconds = f"{time.monotonic() - self.began:5.1f} s"
        self.console.print(f"[dim]{seconds}[/]  [bold]{scenario.customer:<18}[/] {escape(first)}")
        for line in rest:
            self.console.print(f"{_INDENT}{escape(line)}")

    # --- contracts --------------------------------------------------------------------------

    async def sign_deal(self, scenario: Scenario, deal_id: str, crm: str = HUBSPOT) -> None:
        """The deal is won; its contract starts."""
        scenario.contract_id = deal_contract_id(crm, deal_id)
        await self.c2c.start_deal(crm, deal_id, scenario.entity)
        self.say(scenario, f"deal {deal_id} is won: {scenario.workflow_id}")

    async def signed_in_docusign(self, scenario: Scenario, envelope_id: str) -> None:
        """The contract waits for its envelope; everybody signs, and DocuSign's stand-in posts that
        to the web gateway."""
        await self.stage(scenario, ContractStage.SIGNING)
        self.say(scenario, f"waits for the signature of envelope {envelope_id[:8]}")
        await asyncio.to_thread(self.stack.sandbox.end_envelope, envelope_id, "completed")
        self.say(scenario, "signed: the gateway took DocuSign's webhook")

    async def signed_document(self, scenario: Scenario) -> None:
        """The signed PDF is attached to the contract's order."""
        state = await self.contract(
            scenario,
            "to have its signed document",
            lambda found: found.signature.attached is not None,
        )
        files = await self.act(ACCOUNTANT, people.documents, state)
        if len(files) != 1:
            raise DemoError(f"the order has {len(files)} signed documents, not one: {files}")
        self.say(scenario, f"the signed PDF is attached to order {state.odoo.order_name}")

    async def opportunity_shows(self, scenario: Scenario, deal_id: str, **texts: str) -> None:
        """The opportunity in Salesforce shows these texts of the contract's status."""

        async def shown() -> dict[str, object]:
            deal = self.stack.sandbox.salesforce.get(deal_id)
            fields = deal.fields if deal else {}
            return {name: fields.get(f"c2c_{name}__c") for name in texts}

        found = await self._until(
            f"the opportunity of {scenario.customer} to show {texts}",
            shown,
            lambda fields: fields == texts,
        )
        listed = ", ".join(f"{name} {text}" for name, text in found.items())
        self.say(scenario, f"in Salesforce: {listed}")

    async def sign_contract_data(self, scenario: Scenario, contract_data: JsonObject) -> None:
        """A contract is started from contract data instead of a deal."""
        scenario.contract_id = contract_data["contract_id"]
        await self.c2c.start(contract_data)
        self.say(scenario, f"signed on paper: {scenario.workflow_id}")

    async def contract(
        self, scenario: Scenario, what: str, enough: Callable[[ContractState], bool]
    ) -> ContractState:
        return await self._until(
            f"{scenario.customer} {what}",
            self.on(scenario).state,
            lambda state: enough(state) or _is_parked(state.exceptions),
        )

    async def stage(self, scenario: Scenario, stage: ContractStage) -> ContractState:
        return await self.contract(scenario, f"to be {stage}", lambda state: state.stage is stage)

    async def active(self, scenario: Scenario) -> ContractState:
        """The contract is provisioned in Odoo."""
        state = await self.stage(scenario, ContractStage.ACTIVE)
        self.say(scenario, f"order {state.odoo.order_name}, {state.odoo.project_name}")
        return state

    async def reach(self, scenario: Scenario, milestone: str) -> None:
        await self.on(scenario).reach_milestone(milestone, by=PROJECT_MANAGER)
        self.say(scenario, f"milestone {milestone} reached")

    async def parked(self, scenario: Scenario) -> ContractState:
        """A step of the contract parks; its problems are shown."""
        state = await self.contract(scenario, "to park", lambda found: bool(found.exceptions))
        for problem in _problems(state.exceptions[0]):
            self.say(scenario, f"parked: {problem}")
        return state

    async def later(self, scenario: Scenario, days: int) -> None:
        """Days pass for the contract."""
        await clock.forward(self.time, scenario.workflow_id, timedelta(days=days))
        self.say(scenario, f"{days} days later ...")

    async def until_day(self, scenario: Scenario, day: date) -> None:
        """The contract's clock goes on to noon of a day."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        left = noon - await clock.now(self.time, scenario.workflow_id)
        await clock.forward(self.time, scenario.workflow_id, left)
        self.say(scenario, f"it is {day} ...")

    # --- what people do in Odoo ---------------------------------------------------------------

    async def work(self, scenario: Scenario, plan: str, who: str, hours: str, on: date) -> None:
        state = await self.on(scenario).state()
        await self.act(_MANAGER, people.log_hours, state, plan, who, hours, on)
        self.say(scenario, f"{hours} hours of {who} approved in Odoo, on {on}")

    async def spend(self, scenario: Scenario, who: str, what: str, cost: str, on: date) -> None:
        state = await self.on(scenario).state()
        await self.act(_MANAGER, people.spend, state, who, what, cost, on)
        self.say(scenario, f"expense approved in Odoo: {what}, {cost}, on {on}")

    # --- invoices --------------------------------------------------------------------------

    def invoice_workflow(self, scenario: Scenario, number: int) -> str:
        return invoice_workflow_id(scenario.workflow_id, number)

    async def invoice(
        self, scenario: Scenario, number: int, what: str, enough: Callable[[InvoiceState], bool]
    ) -> InvoiceState:
        return await self._until(
            f"{scenario.customer}'s invoice {number} {what}",
            self.on(scenario).invoice(number).state,
            lambda state: enough(state) or _is_parked(state.exceptions),
        )

    async def issue(self, scenario: Scenario, number: int, *approvers: str) -> InvoiceState:
        """An invoice is approved and reaches the customer; without people the rules approve it."""
        if approvers:
            state = await self.proposed(scenario, number)
            for person in approvers:
                await self.on(scenario).invoice(number).approve(by=person)
            self.say(scenario, f"{_what(state)} approved by {' and '.join(map(_name, approvers))}")
            return await self.delivered(scenario, number)
        state = await self.delivered(scenario, number)
        self.say(scenario, f"{_what(state)} approved by rule: as planned, and small")
        return state

    async def issue_by_pages(
        self, scenario: Scenario, number: int, *approvers: str
    ) -> InvoiceState:
        """The same by people who sign in to the workbench, and approve it in their inboxes."""
        state = await self.proposed(scenario, number)
        reference = short(self.invoice_workflow(scenario, number))
        for person in approvers:
            try:
                told = await self._approved_in_inbox(person, reference)
            except httpx.HTTPError as error:
                raise DemoError(f"the workbench does not answer {person}: {error}") from None
            if told != "1 approved.":
                raise DemoError(f"the workbench told {_name(person)}: {told}")
        people = " and ".join(map(_name, approvers))
        self.say(scenario, f"{_what(state)} approved in the workbench by {people}")
        return await self.delivered(scenario, number)

    async def _approved_in_inbox(self, person: str, reference: str) -> str:
        async with Desk(self.stack.environment[WEB_URL], person) as desk:
            seen = await self._until(
                f"{reference} to be in the inbox of {person}",
                lambda: desk.inbox(reference),
                lambda page: bool(page.picks),
            )
            return await desk.approve(seen)

    async def proposed(self, scenario: Scenario, number: int) -> InvoiceState:
        """An invoice that awaits its approval."""
        return await self.invoice(
            scenario,
            number,
            "to await approval",
            lambda state: state.stage is InvoiceStage.AWAITING_APPROVAL,
        )

    async def delivered(self, scenario: Scenario, number: int) -> InvoiceState:
        return await self.invoice(
            scenario, number, "to be delivered", lambda state: state.delivered
        )

    async def approve_all(self, scenario: Scenario, count: int, by: str) -> None:
        """Somebody approves all of a customer's invoices at once, as `c2c approvals approve-all`
        does."""
        found = await self._until(
            f"{count} approvals of {scenario.customer} in the list",
            lambda: self.c2c.approvals(customer=scenario.customer),
            lambda listed: len(listed.items) == count,
        )
        outcomes = await self.c2c.approve_all(found.items, by=by)
        for outcome in outcomes:
            if not outcome.is_taken:
                raise DemoError(f"{outcome.workflow_id} was not approved: {outcome.problem}")
        amounts = ", ".join(str(item.approval_round.subject.amount) for item in found.items)
        self.say(scenario, f"{count} invoices ({amounts}) approved at once by {_name(by)}")

    async def approve_change(self, scenario: Scenario, by: str) -> None:
        """The contract's change order is approved and carried out."""
        subject = (await self._change_round(scenario)).subject
        await self.on(scenario).approve(by=by)
        state = await self.contract(
            scenario,
            "to be changed",
            lambda found: (
                found.change is None
                and found.contract is not None
                and found.contract.version > 1
                and found.order_version == found.contract
            ),
        )
        version = state.contract.version if state.contract else 0
        for line in subject.details:
            self.say(scenario, f"version {version}: {line}")

    async def _change_round(self, scenario: Scenario) -> ApprovalRound:
        state = await self.contract(
            scenario,
            "to ask for approval",
            lambda found: found.change is not None and found.change.approval_round is not None,
        )
        if state.change is None or state.change.approval_round is None:
            raise DemoError(f"{scenario.customer} has no change order")
        return state.change.approval_round

    async def pay(self, scenario: Scenario, number: int, amount: Money | None = None) -> None:
        """An accountant registers the payment in Odoo; the sweep finds it and reports it."""
        state = await self.invoice(
            scenario, number, "to be posted", lambda found: found.balance is not None
        )
        if state.balance is None:
            raise DemoError(f"{scenario.customer}'s invoice {number} is not posted")
        balance, paid = state.balance, amount or state.balance.residual
        await self.act(
            ACCOUNTANT,
            people.register_payment,
            balance.invoice_id,
            balance.number,
            paid,
            balance.due_on,
        )
        await self.client.get_schedule_handle(schedules.ODOO_SWEEP).trigger()
        self.say(scenario, f"{paid} paid on {balance.number}")

    async def reminded(self, scenario: Scenario, number: int, level: int) -> None:
        """Let the invoice's clock run to the next action until that reminder is sent."""
        for _ in range(10):
            state = await self.on(scenario).invoice(number).state()
            if state.dunning.level >= level:
                self.say(scenario, state.journal.entries[-1].text)
                return
            await clock.forward(
                self.time, self.invoice_workflow(scenario, number), timedelta(days=12)
            )
        raise DemoError(f"{scenario.customer} got no reminder {level}")

    async def settle(self, scenario: Scenario, numbers: Iterable[int]) -> None:
        """Every invoice is paid or set off, and its settlement period passes; then the contract
        closes."""
        await asyncio.gather(*(self._settled(scenario, number) for number in numbers))
        state = await self.stage(scenario, ContractStage.CLOSED)
        self.say(scenario, f"{state.ending}: checked against Odoo, project archived")

    async def _settled(self, scenario: Scenario, number: int) -> None:
        state = await self.invoice(
            scenario, number, "to be cleared", lambda found: found.stage in CLEARED
        )
        if state.stage is not InvoiceStage.SETTLED:
            await clock.forward(self.time, self.invoice_workflow(scenario, number), _SETTLED_AFTER)

    async def pay_by_bank(
        self, scenario: Scenario, payer: str, text: str, *numbers: int, iban: str = ""
    ) -> None:
        """The customer transfers what is open of these invoices; the bank's file of the day says
        so. `text` has their numbers in Odoo; `iban` is the account they pay from."""
        states = [
            await self.invoice(scenario, number, "to be posted", lambda it: it.balance is not None)
            for number in numbers
        ]
        balances = [state.balance for state in states if state.balance]
        paid = Money.total((it.residual for it in balances), scenario.billed.currency)
        told = text.format(*(it.number for it in balances))
        self.say(scenario, f'transfers {paid}: "{told}"')
        try:
            await self.bank.pay(payer, paid, told, iban)
        except TimeoutError:
            raise DemoError("the bank's file was not applied in time") from None

    async def settled_by_bank(self, scenario: Scenario, *numbers: int) -> None:
        """The bank's file has settled these invoices."""
        states = [
            await self.invoice(
                scenario, number, "to be settled by the bank's file", lambda it: it.stage in CLEARED
            )
            for number in numbers
        ]
        settled = ", ".join(state.balance.number for state in states if state.balance)
        self.say(scenario, f"settled by the bank's file: {settled}")

    # --- waiting ----------------------------------------------------------------------------

    async def _until(
        self, what: str, ask: Callable[[], Awaitable[T]], enough: Callable[[T], bool]
    ) -> T:
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await ask()
            except (NotFound, NoAnswer):
                pass  # not started yet, or the worker has its hands full
            else:
                if enough(answer):
                    return answer
            await asyncio.sleep(_POLL_SECONDS)
        raise DemoError(f"waited {_WAIT_SECONDS} s in vain for {what}")


def _is_parked(exceptions: Sequence[StepException]) -> bool:
    """False, or DemoError: a step that the scenario does not expect waits for a person."""
    if exceptions:
        problems = "; ".join(_problems(exceptions[0]))
        raise DemoError(f"the step {exceptions[0].step} is parked: {problems}")
    return False


def _problems(exception: StepException) -> list[str]:
    return [str(problem) for problem in exception.problems] or [exception.message]


def _what(state: InvoiceState) -> str:
    """An invoice in a few words, with Odoo's tax where there is some."""
    proposal = state.proposal
    noun = "credit note" if proposal.kind is InvoiceKind.CREDIT_NOTE else "invoice"
    tax = state.odoo_totals.tax if state.odoo_totals else None
    sign = "-" if proposal.kind is InvoiceKind.CREDIT_NOTE else "+"
    with_tax = f" {sign} {tax} tax" if tax and tax.is_positive else ""
    return f"{noun} {proposal.number} of {proposal.amount}{with_tax}"


def _name(person: str) -> str:
    return person.partition("@")[0].capitalize()
