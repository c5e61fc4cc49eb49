"""The verbs that the demo's stories are told in: each does something, waits for it and says so."""

from __future__ import annotations

import asyncio
import contextlib
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from contracts.approvals import ApprovalRound
from contracts.billing.lines import InvoiceKind
from contracts.contract.messages import MilestoneReached
from contracts.contract.state import ContractStage, ContractState
from contracts.identifiers import deal_contract_id, invoice_workflow_id
from contracts.invoice.state import CLEARED, InvoiceStage, InvoiceState
from contracts.model import JsonObject
from contracts.money import Money
from contracts.parking import Action, Resolution, StepException
from gateways.odoo import connect as connect_odoo
from gateways.secrets import Secret
from starters import approving, operations, schedules
from starters.local import clock, people
from starters.local.reckoning import Chapter
from starters.local.stack import Stack

T = TypeVar("T")

CRM = "hubspot"
ANA, BOB = "ana@northwind.example", "bob@northwind.example"
CLEO, DORA = "cleo@northwind.example", "dora@northwind.example"
SELLER = "sam@northwind.example"
PROJECT_MANAGER = "pia@northwind.example"
CLERK = "clara@northwind.example"
ACCOUNTANT, _MANAGER = "accountant", "pm"
"""Logins in Odoo of the people who act there."""
WIDTH = 100
_WAIT_SECONDS = 150
_POLL_SECONDS = 0.2
_SETTLED_AFTER = timedelta(days=31)
_INDENT = " " * 28


class DemoError(Exception):
    """Something the story waits for did not happen; the message says what."""


class Teller:
    """Tells stories on a running stack."""

    def __init__(
        self, stack: Stack, client: Client, console: Console, *, kill_worker: bool
    ) -> None:
        self.stack = stack
        self.time = TimeSkipper(client, config=clock.BY_HAND)
        self.client = self.time.client
        self.console = console
        self.kill_worker = kill_worker
        self.began = time.monotonic()
        self.today = datetime.now(UTC).date()

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

    def say(self, chapter: Chapter, text: str) -> None:
        """One event of a story, in lines that a terminal of 100 columns shows whole."""
        first, *rest = textwrap.wrap(text, WIDTH - len(_INDENT)) or [""]
        seconds = f"{time.monotonic() - self.began:5.1f} s"
        self.console.print(f"[dim]{seconds}[/]  [bold]{chapter.customer:<18}[/] {escape(first)}")
        for line in rest:
            self.console.print(f"{_INDENT}{escape(line)}")

    # --- contracts --------------------------------------------------------------------------

    async def sign_deal(self, chapter: Chapter, deal_id: str) -> None:
        """The deal is won; its contract starts."""
        chapter.contract_id = deal_contract_id(CRM, deal_id)
        await operations.start_deal(self.client, CRM, deal_id, chapter.entity)
        self.say(chapter, f"deal {deal_id} is won: {chapter.workflow_id}")

    async def sign_contract_data(self, chapter: Chapter, contract_data: JsonObject) -> None:
        """A contract is started from contract data instead of a deal."""
        chapter.contract_id = contract_data["contract_id"]
        await operations.start_from_data(self.client, contract_data)
        self.say(chapter, f"signed on paper: {chapter.workflow_id}")

    async def contract(
        self, chapter: Chapter, what: str, enough: Callable[[ContractState], bool]
    ) -> ContractState:
        return await self._until(
            f"{chapter.customer} {what}",
            lambda: operations.contract_state(self.client, chapter.workflow_id),
            lambda state: enough(state) or _is_parked(state.exceptions),
        )

    async def stage(self, chapter: Chapter, stage: ContractStage) -> ContractState:
        return await self.contract(chapter, f"to be {stage}", lambda state: state.stage is stage)

    async def active(self, chapter: Chapter) -> ContractState:
        """The contract is provisioned in Odoo."""
        state = await self.stage(chapter, ContractStage.ACTIVE)
        self.say(chapter, f"order {state.odoo.order_name}, {state.odoo.project_name}")
        return state

    async def reach(self, chapter: Chapter, milestone: str) -> None:
        reached = MilestoneReached(milestone=milestone, by=PROJECT_MANAGER)
        await operations.reach_milestone(self.client, chapter.workflow_id, reached)
        self.say(chapter, f"milestone {milestone} reached")

    async def parked(self, chapter: Chapter) -> ContractState:
        """A step of the contract parks; its problems are told."""
        state = await self.contract(chapter, "to park", lambda found: bool(found.exceptions))
        for told in _problems(state.exceptions[0]):
            self.say(chapter, f"parked: {told}")
        return state

    async def resolve(self, chapter: Chapter, action: Action, by: str, **words: object) -> None:
        resolution = Resolution.model_validate({"action": action, "by": by, **words})
        await operations.resolve(self.client, chapter.workflow_id, resolution)

    async def later(self, chapter: Chapter, days: int) -> None:
        """Days pass for the contract."""
        await clock.forward(self.time, chapter.workflow_id, timedelta(days=days))
        self.say(chapter, f"{days} days later ...")

    async def until_day(self, chapter: Chapter, day: date) -> None:
        """The contract's clock goes on to noon of a day."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        left = noon - await clock.now(self.time, chapter.workflow_id)
        await clock.forward(self.time, chapter.workflow_id, left)
        self.say(chapter, f"it is {day} ...")

    # --- what people do in Odoo ---------------------------------------------------------------

    async def work(self, chapter: Chapter, plan: str, who: str, hours: str, on: date) -> None:
        state = await operations.contract_state(self.client, chapter.workflow_id)
        await self.act(_MANAGER, people.log_hours, state, plan, who, hours, on)
        self.say(chapter, f"{hours} hours of {who} approved in Odoo, on {on}")

    async def spend(self, chapter: Chapter, who: str, what: str, cost: str, on: date) -> None:
        state = await operations.contract_state(self.client, chapter.workflow_id)
        await self.act(_MANAGER, people.spend, state, who, what, cost, on)
        self.say(chapter, f"expense approved in Odoo: {what}, {cost}, on {on}")

    # --- invoices --------------------------------------------------------------------------

    def invoice_workflow(self, chapter: Chapter, number: int) -> str:
        return invoice_workflow_id(chapter.workflow_id, number)

    async def invoice(
        self, chapter: Chapter, number: int, what: str, enough: Callable[[InvoiceState], bool]
    ) -> InvoiceState:
        workflow_id = self.invoice_workflow(chapter, number)
        return await self._until(
            f"{chapter.customer}'s invoice {number} {what}",
            lambda: operations.invoice_state(self.client, workflow_id),
            lambda state: enough(state) or _is_parked(state.exceptions),
        )

    async def issue(self, chapter: Chapter, number: int, *approvers: str) -> InvoiceState:
        """An invoice is approved and reaches the customer; without people the rules approve it."""
        if approvers:
            state = await self.proposed(chapter, number)
            for person in approvers:
                await operations.approve(
                    self.client, self.invoice_workflow(chapter, number), by=person
                )
            self.say(chapter, f"{_what(state)} approved by {' and '.join(map(_name, approvers))}")
            return await self.delivered(chapter, number)
        state = await self.delivered(chapter, number)
        self.say(chapter, f"{_what(state)} approved by rule: as planned, and small")
        return state

    async def proposed(self, chapter: Chapter, number: int) -> InvoiceState:
        """An invoice that awaits its approval."""
        return await self.invoice(
            chapter,
            number,
            "to await approval",
            lambda state: state.stage is InvoiceStage.AWAITING_APPROVAL,
        )

    async def delivered(self, chapter: Chapter, number: int) -> InvoiceState:
        return await self.invoice(chapter, number, "to be delivered", lambda state: state.delivered)

    async def approve_all(self, chapter: Chapter, count: int, by: str) -> None:
        """Somebody approves all of a customer's invoices at once, as `c2c approvals approve-all`
        does."""
        wanted = approving.Filter(customer=chapter.customer)
        found = await self._until(
            f"{count} approvals of {chapter.customer} in the list",
            lambda: approving.awaiting(self.client, wanted),
            lambda listed: len(listed.items) == count,
        )
        outcomes = await approving.approve_all(self.client, found.items, by=by)
        for outcome in outcomes:
            if not outcome.is_taken:
                raise DemoError(f"{outcome.workflow_id} was not approved: {outcome.problem}")
        amounts = ", ".join(str(item.approval_round.subject.amount) for item in found.items)
        self.say(chapter, f"{count} invoices ({amounts}) approved at once by {_name(by)}")

    async def approve_change(self, chapter: Chapter, by: str) -> None:
        """The contract's change order is approved and carried out."""
        subject = (await self._change_round(chapter)).subject
        await operations.approve(self.client, chapter.workflow_id, by=by)
        state = await self.contract(
            chapter,
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
            self.say(chapter, f"version {version}: {line}")

    async def _change_round(self, chapter: Chapter) -> ApprovalRound:
        state = await self.contract(
            chapter,
            "to ask for approval",
            lambda found: found.change is not None and found.change.approval_round is not None,
        )
        if state.change is None or state.change.approval_round is None:
            raise DemoError(f"{chapter.customer} has no change order")
        return state.change.approval_round

    async def pay(self, chapter: Chapter, number: int, amount: Money | None = None) -> None:
        """An accountant registers the payment in Odoo; the sweep finds it and tells us."""
        state = await self.invoice(
            chapter, number, "to be posted", lambda found: found.balance is not None
        )
        if state.balance is None:
            raise DemoError(f"{chapter.customer}'s invoice {number} is not posted")
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
        self.say(chapter, f"{paid} paid on {balance.number}")

    async def reminded(self, chapter: Chapter, number: int, level: int) -> None:
        """Let the invoice's clock run to the next action until that reminder is sent."""
        for _ in range(10):
            state = await operations.invoice_state(
                self.client, self.invoice_workflow(chapter, number)
            )
            if state.dunning.level >= level:
                self.say(chapter, state.journal.entries[-1].text)
                return
            await clock.forward(
                self.time, self.invoice_workflow(chapter, number), timedelta(days=12)
            )
        raise DemoError(f"{chapter.customer} got no reminder {level}")

    async def settle(self, chapter: Chapter, numbers: Iterable[int]) -> None:
        """Every invoice is paid or set off, and its settlement period passes; then the contract
        closes."""
        await asyncio.gather(*(self._settled(chapter, number) for number in numbers))
        state = await self.stage(chapter, ContractStage.CLOSED)
        self.say(chapter, f"{state.ending}: checked against Odoo, recorded, project archived")

    async def _settled(self, chapter: Chapter, number: int) -> None:
        state = await self.invoice(
            chapter, number, "to be cleared", lambda found: found.stage in CLEARED
        )
        if state.stage is not InvoiceStage.SETTLED:
            await clock.forward(self.time, self.invoice_workflow(chapter, number), _SETTLED_AFTER)

    # --- waiting ----------------------------------------------------------------------------

    async def _until(
        self, what: str, ask: Callable[[], Awaitable[T]], enough: Callable[[T], bool]
    ) -> T:
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await ask()
            except (operations.NotFound, operations.NoAnswer):
                pass  # not started yet, or the worker has its hands full
            else:
                if enough(answer):
                    return answer
            await asyncio.sleep(_POLL_SECONDS)
        raise DemoError(f"waited {_WAIT_SECONDS} s in vain for {what}")


def _is_parked(exceptions: Sequence[StepException]) -> bool:
    """False, or DemoError: a step that the story does not expect waits for a person."""
    if exceptions:
        told = "; ".join(_problems(exceptions[0]))
        raise DemoError(f"the step {exceptions[0].step} is parked: {told}")
    return False


def _problems(exception: StepException) -> list[str]:
    return [str(problem) for problem in exception.problems] or [exception.message]


def _what(state: InvoiceState) -> str:
    """An invoice in a few words, with Odoo's tax where there is some."""
    proposal = state.proposal
    noun = "credit note" if proposal.kind is InvoiceKind.CREDIT_NOTE else "invoice"
    tax = state.odoo_totals.tax if state.odoo_totals else None
    with_tax = f" + {tax} tax" if tax and tax.is_positive else ""
    return f"{noun} {proposal.number} of {proposal.amount}{with_tax}"


def _name(person: str) -> str:
    return person.partition("@")[0].capitalize()
