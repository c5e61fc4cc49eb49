"""The end of a contract: its checklist against Odoo's figures, the audit record, the archive."""

from __future__ import annotations

from collections.abc import Collection

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities import odoo_closing
    from activities.failures import done_before
    from activities.odoo_closing import CloseOutLeft, CloseOutRequest, OdooClosing
    from contracts.contract.state import ContractStage, Ending
    from workflows import options
    from workflows.case import Case


class Closing:
    """Closes a contract that is billed and settled."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._left = CloseOutLeft(steps=[step.name for step in odoo_closing.STEPS])

    async def run(self) -> None:
        """Check, record, archive. A difference parks: nothing closes that does not add up, unless
        a person lets it."""
        case, state = self._case, self._case.state
        if state.ending is None:
            has_term = bool(case.contract.plans) and case.contract.ends_on is not None
            state.ending = Ending.EXPIRED if has_term else Ending.COMPLETED
        await case.steps.chain(odoo_closing.STEPS, self._close)
        case.enter(ContractStage.CLOSED)

    async def _close(self, skipped: Collection[str]) -> None:
        """Take the steps that are left; where one fails, keep which those are by then."""
        left = [name for name in self._left.steps if name not in skipped]
        if not left:
            return
        state = self._case.state
        try:
            await workflow.execute_activity_method(
                OdooClosing.close_out,
                CloseOutRequest(state=state, left=CloseOutLeft(steps=left)),
                **options.odoo_finance(
                    f"close out {state.odoo.order_name}, archive {state.odoo.project_name}",
                    options.Urgency.BACKGROUND,
                    looks_first=True,
                    calls=odoo_closing.CALLS,
                ),
            )
        except ActivityError as error:
            self._left = done_before(error, CloseOutLeft) or self._left
            raise
