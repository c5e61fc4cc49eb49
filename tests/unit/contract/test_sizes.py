"""Issue 11, number 18: a contract of 500 milestones and 1,000 invoices runs, and stays small enough
to travel in one piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from activities.odoo.closing import CloseOutLeft, CloseOutRequest
from contracts import closeout
from contracts.agenda import budget
from contracts.agenda.actions import UpdateReceived
from contracts.billing import account
from contracts.contract import rules
from contracts.contract.messages import CreditRequest, MilestoneReached, UsageReport
from contracts.contract.state import ContractStage
from contracts.odoo_totals import OrderTotals
from tests.unit.contract.played import OLGA, PIA, Played, Refused, eur
from tests.unit.contract.test_honoured import many, metered

pytestmark = pytest.mark.long

MILESTONES = 500
PIECE = 2_000_000
"""What the engine takes in one piece, in bytes."""


@pytest.fixture(scope="module")
def large() -> Iterator[Played]:
    """Every milestone is invoiced, and of each invoice a part is credited: a thousand invoices,
    all open. That every sum agrees is checked once, and not before each of the thousand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account, "check", lambda *_: [])
        yield built(Played(many(MILESTONES)))


def built(life: Played) -> Played:
    life.reach(*(f"m{n}" for n in range(MILESTONES)))
    life.issue(*range(1, MILESTONES + 1))
    for number in range(1, MILESTONES + 1):
        life.send(CreditRequest(number=number, by=OLGA, reason="a part", amount=eur("1.00")))
    life.issue(*range(MILESTONES + 1, 2 * MILESTONES + 1))
    return life


def test_a_thousand_open_invoices_of_one_contract_fit_into_its_state(large: Played) -> None:
    assert len(large.state.invoices) == 2 * MILESTONES
    assert account.check(large.state.account, large.state.billing_day) == []
    size = len(large.state.model_dump_json())
    assert budget.weight(large.state) == pytest.approx(size, rel=0.01)
    assert size < PIECE


def test_a_close_out_of_a_thousand_invoices_asks_with_a_fraction_of_the_state(
    large: Played,
) -> None:
    settled = closeout.settlement(large.state)
    request = CloseOutRequest(settled=settled, left=CloseOutLeft(steps=["close_out"]))
    assert len(request.model_dump_json()) < 250_000
    figures = OrderTotals(order_id=5, state="sale", total=settled.ordered)
    text, _ = closeout.closing_record(settled, figures)
    assert '"INV/1000"' in text


def test_a_thousand_invoices_settle_and_the_contract_closes(large: Played) -> None:
    large.settle(*large.invoices)
    assert large.state.stage is ContractStage.CLOSED


# --- at the door ----------------------------------------------------------------------------------


def test_a_message_beyond_its_budget_is_refused_with_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Played(metered())
    records = [
        {"id": f"r{n}", "plan": "calls", "on": "2026-03-02", "quantity": "1"} for n in range(50)
    ]
    report = UsageReport.model_validate({"records": records})
    monkeypatch.setattr(budget, "MOST_OF_A_MESSAGE", 1_000)
    with pytest.raises(Refused, match=r"has \d+ bytes, and at most 1000 .* send it in parts"):
        life.send(report)


def test_work_that_a_state_has_no_room_for_is_refused_and_what_ends_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Played(many(3))
    life.reach("m0")
    before = life.state
    monkeypatch.setattr(budget, "MOST_OF_A_STATE", budget.weight(before))
    message: Any = MilestoneReached(milestone="m1", by=PIA)
    refusal = rules.AGENDA.refusal(before, message, life.now)
    assert "belongs to another contract" in str(refusal)
    outcome = rules.AGENDA.apply(before, UpdateReceived(message), life.now)
    assert (outcome.refusal, outcome.state) == (refusal, before)
    life.issue(1)
    life.settle(1)
    assert life.state.invoices[1].stage == "settled"
