"""What follows from the state and the time alone, one step at a time: no act, no message."""

from __future__ import annotations

from collections.abc import Callable

from contracts import changes
from contracts.billing import account, keys
from contracts.billing.account import Composition, Occasion
from contracts.billing.state import Invoice
from contracts.contract import amendments, endings, intake, invoices, proposing
from contracts.contract.messages import HoldKind, Side
from contracts.contract.metrics import approval_decided, contract_ended
from contracts.contract.refusals import refusal
from contracts.contract.state import (
    DAY,
    ENDED,
    RUNNING,
    CapWarning,
    ContractStage,
    ContractState,
    Ending,
    InvoiceStart,
    PendingChange,
)
from contracts.invoice.state import InvoiceReport, InvoiceStage
from contracts.problems import InvalidContract

Rule = Callable[[ContractState], ContractState]

_MOST_WARNINGS = 20
"""That wait to be noted in Odoo; the journal has them all."""


def advance(state: ContractState) -> ContractState:
    """The state after the first thing that follows; the very same object when nothing does."""
    for rule in _rules(state):
        after = rule(state)
        if after is not state:
            return after
    return state


def _rules(state: ContractState) -> tuple[Rule, ...]:
    if state.stage in ENDED:
        return ()
    if state.cancel is not None:
        return (_cancelled,)
    return _WHILE_RUNNING if state.stage in RUNNING else _BEFORE


# --- before anything is billed --------------------------------------------------------------------


def _received(state: ContractState) -> ContractState:
    """There is data to be validated: under the contract's own name, whatever it says itself."""
    if state.stage is not ContractStage.RECEIVED or not state.contract_data:
        return state
    named = {
        **state.contract_data,
        "contract_id": state.contract_id,
        "legal_entity": state.legal_entity,
        "source": state.source.model_dump(mode="json"),
    }
    return state.replace(contract_data=named).enter(ContractStage.VALIDATING)


def _early_milestones(state: ContractState) -> ContractState:
    """Milestones that were reported before the contract was validated."""
    if state.contract is None or not state.early_milestones:
        return state
    first, rest = state.early_milestones[0], state.early_milestones[1:]
    state = state.replace(early_milestones=rest)
    refused = refusal(state, first)
    if refused is not None:
        return state.noted(f"Refused milestone {first.milestone}: {refused}")
    return intake.reached(state, first)


# --- while it runs --------------------------------------------------------------------------------


def _holds_end(state: ContractState) -> ContractState:
    for kind, hold in state.holds.items():
        if hold.until is not None and state.has_come(hold.until + DAY):
            rest = {key: item for key, item in state.holds.items() if key is not kind}
            state = state.replace(holds=rest)
            if kind is HoldKind.DUNNING:
                # Each invoice knows its last day, and goes on by itself.
                known = {n: item for n, item in state.dunning_holds.items() if item != hold}
                state = state.replace(dunning_holds=known)
            return state.noted(f"The {kind} hold until {hold.until} is over")
    return state


def _milestones_count(state: ContractState) -> ContractState:
    """What is reached may be billed, as soon as the contract has the milestone."""
    known = state.account.reached
    for key, progress in state.milestones.items():
        if progress.reached_on is not None and key not in known:
            return state.replace(billing=account.reach(state.account, key, progress.reached_on))
    return state


def _reviews_end(state: ContractState) -> ContractState:
    """An un-reached milestone is planned again once its invoice is rejected, or credited."""
    for key, progress in state.milestones.items():
        if progress.under_review and account.milestone_invoice(state.account, key) is None:
            state = intake.forgotten(state.with_milestone(key, under_review=False), key)
            return state.noted(f"Milestone {key} can be reached again")
    return state


def _credits_asked(state: ContractState) -> ContractState:
    for request in state.credits_asked:
        if invoices.why_not_credited(state, request) is None:
            rest = tuple(item for item in state.credits_asked if item is not request)
            title = invoices.credit_title(state, request)
            billing = invoices.credited(state, request)
            state = state.replace(credits_asked=rest, billing=billing)
            return state.noted(f"{title} asked for by {request.by}: {request.reason}")
    return state


# --- changes --------------------------------------------------------------------------------------


def _approvers_escalate(state: ContractState) -> ContractState:
    change = state.change
    if change is None or change.approval_round is None:
        return state
    approval_round = change.approval_round
    reminder = amendments.due_reminder(state, change)
    if approval_round.escalated or reminder is None or not reminder.escalated:
        return state
    return state.replace(change=change.replace(approval_round=approval_round.with_escalation()))


def _change_decided(state: ContractState) -> ContractState:
    change = state.change
    if change is None or change.approval_round is None or not change.approval_round.is_decided:
        return state
    approval_round = change.approval_round
    state = state.replace(change=None).measured(approval_decided(state, approval_round))
    if approval_round.is_rejected:
        because = approval_round.rejected_because
        return state.noted(f"Change order {change.order.number} rejected: {because}")
    return _with_change(state, change, approval_round.given)


def _with_change(state: ContractState, change: PendingChange, given: str) -> ContractState:
    """An approved change becomes the contract, if it still would say the same."""
    order = change.order
    try:
        contract_data, contract = amendments.changed(state, order)
    except InvalidContract as invalid:
        return state.noted(f"Change order {order.number} is void: {invalid}")
    if contract != change.contract:
        return state.noted(
            f"Change order {order.number} is void: the contract changed after it was proposed; "
            "propose it again"
        )
    return amendments.adopted(state, contract_data, contract, order.by, order.reason, given)


def _odoo_follows(state: ContractState) -> ContractState:
    """One version after the other: the next is begun once the last has arrived."""
    if state.following is None and amendments.is_behind(state):
        return state.replace(following=state.terms)
    return state


def _ends_early(state: ContractState) -> ContractState:
    """The last day is over: what was not reached is dropped, and the plans end."""
    request = state.termination
    if request is None or not amendments.ends_today(state):
        return state
    unreached = [key for key, progress in state.milestones.items() if progress.reached_on is None]
    contract_data, contract = changes.ended_early(state.terms, request.on, unreached)
    state = state.replace(terminated=True, ending=Ending.TERMINATED)
    reason = f"ended early: {request.reason}"
    state = amendments.adopted(state, contract_data, contract, request.by, reason)
    fee = request.side is Side.CUSTOMER
    return state.replace(billing=account.end_early(state.account, request.on, fee=fee))


def _renews(state: ContractState) -> ContractState:
    if not amendments.renews_today(state):
        return state
    contract_data, contract = changes.renewed(state.terms)
    reason = f"renewed until {contract.ends_on}"
    return amendments.adopted(state, contract_data, contract, "term", reason)


# --- proposals ------------------------------------------------------------------------------------


def _proposes(state: ContractState) -> ContractState:
    """What may be billed is entered as proposed: from now on it is on this invoice."""
    for offer in proposing.offers(state):
        if offer.composition is not None and offer.question is None:
            return _proposed(state, offer.occasion, offer.composition)
    return state


def _proposed(state: ContractState, occasion: Occasion, composition: Composition) -> ContractState:
    proposal, invoice = composition.proposal, composition.invoice
    state = state.replace(billing=account.propose(state.account, composition))
    for text in composition.warnings:
        state = _with_warning(state, text, invoice)
    if proposal is None:
        return state  # What comes to nothing is settled without an invoice.
    number, milestone = proposal.number, occasion.milestone
    asked = state.account.credit_requests.get(occasion.key)
    start = InvoiceStart(
        proposal=proposal,
        title=invoice.title,
        reached=_marked_with_draft(state, milestone),
        # Whoever asked for it, then or now, does not approve it.
        requested_by=(state.versions[0].by, state.terms.requested_by, asked.by if asked else ""),
    )
    report = InvoiceReport(
        number=number,
        kind=proposal.kind,
        credited_number=proposal.credited_number,
        stage=InvoiceStage.PROPOSED,
        amount=proposal.amount,
        content_hash=proposal.content_hash,
    )
    starting = {**state.starting, number: start}
    state = state.replace(starting=starting, looked_again=()).with_invoice(report)
    if start.reached and milestone is not None:
        state = state.with_milestone(milestone, marked_in_odoo=True, marked_as_of=state.clock)
    return state


def _marked_with_draft(state: ContractState, milestone: str | None) -> tuple[int, ...]:
    """The milestone (its id in Odoo) that the draft marks reached on its way, where Odoo has it
    and does not know yet. What a change order adds is not there at once."""
    progress = state.milestones.get(milestone or "")
    if progress is None or progress.marked_in_odoo:
        return ()
    known = state.odoo.milestone_ids.get(milestone or "")
    return () if known is None else (known,)


def _with_warning(state: ContractState, text: str, invoice: Invoice) -> ContractState:
    warning = CapWarning(number=state.warned + 1, text=text, on=invoice.due_on)
    warnings = (*state.warnings, warning)[-_MOST_WARNINGS:]
    state = state.replace(warnings=warnings, warned=warning.number)
    return state.noted(text)


# --- stages ---------------------------------------------------------------------------------------


def _stage(state: ContractState) -> ContractState:
    """Billed to the end, it only has to be collected; a credit or a change brings it back."""
    stage = ContractStage.CLOSING if endings.is_billed_out(state) else ContractStage.ACTIVE
    if stage is state.stage:
        return state
    state = state.enter(stage)
    return _forfeits_noted(state) if stage is ContractStage.CLOSING else state


def _forfeits_noted(state: ContractState) -> ContractState:
    """Retainage that nobody will get, by the terms of an early end."""
    for item in account.unbilled(state.account, state.billing_day):
        if item.what == keys.RETAINAGE:
            state = state.noted(f"Retainage of {item.amount} is forfeited")
    return state


def _close_out_starts_over(state: ContractState) -> ContractState:
    """What was checked before the contract was brought back is checked again."""
    if state.close_out_done and not endings.may_close(state):
        return state.replace(close_out_done=())
    return state


def _closed(state: ContractState) -> ContractState:
    if not state.close_out_done or endings.parts_left(state):
        return state
    return _ended(state, ContractStage.CLOSED, endings.ending_of(state))


def _ended(state: ContractState, stage: ContractStage, ending: Ending) -> ContractState:
    state = state.replace(ending=ending, closed_at=state.clock).enter(stage)
    return state.measured(contract_ended(state))


def _cancelled(state: ContractState) -> ContractState:
    """Everything is taken back."""
    under_way = any(not act.aside for act in state.running.values())
    if under_way or any(endings.compensation(state)):
        return state
    return _ended(state, ContractStage.CANCELLED, Ending.CANCELLED)


_BEFORE: tuple[Rule, ...] = (_received, _early_milestones)
_WHILE_RUNNING: tuple[Rule, ...] = (
    _early_milestones,
    _holds_end,
    _reviews_end,
    _milestones_count,
    _credits_asked,
    _approvers_escalate,
    _change_decided,
    _odoo_follows,
    _ends_early,
    _renews,
    _proposes,
    _closed,
    _stage,
    _close_out_starts_over,
)
