"""The machine that contracts and invoices run on: what begins, what parks, what is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.access import Role
from contracts.actors import Actor
from contracts.agenda import requests
from contracts.agenda.actions import (
    Answered,
    Began,
    ClockRang,
    Done,
    Event,
    Failed,
    Resumed,
    SignalReceived,
    UpdateReceived,
)
from contracts.agenda.exceptions import with_defect
from contracts.agenda.machine import Outcome, next_event
from contracts.metrics import EXCEPTION
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from tests.unit.agenda.toy import AGENDA, Ask, Break, Errand, ToyState, action
from tests.unit.examples import NOON

LOST = Failed("transient", "no_answer", "silence", maybe_done=True)
REFUSED = Failed("business", "not_so", "no")
CLOSED = Failed("credentials", "api_key_refused", "no entry")


def state(*names: str, **changes: Any) -> ToyState:
    errands = tuple(Errand(name=name) for name in names)
    return ToyState(clock=NOON, open=errands, **changes)


def after(found: ToyState, event: Event, now: datetime = NOON) -> ToyState:
    return AGENDA.apply(found, event, now).state


def begun(found: ToyState, now: datetime = NOON) -> ToyState:
    """The state with all acts begun that may begin."""
    while (action := AGENDA.next_action(found)) is not None:
        found = after(found, Began(action), now)
    return found


def answered(found: ToyState, key: str, result: Done | Failed, now: datetime = NOON) -> ToyState:
    return after(found, Answered(key, result), now)


def decide(found: ToyState, choice: Choice, step: str = "") -> str | None:
    resolution = Resolution(action=choice, by="olga", step=step, reason="so be it")
    return AGENDA.apply(found, UpdateReceived(resolution), NOON).refusal


def decided(found: ToyState, choice: Choice, step: str = "") -> ToyState:
    resolution = Resolution(action=choice, by="olga", step=step, reason="so be it")
    outcome = AGENDA.apply(found, UpdateReceived(resolution), NOON)
    assert outcome.refusal is None
    return outcome.state


# --- what begins ------------------------------------------------------------------------------


def test_acts_begin_beside_each_other_and_each_once() -> None:
    assert list(begun(state("a", "b")).running) == ["a", "b"]


def test_acts_of_one_lane_begin_one_after_the_other() -> None:
    found = ToyState(
        clock=NOON, open=(Errand(name="a", lane="order"), Errand(name="b", lane="order"))
    )
    found = begun(found)
    assert list(found.running) == ["a"]
    assert list(begun(answered(found, "a", Done())).running) == ["b"]


def test_an_exclusive_act_begins_once_nothing_else_is_wanted_or_runs() -> None:
    found = begun(state("final", "a", "crm"))
    assert list(found.running) == ["a", "crm"]
    found = begun(answered(found, "a", Done()))
    assert list(found.running) == ["crm", "final"], "what goes aside holds nothing up"


def test_an_exclusive_act_waits_for_a_parked_one() -> None:
    found = answered(begun(state("a", "final")), "a", REFUSED)
    assert begun(found).running == {}
    assert list(begun(decided(found, Choice.SKIP)).running) == ["final"]


def test_an_act_that_is_not_wanted_any_more_does_not_begin() -> None:
    chosen = AGENDA.next_action(state("a"))
    assert chosen is not None
    outcome = AGENDA.apply(state("b"), Began(chosen), NOON)
    assert outcome.refusal == "a is not wanted any more"
    assert outcome.state.running == {}


# --- what parks -------------------------------------------------------------------------------


def test_a_refused_act_waits_for_a_person_and_one_for_a_login_tries_again_ever_more_slowly() -> (
    None
):
    found = answered(begun(state("a")), "a", REFUSED)
    assert (found.exceptions[0].step, found.exceptions[0].retry_at) == ("a", None)
    now, delays = NOON, []
    found = answered(begun(state("a")), "a", CLOSED)
    for _ in range(6):
        retry_at = AGENDA.next_wake(found)
        assert retry_at is not None
        assert begun(found, now).running == {}
        delays.append(retry_at - now)
        now = retry_at
        found = answered(begun(after(found, ClockRang(), now), now), "a", CLOSED, now)
    assert [delay // timedelta(minutes=1) for delay in delays] == [1, 2, 4, 8, 15, 15]
    assert (found.exceptions[0].attempts, found.exceptions[0].since) == (7, NOON)
    assert len(found.journal.entries) == 1, "the same again is not noted again"


def test_an_exception_disappears_with_what_it_is_about_and_its_age_is_measured() -> None:
    found = answered(begun(state("a")), "a", REFUSED)
    later = NOON + timedelta(hours=3)
    outcome = AGENDA.apply(found, UpdateReceived(Errand(name="a", basis="new")), later)
    assert outcome.state.exceptions == ()
    [metric] = outcome.metrics
    assert (metric.name, metric.value) == (EXCEPTION, 3)
    assert list(begun(outcome.state).running) == ["a"]


def test_a_failure_of_what_is_not_wanted_any_more_parks_nothing() -> None:
    found = begun(state("a"))
    found = after(found, UpdateReceived(Errand(name="a", basis="new")))
    assert answered(found, "a", REFUSED).exceptions == ()


def test_a_question_is_asked_until_it_is_decided() -> None:
    found = after(state(), SignalReceived(Ask(name="why")))
    assert [item.step for item in found.exceptions] == ["ask:why"]
    again = decided(found, Choice.RETRY)
    assert [(item.step, item.attempts) for item in again.exceptions] == [("ask:why", 2)]
    assert decided(again, Choice.SKIP).exceptions == ()


def test_time_that_is_past_already_is_no_reason_to_wake() -> None:
    assert AGENDA.next_wake(state(wakes_at=NOON)) is None
    tomorrow = NOON + timedelta(days=1)
    assert AGENDA.next_wake(state(wakes_at=tomorrow)) == tomorrow


# --- what may have happened -------------------------------------------------------------------


def test_what_may_have_happened_can_only_be_retried_until_it_is_known() -> None:
    found = answered(begun(state("risky")), "risky", LOST)
    assert found.uncertain == ("risky",)
    assert found.exceptions[0].allowed == (Choice.RETRY,)
    assert "may have happened" in str(decide(found, Choice.SKIP))
    # A look that fails for want of a login tells nothing.
    found = answered(begun(decided(found, Choice.RETRY)), "risky", CLOSED)
    assert found.uncertain == ("risky",)
    assert "may have happened" in str(decide(found, Choice.SKIP))
    # The remote's own word does.
    found = answered(begun(decided(found, Choice.RETRY)), "risky", REFUSED)
    assert found.uncertain == ()
    assert decide(found, Choice.SKIP) is None


def test_what_may_have_happened_is_known_once_it_is_done() -> None:
    found = answered(begun(state("risky")), "risky", LOST)
    found = answered(begun(decided(found, Choice.RETRY)), "risky", Done())
    assert (found.uncertain, found.exceptions, found.done) == ((), (), ("risky",))


def test_what_can_be_done_again_is_never_uncertain() -> None:
    assert answered(begun(state("a")), "a", LOST).uncertain == ()


# --- messages ---------------------------------------------------------------------------------


def test_an_update_is_answered_or_refused_and_a_signal_is_noted() -> None:
    done = state(done=("a",))
    assert AGENDA.apply(state(), UpdateReceived(Errand(name="b")), NOON).answer == "b"
    refused = AGENDA.apply(done, UpdateReceived(Errand(name="a")), NOON)
    assert refused.refusal == AGENDA.refusal(done, Errand(name="a"), NOON)
    noted = after(done, SignalReceived(Errand(name="a"), "an errand"))
    assert noted.journal.entries[-1].text == "Refused an errand: a is done already"


def test_what_brings_work_is_begun_after_an_exclusive_act_and_an_update_is_refused() -> None:
    found = begun(state("final"))
    more = Errand(name="more")
    assert "being closed" in str(AGENDA.refusal(found, more, NOON))
    assert "being closed" in str(AGENDA.apply(found, UpdateReceived(more), NOON).refusal)
    found = after(found, SignalReceived(more))
    assert found.open == (Errand(name="final"), more)
    assert AGENDA.next_action(found) is None
    found = answered(found, "final", Done())
    assert found.open == (more,)
    assert AGENDA.next_action(found) == action(more)


# --- mistakes of ours -------------------------------------------------------------------------


def fallen(found: ToyState, event: Event, now: datetime = NOON) -> ToyState:
    """The state once the rules failed on an event."""
    with pytest.raises(ZeroDivisionError) as caught:
        AGENDA.apply(found, event, now)
    return with_defect(found, event, caught.value, now)


def test_a_signal_that_a_defect_stopped_is_kept_and_taken_in_by_a_later_release() -> None:
    found = fallen(state(), SignalReceived(Break(), "a break"))
    [parked] = found.exceptions
    assert (parked.step, parked.kind) == ("message:1", "defect")
    assert parked.message == "ZeroDivisionError: a mistake"
    assert next_event(found) is None
    now = AGENDA.next_wake(found)
    assert now == NOON + timedelta(minutes=1)
    # Kept over continue-as-new, and tried again while it is not mended.
    found = ToyState.model_validate_json(found.model_dump_json())
    found = after(found, ClockRang(), now)
    assert next_event(found) == Resumed("message:1")
    found = fallen(found, Resumed("message:1"), now)
    assert found.exceptions[0].attempts == 2
    found = decided(found.replace(healed=True), Choice.RETRY)
    assert next_event(found) == Resumed("message:1")
    found = after(found, Resumed("message:1"))
    assert (found.unserved, found.exceptions) == ((), ())


OLGA = Actor(issuer="i", subject="s", person="olga", roles=(Role.OPERATOR,), token_id="t")


def test_a_signed_signal_counts_once_under_its_request_and_a_refused_one_does_not_count() -> None:
    first = SignalReceived(Ask(name="why"), "a question", "r1", OLGA)
    found = after(after(state(), first), first)
    assert found.asked == ("why",)
    found = after(found, SignalReceived(Ask(name="why"), "a question", "r2", OLGA))
    assert found.asked == ("why", "why")
    # As an Update under the same request it gets the answer, and changes nothing.
    assert after(found, UpdateReceived(Ask(name="why"), "r1", OLGA)).asked == ("why", "why")
    done = found.replace(done=("a",))
    noted = after(done, SignalReceived(Errand(name="a"), "an errand", "r3", OLGA))
    assert (noted.answer_to("r3"), noted.open) == (None, ())


def test_a_signal_that_a_defect_stopped_is_remembered_with_who_signed_it() -> None:
    found = fallen(state(), SignalReceived(Break(), "a break", "r1", OLGA))
    [kept] = found.unserved
    assert (kept.request_id, kept.actor) == ("r1", OLGA)
    found = ToyState.model_validate_json(found.model_dump_json())
    found = after(found.replace(healed=True), Resumed("message:1"))
    assert found.answer_to("r1") is not None


def test_a_signal_that_nobody_needs_any_more_can_be_dropped() -> None:
    found = fallen(state(), SignalReceived(Break()))
    found = decided(found, Choice.SKIP)
    assert (found.unserved, found.exceptions) == ((), ())


def test_a_result_that_a_defect_stopped_is_asked_for_again() -> None:
    found = begun(state("risky"))
    found = fallen(found, Answered("risky", Done("broken")))
    assert (found.running, found.uncertain, found.done) == ({}, ("risky",), ())
    assert found.exceptions[0].kind == "defect"
    now = AGENDA.next_wake(found)
    assert now is not None
    found = begun(after(found.replace(healed=True), ClockRang(), now), now)
    assert answered(found, "risky", Done("broken"), now).done == ("risky",)


def test_the_sender_of_an_update_is_told_and_nothing_else_changes() -> None:
    found = fallen(state("a"), UpdateReceived(Break()))
    assert (found.open, found.exceptions) == ((Errand(name="a"),), ())
    assert "A defect stopped UpdateReceived" in found.journal.entries[-1].text


# --- requests that come again ---------------------------------------------------------------------


def asked_for(found: ToyState, message: Any, request_id: str) -> Outcome[ToyState]:
    return AGENDA.apply(found, UpdateReceived(message, request_id), NOON)


def test_a_request_that_comes_again_counts_once_and_gets_the_first_answer() -> None:
    first = asked_for(state(), Errand(name="a"), "r-1")
    found = answered(begun(first.state), "a", Done())
    assert found.done == ("a",)
    refused = AGENDA.refusal(found, Errand(name="a"), NOON)
    assert refused is not None
    # Continued as new, only the state is left of what was.
    found = ToyState.model_validate_json(found.model_dump_json())
    assert AGENDA.refusal(found, Errand(name="a"), NOON, "r-1") is None
    again = asked_for(found, Errand(name="a"), "r-1")
    assert (again.answer, again.refusal) == (first.answer, None)
    assert again.state.open == ()
    assert asked_for(found, Errand(name="a"), "r-2").refusal == refused


def test_another_message_under_the_id_of_an_accepted_request_is_refused() -> None:
    first = asked_for(state(), Errand(name="a"), "r-1").state
    for other in (Errand(name="b"), Ask(name="a")):
        outcome = asked_for(first, other, "r-1")
        assert outcome.state == first
        assert "r-1 was accepted before, with another message" in str(outcome.refusal)
        assert AGENDA.refusal(first, other, NOON, "r-1") == outcome.refusal
    assert asked_for(first, Errand(name="b"), "r-2").refusal is None


def test_a_request_is_known_by_what_it_says_and_not_by_how_it_is_written() -> None:
    """A later release may know a field more: left as it is by default it says the same."""
    said = Resolution(action=Choice.AMEND, by="olga", changes={"a": "1", "b": "2"})
    turned = said.model_copy(update={"changes": {"b": "2", "a": "1"}})
    assert requests.digest(said) == requests.digest(turned)
    more = Errand(name="a", basis="")
    assert requests.digest(more) == requests.digest(Errand(name="a"))
    assert requests.request_id(requests.update_id("r-1", more), more) == "r-1"
    # An id that somebody else gave is one as it is.
    assert requests.request_id("r-1~x", more) == "r-1~x"


def test_a_message_without_an_answer_of_its_own_is_answered_how_things_stand() -> None:
    standing = replace(AGENDA, answer=lambda found: found.asked)
    first = standing.apply(state(), UpdateReceived(Ask(name="why"), "r-1"), NOON)
    assert first.answer == ("why",)
    later = standing.apply(first.state, UpdateReceived(Ask(name="how")), NOON).state
    again = standing.apply(later, UpdateReceived(Ask(name="why"), "r-1"), NOON)
    assert (again.answer, again.state) == (("why", "how"), later)


def test_an_answer_that_cannot_be_made_stops_its_message_and_nothing_else() -> None:
    broken = replace(AGENDA, answer=lambda found: 1 // 0)
    asked = UpdateReceived(Ask(name="why"), "r-1")
    with pytest.raises(ZeroDivisionError) as caught:
        broken.apply(state("a"), asked, NOON)
    found = with_defect(state("a"), asked, caught.value, NOON)
    assert (found.asked, found.answers) == ((), ())
    assert broken.apply(found, SignalReceived(Ask(name="why")), NOON).state.asked == ("why",)


def test_the_answer_of_a_decision_is_the_same_when_it_comes_again() -> None:
    found = answered(begun(state("a")), "a", REFUSED)
    retry = Resolution(action=Choice.RETRY, by="olga", step="a")
    first = asked_for(found, retry, "r-1")
    again = asked_for(first.state, retry, "r-1")
    assert first.answer.model_dump(mode="json") == again.answer


def test_a_refused_request_is_asked_anew_and_only_the_latest_answers_are_kept() -> None:
    found = answered(begun(state("a")), "a", Done())
    assert asked_for(found, Errand(name="a"), "r-0").state.answers == ()
    for number in range(150):
        found = asked_for(found, Ask(name=f"q{number}"), f"r-{number}").state
    assert [item.request_id for item in found.answers] == [f"r-{n}" for n in range(50, 150)]


def test_what_the_time_asks_for_parks_where_a_defect_stops_it_and_ends_with_the_defect() -> None:
    found = state("a")
    for attempt, minutes in ((1, 1), (2, 2), (3, 4)):
        found = with_defect(found, ClockRang(), ZeroDivisionError("of time"), NOON)
        [parked] = found.exceptions
        assert (parked.kind, parked.attempts) == ("defect", attempt)
        assert parked.retry_at == NOON + timedelta(minutes=minutes)
    assert after(found, ClockRang()).exceptions == ()


def test_a_difference_that_may_go_away_is_looked_at_again_ever_more_seldom() -> None:
    differs = Failed("business", "close_out_differs", "2.00 in Odoo, 1.00 billed")
    found, now, waits = begun(state("a")), NOON, []
    for _ in range(10):
        found = answered(found, "a", differs, now)
        [parked] = found.exceptions
        assert parked.retry_at is not None
        waits.append(parked.retry_at - now)
        now = parked.retry_at
        found = begun(after(found, ClockRang(), now), now)
    assert waits[:3] == [timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1)]
    assert waits[-1] == timedelta(days=1)
    assert answered(found, "a", Done(), now).exceptions == ()
