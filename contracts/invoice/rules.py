"""The agenda of an invoice: the rules of every part of it, in one object.

    draft -> approval, with reminders -> post -> deliver, reconcile, collect -> settled
                                    \\-> rejected -> discard the draft

The order of what is wanted is the order in which it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from contracts.agenda.actions import Action, Wanted
from contracts.agenda.machine import Agenda
from contracts.invoice import (
    acts,
    agreements,
    approving,
    collecting,
    issuing,
    payments,
    recording,
    reminding,
    reporting,
    reversals,
)
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.invoice.waits import invoice_waits

_PARTS = (issuing, approving, payments, reversals, agreements, reminding, reporting)

# --- what it has to do ----------------------------------------------------------------------------

Rule = Callable[[InvoiceState], InvoiceState]


def _wanted(state: InvoiceState) -> Sequence[Wanted]:
    """Every act and question that the state calls for, running and parked ones among them."""
    if state.issued:
        main = _to_collect(state)
    elif state.rejected_because:
        main = issuing.to_take_back(state)
    else:
        main = issuing.to_issue(state)
    aside: list[Wanted] = [*payments.to_settle(state), *payments.to_take_back(state)]
    return [*main, *aside, *reporting.to_tell(state)]


def _wake(state: InvoiceState) -> datetime | None:
    """The next day that matters (aware); None if only messages bring anything new."""
    found = state.open_round
    if found is not None:
        return found.next_wake(state.rules.calendar, state.clock)
    if not state.issued or not collecting.is_collecting(state):
        return None
    if collecting.required_balance(state).is_clear:
        return state.settles_at if state.delivered else None
    # Nobody is reminded of what has not reached them.
    return collecting.next_look(state) if state.delivered and collecting.is_dunned(state) else None


def _to_collect(state: InvoiceState) -> list[Wanted]:
    """Delivery goes beside the rest: while it is parked, payments are booked all the same."""
    found: list[Wanted] = []
    if not state.delivered and collecting.posted(state) is not None:
        found.append(issuing.to_send(state))
    if state.credit_to_tell is not None:
        number = str(state.proposal.credited_number)
        found.append(Action(acts.TELL_INVOICE, key=acts.TELL_INVOICE, subject=number))
    return [*found, *_of_its_balance(state)]


def _of_its_balance(state: InvoiceState) -> list[Wanted]:
    bookings = _bookings(state)
    if collecting.posted(state) is None:
        # What may be booked is found out whatever else has changed.
        in_doubt = [item for item in bookings if item.key in state.uncertain]
        return in_doubt or [reminding.look_for_restored(state)]
    if bookings:
        return bookings
    if state.write_off is not None:
        return approving.to_remind(state)
    return reminding.to_dun(state) if collecting.is_dunned(state) else []


def _bookings(state: InvoiceState) -> list[Wanted]:
    """One goes after the other; one that waits for a person holds up none of the others."""
    found: list[Wanted] = [payments.to_register(state, item) for item in state.payments]
    found += reversals.to_reverse(state)
    if collecting.is_to_reconcile(state) and state.credited_invoice_id is not None:
        found.append(payments.to_reconcile())
    if state.write_off is not None and state.write_off.approval_round.is_met:
        found.append(agreements.to_write_off(state.write_off))
    return found


# --- what follows from the state and the time alone -----------------------------------------------

_OF_PROPOSED: Sequence[Rule] = (
    issuing.begin_approval,
    approving.escalate,
    reversals.restore,
    reversals.leave_to_person,
    issuing.reject,
    issuing.stage_of_proposed,
)
_OF_POSTED: Sequence[Rule] = (
    agreements.keep_promise,
    agreements.end_dispute,
    payments.need_no_reconciling,
    reversals.restore,
    reversals.leave_to_person,
    agreements.void_write_off,
    approving.escalate,
    collecting.clear,
    collecting.reopen,
    agreements.end_holds,
    reminding.dunning_level,
    reminding.drop_reminder,
    collecting.stage_of_posted,
)


# --- what people see ------------------------------------------------------------------------------

_ENDS = (InvoiceStage.REJECTED, InvoiceStage.SETTLED)


def _shown(state: InvoiceState) -> InvoiceState:
    """The state with what people see of it: what it waits for, since when, what comes next."""
    waiting = state.waiting.updated(invoice_waits(state)[0], state.clock, state.exceptions)
    next_action_at = _next_action_at(state)
    if waiting is state.waiting and next_action_at == state.next_action_at:
        return state
    return state.replace(waiting=waiting, next_action_at=next_action_at)


def _next_action_at(state: InvoiceState) -> datetime | None:
    """When something happens by itself, for people to see."""
    if not state.issued or state.stage is InvoiceStage.SETTLED:
        return None
    if state.write_off is not None:
        return state.write_off.approval_round.next_reminder(state.rules.calendar)
    if not collecting.is_collecting(state):
        return state.next_action_at
    if not collecting.is_dunned(state):
        return state.settles_at
    decision = collecting.dunning_decision(state)
    return state.opening(decision.next_on) if decision.next_on else collecting.next_look(state)


AGENDA: Agenda[InvoiceState] = Agenda(
    wanted=_wanted,
    consequences=lambda state: _OF_POSTED if state.issued else _OF_PROPOSED,
    wake=_wake,
    is_over=lambda state: state.stage in _ENDS,
    shown=_shown,
    messages={kind: rule for part in _PARTS for kind, rule in part.MESSAGES.items()},
    acts={kind: rule for part in _PARTS for kind, rule in part.ACTS.items()},
    answer=reporting.report,
    audited=recording.AUDITED,
    correction_refusal=issuing.correction_refusal,
    corrected=issuing.corrected,
)
