"""The approval of a change order: decisions, reminders, escalation, runs that give way."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.approvals import ApprovalDecision, ApprovalRound, Decision
from contracts.changes import ChangeOrder
from contracts.contract import amendments
from contracts.contract.amendments import open_round
from contracts.contract.messages import CancelRequest
from contracts.contract.state import ContractStage
from contracts.parking import Action as Choice
from tests.unit.contract.examples import fixed_price
from tests.unit.contract.played import ANA, BOB, REFUSED, SAM, Played, Refused

CLEO = "cleo@northwind.example"
DIRECTORS = tuple(f"{name}@northwind.example" for name in ("cleo", "dora", "emil"))


def proposed(by: str = ANA, live: str = "1500.00") -> Played:
    """A change order of 500 EUR, which needs one approval of finance (Ana or Bob)."""
    life = Played(fixed_price())
    order = ChangeOrder(number=1, by=by, reason="more scope", reprice={"live": live})
    life.send(order)
    return life


def current(life: Played) -> ApprovalRound:
    found = open_round(life.state)
    assert found is not None
    return found


def yes(life: Played, by: str, **changes: Any) -> ApprovalDecision:
    subject = current(life).subject
    fields: dict[str, Any] = {
        "by": by,
        "content_hash": subject.content_hash[:12],
        "amount": subject.amount,
    }
    return ApprovalDecision.model_validate(fields | changes)


def people(life: Played) -> tuple[str, ...]:
    """Whom a reminder would go to now."""
    change = life.state.change
    assert change is not None
    _, found = amendments.pending(life.state)
    reminder = found.due_reminder(change.calendar, life.state.clock)
    assert reminder is not None
    return reminder.people


def test_an_update_answers_at_once_and_with_the_reason() -> None:
    life = proposed()
    with pytest.raises(Refused, match="segregation"):
        life.send(yes(life, ANA))
    with pytest.raises(Refused, match="names content"):
        life.send(yes(life, BOB, content_hash="f" * 12))
    after = life.send(yes(life, BOB))
    assert after.is_met
    assert [item.by for item in after.approvals] == [BOB]
    assert life.state.terms.version == 2


def test_a_signal_counts_the_same_and_its_refusal_is_noted() -> None:
    life = proposed()
    life.signal(yes(life, CLEO), f"a decision of {CLEO}")
    no = yes(life, BOB, decision=Decision.REJECT, comment="not agreed")
    life.signal(no, f"a decision of {BOB}")
    assert life.noted(f"Refused a decision of {CLEO}: {CLEO} may not decide this")
    assert life.noted(f"Rejected change order 1 of C-1: {BOB}: not agreed")
    assert (life.state.change, life.state.terms.version) == (None, 1)


def test_a_decision_where_nothing_awaits_one_is_refused() -> None:
    life = Played(fixed_price())
    with pytest.raises(Refused, match="nothing awaits approval"):
        life.send(ApprovalDecision(by=BOB))


def test_a_change_order_is_not_approved_while_the_contract_is_cancelled() -> None:
    life = proposed()
    life.held_back = {"cancel_order"}
    decision = yes(life, BOB)
    life.send(CancelRequest(by=SAM, reason="they withdrew"))
    with pytest.raises(Refused, match="being cancelled"):
        life.send(decision)
    life.release("cancel_order")
    assert (life.stage(), life.state.terms.version) == (ContractStage.CANCELLED, 1)


def test_approvers_are_reminded_once_and_then_directors_decide() -> None:
    life = proposed()
    with pytest.raises(Refused, match="may not decide"):
        life.send(yes(life, CLEO))
    life.held_back = {"notify"}
    life.skip(days=3)
    # Ana asked for it: she has nothing to approve.
    assert people(life) == (BOB,)
    life.release("notify")
    life.held_back = {"notify"}
    life.skip(days=5)
    assert people(life) == (BOB, *DIRECTORS)
    life.release("notify")
    life.skip(days=30)
    assert life.odoo.notes == ["notify:change_order"] * 2
    life.send(yes(life, CLEO))
    assert life.state.terms.version == 2


def test_who_is_asked_after_escalation_may_decide_before_everybody_was_told() -> None:
    life = proposed()
    life.held_back = {"notify"}
    life.skip(days=10)
    life.send(yes(life, CLEO))
    assert life.state.terms.version == 2
    # The reminder that is under way is of nothing any more.
    life.release("notify")
    assert life.state.change is None


def test_a_round_goes_on_where_it_was_in_the_next_run() -> None:
    life = proposed()
    life.skip(days=3)
    life.renew()
    assert life.odoo.notes == ["notify:change_order"]
    life.send(yes(life, BOB))
    assert life.state.terms.version == 2


def test_a_reminder_that_is_parked_stays_so_in_the_next_run() -> None:
    life = proposed()
    life.fates["notify"] = [REFUSED]
    life.skip(days=3)
    assert list(life.parked) == ["notify:change_order"]
    life.renew()
    assert list(life.parked) == ["notify:change_order"]
    life.resolve(Choice.RETRY)
    assert life.odoo.notes == ["notify:change_order"]
    assert life.state.exceptions == ()


def test_a_skipped_reminder_is_not_sent_and_the_next_one_is() -> None:
    life = proposed()
    life.fates["notify"] = [REFUSED]
    life.skip(days=3)
    life.resolve(Choice.SKIP)
    assert life.odoo.notes == []
    life.skip(days=10)
    assert life.odoo.notes == ["notify:change_order"]


def test_a_parked_reminder_is_obsolete_once_it_is_decided() -> None:
    life = proposed()
    life.fates["notify"] = [REFUSED]
    life.skip(days=3)
    life.send(yes(life, BOB))
    assert life.state.exceptions == ()


def test_a_large_change_needs_two_people_and_not_who_asked() -> None:
    life = proposed(by=SAM, live="9000.00")
    life.send(yes(life, ANA))
    assert life.state.terms.version == 1
    with pytest.raises(Refused, match="approved this already"):
        life.send(yes(life, ANA))
    life.send(yes(life, BOB))
    assert life.state.versions[-1].approved == f"{ANA}, {BOB}"


def test_rules_that_cannot_be_loaded_park_and_go_on() -> None:
    life = Played(fixed_price())
    life.fates["policy"] = [REFUSED]
    life.send(ChangeOrder(number=1, by=ANA, reason="more", reprice={"live": "1500.00"}))
    assert life.parked["policy:change_order"].allowed == (Choice.RETRY,)
    with pytest.raises(Refused, match="nothing awaits approval"):
        life.send(ApprovalDecision(by=BOB))
    life.resolve(Choice.RETRY)
    life.send(yes(life, BOB))
    assert life.state.terms.version == 2
