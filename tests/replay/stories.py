"""The stories whose histories are kept; run by `make histories`, not by the test suite."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.contract.messages import (
    Hold,
    HoldKind,
    HoldRequest,
    NoticeGiven,
    ServiceCredit,
    Side,
    TerminationRequest,
)
from contracts.contract.state import ContractStage
from contracts.invoice.messages import DisputeOpened, DisputeResolved
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from starters.client import messages
from tests.activities.handed import ADA, PM, one
from tests.e2e.telling import (
    BUILD,
    DEPOSIT,
    DEVELOPMENT,
    HELD,
    cared_for,
    changed,
    last_of,
    month,
    on,
)
from tests.replay.record import HISTORIES
from tests.webhooks import gateway_over
from tests.world import ANA, BOB, PETRA, World, contract_data, eur, single, unique


async def keep(world: World, name: str, workflow_id: str) -> None:
    """Write every run of a workflow to a file of its own, the newest as run 0."""
    runs = [item async for item in world.client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    for number, run in enumerate(runs):
        handle = world.client.get_workflow_handle(workflow_id, run_id=run.run_id)
        history = await handle.fetch_history()
        (HISTORIES / f"{name}-{number}.json").write_text(history.to_json() + "\n")


async def test_smooth(world: World) -> None:
    workflow_id = await world.active(contract_data())
    for number, key in enumerate(("design", "build", "live"), start=1):
        await world.reach(workflow_id, key)
        invoice = f"{workflow_id}/invoice/{number}"
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await world.approve(invoice)
        await world.invoice(invoice, InvoiceStage.OPEN)
        await world.pay(invoice)
        await world.sweep()
        await world.invoice(invoice, InvoiceStage.PAID)
        await world.skip(invoice, days=31)
    await world.stage(workflow_id, ContractStage.CLOSED)
    await keep(world, "contract-smooth", workflow_id)
    await keep(world, "invoice-smooth", f"{workflow_id}/invoice/1")


async def test_parked_and_amended(world: World) -> None:
    contract = single()
    contract["services"][0]["code"] = "NOPE"
    workflow_id = await world.start(contract)
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.AMEND, changes={"services.0.code": "BUILD"})
    await world.stage(workflow_id, ContractStage.ACTIVE)
    await world.cancel(workflow_id)
    await world.stage(workflow_id, ContractStage.CANCELLED)
    await keep(world, "contract-parked-cancelled", workflow_id)


async def test_rejected_then_late(world: World) -> None:
    invoice = await world.proposed(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await world.skip(invoice, days=9)
    await world.reject(invoice, "wrong reference")
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.AMEND, changes={"purchase_order": "PO-1"})
    second = f"{workflow_id}/invoice/2"
    await world.invoice(second, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(second)
    await world.invoice(second, InvoiceStage.OPEN)
    await world.skip(second, days=40)
    await world.invoice(second, until=lambda found: found.dunning.level == 1)
    await world.pay(second, "400.00")
    await world.sweep()
    await world.skip(second, days=14)
    await world.invoice(second, until=lambda found: found.dunning.level == 2)
    await keep(world, "contract-rejected", workflow_id)
    await keep(world, "invoice-rejected", invoice)
    await keep(world, "invoice-late", second)


async def test_billed_by_the_month(world: World) -> None:
    """Fees with hours, a service credit, a dispute partly accepted, a hold, notice, expiry."""
    contract = cared_for(
        2,
        term={"auto_renew": True, "notice_days": 10},
        retainers=[
            {
                "key": "care",
                "service": "care",
                "fee": "2000.00",
                "included_hours": "10",
                "overage_price": "100.00",
            }
        ],
    )
    workflow_id = await world.active(contract)
    await world.skip_to(workflow_id, on(1, 2))
    await world.issue(workflow_id, 1)
    await world.work(workflow_id, "care", "12", str(on(1, 10)))
    credit = ServiceCredit(
        retainer="care", reference="sla", reason="outage", amount=eur("50.00"), by=ANA
    )
    await world.tell(workflow_id, messages.CREDIT_SERVICE, credit)
    hold = Hold(by=ANA, reason="audit", until=on(2, 3))
    request = HoldRequest(kind=HoldKind.BILLING, by=ANA, hold=hold)
    await world.tell(workflow_id, messages.SET_HOLD, request)
    notice = NoticeGiven(side=Side.CUSTOMER, by=ANA)
    await world.tell(workflow_id, messages.GIVE_NOTICE, notice)
    await world.skip_to(workflow_id, on(2, 5))
    await world.issue(workflow_id, 2)
    invoice = f"{workflow_id}/invoice/2"
    opened = DisputeOpened(by=ANA, reason="an hour too many", amount=eur("200.00"))
    await world.tell(invoice, messages.OPEN_DISPUTE, opened)
    resolved = DisputeResolved(by=ANA, accepted=eur("100.00"), comment="one hour it is")
    await world.tell(invoice, messages.RESOLVE_DISPUTE, resolved)
    await world.issue(workflow_id, 3, BOB)
    await world.skip_to(workflow_id, on(3, 2))
    for number in (1, 2, 3):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    await keep(world, "contract-by-the-month", workflow_id)
    await keep(world, "invoice-disputed", invoice)
    await keep(world, "invoice-credit-note", f"{workflow_id}/invoice/3")


async def test_changed_and_ended_early(world: World) -> None:
    """Deposit, retainage, hours, a change order, a milestone taken back, an early end."""
    contract = contract_data(
        starts_on=str(month(1)),
        ends_on=str(last_of(6)),
        services=[BUILD, DEPOSIT, HELD, DEVELOPMENT],
        time=[{"key": "dev", "service": "dev", "rates": [{"price": "100.00"}]}],
        deposit={"percent": "20", "service": "down"},
        retainage={"percent": "5", "service": "held"},
    )
    workflow_id = await world.active(contract)
    await world.issue(workflow_id, 1)
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 2)
    await changed(world, workflow_id, drop=("live",), reprice={"build": "4000.00"})
    await world.work(workflow_id, "dev", "8", str(on(1, 10)))
    ending = TerminationRequest(
        side=Side.FIRM, by=PETRA, reason="not paid", on=on(1, 20), agreed=True
    )
    await world.tell(workflow_id, messages.TERMINATE, ending)
    await world.skip_to(workflow_id, on(1, 22))
    for number in (3, 4, 5):  # Ana asked for the end, so another one approves
        await world.issue(workflow_id, number, BOB)
    for number in range(1, 6):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    await keep(world, "contract-ended-early", workflow_id)


async def test_handed_over_and_watched(world: World) -> None:
    """A project with its people, its burn as somebody asks, and another manager by a change."""
    people = [{"task": "all", "person": ADA, "hours": "8"}]
    budget = {"service": "s", "hours": "40", "cost": "2000.00"}
    workflow_id = await world.active(one({"manager": PM, "people": people, "services": [budget]}))
    await world.contract(workflow_id, lambda now: now.staffed_on is not None)
    await world.c2c.contract(workflow_id).read_burn(by=ANA)
    await changed(world, workflow_id, set={"handover.manager": ADA})
    await world.contract(
        workflow_id, lambda now: now.handed_over is not None and now.handed_over.version == 2
    )
    await keep(world, "contract-handed-over", workflow_id)


async def test_an_event_before_its_contract(world: World) -> None:
    contract, id = single(), unique("msg")
    name = f"northwind/{contract['contract_id']}"
    async with gateway_over(world.client) as gateway:
        await gateway.event(
            id, "milestone.reached", {"contract": name, "milestone": "all"}, datetime.now(UTC)
        )
    workflow_id = await world.start(contract)
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    await world.client.get_workflow_handle(f"event/tickets/{id}").result()
    await keep(world, "event-early", f"event/tickets/{id}")
