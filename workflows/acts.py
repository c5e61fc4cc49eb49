"""Begins the activity of an act: it is scheduled at once, and its answer is waited for later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow

T = TypeVar("T")
Request = TypeVar("Request")


def activity(
    method: Callable[[Any, Request], T],
    request: Request,
    config: workflow.ActivityConfig,
    answer: Callable[[T], Any] | None = None,
) -> Awaitable[Any]:
    """An activity by its method, with what its answer is to the rules (left out: as it is)."""
    under_way: Awaitable[T] = workflow.start_activity_method(method, request, **config)
    return under_way if answer is None else then(under_way, answer)


def then(under_way: Awaitable[T], answer: Callable[[T], Any]) -> Awaitable[Any]:
    """What is under way already, with what its answer is to the rules."""

    async def waited() -> Any:
        return answer(await under_way)

    return waited()
