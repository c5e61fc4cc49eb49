"""The CRM gets the contract's status after every change; nothing waits for that."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.agenda.actions import Action
from contracts.contract.derived import remembered
from contracts.contract.state import (
    FILE_SOURCE,
    ContractStage,
    ContractState,
    Ending,
    MoneyTable,
    money_table,
)
from contracts.contract.waits import contract_waits, invoices_wait
from contracts.crm import ContractStatus

WRITE_STATUS = "write_back"
REFRESH = "refresh"
_EARLY = (Ending.TERMINATED, Ending.EXPIRED)


def wanted(state: ContractState) -> Iterator[Action]:
    """The status, whenever it differs from what the CRM knows. What it says is decided when it is
    written, so that a parked write does not become another by its own exception."""
    if state.source.system != FILE_SOURCE and status(state) != state.crm_written:
        yield Action(WRITE_STATUS, WRITE_STATUS, lane="crm", aside=True)


def refresh(state: ContractState) -> Iterator[Action]:
    """The deal is read again for whoever asked."""
    if state.refresh is not None:
        yield Action(REFRESH, REFRESH, basis=state.refresh.by)


def status(state: ContractState) -> ContractStatus:
    """The contract as its deal shows it."""
    return _status(
        state.source.id,
        _stage(state),
        state.odoo.project_name,
        _waiting_on(state),
        money_table(state),
    )


@remembered
def _status(
    deal: str, stage: str, project: str, waiting_on: str, money: MoneyTable | None
) -> ContractStatus:
    return ContractStatus(
        deal_id=deal,
        stage=stage,
        project_reference=project,
        waiting_on=waiting_on,
        invoiced=money.invoiced - money.credited if money else None,
        paid=money.paid if money else None,
        overdue=money.overdue if money else None,
    )


def _waiting_on(state: ContractState) -> str:
    """As the CRM shows it, which knows no invoices: what those wait on is said of the contract.
    That the CRM itself cannot be reached is left out."""
    others = tuple(item for item in state.exceptions if item.key != WRITE_STATUS)
    seen = state if len(others) == len(state.exceptions) else state.replace(exceptions=others)
    on, _ = contract_waits(seen)
    return (invoices_wait(seen)[0] if on == "invoices" else on) or ""


def _stage(state: ContractState) -> str:
    """The stage as the deal shows it; of a contract that did not simply complete, how it ended."""
    if state.stage is ContractStage.CLOSED and state.ending in _EARLY:
        return f"{state.stage} ({state.ending})"
    return str(state.stage)
