"""Which messages were seen in which moments, accepted and refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.explore.messages import Sent
from tests.explore.world import CONTRACT, World

Cell = tuple[str, bool, str, bool, tuple[str, ...], bool]


@dataclass
class Coverage:
    """A cell is a message, whether it was refused, the stage of who got it, whether the contract
    is being cancelled, the kinds of acts that ran, and whether something was parked."""

    cells: set[Cell] = field(default_factory=set)

    def count(self, world: World, sent: Sent, because: str | None) -> bool:
        """Whether the cell is a new one."""
        state = world.state_of(sent.who)
        kinds = tuple(sorted({act.kind for act in state.running.values()}))
        cancelling = sent.who == CONTRACT and world.contract.cancel is not None
        cell = (
            sent.kind,
            because is None,
            str(state.stage),
            cancelling,
            kinds,
            bool(state.exceptions),
        )
        if cell in self.cells:
            return False
        self.cells.add(cell)
        return True

    def table(self) -> Iterator[str]:
        """A line for each message: in which stages it was accepted and refused, with the number of
        different moments."""
        found: dict[str, dict[tuple[bool, str], int]] = defaultdict(lambda: defaultdict(int))
        for kind, accepted, stage, *_ in self.cells:
            found[kind][accepted, stage] += 1
        for kind in sorted(found):
            for accepted in (True, False):
                counts = [
                    f"{stage} {count}"
                    for (is_accepted, stage), count in sorted(found[kind].items())
                    if is_accepted is accepted
                ]
                word = "accepted" if accepted else "refused"
                yield f"  {kind:42} {word}: {', '.join(counts) or 'never'}"

    def seen(self, *, accepted: bool) -> frozenset[str]:
        return frozenset(cell[0] for cell in self.cells if cell[1] is accepted)
