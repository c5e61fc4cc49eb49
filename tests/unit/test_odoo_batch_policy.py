"""Which requests are sent when, and together with which others: decisions without threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.odoo.batch_policy import (
    LOW_PRIORITY_WAIT_SECONDS,
    MAX_HOLD_SECONDS,
    MAX_ROWS,
    MAX_WAIT_SECONDS,
    QUIET_SECONDS,
    TARGET_CALL_SECONDS,
    WORTHWHILE_SIZE,
    Batch,
    Limits,
    PendingCall,
    Plan,
    Traffic,
    adapted_size,
    fitting_together,
    plan,
)
from gateways.odoo.requests.mail import FIRST_MAILS, MAX_MAILS, Mail, MailState
from gateways.odoo.requests.records import OnRecords
from gateways.odoo.requests.request import Request, Single

NOW = 1000.0
LIMITS = Limits(calls_at_once=2, batch_size=100)


def post(record: int) -> Request:
    return OnRecords("account.move", "action_post", [record], {})


def confirm(record: int) -> Request:
    return OnRecords("sale.order", "action_confirm", [record], {})


def other(record: int) -> Request:
    return Single("account.move", "message_post", [record], {})


def mail(record: int) -> Request:
    return Mail(record, {"mailed_to": "ap@acme.example"}, False, {}, MailState())


def arrived(*requests: Request, at: float = NOW, traffic: Traffic | None = None) -> Traffic:
    traffic = traffic or Traffic()
    for request in requests:
        traffic = traffic.with_arrival(PendingCall(request, at), LIMITS)
    return traffic


def sent(traffic: Traffic, limits: Limits = LIMITS, at: float = NOW) -> Traffic:
    """After what is due was sent."""
    for batch in plan(traffic, limits, at).batches:
        traffic = traffic.with_sent(batch)
    return traffic


def finished(traffic: Traffic, at: float) -> Traffic:
    """After all calls in flight ended."""
    for batch in traffic.in_flight:
        traffic = traffic.with_finished(batch, at)
    return traffic


def after_call(*requests: Request, seconds: float = 0.1) -> Traffic:
    """After a call of these that ended now."""
    return finished(sent(arrived(*requests, at=NOW - seconds), at=NOW - seconds), NOW)


def ids(batches: Sequence[Batch]) -> list[list[int]]:
    return [[_record(call) for call in batch.calls] for batch in batches]


def _record(call: PendingCall) -> int:
    request: Any = call.request
    return request.invoice if isinstance(request, Mail) else request.ids[0]


def decided(traffic: Traffic, limits: Limits = LIMITS, at: float = NOW) -> list[list[int]]:
    return ids(plan(traffic, limits, at).batches)


# --- what is sent ---------------------------------------------------------------------------------


def test_nothing_waiting_sends_nothing_and_needs_no_second_look() -> None:
    assert plan(Traffic(), LIMITS, NOW) == Plan((), None)


def test_a_lone_request_is_sent_at_once() -> None:
    assert decided(arrived(post(1))) == [[1]]


def test_requests_of_one_key_are_sent_together() -> None:
    assert decided(arrived(post(1), confirm(2), post(3))) == [[1, 3], [2]]


def test_a_key_with_a_call_in_flight_waits_for_its_end() -> None:
    traffic = arrived(post(2), traffic=sent(arrived(post(1))))
    decision = plan(traffic, LIMITS, NOW)
    assert decision.batches == ()
    assert decision.look_again == NOW + MAX_WAIT_SECONDS


def test_no_more_calls_are_in_flight_than_the_limit() -> None:
    traffic = arrived(*(OnRecords("m", f"button_{n}", [n], {}) for n in range(1, 5)))
    assert decided(traffic) == [[1], [2]]
    assert decided(sent(traffic)) == []


def test_requests_without_a_key_leave_one_call_to_the_others() -> None:
    traffic = sent(arrived(other(1), other(2)))
    assert ids(traffic.in_flight) == [[1]]
    assert decided(arrived(post(3), traffic=traffic)) == [[3]]
    alone = Limits(calls_at_once=1)
    assert decided(arrived(other(1), other(2)), alone) == [[1]]


def test_the_key_that_waited_longest_is_sent_first() -> None:
    traffic = arrived(confirm(2), traffic=arrived(post(1), at=NOW + 1))
    assert decided(traffic, at=NOW + 1) == [[2], [1]]


def test_with_a_batch_size_of_one_only_calls_that_must_not_overlap_wait_for_each_other() -> None:
    limits = Limits(calls_at_once=4, batch_size=1)
    traffic = Traffic()
    for request in (post(1), post(2), mail(3), mail(4)):
        traffic = traffic.with_arrival(PendingCall(request, NOW), limits)
    assert decided(traffic, limits) == [[1], [2]]
    later = NOW + LOW_PRIORITY_WAIT_SECONDS
    assert decided(sent(traffic, limits), limits, later) == [[3]]


@pytest.mark.parametrize("limits", [(0, 1), (1, 0)])
def test_limits_are_at_least_one(limits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Limits(*limits)


# --- what fits into one call ----------------------------------------------------------------------


def calls(*requests: Request) -> list[PendingCall]:
    return [PendingCall(request, NOW) for request in requests]


def chosen(*requests: Request, most: int = 100) -> list[int]:
    return [_record(call) for call in fitting_together(calls(*requests), most)]


def test_a_record_is_once_in_a_call_and_its_requests_keep_their_order() -> None:
    both = OnRecords("account.move", "action_post", [1, 3], {})
    assert chosen(post(1), both, post(3), post(4)) == [1, 4]


def test_reads_of_one_record_share_a_call() -> None:
    read = OnRecords("m", "read", [1], {}, shares_records=True)
    assert chosen(read, read) == [1, 1]


def test_a_call_holds_no_more_requests_and_rows_than_the_limits() -> None:
    assert chosen(post(1), post(2), post(3), most=2) == [1, 2]
    large = [OnRecords("m", "read", [n] * MAX_ROWS, {}, shares_records=True) for n in (1, 2)]
    assert chosen(*large) == [1]
    assert chosen(post(7), large[0], post(8)) == [7]


# --- what is held back ----------------------------------------------------------------------------


def test_after_a_shared_call_requests_wait_until_no_more_arrive() -> None:
    traffic = arrived(post(3), traffic=after_call(post(1), post(2)))
    decision = plan(traffic, LIMITS, NOW)
    assert decision == Plan((), NOW + QUIET_SECONDS)
    assert decided(traffic, at=NOW + QUIET_SECONDS) == [[3]]


def test_they_wait_longer_after_a_longer_call_but_never_beyond_the_limit() -> None:
    traffic = arrived(post(3), traffic=after_call(post(1), post(2), seconds=1.2))
    assert plan(traffic, LIMITS, NOW).look_again == pytest.approx(NOW + 0.6)
    traffic = arrived(post(3), traffic=after_call(post(1), post(2), seconds=10))
    assert plan(traffic, LIMITS, NOW) == Plan((), NOW + MAX_HOLD_SECONDS)


def test_every_arrival_of_any_key_prolongs_the_wait() -> None:
    traffic = arrived(post(3), traffic=after_call(post(1), post(2)))
    traffic = arrived(confirm(4), at=NOW + 0.1, traffic=traffic)
    assert decided(traffic, at=NOW + 0.1) == [[4]]
    assert plan(sent(traffic, at=NOW + 0.1), LIMITS, NOW + 0.1).look_again == pytest.approx(
        NOW + 0.1 + QUIET_SECONDS
    )


def test_as_many_as_are_worth_a_call_are_sent_at_once() -> None:
    few = [post(n) for n in range(3, 2 + WORTHWHILE_SIZE)]
    traffic = arrived(*few, traffic=after_call(post(1), post(2)))
    assert decided(traffic) == []
    assert len(decided(arrived(post(99), traffic=traffic))[0]) == WORTHWHILE_SIZE


def test_a_lone_request_after_a_call_of_one_is_sent_at_once() -> None:
    assert decided(arrived(post(2), traffic=after_call(post(1)))) == [[2]]


def test_behind_a_call_of_one_requests_wait_only_while_others_are_in_flight() -> None:
    traffic = arrived(post(2), traffic=sent(arrived(confirm(9), traffic=after_call(post(1)))))
    assert plan(traffic, LIMITS, NOW) == Plan((), NOW + QUIET_SECONDS)
    assert decided(finished(traffic, NOW)) == [[2]]


def test_a_finished_call_is_forgotten_once_it_holds_nothing_back() -> None:
    traffic = sent(arrived(confirm(9), traffic=after_call(post(1), post(2))))
    assert len(finished(traffic, NOW + 0.1).last_calls) == 2
    assert len(finished(traffic, NOW + MAX_HOLD_SECONDS).last_calls) == 1


# --- low priority ---------------------------------------------------------------------------------


def test_mail_waits_while_anything_else_waits_or_is_in_flight() -> None:
    traffic = sent(arrived(post(1), mail(2)))
    assert ids(traffic.in_flight) == [[1]]
    assert plan(traffic, LIMITS, NOW).look_again == NOW + LOW_PRIORITY_WAIT_SECONDS
    assert decided(finished(traffic, NOW)) == [[2]]


def test_mail_waits_for_others_no_longer_than_its_limit() -> None:
    traffic = sent(arrived(post(1), mail(2)))
    assert decided(traffic, at=NOW + LOW_PRIORITY_WAIT_SECONDS) == [[2]]


def test_mail_alone_is_sent_at_once_few_invoices_first() -> None:
    traffic = arrived(*(mail(n) for n in range(FIRST_MAILS + 3)))
    assert decided(traffic) == [list(range(FIRST_MAILS))]


# --- how many share a call ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "sent_requests", "seconds", "most", "adapted"),
    [
        (100, 100, None, 100, 50),
        (100, 1, None, 100, 1),
        (4, 4, 1.0, MAX_MAILS, 8),
        (32, 32, 1.0, MAX_MAILS, MAX_MAILS),
        (4, 4, 1.0, 1, 1),
        (8, 8, 2 * TARGET_CALL_SECONDS, 100, 4),
        (8, 8, TARGET_CALL_SECONDS, 100, 8),
        (8, 2, 1.0, 100, 8),
        (8, 4, 2 * TARGET_CALL_SECONDS, 100, 2),
        (8, 1, 100 * TARGET_CALL_SECONDS, 100, 1),
    ],
    ids=[
        "no answer in time: half of what was sent",
        "never less than one",
        "quick: twice as many",
        "no more than the request allows",
        "the request allows one now",
        "too slow: as many as fit the time",
        "just in time: no more",
        "a small call proves nothing about larger ones",
        "a small call that was too slow does",
        "very slow: still one",
    ],
)
def test_the_size_follows_how_long_calls_take(
    size: int, sent_requests: int, seconds: float | None, most: int, adapted: int
) -> None:
    assert adapted_size(size, sent_requests, seconds, most) == adapted


def test_a_learned_size_bounds_the_next_call_of_its_method() -> None:
    traffic = arrived(post(1), post(2), post(3)).with_size(("account.move", "action_post"), 2)
    assert decided(traffic) == [[1, 2]]


# --- whatever happens -----------------------------------------------------------------------------

REQUESTS = st.builds(
    lambda make, record: make(record),
    st.sampled_from([post, confirm, other, mail]),
    st.integers(1, 6),
)
EVENTS = st.lists(
    st.one_of(
        REQUESTS,
        st.floats(0.0, 3.0),  # so many seconds pass
        st.integers(0, 3),  # one of the calls in flight ends
    ),
    max_size=40,
)
ANY_LIMITS = st.builds(Limits, st.integers(1, 4), st.integers(1, 5))


class Simulation:
    """A dispatcher without threads: carries out each plan and checks what must always hold."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.traffic = Traffic()
        self.now = NOW
        self.sent: list[PendingCall] = []

    def happens(self, event: Request | float | int) -> None:
        if isinstance(event, Request):
            call = PendingCall(event, self.now)
            self.traffic = self.traffic.with_arrival(call, self.limits)
        elif isinstance(event, float):
            self.now += event
        elif self.traffic.in_flight:
            batch = self.traffic.in_flight[event % len(self.traffic.in_flight)]
            self.traffic = self.traffic.with_finished(batch, self.now)
        self.carry_out()

    def carry_out(self) -> Plan:
        decision = plan(self.traffic, self.limits, self.now)
        for batch in decision.batches:
            self._check(batch)
            self.traffic = self.traffic.with_sent(batch)
            self.sent.extend(batch.calls)
        assert len(self.traffic.in_flight) <= self.limits.calls_at_once
        assert plan(self.traffic, self.limits, self.now).batches == ()
        if self.traffic.waiting:
            assert decision.look_again is not None
        return decision

    def _check(self, batch: Batch) -> None:
        waiting = self.traffic.waiting[batch.key]
        records = [record for call in batch.calls for record in call.request.records]
        assert batch.calls[0] is waiting[0]
        assert len(set(records)) == len(records)
        assert len(batch.calls) <= (1 if batch.key is None else self.limits.batch_size)
        same_key = sum(1 for other in self.traffic.in_flight if other.key == batch.key)
        if all(call.request.key is not None for call in batch.calls) and self.limits.batch_size > 1:
            assert same_key == 0
        if batch.key is None and self.limits.calls_at_once > 1:
            assert same_key < self.limits.calls_at_once - 1

    def run_to_the_end(self) -> None:
        """Let all calls end at once; count how long the rest is held back."""
        started = self.now
        while self.traffic.waiting or self.traffic.in_flight:
            while self.traffic.in_flight:
                self.happens(0)
            decision = self.carry_out()
            if not self.traffic.in_flight and self.traffic.waiting:
                assert decision.look_again is not None
                assert decision.look_again > self.now
                self.now = decision.look_again
                self.carry_out()
        # As nothing else arrives, each key is held back at most once.
        assert self.now - started <= 3 * MAX_HOLD_SECONDS


@settings(deadline=None)
@given(events=EVENTS, limits=ANY_LIMITS)
def test_whatever_happens_all_are_sent_once_in_time_and_in_order(
    events: list[Request | float | int], limits: Limits
) -> None:
    simulation = Simulation(limits)
    for event in events:
        simulation.happens(event)
    simulation.run_to_the_end()
    arrived_requests = [event for event in events if isinstance(event, Request)]
    assert Counter(id(call.request) for call in simulation.sent) == Counter(
        id(request) for request in arrived_requests
    )
    by_record: dict[Hashable, list[float]] = {}
    for call in simulation.sent:
        for record in call.request.records:
            by_record.setdefault((call.request.key, record), []).append(call.arrived)
    assert all(times == sorted(times) for times in by_record.values())


@settings(deadline=None)
@given(events=EVENTS, limits=ANY_LIMITS)
def test_the_same_traffic_at_the_same_time_gives_the_same_plan(
    events: list[Request | float | int], limits: Limits
) -> None:
    simulation = Simulation(limits)
    for event in events:
        if isinstance(event, Request):
            call = PendingCall(event, simulation.now)
            simulation.traffic = simulation.traffic.with_arrival(call, limits)
    before = {key: list(queued) for key, queued in simulation.traffic.waiting.items()}
    decisions = [plan(simulation.traffic, limits, NOW) for _ in range(2)]
    assert ids(decisions[0].batches) == ids(decisions[1].batches)
    assert before == {key: list(queued) for key, queued in simulation.traffic.waiting.items()}
