"""Every way a contract bills, against both Odoos: what is proposed, posted and closed."""

from __future__ import annotations

from typing import Any

from contracts.billing import account
from contracts.billing.usage import UsageRecord
from contracts.contract.messages import ServiceCredit, UsageReport
from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from starters.client import messages
from tests.e2e.telling import (
    BUILD,
    DEPOSIT,
    DEVELOPMENT,
    HELD,
    RETAINER,
    USAGE,
    hourly,
    last_of,
    lines_of,
    month,
    on,
)
from tests.world import CONRAD, PETRA, World, contract_data, eur, odoo_invoices

EXPENSES = {"key": "travel", "code": "EXPENSES", "description": "Travel", "amount": "0.00"}
NOTHING_FIXED: dict[str, Any] = {
    "value": "0.00",
    "milestones": [],
    "starts_on": str(month(1)),
}
"""From the coming month on, the first of these tests; the second is the month after it."""


async def test_a_deposit_is_deducted_and_retainage_released_at_the_end(world: World) -> None:
    contract = contract_data(
        services=[BUILD, DEPOSIT, HELD],
        milestones=[
            {"key": "design", "name": "Design", "service": "build", "amount": "3000.00"},
            {"key": "live", "name": "Go-live", "service": "build", "amount": "6000.00"},
        ],
        deposit={"percent": "30", "service": "down"},
        retainage={"percent": "5", "service": "held"},
    )
    workflow_id = await world.active(contract)
    state = await world.issue(workflow_id, 1)
    assert lines_of(state) == [("deposit", "2700.00")]
    await world.reach(workflow_id, "design")
    state = await world.issue(workflow_id, 2)
    assert lines_of(state) == [
        ("design", "3000.00"),
        ("deposit", "-900.00"),
        ("retainage", "-150.00"),
    ]
    await world.reach(workflow_id, "live")
    state = await world.issue(workflow_id, 3)
    assert state.proposal.amount == eur("3900.00")
    state = await world.issue(workflow_id, 4)
    assert lines_of(state) == [("retainage", "150.00"), ("retainage", "300.00")]
    for number in range(1, 5):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    moves = odoo_invoices(world.admin, workflow_id)
    assert sum(move["amount_untaxed"] for move in moves) == 9000.0


async def test_hours_are_billed_at_the_month_s_end_once_and_late_ones_next_time(
    world: World,
) -> None:
    contract = contract_data(
        **NOTHING_FIXED,
        ends_on=str(last_of(2)),
        services=[DEVELOPMENT],
        time=[
            {
                "key": "dev",
                "service": "dev",
                "rates": [
                    {"price": "120.00", "role": "Developer"},
                    {"price": "150.00", "person": CONRAD},
                ],
            }
        ],
    )
    workflow_id = await world.active(contract)
    petra = await world.work(workflow_id, "dev", "7.5", str(on(1, 3)), by=PETRA)
    await world.work(workflow_id, "dev", "2", str(on(1, 4)), by=CONRAD)
    late = await world.work(workflow_id, "dev", "4", str(on(1, 30)), x_approved=False)
    await world.skip_to(workflow_id, on(2, 2))
    state = await world.issue(workflow_id, 1)
    assert sorted(lines_of(state)) == [("dev", "300.00"), ("dev", "900.00")]
    await world.correct(late, x_approved=True)
    await world.correct(petra, unit_amount=6.5)
    await world.skip_to(workflow_id, on(3, 2))
    state = await world.issue(workflow_id, 2)
    assert sorted(lines_of(state)) == [("dev", "-120.00"), ("dev", "480.00")]
    for number in (1, 2):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)


async def test_hours_entered_ahead_wait_though_a_fee_is_billed_in_advance(world: World) -> None:
    contract = hourly() | {
        "services": [DEVELOPMENT, RETAINER],
        "retainers": [{"key": "care", "service": "care", "fee": "2000.00"}],
    }
    workflow_id = await world.active(contract)
    await world.work(workflow_id, "dev", "1.00", str(month(1)))
    await world.work(workflow_id, "dev", "2.00", str(month(2)))
    await world.skip_to(workflow_id, month(1))
    await world.issue(workflow_id, 1)
    await world.skip_to(workflow_id, month(2))
    invoice = f"{workflow_id}/invoice/2"
    state = await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    assert sorted(lines_of(state)) == [("care", "2000.00"), ("dev", "120.00")]


async def test_a_managed_service_bills_its_fee_overage_usage_and_credits(world: World) -> None:
    contract = contract_data(
        **NOTHING_FIXED,
        ends_on=str(last_of(2)),
        services=[RETAINER, USAGE],
        retainers=[
            {
                "key": "care",
                "service": "care",
                "fee": "2000.00",
                "included_hours": "10",
                "overage_price": "110.00",
            }
        ],
        usage=[
            {
                "key": "api",
                "service": "api",
                "unit": "call",
                "tiers": [{"up_to": "1000", "price": "0.05"}, {"price": "0.03"}],
            }
        ],
    )
    workflow_id = await world.active(contract)
    await world.skip_to(workflow_id, on(1, 2))
    fee = await world.issue(workflow_id, 1)
    assert lines_of(fee) == [("care", "2000.00")]
    await world.work(workflow_id, "care", "13", str(on(1, 10)))
    report = UsageReport(
        records=(UsageRecord(id="d1", plan="api", on=str(on(1, 5)), quantity="1500"),)
    )
    for _ in range(2):
        await world.tell(workflow_id, messages.RECORD_USAGE, report)
    credit = ServiceCredit(
        retainer="care", reference="sla-1", reason="outage", amount=eur("100"), by="sam"
    )
    await world.tell(workflow_id, messages.CREDIT_SERVICE, credit)
    await world.skip_to(workflow_id, on(2, 2))
    state = await world.issue(workflow_id, 2)
    assert sorted(lines_of(state)) == [
        ("api", "15.00"),
        ("api", "50.00"),
        ("care", "-100.00"),
        ("care", "2000.00"),
        ("care", "330.00"),
    ]


async def test_expenses_are_billed_on_with_a_mark_up_and_a_withdrawn_one_is_credited(
    world: World,
) -> None:
    contract = contract_data(
        **NOTHING_FIXED,
        ends_on=str(last_of(2)),
        services=[EXPENSES],
        expenses=[{"key": "travel", "service": "travel", "markup": "10", "cap": "500.00"}],
    )
    workflow_id = await world.active(contract)
    train = await world.spend(workflow_id, "120.00", str(on(1, 3)))
    await world.spend(workflow_id, "80.50", str(on(1, 10)), "Hotel")
    await world.skip_to(workflow_id, on(2, 2))
    state = await world.issue(workflow_id, 1)
    assert sorted(lines_of(state)) == [("travel", "132.00"), ("travel", "88.55")]
    await world.withdraw(train)
    await world.spend(workflow_id, "200.00", str(on(2, 5)), "Flight")
    await world.skip_to(workflow_id, on(3, 2))
    state = await world.issue(workflow_id, 2)
    assert sorted(lines_of(state)) == [("travel", "-132.00"), ("travel", "220.00")]
    for number in (1, 2):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)


async def test_a_cap_parks_the_period_and_a_person_may_bill_up_to_it(world: World) -> None:
    contract = contract_data(
        **NOTHING_FIXED,
        ends_on=str(on(1, 28)),
        services=[DEVELOPMENT],
        time=[
            {
                "key": "dev",
                "service": "dev",
                "every": "2 weeks",
                "rates": [{"price": "100.00"}],
                "cap": "1000.00",
                "warn_at": "50",
            }
        ],
    )
    workflow_id = await world.active(contract)
    await world.work(workflow_id, "dev", "6", str(on(1, 2)))
    await world.skip_to(workflow_id, on(1, 15))
    state = await world.issue(workflow_id, 1)
    assert lines_of(state) == [("dev", "600.00")]
    told = await world.contract(workflow_id)
    assert any("cap" in entry.text for entry in told.journal.entries), "half of it is reached"
    await world.work(workflow_id, "dev", "6", str(on(1, 16)))
    await world.skip_to(workflow_id, on(1, 29))
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code) == (f"cap:{on(1, 29)}:dev", "cap_reached")
    await world.resolve(workflow_id, Action.SKIP, reason="two hours are on us")
    state = await world.issue(workflow_id, 2)
    assert lines_of(state) == [("dev", "400.00")]
    told = await world.contract(workflow_id)
    [unbilled] = account.unbilled(told.account, told.today)
    assert unbilled.amount == eur("200.00")
    for number in (1, 2):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)


async def test_hours_approved_after_the_last_bill_are_billed_before_the_contract_closes(
    world: World,
) -> None:
    contract = contract_data(
        **NOTHING_FIXED,
        ends_on=str(on(1, 28)),
        services=[DEVELOPMENT],
        time=[{"key": "dev", "service": "dev", "rates": [{"price": "100.00"}]}],
    )
    workflow_id = await world.active(contract)
    await world.work(workflow_id, "dev", "3", str(on(1, 5)))
    late = await world.work(workflow_id, "dev", "2", str(on(1, 6)), x_approved=False)
    await world.skip_to(workflow_id, on(2, 1))
    await world.issue(workflow_id, 1)
    await world.stage(workflow_id, ContractStage.CLOSING)
    await world.correct(late, x_approved=True)
    await world.collect(workflow_id, 1)
    state = await world.issue(workflow_id, 2)
    assert lines_of(state) == [("dev", "200.00")]
    await world.collect(workflow_id, 2)
    await world.stage(workflow_id, ContractStage.CLOSED)
