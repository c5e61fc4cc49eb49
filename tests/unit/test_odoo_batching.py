"""Requests of many threads share calls, and what happens to one caller affects no other."""

from __future__ import annotations

import contextvars
import random
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.odoo import LoadRefused, OdooClient, batch_policy, batching, connect
from gateways.secrets import Secret
from tests.unit.batched import (
    TO,
    Call,
    Caller,
    Cancelled,
    FakeOdoo,
    business,
    gather,
    together,
    until,
)


@pytest.fixture
def odoo() -> FakeOdoo:
    return FakeOdoo()


def drafts(odoo: FakeOdoo, count: int) -> None:
    for _ in range(count):
        odoo.add(state="draft", posted=0)


def post(client: OdooClient, record: int) -> Callable[[], None]:
    return lambda: client.press("m", "action_post", [record])


def threads() -> int:
    return sum(1 for thread in threading.enumerate() if thread.name.startswith("odoo-"))


# --- what is sent when --------------------------------------------------------------------------


def test_a_lone_request_is_sent_at_once(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo)
    drafts(odoo, 1)

    def milliseconds(work: Callable[[], object]) -> float:
        taken = []
        for _ in range(300):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
        return statistics.median(taken) * 1000

    batched = milliseconds(lambda: client.read("m", [1], ["state"]))
    bare = milliseconds(lambda: odoo.execute("m", "read", [1], {"fields": ["state"]}))
    print(f"\na lone read: {batched:.3f} ms, the bare transport: {bare:.3f} ms")
    assert all(call.ids == [1] for call in odoo.calls)
    assert len(odoo.calls) == 600


def test_requests_of_a_hundred_threads_share_two_calls(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo)
    with odoo.held_up():
        first = Caller(lambda: client.load("m", [{"id": "c2c.first", "name": "x"}]))
        until(lambda: len(odoo.calls) == 1)
        callers = [
            Caller(partial(client.load, "m", [{"id": f"c2c.{n}", "name": str(n)}]))
            for n in range(100)
        ]
        until(lambda: client._batcher.waiting == 100)
    assert first.outcome == [1]
    for number, caller in enumerate(callers):
        [record] = caller.outcome
        assert odoo.records[record]["name"] == str(number)
    assert len(odoo.calls) == 2


def test_no_more_calls_are_in_flight_than_the_limit(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=3)
    drafts(odoo, 1)
    with odoo.held_up():
        callers = [Caller(partial(client.call, f"m{n}", "x")) for n in range(4)]
        callers += [Caller(partial(client.press, f"m{n}", "archive", [1])) for n in range(8)]
        until(lambda: len(odoo.calls) == 3)
    assert [caller.outcome for caller in callers] == [True] * 4 + [None] * 8
    assert odoo.most_at_once == 3


def test_requests_that_share_no_call_leave_one_call_to_the_others(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=3)
    drafts(odoo, 1)
    with odoo.held_up():
        slow = [Caller(lambda: client.call("m", "mail_the_pdf")) for _ in range(5)]
        until(lambda: len(odoo.calls) == 2 and client._batcher.waiting == 3)
        posting = Caller(post(client, 1))
        until(lambda: len(odoo.calls) == 3)
        assert odoo.calls[-1].method == "action_post"
    assert posting.outcome is None
    assert all(caller.outcome is True for caller in slow)
    assert odoo.most_at_once <= 3


@pytest.mark.parametrize("batch_size", [1, 100])
def test_mails_never_overlap_and_delay_no_other_request(odoo: FakeOdoo, batch_size: int) -> None:
    client = OdooClient(odoo, calls_at_once=4, batch_size=batch_size)
    invoices = [odoo.invoice() for _ in range(5)]
    drafts(odoo, 1)
    with odoo.held_up():
        mails = [Caller(partial(client.mail, invoices[0], TO))]
        until(lambda: len(odoo.calls) == 1)
        mails += gather(client, [partial(client.mail, item, TO) for item in invoices[1:]])
        posting = Caller(post(client, 6))
        until(lambda: len(odoo.calls) == 2)
        assert [call.method for call in odoo.calls] == ["web_save", "action_post"]
    assert posting.outcome is None
    assert all(caller.outcome.went_out for caller in mails)
    assert odoo.mails == dict.fromkeys(invoices, 1)
    sent = [call for call in odoo.calls if call.method == "action_send_and_print"]
    assert len(sent) == (5 if batch_size == 1 else 2)


def test_one_call_at_a_time_serves_all_kinds_of_requests(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 1)
    assert client.call("m", "x") is True
    client.press("m", "action_post", [1])
    assert [call.method for call in odoo.calls] == ["x", "action_post"]


def test_the_oldest_request_is_sent_first_with_all_of_its_key(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 6)
    requests = [
        post(client, 1),
        lambda: client.read("m", [1], ["state"]),
        lambda: client.call("m", "x"),
        post(client, 2),
        lambda: client.read("m", [2], ["state"]),
        lambda: client.call("m", "y"),
    ]
    together(odoo, client, requests)
    assert [(call.method, call.ids) for call in odoo.calls] == [
        ("action_post", [1, 2]),
        ("read", [1, 2]),
        ("x", []),
        ("y", []),
    ]


def test_one_call_of_each_key_is_in_flight(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=4)
    drafts(odoo, 3)
    with odoo.held_up():
        callers = [Caller(post(client, 1))]
        until(lambda: len(odoo.calls) == 1)
        callers += gather(client, [post(client, 2), post(client, 3)])
        other = Caller(lambda: client.write("m", [1], {"a": 1}))
        until(lambda: len(odoo.calls) == 2)  # another key passes
    assert [caller.outcome for caller in callers] == [None] * 3
    assert other.outcome is None
    assert [call.ids for call in odoo.calls if call.method == "action_post"] == [[1], [2, 3]]


def test_requests_share_no_calls_with_a_batch_size_of_one(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=3, batch_size=1)
    drafts(odoo, 6)
    with odoo.held_up():
        callers = [Caller(post(client, n)) for n in range(1, 7)]
        until(lambda: len(odoo.calls) == 3)
    assert [caller.outcome for caller in callers] == [None] * 6
    assert sorted(call.ids for call in odoo.calls) == [[n] for n in range(1, 7)]
    assert odoo.most_at_once == 3


def test_views_of_a_client_share_its_calls(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 3)
    uk = client.with_company(2)
    requests = [post(uk, 1), post(client.with_company(2), 2), post(client, 3)]
    together(odoo, client, requests)
    assert [call.ids for call in odoo.calls] == [[1, 2], [3]]
    assert odoo.calls[0].arguments["context"] == {"lang": "en_US", "allowed_company_ids": [2]}


def test_each_call_is_reported_once_with_how_many_shared_it(odoo: FakeOdoo) -> None:
    seen: list[tuple[str, str, int]] = []
    client = OdooClient(
        odoo,
        calls_at_once=1,
        on_call=lambda _m, method, _s, outcome, requests: seen.append((method, outcome, requests)),
    )
    requests = [
        partial(client.load, "m", [{"id": f"c2c.{name}", "name": name}])
        for name in ("a", "bad", "c")
    ]
    together(odoo, client, requests)
    assert seen[1:] == [("load", "business", 3), ("load", "ok", 2)]


def test_a_call_is_traced_under_its_oldest_request(odoo: FakeOdoo) -> None:
    span: contextvars.ContextVar[str] = contextvars.ContextVar("span")
    spans: list[str] = []
    odoo.trouble = lambda call: spans.append(span.get("none"))
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 2)

    def under(name: str, record: int) -> Callable[[], None]:
        def request() -> None:
            span.set(name)
            client.press("m", "action_post", [record])

        return request

    together(odoo, client, [under("first", 1), under("second", 2)])
    assert spans == ["none", "first"]


def test_two_keys_that_arrive_together_are_in_flight_together(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=3)
    drafts(odoo, 1)
    with odoo.held_up():
        callers = [Caller(post(client, 1)), Caller(partial(client.write, "m", [1], {"a": 1}))]
        until(lambda: len(odoo.calls) == 2)
    assert [caller.outcome for caller in callers] == [None, None]


def test_a_request_is_sent_while_a_long_call_is_in_flight(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = OdooClient(odoo, calls_at_once=2)
    drafts(odoo, 1)
    with odoo.held_up():
        slow = Caller(partial(client.call, "m", "mail_the_pdf"))
        until(lambda: len(odoo.calls) == 1)
        time.sleep(0.05)  # long enough for an idle thread to end
        posting = Caller(post(client, 1))
        until(lambda: len(odoo.calls) == 2)
    assert (slow.outcome, posting.outcome) == (True, None)


# --- what is held back --------------------------------------------------------------------------


def shared(odoo: FakeOdoo, client: OdooClient) -> None:
    """Two posts that share a call of some 20 ms, of records that were not there before."""
    first, second = (odoo.add(state="draft", posted=0) for _ in range(2))
    odoo.trouble = lambda call: time.sleep(0.02)
    together(odoo, client, [post(client, first), post(client, second)])
    odoo.trouble = lambda call: None
    odoo.calls.clear()


def held_for(monkeypatch: pytest.MonkeyPatch, quiet: float, hold: float, enough: int = 25) -> None:
    monkeypatch.setattr(batch_policy, "QUIET_SHARE", quiet)
    monkeypatch.setattr(batch_policy, "MAX_HOLD_SECONDS", hold)
    monkeypatch.setattr(batch_policy, "WORTHWHILE_SIZE", enough)


def test_requests_are_held_back_after_a_shared_call_until_enough_wait(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_for(monkeypatch, quiet=5000, hold=60, enough=3)
    client = OdooClient(odoo, calls_at_once=1)
    shared(odoo, client)
    drafts(odoo, 3)
    callers = gather(client, [post(client, 3), post(client, 4)])
    assert odoo.calls == []
    callers.append(Caller(post(client, 5)))
    assert [caller.outcome for caller in callers] == [None] * 3
    assert [call.ids for call in odoo.calls] == [[3, 4, 5]]


def test_requests_held_back_are_sent_when_no_more_arrive(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_for(monkeypatch, quiet=50, hold=60)
    client = OdooClient(odoo, calls_at_once=1)
    shared(odoo, client)
    drafts(odoo, 2)
    callers = gather(client, [post(client, 3), post(client, 4)])
    assert [caller.outcome for caller in callers] == [None] * 2
    assert [call.ids for call in odoo.calls] == [[3, 4]]


def test_no_request_is_held_back_for_long_while_others_keep_arriving(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_for(monkeypatch, quiet=5000, hold=0.3)
    client = OdooClient(odoo, calls_at_once=1)
    shared(odoo, client)
    drafts(odoo, 1)
    waits = Caller(post(client, 3))
    while waits.is_alive():
        client.call("m", "x")
    assert waits.outcome is None


def test_a_lone_request_is_not_held_back_after_a_call_of_one(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_for(monkeypatch, quiet=5000, hold=60)
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 2)
    client.press("m", "action_post", [1])
    client.press("m", "action_post", [2])
    shared(odoo, client)
    client.write("m", [1], {"a": 1})  # of another key
    assert [call.method for call in odoo.calls] == ["write"]


def test_requests_are_held_back_after_a_call_of_one_while_others_are_in_flight(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_for(monkeypatch, quiet=0.0, hold=60)
    monkeypatch.setattr(batch_policy, "QUIET_SECONDS", 60)
    client = OdooClient(odoo, calls_at_once=3)
    drafts(odoo, 3)
    client.press("m", "action_post", [1])
    with odoo.held_up():
        slow = Caller(partial(client.call, "m", "mail_the_pdf"))
        until(lambda: len(odoo.calls) == 2)
        callers = gather(client, [post(client, 2), post(client, 3)])
    assert [caller.outcome for caller in (slow, *callers)] == [True, None, None]
    assert [call.ids for call in odoo.calls if call.method == "action_post"] == [[1], [2, 3]]


def test_the_last_call_of_a_key_is_forgotten_when_it_is_over_for_long(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = OdooClient(odoo, calls_at_once=1)
    shared(odoo, client)

    def remembers_shared() -> bool:
        return any(call.shared for call in client._batcher._dispatcher.traffic.last_calls.values())

    until(remembers_shared)
    monkeypatch.setattr(batch_policy, "MAX_HOLD_SECONDS", 0.0)
    client.call("m", "x")
    until(lambda: not remembers_shared())


def test_mails_wait_until_nothing_else_is_in_flight(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=2)
    invoice = odoo.invoice()
    drafts(odoo, 1)
    with odoo.held_up():
        posting = Caller(post(client, 2))
        until(lambda: len(odoo.calls) == 1)
        mailing = Caller(partial(client.mail, invoice, TO))
        time.sleep(0.05)
        assert [call.method for call in odoo.calls] == ["action_post"]
    assert posting.outcome is None
    assert mailing.outcome.went_out
    client.mail(odoo.invoice(), TO)  # and where nothing is, it goes at once


def test_mails_wait_no_longer_than_their_limit(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_policy, "LOW_PRIORITY_WAIT_SECONDS", 0.2)
    client = OdooClient(odoo, calls_at_once=2)
    invoice = odoo.invoice()
    with odoo.held_up():
        slow = Caller(partial(client.call, "m", "slow"))
        until(lambda: len(odoo.calls) == 1)
        mailing = Caller(partial(client.mail, invoice, TO))
        until(lambda: len(odoo.calls) == 2)
    assert slow.outcome is True
    assert mailing.outcome.went_out


# --- how many share a call ----------------------------------------------------------------------


def test_a_slow_call_is_followed_by_smaller_ones(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_policy, "TARGET_CALL_SECONDS", 0.1)
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 16)
    odoo.trouble = lambda call: time.sleep(0.15)
    together(odoo, client, [post(client, n) for n in range(1, 9)])
    odoo.calls.clear()
    odoo.trouble = lambda call: None
    together(odoo, client, [post(client, n) for n in range(9, 17)])
    first, second = (len(call.ids) for call in odoo.calls)
    assert 2 <= first <= 5
    assert second == 8 - first  # which may be twice as many as that


def test_mailing_begins_with_few_invoices_and_doubles_while_it_is_quick(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=1)
    invoices = [odoo.invoice() for _ in range(30)]
    outcomes = together(odoo, client, [partial(client.mail, item, TO) for item in invoices])
    assert all(outcome.went_out for outcome in outcomes)
    sent = [call for call in odoo.calls if call.method == "action_send_and_print"]
    assert [odoo.in_wizard(call.ids[0]) for call in sent] == [4, 8, 16, 2]
    assert odoo.mails == dict.fromkeys(invoices, 1)


def test_mailing_does_not_grow_when_it_is_slow(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_policy, "TARGET_CALL_SECONDS", 0.1)
    odoo.trouble = lambda call: time.sleep(0.15) if call.method == "action_send_and_print" else None
    client = OdooClient(odoo, calls_at_once=1)
    invoices = [odoo.invoice() for _ in range(7)]
    together(odoo, client, [partial(client.mail, item, TO) for item in invoices])
    sent = [call for call in odoo.calls if call.method == "action_send_and_print"]
    sizes = [odoo.in_wizard(call.ids[0]) for call in sent]
    assert sizes[0] == 4
    assert max(sizes[1:]) <= 2
    assert odoo.mails == dict.fromkeys(invoices, 1)


# --- callers that are cancelled or late ---------------------------------------------------------


def test_the_request_of_a_cancelled_caller_is_not_sent_and_the_others_are(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 3)
    with odoo.held_up():
        first = Caller(lambda: client.call("m", "x"))
        until(lambda: len(odoo.calls) == 1)
        callers = gather(client, [post(client, n) for n in (1, 2, 3)])
        callers[1].cancel()
        assert isinstance(callers[1].outcome, Cancelled)
    assert first.outcome is True
    assert (callers[0].outcome, callers[2].outcome) == (None, None)
    assert [call.ids for call in odoo.calls[1:]] == [[1, 3]]


def test_a_request_in_flight_is_carried_out_without_its_caller(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 2)
    with odoo.held_up():
        gone = Caller(post(client, 1))
        until(lambda: len(odoo.calls) == 1)
        [waits] = gather(client, [post(client, 2)])
        gone.cancel()
        assert isinstance(gone.outcome, Cancelled)
    assert waits.outcome is None
    assert [record["posted"] for record in odoo.records.values()] == [1, 1]


def test_the_request_of_a_cancelled_caller_is_not_sent_again_with_the_others(
    odoo: FakeOdoo,
) -> None:
    client = OdooClient(odoo, calls_at_once=1)
    refused = threading.Event()
    proceed = threading.Event()

    def answer(call: Call) -> Any:
        if call.method == "load" and not refused.is_set():
            refused.set()
            assert proceed.wait(20)

    odoo.trouble = answer
    with odoo.held_up():
        first = Caller(lambda: client.call("m", "x"))
        until(lambda: len(odoo.calls) == 1)
        names = ("a", "bad", "c")
        callers = gather(
            client,
            [
                partial(client.load, "m", [{"id": f"c2c.{n}", "name": name}])
                for n, name in enumerate(names)
            ],
        )
    assert first.outcome is True
    until(refused.is_set)
    callers[0].cancel()
    assert isinstance(callers[0].outcome, Cancelled)
    proceed.set()
    assert isinstance(callers[1].outcome, LoadRefused)
    assert callers[2].outcome == [1]
    assert [call.names for call in odoo.calls[1:]] == [["c2c.0", "c2c.1", "c2c.2"], ["c2c.2"]]


def test_callers_cancelled_at_any_line_do_not_affect_the_others(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "WAKE_SECONDS", 0.0005)
    client = OdooClient(odoo, calls_at_once=2, batch_size=5)
    drafts(odoo, 300)
    odoo.trouble = lambda call: time.sleep(0.001)
    chance = random.Random(7)  # noqa: S311
    callers: list[Caller] = []
    for record in range(1, 301):
        callers.append(Caller(post(client, record)))
        if chance.random() < 0.5:
            time.sleep(chance.random() / 1000)  # so that it is at any line, not to wait for it
            chance.choice(callers[-10:]).cancel()
    outcomes = [caller.outcome for caller in callers]
    cancelled = sum(1 for outcome in outcomes if isinstance(outcome, Cancelled))
    print(f"\ncancelled {cancelled} of 300, in {len(odoo.calls)} calls")
    assert 0 < cancelled < 200
    assert outcomes.count(None) == 300 - cancelled
    client.press("m", "action_post", [odoo.add(state="draft", posted=0)])
    until(lambda: client._batcher.waiting == 0)
    posted = [odoo.records[number]["posted"] for number in range(1, 301)]
    assert all(
        count == 1 if outcome is None else count <= 1
        for count, outcome in zip(posted, outcomes, strict=True)
    )


def test_a_request_that_waits_too_long_is_not_sent(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_policy, "MAX_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(batching, "WAKE_SECONDS", 0.02)
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 2)
    with odoo.held_up():
        first = Caller(post(client, 1))
        until(lambda: len(odoo.calls) == 1)
        error = Caller(post(client, 2)).outcome
        assert (error.kind, error.code) == (FailureKind.TRANSIENT, "client_busy")
        assert not error.maybe_done
    assert first.outcome is None  # who is under way is waited for
    assert [call.ids for call in odoo.calls] == [[1]]


def test_a_request_that_is_too_late_is_not_sent_again(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_policy, "MAX_WAIT_SECONDS", 0.2)
    client = OdooClient(odoo, calls_at_once=1)
    drafts(odoo, 2)

    def refused_late(call: Call) -> Any:
        if len(call.ids) == 2:
            time.sleep(0.25)
            raise business()

    odoo.trouble = refused_late
    outcomes = together(odoo, client, [post(client, 1), post(client, 2)])
    assert [outcome.code for outcome in outcomes] == ["client_busy"] * 2
    assert len(odoo.calls) == 1


# --- threads and closing ------------------------------------------------------------------------


def test_closing_ends_waiting_requests_and_the_threads(odoo: FakeOdoo) -> None:
    before = threads()
    client = OdooClient(odoo, calls_at_once=2)
    drafts(odoo, 3)
    with odoo.held_up():
        under_way = Caller(post(client, 1))
        until(lambda: len(odoo.calls) == 1)
        waiting = gather(client, [post(client, 2), post(client, 3)])
        client.close()
        for caller in waiting:
            error = caller.outcome
            assert (error.kind, error.code) == (FailureKind.TRANSIENT, "client_closed")
    assert under_way.outcome is None
    assert len({id(caller.outcome) for caller in waiting}) == 2
    until(lambda: threads() <= before)
    with pytest.raises(GatewayError) as caught:
        client.call("m", "x")
    assert caught.value.code == "client_closed"
    client.close()


def test_an_idle_client_keeps_one_thread_and_a_dropped_client_none(odoo: FakeOdoo) -> None:
    before = threads()
    client = OdooClient(odoo)
    dispatcher = client._batcher._dispatcher
    for _ in range(20):
        assert client.call("m", "x") is True
        until(lambda: threads() <= before + 1)
    assert not dispatcher.has_ended
    del client
    until(lambda: dispatcher.has_ended and threads() <= before)


def test_a_request_fails_as_busy_when_no_thread_can_be_started(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = OdooClient(odoo)

    start = threading.Thread.start

    def start_no_call(thread: threading.Thread) -> None:
        if thread.name == "odoo-call":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start_no_call)
        callers = [Caller(partial(client.call, "m", "x")) for _ in range(5)]
        assert [caller.outcome.code for caller in callers] == ["client_busy"] * 5
    assert client.call("m", "x") is True
    assert len(odoo.calls) == 1


def test_a_request_waits_for_no_dispatcher_that_failed(
    odoo: FakeOdoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: Any) -> None:
        raise ZeroDivisionError("in our own code")

    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    monkeypatch.setattr(batching, "plan", defect)
    client = OdooClient(odoo)
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            client.call("m", "x")
        assert caught.value.code == "client_closed"
    until(lambda: len(seen) == 1)


def test_no_key_is_kept_when_nothing_waits_under_it(odoo: FakeOdoo) -> None:
    client = OdooClient(odoo)
    drafts(odoo, 1)
    for number in range(50):
        client.write("m", [1], {"a": number})
    until(lambda: not client._batcher._dispatcher.traffic.waiting)


def test_a_number_that_json_lacks_fails_its_own_request_only() -> None:
    entered, proceed = threading.Event(), threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/x"):
            entered.set()
            assert proceed.wait(20)
        return httpx.Response(200, json=True)

    client = connect(
        "http://localhost:1",
        "db",
        Secret.of("key"),
        calls_at_once=1,
        http_transport=httpx.MockTransport(answer),
    )
    first = Caller(lambda: client.call("m", "x"))
    until(entered.is_set)
    bad, good = gather(
        client,
        [
            lambda: client.write("m", [1], {"a": float("nan")}),
            lambda: client.write("m", [2], {"a": 1}),
        ],
    )
    proceed.set()
    assert first.outcome is True
    assert good.outcome is None
    assert isinstance(bad.outcome, ValueError)
