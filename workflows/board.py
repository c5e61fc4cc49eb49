"""What people see of a workflow from outside: search attributes and current details."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

_MAX_BYTES = 2_000
"""Temporal takes 2,048 of a search attribute, as JSON, and fails the workflow task beyond."""


class Board:
    """Publishes only what changed: an upsert is a billed action and a history event."""

    def __init__(self) -> None:
        self._shown: dict[SearchAttributeKey[Any], Any] = {}
        self._details = ""

    def show(self, attributes: Mapping[SearchAttributeKey[Any], Any], details: str) -> None:
        """Show the attributes (None removes one) and the Markdown details."""
        updates: list[SearchAttributeUpdate[Any]] = []
        attributes = {key: _fitting(value) for key, value in attributes.items()}
        for key, value in attributes.items():
            if self._shown.get(key) != value:
                updates.append(key.value_unset() if value is None else key.value_set(value))
        if updates:
            workflow.upsert_search_attributes(updates)
            self._shown = {**self._shown, **attributes}
        if details != self._details:
            workflow.set_current_details(details)
            self._details = details


def _fitting(value: Any) -> Any:
    """As much of a text as a search attribute takes: an emoji is 12 bytes of JSON."""
    while isinstance(value, str) and len(json.dumps(value)) > _MAX_BYTES:
        value = value[:-1]
    return value
