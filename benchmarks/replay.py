"""A contract of five years that the worker has forgotten, against one it remembers."""

from __future__ import annotations

import time

from benchmarks import contracts, product
from benchmarks.frame import Bench, Sample, at_most, benchmark, paired_ratio
from benchmarks.onboarding import seconds_to_onboard
from benchmarks.product import Product
from benchmarks.remote import sandbox_remote
from contracts.contract.messages import HoldKind
from contracts.contract.state import ContractState
from contracts.invoice.state import InvoiceStage
from contracts.model import JsonObject

_CACHED = 4
"""Workflows the worker remembers: a look at a few others is enough for the contract to be
forgotten."""
_AMOUNT = "40.00"
"""So little that no person needs to approve it."""
_BY = "bench@northwind.example"


@benchmark("replay", about="a contract of five years, cold against hot", minutes=60)
async def replay(bench: Bench) -> None:
    """Seconds of an Update, and of a Query, to a contract that bills a milestone a month, all
    sixty of them billed in one run of its workflow; on the stand-in, as Odoo has no part in it."""
    months, turns = bench.size(full=60, quick=6), bench.size(full=15, quick=3)
    with sandbox_remote(bench.new_folder("sandbox")) as odoo:
        async with product.running(bench, odoo, cached_workflows=_CACHED) as ours:
            workflow_id = await _five_years(bench, ours, months)
            updates = await _measured(bench, ours, workflow_id, months, turns, _Updates())
            queries = await _measured(bench, ours, workflow_id, months, turns, _Queries())
            history = await ours.client.get_workflow_handle(workflow_id).fetch_history()
    events = len(history.events)
    bench.report(
        "replay_query",
        paired_ratio(queries["cold"], queries["hot"]),
        unit="seconds of a Query, cold to hot",
        samples=queries,
        events=events,
    )
    bench.report(
        "replay",
        paired_ratio(updates["cold"], updates["hot"]),
        at_most(2),
        unit="seconds of an Update, cold to hot",
        samples=updates,
        events=events,
        months=months,
    )


class _Updates:
    """A hold of billing that is set and released in turn: nothing else follows from it."""

    def __init__(self) -> None:
        self._held = False

    async def tell(self, ours: Product, workflow_id: str) -> None:
        self._held = not self._held
        contract = ours.c2c.contract(workflow_id)
        if self._held:
            await contract.set_hold(HoldKind.BILLING, by=_BY, reason="measured")
        else:
            await contract.release_hold(HoldKind.BILLING, by=_BY)


class _Queries:
    """Everything that the contract knows."""

    async def tell(self, ours: Product, workflow_id: str) -> None:
        await ours.c2c.contract(workflow_id).state()


async def _measured(
    bench: Bench,
    ours: Product,
    workflow_id: str,
    months: int,
    turns: int,
    message: _Updates | _Queries,
) -> dict[str, Sample]:
    """Seconds, cold and hot in turn."""

    async def hot(_: int) -> float:
        await message.tell(ours, workflow_id)
        return await timed()

    async def cold(_: int) -> float:
        await _forget(ours, workflow_id, months)
        return await timed()

    async def timed() -> float:
        started = time.perf_counter()
        await message.tell(ours, workflow_id)
        return time.perf_counter() - started

    return await bench.rounds({"hot": hot, "cold": cold}, rounds=turns)


async def _forget(ours: Product, workflow_id: str, months: int) -> None:
    """Look at more of the other workflows than the worker keeps in its cache."""
    others = min(months, 2 * _CACHED)
    if others <= _CACHED:
        raise ValueError(f"{others} other workflows are too few to be forgotten for")
    for number in range(1, others + 1):
        await ours.c2c.contract(workflow_id).invoice(number).state()


async def _five_years(bench: Bench, ours: Product, months: int) -> str:
    """A contract whose milestones were reached and billed one after the other."""
    tag = contracts.tag()
    [contract] = contracts.signed(tag, 1, milestones=months)
    cheap = _cheap(contract)
    await seconds_to_onboard(ours, tag, [cheap])
    workflow_id = product.workflow_id(cheap)
    for number, milestone in enumerate(cheap["milestones"], start=1):
        await ours.c2c.contract(workflow_id).reach_milestone(milestone["key"], by=_BY)

        async def is_billed(billed: int = number) -> bool:
            state = await ours.c2c.contract(workflow_id).state()
            return _is_open(state, billed)

        await ours.until(f"invoice {number}", is_billed, seconds=120)
        if number % 12 == 0:
            bench.say(f"{number} of {months} months are billed")
    return workflow_id


def _cheap(contract: JsonObject) -> JsonObject:
    milestones = [{**item, "amount": _AMOUNT} for item in contract["milestones"]]
    value = f"{len(milestones) * 40}.00"
    services = [{**contract["services"][0], "amount": value}]
    return {**contract, "value": value, "services": services, "milestones": milestones}


def _is_open(state: ContractState, number: int) -> bool:
    report = state.invoices.get(number)
    return report is not None and report.stage is InvoiceStage.OPEN
