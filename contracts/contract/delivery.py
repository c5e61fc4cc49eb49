"""What was delivered: milestones, use, service; and what Odoo learns of it.

What people and systems report is a fact, from which billing follows by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question
from contracts.agenda.machine import ActRule, MessageRule
from contracts.billing import account
from contracts.billing.state import NotPossible
from contracts.contract.messages import (
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreached,
    MilestoneUnreachedInOdoo,
    RetainageRelease,
    ServiceCredit,
    UsageReport,
    UsageTaken,
)
from contracts.contract.state import DAY, ENDED, ContractState, MilestoneProgress, not_running
from contracts.parking import Resolution, StepException

MARK_MILESTONE, SET_DELIVERED, REVIEW = "mark_milestone", "set_delivered", "review"
REACHED, PLANNED = "reached", "planned"
"""What a milestone is to be shown as in Odoo: the basis of the act that marks it."""
LOOK_UP = parking.LOOK_UP_MILESTONE.name
Mark = MilestoneReachedInOdoo | MilestoneUnreachedInOdoo
_DELIVERED = "delivered"
_MOST_EARLY = 1_000


# --- milestones -----------------------------------------------------------------------------------


def _milestone_refusal(
    state: ContractState, message: MilestoneReached | MilestoneUnreached
) -> str | None:
    if state.stage in ENDED:
        return f"the contract is {state.stage}"
    if state.cancel is not None:
        return "the contract is being cancelled"
    if isinstance(message, MilestoneReached) and message.on and message.on > _latest_day(state):
        return f"{message.on} lies ahead: report a milestone once it is reached"
    if state.contract is None:
        return None if len(state.early_milestones) < _MOST_EARLY else "too many early messages"
    if message.milestone not in state.milestones:
        known = ", ".join(state.milestones) or "none"
        return f"the contract has no such milestone; it has: {known}"
    return None


def _latest_day(state: ContractState) -> date:
    """Today; before the legal entity's zone is known it may be tomorrow there already."""
    return state.today if state.contract is not None else state.today + DAY


def _found_refusal(state: ContractState, message: Mark) -> str | None:
    if state.stage in ENDED:
        return f"the contract is {state.stage}"
    return None if state.cancel is None else "the contract is being cancelled"


def reported(state: ContractState, message: MilestoneReached | MilestoneUnreached) -> ContractState:
    """A milestone was delivered, or was not after all; repeating it changes nothing. Before the
    contract is validated it is kept."""
    if state.contract is None:
        return state.replace(early_milestones=(*state.early_milestones, message))
    if _is_old_news(state, message):
        return state
    if message.as_of is not None:
        state = state.with_milestone(message.milestone, told_as_of=message.as_of)
    if isinstance(message, MilestoneUnreached):
        return _taken_back(state, message.milestone, message.by)
    return _reached(state, message)


def _is_old_news(state: ContractState, message: MilestoneReached | MilestoneUnreached) -> bool:
    """Whether a system said this of the milestone before, or something later: its messages may
    come twice, and overtake each other."""
    told = state.milestones[message.milestone].told_as_of
    return told is not None and message.as_of is not None and message.as_of <= told


def _reached(state: ContractState, message: MilestoneReached) -> ContractState:
    key, by = message.milestone, f" by {message.by}" if message.by else ""
    progress = state.milestones[key]
    if progress.under_review:
        state = state.with_milestone(key, under_review=False)
        return state.noted(f"Milestone {key} reached again{by}")
    if progress.reached_on is not None:
        return state
    on = message.on or state.today
    state = state.with_milestone(key, reached_on=on, reached_by=message.by)
    return state.noted(f"Milestone {key} reached{by}")


def shown_in_odoo(state: ContractState, mark: Mark) -> ContractState:
    """Somebody has set a milestone in Odoo; a mark of ours is no news, nor is an old one.

    Odoo's dates have seconds: which of two marks within one is the later only Odoo knows, and it is
    looked at there.
    """
    for key in _milestones_of(state, mark.milestone_id):
        known = state.milestones[key]
        if _is_otherwise(known, mark) and known.marked_as_of == mark.as_of:
            state = state.with_milestone(key, is_unclear=True)
        else:
            state = _with_shown(state, key, mark)
    return state


def _with_shown(state: ContractState, key: str, mark: Mark) -> ContractState:
    """What Odoo shows of a milestone counts, where it is not what was known, nor older."""
    known = state.milestones[key]
    is_older = known.marked_as_of is not None and mark.as_of < known.marked_as_of
    if is_older or not _is_otherwise(known, mark):
        return state
    is_reached = isinstance(mark, MilestoneReachedInOdoo)
    state = state.with_milestone(key, marked_in_odoo=is_reached, marked_as_of=mark.as_of)
    if isinstance(mark, MilestoneUnreachedInOdoo):
        return _taken_back(state, key, "odoo")
    on = min(mark.on, state.today) if mark.on else None
    return _reached(state, MilestoneReached(milestone=key, by="odoo", on=on))


def _is_otherwise(known: MilestoneProgress, mark: Mark) -> bool:
    """Whether a mark differs from what is known; where that is nothing, it is to be set again."""
    return known.marked_in_odoo is (not isinstance(mark, MilestoneReachedInOdoo))


def _milestones_of(state: ContractState, milestone_id: int) -> list[str]:
    known = state.odoo.milestone_ids
    return [key for key in state.milestones if known.get(key) == milestone_id]


def _taken_back(state: ContractState, key: str, by: str) -> ContractState:
    """A milestone is not reached after all; one that an invoice bills is reviewed first."""
    progress = state.milestones.get(key, MilestoneProgress())
    if progress.reached_on is None or progress.under_review:
        return state
    state = state.noted(f"Milestone {key} is not reached after all ({by})")
    if state.billing and account.milestone_invoice(state.billing, key) is not None:
        return state.with_milestone(key, under_review=True)
    return forgotten(state, key)


def forgotten(state: ContractState, key: str) -> ContractState:
    """A milestone that nothing bills is planned again. A rejected proposal of it is no more."""
    state = state.with_milestone(key, reached_on=None, reached_by="")
    billing = state.billing
    if billing is None:
        return state
    for number in account.undecided(billing):
        if billing.invoices[number].occasion == f"milestone:{key}":
            billing = account.retry_rejected(billing, number)
    return state.replace(billing=account.unreach(billing, key))


# --- what follows ---------------------------------------------------------------------------------


def early_milestones(state: ContractState) -> ContractState:
    """What was reported of milestones before the contract was validated, in its order."""
    if state.contract is None or not state.early_milestones:
        return state
    first, rest = state.early_milestones[0], state.early_milestones[1:]
    state = state.replace(early_milestones=rest)
    refused = _milestone_refusal(state, first)
    if refused is not None:
        return state.noted(f"Refused milestone {first.milestone}: {refused}")
    return reported(state, first)


def milestones_count(state: ContractState) -> ContractState:
    """What is reached may be billed, as soon as the contract has the milestone."""
    known = state.account.reached
    for key, progress in state.milestones.items():
        if progress.reached_on is not None and key not in known:
            return state.replace(billing=account.reach(state.account, key, progress.reached_on))
    return state


def reviews_end(state: ContractState) -> ContractState:
    """An un-reached milestone is planned again once its invoice is rejected, or credited."""
    for key, progress in state.milestones.items():
        if progress.under_review and account.milestone_invoice(state.account, key) is None:
            state = forgotten(state.with_milestone(key, under_review=False), key)
            return state.noted(f"Milestone {key} can be reached again")
    return state


def review(state: ContractState, milestone: str) -> Question:
    """A milestone un-reached after its invoice was proposed is for a person to look at."""
    number = account.milestone_invoice(state.account, milestone)
    stage = state.invoices[number].stage if number else ""
    detail = Failed(
        kind="business",
        code="milestone_unreached",
        message=f"milestone {milestone} is not reached after all, but invoice {number} bills it "
        f"({stage}): credit or reject that, report the milestone reached again, or skip to let "
        "the invoice stand",
        field=f"milestones.{milestone}",
    )
    return Question(REVIEW, f"{REVIEW}:{milestone}", detail, basis=str(number))


# --- use, service, retainage ----------------------------------------------------------------------


def _usage(state: ContractState, report: UsageReport) -> ContractState:
    """Each record counts once; what cannot be billed is named in the answer."""
    recorded = account.record_usage(state.account, report.records)
    state, refused = state.replace(billing=recorded.billing), recorded.refused
    if refused:
        state = state.noted(f"Refused {len(refused)} usage records: {refused[0]}")
    answer = UsageTaken(taken=recorded.taken, known=recorded.known, refused=refused)
    return state.answering(answer)


def _service_credit_refusal(state: ContractState, credit: ServiceCredit) -> str | None:
    return not_running(state) or _why_not(
        lambda: account.credit_service(
            state.account,
            credit.retainer,
            credit.reference,
            credit.reason,
            credit.amount,
            state.today,
        )
    )


def _service_credit(state: ContractState, credit: ServiceCredit) -> ContractState:
    billing, is_news = account.credit_service(
        state.account, credit.retainer, credit.reference, credit.reason, credit.amount, state.today
    )
    if not is_news:
        return state
    state = state.replace(billing=billing)
    return state.noted(f"Service credit of {credit.amount} by {credit.by}: {credit.reason}")


def _release_refusal(state: ContractState, release: RetainageRelease) -> str | None:
    return not_running(state) or _why_not(
        lambda: account.release_retainage(state.account, state.today, release.reason)
    )


def _release(state: ContractState, release: RetainageRelease) -> ContractState:
    reason = f"{release.reason} ({release.by})"
    billing = account.release_retainage(state.account, state.today, reason)
    state = state.replace(billing=billing)
    return state.noted(f"Retainage released by {release.by}: {release.reason}")


def _why_not(act: Callable[[], object]) -> str | None:
    """Why billing refuses an act; None if it does not. Billing is frozen: to try costs nothing."""
    try:
        act()
    except NotPossible as impossible:
        return str(impossible)
    return None


# --- what Odoo learns -----------------------------------------------------------------------------


def marks(state: ContractState) -> Iterator[Action]:
    """Odoo shows at once what was reached, even where it is billed later, and what was taken back.
    Where it is proposed at once, the draft marks it on its way. Nothing is marked over what
    somebody may have set there: that is looked up first."""
    for key, progress in state.milestones.items():
        is_reached = progress.reached_on is not None
        lane = f"milestone:{key}"
        if progress.is_unclear:
            yield Action(LOOK_UP, f"{LOOK_UP}:{key}", subject=key, lane=lane)
            continue
        if is_reached is progress.marked_in_odoo or progress.under_review:
            continue
        if key in state.odoo.milestone_ids and not _awaits_decision(state, key):
            yield Action(
                MARK_MILESTONE,
                f"{MARK_MILESTONE}:{key}",
                basis=REACHED if is_reached else PLANNED,
                subject=key,
                lane=lane,
            )


def _awaits_decision(state: ContractState, milestone: str) -> bool:
    """Whether its proposal was rejected: retried, the next draft marks it."""
    occasion = f"milestone:{milestone}"
    undecided = account.undecided(state.account)
    return any(state.account.invoices[number].occasion == occasion for number in undecided)


def deliveries(state: ContractState) -> Iterator[tuple[str, Action]]:
    """Each invoice's lines by themselves: what Odoo refuses of one holds up no other."""
    if not state.starting or not _all_delivered_news(state):
        return
    for invoice in (*(str(number) for number in state.starting), ""):
        news = delivered_news(state, invoice)
        if news:
            basis = ",".join(f"{key}={quantity}" for key, quantity in sorted(news.items()))
            key = f"{_DELIVERED}:{invoice}" if invoice else _DELIVERED
            yield invoice, Action(SET_DELIVERED, key, basis=basis, subject=invoice, lane="order")


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
    now = account.delivered(state.account)
    return {
        key: quantity for key, quantity in now.items() if known.get(key, Decimal(0)) != quantity
    }


def _lines_of(state: ContractState, number: int) -> tuple[str, ...]:
    return tuple(line.order_line for line in state.account.invoices[number].lines)


def _marked(state: ContractState, action: Action, as_of: datetime | None) -> ContractState:
    return _with_mark(state, action.subject, action.basis == REACHED, as_of)


def _perhaps_marked(state: ContractState, action: Action, failure: Failed) -> ContractState:
    return _with_mark(state, action.subject, None) if failure.maybe_done else state


def _with_mark(
    state: ContractState, key: str, is_marked: bool | None, as_of: datetime | None = None
) -> ContractState:
    """What Odoo shows of a milestone; None where nobody knows."""
    if key not in state.milestones:
        return state
    return state.with_milestone(key, marked_in_odoo=is_marked, marked_as_of=as_of)


def _looked_up(state: ContractState, action: Action, shown: tuple[Mark, ...]) -> ContractState:
    """What Odoo shows now is the latest; a milestone that is gone there shows nothing."""
    state = state.with_milestone(action.subject, is_unclear=False)
    for mark in shown:
        state = _with_shown(state, action.subject, mark)
    return state


def _delivered(state: ContractState, action: Action, sent: dict[str, Decimal]) -> ContractState:
    return state.replace(odoo=state.odoo.replace(delivered={**state.odoo.delivered, **sent}))


# --- what people decide ---------------------------------------------------------------------------


def _stands(state: ContractState, parked: StepException, resolution: Resolution) -> ContractState:
    """The invoice of an un-reached milestone stands: it counts as reached, in Odoo too."""
    key = parked.subject
    state = state.with_milestone(key, under_review=False)
    return state.noted(f"Milestone {key}: the invoice stands ({resolution.reason})")


def _not_marked(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """Odoo is left as it is, and what it shows until now is no news."""
    return _with_mark(state, parked.subject, parked.basis == REACHED, state.clock)


def _not_looked_up(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """What was known before counts."""
    return state.with_milestone(parked.subject, is_unclear=False)


def _not_delivered(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    news = delivered_news(state, parked.subject)
    return state.replace(odoo=state.odoo.replace(delivered={**state.odoo.delivered, **news}))


ACTS: Mapping[str, ActRule[ContractState]] = {
    MARK_MILESTONE: ActRule(parking.MARK_MILESTONE, _marked, _perhaps_marked, skipped=_not_marked),
    LOOK_UP: ActRule(parking.LOOK_UP_MILESTONE, _looked_up, skipped=_not_looked_up),
    SET_DELIVERED: ActRule(parking.DELIVERED, _delivered, skipped=_not_delivered),
    REVIEW: ActRule(parking.REVIEW, skipped=_stands),
}
_SHOWN_IN_ODOO = MessageRule(shown_in_odoo, _found_refusal, brings_work=True, is_recorded=True)
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    MilestoneReached: MessageRule(reported, _milestone_refusal, brings_work=True),
    MilestoneUnreached: MessageRule(reported, _milestone_refusal, brings_work=True),
    MilestoneReachedInOdoo: _SHOWN_IN_ODOO,
    MilestoneUnreachedInOdoo: _SHOWN_IN_ODOO,
    UsageReport: MessageRule(_usage, not_running, brings_work=True),
    ServiceCredit: MessageRule(_service_credit, _service_credit_refusal, brings_work=True),
    RetainageRelease: MessageRule(_release, _release_refusal, brings_work=True),
}
