"""What lists show of an approval round. Light to import."""

from __future__ import annotations

from contracts.approvals import ApprovalRound
from contracts.model import JsonObject

MAX_CARD_BYTES = 8_000
"""A memo is kept in every answer of a list; Temporal Cloud takes 32 KB of all of it."""


def card(approval_round: ApprovalRound) -> JsonObject:
    """The round as lists show it: without details and comments, which may be long. Empty where it
    is too large all the same, with hundreds of approvers: then its workflow is asked."""
    found = approval_round.replace(
        subject=approval_round.subject.replace(details=()),
        approvals=tuple(item.replace(comment="") for item in approval_round.approvals),
    )
    is_small = len(found.model_dump_json()) <= MAX_CARD_BYTES
    return found.model_dump(mode="json") if is_small else {}


def of_card(data: JsonObject) -> ApprovalRound | None:
    """The round of a card; None for an empty one."""
    return ApprovalRound.model_validate(data) if data else None
