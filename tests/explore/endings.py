"""From any state: with no more faults, people who do their work bring everything to a good end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contracts.agenda.actions import UpdateReceived
from contracts.approvals import ApprovalRound, Decision
from contracts.contract import rules as contract_rules
from contracts.contract.messages import (
    HoldRequest,
    MilestoneReached,
    NoticeGiven,
    Side,
    TerminationRequest,
)
from contracts.contract.state import RUNNING
from contracts.invoice import rules as invoice_rules
from contracts.parking import Action as Choice
from contracts.parking import StepException
from tests.explore import odoo
from tests.explore.messages import PIA, resolution, vote
from tests.explore.moves import arrived, first_of_each, paid, running, succeeded
from tests.explore.properties import check
from tests.explore.world import CONTRACT, Budget, World, answered, next_wake, rang, told
from tests.unit.examples import ANA, BOB, SAM

MOST_STEPS = 3_000


class NoEndError(AssertionError):
    """Nobody can bring this contract to an end."""


def ends_well(world: World) -> World:
    """The world at its end. Raises NoEndError if people cannot bring it there."""
    world = replace(world, budget=Budget())
    tries: dict[Any, int] = {}
    for _ in range(MOST_STEPS):
        check(world)
        if world.is_over:
            return world
        world = _next_good(world, tries)
    raise NoEndError(_where(world))


def led(world: World, steps: int) -> World:
    """The world after so many good steps, or at its end; its budget is still whole."""
    budget = world.budget
    tries: dict[Any, int] = {}
    world = replace(world, budget=Budget())
    for _ in range(steps):
        if world.is_over:
            break
        world = _next_good(world, tries)
    return replace(world, budget=budget)


def steps_to_the_end(world: World) -> int:
    """How many good steps there are to the end."""
    tries: dict[Any, int] = {}
    for number in range(MOST_STEPS):
        if world.is_over:
            return number
        world = _next_good(world, tries)
    raise NoEndError(_where(world))


def steps_to_the_act(world: World, kind: str) -> int:
    """How many good steps there are until an act of this kind of the contract runs."""
    tries: dict[Any, int] = {}
    for number in range(MOST_STEPS):
        if any(act.kind == kind for act in world.contract.running.values()):
            return number
        world = _next_good(world, tries)
    raise NoEndError(f"{kind} never runs")


def _where(world: World) -> str:
    parked = [item.step for item in world.contract.exceptions]
    for number, invoice in world.invoices.items():
        parked += [f"{item.step} of {number}" for item in invoice.state.exceptions]
    stages = {n: str(item.state.stage) for n, item in world.invoices.items()}
    return f"no end: {world.contract.stage}, parked {parked}, invoices {stages}"


def _next_good(world: World, tries: dict[Any, int]) -> World:
    for who, action in running(world):
        if (who, action.key) in world.landed:
            return answered(world, who, action.key, world.landed[who, action.key])
        return succeeded(world, who, action)
    for mail in first_of_each(world):
        return arrived(world, mail)
    for who in (CONTRACT, *world.invoices):
        if world.is_alive(who):
            for parked in world.state_of(who).exceptions:
                after = _resolved(world, who, parked, tries)
                if after is not None:
                    return after
    return _decided(world) or _settled(world) or _delivered(world) or _waited(world)


def _resolved(world: World, who: int, parked: StepException, tries: dict[Any, int]) -> World | None:
    """A retry costs nothing; what a retry does not mend a person gives up and answers for."""
    place = who, parked.key, parked.code, parked.basis
    tries[place] = tries.get(place, 0) + 1
    order = (Choice.RETRY, Choice.SKIP) if tries[place] < 4 else (Choice.SKIP, Choice.RETRY)
    for choice in order:
        message = resolution(parked.step, choice, who)
        if _refusal(world, who, message) is None:
            after = told(world, who, UpdateReceived(message))
            return replace(after, skipped=after.skipped or choice is Choice.SKIP)
    return None


def _refusal(world: World, who: int, message: Any) -> str | None:
    if who == CONTRACT:
        return contract_rules.AGENDA.refusal(world.contract, message, world.clock)
    return invoice_rules.AGENDA.refusal(world.invoices[who].state, message, world.clock)


def _try(world: World, who: int, message: Any) -> World | None:
    if not world.is_alive(who) or _refusal(world, who, message) is not None:
        return None
    return told(world, who, UpdateReceived(message))


def _decided(world: World) -> World | None:
    """Approvers decide."""
    change = world.contract.change
    if change is not None and change.approval_round is not None:
        return _voted(world, CONTRACT, change.approval_round)
    for number, invoice in world.invoices.items():
        found = invoice.state.open_round
        if not invoice.is_ended and found is not None:
            return _voted(world, number, found)
    return None


def _voted(world: World, who: int, approval_round: ApprovalRound) -> World | None:
    votes = [vote(approval_round, by, Decision.APPROVE) for by in (BOB, ANA)]
    votes.append(vote(approval_round, ANA, Decision.REJECT))
    return next(filter(None, (_try(world, who, item) for item in votes)), None)


def _settled(world: World) -> World | None:
    """The customer pays, and what Odoo says is heard of."""
    for number, known in world.odoo.invoices.items():
        if not world.is_alive(number) or known.move != odoo.POSTED:
            continue
        if known.residual.is_positive:
            return _swept(paid(world, number), number)
        balance = world.invoices[number].state.balance
        if balance is not None and balance != known.balance:
            return _swept(world, number)
    return None


def _swept(world: World, number: int) -> World:
    return told(world, number, UpdateReceived(world.odoo.invoices[number].balance))


def _delivered(world: World) -> World | None:
    """What is left is delivered, holds are released; a contract without an end is ended."""
    state = world.contract
    if state.stage not in RUNNING or state.cancel is not None:
        return None
    messages: list[Any] = [HoldRequest(kind=kind, by=PIA) for kind in state.holds]
    messages += [
        MilestoneReached(milestone=key, by=PIA)
        for key, progress in state.milestones.items()
        if progress.reached_on is None
    ]
    contract = state.terms
    if contract.term.auto_renew and state.notice is None:
        messages.append(NoticeGiven(side=Side.CUSTOMER, by=SAM))
    if contract.plans and contract.ends_on is None and state.termination is None:
        messages.append(
            TerminationRequest(side=Side.FIRM, by=SAM, reason="over", on=state.today, agreed=True)
        )
    return next(filter(None, (_try(world, CONTRACT, item) for item in messages)), None)


def _waited(world: World) -> World:
    at = next_wake(world)
    if at is None:
        raise NoEndError(f"nothing happens any more; {_where(world)}")
    return rang(world, at)
