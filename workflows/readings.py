"""Reads all pages of the approved work and costs: each is a result that fits into the engine."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.odoo.expenses import ExpenseReading, ExpensesRequest, OdooExpenses
    from activities.odoo.timesheets import OdooTimesheets, TimeReading, TimeRequest


async def all_time(request: TimeRequest, config: workflow.ActivityConfig) -> TimeReading:
    """The approved hours, of all pages, as of when the first was read; see OdooTimesheets."""
    found = await workflow.execute_activity_method(OdooTimesheets.read_time, request, **config)
    entries, as_of = list(found.entries), found.as_of
    while found.next is not None:
        request = request.model_copy(update={"after": found.next})
        found = await workflow.execute_activity_method(OdooTimesheets.read_time, request, **config)
        entries += found.entries
    return TimeReading(entries=entries, gone=found.gone, as_of=as_of)


async def all_expenses(request: ExpensesRequest, config: workflow.ActivityConfig) -> ExpenseReading:
    """The approved expenses, of all pages, as of when the first was read; see OdooExpenses."""
    found = await workflow.execute_activity_method(OdooExpenses.read_expenses, request, **config)
    expenses, as_of = list(found.expenses), found.as_of
    while found.next is not None:
        request = request.model_copy(update={"after": found.next})
        found = await workflow.execute_activity_method(
            OdooExpenses.read_expenses, request, **config
        )
        expenses += found.expenses
    return ExpenseReading(expenses=expenses, gone=found.gone, as_of=as_of)
