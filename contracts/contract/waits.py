"""What a contract waits for: a word for lists, and a sentence for people."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.billing import account
from contracts.contract.messages import HoldKind
from contracts.contract.state import ENDED, ContractStage, ContractState
from contracts.invoice.state import CLEARED, PENDING, UNBILLED
from contracts.parking import waits_on

_MOST_NAMED = 5


def contract_waits(state: ContractState) -> tuple[str | None, str]:
    """What the contract itself waits on: the WaitingOn value and a sentence. What its invoices
    wait on they say themselves, each for itself: of the contract that is only a sentence."""
    if state.exceptions:
        return waits_on(state.exceptions)
    if state.stage in ENDED:
        return None, "nothing, it has ended"
    change = state.change
    if change is not None and change.approval_round and not change.approval_round.is_decided:
        return "approval", f"change order {change.order.number} to be approved"
    if state.stage is ContractStage.SIGNING and not state.signature.is_given:
        return "signature", f"the signature, by {_service(state)}"
    if state.stage is ContractStage.ACTIVE:
        on, what = _waits_for_work(state)
        if on is not None:
            return on, what
    on, what = invoices_wait(state)
    if on is not None:
        return "invoices", what
    return None, "the systems (no person is needed)"


def invoices_wait(state: ContractState) -> tuple[str | None, str]:
    """What a contract's invoices wait on, the first thing first, as the invoices call it."""
    for number, item in state.invoices.items():
        if item.exceptions:
            return (
                "exception",
                f"invoice {number}, parked: {waits_on(item.exceptions)[1]}",
            )
    undecided = [str(n) for n, item in state.invoices.items() if item.stage in PENDING]
    if undecided:
        return "approval", f"proposal {_named(undecided)} to be approved"
    done = CLEARED | UNBILLED
    pending = [str(n) for n, item in state.invoices.items() if item.stage not in done]
    if pending:
        return "payment", f"invoice {_named(pending)} to be settled"
    if state.stage is ContractStage.CLOSING:
        return "settlement", "the settlement period of its invoices"
    return None, ""


def _service(state: ContractState) -> str:
    envelope = state.signature.envelope
    return f"envelope {envelope.envelope_id}" if envelope else state.signature.system


def _named(names: Sequence[str]) -> str:
    """The first few, and how many there are beside them."""
    left = len(names) - _MOST_NAMED
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{shown} and {left} more" if left > 0 else shown


def _waits_for_work(state: ContractState) -> tuple[str | None, str]:
    """What has to come before more of an active contract is billed."""
    hold, contract = state.holds.get(HoldKind.BILLING), state.terms
    if hold is not None:
        until = f" until {hold.until}" if hold.until else ""
        return "hold", f"the hold on billing{until} to end: {hold.reason}"
    planned = [key for key, item in state.milestones.items() if item.reached_on is None]
    if planned:
        return "milestone", f"a milestone to be reached: {_named(planned)}"
    for due in account.dues(state.account, state.billing_day)[:1]:
        return "period", f"the next billing day, {due.on}: {due.plan} for {due.period}"
    release_on = contract.retainage.release_on if contract.retainage else None
    if release_on:
        held = account.sums(state.account, state.billing_day).retained
        if held.is_positive:
            return "retainage", f"{held} held back until {release_on}"
    if contract.plans and contract.ends_on:
        return "period", f"the end of the term, {contract.ends_on}"
    return None, ""
