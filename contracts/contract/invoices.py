"""What is to be done about invoices that are proposed: decisions on rejected ones, reviews, lost
ones, credits, and what their workflows must know."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.billing import account
from contracts.billing.state import BillingState, NotPossible
from contracts.contract import derived
from contracts.contract.messages import CreditRequest, Hold, HoldKind
from contracts.contract.proposing import step_name
from contracts.contract.state import ContractState, has_ended
from contracts.invoice.state import CLEARED, UNBILLED, InvoiceReport
from contracts.money import Money

PROPOSAL, REVIEW, FOLLOW, CREDIT = "proposal", "review", "follow", "credit"
DUNNING_HOLD, CONTRACT_RENEWED = "dunning_hold", "contract_renewed"


def wanted(state: ContractState) -> Iterator[Wanted]:
    """Questions to people, and what the invoices' workflows do not know yet."""
    yield from (_decision(state, number) for number in derived.undecided(state.account))
    yield from (
        _review(state, key) for key, progress in state.milestones.items() if progress.under_review
    )
    yield from (_lost(state.invoices[number]) for number in state.orphaned_invoices)
    yield from (_credit(state, request) for request in state.credits_asked)
    yield from _renewal_notices(state)
    yield from _hold_notices(state)


# --- questions ------------------------------------------------------------------------------------


def _decision(state: ContractState, number: int) -> Question:
    """A rejected proposal is proposed again, or waived."""
    invoice, report = state.account.invoices[number], state.invoices[number]
    detail = Failed(
        kind="business",
        code="proposal_rejected",
        message=f"proposal {number} ({invoice.title}, {report.amount}) was rejected by "
        f"{report.because}",
    )
    key = f"{PROPOSAL}:{step_name(invoice.occasion)}"
    return Question(PROPOSAL, key, detail, basis=str(number))


def _review(state: ContractState, milestone: str) -> Question:
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


def _lost(report: InvoiceReport) -> Question:
    """An invoice that nobody collects any more is for a person to look after."""
    number = report.number
    detail = Failed(
        kind="business",
        code="invoice_ended",
        message=f"{name_of(report)} ({report.amount}, {report.stage}) is followed no more: its "
        "workflow was ended by force. Look after it in Odoo, and skip to let the contract go on "
        "without it",
        field=f"invoices.{number}",
    )
    return Question(FOLLOW, f"{FOLLOW}:{number}", detail)


def _credit(state: ContractState, request: CreditRequest) -> Question:
    """What cannot be credited waits for a person; once it can be, it is credited."""
    detail = Failed(
        kind="business",
        code="credit_not_possible",
        message=why_not_credited(state, request) or "it is about to be credited",
    )
    amount = request.amount if request.amount is not None else "all"
    return Question(CREDIT, f"{CREDIT}:{request.number}", detail, basis=str(amount))


def name_of(report: InvoiceReport) -> str:
    """An invoice as people know it: by its number in Odoo, or as a proposal."""
    return report.odoo_number or f"proposal {report.number}"


# --- credits --------------------------------------------------------------------------------------


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
    return f"Credit of {name_of(report)} ({amount})"


# --- what invoices must know ----------------------------------------------------------------------


def _renewal_notices(state: ContractState) -> Iterator[Action]:
    """An invoice whose end this run would not hear is asked once in its life to report it."""
    for number, report in state.invoices.items():
        heard = number in state.followed or number in state.reporting_end
        if heard or number in state.starting or has_ended(report):
            continue
        if number not in state.orphaned_invoices:
            key = f"{CONTRACT_RENEWED}:{number}"
            yield Action(CONTRACT_RENEWED, key, subject=str(number), lane=f"invoice:{number}")


def _hold_notices(state: ContractState) -> Iterator[Action]:
    """Each open invoice knows whether dunning of the whole contract is on hold."""
    hold = state.holds.get(HoldKind.DUNNING)
    if hold is None and not state.dunning_holds:
        return
    for number, report in state.invoices.items():
        if number in state.starting or number in state.orphaned_invoices:
            continue
        if report.stage in CLEARED | UNBILLED or state.dunning_holds.get(number) == hold:
            continue
        key = f"{DUNNING_HOLD}:{number}"
        yield Action(
            DUNNING_HOLD, key, basis=_digest(hold), subject=str(number), lane=f"invoice:{number}"
        )


def _digest(hold: Hold | None) -> str:
    return hold.model_dump_json() if hold else ""
