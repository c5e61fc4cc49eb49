"""A refusal counts once the contract was certainly running when it refused."""

from __future__ import annotations

from typing import Any

import pytest

from activities import events
from activities.events import EventActivities, UpdateRequest
from contracts.events import ContractUpdate, Delivery, EventOutcome, ForContract

TASK = ForContract(
    contract="contract/northwind/C-1",
    update=ContractUpdate.REACH_MILESTONE,
    message={"milestone": "m1"},
)


@pytest.mark.parametrize(
    ("refusals", "stages", "outcome", "sent"),
    [
        # It began to run between its refusal and the look at it.
        (1, [EventOutcome.REFUSED], EventOutcome.APPLIED, ["e/1", "e/1/again"]),
        (2, [EventOutcome.REFUSED] * 2, EventOutcome.REFUSED, ["e/1", "e/1/again"]),
        (1, [EventOutcome.WAITING], EventOutcome.WAITING, ["e/1"]),
        (0, [], EventOutcome.APPLIED, ["e/1"]),
    ],
)
async def test_what_a_contract_refuses_is_sent_once_more_before_it_counts(
    monkeypatch: pytest.MonkeyPatch,
    refusals: int,
    stages: list[EventOutcome],
    outcome: EventOutcome,
    sent: list[str],
) -> None:
    asked: list[str] = []
    left = list(stages)

    async def update(sent: Any, update_id: str, result: Any) -> None:
        asked.append(update_id)
        if len(asked) <= refusals:
            raise events._Refused("there is no milestone m1")

    async def refusal(contract: str, why: str) -> Delivery:
        return Delivery(outcome=left.pop(0), why=why)

    monkeypatch.setattr(events, "_update", update)
    monkeypatch.setattr(events, "_refusal", refusal)
    found = await EventActivities().update_contract(
        UpdateRequest(task=TASK, sender="events", id="e/1")
    )
    assert (found.outcome, asked, left) == (outcome, sent, [])
