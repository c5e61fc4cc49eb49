"""Contracts that bill by more than milestones: the examples of the documentation, to be changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contracts.model import Contract, JsonObject
from contracts.validation import amended, validate

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def example(name: str, **changes: Any) -> JsonObject:
    """An example's contract data, as the command completes it; values by path, `__` for a dot."""
    contract_data = json.loads((EXAMPLES / f"{name}.json").read_text())
    contract_data |= {"source": {"system": "file", "id": contract_data["contract_id"]}}
    return amended(
        contract_data, {path.replace("__", "."): value for path, value in changes.items()}
    )


def mixed(**changes: Any) -> JsonObject:
    """Milestones with deposit and retainage (40,000 EUR), time up to 20,000, expenses to 2,000."""
    return example("mixed", **changes)


def managed(**changes: Any) -> JsonObject:
    """A retainer with hours and a yearly index, usage by tiers, renewed every year."""
    return example("managed", **changes)


def mixed_contract(**changes: Any) -> Contract:
    return validate(mixed(**changes))


def managed_contract(**changes: Any) -> Contract:
    return validate(managed(**changes))
