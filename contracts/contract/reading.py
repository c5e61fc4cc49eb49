"""What is to be read in Odoo: the approved hours and expenses of each plan, each by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.billing.account import Read, ReadKind
from contracts.billing.periods import life
from contracts.billing.terms import is_read
from contracts.contract import derived
from contracts.contract.state import DAY, ContractState, has_ended

READ_TIME, READ_EXPENSES, TOO_LATE = "read_time", "read_expenses", "too_late"
_KINDS = {ReadKind.TIME: READ_TIME, ReadKind.EXPENSES: READ_EXPENSES}


def wanted(state: ContractState) -> Iterator[Wanted]:
    """A reading each for the plans that are due, or to be looked at once more; and what was found
    too late."""
    for plan, text in state.came_too_late.items():
        detail = Failed("business", code="period_settled", message=text, field=plan)
        yield Question(TOO_LATE, f"{TOO_LATE}:{plan}", detail, basis=text)
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
    found = {read.plan: read for read in derived.reads(state.account, state.billing_day)}
    for plan in state.read_again:
        read = _of(state, plan, state.today - DAY)
        if read is not None:
            found.setdefault(plan, read)
    if not found and is_closing(state):
        return list(_last_looks(state))
    return list(found.values())


def is_closing(state: ContractState) -> bool:
    """Whether everything is billed and every invoice has ended: before the contract closes, what
    was approved too late for its period is looked for once more."""
    return (
        not state.starting
        and state.change is None
        and all(has_ended(report) for report in state.invoices.values())
        and derived.is_over(state.account, state.billing_day)
    )


def is_under_way(state: ContractState) -> bool:
    """Whether a plan is about to be read: what is due on the same day waits for it, to be on the
    same invoice. A reading that is parked holds nothing up."""
    return any(state.exception_of(key_of(read.plan)) is None for read in readings(state))


def key_of(plan: str) -> str:
    """The key of the act that reads a plan."""
    return f"read:{plan}"


def _last_looks(state: ContractState) -> Iterator[Read]:
    contract = state.terms
    for plan in contract.plans:
        first, last = life(contract, plan)
        if plan.key not in state.looked_again and last is not None and last >= first:
            read = _of(state, plan.key, last)
            if read is not None:
                yield read


def _of(state: ContractState, key: str, until: date) -> Read | None:
    """A reading of all that a plan has until a day; None for one that reads nothing."""
    plan = state.terms.plan(key)
    if plan is None or not is_read(plan):
        return None
    return Read.of(plan, until)
