"""The end of a contract: its checklist against Odoo's figures, the audit record, the archive."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.failures import FailureDetail
    from activities.odoo_orders import AuditRequest, FiguresRequest, OdooOrders
    from contracts import closeout, parking
    from contracts.figures import OrderFigures
    from contracts.problems import Problem
    from contracts.state import ContractStage, Ending
    from workflows import options
    from workflows.case import Case, known
    from workflows.provisioning import Provisioning
    from workflows.steps import Parked


class Closing:
    """Closes a contract that is billed and settled."""

    def __init__(self, case: Case, provisioning: Provisioning) -> None:
        self._case = case
        self._provisioning = provisioning

    async def run(self) -> None:
        """Check, record, archive. A difference parks: nothing closes that does not add up."""
        case, state = self._case, self._case.state
        if state.ending is None:
            has_term = bool(case.contract.plans) and case.contract.ends_on is not None
            state.ending = Ending.EXPIRED if has_term else Ending.COMPLETED
        figures = await case.steps.run(parking.CLOSE_OUT, self._checked)
        if figures is None:  # somebody lets it close although it does not add up
            figures = await case.steps.run(parking.AUDIT, self._figures)
        if figures is not None:
            await case.steps.run(parking.AUDIT, lambda: self._attach(figures))
        await self._provisioning.archive_project()
        case.enter(ContractStage.CLOSED)

    async def _figures(self) -> OrderFigures:
        odoo = self._case.state.odoo
        return await workflow.execute_activity_method(
            OdooOrders.figures,
            FiguresRequest(order_id=known(odoo.order_id), lines=odoo.order_line_ids),
            **options.odoo_finance(f"figures of {odoo.order_name}", options.Urgency.BACKGROUND),
        )

    async def _checked(self) -> OrderFigures:
        case = self._case
        figures = await self._figures()
        checks = closeout.checklist(case.contract, case.state.book, figures)
        failed = [check for check in checks if not check.passes]
        if failed:
            problems = [
                Problem(code="close_out_differs", field=check.name, expected=problem)
                for check in failed
                for problem in check.problems
            ]
            message = "; ".join(problem for check in failed for problem in check.problems)
            detail = FailureDetail(code="close_out_differs", message=message, problems=problems)
            raise Parked(detail)
        return figures

    async def _attach(self, figures: OrderFigures) -> None:
        state = self._case.state
        content, digest = closeout.audit_record(state, figures)
        await workflow.execute_activity_method(
            OdooOrders.attach_audit,
            AuditRequest(
                legal_entity=state.legal_entity,
                contract_id=state.contract_id,
                order_id=known(state.odoo.order_id),
                file_name=f"{state.contract_id}-audit.json",
                content=content,
                sha256=digest,
                text=closeout.statement(self._case.contract, state.book),
            ),
            **options.odoo_finance(
                "attach the audit record", options.Urgency.BACKGROUND, looks_first=True
            ),
        )
