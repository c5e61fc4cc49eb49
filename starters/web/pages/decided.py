"""What was decided on these pages of late.

A workflow is listed as it was until what follows from a decision is carried out: while Odoo is
away that takes hours, and the inbox would show as open what is approved. So it is remembered here
for a while, and lost with the process: nothing is decided by it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import Request

from contracts.approvals import ApprovalRound
from starters.client.approvals import ListedRound

_MOST = 5_000


@dataclass(frozen=True)
class Verdict:
    """The last word on a round, and when it was said (aware)."""

    approval_round: ApprovalRound
    at: datetime

    @property
    def words(self) -> str:
        found = self.approval_round
        return f"rejected by {found.rejected_because}" if found.is_rejected else "approved"


@dataclass
class Verdicts:
    """By workflow; beyond a limit the oldest go."""

    kept: OrderedDict[str, Verdict] = field(default_factory=OrderedDict)

    def note(self, workflow_id: str, after: ApprovalRound, at: datetime) -> None:
        """Remember the last word. The first approval of two changes the list at once."""
        if not after.is_decided:
            return
        self.kept[workflow_id] = Verdict(after, at)
        self.kept.move_to_end(workflow_id)
        if len(self.kept) > _MOST:
            self.kept.popitem(last=False)

    def of(self, item: ListedRound) -> Verdict | None:
        """The last word on what is listed; None where it is another content, or is asked for again
        since."""
        found = self.kept.get(item.workflow_id)
        if found is None:
            return None
        seen, said = item.approval_round.subject, found.approval_round.subject
        is_later = item.waiting_since is not None and item.waiting_since > found.at
        return None if is_later or seen.content_hash != said.content_hash else found


def verdicts_of(request: Request) -> Verdicts:
    found: Verdicts = request.app.state.verdicts
    return found
