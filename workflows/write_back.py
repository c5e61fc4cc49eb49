"""The CRM is told of every change, beside the phases and never before them."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.crm import CrmActivities, StatusRequest
    from contracts import parking
    from contracts.contract.state import ContractStage, ContractState, Ending, money_table
    from contracts.crm import ContractStatus
    from contracts.views.details import contract_waits, invoices_wait
    from workflows import options
    from workflows.case import Case

_EARLY = (Ending.TERMINATED, Ending.EXPIRED)
FILE_SOURCE = "file"
"""A contract given as a file has no CRM to tell."""


class WriteBack:
    """Writes the contract's status to its deal whenever it changed, until it has ended."""

    def __init__(self, case: Case, *, ended: Callable[[], bool]) -> None:
        self._case = case
        self._ended = ended

    async def run(self) -> None:
        """Keep the deal up to date; returns when the contract has ended and the CRM knows it."""
        state = self._case.state
        if state.source.system == FILE_SOURCE:
            return
        while True:
            await workflow.wait_condition(
                lambda: self._ended() or self._status() != state.crm_written
            )
            if self._status() == state.crm_written:
                return
            if not await self._case.steps.run(parking.WRITE_BACK, self._write):
                # Skipped: this status is not written; the next one is tried again.
                state.crm_written = self._status()

    async def _write(self) -> bool:
        status = self._status()
        await workflow.execute_activity_method(
            CrmActivities.write_status,
            StatusRequest(source=self._case.state.source, status=status),
            **options.crm(f"tell the CRM: {status.stage}"),
        )
        self._case.state.crm_written = status
        return True

    def _status(self) -> ContractStatus:
        state = self._case.state
        money = money_table(state)
        return ContractStatus(
            deal_id=state.source.id,
            stage=_stage(state),
            project_reference=state.odoo.project_name,
            waiting_on=_waiting_on(state),
            invoiced=money.invoiced - money.credited if money else None,
            paid=money.paid if money else None,
            overdue=money.overdue if money else None,
        )


def _waiting_on(state: ContractState) -> str:
    """As the CRM shows it, which knows no invoices: what those wait on is said of the contract."""
    on, _ = contract_waits(state)
    return (invoices_wait(state)[0] if on == "invoices" else on) or ""


def _stage(state: ContractState) -> str:
    """The stage as the deal shows it; of a contract that did not simply complete, how it ended."""
    if state.stage is ContractStage.CLOSED and state.ending in _EARLY:
        return f"{state.stage} ({state.ending})"
    return str(state.stage)
