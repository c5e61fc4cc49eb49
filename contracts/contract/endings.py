"""How a contract ends: it is closed once everything is billed and settled, or cancelled and taken
back before anything is billed. Each is an act that nothing else runs beside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from contracts import parking
from contracts.agenda.actions import Action
from contracts.billing.periods import life
from contracts.contract import amendments, derived, provisioning, reading
from contracts.contract.state import DAY, ContractState, Ending, has_ended

CLOSE_OUT, CANCEL_ORDER, ARCHIVE_PROJECT = "close_out", "cancel_order", "archive_project"
PARTS = (parking.CLOSE_OUT, parking.AUDIT, parking.ARCHIVE_PROJECT)
"""What the close-out does in one act: each part parks under its own name."""
PART_NAMES = tuple(step.name for step in PARTS)


def wanted(state: ContractState) -> Iterator[Action]:
    """The close-out, once nothing is left to do but that."""
    if may_close(state) and parts_left(state):
        yield Action(CLOSE_OUT, CLOSE_OUT, exclusive=True, irreversible=True)


def compensation(state: ContractState) -> Iterator[Action]:
    """What was provisioned is taken back in reverse order, once it is known what that is."""
    if provisioning.PROVISION in state.uncertain:
        yield provisioning.provision()
    elif state.odoo.order_id is not None and CANCEL_ORDER not in state.close_out_done:
        yield Action(CANCEL_ORDER, CANCEL_ORDER, exclusive=True)
    elif state.odoo.project_id is not None and ARCHIVE_PROJECT not in state.close_out_done:
        yield Action(ARCHIVE_PROJECT, ARCHIVE_PROJECT, exclusive=True)


def is_billed_out(state: ContractState) -> bool:
    """Whether nothing is left to bill: it only has to be collected. A credit, a change or late
    hours bring the contract back."""
    return (
        not state.starting
        and state.change is None
        and not state.credits_asked
        and not amendments.is_behind(state)
        and not any(progress.under_review for progress in state.milestones.values())
        and derived.is_over(state.account, state.billing_day)
        and _plans_are_over(state)
    )


def may_close(state: ContractState) -> bool:
    """Whether everything is billed, every invoice has ended, and nothing was approved late."""
    return (
        is_billed_out(state)
        and all(has_ended(report) for report in state.invoices.values())
        and not reading.readings(state)
    )


def day_after_plans(state: ContractState) -> date | None:
    """The day after the last of the plans. Until then the term may be renewed or ended early, and
    credits may be owed, even if everything is billed in advance."""
    contract = state.terms
    ends = (life(contract, plan)[1] for plan in contract.plans)
    last = max((day for day in ends if day is not None), default=None)
    return last + DAY if last is not None else None


def _plans_are_over(state: ContractState) -> bool:
    day = day_after_plans(state)
    return day is None or state.has_come(day)


def parts_left(state: ContractState) -> tuple[str, ...]:
    """The parts of the close-out that are neither done nor given up."""
    return tuple(name for name in PART_NAMES if name not in state.close_out_done)


def ending_of(state: ContractState) -> Ending:
    """How the contract ends when it closes."""
    if state.terminated:
        return Ending.TERMINATED
    contract = state.terms
    has_term = bool(contract.plans) and contract.ends_on is not None
    return Ending.EXPIRED if has_term else Ending.COMPLETED
