"""What is to be read in Odoo: the approved hours and expenses of each plan, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.billing import account
from contracts.billing.account import Read, ReadKind
from contracts.billing.expenses import Expense
from contracts.billing.periods import life
from contracts.billing.state import BillingState
from contracts.billing.terms import is_read
from contracts.billing.time import TimeEntry
from contracts.contract.answers import RecordsRead
from contracts.contract.state import DAY, ContractState, ReadCursor, has_ended
from contracts.parking import Resolution, StepException

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
    found = {read.plan: read for read in account.reads(state.account, state.billing_day)}
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
        and account.is_over(state.account, state.billing_day)
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


# --- what came of it ------------------------------------------------------------------------------


def _read(
    take: Callable[..., BillingState], state: ContractState, action: Action, read: RecordsRead[Any]
) -> ContractState:
    """Hours or expenses of a plan were read; `take` is what billing does with them."""
    plan = action.subject
    state = _with_late(state, plan, account.too_late(state.account, read.found))
    billing = take(state.account, plan, read.found, read.gone, read.until)
    return _after_reading(state.replace(billing=billing), plan, read)


def _with_late(
    state: ContractState, plan: str, late: tuple[TimeEntry | Expense, ...]
) -> ContractState:
    """What is of a period settled for good is not billed by itself: a person has to know."""
    if not late:
        return state
    first = late[0]
    text = (
        f"{len(late)} approved records of {plan} are of periods that are settled for good, the "
        f"first of {first.on}: they are not billed. Bill or credit them by a change order if need "
        "be, and skip"
    )
    return state.replace(came_too_late={**state.came_too_late, plan: text})


def _after_reading(state: ContractState, plan: str, read: RecordsRead[Any]) -> ContractState:
    before = state.read_cursors.get(plan, ReadCursor())
    cursor = ReadCursor(since=read.as_of or before.since, until=read.until)
    looked = (*state.looked_again, plan) if is_closing(state) else state.looked_again
    return state.replace(
        read_cursors={**state.read_cursors, plan: cursor},
        read_again=tuple(key for key in state.read_again if key != plan),
        looked_again=looked,
    )


def _late_settled(state: ContractState, parked: StepException, _: Resolution) -> ContractState:
    """A person has seen to what came too late."""
    rest = {k: text for k, text in state.came_too_late.items() if k != parked.subject}
    return state.replace(came_too_late=rest)


ACTS: Mapping[str, ActRule[ContractState]] = {
    READ_TIME: ActRule(parking.READ_PLAN, partial(_read, account.take_time)),
    READ_EXPENSES: ActRule(parking.READ_PLAN, partial(_read, account.take_expenses)),
    TOO_LATE: ActRule(parking.TOO_LATE, skipped=_late_settled),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {}
