"""The end of a contract in Odoo: its sums are checked and recorded, its project is archived."""

from __future__ import annotations

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.failures import BusinessRefusal, step_scope
from activities.odoo.chatter import ClosingRecord, attach_closing_record
from activities.odoo.order_totals import order_totals
from activities.odoo.projects import archive
from contracts import closeout, parking
from contracts.closeout import Settlement
from contracts.contract.state import require_id
from contracts.odoo_totals import OrderTotals
from contracts.problems import Problem
from gateways.odoo import OdooClient

STEPS = (parking.CLOSE_OUT, parking.CLOSING_RECORD, parking.ARCHIVE_PROJECT)
CALLS = 7
"""How many calls to Odoo a close-out makes in a row."""


class CloseOutLeft(BaseModel):
    """The names of those of STEPS that are still to be taken."""

    steps: list[str]


class CloseOutRequest(BaseModel):
    """A contract that is billed and settled, and what of its end is still to be done."""

    settled: Settlement
    left: CloseOutLeft


class OdooClosing:
    """An activity on the `odoo-finance` task queue: a chain of steps."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def close_out(self, request: CloseOutRequest) -> Done:
        """Compare the contract's books with Odoo's sums, attach the closing record, archive the
        project: those of it that are left.

        Refuses `close_out_differs` with a problem for each difference. A failure names its step and
        the steps that are left: the closing record says what the journal says when it is attached,
        so it must not be made again later.
        """
        settled, left = request.settled, request.left.model_copy(deep=True)
        totals: OrderTotals | None = None
        if parking.CLOSE_OUT.name in left.steps:
            with step_scope(parking.CLOSE_OUT, left):
                totals = self._totals(settled)
                _check(settled, totals)
                left.steps.remove(parking.CLOSE_OUT.name)
        if parking.CLOSING_RECORD.name in left.steps:
            with step_scope(parking.CLOSING_RECORD, left):
                self._attach(settled, totals or self._totals(settled))
                left.steps.remove(parking.CLOSING_RECORD.name)
        if parking.ARCHIVE_PROJECT.name in left.steps:
            with step_scope(parking.ARCHIVE_PROJECT, left):
                archive(self._odoo, require_id(settled.project_id))
        return Done()

    def _totals(self, settled: Settlement) -> OrderTotals:
        return order_totals(self._odoo, settled.order_id, settled.order_line_ids)

    def _attach(self, settled: Settlement, totals: OrderTotals) -> None:
        content, digest = closeout.closing_record(settled, totals)
        record = ClosingRecord(
            legal_entity=settled.legal_entity,
            contract_id=settled.contract_id,
            order_id=settled.order_id,
            file_name=f"{settled.contract_id}-closing.json",
            content=content,
            sha256=digest,
            text=settled.text,
        )
        attach_closing_record(self._odoo, record)


def _check(settled: Settlement, totals: OrderTotals) -> None:
    checks = closeout.checklist(settled, totals)
    problems = [
        Problem(code="close_out_differs", field=check.name, expected=problem)
        for check in checks
        for problem in check.problems
    ]
    if problems:
        message = "; ".join(problem.expected for problem in problems)
        raise BusinessRefusal("close_out_differs", message, problems=problems)
