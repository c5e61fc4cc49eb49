"""What is to be read in Odoo: the approved hours and expenses of each plan, each by itself."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.agenda.actions import Action
from contracts.billing.account import Read, ReadKind
from contracts.contract import derived
from contracts.contract.state import DAY, ContractState, has_ended
from contracts.model import ExpensePlan, RetainerPlan, TimePlan

READ_TIME, READ_EXPENSES = "read_time", "read_expenses"
_KINDS = {ReadKind.TIME: READ_TIME, ReadKind.EXPENSES: READ_EXPENSES}


def wanted(state: ContractState) -> Iterator[Action]:
    """A reading each for the plans that are due, or to be looked at once more."""
    for read in readings(state):
        yield Action(
            _KINDS[read.kind],
            key_of(read.plan),
            basis=str(read.until),
            subject=read.plan,
            lane=f"plan:{read.plan}",
        )


def readings(state: ContractState) -> list[Read]:
    """What is to be read now, at most one reading of a plan."""
    due = derived.reads(state.account, state.billing_day, _is_closing(state))
    found = {read.plan: read for read in due}
    for plan in state.read_again:
        read = _again(state, plan)
        if read is not None:
            found.setdefault(plan, read)
    return list(found.values())


def _is_closing(state: ContractState) -> bool:
    """Whether every invoice has ended and nothing is pending: before the contract closes, what was
    approved too late for its period is looked for once more."""
    return state.change is None and all(has_ended(item) for item in state.invoices.values())


def is_under_way(state: ContractState) -> bool:
    """Whether a plan is about to be read: what is due on the same day waits for it, to be on the
    same invoice. A reading that is parked holds nothing up."""
    return any(state.exception_of(key_of(read.plan)) is None for read in readings(state))


def key_of(plan: str) -> str:
    """The key of the act that reads a plan."""
    return f"read:{plan}"


def _again(state: ContractState, key: str) -> Read | None:
    """A reading of all that a plan has until yesterday; None for one that reads nothing."""
    plan, until = state.terms.plan(key), state.today - DAY
    if isinstance(plan, ExpensePlan):
        return Read(plan=key, kind=ReadKind.EXPENSES, until=until)
    counts_hours = isinstance(plan, TimePlan) or (
        isinstance(plan, RetainerPlan)
        and (plan.included_hours > 0 or plan.overage_price is not None)
    )
    return Read(plan=key, kind=ReadKind.TIME, until=until) if counts_hours else None
