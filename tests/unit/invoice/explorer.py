"""Every way an invoice can go, within budgets: messages, results, lost answers, days.

An act succeeds, is refused, or fails before or behind its effect. The contract and Odoo are played.
Breadth first, so that what is found is found by the shortest way, which stands in the message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from contracts.agenda.actions import (
    Action,
    Answered,
    Began,
    ClockRang,
    Done,
    Event,
    Failed,
    SignalReceived,
    UpdateReceived,
)
from contracts.approvals import ApprovalDecision, Decision
from contracts.billing.lines import InvoiceKind
from contracts.invoice import acts, rules
from contracts.invoice.content import approval_hash
from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentNotice,
    PaymentPromised,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from tests.unit.examples import ANA, BOB, MONDAY, SAM, invoice_state
from tests.unit.invoice.odoo import MORE, TOTAL, ZERO, Odoo, perform, refused

MOST_BYTES = 60_000


@dataclass(frozen=True)
class Play:
    """Where an invoice and the world around it are, and what may still happen to it."""

    state: InvoiceState
    odoo: Odoo
    told: str = ""
    """The stage the contract was told last."""
    skipped: bool = False
    """A person has given something up, and answers for it."""
    faults: int = 0
    messages: int = 0
    days: int = 0
    events: int = 0
    """How many the core has taken in on the way."""


def beginning(*, faults: int, messages: int, days: int, credit_note: bool = False) -> Play:
    state = invoice_state(policy=None, approval_round=None)
    if credit_note:
        kind = {"kind": InvoiceKind.CREDIT_NOTE, "credited_number": 1}
        state = state.replace(
            proposal=state.proposal.model_copy(update=kind), credited_invoice_id=5
        )
    play = Play(state, Odoo(), faults=faults, messages=messages, days=days)
    return told(play, ClockRang())


def told(play: Play, event: Event, now: datetime | None = None) -> Play:
    """The play after an event, with all acts begun that may begin then."""
    state, events = applied(play.state, event, now or play.state.clock), play.events + 1
    while (action := rules.AGENDA.next_action(state)) is not None:
        state, events = applied(state, Began(action), state.clock), events + 1
        assert action.key in state.running, f"{action.key} was not begun"
    return replace(play, state=state, events=events)


def applied(state: InvoiceState, event: Event, now: datetime) -> InvoiceState:
    outcome = rules.AGENDA.apply(state, event, now)
    if isinstance(event, UpdateReceived):
        refusal = rules.AGENDA.refusal(state, event.message, now)
        assert refusal == outcome.refusal, "a validator and apply say the same"
    return outcome.state


# --- what may happen next ---------------------------------------------------------------------

Move = tuple[str, Play]


def moves(play: Play) -> Iterator[Move]:
    """Everything that may happen next, in a fixed order."""
    yield from _results(play)
    yield from _decisions(play)
    yield from _messages(play)
    if play.state.issued and play.odoo.balance != play.state.balance:
        yield "the sweep tells the balance", swept(play)
    wake = rules.AGENDA.next_wake(play.state)
    if wake is not None and play.days:
        yield (
            f"it is {wake:%m-%d %H:%M}",
            told(replace(play, days=play.days - 1), ClockRang(), wake),
        )


def _results(play: Play) -> Iterator[Move]:
    for action in play.state.running.values():
        yield f"{action.key}: done", succeeded(play, action)
        if play.faults:
            less = replace(play, faults=play.faults - 1)
            yield from _faults(less, action)


def succeeded(play: Play, action: Action) -> Play:
    after, result = perform(play.odoo, play.state, action)
    if isinstance(result, Done) and action.kind == acts.TELL_CONTRACT:
        play = replace(play, told=str(result.value.stage))
    return told(replace(play, odoo=after), Answered(action.key, result))


def _faults(play: Play, action: Action) -> Iterator[Move]:
    key = action.key
    if action.kind in (acts.TELL_CONTRACT, acts.ASK_CREDIT, acts.TELL_INVOICE):
        lost = Failed("defect", "defect", "no such workflow")
        yield f"{key}: not told", told(play, Answered(key, lost))
        return
    closed = Failed("credentials", "api_key_refused", "no entry")
    yield f"{key}: refused at the door", told(play, Answered(key, closed))
    unheard = Failed("transient", "no_answer", "silence", maybe_done=True)
    yield f"{key}: never arrived", told(play, Answered(key, unheard))
    after, result = perform(play.odoo, play.state, action)
    if isinstance(result, Done):
        done = replace(play, odoo=after)
        behind = replace(closed, maybe_done=True)
        yield f"{key}: done, and the answer lost", told(done, Answered(key, behind))
    if action.kind == acts.POST and play.odoo.move == "draft":
        posts = play.odoo.posts + 1
        late = play.odoo.now(posts=posts, note="late", move="posted", residual=TOTAL)
        differs = refused("invoice_differs_from_approval")
        yield (
            f"{key}: changed right before it",
            told(replace(play, odoo=late), Answered(key, differs)),
        )
    if action.kind in _REFUSALS:
        code, has_effect = _REFUSALS[action.kind]
        there = replace(play, odoo=after) if has_effect else play
        yield f"{key}: {code}", told(there, Answered(key, refused(code)))


_REFUSALS = {
    acts.CREATE: ("draft_differs_from_proposal", True),
    acts.POST: ("invoice_differs_from_approval", False),
    acts.DELIVER: ("invoice_not_delivered", False),
    acts.REMIND: ("email_missing", False),
}


def _decisions(play: Play) -> Iterator[Move]:
    """What people decide about exceptions; retrying costs nothing, it ends in a result."""
    for parked in play.state.exceptions:
        for choice in Choice:
            less = play if choice is Choice.RETRY else replace(play, messages=play.messages - 1)
            if less.messages < 0:
                continue
            resolution = decision(parked.step, choice)
            if rules.AGENDA.refusal(play.state, resolution, play.state.clock) is not None:
                continue
            less = replace(less, skipped=less.skipped or choice is Choice.SKIP)
            yield f"{choice} {parked.step}", told(less, UpdateReceived(resolution))


def decision(step: str, choice: Choice) -> Resolution:
    changes = {"purchase_order": "PO-78"} if choice is Choice.AMEND else {}
    return Resolution(action=choice, by="olga", step=step, reason="so be it", changes=changes)


def _messages(play: Play) -> Iterator[Move]:
    if not play.messages:
        return
    less = replace(play, messages=play.messages - 1)
    for name, message in _updates(play.state):
        if rules.AGENDA.refusal(play.state, message, play.state.clock) is None:
            yield name, told(less, UpdateReceived(message))
    if not play.state.known_payments:
        yield "the bank tells of a payment", told(less, SignalReceived(payment("P-1")))
    yield from _in_odoo(less)


def _updates(state: InvoiceState) -> Iterator[tuple[str, Any]]:
    if state.open_round is not None:
        yield "approve", vote(state, BOB, Decision.APPROVE)
        yield "reject", vote(state, ANA, Decision.REJECT)
    yield "dispute", DisputeOpened(by=ANA, reason="late")
    yield "accept the dispute", DisputeResolved(by=ANA, accepted=TOTAL, comment="agreed")
    yield "promise", PaymentPromised(by=ANA, on=state.today)
    yield "hold", HoldChange(by=ANA, reason="talks")
    yield "release", HoldChange(on=False, by=ANA, reason="no more talks")
    yield "ask for a write-off", WriteOffAsked(by=SAM, reason="bankrupt")


def vote(state: InvoiceState, by: str, word: Decision) -> ApprovalDecision:
    assert state.open_round is not None
    subject = state.open_round.subject
    return ApprovalDecision(
        decision=word,
        by=by,
        content_hash=subject.content_hash,
        amount=subject.amount,
        comment="as I say",
    )


def payment(reference: str) -> PaymentNotice:
    return PaymentNotice(reference=reference, amount=TOTAL, paid_on=MONDAY)


def _in_odoo(play: Play) -> Iterator[Move]:
    """What people do in Odoo; the sweep tells of it at once."""
    odoo = play.odoo
    if odoo.move == "draft" and not odoo.note:
        yield "the draft changed in Odoo", replace(play, odoo=odoo.now(note="by hand"))
    if odoo.move == "draft":
        more = odoo.now(move="posted", posts=odoo.posts + 1, total=MORE, residual=MORE)
        yield "posted by hand with another amount", replace(play, odoo=more)
    if not play.state.issued:
        return
    if odoo.move == "posted" and odoo.residual == odoo.total == TOTAL:
        more = odoo.now(total=MORE, residual=MORE)
        yield "changed and posted again in Odoo", swept(replace(play, odoo=more))
    if odoo.move == "posted" and odoo.residual.is_positive:
        yield "paid in Odoo", swept(replace(play, odoo=odoo.now(residual=ZERO)))
    if odoo.move == "posted":
        yield "cancelled in Odoo", swept(replace(play, odoo=odoo.now(move="cancel")))
        yield "a payment undone in Odoo", swept(replace(play, odoo=odoo.now(residual=odoo.total)))
    elif odoo.move == "cancel":
        yield "posted again in Odoo", swept(replace(play, odoo=odoo.now(move="posted")))


def swept(play: Play) -> Play:
    return told(play, SignalReceived(play.odoo.balance))


_WHILE_CHANGED = (
    acts.BALANCE,
    acts.SETTLE_PAYMENT,
    acts.TELL_CONTRACT,
    acts.ASK_CREDIT,
    acts.TELL_INVOICE,
)
"""What goes on with an invoice that is not in Odoo what was approved."""


# --- what must hold ---------------------------------------------------------------------------


def check(play: Play) -> None:
    """What must hold wherever an invoice is."""
    state, odoo = play.state, play.odoo
    assert odoo.posts <= 1, "posted twice"
    lost = [amount for _, amount in odoo.losses]
    assert len(lost) <= len(state.write_offs_approved) + 1, "written off twice"
    assert len(set(odoo.reminders)) == len(odoo.reminders)
    assert not (odoo.as_approved and state.rejected_because), "posted, and given up"
    if play.told == InvoiceStage.REJECTED and not play.skipped:
        assert odoo.move in ("", "cancel"), f"told rejected, and {odoo.move} in Odoo"
    if odoo.posts and state.issued and odoo.total == TOTAL:
        assert state.approval_round is not None
        approved = {item.content_hash for item in state.approval_round.approvals}
        posted = approval_hash(state.proposal.content_hash, state.invoice_on, odoo.says)
        assert approved == {posted}, "posted is what was approved"
    assert state.issued or not odoo.sent, "nothing goes out that is not approved as it is"
    for item in state.payment_questions:
        if item.code == "payment_exceeds":
            assert (item.reference, item.amount) in odoo.excess, f"{item.text}: it is not"
    if state.approval_round is not None:
        proposed = state.proposal.amount
        assert state.approval_round.subject.amount == max(proposed, -proposed), "as it was proposed"
    if state.balance is not None and state.balance.total != TOTAL:
        for act in rules.AGENDA.wanted(state):
            goes_on = act.kind in _WHILE_CHANGED or act.key in state.uncertain
            assert goes_on, f"{act.key} goes on, and the invoice is not what was approved"
        asked = [item.kind for item in rules.AGENDA.wanted(state)]
        assert acts.BALANCE in asked or state.uncertain, "nobody is asked about another amount"
    if state.uncertain:
        for parked in state.exceptions:
            assert not parked.uncertain or parked.allowed == (Choice.RETRY,)
    assert all(item.key for item in state.exceptions)
    if rules.AGENDA.has_ended(state):
        check_end(play)


def check_end(play: Play) -> None:
    """What must hold at the end of an invoice."""
    state, odoo = play.state, play.odoo
    assert state.stage in (InvoiceStage.REJECTED, InvoiceStage.SETTLED)
    assert not state.exceptions, "nothing waits for a person"
    assert not state.retried
    assert not state.uncertain, "nothing is left open that may have happened"
    assert not state.payments, "no money is left lying"
    assert not state.credit_requests
    assert state.credit_to_tell is None
    if play.skipped:
        return
    if state.stage is InvoiceStage.REJECTED:
        assert odoo.move in ("", "cancel")
    else:
        assert odoo.sent == 1
        assert len(odoo.losses) == len(state.write_offs_approved)
        assert (odoo.move, odoo.total) == ("posted", TOTAL)
        assert odoo.balance == state.balance or state.balance is None
        assert state.delivered


# --- the way through --------------------------------------------------------------------------


@dataclass
class Found:
    """What an exploration came to."""

    plays: int = 0
    steps: int = 0
    ends: int = 0
    ways: dict[Any, tuple[Any, str]] = field(default_factory=dict)
    """From each place to the one before it, and what happened in between."""

    def way(self, place: Any) -> str:
        labels = []
        while place in self.ways:
            place, label = self.ways[place]
            labels.append(label)
        return " -> ".join(reversed(labels))


def explore(start: Play, most: int, look: Callable[[Play, str], None] | None = None) -> Found:
    """Go every way, breadth first, up to so many places; checks each, and `look`s at it."""
    found, first = Found(), canonical(start)
    seen, open_plays = {first}, deque([(first, start)])
    while open_plays and found.plays < most:
        place, play = open_plays.popleft()
        found.plays += 1
        try:
            check(play)
            if look is not None:
                look(play, found.way(place))
            if rules.AGENDA.has_ended(play.state):
                found.ends += 1
                continue
            following = list(moves(play))
        except Exception as error:
            raise AssertionError(f"{error}: {found.way(place)}") from error
        for label, after in following:
            found.steps += 1
            key = canonical(after)
            if key not in seen:
                seen.add(key)
                found.ways[key] = (place, label)
                open_plays.append((key, after))
    return found


def canonical(play: Play) -> Any:
    """The same for plays between which nothing that comes makes a difference."""
    state = play.state
    return (
        state.stage,
        state.clock,
        state.proposal.content_hash,
        _round(state.approval_round),
        bool(state.rejected_because),
        state.draft and (state.draft.content_hash, state.draft.invoice_on),
        (state.draft_tried, state.discarded, state.issued, state.delivered),
        state.balance
        and (state.balance.as_of, state.balance.residual.amount, state.balance.posted),
        state.balance and state.balance.total,
        (tuple(item.reference for item in state.payments), tuple(state.known_payments)),
        tuple(item.key for item in state.payment_questions),
        (state.dunning.level, state.dunning.sent_on, state.reminders_exhausted),
        state.reminder and (state.reminder.level, state.reminder.on, state.reminder.by_hand),
        (state.hold is not None, state.promise and state.promise.on, state.promises_broken),
        state.dispute and (state.dispute.amount.amount, state.dispute.accepted is not None),
        state.write_off and (state.write_off.amount.amount, _round(state.write_off.approval_round)),
        (state.write_offs, len(state.write_offs_approved), state.owed_at_booking),
        (tuple(state.payments_given_up), len(state.credit_requests), state.settles_at),
        (state.reconciled, state.credit_to_tell is not None),
        state.reported and (state.reported.stage, state.reported.residual, state.reported.disputed),
        tuple(
            (item.key, item.basis, item.code, min(item.attempts, 2), item.retry_at)
            for item in state.exceptions
        ),
        tuple((item.key, item.basis) for item in state.retried),
        state.uncertain,
        tuple((item.key, item.basis, item.kind) for item in state.running.values()),
        play.odoo,
        (play.told, play.skipped, play.faults, play.messages, play.days),
    )


def _round(found: Any) -> Any:
    if found is None:
        return None
    return (
        found.subject.content_hash,
        len(found.approvals),
        (found.reminded, found.escalated, found.escalation_reminded, bool(found.rejected_because)),
    )


_POSTED_BY_HAND = ("invoice_posted", "draft_differs_from_proposal")


# --- a good end from everywhere -----------------------------------------------------------------


def ends_well(play: Play) -> Play:
    """Played by people who do their work, and with no more faults, every invoice ends."""
    for number in range(80):
        state = play.state
        if rules.AGENDA.has_ended(state):
            check_end(play)
            return play
        play = _next_good(play, number)
    raise AssertionError(f"no end: {play.state.stage}, parked {play.state.exceptions}")


def _next_good(play: Play, number: int) -> Play:
    state, odoo = play.state, play.odoo
    for action in state.running.values():
        return succeeded(play, action)
    if odoo.move == "cancel" and state.issued:
        return swept(replace(play, odoo=odoo.now(move="posted")))
    if odoo.total != TOTAL and state.issued:
        return swept(replace(play, odoo=odoo.now(total=TOTAL, residual=TOTAL)))
    for parked in state.exceptions:
        if parked.code in _POSTED_BY_HAND and (odoo.note == "late" or odoo.total != TOTAL):
            # Posted as nobody approved it: only in Odoo is that taken back.
            posts = odoo.posts - 1
            play = replace(play, odoo=odoo.now(move="draft", residual=ZERO, posts=posts))
        given_up = Choice.RETRY not in parked.allowed or parked.code == "odoo_refused"
        choice = Choice.SKIP if given_up else Choice.RETRY
        play = replace(play, skipped=play.skipped or given_up)
        return told(play, UpdateReceived(decision(parked.step, choice)))
    if state.open_round is not None:
        return told(play, UpdateReceived(vote(state, BOB, Decision.APPROVE)))
    if odoo.move == "posted" and odoo.residual.is_positive:
        return swept(replace(play, odoo=odoo.now(residual=ZERO)))
    if odoo.move == "posted" and state.balance != odoo.balance:
        return swept(play)
    wake = rules.AGENDA.next_wake(state)
    assert wake is not None, f"nothing ever happens again: {state.stage}"
    return told(play, ClockRang(), wake)
