"""What people see of a workflow from outside: search attributes and current details."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

Attributes = Mapping[SearchAttributeKey[Any], Any]
"""Values by attribute; None for one that is not set."""

_MAX_BYTES = 2_000
"""Temporal takes 2,048 of a search attribute, as JSON, and fails the workflow task beyond."""


class Board:
    """Shows the state: details at once, attributes once nothing is under way.

    An upsert is a billed action and a history event: what only passes by between two steps is not
    worth one, and of what was shown before (at the start, or by an earlier run) only changes are.
    `attributes` and `details` describe the state as it is when they are called; `at_rest` says
    whether it will stay so until something happens.
    """

    def __init__(
        self,
        attributes: Callable[[], Attributes],
        details: Callable[[], str],
        *,
        at_rest: Callable[[], bool],
    ) -> None:
        self._attributes = attributes
        self._details = details
        self._at_rest = at_rest
        self._shown_details = ""
        self._outdated = True

    def outdate(self) -> None:
        """The state changed."""
        self._outdated = True

    async def run(self) -> None:
        """Keep showing the state, for as long as the workflow runs."""
        while True:
            await workflow.wait_condition(lambda: self._outdated)
            self._outdated = False
            self._show_details()
            await workflow.wait_condition(lambda: self._outdated or self._at_rest())
            if not self._outdated:
                self._show_attributes()

    def show(self, *, attributes: bool = True) -> None:
        """Show everything now, as before the workflow ends; or all but the attributes."""
        if attributes:
            self._show_attributes()
        self._show_details()

    def _show_details(self) -> None:
        details = self._details()
        if details != self._shown_details:
            workflow.set_current_details(details)
            self._shown_details = details

    def _show_attributes(self) -> None:
        upsert(self._attributes())


def upsert(attributes: Attributes) -> None:
    """Set the attributes that differ from those shown: at the start, or by an earlier run."""
    shown = workflow.info().typed_search_attributes
    updates: list[SearchAttributeUpdate[Any]] = [
        key.value_unset() if value is None else key.value_set(value)
        for key, value in _fitted(attributes).items()
        if shown.get(key) != value
    ]
    if updates:
        workflow.upsert_search_attributes(updates)


def to_start(attributes: Attributes) -> TypedSearchAttributes:
    """The attributes as a workflow is started with them: that costs no upsert."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(key, value)
            for key, value in _fitted(attributes).items()
            if value is not None
        ]
    )


def _fitted(attributes: Attributes) -> Attributes:
    return {key: _fitting(value) for key, value in attributes.items()}


def _fitting(value: Any) -> Any:
    """As much of a text as a search attribute takes: an emoji is 12 bytes of JSON."""
    while isinstance(value, str) and len(json.dumps(value)) > _MAX_BYTES:
        value = value[:-1]
    return value
