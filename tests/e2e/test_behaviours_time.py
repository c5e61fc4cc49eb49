"""Time and materials: the lines of behaviours.md, as stories."""

from __future__ import annotations

from contracts.billing import account
from contracts.contract.state import ContractStage
from contracts.parking import Action
from tests.e2e.telling import (
    changed,
    hourly,
    invoiced,
    last_of,
    lines_of,
    month,
    notes,
    order_lines,
)
from tests.world import CLEO, CONRAD, DORA, World, eur

FIRST, SECOND = month(1), month(2)


async def test_the_invoice_s_quantity_is_the_sum_of_the_unbilled_lines_otherwise_it_stops(
    world: World,
) -> None:
    """The invoice's quantity must equal the sum of the selected unbilled lines; otherwise stop."""
    workflow_id = await world.active(hourly())
    petra = [await world.work(workflow_id, "dev", hours, str(FIRST)) for hours in ("7.5", "3.25")]
    conrad = await world.work(workflow_id, "dev", "2", str(FIRST), by=CONRAD)
    await world.skip_to(workflow_id, SECOND)
    parked = await world.parked(workflow_id)
    assert parked.code == "rate_missing"
    state = await world.contract(workflow_id)
    assert state.invoices == {}

    rates = [{"price": "120.00", "role": "Developer"}, {"price": "150.00", "person": CONRAD}]
    # With a price for everybody the period is billed without a further word.
    await changed(world, workflow_id, CLEO, DORA, set={"time.0.rates": rates})
    bill = await world.issue(workflow_id, 1)
    assert sorted(lines_of(bill)) == [("dev", "1290.00"), ("dev", "300.00")]
    state = await world.contract(workflow_id)
    assert sorted(state.account.hours) == sorted([*petra, conrad])
    lines = await order_lines(world, workflow_id)
    assert (lines["dev"]["qty_delivered"], lines["dev"]["qty_invoiced"]) == (12.75, 12.75)


async def test_no_hour_is_billed_twice_or_never_whatever_is_approved_when(world: World) -> None:
    """Keep our own ledger of billed timesheet-line ids: Odoo's period logic has billed hours twice
    and not at all."""
    workflow_id = await world.active(hourly(months=3))
    await world.work(workflow_id, "dev", "8", str(FIRST))
    late = await world.work(workflow_id, "dev", "4", str(last_of(1)), x_approved=False)
    await world.skip_to(workflow_id, SECOND)
    await world.issue(workflow_id, 1)
    # Entered after the bill, for a month that is billed; and approved after the next, too.
    await world.work(workflow_id, "dev", "1", str(FIRST))
    await world.skip_to(workflow_id, month(3))
    second = await world.issue(workflow_id, 2)
    assert lines_of(second) == [("dev", "120.00")]
    await world.correct(late, x_approved=True)
    await world.skip_to(workflow_id, month(4))
    third = await world.issue(workflow_id, 3)
    assert lines_of(third) == [("dev", "480.00")]
    for number in (1, 2, 3):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("1560.00")
    lines = await order_lines(world, workflow_id)
    assert lines["dev"]["qty_delivered"] == lines["dev"]["qty_invoiced"] == 13


async def test_a_cap_warns_at_its_threshold_and_parks_at_the_cap(world: World) -> None:
    """Caps (not to exceed) warn at a threshold and park at the cap."""
    workflow_id = await world.active(hourly(cap="1000.00", warn_at="80"))
    await world.work(workflow_id, "dev", "7.5", str(FIRST))
    await world.skip_to(workflow_id, SECOND)
    await world.issue(workflow_id, 1)
    state = await world.contract(workflow_id, notes("900.00 EUR"))
    told = world.admin.search_read(
        "mail.message",
        [("model", "=", "sale.order"), ("res_id", "=", state.odoo.order_id)],
        ["subject"],
    )
    assert any("900.00 EUR" in str(row["subject"]) for row in told)

    await world.work(workflow_id, "dev", "2", str(SECOND))
    await world.skip_to(workflow_id, month(3))
    parked = await world.parked(workflow_id)
    assert parked.code == "cap_reached"
    await world.resolve(workflow_id, Action.SKIP, reason="the customer gives no more")
    bill = await world.issue(workflow_id, 2)
    assert lines_of(bill) == [("dev", "100.00")]
    state = await world.contract(workflow_id)
    unbilled = account.unbilled(state.account, state.today)
    assert [str(item.amount) for item in unbilled] == ["140.00 EUR"]


async def test_a_cap_that_is_raised_lets_the_rest_be_billed(world: World) -> None:
    """Park at the cap: the other way out is a change order."""
    workflow_id = await world.active(hourly(months=1, cap="1000.00"))
    await world.work(workflow_id, "dev", "10", str(FIRST))
    await world.skip_to(workflow_id, SECOND)
    parked = await world.parked(workflow_id)
    assert parked.code == "cap_reached"
    await changed(world, workflow_id, set={"time.0.cap": "1500.00"})
    bill = await world.issue(workflow_id, 1)
    assert lines_of(bill) == [("dev", "1200.00")]


async def test_a_correction_of_a_billed_line_is_credited_by_a_credit_note_of_its_own(
    world: World,
) -> None:
    """Corrections to billed lines become credit or debit proposals."""
    workflow_id = await world.active(hourly())
    line = await world.work(workflow_id, "dev", "8", str(FIRST))
    await world.skip_to(workflow_id, SECOND)
    await world.issue(workflow_id, 1)
    await world.correct(line, unit_amount=6.0)
    await world.skip_to(workflow_id, month(3))
    note = await world.issue(workflow_id, 2)
    assert lines_of(note) == [("dev", "-240.00")]
    assert note.proposal.kind == "credit_note"
    for number in (1, 2):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("720.00")
