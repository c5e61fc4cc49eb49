"""The CRM gets the contract's status after every change, and is asked again what it says itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from contracts import parking
from contracts.agenda.actions import Action
from contracts.agenda.machine import ActRule, MessageRule
from contracts.billing import account
from contracts.contract.answers import DealRead
from contracts.contract.derived import remembered
from contracts.contract.handing_over import burn_in_words
from contracts.contract.messages import CustomerRefresh
from contracts.contract.state import (
    FILE_SOURCE,
    RUNNING,
    UNSIGNED,
    ContractStage,
    ContractState,
    Ending,
    Figures,
    figures,
    not_running,
)
from contracts.contract.waits import contract_waits, invoices_wait
from contracts.crm import ContractStatus
from contracts.invoice.state import InvoiceReport
from contracts.ownership import refreshed

WRITE_STATUS, REFRESH = "write_back", "refresh"
_EARLY = (Ending.TERMINATED, Ending.EXPIRED)


def wanted(state: ContractState) -> Iterator[Action]:
    """The status, whenever it differs from what the CRM knows. What it says is decided when it is
    written, so that a parked write does not become another by its own exception."""
    if state.source.system != FILE_SOURCE and status(state) != state.crm_written:
        yield Action(WRITE_STATUS, WRITE_STATUS, lane="crm", aside=True)


def status(state: ContractState) -> ContractStatus:
    """The contract as its deal shows it."""
    seen = _without_own(state)
    return _status(
        state.source.id,
        _stage(state),
        state.odoo.project_name,
        _waiting_on(seen),
        figures(state.invoices, state.contract.currency) if state.contract else None,
        _next_invoice_on(state),
        len(seen.exceptions) + _parked(state.invoices),
        burn_in_words(state),
    )


@remembered
def _status(
    deal: str,
    stage: str,
    project: str,
    waiting_on: str,
    money: Figures | None,
    next_invoice_on: date | None,
    open_exceptions: int,
    burn: str,
) -> ContractStatus:
    return ContractStatus.of_checked(
        deal_id=deal,
        stage=stage,
        project_reference=project,
        waiting_on=waiting_on,
        invoiced=money.invoiced - money.credited if money else None,
        paid=money.paid if money else None,
        overdue=money.overdue if money else None,
        next_invoice_on=next_invoice_on,
        open_exceptions=open_exceptions,
        burn=burn,
    )


def _without_own(state: ContractState) -> ContractState:
    """Without the exception that the CRM itself cannot be reached: it cannot show that."""
    others = tuple(item for item in state.exceptions if item.key != WRITE_STATUS)
    return state if len(others) == len(state.exceptions) else state.replace(exceptions=others)


def _waiting_on(state: ContractState) -> str:
    """As the CRM shows it, which knows no invoices: what those wait on is said of the contract."""
    on, _ = contract_waits(state)
    return (invoices_wait(state)[0] if on == "invoices" else on) or ""


def _next_invoice_on(state: ContractState) -> date | None:
    if state.billing is None or state.stage not in RUNNING:
        return None
    return account.next_invoice_on(state.billing, state.billing_day)


@remembered
def _parked(reports: Mapping[int, InvoiceReport]) -> int:
    """How many steps of all invoices are parked."""
    return sum(len(report.exceptions) for report in reports.values())


def _stage(state: ContractState) -> str:
    """The stage as the deal shows it; of a contract that did not simply complete, how it ended."""
    if state.stage is ContractStage.CLOSED and state.ending in _EARLY:
        return f"{state.stage} ({state.ending})"
    return str(state.stage)


def _status_written(state: ContractState, action: Action, written: ContractStatus) -> ContractState:
    return state.replace(crm_written=written)


# --- the deal is read again -----------------------------------------------------------------------


def _refresh_refusal(state: ContractState, request: CustomerRefresh) -> str | None:
    if state.source.system == FILE_SOURCE:
        return "the contract came from a file, not from a CRM"
    if state.stage in UNSIGNED and state.cancel is None:
        return _reading_refusal(state)
    return not_running(state)


def _reading_refusal(state: ContractState) -> str | None:
    """Why the deal gives a contract that does not run yet no other terms; None if it does."""
    if state.was_amended:
        return "somebody has amended what the deal said, and that counts"
    if state.signature.is_given and not state.reads_deal:
        return "the contract is signed, and counts as its deal was then"
    return None


def _refresh(state: ContractState, request: CustomerRefresh) -> ContractState:
    """Before the contract runs, the deal's terms are its own; after that some of its data. A
    reading that is under way may have missed what changed, and is done once more."""
    state = state.with_deal_news()
    if state.stage in UNSIGNED:
        return state
    before = state.refresh
    if before is not None and before.by != request.by:
        state = state.with_requesters(before.by)
    return state.replace(refresh=request)


def refresh(state: ContractState) -> Iterator[Action]:
    """The deal is read again for whoever asked."""
    if state.refresh is not None:
        yield Action(REFRESH, REFRESH, basis=str(state.deal_news), subject=state.refresh.by)


def _deal_refreshed(state: ContractState, action: Action, deal: DealRead) -> ContractState:
    """Take from the deal what the CRM owns; differences in what others own are only named."""
    contract, accepted, ignored = refreshed(state.terms, deal.contract_data)
    found = (*accepted, *(f"not taken: {text}" for text in ignored))
    if contract != state.terms:
        state = state.replace(
            contract=contract,
            billing=account.adopt(state.account, contract, state.today),
        ).with_requesters(contract.requested_by, action.subject)
    # What the owner elsewhere keeps is the same every time: it is noted once.
    for text in found:
        if text not in state.refreshed:
            state = state.noted(f"{action.subject} refreshed the deal: {text}")
    return state.replace(refresh=None, refreshed=found)


ACTS: Mapping[str, ActRule[ContractState]] = {
    WRITE_STATUS: ActRule(
        # Skipped, this status is not written; the next one is tried again.
        parking.WRITE_BACK,
        _status_written,
        skipped=lambda state, *_: state.replace(crm_written=status(state)),
    ),
    REFRESH: ActRule(
        parking.REFRESH,
        decided=_deal_refreshed,
        skipped=lambda state, *_: state.replace(refresh=None),
    ),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    CustomerRefresh: MessageRule(_refresh, _refresh_refusal, brings_work=True)
}
