"""What lists show of a workflow: its search attributes; in the memo what is encrypted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from contracts.model import JsonObject
from contracts.views.agreed import AgreedCard
from contracts.views.parked import ParkedCards
from workflows.search_attributes import AGREED, APPROVAL, CUSTOMER_NAME, PARKED

Attributes = Mapping[SearchAttributeKey[Any], Any]
"""Values by attribute; None for one that is not set."""

_MAX_BYTES = 2_000
"""Temporal takes 2,048 of a search attribute, as JSON, and fails the workflow task beyond."""


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


def name_in_memo(name: str) -> None:
    """Set the customer's name where the memo has another, at the start or by an earlier run."""
    if name and workflow.memo_value(CUSTOMER_NAME, "") != name:
        workflow.upsert_memo({CUSTOMER_NAME: name})


def parked_in_memo(now: ParkedCards | None) -> None:
    """Set the steps that are parked where the memo has others. Where none is no list reads them:
    what it had may stay, as an upsert is a billed action."""
    if now is None:
        return
    shown = now.model_dump(mode="json", exclude_defaults=True)
    if workflow.memo_value(PARKED, None) != shown:
        workflow.upsert_memo({PARKED: shown})


def agreed_in_memo(now: AgreedCard | None) -> None:
    """Set what is agreed of an open invoice where the memo has something else."""
    if now is None:
        return
    shown = now.model_dump(mode="json", exclude_defaults=True)
    if workflow.memo_value(AGREED, {}) != shown:
        workflow.upsert_memo({AGREED: shown})


def approval_in_memo(now: JsonObject | None, *, is_read: bool) -> None:
    """Set what awaits approval where the memo has something else. An upsert is a billed action:
    what no list reads may be old."""
    before = workflow.memo_value(APPROVAL, None)
    if now != before and (now is not None or is_read):
        workflow.upsert_memo({APPROVAL: now})


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
