"""Invoices are mailed once, many in a call, and one that cannot be mailed fails alone."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.odoo import Mailed, OdooClient, batch_policy
from tests.unit.batched import TO, Call, FakeOdoo, business, together, transient

ONE, MANY = "account.move.send.wizard", "account.move.send.batch.wizard"


@pytest.fixture
def odoo() -> FakeOdoo:
    return FakeOdoo()


@pytest.fixture
def client(odoo: FakeOdoo) -> OdooClient:
    return OdooClient(odoo, calls_at_once=1)


def mailed(odoo: FakeOdoo, client: OdooClient, invoices: list[int]) -> list[Any]:
    return together(odoo, client, [partial(client.mail, invoice, TO) for invoice in invoices])


def calls(odoo: FakeOdoo) -> list[tuple[str, str]]:
    return [(call.model, call.method) for call in odoo.calls]


def test_one_invoice_takes_three_calls(odoo: FakeOdoo, client: OdooClient) -> None:
    invoice = odoo.invoice()
    assert client.mail(invoice, TO) == Mailed("sent")
    assert calls(odoo) == [
        (ONE, "web_save"),
        (ONE, "action_send_and_print"),
        ("account.move", "web_read"),
    ]
    assert odoo.mails == {invoice: 1}


def test_several_invoices_take_three_calls(odoo: FakeOdoo, client: OdooClient) -> None:
    invoices = [odoo.invoice() for _ in range(4)]
    assert mailed(odoo, client, invoices) == [Mailed("sent")] * 4
    assert calls(odoo) == [
        (MANY, "web_save"),
        (MANY, "action_send_and_print"),
        ("account.move", "web_read"),
    ]
    assert odoo.mails == dict.fromkeys(invoices, 1)


def test_nothing_is_mailed_to_another_address_than_was_asked_for(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    first, moved, last = (odoo.invoice() for _ in range(3))
    odoo.records[moved]["email"] = "new@acme.example"
    outcomes = mailed(odoo, client, [first, moved, last])
    assert outcomes == [
        Mailed("sent"),
        Mailed(instead={"mailed_to": "new@acme.example"}),
        Mailed("sent"),
    ]
    assert not outcomes[1].went_out
    assert odoo.mails == {first: 1, moved: 0, last: 1}
    assert client.mail(moved, TO) == Mailed(instead={"mailed_to": "new@acme.example"})
    assert client.mail(moved, {"mailed_to": "new@acme.example"}, again=True) == Mailed("sent")
    assert odoo.mails[moved] == 1


@pytest.mark.parametrize("status", ["sent", "ready", "process", "pending"])
def test_an_invoice_mailed_already_is_not_mailed_again(
    odoo: FakeOdoo, client: OdooClient, status: str
) -> None:
    invoice = odoo.invoice()
    odoo.notify(invoice, status)
    assert client.mail(invoice, TO) == Mailed(status)
    assert calls(odoo) == [(ONE, "web_save")]
    assert odoo.mails == {invoice: 0}


@pytest.mark.parametrize("status", ["exception", "bounce", "canceled"])
def test_an_invoice_whose_mail_failed_is_mailed_again(
    odoo: FakeOdoo, client: OdooClient, status: str
) -> None:
    invoice = odoo.invoice()
    odoo.notify(invoice, "sent")
    odoo.notify(invoice, status, reason="mail_smtp")
    assert client.mail(invoice, TO) == Mailed("sent")
    assert odoo.mails == {invoice: 1}


def test_other_notifications_do_not_count_as_mailed(odoo: FakeOdoo, client: OdooClient) -> None:
    invoice = odoo.invoice()
    odoo.notify(invoice, "sent", kind="inbox")
    assert client.mail(invoice, TO) == Mailed("sent")
    assert odoo.mails == {invoice: 1}


def test_only_those_not_mailed_yet_are_mailed(odoo: FakeOdoo, client: OdooClient) -> None:
    there, new, other = (odoo.invoice() for _ in range(3))
    odoo.notify(there, "sent")
    assert mailed(odoo, client, [there, new, other]) == [Mailed("sent")] * 3
    assert odoo.mails == {there: 0, new: 1, other: 1}


def test_invoices_of_two_companies_share_no_wizard(odoo: FakeOdoo, client: OdooClient) -> None:
    invoices = [odoo.invoice(company=company) for company in (1, 2, 1)]
    assert mailed(odoo, client, invoices) == [Mailed("sent")] * 3
    assert odoo.mails == dict.fromkeys(invoices, 1)
    sent = [call for call in odoo.calls if call.method == "action_send_and_print"]
    assert [odoo.in_wizard(call.ids[0]) for call in sent] == [2, 1]


def test_each_request_gets_the_outcome_of_its_own_mail(odoo: FakeOdoo, client: OdooClient) -> None:
    invoices = [odoo.invoice() for _ in range(3)]
    odoo.records[invoices[1]]["fares"] = "exception"
    outcomes = mailed(odoo, client, invoices)
    assert [outcome.went_out for outcome in outcomes] == [True, False, True]
    assert outcomes[1].status == "exception"


@pytest.mark.parametrize("flaw", [{"state": "draft"}, {"refused": True}])
def test_an_invoice_that_cannot_be_mailed_fails_alone_and_none_is_mailed_twice(
    odoo: FakeOdoo, client: OdooClient, flaw: dict[str, Any]
) -> None:
    invoices = [odoo.invoice(company=1 + number % 2) for number in range(4)]
    odoo.records[invoices[2]] |= flaw
    outcomes = mailed(odoo, client, invoices)
    assert isinstance(outcomes.pop(2), GatewayError)
    assert outcomes == [Mailed("sent")] * 3
    assert [odoo.mails[invoice] for invoice in invoices] == [1, 1, 0, 1]


def test_a_repeat_mails_nothing_when_the_answer_was_lost(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    invoices = [odoo.invoice() for _ in range(3)]
    lost: list[Call] = []

    def lose(call: Call) -> Any:
        if call.method == "action_send_and_print" and not lost:
            lost.append(call)
            odoo._send(call)
            raise transient("no_answer", maybe_done=True)

    odoo.trouble = lose
    outcomes = mailed(odoo, client, invoices)
    assert [outcome.code for outcome in outcomes] == ["no_answer"] * 3
    assert mailed(odoo, client, invoices) == [Mailed("sent")] * 3
    assert odoo.mails == dict.fromkeys(invoices, 1)


# --- repeats while an earlier call may still be mailing -----------------------------------------


def under_way(odoo: FakeOdoo, *invoices: int) -> None:
    """A worker was killed while Odoo mails these."""
    lost = OdooClient(odoo, calls_at_once=1)
    odoo.trouble = lambda call: _end(call)
    for outcome in mailed(odoo, lost, list(invoices)):
        assert outcome.maybe_done
    odoo.trouble = lambda call: None
    odoo.calls.clear()


def _end(call: Call) -> None:
    if call.method == "action_send_and_print":
        raise transient("no_answer", maybe_done=True)


def test_a_repeat_waits_while_an_earlier_call_may_still_mail(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    invoice = odoo.invoice()
    under_way(odoo, invoice)
    for _ in range(3):  # who looks is not in the way of who looks next
        odoo.now += timedelta(seconds=3)
        with pytest.raises(GatewayError) as caught:
            OdooClient(odoo, calls_at_once=1).mail(invoice, TO, again=True)
        assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "under_way")
    assert caught.value.retry_after == timedelta(seconds=1)
    assert odoo.mails == {invoice: 0}
    odoo.now += timedelta(seconds=1)
    assert client.mail(invoice, TO, again=True) == Mailed("sent")
    assert odoo.mails == {invoice: 1}


def test_a_repeat_sees_what_was_mailed_meanwhile(odoo: FakeOdoo, client: OdooClient) -> None:
    invoice = odoo.invoice()
    under_way(odoo, invoice)

    def ends(call: Call) -> None:
        if call.method == "unlink":
            odoo.notify(invoice, "sent")

    odoo.trouble = ends
    assert client.mail(invoice, TO, again=True) == Mailed("sent")
    assert odoo.mails == {invoice: 0}


def test_a_wizard_that_is_gone_counts_as_deleted(odoo: FakeOdoo, client: OdooClient) -> None:
    invoice = odoo.invoice()
    under_way(odoo, invoice)

    def gone(call: Call) -> None:
        if call.method == "unlink":
            raise business("record_missing")

    odoo.trouble = gone
    with pytest.raises(GatewayError) as caught:
        client.mail(invoice, TO, again=True)
    assert caught.value.code == "under_way"


def test_a_wizard_that_is_gone_before_it_is_pressed_is_a_conflict(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    invoice = odoo.invoice()

    def gone(call: Call) -> None:
        if call.method == "action_send_and_print":
            raise business("record_missing")

    odoo.trouble = gone
    with pytest.raises(GatewayError) as caught:
        client.mail(invoice, TO)
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "conflict")
    assert odoo.mails == {invoice: 0}


def test_a_repeat_waits_longer_for_a_call_of_many(odoo: FakeOdoo, client: OdooClient) -> None:
    invoices = [odoo.invoice() for _ in range(4)]
    under_way(odoo, *invoices)
    odoo.now += timedelta(seconds=24)
    with pytest.raises(GatewayError) as caught:
        client.mail(invoices[2], TO, again=True)
    assert caught.value.code == "under_way"
    odoo.now += timedelta(seconds=1)
    assert client.mail(invoices[2], TO, again=True) == Mailed("sent")


def test_only_the_repeated_request_waits(odoo: FakeOdoo, client: OdooClient) -> None:
    doubtful, others = odoo.invoice(), [odoo.invoice() for _ in range(2)]
    under_way(odoo, doubtful)
    requests = [
        partial(client.mail, doubtful, TO, again=True),
        *(partial(client.mail, invoice, TO) for invoice in others),
    ]
    waits, *outcomes = together(odoo, client, requests)
    assert waits.code == "under_way"
    assert outcomes == [Mailed("sent")] * 2
    assert odoo.mails == {doubtful: 0} | dict.fromkeys(others, 1)


def test_a_repeat_does_not_wait_for_a_refused_call(odoo: FakeOdoo, client: OdooClient) -> None:
    good, bad = odoo.invoice(), odoo.invoice()
    odoo.records[bad]["refused"] = True
    for _ in range(2):
        requests = [partial(client.mail, invoice, TO, again=True) for invoice in (good, bad)]
        sent, refused = together(odoo, client, requests)
        assert sent == Mailed("sent")
        assert refused.code == "odoo_refused"
    odoo.records[bad]["refused"] = False
    assert client.mail(bad, TO, again=True) == Mailed("sent")
    assert odoo.mails == {good: 1, bad: 1}


def test_a_request_past_its_deadline_after_the_first_call_is_not_mailed(
    odoo: FakeOdoo, client: OdooClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_policy, "MAX_WAIT_SECONDS", 0.2)
    odoo.trouble = lambda call: time.sleep(0.25)
    invoice = odoo.invoice()
    with pytest.raises(GatewayError) as caught:
        client.mail(invoice, TO)
    assert caught.value.code == "client_busy"
    assert odoo.mails == {invoice: 0}


def test_many_are_tried_once_when_odoo_makes_one_pdf_at_a_time(
    odoo: FakeOdoo, client: OdooClient
) -> None:
    def unpatched(call: Call) -> Any:
        if call.model == MANY and call.method == "action_send_and_print":
            raise business("one_pdf_at_a_time")

    odoo.trouble = unpatched
    invoices = [odoo.invoice() for _ in range(8)]
    assert mailed(odoo, client, invoices) == [Mailed("sent")] * 8
    assert odoo.mails == dict.fromkeys(invoices, 1)
    asked = [call for call in odoo.calls if call.method == "action_send_and_print"]
    assert [call.model for call in asked] == [MANY, *[ONE] * 8]
