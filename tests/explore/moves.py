"""Everything that may happen next: results, lost answers, messages, Signals, days, new runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from contracts.agenda.actions import Action, Done, Failed, Noted, Result
from contracts.approvals import ApprovalDecision, Decision
from contracts.billing import account
from contracts.contract import endings, provisioning
from contracts.contract.messages import CreditRequest, MilestoneReached, SignatureReported
from contracts.contract.state import ContractStage
from contracts.invoice import acts
from contracts.invoice.messages import CreditRequested, InvoiceBalance
from contracts.money import Money
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from contracts.signatures import EnvelopeStatus
from tests.explore import odoo
from tests.explore.coverage import Coverage, Moment, moments_at
from tests.explore.frozen import once
from tests.explore.messages import Sent, ends_of_children, name_of, sent_to
from tests.explore.odoo import OdooInvoice
from tests.explore.properties import (
    accepted_has_effect,
    answered_as_validated,
    comes_too_late,
    counted_once,
    only_noted,
    parks_with_both_values,
    shown_as_looked_up,
)
from tests.explore.world import (
    CONTRACT,
    Mail,
    World,
    answered,
    delivered,
    killed,
    next_wake,
    performed,
    rang,
    refusal,
    renewed,
    told,
)


class Move(NamedTuple):
    """One thing that may happen: its name, the same in each run, and the world after it. `heard` is
    what a workflow hears of it: an answer, a Signal, a message, the time; None if nothing."""

    label: str
    after: Callable[[], World]
    heard: Any = None


class Answer(NamedTuple):
    """An act of somebody ends; without a result with what it comes to in Odoo."""

    who: int
    key: str
    result: Result | None = None


class Rings(NamedTuple):
    """It is that time."""

    at: datetime


class Renewal(NamedTuple):
    """A workflow continues as new."""

    who: int


class Kill(NamedTuple):
    """An invoice's workflow is ended by force."""

    number: int


CLOSED = Failed("credentials", "api_key_refused", "no entry")
UNHEARD = Failed("transient", "no_answer", "silence", maybe_done=True)
DOWN = Failed("transient", "unreachable", "Odoo is down")
LOST = Failed("credentials", "api_key_refused", "no entry behind it", maybe_done=True)
DEFECT = Failed("defect", "defect", "a mistake of ours", maybe_done=True)


def moves(world: World, seen: Coverage) -> Iterator[Move]:
    """Everything that may happen next, in a fixed order."""
    yield from results(world)
    yield from arrivals(world)
    yield from sent_messages(world, seen)
    yield from by_hand(world)
    yield from days(world)
    yield from renewals(world)


# --- acts -----------------------------------------------------------------------------------------


def running(world: World) -> Iterator[tuple[int, Action]]:
    for who in (CONTRACT, *world.invoices):
        if world.is_alive(who):
            for action in world.state_of(who).running.values():
                yield who, action


def results(world: World) -> Iterator[Move]:
    for who, action in running(world):
        name = f"{action.key} of {name_of(who)}"
        if (who, action.key) in world.landed:
            result = world.landed[who, action.key]
            yield _ends(world, f"{name}: its answer arrives", who, action, result)
            if world.budget.faults:
                less = world.spend("faults")
                yield _ends(less, f"{name}: its answer is lost", who, action, UNHEARD)
            continue
        yield Move(
            f"{name}: done",
            lambda w=world, a=action, n=who: succeeded(w, n, a),  # type: ignore[misc]
            Answer(who, action.key),
        )
        if world.budget.early:
            less = world.spend("early")
            yield Move(
                f"{name}: done, and its answer is on its way",
                lambda w=less, a=action, n=who: _landed(w, n, a),  # type: ignore[misc]
            )
        if world.budget.faults:
            yield from _faults(world.spend("faults"), name, who, action)


def _ends(world: World, label: str, who: int, action: Action, result: Any) -> Move:
    return Move(
        label,
        lambda: answered(world, who, action.key, result),
        Answer(who, action.key, result),
    )


def succeeded(world: World, who: int, action: Action) -> World:
    there, result = performed(world, who, action)
    after = answered(there, who, action.key, result)
    parks_with_both_values(there, after, who, result)
    shown_as_looked_up(after, action)
    return after


def _landed(world: World, who: int, action: Action) -> World:
    after, result = performed(world, who, action)
    return after.replace(landed={**after.landed, (who, action.key): result})


def _faults(world: World, name: str, who: int, action: Action) -> Iterator[Move]:
    if action.kind in _SIGNALS:
        return  # Temporal delivers them, or says that the receiver has ended.
    yield _ends(world, f"{name}: refused at the door", who, action, CLOSED)
    yield _ends(world, f"{name}: not reached", who, action, DOWN)
    yield _ends(world, f"{name}: never arrived, and nobody knows", who, action, UNHEARD)
    yield _ends(world, f"{name}: a defect", who, action, DEFECT)
    after, result = performed(world, who, action)
    if isinstance(result, Done) and after is not world:
        yield _ends(after, f"{name}: done, and its answer lost", who, action, LOST)
    if after is not world or not action.irreversible:
        # One that was done before is found, and is not refused any more.
        for failed in _refusals(action):
            part = f" ({failed.part})" if failed.part else ""
            yield _ends(world, f"{name}: {failed.code}{part}", who, action, failed)
    if action.kind in (acts.REGISTER_PAYMENT, acts.WRITE_OFF) and after is not world:
        yield _not_posted(world, name, who, action)
    if action.kind == provisioning.PROVISION and after is not world:
        yield from _provisioned_in_part(world, name, who, action)
    if action.kind == acts.CREATE and after is not world:
        differs = odoo.refused("draft_differs_from_proposal")
        yield _ends(after, f"{name}: the draft differs", who, action, differs)


def _not_posted(world: World, name: str, who: int, action: Action) -> Move:
    """Odoo makes a draft, and does not post it."""
    known = world.odoo.invoices[who]
    payment, count = action.subject, world.state_of(who).write_offs
    key = f"payment:{payment}" if payment else f"write_off:{count}"
    drafts = (*known.without_draft(key).drafts, key)
    there = world.replace(odoo=world.odoo.with_invoice(known.replace(drafts=drafts)))
    return _ends(there, f"{name}: made, and not posted", who, action, odoo.refused("not_today"))


_SIGNALS = frozenset({"dunning_hold", "contract_renewed", "tell_contract", "ask_credit"}) | {
    acts.TELL_INVOICE
}
_REFUSED = {
    acts.POST: ("invoice_differs_from_approval", "period_locked"),
    acts.DELIVER: ("invoice_not_delivered",),
    acts.REMIND: ("email_missing", "reminder_not_delivered"),
}


def _refusals(action: Action) -> Iterator[Failed]:
    for code in _REFUSED.get(action.kind, ("not_today",)):
        yield odoo.refused(code)
    if action.kind == endings.CLOSE_OUT:
        facts = {"steps": ["closing_record", "archive_project"]}
        yield odoo.refused("closing_record_refused", part="closing_record", facts=facts)


def _provisioned_in_part(world: World, name: str, who: int, action: Action) -> Iterator[Move]:
    contract = world.request_of(who, action.key)
    refs = world.odoo.refs
    # An attempt goes on behind what the one before has made.
    first = 2 if refs.order_id else 1 if refs.project_id else 0
    for parts, part in list(enumerate(("customer", "order", "confirm")))[first:]:
        done = odoo.provisioned(world.odoo, contract, parts)
        failed = odoo.refused("not_today", part=part, facts=done.refs.model_dump(mode="json"))
        there = world.replace(odoo=done)
        yield _ends(there, f"{name}: stopped at {part}", who, action, failed)


# --- Signals on their way -------------------------------------------------------------------------


def arrivals(world: World) -> Iterator[Move]:
    for mail in first_of_each(world):
        kind = type(mail.message).__name__
        name = f"{kind} of {name_of(mail.sender)} reaches {name_of(mail.to)}"
        yield Move(name, lambda w=world, m=mail: arrived(w, m), mail)  # type: ignore[misc]
        if world.budget.copies:
            less = world.spend("copies")
            yield Move(
                f"{name}, twice",
                lambda w=less, m=mail: arrived(w, m, keep=True),  # type: ignore[misc]
                mail,
            )


def first_of_each(world: World) -> Iterator[Mail]:
    seen = []
    for mail in world.mail:
        if (mail.sender, mail.to) not in seen:
            seen.append((mail.sender, mail.to))
            yield mail


def arrived(world: World, mail: Mail, *, keep: bool = False) -> World:
    after = delivered(world, mail, keep=keep)
    accepted_has_effect(world, after, mail.to, mail.message, is_signal=True)
    return _counted(world, after, mail.message) if not keep else after


def _counted(before: World, after: World, message: Any) -> World:
    """A credit that was accepted has to be served before the end."""
    if before.contract_ended:
        return after
    if isinstance(message, CreditRequested):
        is_taken = (
            after.contract.credits_asked != before.contract.credits_asked
            or after.contract.billing is not before.contract.billing
        )
        return _owing(after, message.number, message.untaxed) if is_taken else after
    if isinstance(message, CreditRequest) and not message.reinvoice:
        # What is not credited already is all there is.
        whole = account.creditable(before.contract.account, message.number)
        return _owing(after, message.number, whole if message.amount is None else message.amount)
    return after


def _owing(world: World, number: int, amount: Money) -> World:
    return world.replace(credits=(*world.credits, (number, amount)))


# --- messages -------------------------------------------------------------------------------------


class Reply(NamedTuple):
    """A message, whether it is sent in any case, and why it is refused: None if it is not."""

    sent: Sent
    is_free: bool
    because: str | None


def sent_messages(world: World, seen: Coverage) -> Iterator[Move]:
    for who in (CONTRACT, *world.invoices):
        if world.is_alive(who):
            for reply in _replies(world, who, bool(world.budget.messages)):
                move = _sending(world, reply, seen)
                if move is not None:
                    yield move


def sending(world: World, sent: Sent, seen: Coverage) -> Move | None:
    """The move of a message; None for one that is refused, or that nobody sends any more."""
    reply = _reply(world, sent, is_any_sent=bool(world.budget.messages))
    return None if reply is None else _sending(world, reply, seen)


def _about_replies(world: World, who: int, is_any_sent: bool) -> tuple[Any, ...]:
    return (who, world.state_of(who), world.odoo.invoices.get(who), world.clock, is_any_sent)


@once(20_000, _about_replies)
def _replies(world: World, who: int, is_any_sent: bool) -> tuple[Reply, ...]:
    """What everything is answered that may be sent now to one of them."""
    found = (_reply(world, sent, is_any_sent=is_any_sent) for sent in sent_to(world, who))
    return tuple(reply for reply in found if reply is not None)


def _reply(world: World, sent: Sent, *, is_any_sent: bool) -> Reply | None:
    """What a message is answered now; None if nobody sends it any more."""
    is_free = _has_to_happen(world, sent)
    if (not is_free and not is_any_sent) or isinstance(sent.message, Noted):
        return None
    because = _refused(world, sent)
    if because is not None and sent.is_signal:
        answered_as_validated(world, sent.who, sent.event, because)
    return Reply(sent, is_free, because)


def _sending(world: World, reply: Reply, seen: Coverage) -> Move | None:
    sent, is_free, because = reply
    is_new = seen.answered(world, sent, because)
    if because is None:
        less = world if is_free else world.spend("messages")
        return Move(sent.label, lambda: send(less, sent), sent)
    if is_new and not sent.is_signal:
        answered_as_validated(world, sent.who, sent.event, because)
    return None


def _refused(world: World, sent: Sent) -> str | None:
    if sent.is_signal and any(act.exclusive for act in world.state_of(sent.who).running.values()):
        return None  # It is kept, and accepted or refused at the end of the act.
    if sent.is_signal and comes_too_late(world, sent.who, sent.message):
        return None  # It is refused, and a person is told.
    return refusal(world, sent.who, sent.message)


def tried(world: World, sent: Sent, seen: Coverage) -> None:
    """Send a message only to see that it is answered as it must be."""
    if isinstance(sent.message, Noted):
        only_noted(world, sent.who, sent.message)
        return
    because = _refused(world, sent)
    seen.answered(world, sent, because)
    if because is not None:
        answered_as_validated(world, sent.who, sent.event, because)
        return
    send(world, sent)
    if not sent.is_signal:
        counted_once(world, sent.who, sent.message)


def probe(world: World, moment: Moment, seen: Coverage) -> None:
    """Send everything there is to whoever is in this moment."""
    core, name = moment
    for who in (CONTRACT, *world.invoices):
        if world.is_alive(who) and moment in moments_at(world, who):
            for sent in (*sent_to(world, who), *ends_of_children(world, who)):
                tried(world, sent, seen)
                seen.cells.add((core, sent.kind, name))


def _has_to_happen(world: World, sent: Sent) -> bool:
    """What people do in any case, for a contract to come to its end, is not counted."""
    message = sent.message
    if isinstance(message, Resolution):
        return message.action is Choice.RETRY
    if isinstance(message, ApprovalDecision):
        return message.decision is Decision.APPROVE
    if isinstance(message, MilestoneReached) and world.contract.contract is not None:
        progress = world.contract.milestones.get(message.milestone)
        return not sent.is_signal and progress is not None and progress.reached_on is None
    if isinstance(message, SignatureReported):
        is_awaited = world.contract.stage is ContractStage.SIGNING
        return is_awaited and message.envelope.status is EnvelopeStatus.COMPLETED
    if isinstance(message, InvoiceBalance):
        return bool(world.invoices[sent.who].state.balance != message)
    return False


def send(world: World, sent: Sent) -> World:
    after = told(world, sent.who, sent.event)
    accepted_has_effect(world, after, sent.who, sent.message, is_signal=sent.is_signal)
    if isinstance(sent.message, Resolution):
        return _resolved(world, after, sent.who, sent.message)
    return _counted(world, after, sent.message)


def _resolved(before: World, after: World, who: int, resolution: Resolution) -> World:
    """Who gives something up answers for it; who amends a proposal does not approve it."""
    if resolution.action is Choice.SKIP:
        return after.replace(skipped=True)
    if resolution.action is Choice.AMEND and who != CONTRACT:
        proposals = (world.invoices[who].state.proposal for world in (before, after))
        if len({proposal.content_hash for proposal in proposals}) > 1:
            return after.replace(amended=(*after.amended, (who, resolution.by)))
    return after


# --- what people do in Odoo, and by force ---------------------------------------------------------


def by_hand(world: World) -> Iterator[Move]:
    """What people do in Odoo, and by force."""
    for number, known in world.odoo.invoices.items():
        for label, changes in _by_hand(world, number, known):
            yield Move(label, lambda n=number, c=changes: changed(world, n, **c))  # type: ignore[misc]
    if not world.odoo.has_rate:
        yield Move("the hours are booked by somebody else", lambda: with_rate(world))
    if not world.budget.messages:
        return
    less = world.spend("messages")
    for number, known in world.odoo.invoices.items():
        for label, changes in _meddling(world, number, known):
            yield Move(label, lambda n=number, c=changes: changed(less, n, **c))  # type: ignore[misc]
    for key, milestone in world.contract.odoo.milestone_ids.items():
        is_marked = milestone in world.odoo.marked
        yield Move(
            f"{key} is {'unmarked' if is_marked else 'marked'} in Odoo",
            lambda m=milestone, on=not is_marked: less.replace(  # type: ignore[misc]
                odoo=less.odoo.marking((m,), is_reached=on)
            ),
        )
    if not world.odoo.is_late and _has_hours(world):
        yield Move(
            "more hours are approved late",
            lambda: less.replace(odoo=less.odoo.replace(is_late=True)),
        )
    for number, item in world.invoices.items():
        # One that has promised to report its end is missed by nobody: the contract waits for it.
        if number in world.contract.followed and not item.is_ended and world.budget.faults:
            fault = less.spend("faults")
            yield Move(
                f"invoice {number} is ended by force",
                lambda n=number, w=fault: killed(w, n).replace(skipped=True),  # type: ignore[misc]
                Kill(number),
            )


def _by_hand(world: World, number: int, known: OdooInvoice) -> Iterator[tuple[str, Any]]:
    """What somebody does sooner or later."""
    zero = Money.zero(known.total.currency)
    if known.move == odoo.POSTED and (known.residual.is_positive or known.in_payment):
        yield f"invoice {number} is paid in Odoo", {"residual": zero, "in_payment": False}
    if known.posts and known.move == odoo.CANCELLED:
        yield f"invoice {number} is posted again in Odoo", {"move": odoo.POSTED}


def _meddling(world: World, number: int, known: OdooInvoice) -> Iterator[tuple[str, Any]]:
    """What somebody may do: of an invoice whose workflow has ended nobody hears it."""
    if not world.is_alive(number):
        return
    if known.move == odoo.DRAFT and not known.note:
        yield f"the draft of invoice {number} is changed in Odoo", {"note": "by hand"}
    if known.move == odoo.POSTED:
        if known.residual.is_positive and not known.in_payment:
            yield f"a payment of invoice {number} is on its way", {"in_payment": True}
        yield f"invoice {number} is cancelled in Odoo", {"move": odoo.CANCELLED}
        is_credited = any(
            item.proposal.credited_number == number for item in world.odoo.invoices.values()
        )
        if known.residual != known.total and not known.is_credit and not is_credited:
            undone = {"residual": known.total, "written_off": None}
            yield f"what was paid of invoice {number} is undone in Odoo", undone


def changed(world: World, number: int, **changes: Any) -> World:
    """Somebody has changed an invoice in Odoo."""
    known = world.odoo.invoices[number]
    return world.replace(odoo=world.odoo.with_invoice(known.now(**changes)))


def with_rate(world: World) -> World:
    return world.replace(odoo=world.odoo.replace(has_rate=True))


def _has_hours(world: World) -> bool:
    contract = world.contract.contract
    return contract is not None and bool(contract.time)


# --- time, and new runs ---------------------------------------------------------------------------


def days(world: World) -> Iterator[Move]:
    at = next_wake(world)
    if at is not None and world.budget.days:
        yield Move("time passes", lambda: rang(world.spend("days"), at), Rings(at))


def renewals(world: World) -> Iterator[Move]:
    if not world.budget.renewals:
        return
    for who in (CONTRACT, *world.invoices):
        if world.is_alive(who) and not world.state_of(who).running:
            yield Move(
                f"{name_of(who)} continues as new",
                lambda n=who: renewed(world.spend("renewals"), n),  # type: ignore[misc]
                Renewal(who),
            )
