"""What becomes of invoices that are proposed: their reports, rejected and lost ones, credits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from contracts import metrics, parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.billing import account
from contracts.billing.state import BillingState, InvoiceStatus, NotPossible
from contracts.contract import delivery, proposing
from contracts.contract.messages import CreditRequest, InvoiceEnded, InvoiceLost
from contracts.contract.state import ContractState, has_ended, not_running
from contracts.invoice.messages import CreditRequested
from contracts.invoice.state import CLEARED, UNBILLED, InvoiceReport, InvoiceStage
from contracts.money import Money
from contracts.parking import Resolution, StepException

PROPOSAL, FOLLOW, CREDIT = "proposal", "follow", "credit"
CONTRACT_RENEWED = "contract_renewed"
_MOST_CREDITS_ASKED = 100


def wanted(state: ContractState) -> Iterator[Wanted]:
    """Questions to people, and what the invoices' workflows do not know yet."""
    yield from (_decision(state, number) for number in account.undecided(state.account))
    yield from (
        delivery.review(state, key)
        for key, progress in state.milestones.items()
        if progress.under_review
    )
    yield from (_lost_question(state.invoices[number]) for number in state.orphaned_invoices)
    yield from (_credit_question(state, request) for request in _next_credits(state))
    yield from _renewal_notices(state)


# --- reports --------------------------------------------------------------------------------------


def _unknown(state: ContractState, report: InvoiceReport) -> str | None:
    return None if report.number in state.invoices else f"there is no invoice {report.number}"


def _unknown_ended(state: ContractState, ended: InvoiceEnded) -> str | None:
    return _unknown(state, ended.report)


def _unknown_lost(state: ContractState, lost: InvoiceLost) -> str | None:
    return None if lost.number in state.invoices else f"there is no invoice {lost.number}"


def report(state: ContractState, news: InvoiceReport) -> ContractState:
    """How an invoice stands now. One that has ended is not brought back by older news."""
    before = state.invoices[news.number]
    if has_ended(before) and news.stage is not before.stage:
        return state
    # What it reports says that it was started, even if the answer to that was lost.
    state = state.without_start(news.number).with_invoice(news)
    if news.stage is not before.stage:
        because = f" – {news.because}" if news.because else ""
        state = state.noted(f"{news.name}: {news.stage}{because}")
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
    return state.measured(
        metrics.days(metrics.POSTED, state.today - invoice.due_on, legal_entity=state.legal_entity)
    )


def _rejected(state: ContractState, news: InvoiceReport) -> ContractState:
    """Its keys wait for a person's decision. Without a draft nobody knows whether its milestone was
    marked reached in Odoo."""
    invoice = state.account.invoices.get(news.number)
    if invoice is None or invoice.status is not InvoiceStatus.PROPOSED:
        return state
    state = state.replace(billing=account.rejected(state.account, news.number))
    milestone = invoice.occasion.removeprefix("milestone:")
    if news.invoice_id is None and milestone in state.milestones:
        state = state.with_milestone(milestone, marked_in_odoo=None)
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
        return report(state, before.replace(stage=InvoiceStage.SETTLED))
    return lost(state, InvoiceLost(number=number))


def _renewal_notices(state: ContractState) -> Iterator[Action]:
    """An invoice whose end this run would not hear is asked once in its life to report it."""
    heard = {*state.followed, *state.reporting_end, *state.starting, *state.orphaned_invoices}
    for number, report in state.invoices.items():
        if number not in heard and not has_ended(report):
            key = f"{CONTRACT_RENEWED}:{number}"
            yield Action(CONTRACT_RENEWED, key, subject=str(number), lane=f"invoice:{number}")


def _renewal_sent(state: ContractState, action: Action, value: Any) -> ContractState:
    return state.replace(reporting_end=(*state.reporting_end, int(action.subject)))


def _renewal_not_sent(state: ContractState, action: Action, failure: Failed) -> ContractState:
    return cleared_or_lost(state, int(action.subject))


# --- rejected and lost ones -----------------------------------------------------------------------


def _decision(state: ContractState, number: int) -> Question:
    """A rejected proposal is proposed again, or waived."""
    invoice, report = state.account.invoices[number], state.invoices[number]
    detail = Failed(
        kind="business",
        code="proposal_rejected",
        message=f"proposal {number} ({invoice.title}, {report.amount}) was rejected by "
        f"{report.because}",
    )
    key = f"{PROPOSAL}:{proposing.step_name(invoice.occasion)}"
    return Question(PROPOSAL, key, detail, basis=str(number))


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


def _lost_question(report: InvoiceReport) -> Question:
    """An invoice that nobody collects any more is for a person to look after."""
    number = report.number
    detail = Failed(
        kind="business",
        code="invoice_ended",
        message=f"{report.name} ({report.amount}, {report.stage}) is followed no more: its "
        "workflow was ended by force. Look after it in Odoo, and skip to let the contract go on "
        "without it",
        field=f"invoices.{number}",
    )
    return Question(FOLLOW, f"{FOLLOW}:{number}", detail)


def _let_go(state: ContractState, parked: StepException, resolution: Resolution) -> ContractState:
    """The contract goes on without an invoice whose workflow is gone."""
    number = int(parked.subject)
    state = state.replace(orphaned_invoices=_without(state.orphaned_invoices, number))
    before = state.invoices[number]
    stage = InvoiceStage.SETTLED if before.total is not None else InvoiceStage.REJECTED
    because = f"{resolution.by}: its workflow was ended by force ({resolution.reason})"
    return report(state, before.replace(stage=stage, because=because))


# --- credits --------------------------------------------------------------------------------------


def _credit_refusal(state: ContractState, request: CreditRequest) -> str | None:
    return not_running(state) or why_not_credited(state, request)


def _credit(state: ContractState, request: CreditRequest) -> ContractState:
    title = credit_title(state, request)
    state = state.replace(billing=credited(state, request))
    return state.noted(f"{title} asked for by {request.by}: {request.reason}")


def _credit_asked_refusal(state: ContractState, asked: CreditRequested) -> str | None:
    """What cannot be credited waits for a person: a customer expects the money."""
    if len(state.credits_asked) >= _MOST_CREDITS_ASKED:
        return "too many credits wait for a person already"
    return not_running(state)


def _credit_of(asked: CreditRequested) -> CreditRequest:
    """The credit that an invoice asks for, whose dispute was accepted in part."""
    return CreditRequest(
        number=asked.number, amount=asked.untaxed, by=asked.by, reason=asked.reason
    )


def _credit_asked(state: ContractState, asked: CreditRequested) -> ContractState:
    """Credited as soon as it is possible (`credits_asked`)."""
    return state.replace(credits_asked=(*state.credits_asked, _credit_of(asked)))


def credits_asked(state: ContractState) -> ContractState:
    for request in state.credits_asked:
        if why_not_credited(state, request) is None:
            rest = tuple(item for item in state.credits_asked if item is not request)
            title = credit_title(state, request)
            billing = credited(state, request)
            state = state.replace(credits_asked=rest, billing=billing)
            return state.noted(f"{title} asked for by {request.by}: {request.reason}")
    return state


def credited(state: ContractState, request: CreditRequest) -> BillingState:
    """The billing with a credit asked for. Raises NotPossible with the reason."""
    return account.request_credit(
        state.account,
        request.number,
        state.today,
        request.reason,
        request.by,
        request.amount,
        reinvoice=request.reinvoice,
    )


def why_not_credited(state: ContractState, request: CreditRequest) -> str | None:
    """Why an invoice cannot be credited so, as a sentence; None if it can."""
    try:
        credited(state, request)
    except NotPossible as impossible:
        return str(impossible)
    return None


def credit_title(state: ContractState, request: CreditRequest) -> str:
    """What a credit is called in the journal."""
    report = state.invoices[request.number]
    amount: Money | str = request.amount if request.amount is not None else "all"
    return f"Credit of {report.name} ({amount})"


def _next_credits(state: ContractState) -> Iterable[CreditRequest]:
    """Of each invoice, the first of the credits that are asked for: a person decides about one
    after the other."""
    first: dict[int, CreditRequest] = {}
    for request in state.credits_asked:
        first.setdefault(request.number, request)
    return first.values()


def _credit_question(state: ContractState, request: CreditRequest) -> Question:
    """What cannot be credited waits for a person; once it can be, it is credited."""
    detail = Failed(
        kind="business",
        code="credit_not_possible",
        message=why_not_credited(state, request) or "it is about to be credited",
    )
    amount = request.amount if request.amount is not None else "all"
    return Question(CREDIT, f"{CREDIT}:{request.number}", detail, basis=str(amount))


def _not_credited(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    number = int(parked.subject)
    given_up = next(item for item in _next_credits(state) if item.number == number)
    rest = tuple(item for item in state.credits_asked if item is not given_up)
    return state.replace(credits_asked=rest)


ACTS: Mapping[str, ActRule[ContractState]] = {
    PROPOSAL: ActRule(parking.PROPOSAL, skipped=_waive_proposal, retried=_retry_proposal),
    FOLLOW: ActRule(parking.FOLLOW, skipped=_let_go),
    CREDIT: ActRule(parking.CREDIT, skipped=_not_credited),
    CONTRACT_RENEWED: ActRule(done=_renewal_sent, failed=_renewal_not_sent),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    InvoiceReport: MessageRule(report, _unknown),
    InvoiceEnded: MessageRule(_ended, _unknown_ended),
    InvoiceLost: MessageRule(lost, _unknown_lost),
    CreditRequest: MessageRule(_credit, _credit_refusal, brings_work=True),
    CreditRequested: MessageRule(_credit_asked, _credit_asked_refusal, brings_work=True),
}
