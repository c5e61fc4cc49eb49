"""What an accepted message changes. Nothing here starts anything: what is to be done then follows
from the state (contracts/contract/agenda.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from contracts import changes
from contracts.approvals import ApprovalDecision, Decision
from contracts.billing import account
from contracts.billing.account import Occasion
from contracts.billing.state import InvoiceStatus, NotPossible
from contracts.billing.terms import is_read
from contracts.changes import ChangeOrder
from contracts.contract import (
    amendments,
    derived,
    endings,
    invoices,
    proposing,
    reading,
    write_back,
)
from contracts.contract.messages import (
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    HoldRequest,
    InvoiceEnded,
    InvoiceLost,
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreached,
    MilestoneUnreachedInOdoo,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    TerminationRequest,
    TerminationWithdrawn,
    UsageReport,
    UsageTaken,
)
from contracts.contract.metrics import invoice_posted
from contracts.contract.refusals import corrected, credit_of, is_only_entered
from contracts.contract.state import (
    RUNNING,
    ContractState,
    MilestoneProgress,
    PendingChange,
    has_ended,
)
from contracts.invoice.messages import CreditRequested
from contracts.invoice.state import CLEARED, UNBILLED, InvoiceReport, InvoiceStage
from contracts.parking import Action as Choice
from contracts.parking import Resolution, StepException
from contracts.validation import validate


def take(state: ContractState, message: Any) -> ContractState:
    """The state after a message that is not refused."""
    return MESSAGES[type(message)](state, message)


# --- milestones -----------------------------------------------------------------------------------


def reached(state: ContractState, message: MilestoneReached) -> ContractState:
    """A milestone was delivered; repeating it changes nothing. Before the contract is validated it
    is kept."""
    if state.contract is None:
        return state.replace(early_milestones=(*state.early_milestones, message))
    if _is_old_news(state, message):
        return state
    state = _told(state, message)
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


def reached_in_odoo(state: ContractState, found: MilestoneReachedInOdoo) -> ContractState:
    """Somebody marked a milestone reached in Odoo."""
    for key in _milestones_of(state, found.milestone_id):
        progress = state.milestones[key]
        if progress.reached_on is None or progress.under_review:
            state = state.with_milestone(key, marked_in_odoo=True, marked_as_of=found.as_of)
            state = reached(state, MilestoneReached(milestone=key, by="odoo", on=found.on))
    return state


def _unreached(state: ContractState, message: MilestoneUnreached) -> ContractState:
    if _is_old_news(state, message):
        return state
    return _taken_back(_told(state, message), message.milestone, message.by)


def _is_old_news(state: ContractState, message: MilestoneReached | MilestoneUnreached) -> bool:
    """Whether a system said something later of this milestone: its messages may overtake each
    other."""
    told = state.milestones[message.milestone].told_as_of
    return told is not None and message.as_of is not None and message.as_of < told


def _told(state: ContractState, message: MilestoneReached | MilestoneUnreached) -> ContractState:
    if message.as_of is None:
        return state
    return state.with_milestone(message.milestone, told_as_of=message.as_of)


def _unreached_in_odoo(state: ContractState, found: MilestoneUnreachedInOdoo) -> ContractState:
    """A milestone that we hold as reached is not marked so in Odoo; older news is none."""
    for key in _milestones_of(state, found.milestone_id):
        progress = state.milestones[key]
        marked = progress.marked_as_of
        if progress.marked_in_odoo and (marked is None or found.as_of > marked):
            state = _taken_back(state, key, "odoo")
    return state


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
        return state.with_milestone(key, under_review=True, marked_in_odoo=False)
    return forgotten(state, key)


def forgotten(state: ContractState, key: str) -> ContractState:
    """A milestone that nothing bills is planned again. A rejected proposal of it is no more."""
    state = state.with_milestone(key, reached_on=None, reached_by="", marked_in_odoo=False)
    billing = state.billing
    if billing is None:
        return state
    for number in account.undecided(billing):
        if billing.invoices[number].occasion == f"milestone:{key}":
            billing = account.retry_rejected(billing, number)
    return state.replace(billing=account.unreach(billing, key))


# --- use, service, retainage ----------------------------------------------------------------------


def _usage(state: ContractState, report: UsageReport) -> ContractState:
    """Each record counts once; what cannot be billed is named in the answer."""
    billing, taken, known, refused = state.account, 0, 0, []
    for record in report.records:
        try:
            billing, is_news = account.record_usage(billing, record)
        except NotPossible as impossible:
            refused.append(f"{record.plan} {record.id}: {impossible}")
        else:
            taken += is_news
            known += not is_news
    state = state.replace(billing=billing)
    if refused:
        state = state.noted(f"Refused {len(refused)} usage records: {refused[0]}")
    return state.answering(UsageTaken(taken=taken, known=known, refused=refused))


def _service_credit(state: ContractState, credit: ServiceCredit) -> ContractState:
    billing, is_news = account.credit_service(
        state.account, credit.retainer, credit.reference, credit.reason, credit.amount, state.today
    )
    if not is_news:
        return state
    state = state.replace(billing=billing)
    return state.noted(f"Service credit of {credit.amount} by {credit.by}: {credit.reason}")


def _release(state: ContractState, release: RetainageRelease) -> ContractState:
    reason = f"{release.reason} ({release.by})"
    billing = account.release_retainage(state.account, state.today, reason)
    state = state.replace(billing=billing)
    return state.noted(f"Retainage released by {release.by}: {release.reason}")


# --- invoices -------------------------------------------------------------------------------------


def report(state: ContractState, news: InvoiceReport) -> ContractState:
    """How an invoice stands now. One that has ended is not brought back by older news."""
    before = state.invoices[news.number]
    if has_ended(before) and news.stage is not before.stage:
        return state
    # What it reports says that it was started, even if the answer to that was lost.
    state = state.without_start(news.number).with_invoice(news)
    if news.stage is not before.stage:
        because = f" – {news.because}" if news.because else ""
        state = state.noted(f"{invoices.name_of(news)}: {news.stage}{because}")
    state = _told_clear(state, news)
    if news.total is not None:
        return _issued(state, news)
    return _rejected(state, news) if news.stage in UNBILLED else state


def _told_clear(state: ContractState, news: InvoiceReport) -> ContractState:
    """What is known of an invoice's workflow is forgotten with its end."""
    if not has_ended(news):
        return state
    return state.replace(
        followed=_without(state.followed, news.number),
        reporting_end=_without(state.reporting_end, news.number),
        dunning_holds={k: v for k, v in state.dunning_holds.items() if k != news.number},
    )


def _without(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return tuple(item for item in numbers if item != number)


def _issued(state: ContractState, news: InvoiceReport) -> ContractState:
    """At once: what comes right behind, such as a credit, finds it issued."""
    invoice = state.account.invoices.get(news.number)
    if invoice is None or invoice.status is not InvoiceStatus.PROPOSED:
        return state
    billing = account.issued(state.account, news.number)
    state = state.replace(billing=account.fold(billing, state.today))
    if invoice.credited_number or news.amount.amount < 0:
        return state
    return state.measured(invoice_posted(state, invoice.due_on))


def _rejected(state: ContractState, news: InvoiceReport) -> ContractState:
    """Its keys wait for a person's decision. Where no draft marked its milestone reached in
    Odoo, the next one does."""
    invoice = state.account.invoices.get(news.number)
    if invoice is None or invoice.status is not InvoiceStatus.PROPOSED:
        return state
    state = state.replace(billing=account.rejected(state.account, news.number))
    milestone = invoice.occasion.removeprefix("milestone:")
    if news.invoice_id is None and milestone in state.milestones:
        state = state.with_milestone(milestone, marked_in_odoo=False)
    return state


def _ended(state: ContractState, ended: InvoiceEnded) -> ContractState:
    return report(state, ended.report)


def lost(state: ContractState, message: InvoiceLost) -> ContractState:
    """An invoice's workflow was ended by force: a person looks after it."""
    state = state.replace(followed=_without(state.followed, message.number))
    if message.number in state.orphaned_invoices or has_ended(state.invoices[message.number]):
        return state
    return state.replace(orphaned_invoices=(*state.orphaned_invoices, message.number))


def cleared_or_lost(state: ContractState, number: int) -> ContractState:
    """The workflow of an invoice that an earlier run began is gone: it was clear before, or was
    ended by force."""
    before = state.invoices[number]
    if before.stage in CLEARED:
        return report(state, before.model_copy(update={"stage": InvoiceStage.SETTLED}))
    return lost(state, InvoiceLost(number=number))


def _credit(state: ContractState, request: CreditRequest) -> ContractState:
    title = invoices.credit_title(state, request)
    state = state.replace(billing=invoices.credited(state, request))
    return state.noted(f"{title} asked for by {request.by}: {request.reason}")


def _credit_asked(state: ContractState, asked: CreditRequested) -> ContractState:
    """Credited as soon as it is possible (contracts/contract/advance.py)."""
    return state.replace(credits_asked=(*state.credits_asked, credit_of(asked)))


# --- changes --------------------------------------------------------------------------------------


def _change(state: ContractState, order: ChangeOrder) -> ContractState:
    """From now on the change order awaits its approval."""
    number = state.change_orders + 1
    order = order.model_copy(update={"number": number})
    contract_data, contract = amendments.changed(state, order)
    change = PendingChange(
        order=order,
        contract_data=contract_data,
        contract=contract,
        changes=tuple(changes.summary(state.terms, contract)),
    )
    state = state.replace(change_orders=number, change=change)
    return state.noted(f"Change order {number} by {order.by}: {order.reason}")


def _decision(state: ContractState, decision: ApprovalDecision) -> ContractState:
    change, approval_round = amendments.pending(state)
    decided = approval_round.decided(decision, state.clock)
    state = state.replace(change=change.replace(approval_round=decided))
    title = decided.subject.title
    if decision.decision is Decision.REJECT:
        state = state.noted(f"Rejected {title}: {decided.rejected_because}")
    else:
        state = state.noted(f"{decision.by} approved {title}")
    return state.answering(decided)


def _hold(state: ContractState, request: HoldRequest) -> ContractState:
    hold = request.hold
    if hold is None:
        rest = {kind: item for kind, item in state.holds.items() if kind is not request.kind}
        return state.replace(holds=rest).noted(f"{request.by} released the {request.kind} hold")
    state = state.replace(holds={**state.holds, request.kind: hold})
    return state.noted(f"{request.by} holds {request.kind}: {hold.reason}")


def _refresh(state: ContractState, request: CustomerRefresh) -> ContractState:
    return state.replace(refresh=request)


# --- endings --------------------------------------------------------------------------------------


def _termination(state: ContractState, request: TerminationRequest) -> ContractState:
    state = state.replace(termination=request)
    return state.noted(
        f"Ended early by the {request.side}, last day {request.on}: {request.reason}"
    )


def _withdrawal(state: ContractState, withdrawn: TerminationWithdrawn) -> ContractState:
    reason = f": {withdrawn.reason}" if withdrawn.reason else ""
    state = state.replace(termination=None)
    return state.noted(f"The early end is withdrawn by {withdrawn.by}{reason}")


def _notice(state: ContractState, notice: NoticeGiven) -> ContractState:
    on = notice.on or state.today
    state = state.replace(notice=notice.model_copy(update={"on": on}))
    return state.noted(f"Notice given by the {notice.side} ({notice.by}) on {on}")


def cancel(state: ContractState, request: CancelRequest) -> ContractState:
    """Nothing begins from now on but what takes back what was provisioned. What is proposed and
    was never sent out is proposed no more."""
    if state.cancel is not None:
        return state
    for number in [n for n in state.starting if is_only_entered(state, n)]:
        state = _withdrawn(state, number)
    reason = f": {request.reason}" if request.reason else ""
    state = state.replace(cancel=request, refresh=None)
    return state.noted(f"Cancelled by {request.by}{reason}")


def _withdrawn(state: ContractState, number: int) -> ContractState:
    billing = account.rejected(state.account, number)
    gone = {"stage": InvoiceStage.REJECTED, "because": "the contract is cancelled"}
    report = state.invoices[number].model_copy(update=gone)
    return state.replace(billing=billing).without_start(number).with_invoice(report)


# --- exceptions -----------------------------------------------------------------------------------


def resolved(state: ContractState, parked: StepException, resolution: Resolution) -> ContractState:
    """What a person's decision about an exception changes; a retry alone changes little."""
    if resolution.action is Choice.CANCEL:
        return cancel(state, CancelRequest(by=resolution.by, reason=resolution.reason))
    if resolution.action is Choice.AMEND:
        state = _amended(state, resolution)
    kind = parked.key.partition(":")[0]
    rules = _SKIPPED if resolution.action is Choice.SKIP else _RETRIED
    rule = rules.get(kind)
    return rule(state, parked, resolution) if rule else state


def _amended(state: ContractState, resolution: Resolution) -> ContractState:
    contract_data = corrected(state, resolution)
    if state.stage not in RUNNING:
        return state.replace(contract_data=contract_data, amended=True)
    contract = validate(contract_data)
    billing = account.adopt(state.account, contract, state.today)
    return state.replace(contract_data=contract_data, contract=contract, billing=billing)


def _subject(parked: StepException) -> str:
    return parked.key.partition(":")[2]


def _retry_proposal(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """Its differences are composed again, from what Odoo says by then."""
    return state.replace(billing=account.retry_rejected(state.account, int(parked.basis)))


def _waive_proposal(
    state: ContractState, parked: StepException, resolution: Resolution
) -> ContractState:
    number = int(parked.basis)
    title = state.account.invoices[number].title
    billing = account.waive_rejected(
        state.account, number, resolution.by, resolution.reason, state.today
    )
    state = state.replace(billing=billing)
    return state.noted(f"{title} will not be billed: {resolution.reason}")


def _retry_period(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """What was corrected in Odoo is read again; the final settlement is of all plans."""
    everything = tuple(plan.key for plan in state.terms.plans if is_read(plan))
    plans = [plan for item in _meant(state, parked) for plan in item.plans or everything]
    return state.replace(read_again=tuple(dict.fromkeys((*state.read_again, *plans))))


def _meant(state: ContractState, parked: StepException) -> list[Occasion]:
    """The occasion that a question is about."""
    name = _subject(parked)
    found = derived.occasions(state.account, state.billing_day)
    return [occasion for occasion in found if proposing.step_name(occasion.key) == name]


def _allow_cap(
    state: ContractState, parked: StepException, resolution: Resolution
) -> ContractState:
    """What exceeds the caps is not billed, by a decision with name and reason."""
    billing, today = state.account, state.billing_day
    for problem in parked.problems:
        plan = problem.field.removesuffix(".cap")
        billing = account.allow_cap(billing, plan, today, resolution.by, resolution.reason)
    return state.replace(billing=billing)


def _late_settled(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """A person has seen to what came too late."""
    rest = {k: text for k, text in state.came_too_late.items() if k != _subject(parked)}
    return state.replace(came_too_late=rest)


def _pass_limit(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """The purchase order may be exceeded by this one."""
    passed = [occasion.key for occasion in _meant(state, parked)]
    return state.replace(limits_passed=(*state.limits_passed, *passed))


def _stands(state: ContractState, parked: StepException, resolution: Resolution) -> ContractState:
    """The invoice of an un-reached milestone stands: it counts as reached, in Odoo too."""
    key = _subject(parked)
    state = state.with_milestone(key, under_review=False, marked_in_odoo=False)
    return state.noted(f"Milestone {key}: the invoice stands ({resolution.reason})")


def _let_go(state: ContractState, parked: StepException, resolution: Resolution) -> ContractState:
    """The contract goes on without an invoice whose workflow is gone."""
    number = int(_subject(parked))
    state = state.replace(orphaned_invoices=_without(state.orphaned_invoices, number))
    before = state.invoices[number]
    stage = InvoiceStage.SETTLED if before.total is not None else InvoiceStage.REJECTED
    because = f"{resolution.by}: its workflow was ended by force ({resolution.reason})"
    return report(state, before.model_copy(update={"stage": stage, "because": because}))


def _not_credited(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    number = int(_subject(parked))
    rest = [item for item in state.credits_asked if item.number != number]
    return state.replace(credits_asked=tuple(rest))


def _not_marked(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    return state.with_milestone(_subject(parked), marked_in_odoo=True, marked_as_of=None)


def _not_delivered(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    news = proposing.delivered_news(state, _subject(parked))
    return state.replace(odoo=state.odoo.replace(delivered={**state.odoo.delivered, **news}))


def _not_reminded(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """Neither the approvers of a change order nor readers of a warning get a note."""
    if _subject(parked) == "change_order":
        return amendments.reminded(state)
    return state.replace(warnings=state.warnings[1:])


def _project_left(state: ContractState, *_: Any) -> ContractState:
    """The project in Odoo stays as it is; the contract counts as followed."""
    return amendments.project_followed(state)


def _status_left(state: ContractState, *_: Any) -> ContractState:
    return amendments.status_shown(state, amendments.status_key(state))


def _not_written(state: ContractState, *_: Any) -> ContractState:
    """This status is not written; the next one is tried again."""
    return state.replace(crm_written=write_back.status(state))


def _not_refreshed(state: ContractState, *_: Any) -> ContractState:
    return state.replace(refresh=None)


def _part_left(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """A part of the close-out, or of the compensation, is given up."""
    return state.replace(close_out_done=(*state.close_out_done, parked.step))


_Rule = Callable[[ContractState, StepException, Resolution], ContractState]

_RETRIED: Mapping[str, _Rule] = {
    invoices.PROPOSAL: _retry_proposal,
    proposing.BILL_PERIOD: _retry_period,
    proposing.CAP: _retry_period,
}
_SKIPPED: Mapping[str, _Rule] = {
    invoices.PROPOSAL: _waive_proposal,
    invoices.REVIEW: _stands,
    invoices.FOLLOW: _let_go,
    invoices.CREDIT: _not_credited,
    proposing.CAP: _allow_cap,
    reading.TOO_LATE: _late_settled,
    proposing.PURCHASE_ORDER: _pass_limit,
    proposing.MARK_REACHED: _not_marked,
    proposing.DELIVERED: _not_delivered,
    amendments.NOTIFY: _not_reminded,
    amendments.AMEND_PROJECT: _project_left,
    amendments.PROJECT_STATUS: _status_left,
    write_back.WRITE_STATUS: _not_written,
    write_back.REFRESH: _not_refreshed,
    endings.CLOSE_OUT: _part_left,
    endings.CANCEL_ORDER: _part_left,
    endings.ARCHIVE_PROJECT: _part_left,
}

MESSAGES: Mapping[type, Callable[[ContractState, Any], ContractState]] = {
    MilestoneReached: reached,
    MilestoneUnreached: _unreached,
    MilestoneReachedInOdoo: reached_in_odoo,
    MilestoneUnreachedInOdoo: _unreached_in_odoo,
    UsageReport: _usage,
    ServiceCredit: _service_credit,
    InvoiceReport: report,
    InvoiceEnded: _ended,
    InvoiceLost: lost,
    CreditRequest: _credit,
    CreditRequested: _credit_asked,
    RetainageRelease: _release,
    ChangeOrder: _change,
    ApprovalDecision: _decision,
    HoldRequest: _hold,
    CustomerRefresh: _refresh,
    TerminationRequest: _termination,
    TerminationWithdrawn: _withdrawal,
    NoticeGiven: _notice,
    CancelRequest: cancel,
}
