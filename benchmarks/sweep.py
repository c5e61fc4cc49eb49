"""A sweep over many open invoices of which a few changed: calls follow the few."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleSpec,
)

from benchmarks import contracts, product
from benchmarks.contracts import ENTITY
from benchmarks.frame import Bench, at_most, benchmark
from benchmarks.onboarding import seconds_to_onboard
from benchmarks.product import Product
from benchmarks.remote import RealRemote
from contracts.identifiers import invoice_origin, workflow_of_origin
from contracts.invoice.state import InvoiceInput, InvoiceStage, InvoiceState
from starters.client import calls
from workflows import task_queues
from workflows.invoice import InvoiceWorkflow
from workflows.sweeps import OdooSweepWorkflow

_GROUP = 50
_LIMIT_SECONDS = 300
_SCHEDULE = "bench-sweep"


@benchmark("sweep", about="many open invoices of which a few changed", minutes=60)
async def sweep(bench: Bench) -> None:
    """Calls to Odoo of a sweep and of all it leads to, for each invoice that changed.

    Twice as many invoices as will change are real, each with its workflow. The first half is paid
    when nothing else is there, the second half among all the others; those are copies of one
    record, made in SQL and long unchanged: a sweep has to pass them over, and nothing more.
    """
    changed = bench.size(full=100, quick=5)
    open_invoices = bench.size(full=10_000, quick=500)
    with bench.odoo() as odoo:
        if not isinstance(odoo, RealRemote):
            raise ValueError("the sweep is measured on a real Odoo")
        async with product.running(bench, odoo) as ours:
            model = await _mailed(ours)
            ids = await asyncio.to_thread(_post, odoo, model, 2 * changed)
            await _follow(ours, model, ids)
            handle = await _schedule(ours)
            await _swept(ours, handle)
            few: Counter[str] = await _after_payment(odoo, ours, handle, ids[:changed])
            _copy(odoo, ids[-1], open_invoices - 2 * changed)
            _age(odoo)
            idle = await _calls_of(ours, handle)
            many = await _after_payment(odoo, ours, handle, ids[changed:])
    bench.report("sweep_idle", idle.total(), at_most(2), unit="calls when nothing changed")
    bench.report(
        "sweep_estate",
        many.total() / few.total(),
        at_most(1.1),
        unit=f"calls among {open_invoices} to calls among {2 * changed} open invoices",
    )
    bench.report(
        "sweep",
        many.total() / changed,
        at_most(1),
        unit="calls for each invoice that changed",
        open_invoices=open_invoices,
        changed=changed,
        calls={"few": few, "many": many, "idle": idle},
    )


# --- the invoices -------------------------------------------------------------------------------


async def _mailed(ours: Product) -> InvoiceState:
    """One invoice that went the whole way, for the others to be like."""
    tag = contracts.tag()
    signed = contracts.signed(tag, 1, milestones=1)
    await seconds_to_onboard(ours, tag, signed)
    await ours.reach(signed)
    await ours.approve(await ours.awaiting(1, seconds=_LIMIT_SECONDS))
    workflow_id = f"{product.workflow_id(signed[0])}/invoice/1"

    async def is_open() -> bool:
        found = await ours.c2c.invoice(workflow_id).state()
        return found.stage is InvoiceStage.OPEN

    await ours.until("a mailed invoice", is_open, seconds=_LIMIT_SECONDS)
    await ours.odoo.quiet()
    return await ours.c2c.invoice(workflow_id).state()


def _post(odoo: RealRemote, model: InvoiceState, count: int) -> list[int]:
    """Posted invoices like the model's, each of a contract of its own."""
    client = odoo.client()
    today = datetime.now(UTC).date().isoformat()
    [product_row] = client.search_read("product.product", [("default_code", "=", "BUILD")], ["id"])
    ids: list[int] = []
    for first in range(0, count, _GROUP):
        rows = [
            {
                "id": f"bench.sweep-{number}",
                "move_type": "Customer Invoice",
                "partner_id/.id": model.partner_id,
                "invoice_date": today,
                "invoice_origin": invoice_origin(f"{_contract(number)}/invoice/1"),
                "invoice_payment_term_id": "30 Days",
                "invoice_line_ids/product_id/.id": product_row["id"],
                "invoice_line_ids/quantity": 1,
                "invoice_line_ids/price_unit": contracts.AMOUNT,
            }
            for number in range(first, min(first + _GROUP, count))
        ]
        made = client.load("account.move", rows)
        client.call("account.move", "action_post", made)
        ids += made
    return ids


def _contract(number: int) -> str:
    return f"contract/{ENTITY}/SWEEP-{number}"


async def _follow(ours: Product, model: InvoiceState, ids: Sequence[int]) -> None:
    """Start the invoices' workflows from the state of the model's, as when they continue as new."""
    if model.balance is None or model.draft is None:
        raise AssertionError("the model is not posted")
    draft, balance = model.draft, model.balance
    for number, invoice in enumerate(ids):
        contract = _contract(number)
        proposal = model.proposal.model_copy(update={"contract_id": contract.rsplit("/", 1)[1]})
        state = model.model_copy(
            update={
                "contract_workflow_id": contract,
                "proposal": proposal,
                "draft": draft.model_copy(update={"invoice_id": invoice}),
                "balance": balance.model_copy(update={"invoice_id": invoice}),
            }
        )
        await ours.client.start_workflow(
            InvoiceWorkflow.run,
            InvoiceInput(state=state),
            id=f"{contract}/invoice/1",
            task_queue=task_queues.CONTRACTS,
        )
    await ours.odoo.quiet()


def _age(odoo: RealRemote) -> None:
    """Everything so far is an hour old: a sweep looks a few minutes back behind its watermark."""
    for table in ("account_move", "project_milestone"):
        odoo.server.psql(f"UPDATE {table} SET write_date = write_date - interval '1 hour'")


def _copy(odoo: RealRemote, invoice: int, count: int) -> None:
    """So many open invoices more, unchanged for a month."""
    columns = odoo.server.psql(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'account_move' "
        "AND column_name NOT IN ('id', 'name', 'invoice_origin', 'write_date')"
    ).splitlines()
    named = ", ".join(f'"{column}"' for column in columns)
    odoo.server.psql(
        f"INSERT INTO account_move (name, invoice_origin, write_date, {named}) "
        f"SELECT name || '-' || n, 'Contract COPY-' || n || ' no. 1 ({ENTITY})', "
        f"now() AT TIME ZONE 'UTC' - interval '30 days', {named} "
        f"FROM account_move, generate_series(1, {count}) n WHERE id = {invoice}"
    )


# --- the sweeps ---------------------------------------------------------------------------------


async def _schedule(ours: Product) -> ScheduleHandle:
    """The sweep's schedule, but started by hand: each run goes on where the last ended."""
    action = ScheduleActionStartWorkflow(
        OdooSweepWorkflow.run, id=_SCHEDULE, task_queue=task_queues.CONTRACTS
    )
    return await ours.client.create_schedule(
        _SCHEDULE, Schedule(action=action, spec=ScheduleSpec())
    )


async def _swept(ours: Product, handle: ScheduleHandle) -> None:
    """Let it run once, and wait until it and all it led to are done."""
    before = (await handle.describe()).info.num_actions
    await handle.trigger()

    async def is_done() -> bool:
        info: Any = (await handle.describe()).info
        return info.num_actions > before and not info.running_actions

    await ours.until("the sweep", is_done, seconds=_LIMIT_SECONDS)
    await ours.odoo.quiet()


async def _calls_of(ours: Product, handle: ScheduleHandle) -> Counter[str]:
    before = ours.odoo.calls()
    await _swept(ours, handle)
    return ours.odoo.calls() - before


async def _after_payment(
    odoo: RealRemote, ours: Product, handle: ScheduleHandle, ids: Sequence[int]
) -> Counter[str]:
    """The calls of a sweep after an accountant has registered a payment of each invoice."""
    _age(odoo)
    await asyncio.to_thread(_pay, ours, ids)
    await ours.odoo.quiet()
    calls = await _calls_of(ours, handle)
    numbers = {found.stage for found in await _stages(ours, ids)}
    if numbers != {InvoiceStage.PAID}:
        raise AssertionError(f"the paid invoices are {numbers}")
    return calls


def _pay(ours: Product, ids: Sequence[int]) -> None:
    accountant = ours.odoo.client("accountant")
    context = {"active_model": "account.move", "active_ids": list(ids)}
    values = [{"group_payment": False}]
    made = accountant.create("account.payment.register", values, context=context)
    accountant.call("account.payment.register", "action_create_payments", made, context=context)


async def _stages(ours: Product, ids: Sequence[int]) -> list[InvoiceState]:
    accountant = ours.odoo.client("accountant")
    rows = await asyncio.to_thread(accountant.read, "account.move", ids, ["invoice_origin"])
    return await calls.at_once(
        [ours.c2c.invoice(workflow_of_origin(row["invoice_origin"])).state() for row in rows]
    )
