"""From any state: with no more faults, people who do their work bring everything to a good end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from contracts.agenda.actions import SignalReceived, UpdateReceived
from contracts.approvals import ApprovalRound, Decision
from contracts.contract.messages import (
    HoldRequest,
    MilestoneReached,
    NoticeGiven,
    Side,
    TerminationRequest,
)
from contracts.contract.state import RUNNING, ContractStage
from contracts.money import Money
from contracts.parking import Action as Choice
from contracts.parking import StepException
from contracts.signatures import EnvelopeStatus
from tests.explore import odoo
from tests.explore.canonical import place_of, shared
from tests.explore.messages import PIA, resolution, signature, vote
from tests.explore.moves import arrived, changed, first_of_each, running, succeeded, with_rate
from tests.explore.properties import check
from tests.explore.world import CONTRACT, Budget, World, answered, next_wake, rang, refusal, told
from tests.unit.examples import ANA, BOB, SAM

MOST_STEPS = 3_000
Good = set[int]
"""Places from which a good end is known."""


class NoEndError(AssertionError):
    """Nobody can bring this contract to an end."""


def ends_well(world: World, known: Good | None = None) -> None:
    """See that people can bring a contract to its end. Raises NoEndError if they cannot."""
    known = set() if known is None else known
    on_the_way: list[int] = []
    for after in good_way(world):
        check(after)
        place = place_of(after)
        if place in known:
            break
        on_the_way.append(place)
    known.update(on_the_way)


def good_way(world: World) -> Iterator[World]:
    """The worlds from here to the end, where nothing fails any more. Raises NoEndError if people
    cannot get there."""
    world = world.replace(budget=Budget())
    tries: dict[Any, int] = {}
    for _ in range(MOST_STEPS):
        yield world
        if world.is_over:
            return
        world = _next_good(shared(world), tries)
    raise NoEndError(_where(world))


def led(world: World, steps: int) -> World:
    """The world after so many good steps, or at its end; its budget is still whole."""
    return _last(islice(good_way(world), steps + 1)).replace(budget=world.budget)


def _last(worlds: Iterator[World]) -> World:
    *_, last = worlds
    return last


def steps_to_the_act(world: World, kind: str) -> int:
    """How many good steps there are until an act of this kind of the contract runs."""
    for number, after in enumerate(good_way(world)):
        if any(act.kind == kind for act in after.contract.running.values()):
            return number
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
    mended = _mended(world)
    if mended is not None:
        return mended
    for who in (CONTRACT, *world.invoices):
        if world.is_alive(who):
            for parked in world.state_of(who).exceptions:
                after = _resolved(world, who, parked, tries)
                if after is not None:
                    return after
    return (
        _decided(world) or _signed(world) or _settled(world) or _delivered(world) or _waited(world)
    )


def _mended(world: World) -> World | None:
    """What somebody has to mend in Odoo before it is tried again."""
    missing = any(item.code == "rate_missing" for item in world.contract.exceptions)
    if missing and not world.odoo.has_rate:
        return with_rate(world)
    for number, known in world.odoo.invoices.items():
        if known.posts and known.move == odoo.CANCELLED:
            return _swept(changed(world, number, move=odoo.POSTED), number)
    return None


def _resolved(world: World, who: int, parked: StepException, tries: dict[Any, int]) -> World | None:
    """A retry costs nothing; what a retry does not mend a person gives up and answers for."""
    place = who, parked.key, parked.code, parked.basis
    tries[place] = tries.get(place, 0) + 1
    order = (Choice.RETRY, Choice.SKIP) if tries[place] < 4 else (Choice.SKIP, Choice.RETRY)
    for choice in order:
        message = resolution(parked.step, choice)
        if refusal(world, who, message) is None:
            after = told(world, who, UpdateReceived(message))
            return after.replace(skipped=after.skipped or choice is Choice.SKIP)
    return None


def _try(world: World, who: int, message: Any) -> World | None:
    if not world.is_alive(who) or refusal(world, who, message) is not None:
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


def _signed(world: World) -> World | None:
    """The customer signs."""
    if world.contract.stage is not ContractStage.SIGNING:
        return None
    return _try(world, CONTRACT, signature(EnvelopeStatus.COMPLETED, "env-3", hour=48))


def _voted(world: World, who: int, approval_round: ApprovalRound) -> World | None:
    votes = [vote(approval_round, by, Decision.APPROVE) for by in (BOB, ANA)]
    votes.append(vote(approval_round, ANA, Decision.REJECT))
    return next(filter(None, (_try(world, who, item) for item in votes)), None)


def _settled(world: World) -> World | None:
    """The customer pays, and what Odoo says is heard of."""
    for number, known in world.odoo.invoices.items():
        if not world.is_alive(number) or known.move != odoo.POSTED:
            continue
        if known.residual.is_positive or known.in_payment:
            zero = Money.zero(known.total.currency)
            return _swept(changed(world, number, residual=zero, in_payment=False), number)
        balance = world.invoices[number].state.balance
        if balance is not None and balance != known.balance:
            return _swept(world, number)
    return None


def _swept(world: World, number: int) -> World:
    return told(world, number, SignalReceived(world.odoo.invoices[number].balance))


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
