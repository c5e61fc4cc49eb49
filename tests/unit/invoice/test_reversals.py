"""What a processor says of a payment, told as short stories without Temporal and without Odoo."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contracts.agenda.actions import Answered, Failed, SignalReceived
from contracts.invoice import payments, reversals
from contracts.invoice.messages import PaymentNotice, PaymentReported, WriteOffAsked
from contracts.invoice.state import InvoiceStage, InvoiceState, ReversalStage
from contracts.parking import Action as Choice
from contracts.processors import MAX_REVERSALS, ProcessorPayment, Reversal, ReversalKind
from tests.unit.examples import MONDAY, SAM, euros
from tests.unit.invoice import odoo as model
from tests.unit.invoice.odoo import TOTAL
from tests.unit.invoice.played import Play, decision, swept, told
from tests.unit.invoice.test_core import (
    LOST,
    act,
    approved,
    fail,
    notes,
    parked,
    posted,
    refusal,
    running,
    say,
    settle_news,
)

REFUND = Reversal(id="re_1", kind=ReversalKind.REFUND, amount=euros("630.00"), on=MONDAY)
CHARGEBACK = Reversal(
    id="du_1", kind=ReversalKind.CHARGEBACK, amount=TOTAL, on=MONDAY, reason="fraudulent"
)
FAILURE = Reversal(id="pi_1 failure", kind=ReversalKind.FAILURE, amount=TOTAL, on=MONDAY)
REVERSE, REGISTER = "reverse_payment", "register_payment:pi_1"


def report(
    state: InvoiceState,
    *undone: Reversal,
    is_money: bool = True,
    read_at: datetime | None = None,
) -> PaymentReported:
    payment = ProcessorPayment(
        payment_id="pi_1",
        amount=TOTAL,
        is_money=is_money,
        paid_on=MONDAY,
        reversals=undone,
    )
    return PaymentReported(
        system="stripe", journal="STRP", payment=payment, read_at=read_at or state.clock
    )


def hear(play: Play, *undone: Reversal, is_money: bool = True) -> Play:
    heard = SignalReceived(report(play.state, *undone, is_money=is_money))
    return told(play, heard)


def done(play: Play) -> Play:
    """Everything that is under way succeeds."""
    while running(play):
        play = act(play, running(play)[0])
    return settle_news(play)


def paid() -> Play:
    return done(hear(posted()))


def stages(play: Play) -> list[tuple[str, ReversalStage]]:
    return [(item.key, item.stage) for item in play.state.reversals]


def test_a_payment_is_booked_once_in_the_processor_s_journal() -> None:
    play = hear(posted())
    assert running(play) == [REGISTER]
    assert [item.journal for item in play.state.payments] == ["STRP"]
    play = done(play)
    assert play.state.stage is InvoiceStage.PAID
    again = hear(play)
    assert (running(again), again.odoo.payments) == ([], ("pi_1",))


def test_what_was_undone_before_it_was_known_is_not_booked() -> None:
    for play in (
        hear(posted(), CHARGEBACK),
        hear(posted(), FAILURE, is_money=False),
        hear(posted(), is_money=False),
    ):
        assert (running(play), play.state.known_payments, play.state.reversals) == ([], {}, ())


def test_a_refund_opens_the_invoice_by_its_amount() -> None:
    play = hear(paid(), REFUND)
    assert running(play) == [f"{REVERSE}:re_1"]
    play = done(play)
    assert play.state.stage is InvoiceStage.PARTIALLY_PAID
    assert play.state.balance is not None
    assert play.state.balance.residual == euros("630.00")
    assert (play.state.dispute, play.state.settles_at) == (None, None)
    assert running(hear(play, REFUND)) == []


def test_both_that_come_in_one_report_are_booked_in_their_order() -> None:
    play = hear(posted(), REFUND)
    assert running(play) == [REGISTER]
    assert running(act(play, REGISTER)) == [f"{REVERSE}:re_1"]


def test_a_chargeback_is_disputed_until_it_is_won() -> None:
    play = done(hear(paid(), CHARGEBACK))
    assert play.state.dispute is not None
    assert (play.state.dispute.amount, play.state.dispute.by) == (TOTAL, "stripe")
    assert "fraudulent" in play.state.dispute.reason
    play = hear(play)
    assert running(play) == ["register_payment:du_1 undone"]
    assert play.state.dispute is None
    play = done(play)
    assert play.state.stage is InvoiceStage.PAID
    assert stages(play) == [("du_1", ReversalStage.RESTORED)]
    assert running(hear(play)) == []


def test_a_failure_is_undone_and_fails_again_under_another_reference() -> None:
    play = done(hear(paid(), FAILURE, is_money=False))
    assert play.state.stage is InvoiceStage.OPEN
    # On its way again: not money yet, so nothing is made good.
    assert running(hear(play, FAILURE, is_money=False)) == []
    play = done(hear(play))
    assert play.state.stage is InvoiceStage.PAID
    play = hear(play, FAILURE, is_money=False)
    assert running(play) == [f"{REVERSE}:pi_1 failure #2"]
    assert done(play).state.stage is InvoiceStage.OPEN


def test_what_stands_again_waits_for_what_made_it_good_and_undoes_that_too() -> None:
    play = done(hear(paid(), FAILURE, is_money=False))
    play = hear(play)
    restoring = "register_payment:pi_1 failure undone"
    assert running(play) == [restoring]
    play = hear(play, FAILURE, is_money=False)
    assert running(play) == [restoring]
    play = act(play, restoring)
    assert running(play) == [f"{REVERSE}:pi_1 failure #2"]
    second = reversals.of_key(play.state, "pi_1 failure #2")
    assert reversals.others_booked(play.state, second) == ("pi_1 failure",)
    assert reversals.restored_by(play.state, second) == ("pi_1 failure undone",)


def test_whoever_gave_up_what_made_a_reversal_good_hears_that_it_stands_again() -> None:
    play = hear(done(hear(paid(), FAILURE, is_money=False)))
    restoring = "register_payment:pi_1 failure undone"
    play = fail(play, restoring, model.refused("odoo_refused"))
    play = done(say(play, decision(play.state.exceptions[0].step, Choice.SKIP)))
    play = hear(play, FAILURE, is_money=False)
    assert [code for _, code in parked(play)] == ["payment_reversed"]
    assert running(play) == []


def test_an_older_reading_that_comes_later_changes_nothing() -> None:
    play = done(hear(paid(), REFUND))
    old = report(play.state, read_at=play.state.clock - timedelta(seconds=1))
    assert told(play, SignalReceived(old)).state.reversals == play.state.reversals


def test_what_is_undone_before_it_is_booked_is_forgotten() -> None:
    play = fail(hear(paid(), REFUND), f"{REVERSE}:re_1", model.refused("odoo_refused"))
    assert [code for _, code in parked(play)] == ["odoo_refused"]
    play = hear(play)
    assert (parked(play), play.state.reversals, running(play)) == ([], (), [])


def test_what_is_undone_while_it_is_booked_is_made_good_after_that() -> None:
    play = hear(paid(), REFUND)
    play = hear(play)
    assert running(play) == [f"{REVERSE}:re_1"]
    play = act(play, f"{REVERSE}:re_1")
    assert running(play) == ["register_payment:re_1 undone"]


def test_what_may_be_booked_is_found_out_although_it_is_undone() -> None:
    play = fail(hear(paid(), REFUND), f"{REVERSE}:re_1", LOST)
    play = hear(play)
    assert play.state.uncertain == (f"{REVERSE}:re_1",)
    play = say(play, decision(play.state.exceptions[0].step, Choice.RETRY))
    assert running(play) == [f"{REVERSE}:re_1"]
    assert running(act(play, f"{REVERSE}:re_1")) == ["register_payment:re_1 undone"]


def test_whoever_gave_a_payment_up_hears_what_undoes_it() -> None:
    play = fail(hear(posted()), REGISTER, model.refused("odoo_refused"))
    play = done(say(play, decision(play.state.exceptions[0].step, Choice.SKIP)))
    play = hear(play, REFUND)
    assert [code for _, code in parked(play)] == ["payment_reversed"]
    assert running(play) == []
    play = say(play, decision(play.state.exceptions[0].step, Choice.SKIP))
    play = hear(play)
    assert [code for _, code in parked(play)] == ["payment_reversed"]


def test_a_reversal_that_a_person_books_is_left_to_them() -> None:
    play = fail(hear(paid(), REFUND), f"{REVERSE}:re_1", model.refused("payment_missing"))
    play = say(play, decision(play.state.exceptions[0].step, Choice.SKIP))
    assert (stages(play), parked(play)) == ([("re_1", ReversalStage.LEFT)], [])
    assert running(play) == ["take_back:reversal:re_1"], "Odoo may have a draft of it"
    play = settle_news(act(play, "take_back:reversal:re_1"))
    assert running(hear(play, REFUND)) == []
    assert [code for _, code in parked(hear(play))] == ["payment_reversed"]


def test_another_amount_of_a_known_reversal_is_for_a_person() -> None:
    play = done(hear(paid(), REFUND))
    play = hear(play, REFUND.replace(amount=euros("700.00")))
    assert [code for _, code in parked(play)] == ["payment_differs"]


def test_what_undoes_a_booked_payment_is_taken_however_much_waits_for_people() -> None:
    play = done(hear(paid(), REFUND))
    for number in range(payments.MAX_QUESTIONS):
        amount = euros(f"{631 + number}.00")
        play = hear(play, REFUND.replace(amount=amount))
    assert len(play.state.payment_questions) == payments.MAX_QUESTIONS
    more = REFUND.replace(id="re_2", amount=euros("1.00"))
    assert f"{REVERSE}:re_2" in running(hear(play, REFUND, more))


def test_new_money_is_taken_however_much_waits_for_people() -> None:
    play = done(hear(paid(), REFUND))
    for number in range(payments.MAX_QUESTIONS):
        play = hear(play, REFUND.replace(amount=euros(f"{631 + number}.00")))
    notice = PaymentNotice(reference="pi_2", amount=euros("630.00"), paid_on=MONDAY)
    assert "register_payment:pi_2" in running(told(play, SignalReceived(notice)))
    differs = SignalReceived(notice.model_copy(update={"reference": "pi_1"}))
    asked = told(play, differs).state.payment_questions
    assert len(asked) == payments.MAX_QUESTIONS, "what people would be asked has a bound"


def test_reversals_that_are_known_count_once() -> None:
    many = [
        REFUND.replace(id=f"re_{number}", amount=euros("1.00")) for number in range(MAX_REVERSALS)
    ]
    play = told(paid(), SignalReceived(report(paid().state, *many)))
    other = report(play.state, *(item.replace(id=f"x{item.id}") for item in many[:50]))
    other = other.replace(payment=other.payment.replace(payment_id="pi_2"))
    play = told(play, SignalReceived(other))
    assert len(play.state.reversals) == MAX_REVERSALS + 50
    play = hear(play, *many[:-1])
    assert many[-1].id not in [key for key, _ in stages(play)]


def test_a_write_off_waits_for_what_undoes_a_payment() -> None:
    play = hear(paid(), REFUND)
    asked = WriteOffAsked(by=SAM, reason="bankrupt")
    assert "nothing is open" in str(refusal(play, asked))
    stuck = fail(play, f"{REVERSE}:re_1", model.refused("odoo_refused"))
    partly = swept(replace(stuck, odoo=stuck.odoo.now(residual=euros("10.00"))))
    assert "on its way" in str(refusal(partly, asked))


def test_a_report_before_the_invoice_is_posted_is_kept() -> None:
    play = hear(approved(), REFUND)
    assert running(play) == ["post_invoice"]
    play = act(play, "post_invoice")
    assert REGISTER in running(play)
    assert done(play).state.stage is InvoiceStage.PARTIALLY_PAID


# --- the page to pay on ---------------------------------------------------------------------------


@pytest.fixture
def with_links(monkeypatch: pytest.MonkeyPatch) -> None:
    linked = model.rules.model_copy(update={"payment_links": "stripe"})
    monkeypatch.setattr(model, "rules", linked)


@pytest.mark.usefixtures("with_links")
def test_an_invoice_is_mailed_with_a_page_to_pay_on() -> None:
    play = act(approved(), "post_invoice")
    assert running(play) == ["payment_link"]
    play = act(play, "payment_link")
    assert running(play) == ["deliver"]
    assert play.state.payment_link is not None
    assert "https://pay.example/1" in notes(play)


@pytest.mark.usefixtures("with_links")
@pytest.mark.parametrize("kind", ["transient", "business", "credentials", "defect"])
def test_an_invoice_does_not_wait_for_the_page(kind: str) -> None:
    play = act(approved(), "post_invoice")
    play = told(play, Answered("payment_link", Failed(kind, "payment_link_refused", "away")))
    assert running(play) == ["deliver"]
    assert (parked(play), play.state.payment_link) == ([], None)
    assert "Mailed without a link: away" in notes(play)


def test_a_page_is_made_only_where_it_is_wanted() -> None:
    assert running(act(approved(), "post_invoice")) == ["deliver"]
