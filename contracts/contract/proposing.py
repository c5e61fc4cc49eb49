"""From what may be billed to the workflows of its invoices.

What is offered here is entered as proposed, as soon as nothing stands in its way; then its
invoice's workflow is to be started. What stands in its way is a question to a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.approvals import HASH_PREFIX
from contracts.billing import account
from contracts.billing.account import Composition, Occasion, OccasionKind
from contracts.billing.lines import InvoiceProposal
from contracts.billing.state import Invoice
from contracts.billing.terms import is_read
from contracts.contract import amendments, delivery, reading
from contracts.contract.state import CapWarning, ContractState, InvoiceStart
from contracts.invoice.state import InvoiceReport, InvoiceStage
from contracts.money import Money
from contracts.parking import Resolution, StepException
from contracts.problems import Problem

START_INVOICE, WARN = "start_invoice", "warn"
BILL_PERIOD, CAP, PURCHASE_ORDER = "bill_period", "cap", "purchase_order"
BILLING_CHECK = "billing_check"
_CAP_REACHED = "cap_reached"
_MOST_SHOWN = 5
_MOST_WARNINGS = 20
"""That wait to be noted in Odoo; the journal has them all."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An invoice that may be proposed now, or the question that must be answered first: one of
    both."""

    occasion: Occasion
    composition: Composition | None = None
    question: Question | None = None


def wanted(state: ContractState) -> Iterator[Wanted]:
    """Questions about what may be billed, and what leads to the invoices that are proposed."""
    yield from (offer.question for offer in offers(state) if offer.question)
    yield from delivery.marks(state)
    yield from (
        Action(WARN, f"notify:{warning.on}:{warning.number}", lane="warnings")
        for warning in state.warnings[:1]
    )
    told = dict(delivery.deliveries(state))
    yield from told.values()
    if may_bill(state):
        for number, start in state.starting.items():
            if str(number) in told:
                continue  # Odoo learns first what was delivered of its lines.
            basis = start.proposal.content_hash[:HASH_PREFIX]
            # A lost answer leaves open whether it was started: nothing undoes it before that is
            # known.
            yield Action(
                START_INVOICE,
                start_key(number),
                basis=basis,
                subject=str(number),
                irreversible=True,
            )


def start_key(number: int) -> str:
    """The key of the act that starts an invoice's workflow."""
    return f"start:{number}"


def may_bill(state: ContractState) -> bool:
    """Whether nothing keeps the whole contract from billing: no hold, and the order in Odoo
    follows the contract."""
    return not state.is_held and not amendments.is_behind(state)


# --- what may be proposed -------------------------------------------------------------------------


def offers(state: ContractState) -> Iterator[Offer]:
    """What may be proposed now, the oldest first; nothing while billing stands still."""
    if not may_bill(state):
        return
    found = account.occasions(state.account, state.billing_day)
    waits = bool(found) and reading.is_under_way(state)
    asked = [item.key for item in (*state.exceptions, *state.retried)]
    for occasion in found:
        if not (waits and _may_be_joined(occasion)):
            yield _offer(state, occasion)
        elif asked:
            # While more is read for the same invoice, only a question that was asked before stays.
            offer = _offer(state, occasion)
            if offer.question is not None and offer.question.key in asked:
                yield offer


def next_number(state: ContractState) -> int:
    """The number of the contract's next invoice or credit note. What was settled without one has
    taken a number, too; that of a proposal that was given up is not used again."""
    return 1 + max((*state.invoices, *state.account.invoices), default=0)


def step_name(occasion: str) -> str:
    """What people know an occasion by: a milestone by its own key, a period by its day."""
    return occasion.removeprefix("milestone:").removeprefix("period:")


def _may_be_joined(occasion: Occasion) -> bool:
    """Whether what is being read may belong on the same invoice."""
    return occasion.kind in (OccasionKind.PERIOD, OccasionKind.SETTLEMENT)


def _offer(state: ContractState, occasion: Occasion) -> Offer:
    billing, today = state.account, state.billing_day
    found = account.compose(billing, occasion.key, next_number(state), today)
    if not isinstance(found, Composition):
        return Offer(occasion, question=_unbillable(occasion, found))
    proposal = found.proposal
    question = _beyond_limit(state, occasion, proposal.amount) if proposal else None
    if question is not None:
        return Offer(occasion, question=question)
    violations = account.check(billing, today)
    if violations:
        return Offer(occasion, question=_inconsistent(violations))
    return Offer(occasion, composition=found)


def _inconsistent(violations: list[str]) -> Question:
    """Nothing is proposed while the sums do not agree: that is a defect, for operations."""
    shown = "; ".join(violations[:_MOST_SHOWN])
    detail = Failed(
        kind="business",
        code="billing_inconsistent",
        message=f"{len(violations)} sum(s) of the billing do not agree: {shown}. Nothing is "
        "proposed until they do",
    )
    return Question(BILLING_CHECK, BILLING_CHECK, detail)


def _unbillable(occasion: Occasion, problems: tuple[Problem, ...]) -> Question:
    first = problems[0]
    is_cap = all(problem.code == _CAP_REACHED for problem in problems)
    detail = Failed(
        kind="business",
        code=first.code,
        message=f"{occasion.title} cannot be billed: {len(problems)} problem(s); the first: "
        f"{first}",
        field=first.field,
        value=first.value,
        problems=problems,
    )
    # Only a cap may be let pass, for what it cuts off now; what has no price must get one.
    kind, basis = BILL_PERIOD, ""
    if is_cap:
        kind, basis = CAP, ", ".join(f"{item.field} {item.value}" for item in problems)
    return Question(kind, f"{kind}:{step_name(occasion.key)}", detail, basis)


def _beyond_limit(state: ContractState, occasion: Occasion, amount: Money) -> Question | None:
    """The customer's purchase order is not exceeded unseen: each time somebody lets it pass, it
    is for this amount of this occasion, and for what the contract bills with it."""
    contract = state.terms
    limit = contract.purchase_order_limit
    if limit is None or not amount.is_positive:
        return None
    reached = account.sums(state.account, state.billing_day).committed + amount
    basis = f"{occasion.key} {amount} {reached}"
    if reached <= limit or basis in state.limits_passed:
        return None
    detail = Failed(
        kind="business",
        code="purchase_order_limit",
        message=f"with {occasion.title} ({amount}) the contract bills {reached}, more than "
        f"purchase order {contract.purchase_order} allows ({limit}): raise "
        "purchase_order_limit by a change order, or skip to bill it anyway",
        field="purchase_order_limit",
        value=str(limit),
    )
    key = f"{PURCHASE_ORDER}:{step_name(occasion.key)}"
    return Question(PURCHASE_ORDER, key, detail, basis)


# --- what is proposed -----------------------------------------------------------------------------


def proposes(state: ContractState) -> ContractState:
    """What may be billed is entered as proposed: from now on it is on this invoice."""
    for offer in offers(state):
        if offer.composition is not None:
            return _proposed(state, offer.occasion, offer.composition)
    return state


def _proposed(state: ContractState, occasion: Occasion, composition: Composition) -> ContractState:
    invoice = composition.invoice.replace(happened_on=state.today)
    proposal = _as_approved(state, composition.proposal)
    composition = replace(composition, invoice=invoice)
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
        requested_by=state.with_requesters(asked.by).requesters if asked else state.requesters,
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


def _as_approved(state: ContractState, proposal: InvoiceProposal | None) -> InvoiceProposal | None:
    """What follows from terms that somebody amended is not as it was signed."""
    if proposal is None or not state.was_amended:
        return proposal
    return proposal.model_copy(update={"as_planned": False})


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


def _started(state: ContractState, action: Action, is_new: bool) -> ContractState:
    """The invoice's workflow is under way. One that an earlier attempt began is not followed by
    this run: it is asked to report its end."""
    number = int(action.subject)
    state = state.without_start(number)
    if is_new:
        state = state.replace(followed=(*state.followed, number))
    report = state.invoices[number]
    if report.stage is not InvoiceStage.PROPOSED:
        return state  # It has reported already.
    awaiting = report.replace(stage=InvoiceStage.AWAITING_APPROVAL)
    return state.with_invoice(awaiting)


# --- what people decide ---------------------------------------------------------------------------


def _retry_period(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """What was corrected in Odoo is read again; the final settlement is of all plans."""
    everything = tuple(plan.key for plan in state.terms.plans if is_read(plan))
    plans = [plan for item in _meant(state, parked) for plan in item.plans or everything]
    return state.replace(read_again=tuple(dict.fromkeys((*state.read_again, *plans))))


def _meant(state: ContractState, parked: StepException) -> list[Occasion]:
    """The occasion that a question is about."""
    name = parked.subject
    found = account.occasions(state.account, state.billing_day)
    return [occasion for occasion in found if step_name(occasion.key) == name]


def _allow_cap(
    state: ContractState, parked: StepException, resolution: Resolution
) -> ContractState:
    """What these exceed their caps by is not billed, by a decision with name and reason."""
    billing = state.account
    for occasion in _meant(state, parked):
        for problem in parked.problems:
            plan, over = problem.field.removesuffix(".cap"), Money.parse(problem.value)
            by, reason = resolution.by, resolution.reason
            billing = account.allow_cap(billing, plan, occasion.due_on, by, reason, over)
    return state.replace(billing=billing)


def _pass_limit(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    return state.replace(limits_passed=(*state.limits_passed, parked.basis))


def _warned(state: ContractState, *_: Any) -> ContractState:
    return state.replace(warnings=state.warnings[1:])


ACTS: Mapping[str, ActRule[ContractState]] = {
    START_INVOICE: ActRule(parking.START_INVOICE, _started),
    WARN: ActRule(parking.NOTIFY, _warned, skipped=_warned),
    BILL_PERIOD: ActRule(parking.BILL_PERIOD, retried=_retry_period),
    CAP: ActRule(parking.CAP, skipped=_allow_cap, retried=_retry_period),
    PURCHASE_ORDER: ActRule(parking.PURCHASE_ORDER, skipped=_pass_limit),
    BILLING_CHECK: ActRule(parking.BILLING_CHECK),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {}
