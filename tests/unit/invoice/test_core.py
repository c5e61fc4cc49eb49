"""What an invoice decides, told as short stories without Temporal and without Odoo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from contracts.agenda.actions import (
    Action,
    Answered,
    ClockRang,
    Done,
    Failed,
    Result,
    SignalReceived,
    UpdateReceived,
)
from contracts.approvals import Decision
from contracts.invoice import acts, rules
from contracts.invoice.answers import Draft
from contracts.invoice.messages import (
    ContractRenewed,
    CreditApplied,
    DisputeOpened,
    DisputeResolved,
    PaymentNotice,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.payments import MAX_PAYMENTS
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.money import Money
from contracts.parking import Action as Choice
from tests.unit.examples import ANA, BOB, CLEO, MONDAY, SAM, content, euros
from tests.unit.invoice import odoo as model
from tests.unit.invoice.odoo import MORE, TOTAL, ZERO
from tests.unit.invoice.played import (
    Play,
    beginning,
    decision,
    payment,
    succeeded,
    swept,
    told,
    vote,
)

LOST = Failed("transient", "no_answer", "silence", maybe_done=True)
LOCKED = Failed("business", "period_locked", "March is closed")
CLOSED_JOURNAL = Failed("business", "odoo_refused", "the journal is locked")


# --- verbs ------------------------------------------------------------------------------------


def paid(reference: str, amount: str) -> PaymentReceived:
    return PaymentReceived(reference=reference, amount=euros(amount), paid_on=MONDAY)


def running(play: Play) -> list[str]:
    """What is under way, words to the contract aside."""
    return [key for key in play.state.running if key != "tell_contract"]


def act(play: Play, key: str) -> Play:
    """The running act of this key succeeds."""
    return succeeded(play, play.state.running[key])


def fail(play: Play, key: str, failure: Failed) -> Play:
    """The running act of this key fails, and the contract hears of what is parked."""
    return settle_news(told(play, Answered(key, failure)))


def say(play: Play, message: object) -> Play:
    """Send an Update, which has to be accepted."""
    assert refusal(play, message) is None
    return told(play, UpdateReceived(message))


def refusal(play: Play, message: object) -> str | None:
    return rules.AGENDA.refusal(play.state, message, play.state.clock)


def skip_to(play: Play, now: datetime) -> Play:
    return told(play, ClockRang(), now)


def wake(play: Play) -> Play:
    """The next time comes at which time alone changes something."""
    at = rules.AGENDA.next_wake(play.state)
    assert at is not None
    return skip_to(play, at)


def parked(play: Play) -> list[tuple[str, str]]:
    return [(item.step, item.code) for item in play.state.exceptions]


def notes(play: Play) -> str:
    return "\n".join(entry.text for entry in play.state.journal.entries)


def proposed() -> Play:
    """The draft stands in Odoo and awaits approval."""
    return act(beginning(), "create_invoice")


def approved() -> Play:
    play = proposed()
    return say(play, vote(play.state, BOB, Decision.APPROVE))


def posted() -> Play:
    """Posted, delivered, and the contract knows."""
    play = act(approved(), "post_invoice")
    return act(act(play, "deliver"), "tell_contract")


def late() -> Play:
    """Past its due date; the contract knows."""
    play = wake(posted())
    return act(play, "tell_contract")


def settle_news(play: Play) -> Play:
    while "tell_contract" in play.state.running:
        play = act(play, "tell_contract")
    return play


# --- until it is posted -----------------------------------------------------------------------


def test_the_draft_is_made_first_and_posted_once_it_is_approved() -> None:
    play = beginning()
    assert running(play) == ["create_invoice"]
    play = act(play, "create_invoice")
    assert (play.state.stage, running(play)) == (InvoiceStage.AWAITING_APPROVAL, [])
    play = say(play, vote(play.state, BOB, Decision.APPROVE))
    assert (play.state.stage, running(play)) == (InvoiceStage.APPROVED, ["post_invoice"])
    play = act(play, "post_invoice")
    # Delivery and the contract do not wait for each other.
    assert list(play.state.running) == ["deliver", "tell_contract"]
    assert play.told == ""
    play = act(act(play, "tell_contract"), "deliver")
    assert (play.state.stage, running(play)) == (InvoiceStage.OPEN, [])


def test_nothing_can_be_decided_before_there_is_a_draft_nor_after_it_is_decided() -> None:
    word = vote(proposed().state, BOB, Decision.APPROVE)
    early = beginning()
    assert "still being prepared" in str(refusal(early, word))
    assert "the invoice is approved" in str(refusal(approved(), word))


def test_tax_that_changed_since_voids_the_approval() -> None:
    play = approved()
    # Parked over night: its date is another one, so that the draft is written again.
    play = fail(play, "post_invoice", LOCKED)
    play = skip_to(play, play.state.clock + timedelta(days=1))
    assert running(play) == ["create_invoice"]
    draft = Draft(
        invoice_id=model.INVOICE_ID,
        invoice_on=play.state.today,
        content=play.odoo.says.model_copy(update={"totals": content("3631.00").totals}),
        policy=model.rules,
    )
    play = told(play, Answered("create_invoice", Done(draft)))
    assert play.state.stage is InvoiceStage.AWAITING_APPROVAL
    assert not play.state.open_round or not play.state.open_round.approvals
    assert "approvals are void" in notes(play)


def test_a_draft_is_not_written_again_while_it_is_posted() -> None:
    """Midnight comes while the posting is under way."""
    play = skip_to(approved(), approved().state.clock + timedelta(days=1))
    assert running(play) == ["post_invoice"]
    differs = Failed("business", "invoice_differs_from_approval", "another note")
    assert running(told(play, Answered("post_invoice", differs))) == ["create_invoice"]
    assert act(play, "post_invoice").state.issued


def test_what_is_amended_is_drafted_and_approved_again() -> None:
    play = fail(approved(), "post_invoice", LOCKED)
    before = play.state.proposal.content_hash
    play = say(play, decision("post_invoice", Choice.AMEND))
    assert running(play) == ["create_invoice"]
    assert play.state.approval_round is None
    play = act(play, "create_invoice")
    assert play.odoo.content == play.state.proposal.content_hash != before
    assert play.state.stage is InvoiceStage.AWAITING_APPROVAL
    amount = decision("post_invoice", Choice.AMEND).model_copy(
        update={"changes": {"lines.0.unit_price": "1"}}
    )
    stuck = fail(approved(), "post_invoice", LOCKED)
    assert "not_amendable" in str(refusal(stuck, amount)) or "amounts follow" in str(
        refusal(stuck, amount)
    )


def test_who_amends_a_proposal_does_not_approve_it() -> None:
    amend = decision("post_invoice", Choice.AMEND).model_copy(update={"by": BOB.upper()})
    play = act(say(fail(approved(), "post_invoice", LOCKED), amend), "create_invoice")
    assert "requested this" in str(refusal(play, vote(play.state, BOB, Decision.APPROVE)))
    play = say(play, vote(play.state, ANA, Decision.APPROVE))
    assert running(play) == ["post_invoice"]


def test_a_date_that_is_stated_is_approved_again() -> None:
    amend = decision("post_invoice", Choice.AMEND).model_copy(
        update={"by": BOB, "changes": {"invoice_on": "2026-03-20"}}
    )
    play = act(say(fail(approved(), "post_invoice", LOCKED), amend), "create_invoice")
    assert play.state.stage is InvoiceStage.AWAITING_APPROVAL
    assert "requested this" in str(refusal(play, vote(play.state, BOB, Decision.APPROVE)))


def test_what_was_amended_or_changed_in_odoo_is_approved_by_no_rule_alone() -> None:
    """A rule passes what is exactly as planned; what people changed since is not."""
    rule = model.rules.approval.model_copy(update={"auto_approve_up_to": (euros("10000.00"),)})
    state = beginning().state
    planned = state.proposal.model_copy(update={"as_planned": True})
    policy = model.rules.model_copy(update={"approval": rule})
    start = replace(
        beginning(),
        state=state.replace(proposal=planned, policy=policy),
    )
    play = act(told(start, ClockRang()), "create_invoice")
    assert running(play) == ["post_invoice"]
    changed = replace(play, odoo=play.odoo.now(note="by hand"))
    changed = settle_news(act(changed, "post_invoice"))
    again = act(say(changed, decision("post_invoice", Choice.RETRY)), "create_invoice")
    assert again.state.stage is InvoiceStage.AWAITING_APPROVAL
    stuck = fail(play, "post_invoice", LOCKED)
    again = act(say(stuck, decision("post_invoice", Choice.AMEND)), "create_invoice")
    assert again.state.stage is InvoiceStage.AWAITING_APPROVAL


def test_what_was_changed_by_hand_is_approved_again_as_it_is() -> None:
    play = approved()
    play = replace(play, odoo=play.odoo.now(note="by hand"))
    play = settle_news(act(play, "post_invoice"))
    assert parked(play) == [("post_invoice", "invoice_differs_from_approval")]
    play = act(say(play, decision("post_invoice", Choice.RETRY)), "create_invoice")
    assert "note: (none) -> by hand" in notes(play)
    assert play.state.stage is InvoiceStage.AWAITING_APPROVAL
    play = say(play, vote(play.state, BOB, Decision.APPROVE))
    play = act(play, "post_invoice")
    assert play.state.issued


def test_what_was_changed_right_before_it_was_posted_is_not_mailed_unseen() -> None:
    play = approved()
    late = play.odoo.now(move="posted", posts=1, note="late", residual=TOTAL)
    differs = Failed("business", "invoice_differs_from_approval", "another note")
    play = fail(replace(play, odoo=late), "post_invoice", differs)
    assert running(play) == []
    play = act(say(play, decision("post_invoice", Choice.RETRY)), "create_invoice")
    assert play.state.stage is InvoiceStage.AWAITING_APPROVAL
    play = act(say(play, vote(play.state, BOB, Decision.APPROVE)), "post_invoice")
    assert (play.state.issued, play.odoo.posts, running(play)) == (True, 1, ["deliver"])


def test_an_invoice_goes_to_another_address_only_once_a_person_has_seen_it() -> None:
    play = settle_news(act(approved(), "post_invoice"))
    moved = Failed(
        "business",
        "invoice_differs_from_approval",
        "another address",
        field="invoice.mailed_to",
        value="new@acme.example",
    )
    play = fail(play, "deliver", moved)
    assert play.state.draft is not None
    assert play.state.draft.content.mailed_to == "ap@acme.example"
    play = say(play, decision("deliver", Choice.RETRY))
    assert play.state.draft is not None
    assert play.state.draft.content.mailed_to == "new@acme.example"
    assert "to be mailed to new@acme.example" in notes(play)
    assert running(play) == ["deliver"]


def test_another_bank_account_of_a_posted_invoice_is_accepted_by_no_retry() -> None:
    play = settle_news(act(approved(), "post_invoice"))
    before = play.state.draft
    changed = Failed(
        "business",
        "invoice_differs_from_approval",
        "another bank account",
        field="invoice.bank_account",
        value="BE68 5390 0754 7034",
    )
    play = say(fail(play, "deliver", changed), decision("deliver", Choice.RETRY))
    assert play.state.draft == before
    assert running(play) == ["deliver"]


def test_the_address_of_the_customer_is_amended_in_odoo_and_not_here() -> None:
    stuck = fail(approved(), "post_invoice", LOCKED)
    amend = decision("post_invoice", Choice.AMEND).model_copy(
        update={"changes": {"billing_email": "new@acme.example"}}
    )
    assert "in Odoo" in str(refusal(stuck, amend))


def test_a_posted_invoice_keeps_no_lines_in_its_state() -> None:
    play = approved()
    assert play.state.draft is not None
    assert play.state.draft.content.lines
    play = act(play, "post_invoice")
    assert play.state.draft is not None
    assert play.state.draft.content.lines == ()


def test_a_step_that_is_tried_again_tells_the_contract_nothing_new() -> None:
    play = fail(approved(), "post_invoice", LOCKED)
    assert play.state.reported is not None
    play = say(play, decision("post_invoice", Choice.RETRY))
    assert list(play.state.running) == ["post_invoice"]
    play = told(play, Answered("post_invoice", LOCKED))
    assert play.state.running == {}


def test_what_differs_from_the_approval_is_drafted_again_when_it_is_retried() -> None:
    differs = Failed("business", "invoice_differs_from_approval", "another total")
    play = fail(approved(), "post_invoice", differs)
    assert running(say(play, decision("post_invoice", Choice.RETRY))) == ["create_invoice"]


def test_approvers_are_reminded_when_business_opens_and_then_the_next_group_decides() -> None:
    play = proposed()
    assert "may not decide" in str(refusal(play, vote(play.state, CLEO, Decision.APPROVE)))
    play = wake(play)
    assert (play.state.today, running(play)) == (date(2026, 3, 4), ["notify:invoice"])
    play = act(play, "notify:invoice")
    assert "Reminder: approval of invoice 1" in notes(play)
    play = wake(play)
    assert (play.state.today, running(play)) == (date(2026, 3, 9), ["notify:invoice"])
    assert refusal(play, vote(play.state, CLEO, Decision.APPROVE)) is None
    play = act(play, "notify:invoice")
    assert rules.AGENDA.next_wake(play.state) is None, "nobody is reminded for ever"


def test_a_reminder_that_is_parked_gives_way_to_the_decision() -> None:
    play = fail(wake(proposed()), "notify:invoice", Failed("business", "order_missing", "no"))
    assert parked(play) == [("notify:invoice", "order_missing")]
    play = say(play, vote(play.state, BOB, Decision.APPROVE))
    # Approved on another day than it was drafted: the draft gets that day's date first.
    assert (parked(play), running(play)) == ([], ["create_invoice"])
    assert running(act(play, "create_invoice")) == ["post_invoice"]


def test_others_may_decide_from_their_day_on_though_the_reminder_before_is_parked() -> None:
    play = fail(wake(proposed()), "notify:invoice", Failed("business", "order_missing", "no"))
    assert rules.AGENDA.next_wake(play.state) == datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
    play = wake(play)
    # What is asked now is another reminder: that of before is parked no more.
    assert (parked(play), running(play)) == ([], ["notify:invoice"])
    assert refusal(play, vote(play.state, CLEO, Decision.APPROVE)) is None


# --- what may have happened -------------------------------------------------------------------


def test_a_posting_that_may_have_happened_is_given_up_by_nothing() -> None:
    play = fail(approved(), "post_invoice", LOST)
    for choice in (Choice.CANCEL, Choice.AMEND):
        assert "may have happened" in str(refusal(play, decision("post_invoice", choice)))
    # Not by the calendar either, which would have the draft written again.
    play = skip_to(play, play.state.clock + timedelta(days=1))
    assert running(play) == ["post_invoice"], "it heals by itself"
    play = act(play, "post_invoice")
    assert (play.state.stage, play.state.uncertain) == (InvoiceStage.POSTED_NOT_DELIVERED, ())


def test_a_posting_that_was_refused_for_certain_can_be_cancelled() -> None:
    play = fail(approved(), "post_invoice", LOST)
    play = say(play, decision("post_invoice", Choice.RETRY))
    play = fail(play, "post_invoice", LOCKED)
    play = say(play, decision("post_invoice", Choice.CANCEL))
    assert (play.state.stage, running(play)) == (InvoiceStage.REJECTED, ["discard"])


def test_a_rejection_is_told_once_the_draft_is_gone() -> None:
    play = proposed()
    play = say(play, vote(play.state, ANA, Decision.REJECT))
    assert running(play) == ["discard"]
    closed = Failed("credentials", "api_key_refused", "no entry")
    play = told(play, Answered("discard", closed))
    # The contract learns that something is stuck, not that it may bill again.
    play = act(play, "tell_contract")
    assert play.told == InvoiceStage.AWAITING_APPROVAL
    play = act(say(play, decision("discard", Choice.RETRY)), "discard")
    play = act(play, "tell_contract")
    assert (play.told, play.odoo.move) == (InvoiceStage.REJECTED, "cancel")
    assert rules.AGENDA.has_ended(play.state)


def test_a_draft_that_failed_on_the_way_is_looked_for_when_it_is_cancelled() -> None:
    play = beginning()
    differs = Failed("business", "draft_differs_from_proposal", "another sum")
    play = fail(replace(play, odoo=play.odoo.now(move="draft")), "create_invoice", differs)
    play = say(play, decision("create_invoice", Choice.CANCEL))
    assert play.state.invoice_id is None
    assert "discard" in play.state.running


def test_a_write_off_that_may_have_happened_is_not_void_because_nothing_is_open() -> None:
    play = say(posted(), WriteOffAsked(by=SAM, reason="bankrupt"))
    play = say(play, vote(play.state, BOB, Decision.APPROVE))
    assert running(play) == ["write_off"]
    done = succeeded(play, play.state.running["write_off"]).odoo
    play = fail(replace(play, odoo=done), "write_off", LOST)
    play = swept(play)
    assert play.state.write_off is not None
    play = settle_news(say(play, decision("write_off", Choice.RETRY)))
    play = act(play, "write_off")
    assert play.state.stage is InvoiceStage.WRITTEN_OFF
    assert len(play.state.write_offs_approved) == 1


def test_a_write_off_that_is_asked_for_again_is_another_one() -> None:
    """What was refused may have left an entry in Odoo: its key is never used for another amount."""
    too_large = Failed("business", "write_off_too_large", "600.00 EUR is open")
    play = say(posted(), WriteOffAsked(by=SAM, reason="bankrupt"))
    play = say(play, vote(play.state, BOB, Decision.APPROVE))
    rest = play.odoo.now(residual=euros("600.00"))
    play = settle_news(swept(fail(replace(play, odoo=rest), "write_off", too_large)))
    assert play.state.write_off is None, "void: less is open"
    play = settle_news(act(play, "take_back:write_off:1"))
    play = say(play, WriteOffAsked(by=SAM, reason="bankrupt"))
    play = act(say(play, vote(play.state, BOB, Decision.APPROVE)), "write_off")
    assert dict(play.odoo.losses) == {"2": euros("600.00")}


# --- money ------------------------------------------------------------------------------------


def test_money_that_comes_before_the_invoice_is_booked_once_it_is_posted() -> None:
    play = approved()
    early = PaymentReceived(reference="P-1", amount=TOTAL, paid_on=MONDAY)
    assert "nothing to pay yet" in str(refusal(play, early))
    for _ in range(2):
        play = told(play, SignalReceived(payment("P-1"), "payment P-1"))
    play = act(play, "post_invoice")
    assert "register_payment:P-1" in play.state.running
    play = act(settle_news(act(play, "register_payment:P-1")), "deliver")
    assert settle_news(play).state.stage is InvoiceStage.PAID
    assert play.odoo.payments == ("P-1",)


@pytest.mark.parametrize(
    ("amount", "why"), [(Money(5, "USD"), "in EUR"), (euros("0"), "above zero")]
)
def test_money_that_cannot_be_booked_waits_for_a_person(amount: Money, why: str) -> None:
    odd = PaymentNotice(reference="odd", amount=amount, paid_on=MONDAY)
    play = settle_news(told(posted(), SignalReceived(odd)))
    assert parked(play) == [("register_payment:odd", "payment_refused")]
    assert why in play.state.exceptions[0].message
    play = say(play, decision("register_payment:odd", Choice.SKIP))
    assert (parked(play), play.state.payments) == ([], ())


def test_a_payment_that_lies_ahead_is_refused_and_kept_where_nobody_can_be_told() -> None:
    ahead = {"reference": "P-9", "amount": TOTAL, "paid_on": date(2099, 1, 1)}
    play = posted()
    assert "2099-01-01, which lies ahead" in str(refusal(play, PaymentReceived(**ahead)))
    today = {**ahead, "paid_on": play.state.today}
    assert refusal(play, PaymentReceived(**today)) is None
    play = settle_news(told(play, SignalReceived(PaymentNotice(**ahead))))
    assert parked(play) == [("register_payment:P-9", "payment_refused")]


def test_another_amount_under_a_known_reference_is_refused() -> None:
    play = act(say(posted(), paid("P-1", "100.00")), "register_payment:P-1")
    assert refusal(play, paid("P-1", "100.00")) is None, "a repeat changes nothing"
    assert "known with 100.00 EUR, not 90.00 EUR" in str(refusal(play, paid("P-1", "90.00")))


def test_a_system_that_reports_another_amount_is_listed_for_a_person_once() -> None:
    play = act(say(posted(), paid("P-1", "100.00")), "register_payment:P-1")
    other = PaymentNotice(reference="P-1", amount=euros("90.00"), paid_on=MONDAY)
    for _ in range(2):
        play = settle_news(told(play, SignalReceived(other)))
    assert play.odoo.payments == ("P-1",)
    [(step, code)] = parked(play)
    assert code == "payment_differs"
    play = settle_news(say(play, decision(step, Choice.SKIP)))
    assert parked(play) == []


def test_what_is_paid_too_much_is_listed_until_a_person_has_settled_it() -> None:
    over = TOTAL + euros("40.00")
    play = say(posted(), PaymentReceived(reference="P-1", amount=over, paid_on=MONDAY))
    play = settle_news(act(play, "register_payment:P-1"))
    [(step, code)] = parked(play)
    assert code == "payment_exceeds"
    assert "40.00 EUR more than was open" in play.state.exceptions[0].message
    assert not rules.AGENDA.has_ended(play.state)
    while play.state.stage is not InvoiceStage.SETTLED:
        play = settle_news(wake(play))
    assert not rules.AGENDA.has_ended(play.state), "settled, and the excess is not forgotten"
    play = settle_news(say(play, decision(step, Choice.SKIP)))
    assert rules.AGENDA.has_ended(play.state)


def test_two_payments_in_payment_at_once_are_more_than_was_open() -> None:
    """While Odoo shows an invoice as in payment, what it calls open may be paid already."""
    play = act(say(posted(), paid("P-1", "3630.00")), "register_payment:P-1")
    assert play.state.balance is not None
    shown = play.state.balance.model_copy(update={"in_payment": True, "residual": TOTAL})
    play = replace(play, state=play.state.replace(balance=shown))
    play = say(play, paid("P-2", "25.00"))
    play = settle_news(told(play, Answered("register_payment:P-2", Done(shown))))
    [(_, code)] = parked(play)
    assert code == "payment_exceeds"
    assert "25.00 EUR more than was open" in play.state.exceptions[0].message


REGISTER, TAKE_BACK = "register_payment:P-1", "take_back:payment:P-1"


def booked(play: Play) -> tuple[Play, Result]:
    """The payment is in Odoo; its answer is on its way."""
    after, result = model.perform(play.odoo, play.state, play.state.running[REGISTER])
    return replace(play, odoo=after), result


def test_a_payment_of_what_is_open_exceeds_nothing_when_the_sweep_comes_before_its_answer() -> None:
    play, result = booked(say(posted(), payment("P-1")))
    play = settle_news(told(swept(play), Answered(REGISTER, result)))
    assert parked(play) == []


def test_a_payment_of_what_is_open_exceeds_nothing_when_its_answer_was_lost() -> None:
    play, _ = booked(say(posted(), payment("P-1")))
    play = settle_news(swept(fail(play, REGISTER, LOST)))
    play = settle_news(act(say(play, decision(REGISTER, Choice.RETRY)), REGISTER))
    assert parked(play) == []


def test_a_payment_that_was_refused_for_certain_is_tried_again_with_what_is_open_then() -> None:
    play = fail(say(posted(), payment("P-1")), REGISTER, CLOSED_JOURNAL)
    play = settle_news(swept(replace(play, odoo=play.odoo.now(residual=euros("1000.00")))))
    play = settle_news(act(say(play, decision(REGISTER, Choice.RETRY)), REGISTER))
    [(_, code)] = parked(play)
    assert code == "payment_exceeds"
    assert "2630.00 EUR more than was open" in play.state.exceptions[0].message


def test_a_payment_that_a_person_gave_up_is_refused_when_it_is_recorded_again() -> None:
    play = fail(say(posted(), paid("P-1", "100.00")), REGISTER, CLOSED_JOURNAL)
    play = act(settle_news(say(play, decision(REGISTER, Choice.SKIP))), TAKE_BACK)
    for amount in ("100.00", "90.00"):
        assert "has given up payment P-1" in str(refusal(play, paid("P-1", amount)))
    again = PaymentNotice(reference="P-1", amount=euros("100.00"), paid_on=MONDAY)
    play = told(play, SignalReceived(again, "payment P-1"))
    assert (running(play), parked(play)) == ([], []), "a person has booked it elsewhere"
    assert "Refused payment P-1: a person has given up" in notes(play)
    # Under a reference of its own it is booked.
    assert running(say(play, paid("P-1b", "100.00"))) == ["register_payment:P-1b"]


def given_up(play: Play) -> Play:
    """Odoo makes a draft of the payment and does not post it; a person gives it up."""
    play = fail(say(play, paid("P-1", "100.00")), REGISTER, CLOSED_JOURNAL)
    play = replace(play, odoo=replace(play.odoo, drafts=("payment:P-1",)))
    return settle_news(say(play, decision(REGISTER, Choice.SKIP)))


def test_the_draft_of_a_payment_that_is_given_up_is_taken_back() -> None:
    play = given_up(posted())
    assert running(play) == [TAKE_BACK]
    play = settle_news(act(play, TAKE_BACK))
    assert (play.odoo.drafts, running(play), parked(play)) == ((), [], [])


def test_a_draft_that_odoo_does_not_take_back_is_an_exception_and_then_named_in_the_journal() -> (
    None
):
    left = Failed("business", "booking_left", "payment P-1 stays a draft (account.payment 12)")
    play = fail(given_up(posted()), TAKE_BACK, left)
    assert parked(play) == [(TAKE_BACK, "booking_left")]
    play = settle_news(say(play, decision(TAKE_BACK, Choice.SKIP)))
    assert (running(play), parked(play)) == ([], [])
    assert "Left in Odoo: payment P-1 stays a draft (account.payment 12)" in notes(play)


def test_a_draft_is_taken_back_only_once_it_is_known_that_the_payment_is_not_booked() -> None:
    """Refused, then tried again without an answer: it may be booked, so nobody gives it up."""
    play = fail(say(posted(), paid("P-1", "100.00")), REGISTER, CLOSED_JOURNAL)
    play = fail(say(play, decision(REGISTER, Choice.RETRY)), REGISTER, LOST)
    assert "may have happened" in str(refusal(play, decision(REGISTER, Choice.SKIP)))
    play = settle_news(act(say(play, decision(REGISTER, Choice.RETRY)), REGISTER))
    assert (play.odoo.payments, running(play)) == (("P-1",), [])


def test_an_invoice_does_not_end_before_what_was_given_up_is_taken_back() -> None:
    play = given_up(posted())
    play = settle_news(swept(replace(play, odoo=play.odoo.now(residual=ZERO))))
    play = settle_news(wake(play))
    assert play.state.stage is InvoiceStage.SETTLED
    assert not rules.AGENDA.has_ended(play.state)
    assert rules.AGENDA.has_ended(settle_news(act(play, TAKE_BACK)).state)


def test_the_draft_of_a_write_off_that_is_given_up_is_taken_back() -> None:
    play = say(posted(), WriteOffAsked(by=SAM, reason="bankrupt"))
    play = say(play, vote(play.state, BOB, Decision.APPROVE))
    play = fail(play, "write_off", CLOSED_JOURNAL)
    play = replace(play, odoo=replace(play.odoo, drafts=("write_off:1",)))
    play = settle_news(say(play, decision("write_off", Choice.SKIP)))
    play = settle_news(act(play, "take_back:write_off:1"))
    assert (play.odoo.drafts, running(play), play.state.write_off) == ((), [], None)


def test_the_draft_of_a_write_off_that_is_void_is_taken_back() -> None:
    """Odoo makes the entry and does not post it; then the customer pays a part."""
    play = say(posted(), WriteOffAsked(by=SAM, reason="bankrupt"))
    play = say(play, vote(play.state, BOB, Decision.APPROVE))
    play = fail(play, "write_off", CLOSED_JOURNAL)
    rest = replace(play.odoo, drafts=("write_off:1",)).now(residual=euros("600.00"))
    play = settle_news(swept(replace(play, odoo=rest)))
    assert play.state.write_off is None
    play = settle_news(act(play, "take_back:write_off:1"))
    assert (play.odoo.drafts, running(play), parked(play)) == ((), [], [])


def test_what_was_never_tried_leaves_nothing_to_take_back() -> None:
    odd = PaymentNotice(reference="odd", amount=Money(5, "USD"), paid_on=MONDAY)
    play = settle_news(told(posted(), SignalReceived(odd)))
    play = settle_news(say(play, decision("register_payment:odd", Choice.SKIP)))
    assert running(play) == []


def test_a_payment_that_is_corrected_once_it_was_given_up_is_listed() -> None:
    wrong = PaymentNotice(reference="P-1", amount=TOTAL, paid_on=date(2062, 3, 2))
    right = wrong.model_copy(update={"paid_on": MONDAY})
    play = settle_news(told(posted(), SignalReceived(wrong)))
    play = settle_news(say(play, decision(REGISTER, Choice.SKIP)))
    play = settle_news(told(play, SignalReceived(right)))
    [(step, code)] = parked(play)
    assert (code, running(play)) == ("payment_differs", [])
    assert "on 2062-03-02 was given up, and was reported again" in play.state.exceptions[0].message
    play = settle_news(say(play, decision(step, Choice.SKIP)))
    play = settle_news(told(play, SignalReceived(right)))
    assert parked(play) == [], "a repeat is not asked about again"


def test_a_payment_that_waits_for_a_person_holds_up_no_other() -> None:
    odd = PaymentNotice(reference="odd", amount=Money(5, "USD"), paid_on=MONDAY)
    play = settle_news(told(posted(), SignalReceived(odd)))
    play = fail(say(play, paid("P-1", "100.00")), REGISTER, CLOSED_JOURNAL)
    waiting = [("register_payment:odd", "payment_refused"), (REGISTER, "odoo_refused")]
    assert parked(play) == waiting
    play = say(play, paid("P-2", "200.00"))
    play = settle_news(act(play, "register_payment:P-2"))
    assert (parked(play), play.odoo.payments) == (waiting, ("P-2",))
    play = say(play, decision(REGISTER, Choice.RETRY))
    assert act(play, REGISTER).odoo.payments == ("P-2", "P-1")


def test_payments_are_booked_one_after_the_other() -> None:
    play = say(say(posted(), paid("P-1", "100.00")), paid("P-2", "200.00"))
    assert running(play) == [REGISTER]
    assert running(act(play, REGISTER)) == ["register_payment:P-2"]


def test_no_other_payment_is_booked_while_one_may_have_been() -> None:
    play = fail(say(posted(), paid("P-1", "100.00")), REGISTER, LOST)
    play = say(play, paid("P-2", "200.00"))
    assert running(play) == []
    play = say(play, decision(REGISTER, Choice.RETRY))
    assert running(act(play, REGISTER)) == ["register_payment:P-2"]


def test_money_for_a_rejected_invoice_waits_for_a_person() -> None:
    play = told(proposed(), SignalReceived(payment("P-1")))
    play = say(play, vote(play.state, ANA, Decision.REJECT))
    play = settle_news(act(play, "discard"))
    assert parked(play) == [("register_payment:P-1", "payment_without_invoice")]
    play = settle_news(say(play, decision("register_payment:P-1", Choice.SKIP)))
    assert rules.AGENDA.has_ended(play.state)


def test_so_many_payments_and_no_more() -> None:
    known = {f"P-{number}": TOTAL for number in range(1, MAX_PAYMENTS)}
    given_up = {"P-0": paid("P-0", "1.00")}
    play = posted()
    play = replace(play, state=play.state.replace(known_payments=known, payments_given_up=given_up))
    assert "at most" in str(refusal(play, payment("one more")))
    assert refusal(play, payment("P-7")) is None, "it is known"
    assert len(play.state.model_dump_json()) < 60_000


def test_older_news_of_odoo_counts_for_nothing() -> None:
    play = posted()
    paid = swept(replace(play, odoo=play.odoo.now(residual=ZERO)))
    again = told(paid, SignalReceived(play.odoo.balance))
    assert again.state.balance == paid.state.balance


def test_an_invoice_cancelled_in_odoo_waits_until_it_is_posted_again() -> None:
    play = posted()
    play = swept(replace(play, odoo=play.odoo.now(move="cancel")))
    assert "balance" in play.state.running
    play = settle_news(act(play, "balance"))
    assert parked(play) == [("balance", "invoice_not_posted")]
    disputed = DisputeOpened(by=ANA, reason="late")
    assert "nothing is owed on it yet" in str(refusal(play, disputed))
    play = settle_news(swept(replace(play, odoo=play.odoo.now(move="posted"))))
    assert (parked(play), play.state.stage) == ([], InvoiceStage.OPEN)


def test_an_invoice_changed_in_odoo_waits_until_it_is_what_was_approved() -> None:
    play = posted()
    more = play.odoo.now(total=MORE, residual=MORE)
    play = swept(replace(play, odoo=more))
    assert "Changed in Odoo: 3630.00 EUR -> 10890.00 EUR with tax" in notes(play)
    play = settle_news(act(play, "balance"))
    assert parked(play) == [("balance", "invoice_differs_from_approval")]
    assert play.state.exceptions[0].allowed == (Choice.RETRY,)
    # Nothing is asked of the customer meanwhile, nothing booked, and nothing agreed.
    assert "not in Odoo what was approved" in str(refusal(play, paid("P-1", "3630.00")))
    assert "restore it there" in str(refusal(play, DisputeOpened(by=ANA, reason="late")))
    assert rules.AGENDA.next_wake(play.state) is None
    assert play.state.stage is InvoiceStage.OPEN
    play = told(play, SignalReceived(payment("P-1")))
    assert running(play) == []
    restored = replace(play, odoo=play.odoo.now(total=TOTAL, residual=TOTAL))
    play = settle_news(swept(restored))
    assert (parked(play), running(play)) == ([], [REGISTER])


def test_an_invoice_changed_before_it_is_mailed_is_not_mailed() -> None:
    play = fail(act(approved(), "post_invoice"), "deliver", Failed("business", "x", "no server"))
    play = swept(replace(play, odoo=play.odoo.now(total=MORE, residual=MORE)))
    play = settle_news(act(play, "balance"))
    assert parked(play) == [("balance", "invoice_differs_from_approval")]
    play = settle_news(swept(replace(play, odoo=play.odoo.now(total=TOTAL, residual=TOTAL))))
    assert (parked(play), running(play)) == ([], ["deliver"])


def test_an_invoice_of_another_amount_than_was_proposed_is_not_asked_about() -> None:
    """Somebody gave the draft another price in Odoo, and posted it there by hand."""
    play = approved()
    by_hand = play.odoo.now(move="posted", posts=1, total=MORE, residual=MORE)
    play = settle_news(act(replace(play, odoo=by_hand), "post_invoice"))
    assert parked(play) == [("post_invoice", "invoice_differs_from_approval")]
    play = settle_news(act(say(play, decision("post_invoice", Choice.RETRY)), "create_invoice"))
    assert parked(play) == [("create_invoice", "draft_differs_from_proposal")]
    assert play.state.open_round is None
    # Reset to draft there, it is written again as it was approved.
    play = replace(play, odoo=play.odoo.now(move="draft", posts=0, residual=ZERO))
    play = act(say(play, decision("create_invoice", Choice.RETRY)), "create_invoice")
    assert running(play) == ["post_invoice"]


def test_what_is_approved_is_the_amount_that_odoo_says() -> None:
    play = beginning()
    said = play.odoo.now(content="x", total=MORE).says
    draft = Draft(
        invoice_id=model.INVOICE_ID, invoice_on=play.state.today, content=said, policy=model.rules
    )
    play = told(play, Answered("create_invoice", Done(draft)))
    assert play.state.open_round is not None
    assert play.state.open_round.subject.amount == euros("9000.00")


def test_it_settles_after_its_period_and_reopens_when_a_payment_bounces() -> None:
    play = posted()
    play = settle_news(swept(replace(play, odoo=play.odoo.now(residual=ZERO))))
    assert (play.state.stage, play.state.next_action_at) == (
        InvoiceStage.PAID,
        play.state.settles_at,
    )
    bounced = settle_news(swept(replace(play, odoo=play.odoo.now(residual=TOTAL))))
    assert (bounced.state.stage, bounced.state.settles_at) == (InvoiceStage.OPEN, None)
    assert "Reopened: 3630.00 EUR is owed again" in notes(bounced)
    settled = wake(play)
    assert settled.state.stage is InvoiceStage.SETTLED
    assert rules.AGENDA.has_ended(settled.state), "its contract sees it end"
    renewed = wake(told(play, SignalReceived(ContractRenewed())))
    assert "tell_contract" in renewed.state.running, "its contract's new run does not"


def test_money_that_comes_while_the_end_is_told_is_not_forgotten() -> None:
    play = posted()
    play = settle_news(swept(replace(play, odoo=play.odoo.now(residual=ZERO))))
    play = wake(told(play, SignalReceived(ContractRenewed())))
    play = told(play, SignalReceived(payment("P-9")))
    assert play.state.stage is InvoiceStage.PAID
    play = act(settle_news(play), "register_payment:P-9")
    assert parked(play) == [("register_payment:P-9", "odoo_refused")]


# --- reminders --------------------------------------------------------------------------------


def reminded(play: Play) -> Play:
    """Reminded of the first level: the balance is read right before."""
    play = wake(play)
    assert running(play) == ["balance"]
    return act(play, "balance")


def test_a_reminder_is_sent_after_a_look_at_the_balance() -> None:
    play = reminded(late())
    assert running(play) == ["remind:1"]
    play = act(play, "remind:1")
    assert (play.state.dunning.level, len(play.odoo.reminders)) == (1, 1)
    assert "Reminder 1 sent: 3630.00 EUR asked for" in notes(play)


def test_a_look_that_finds_money_sends_no_reminder() -> None:
    play = wake(late())
    play = act(replace(play, odoo=play.odoo.now(residual=ZERO)), "balance")
    assert play.odoo.reminders == ()
    assert settle_news(play).state.stage is InvoiceStage.PAID


def test_whoever_has_no_address_is_left_to_a_person_under_the_same_step() -> None:
    play = fail(reminded(late()), "remind:1", Failed("business", "email_missing", "none"))
    assert (parked(play), running(play)) == ([], ["remind:1"])
    assert play.state.running["remind:1"].kind == acts.TODO
    play = act(play, "remind:1")
    assert "left to a person (no e-mail address)" in notes(play)
    assert play.state.dunning.level == 1


def test_a_parked_reminder_says_the_same_on_another_day_and_goes_when_it_is_paid() -> None:
    play = settle_news(fail(reminded(late()), "remind:1", LOST))
    before = play.state.reminder
    play = skip_to(play, play.state.clock + timedelta(days=1))
    assert running(play) == ["remind:1"]
    assert play.state.reminder == before
    play = settle_news(fail(play, "remind:1", LOST))
    play = settle_news(swept(replace(play, odoo=play.odoo.now(residual=ZERO))))
    assert (parked(play), play.state.uncertain) == ([], ())


def test_a_promise_is_broken_only_after_a_look() -> None:
    play = posted()
    promise = PaymentPromised(by=ANA, on=play.state.today)
    play = settle_news(say(play, promise))
    play = wake(play)
    assert running(play) == ["balance"]
    kept = act(replace(play, odoo=play.odoo.now(residual=ZERO)), "balance")
    assert (kept.state.promise, kept.state.promises_broken) == (None, 0)
    broken = act(play, "balance")
    assert (broken.state.promise, broken.state.promises_broken) == (None, 1)


# --- the contract -----------------------------------------------------------------------------


def test_the_contract_is_asked_for_a_credit_before_it_is_told_of_it() -> None:
    play = settle_news(say(posted(), DisputeOpened(by=ANA, reason="half done")))
    agreed = DisputeResolved(by=ANA, accepted=euros("1210.00"), comment="agreed")
    play = say(play, agreed)
    assert running(play) == ["ask_credit"]
    assert play.state.credit_requests[0].untaxed == euros("1000.00")
    play = act(play, "ask_credit")
    assert play.state.credit_requests == ()
    applied = CreditApplied(
        number=2,
        untaxed=euros("1000.00"),
        applied=euros("1210.00"),
        balance=play.odoo.now(residual=euros("2420.00")).balance,
    )
    play = settle_news(told(play, SignalReceived(applied)))
    assert play.state.dispute is None
    assert play.state.own_credits[2].applied == euros("1210.00")


def test_a_contract_that_has_ended_misses_nothing() -> None:
    play = act(approved(), "post_invoice")
    gone = Failed("defect", "defect", "no such workflow")
    play = told(play, Answered("tell_contract", gone))
    assert "The contract could not be told" in notes(play)
    assert "tell_contract" not in play.state.running


def test_two_decisions_are_measured_and_so_is_the_way_to_the_money() -> None:
    play = proposed()
    word = UpdateReceived(vote(play.state, BOB, Decision.APPROVE))
    outcome = rules.AGENDA.apply(play.state, word, play.state.clock + timedelta(days=3))
    assert [(item.name, item.value) for item in outcome.metrics] == [
        ("c2c_approval_waiting_days", 3)
    ]
    paid = SignalReceived(posted().odoo.now(residual=ZERO).balance)
    state = settle_news(posted()).state
    outcome = rules.AGENDA.apply(state, paid, state.clock + timedelta(days=10))
    assert [(item.name, item.value) for item in outcome.metrics] == [
        ("c2c_posted_to_cash_days", 10)
    ]


def test_an_event_leaves_the_state_before_it_as_it_was() -> None:
    play = posted()
    before = play.state.model_dump_json()
    swept(replace(play, odoo=play.odoo.now(residual=ZERO)))
    say(play, DisputeOpened(by=ANA, reason="late"))
    assert play.state.model_dump_json() == before
    assert isinstance(play.state, InvoiceState)


def test_what_is_wanted_is_wanted_in_the_same_order_every_time() -> None:
    play = act(approved(), "post_invoice")
    first: Sequence[object] = rules.AGENDA.wanted(play.state)
    assert [item.key for item in rules.AGENDA.wanted(play.state)] == ["deliver", "tell_contract"]
    assert list(first) == list(rules.AGENDA.wanted(play.state))
    assert all(isinstance(item, Action) for item in first)
