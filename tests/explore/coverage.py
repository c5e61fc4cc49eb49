"""Which messages were seen in which moments, and what they were answered there.

A cell is a message in a moment: while an act of some kind runs, is parked or is in doubt, or in a
stage in which nothing does. The tables of both cores say which messages, acts and stages there are;
`IMPOSSIBLE` says what can never be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from contracts.agenda.actions import Noted
from contracts.agenda.machine import Agenda
from contracts.contract import proposing
from contracts.contract import rules as contract_rules
from contracts.contract.state import ContractStage
from contracts.invoice import rules as invoice_rules
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from tests.explore.messages import Sent
from tests.explore.world import CONTRACT, World

Moment = tuple[str, str]
Cell = tuple[str, str, str]
Place = tuple[Moment, bool]
"""A moment, and whether the contract has invoices then."""


class Way(NamedTuple):
    """Where a state was found: from a start, by its name, along these moves."""

    start: Any
    path: tuple[str, ...]


# --- what there is --------------------------------------------------------------------------------

_AGENDAS: Mapping[str, Agenda[Any]] = {
    "contract": contract_rules.AGENDA,
    "invoice": invoice_rules.AGENDA,
}
_STAGES: Mapping[str, type[StrEnum]] = {"contract": ContractStage, "invoice": InvoiceStage}


def messages_of(core: str) -> list[str]:
    """Every message of a core, by its own table, and Signals that cannot be read."""
    names = [kind.__name__ for kind in _AGENDAS[core].messages]
    choices = [f"{Resolution.__name__} {choice}" for choice in Choice]
    return [*names, *choices, Noted.__name__]


def moments_of(core: str) -> list[str]:
    """Every moment of a core, by its own tables of acts, parts and stages."""
    rules = _AGENDAS[core].acts.items()
    acts = [kind for kind, rule in rules if not rule.is_question]
    parks = [kind for kind, rule in rules if rule.step is not None]
    parts = [step.name for _, rule in rules for step in rule.parts]
    return [
        *(f"{kind} runs" for kind in acts),
        *(f"{name} is parked" for name in dict.fromkeys((*parks, *parts))),
        *(f"{kind} is in doubt" for kind in acts),
        *(f"nothing happens while {stage}" for stage in _STAGES[core]),
    ]


def cells() -> list[Cell]:
    """Every cell there is, possible or not."""
    return [
        (core, message, moment)
        for core in _AGENDAS
        for message in messages_of(core)
        for moment in moments_of(core)
    ]


# --- what cannot be -------------------------------------------------------------------------------


def _doubtless(*kinds: str) -> tuple[str, ...]:
    return tuple(f"{kind} is in doubt" for kind in kinds)


def _quiet(*stages: str) -> tuple[str, ...]:
    return tuple(f"nothing happens while {stage}" for stage in stages)


def _at_any_time(acts: Iterable[str], parts: Iterable[str] = ()) -> tuple[str, ...]:
    parked = (f"{name} is parked" for name in (*acts, *parts))
    return (*(f"{kind} runs" for kind in acts), *parked, *_doubtless(*acts))


class Impossible(NamedTuple):
    """Moments that a core is never in, or in which these messages are never sent; and why."""

    core: str
    moments: tuple[str, ...]
    because: str
    messages: frozenset[str] = frozenset()


IMPOSSIBLE = (
    Impossible(
        "contract",
        _doubtless(
            "read_deal",
            "validate",
            "read_time",
            "read_expenses",
            "mark_milestone",
            "look_up_milestone",
            "set_delivered",
            "warn",
            "contract_renewed",
            "dunning_hold",
            "policy",
            "notify",
            "amend_order",
            "amend_project",
            "project_status",
            "hand_over",
            "burn",
            "write_back",
            "refresh",
            "cancel_order",
            "archive_project",
            "attach_signed",
        ),
        "what can be done again is never in doubt",
    ),
    Impossible(
        "contract",
        ("billing_check is parked",),
        "only a mistake of ours lets the sums of the billing disagree",
    ),
    Impossible(
        "contract",
        _quiet("received", "validating", "provisioning"),
        "until there is an order, an act runs or is parked",
    ),
    Impossible("contract", _quiet("closed", "cancelled"), "it has ended"),
    Impossible(
        "contract",
        (
            *_at_any_time(
                ("read_deal", "validate", "provision"), parts=("customer", "order", "confirm")
            ),
            *_quiet("signing"),
            "signature is parked",
        ),
        "no invoice is started before there is an order",
        frozenset({"InvoiceEnded", "InvoiceLost"}),
    ),
    Impossible(
        "invoice",
        _doubtless(
            "create_invoice",
            "discard",
            "take_back",
            "notify",
            "balance",
            "todo",
            "tell_contract",
            "ask_credit",
            "tell_invoice",
            "payment_link",
        ),
        "what can be done again is never in doubt",
    ),
    Impossible(
        "invoice",
        _quiet("proposed", "approved", "posted_not_delivered"),
        "the next act runs, or is parked",
    ),
)


def why_impossible(cell: Cell) -> str | None:
    """Why nobody can send this message in this moment; None if somebody may."""
    core, message, moment = cell
    for item in IMPOSSIBLE:
        is_meant = not item.messages or message in item.messages
        if item.core == core and moment in item.moments and is_meant:
            return item.because
    return None


# --- what was seen --------------------------------------------------------------------------------


@dataclass
class Coverage:
    """What was seen: the first way to each moment, what each message was answered in which stage,
    and the cells."""

    ways: dict[Place, Way] = field(default_factory=dict)
    answers: set[tuple[str, str, bool, str]] = field(default_factory=set)
    """The core, the message, whether it was accepted, and the stage."""
    cells: set[Cell] = field(default_factory=set)

    def saw(self, world: World, way: Callable[[], Way]) -> None:
        """Remember the way to the moments that were not seen before."""
        for who in (CONTRACT, *world.invoices):
            if world.is_alive(who):
                for moment in moments_at(world, who):
                    place = moment, bool(world.contract.invoices)
                    if place not in self.ways:
                        self.ways[place] = way()

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
        self.ways = {**other.ways, **self.ways}
        self.answers |= other.answers
        self.cells |= other.cells

    def faults(self) -> Iterator[str]:
        """Cells that were not reached, and those that were although they are said not to be."""
        for cell in cells():
            because = why_impossible(cell)
            if because is None and cell not in self.cells:
                yield f"never reached: {', '.join(cell)}"
            if because is not None and cell in self.cells:
                yield f"reached: {', '.join(cell)}, although {because}"

    def table(self) -> Iterator[str]:
        """A line for each message and answer: the stages in which it was given."""
        found: dict[tuple[str, str], dict[bool, list[str]]] = defaultdict(lambda: defaultdict(list))
        for core, kind, accepted, stage in sorted(self.answers):
            found[core, kind][accepted].append(stage)
        for (core, kind), stages in sorted(found.items()):
            for accepted in (True, False):
                word = "accepted" if accepted else "refused"
                yield f"  {core} {kind:28} {word}: {', '.join(stages[accepted]) or 'never'}"


def core_of(who: int) -> str:
    return "contract" if who == CONTRACT else "invoice"


def moments_at(world: World, who: int) -> tuple[Moment, ...]:
    """Where a contract or an invoice is just now."""
    state = world.state_of(who)
    return _moments(
        core_of(who),
        tuple(act.kind for act in state.running.values()),
        tuple((item.act, item.step) for item in state.exceptions),
        state.uncertain,
        str(state.stage),
    )


@lru_cache(maxsize=50_000)
def _moments(
    core: str,
    running: tuple[str, ...],
    parked: tuple[tuple[str, str], ...],
    doubted: tuple[str, ...],
    stage: str,
) -> tuple[Moment, ...]:
    found = [
        *(f"{kind} runs" for kind in running),
        *(f"{_parked_as(core, kind, step)} is parked" for kind, step in parked),
        *(f"{_kind_of(key)} is in doubt" for key in doubted),
    ]
    return tuple((core, moment) for moment in found or [f"nothing happens while {stage}"])


def _parked_as(core: str, kind: str, step: str) -> str:
    parts = _AGENDAS[core].acts[kind].parts
    return step if any(part.name == step for part in parts) else kind


def _kind_of(key: str) -> str:
    """The kind of the act with this key."""
    name = key.partition(":")[0]
    return proposing.START_INVOICE if proposing.start_key(0).startswith(f"{name}:") else name
