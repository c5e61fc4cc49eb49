"""The end of a contract in Odoo: its figures are checked and recorded, its project is archived."""

from __future__ import annotations

from pydantic import BaseModel
from temporalio import activity

from activities.failures import BusinessRefusal, taking
from activities.odoo_master import Done, OdooMaster, ProjectArchive
from activities.odoo_orders import AuditRequest, OdooOrders, OrderTotalsRequest
from contracts import closeout, parking
from contracts.contract.state import ContractState, require_id
from contracts.odoo_totals import OrderTotals
from contracts.problems import Problem

STEPS = (parking.CLOSE_OUT, parking.AUDIT, parking.ARCHIVE_PROJECT)
CALLS = 7
"""How many calls to Odoo a close-out makes in a row."""


class CloseOutLeft(BaseModel):
    """The names of those of STEPS that are still to be taken."""

    steps: list[str]


class CloseOutRequest(BaseModel):
    """A contract that is billed and settled, and what of its end is still to be done."""

    state: ContractState
    left: CloseOutLeft


class OdooClosing:
    """Activities on the `odoo-finance` task queue: a chain of steps of the others' classes."""

    def __init__(self, master: OdooMaster, orders: OdooOrders) -> None:
        self._master = master
        self._orders = orders

    @activity.defn
    def close_out(self, request: CloseOutRequest) -> Done:
        """Compare the contract's books with Odoo's figures, attach the audit record, archive the
        project: those of it that are left.

        Refuses `close_out_differs` with a problem for each difference. A step that fails is named,
        and told with those left: the record says what the journal says when it is attached, and a
        later one would be another.
        """
        state, left = request.state, request.left.model_copy(deep=True)
        figures: OrderTotals | None = None
        if parking.CLOSE_OUT.name in left.steps:
            with taking(parking.CLOSE_OUT, left):
                figures = self._figures(state)
                _check(state, figures)
                left.steps.remove(parking.CLOSE_OUT.name)
        if parking.AUDIT.name in left.steps:
            with taking(parking.AUDIT, left):
                self._attach(state, figures or self._figures(state))
                left.steps.remove(parking.AUDIT.name)
        if parking.ARCHIVE_PROJECT.name in left.steps:
            with taking(parking.ARCHIVE_PROJECT, left):
                self._master.archive_project(
                    ProjectArchive(project_id=require_id(state.odoo.project_id))
                )
        return Done()

    def _figures(self, state: ContractState) -> OrderTotals:
        odoo = state.odoo
        return self._orders.figures(
            OrderTotalsRequest(order_id=require_id(odoo.order_id), lines=odoo.order_line_ids)
        )

    def _attach(self, state: ContractState, figures: OrderTotals) -> None:
        content, digest = closeout.audit_record(state, figures)
        self._orders.attach_audit(
            AuditRequest(
                legal_entity=state.legal_entity,
                contract_id=state.contract_id,
                order_id=require_id(state.odoo.order_id),
                file_name=f"{state.contract_id}-audit.json",
                content=content,
                sha256=digest,
                text=closeout.settlement_text(state),
            )
        )


def _check(state: ContractState, figures: OrderTotals) -> None:
    checks = closeout.checklist(state, figures)
    problems = [
        Problem(code="close_out_differs", field=check.name, expected=problem)
        for check in checks
        for problem in check.problems
    ]
    if problems:
        message = "; ".join(problem.expected for problem in problems)
        raise BusinessRefusal("close_out_differs", message, problems=problems)
