"""What the lives of contracts and invoices leave in their audit records."""

from __future__ import annotations

from typing import Any

from contracts.actors import Actor
from contracts.agenda.actions import Answered, Began, Failed, SignalReceived, UpdateReceived
from contracts.audit import entries
from contracts.audit.entries import Entry
from contracts.contract import rules
from contracts.contract.messages import BurnRequest, Hold, HoldKind, HoldRequest, MilestoneReached
from contracts.contract.state import ContractState
from contracts.invoice.messages import ContractHoldChange
from contracts.parking import Action as Choice
from contracts.views.audit import sentence
from tests.recorded import written
from tests.unit.contract import examples
from tests.unit.contract.played import OLGA, PIA, Played
from tests.unit.examples import invoice_state
from tests.unit.invoice.played import applied

DIFFERS = Failed("business", "audit_differs", "entry 2 is another one")


def whats(life: Played) -> list[str]:
    return [item.what for item in life.recorded]


def last(life: Played) -> Entry:
    return life.recorded[-1]


def closed(life: Played) -> Played:
    life.reach(*life.state.milestones)
    life.issue_and_settle_all()
    assert life.has_ended
    return life


def test_a_life_is_recorded_from_its_start_to_its_end() -> None:
    life = closed(Played(examples.fixed_price()))
    found = whats(life)
    assert (found[0], found[1], found[-1]) == ("started", "provision", "ended")
    assert found.count("milestone_reached") == len(life.state.milestones)
    assert "close_out" in found
    assert life.recorded[0].source_hash
    assert life.recorded[1].remote_id.startswith("sale.order ")
    assert last(life).details["stage"] == "closed"
    assert life.state.audit.pending == ()
    assert life.state.audit.made == len(life.recorded)


def test_a_contract_was_begun_by_whoever_was_signed_in() -> None:
    assert Played(examples.fixed_price()).recorded[0].actor == entries.OURSELVES
    life = Played(examples.fixed_price(), started_by=PIA)
    assert life.recorded[0].actor.person == PIA
    assert sentence(life.recorded[0]) == f"{PIA} began it"
    life.renew()
    life.reach("build")
    assert [item.what for item in life.recorded].count("started") == 1


def test_what_comes_before_anything_else_is_recorded_behind_the_start() -> None:
    message = ContractHoldChange(by=OLGA, reason="the customer asked")
    proposed = invoice_state(policy=None, approval_round=None)
    state = applied(proposed, SignalReceived(message), proposed.clock)
    first, second = state.audit.pending
    assert (first.what, bool(first.source_hash)) == ("started", True)
    assert (second.what, second.actor.person) == ("contract_hold_change", OLGA)


def test_an_entry_says_who_what_why_and_what_changed() -> None:
    life = Played(examples.fixed_price())
    hold = Hold(by=OLGA, reason="the customer asked")
    life.send(HoldRequest(kind=HoldKind.BILLING, by=OLGA, hold=hold))
    assert (last(life).what, last(life).actor.person) == ("hold_request", OLGA)
    assert last(life).after == {"hold on billing": "until released"}
    assert "until released" in sentence(last(life))
    actor = Actor(issuer="https://id.example", subject="u-7", person=OLGA, token_id="t-1")
    release = HoldRequest(kind=HoldKind.BILLING, by=OLGA)
    life.tell(UpdateReceived(release, "r-1", actor))
    life.run()
    assert (last(life).actor.subject, last(life).actor.token_id) == ("u-7", "t-1")
    assert last(life).before == {"hold on billing": "until released"}


def test_what_changes_nothing_is_refused_or_only_reads_has_no_entry() -> None:
    life = Played(examples.fixed_price())
    key = next(iter(life.state.milestones))
    life.reach(key)
    count = len(life.recorded)
    life.reach(key)
    life.signal(MilestoneReached(milestone="nowhere", by=PIA))
    life.signal(BurnRequest(by="the daily sweep"))
    assert len(life.recorded) == count


def test_entries_are_written_together_once_nothing_else_is_under_way() -> None:
    life = Played(examples.fixed_price(), held_back=["provision"])
    assert (life.recorded, [item.what for item in life.state.audit.pending]) == ((), ["started"])
    life.release("provision")
    assert whats(life) == ["started", "provision"]


# --- where the store does not take it -------------------------------------------------------------


def begun(state: ContractState) -> ContractState:
    [action] = [item for item in rules.AGENDA.wanted_of(state) if item.kind == entries.WRITE]
    return rules.AGENDA.apply(state, Began(action), state.clock).state  # type: ignore[arg-type]


def answered(state: ContractState, result: Any) -> ContractState:
    return rules.AGENDA.apply(state, Answered(entries.WRITE, result), state.clock).state


def with_pending() -> tuple[Played, ContractState]:
    life = Played(examples.fixed_price())
    message = MilestoneReached(milestone=next(iter(life.state.milestones)), by=PIA)
    # Played by hand, up to the writing: nothing else is begun.
    state = life.tell(SignalReceived(message)).state
    return life, state.replace(running={})


def test_something_else_in_the_store_parks_and_holds_up_nothing() -> None:
    life, state = with_pending()
    state = answered(begun(state), DIFFERS)
    [parked] = [item for item in state.exceptions if item.code == "audit_differs"]
    assert (parked.step, parked.allowed) == ("audit", (Choice.RETRY, Choice.SKIP))
    life.state = state
    life.run()
    assert any(key.startswith("start") for key in life.begun), "the invoice is started"
    life.resolve(Choice.SKIP, "audit")
    assert not life.state.audit.pending
    assert whats(life)[-1] == "resolution"


def test_after_a_skip_what_comes_goes_behind_the_stores_own_end() -> None:
    life, state = with_pending()
    life.state = answered(begun(state), DIFFERS)
    resolution = {"action": Choice.SKIP, "by": OLGA, "step": "audit", "reason": "it was reset"}
    from contracts.parking import Resolution

    state = life.tell(UpdateReceived(Resolution(**resolution))).state
    assert state.audit.rejoins
    state = state.replace(running={})
    state = answered(begun(state), written(state))
    assert not state.audit.rejoins


def test_what_is_noted_while_it_is_written_stays_to_be_written() -> None:
    life, state = with_pending()
    state = begun(state)
    answer = written(state)
    key = list(life.state.milestones)[-1]
    message = MilestoneReached(milestone=key, by=PIA)
    state = rules.AGENDA.apply(state, UpdateReceived(message), state.clock).state
    state = answered(state, answer)
    assert [item.what for item in state.audit.pending] == ["milestone_reached"]
    assert state.audit.seq == answer.value.seq
