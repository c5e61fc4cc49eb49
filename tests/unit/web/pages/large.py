"""A contract of many milestones, half of them billed."""

from __future__ import annotations

from datetime import date

from contracts.contract.state import ContractState
from contracts.validation import validate
from tests.unit import engagements, examples

_ON = date(2026, 3, 1)


def large_contract(milestones: int) -> ContractState:
    data = examples.contract_data()
    service = {**data["services"][0], "amount": f"{milestones * 100}.00"}
    data |= {
        "services": [service],
        "value": service["amount"],
        "milestones": [
            {
                "key": f"m{number}",
                "name": f"Milestone {number}",
                "service": service["key"],
                "amount": "100.00",
                "due_on": "2026-05-01",
            }
            for number in range(milestones)
        ],
    }
    state = engagements.active(validate(data))
    for number in range(milestones // 2):
        state = engagements.reach(state, f"m{number}", _ON)
        state = engagements.issue(state, f"milestone:m{number}", _ON)
    return state
