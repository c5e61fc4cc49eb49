"""The examples of docs/temporal-commands.md, typed into the stock `temporal` command as they stand.

Only what belongs to one run is exchanged: ids, a VAT number, a content hash, dates of a locked
period. Every example is part of the story; one that is not makes the test fail.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from contracts.approvals import HASH_PREFIX
from contracts.contract.state import ContractStage, ContractState
from contracts.invoice.state import InvoiceStage
from sandbox.stack import temporal_binary
from starters import schedules
from tests.odoo.helpers import locked
from tests.world import ANA, World, belgian_vat, eur, odoo_invoices, odoo_order, single, unique
from wiring.settings import Settings
from workflows.sweeps import OdooSweepWorkflow

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES: list[str] = re.findall(
    r"^```sh temporal\n(.*?)^```$",
    (DOCS / "temporal-commands.md").read_text(),
    re.MULTILINE | re.DOTALL,
)
FILTERS: list[str] = re.findall(
    r"^```sql\n(.*?)\n```$", (DOCS / "find.md").read_text(), re.MULTILINE | re.DOTALL
)

# What the page writes, and the scenario replaces.
CONTRACT, WITHDRAWN, BY_SIGNAL, BY_TEMPORAL = "C-1001", "C-1002", "C-1003", "C-1004"
DEAL = "hubspot-9001"
GOOD_VAT, HASH, INVOICE_ON = "BE0477472701", "7f3a9c1e5b20", "2027-01-04"
FIRST_PAYMENT, SECOND_PAYMENT = "PAY-77", "PAY-78"
_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    output: str
    errors: str


@dataclass
class Page:
    """The page's examples, run one at a time; each must be used."""

    address: str
    exchanged: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def find(self, *words: str) -> str:
        """The one example with all of these words or flags in it."""
        found = [text for text in EXAMPLES if set(words) <= set(shlex.split(text))]
        assert len(found) == 1, f"{len(found)} examples have {' '.join(words)}"
        return found[0]

    async def type(self, *words: str, and_also: dict[str, str] | None = None) -> Answer:
        """Type an example into a shell, with what belongs to this run."""
        example = self.find(*words)
        self.used.add(example)
        for written, meant in {**self.exchanged, **(and_also or {})}.items():
            example = example.replace(written, meant)
        return await self.shell(example)

    async def shell(self, command: str) -> Answer:
        answer = await self._once(command)
        for _ in range(20):
            # As the page says: a workflow that is just continuing as new is asked again.
            if "workflow is closing" not in answer.errors:
                break
            await asyncio.sleep(0.5)
            answer = await self._once(command)
        return answer

    async def _once(self, command: str) -> Answer:
        folder = str(Path(temporal_binary()).parent)
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", command),
            env={
                **os.environ,
                "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
                "TEMPORAL_ADDRESS": self.address,
                "TEMPORAL_NAMESPACE": "default",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
        return Answer(process.returncode or 0, output.decode(), errors.decode())

    async def done(self, *words: str, and_also: dict[str, str] | None = None) -> str:
        """Type an example that has to succeed; what it printed."""
        answer = await self.type(*words, and_also=and_also)
        assert answer.code == 0, answer.errors
        return answer.output


@pytest.fixture
def page(temporal: WorkflowEnvironment) -> Page:
    return Page(temporal.client.service_client.config.target_host)


@contextmanager
def mail_refused(world: World) -> Iterator[None]:
    world.server.refuse_mail(True)
    try:
        yield
    finally:
        world.server.refuse_mail(False)


@asynccontextmanager
async def sweeping(world: World, settings: Settings) -> AsyncIterator[None]:
    """The sweep's schedule, gone again afterwards."""
    await schedules.ensure_sweeps(world.client, settings)
    try:
        yield
    finally:
        await world.client.get_schedule_handle(schedules.ODOO_SWEEP).delete()


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that lags behind, such as a list."""
    for _ in range(200):
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


def noted(text: str) -> Callable[[ContractState], bool]:
    return lambda state: any(text in entry.text for entry in state.journal.entries)


@pytest.mark.long
async def test_every_example_of_the_page_does_what_it_says(
    world: World, page: Page, sandbox_settings: Settings
) -> None:
    await tell_of_a_contract(world, page)
    await tell_of_cancellations(world, page)
    await tell_of_a_deal(world, page)
    await tell_of_lists_and_sweeps(world, page, sandbox_settings)
    unused = [text for text in EXAMPLES if text not in page.used]
    assert unused == [], "these examples are not part of the story"


async def tell_of_a_contract(world: World, page: Page) -> None:
    vat = belgian_vat()
    wrong_vat = f"{vat[:-1]}{(int(vat[-1]) + 1) % 10}"
    lock = datetime.now(UTC).date() + timedelta(days=30)
    page.exchanged = {
        CONTRACT: unique("C"),
        "BE0477472702": wrong_vat,
        GOOD_VAT: vat,
        FIRST_PAYMENT: unique("PAY"),
        SECOND_PAYMENT: unique("PAY"),
        INVOICE_ON: (lock + timedelta(days=1)).isoformat(),
    }
    workflow_id = f"contract/northwind/{page.exchanged[CONTRACT]}"
    first, second, third = (f"{workflow_id}/invoice/{number}" for number in (1, 2, 3))
    on_page = f"contract/northwind/{CONTRACT}"

    # Started with a wrong digit: parked, looked at, amended.
    started = await page.done("start", on_page)
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code) == ("validate", "vat_invalid")
    seen = await page.done("query", "--name", "contract")
    assert "vat_invalid" in seen
    assert await page.done("start", on_page) == started, "the run that is there already"
    await page.done("update", "--name", "resolve_exception", on_page)
    await world.stage(workflow_id, ContractStage.ACTIVE)

    # Both milestones, one by each way.
    await page.done("--name", "reach_milestone")
    state = await world.invoice(first, InvoiceStage.AWAITING_APPROVAL)
    contract = await world.contract(workflow_id)
    assert str(contract.milestones["design"].reached_on) == "2026-11-20"
    await page.done("--name", "milestone_reached")
    await world.invoice(second, InvoiceStage.AWAITING_APPROVAL)
    seen = await page.done("query", "--name", "invoice")
    assert "4000.00 EUR" in seen

    # One approved; approving it again is refused with the reason.
    assert state.approval_round is not None
    right = {HASH: state.approval_round.subject.content_hash[:HASH_PREFIX]}
    refused = await page.type("--name", "decide_approval")
    assert refused.code != 0
    assert "the approval names content" in refused.output + refused.errors
    await page.done("--name", "decide_approval", and_also=right)
    posted = await world.invoice(first, InvoiceStage.OPEN)
    assert posted.approval_round is not None
    assert [item.by for item in posted.approval_round.approvals] == [ANA]
    refused = await page.type("--name", "decide_approval", and_also=right)
    assert refused.code != 0
    assert "nothing is to be decided" in refused.output + refused.errors

    # One rejected, proposed again under the next number.
    await page.done("--name", "approval_decided")
    await world.invoice(second, InvoiceStage.REJECTED)
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code) == ("proposal:live", "proposal_rejected")
    await page.done("signal", "--name", "exception_resolved", on_page)
    await world.invoice(third, InvoiceStage.AWAITING_APPROVAL)
    # A Signal that comes too late is taken, and its refusal noted.
    await page.done("signal", "--name", "exception_resolved", on_page)
    await world.contract(workflow_id, noted("Refused a resolution"))

    # The first is paid in two parts; a repeat counts once.
    await page.done("--name", "record_payment")
    await page.done("--name", "record_payment")
    await world.invoice(first, InvoiceStage.PARTIALLY_PAID)
    await page.done("--name", "payment_received")
    paid = await world.invoice(first, InvoiceStage.PAID)
    assert paid.balance is not None
    assert paid.balance.paid == eur("4000.00")

    # The third meets a locked period, then a mail server that is down.
    with locked(world.server.client(), world.admin, lock.isoformat()):
        await world.approve(third)
        parked = await world.parked(third)
        assert (parked.step, parked.code) == ("post_invoice", "period_locked")
        with mail_refused(world):
            await page.done("update", "--name", "resolve_exception", f"{on_page}/invoice/3")
            # Another date is something that nobody has approved.
            await world.invoice(third, InvoiceStage.AWAITING_APPROVAL)
            await world.approve(third)
            await world.invoice(third, InvoiceStage.POSTED_NOT_DELIVERED)
            parked = await world.parked(third)
            assert (parked.step, parked.code) == ("deliver", "invoice_not_delivered")
    await page.done("signal", "--name", "exception_resolved", f"{on_page}/invoice/3")
    await world.invoice(third, InvoiceStage.OPEN)
    moves = odoo_invoices(world.admin, workflow_id)
    assert [move["amount_untaxed"] for move in moves] == [4000.0, 6000.0]
    await world.stage(workflow_id, ContractStage.CLOSING)


async def tell_of_cancellations(world: World, page: Page) -> None:
    for written, words in (
        (WITHDRAWN, ("--name", "request_cancel")),
        (BY_SIGNAL, ("--name", "cancel_requested")),
        (BY_TEMPORAL, ("workflow", "cancel")),
    ):
        workflow_id = await world.active(single())
        page.exchanged = {written: workflow_id.split("/")[-1]}
        await page.done(*words)
        await world.stage(workflow_id, ContractStage.CANCELLED)
        [order] = odoo_order(world.admin, workflow_id)
        assert order["state"] == "cancel"


async def tell_of_a_deal(world: World, page: Page) -> None:
    """No CRM is configured here, so this one parks where it would read the deal."""
    page.exchanged = {DEAL: unique("hubspot")}
    await page.done("start", f"contract/northwind/{DEAL}")
    await world.contract(
        f"contract/northwind/{page.exchanged[DEAL]}",
        lambda state: (
            ("read_deal", "crm_not_configured")
            in [(item.step, item.code) for item in state.exceptions]
        ),
    )


async def tell_of_lists_and_sweeps(world: World, page: Page, settings: Settings) -> None:
    page.exchanged = {}
    invoice = await world.proposed(single())

    async def is_listed() -> bool:
        return invoice in await page.done("workflow", "list")

    await until(is_listed, f"{invoice} in the list")

    async def is_counted() -> bool:
        return "Total: 0" not in await page.done("workflow", "count")

    await until(is_counted, "the parked contract in the count")
    handle = world.client.get_schedule_handle(schedules.ODOO_SWEEP)
    async with sweeping(world, settings):
        await page.done("schedule", "trigger")

        async def has_run() -> bool:
            return bool((await handle.describe()).info.recent_actions)

        await until(has_run, "the sweep")
        await page.done("schedule", "toggle", "--pause")
        assert (await handle.describe()).schedule.state.paused
        assert (await handle.describe()).schedule.state.note == "Odoo is migrated"
        await page.done("schedule", "toggle", "--unpause")
        assert not (await handle.describe()).schedule.state.paused
    runs = world.client.list_workflows(f"WorkflowType = '{OdooSweepWorkflow.__name__}'")
    assert [run.id async for run in runs if run.id.startswith(schedules.ODOO_SWEEP)]


async def test_json_that_does_not_fit_is_refused_by_an_update_and_noted_of_a_signal(
    world: World, page: Page
) -> None:
    workflow_id = await world.active(single())
    misspelt = """'{"milestome": "all"}'"""
    name = f"--workflow-id {workflow_id} --input {misspelt}"
    answer = await page.shell(f"temporal workflow update execute --name reach_milestone {name}")
    assert answer.code != 0
    assert "milestome" in answer.output + answer.errors
    answer = await page.shell(f"temporal workflow signal --name milestone_reached {name}")
    assert answer.code == 0
    await world.reach(workflow_id, "all")
    state = await world.contract(workflow_id)
    assert noted("Refused the Signal milestone_reached")(state)
    assert noted("milestome")(state)


@pytest.mark.parametrize("query", FILTERS)
async def test_every_filter_of_the_page_is_understood(
    temporal: WorkflowEnvironment, query: str
) -> None:
    try:
        await temporal.client.count_workflows(query)
    except RPCError as error:
        pytest.fail(f"{query}: {error.message}")


async def test_the_filters_find_what_they_name(world: World, page: Page) -> None:
    invoice = await world.proposed(single())
    contract = invoice.removesuffix("/invoice/1")

    async def found(query: str, workflow_id: str) -> bool:
        narrowed = f"({query}) AND WorkflowId = '{workflow_id}'"
        return (await world.client.count_workflows(narrowed)).count == 1

    async def wait_for(query: str, workflow_id: str) -> None:
        assert query in FILTERS
        await until(lambda: found(query, workflow_id), f"{query} to find {workflow_id}")

    await wait_for("WorkflowType = 'InvoiceWorkflow' AND WaitingOn = 'approval'", invoice)
    await wait_for("LegalEntity = 'northwind' AND WorkflowType = 'ContractWorkflow'", contract)
    with mail_refused(world):
        await world.approve(invoice)
        await world.parked(invoice)
        await wait_for("InvoiceStage = 'posted_not_delivered'", invoice)
        await wait_for(
            "WaitingOn IN ('exception', 'credentials') AND ExecutionStatus = 'Running'", invoice
        )
    await wait_for("ContractStage = 'closing'", contract)


def test_the_page_has_an_example_of_every_message() -> None:
    named = {
        match
        for text in EXAMPLES
        for match in re.findall(r"--name (\w+)", text)
        if "workflow" in text
    }
    assert named == {
        *("contract", "invoice", "resolve_exception", "exception_resolved"),
        *("reach_milestone", "milestone_reached", "request_cancel", "cancel_requested"),
        *("decide_approval", "approval_decided", "record_payment", "payment_received"),
    }


def test_the_json_of_every_example_can_be_read() -> None:
    for text in EXAMPLES:
        words = shlex.split(text)
        for flag, value in itertools.pairwise(words):
            if flag == "--input":
                json.loads(value)
