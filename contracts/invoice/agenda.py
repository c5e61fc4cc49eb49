"""What an invoice has to do, what follows from it, and when time alone changes something.

    draft -> approval, with reminders -> post -> deliver, reconcile, collect -> settled
                                    \\-> rejected -> discard the draft

The order of what is wanted is the order in which it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from contracts.agenda.actions import Action, Wanted
from contracts.invoice import (
    acts,
    agreements,
    approving,
    collecting,
    issuing,
    payments,
    reminding,
    reporting,
)
from contracts.invoice.state import InvoiceState

Rule = Callable[[InvoiceState], InvoiceState]


def wanted(state: InvoiceState) -> Sequence[Wanted]:
    """Every act and question that the state calls for, running and parked ones among them."""
    if state.issued:
        main = _to_collect(state)
    elif state.rejected_because:
        main = issuing.to_take_back(state)
    else:
        main = issuing.to_issue(state)
    return [*main, *payments.to_settle(state), *reporting.to_tell(state)]


def wake(state: InvoiceState) -> datetime | None:
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
        found.append(Action(acts.DELIVER, key=acts.DELIVER, irreversible=True))
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
    if collecting.is_to_reconcile(state) and state.credited_invoice_id is not None:
        found.append(payments.to_reconcile())
    if state.write_off is not None and state.write_off.approval_round.is_met:
        found.append(agreements.to_write_off(state.write_off))
    return found


# --- what follows from the state and the time alone -----------------------------------------------

_OF_PROPOSED: Sequence[Rule] = (
    issuing.begin_approval,
    approving.escalate,
    issuing.reject,
    issuing.stage_of_proposed,
)
_OF_POSTED: Sequence[Rule] = (
    agreements.keep_promise,
    agreements.end_dispute,
    payments.need_no_reconciling,
    agreements.void_write_off,
    approving.escalate,
    collecting.clear,
    collecting.reopen,
    agreements.end_holds,
    reminding.dunning_level,
    reminding.drop_reminder,
    collecting.stage_of_posted,
)


def advance(state: InvoiceState) -> InvoiceState:
    """The state after the first thing that follows; the very same object when nothing does."""
    for rule in _OF_POSTED if state.issued else _OF_PROPOSED:
        after = rule(state)
        if after is not state:
            return after
    return state
