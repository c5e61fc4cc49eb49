"""From what may be billed to the workflows of its invoices.

`advance` enters what is offered here as proposed, as soon as nothing stands in its way; then its
invoice's workflow is to be started. What stands in its way is a question to a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.approvals import HASH_PREFIX
from contracts.billing.account import Composition, Occasion, OccasionKind
from contracts.contract import amendments, derived, reading
from contracts.contract.messages import HoldKind
from contracts.contract.state import ContractState
from contracts.money import Money
from contracts.problems import Problem

START_INVOICE, SET_DELIVERED, MARK_REACHED = "start_invoice", "set_delivered", "mark_reached"
WARN, DELIVERED = "warn", "delivered"
BILL_PERIOD, CAP, PURCHASE_ORDER = "bill_period", "cap", "purchase_order"
BILLING_CHECK = "billing_check"
_CAP_REACHED = "cap_reached"
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Offer:
    """An invoice that may be proposed now, or the question that must be answered first."""

    occasion: Occasion
    composition: Composition | None = None
    question: Question | None = None


def wanted(state: ContractState) -> Iterator[Wanted]:
    """Questions about what may be billed, and what leads to the invoices that are proposed."""
    yield from (offer.question for offer in offers(state) if offer.question)
    yield from _marks(state)
    yield from (
        Action(WARN, f"notify:{warning.on}:{warning.number}", lane="warnings")
        for warning in state.warnings[:1]
    )
    told = dict(_deliveries(state))
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
    return not is_held(state) and not amendments.is_behind(state)


def is_held(state: ContractState) -> bool:
    """Whether a hold on billing is in force today."""
    hold = state.holds.get(HoldKind.BILLING)
    return hold is not None and (hold.until is None or state.today <= hold.until)


# --- what may be proposed -----------------------------------------------------------------------


def offers(state: ContractState) -> Iterator[Offer]:
    """What may be proposed now, the oldest first; nothing while billing stands still."""
    found = derived.occasions(state.account, state.billing_day)
    if not found or not may_bill(state):
        return
    waits = reading.is_under_way(state)
    for occasion in found:
        if not (waits and _may_be_joined(occasion)):
            yield _offer(state, occasion)


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
    violations = derived.violations(billing, today)
    if violations:
        return Offer(occasion, question=_inconsistent(violations))
    found = derived.composed(billing, occasion.key, next_number(state), today)
    if not isinstance(found, Composition):
        return Offer(occasion, question=_unbillable(occasion, found))
    proposal = found.proposal
    question = _beyond_limit(state, occasion, proposal.amount) if proposal else None
    return Offer(occasion, composition=found, question=question)


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
    # Only a cap may be let pass; what has no price must get one.
    kind = CAP if is_cap else BILL_PERIOD
    return Question(kind, f"{kind}:{step_name(occasion.key)}", detail)


def _beyond_limit(state: ContractState, occasion: Occasion, amount: Money) -> Question | None:
    """The customer's purchase order is not exceeded unseen."""
    contract = state.terms
    limit = contract.purchase_order_limit
    if limit is None or occasion.key in state.limits_passed or not amount.is_positive:
        return None
    reached = derived.sums(state.account, state.billing_day).committed + amount
    if reached <= limit:
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
    return Question(PURCHASE_ORDER, key, detail, basis=str(reached))


# --- what Odoo learns -----------------------------------------------------------------------------


def delivered_news(state: ContractState, invoice: str) -> dict[str, Decimal]:
    """Delivered quantities of an invoice's order lines that Odoo cannot count itself and does not
    know yet. No invoice (an empty text): of the lines that no invoice waits for."""
    news = _all_delivered_news(state)
    if not news:
        return {}
    if invoice:
        lines = _lines_of(state, int(invoice))
        return {key: quantity for key, quantity in news.items() if key in lines}
    waiting = [key for number in state.starting for key in _lines_of(state, number)]
    return {key: quantity for key, quantity in news.items() if key not in waiting}


def _all_delivered_news(state: ContractState) -> dict[str, Decimal]:
    known = state.odoo.delivered
    now = derived.delivered(state.account)
    return {
        key: quantity for key, quantity in now.items() if known.get(key, Decimal(0)) != quantity
    }


def _lines_of(state: ContractState, number: int) -> tuple[str, ...]:
    return tuple(line.order_line for line in state.account.invoices[number].lines)


def _deliveries(state: ContractState) -> Iterator[tuple[str, Action]]:
    """Each invoice's lines by themselves: what Odoo refuses of one holds up no other."""
    if not state.starting or not _all_delivered_news(state):
        return
    for invoice in (*(str(number) for number in state.starting), ""):
        news = delivered_news(state, invoice)
        if news:
            basis = ",".join(f"{key}={quantity}" for key, quantity in sorted(news.items()))
            key = f"{DELIVERED}:{invoice}" if invoice else DELIVERED
            yield invoice, Action(SET_DELIVERED, key, basis=basis, subject=invoice, lane="order")


def _marks(state: ContractState) -> Iterator[Action]:
    """Odoo shows at once what was reached, even where it is billed later. Where it is proposed at
    once, the draft marks it on its way."""
    for key, progress in state.milestones.items():
        if progress.reached_on is None or progress.marked_in_odoo or progress.under_review:
            continue
        if key in state.odoo.milestone_ids and not _awaits_decision(state, key):
            name = f"{MARK_REACHED}:{key}"
            yield Action(MARK_REACHED, name, subject=key, lane=f"milestone:{key}")


def _awaits_decision(state: ContractState, milestone: str) -> bool:
    """Whether its proposal was rejected: retried, the next draft marks it."""
    occasion = f"milestone:{milestone}"
    undecided = derived.undecided(state.account)
    return any(state.account.invoices[number].occasion == occasion for number in undecided)
