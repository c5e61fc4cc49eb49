"""Reads all pages of the approved work or costs: each is a result that fits into the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from activities.odoo.readings import Reading, ReadingRequest

R = TypeVar("R", bound=ReadingRequest)
T = TypeVar("T", bound=BaseModel)


async def all_pages(
    read: Callable[[Any, R], Reading[T]], request: R, config: workflow.ActivityConfig
) -> Reading[T]:
    """What an activity reads, of all pages, as of when the first was read."""
    first = page = await workflow.execute_activity_method(read, request, **config)
    found = list(first.found)
    while page.next is not None:
        request = request.model_copy(update={"after": page.next})
        page = await workflow.execute_activity_method(read, request, **config)
        found += page.found
    return page.model_copy(update={"found": found, "as_of": first.as_of})
