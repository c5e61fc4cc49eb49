"""Which messages were seen in which moments, and what they were answered there.

A cell is a message in a moment: while an act of some kind runs, is parked or is in doubt, or in a
stage in which nothing does. The tables of both cores say which messages, acts and stages there are;
`IMPOSSIBLE` says what can never be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, NamedTuple

from contracts.agenda.machine import Rules
from contracts.contract import intake as contract_intake
from contracts.contract import proposing
from contracts.contract import results as contract_results
from contracts.contract import rules as contract_rules
from contracts.contract.state import ContractStage
from contracts.invoice import intake as invoice_intake
from contracts.invoice import results as invoice_results
from contracts.invoice import rules as invoice_rules
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action as Choice
from contracts.parking import Resolution, Step
from tests.explore.messages import Sent
from tests.explore.world import CONTRACT, World

CORES = ("contract", "invoice")
UNREADABLE = "Noted"
Moment = tuple[str, str]
Cell = tuple[str, str, str]


class Way(NamedTuple):
    """Where a state was found: from a start, by its name, along these moves."""

    start: Any
    path: tuple[str, ...]


# --- what there is --------------------------------------------------------------------------------


def messages_of(core: str) -> list[str]:
    """Every message of a core, by its own table, and Signals that cannot be read."""
    table: Mapping[type, Any] = (
        contract_intake.MESSAGES if core == "contract" else invoice_intake._TAKES
    )
    names = [kind.__name__ for kind in table if kind is not Resolution]
    choices = [f"{Resolution.__name__} {choice}" for choice in Choice]
    return [*names, *choices, UNREADABLE]


def moments_of(core: str) -> list[str]:
    """Every moment of a core, by its own tables of acts, steps and stages."""
    rules: Rules[Any] = contract_rules.RULES if core == "contract" else invoice_rules.RULES
    acts = contract_results.DONE if core == "contract" else invoice_results._DONE
    stages = ContractStage if core == "contract" else InvoiceStage
    return [
        *(f"{kind} runs" for kind in acts),
        *(f"{name} is parked" for name in _names(rules).values()),
        *(f"{kind} is in doubt" for kind in acts),
        *(f"nothing happens while {stage}" for stage in stages),
    ]


def cells() -> list[Cell]:
    """Every cell there is, possible or not."""
    return [
        (core, message, moment)
        for core in CORES
        for message in messages_of(core)
        for moment in moments_of(core)
    ]


@cache
def _step_names(core: str) -> dict[str, str]:
    return _names(contract_rules.RULES if core == "contract" else invoice_rules.RULES)


def _names(rules: Rules[Any]) -> dict[str, str]:
    """The names of the steps that park, by what they do: exceptions say that."""
    steps: Mapping[str, Step] = rules.steps
    return {step.doing: step.name for step in steps.values()}


# --- what was seen --------------------------------------------------------------------------------


@dataclass
class Coverage:
    """What was seen: the first way to each moment, what each message was answered in which stage,
    and the cells."""

    moments: dict[Moment, Way] = field(default_factory=dict)
    answers: set[tuple[str, str, bool, str]] = field(default_factory=set)
    """The core, the message, whether it was accepted, and the stage."""
    cells: set[Cell] = field(default_factory=set)

    def saw(self, world: World, way: Callable[[], Way]) -> None:
        """Remember the way to the moments that were not seen before."""
        for who in (CONTRACT, *world.invoices):
            if world.is_alive(who):
                for moment in moments_at(world, who):
                    if moment not in self.moments:
                        self.moments[moment] = way()

    def answered(self, world: World, sent: Sent, because: str | None) -> bool:
        """Count an answer; whether it is a new one in this stage."""
        stage = str(world.state_of(sent.who).stage)
        answer = core_of(sent.who), sent.kind, because is None, stage
        if answer in self.answers:
            return False
        self.answers.add(answer)
        return True

    def add(self, other: Coverage) -> None:
        """What was seen later, or elsewhere."""
        self.moments = {**other.moments, **self.moments}
        self.answers |= other.answers
        self.cells |= other.cells

    def table(self) -> Iterator[str]:
        """A line for each message and answer: the stages in which it was given."""
        found: dict[tuple[str, str], dict[bool, list[str]]] = defaultdict(lambda: defaultdict(list))
        for core, kind, accepted, stage in sorted(self.answers):
            found[core, kind][accepted].append(stage)
        for (core, kind), stages in sorted(found.items()):
            for accepted in (True, False):
                word = "accepted" if accepted else "refused"
                yield f"  {core} {kind:28} {word}: {', '.join(stages[accepted]) or 'never'}"


def unreached_moments(seen: Coverage) -> list[Moment]:
    """The moments that were not reached."""
    every = [(core, moment) for core in CORES for moment in moments_of(core)]
    return [moment for moment in every if moment not in seen.moments]


def core_of(who: int) -> str:
    return "contract" if who == CONTRACT else "invoice"


def moments_at(world: World, who: int) -> tuple[Moment, ...]:
    """Where a contract or an invoice is just now."""
    state = world.state_of(who)
    return _moments(
        core_of(who),
        tuple(act.kind for act in state.running.values()),
        tuple(item.doing for item in state.exceptions),
        state.uncertain,
        str(state.stage),
    )


@lru_cache(maxsize=50_000)
def _moments(
    core: str,
    running: tuple[str, ...],
    parked: tuple[str, ...],
    doubted: tuple[str, ...],
    stage: str,
) -> tuple[Moment, ...]:
    found = [
        *(f"{kind} runs" for kind in running),
        *(f"{_step_names(core)[doing]} is parked" for doing in parked),
        *(f"{_kind_of(key)} is in doubt" for key in doubted),
    ]
    return tuple((core, moment) for moment in found or [f"nothing happens while {stage}"])


def _kind_of(key: str) -> str:
    """The kind of the act with this key."""
    name = key.partition(":")[0]
    return proposing.START_INVOICE if key.startswith(proposing.start_key(0)[:-1]) else name
