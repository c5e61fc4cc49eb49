"""Steps that park: the one mechanism by which a failing step waits for a person."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

with workflow.unsafe.imports_passed_through():
    from activities.failures import FailureDetail
    from contracts.parking import (
        CREDENTIALS,
        Action,
        Resolution,
        Step,
        StepException,
        find,
    )
    from workflows import metrics

T = TypeVar("T")

_FIRST_AUTOMATIC_RETRY = timedelta(minutes=1)
_LAST_AUTOMATIC_RETRY = timedelta(minutes=15)
_HEALS_BY_ITSELF = frozenset({CREDENTIALS, "defect", "transient"})
"""Kinds that a changed secret, a new release or time mends: such a step also retries slowly."""


class Parked(Exception):
    """Raised by a step's own code to park it without a failed activity."""

    def __init__(self, detail: FailureDetail) -> None:
        super().__init__(detail.message)
        self.detail = detail


@dataclass(frozen=True)
class _Failure:
    """Why a try failed: the kind of failure, and what a person is shown."""

    kind: str
    detail: FailureDetail


class StepCancelled(Exception):
    """The contract is to be cancelled: the step gives up."""


class Steps:
    """Runs steps; a step that fails for a reason a person must mend waits for a Resolution.

    The parked step stands in the workflow's state, so that it survives continue-as-new: run
    again, it waits for the resolution before it tries again.
    """

    def __init__(
        self,
        exceptions: list[StepException],
        note: Callable[[str], None],
        *,
        changed: Callable[[], None],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._exceptions = exceptions
        self._note = note
        self._changed = changed
        self._cancelled = cancelled
        self._resolutions: dict[str, Resolution] = {}
        self._running = 0

    @property
    def nothing_under_way(self) -> bool:
        """No step's attempt is running, and no other remote effect that was marked `busy`."""
        return not self._running

    @property
    def at_rest(self) -> bool:
        """No step is between a person's word and its next try: the state is the whole truth."""
        return self.nothing_under_way and not self._resolutions

    async def run(
        self,
        step: Step,
        attempt: Callable[[], Awaitable[T]],
        *,
        name: str = "",
        obsolete: Callable[[], bool] = lambda: False,
    ) -> T | None:
        """Run one step until it succeeds; None if a person skipped it or it became obsolete.

        `name` tells several steps of one kind apart (`remind:2`). Raises StepCancelled.
        """
        name = name or step.name
        previous: StepException | None = None
        first: StepException | None = None
        while True:
            parked = self._find(name)
            if parked is None:
                result = await self._tried(step, attempt)
                if not isinstance(result, _Failure):
                    if first is not None:
                        metrics.exception_ended(first)
                    return result
                parked = self._park(step, name, result.kind, result.detail, previous)
            first = first or parked
            resolution = await self._wait(step, parked, obsolete)
            self._unpark(name)
            if obsolete() or (resolution is not None and resolution.action is Action.SKIP):
                metrics.exception_ended(first)
                return None
            previous = None if _is_mended(resolution) else parked

    async def chain(
        self, steps: Sequence[Step], attempt: Callable[[Collection[str]], Awaitable[None]]
    ) -> None:
        """Run steps that one activity takes in a row, until each is done or skipped.

        A failure parks the step it names (`FailureDetail.step`), or the one that failed before.
        `attempt` is given the names of those that a person skipped. Raises StepCancelled.
        """
        step = next((item for item in steps if self._find(item.name)), steps[0])
        skipped: set[str] = set()
        previous: StepException | None = None
        first: StepException | None = None
        while True:
            parked = self._find(step.name)
            if parked is None:
                failure = await self._tried(step, lambda: attempt(skipped))
                named = failure.detail.step if failure else ""
                at = next((item for item in steps if item.name == named), step)
                if first is not None and (failure is None or at is not step):
                    metrics.exception_ended(first)
                    previous = first = None
                if failure is None:
                    return
                step = at
                parked = self._park(step, step.name, failure.kind, failure.detail, previous)
            first = first or parked
            resolution = await self._wait(step, parked, lambda: False)
            self._unpark(step.name)
            if resolution is not None and resolution.action is Action.SKIP:
                skipped.add(step.name)
            previous = None if _is_mended(resolution) else parked

    async def _tried(self, step: Step, attempt: Callable[[], Awaitable[T]]) -> T | _Failure:
        """What one try came to. Raises StepCancelled instead of trying."""
        if self._must_give_up(step):
            raise StepCancelled
        try:
            with self.busy():
                return await attempt()
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):
                raise
            return _Failure(*_understand(error))
        except Parked as refused:
            return _Failure("business", refused.detail)

    def resolve(self, resolution: Resolution) -> StepException:
        """Hand a checked resolution to its step; returns the exception it answers."""
        parked = find(self._exceptions, resolution.step)
        if parked is None:
            raise ApplicationError("nothing is parked under that name", non_retryable=True)
        self._resolutions[parked.step] = resolution
        reason = f": {resolution.reason}" if resolution.reason else ""
        self._note(f"{resolution.by} chose {resolution.action} for {parked.step}{reason}")
        return parked

    async def ask(
        self,
        step: Step,
        detail: FailureDetail,
        *,
        name: str,
        obsolete: Callable[[], bool] = lambda: False,
    ) -> Resolution | None:
        """Park at once and wait for a person's word; None if nobody needs to say it any more.

        Raises StepCancelled.
        """
        parked = self._find(name) or self._park(step, name, "business", detail, None)
        resolution = await self._wait(step, parked, obsolete)
        self._unpark(name)
        metrics.exception_ended(parked)
        if self._must_give_up(step):
            raise StepCancelled
        return resolution

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """While this is open the workflow is not at rest: a remote effect is under way."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def _wait(
        self, step: Step, parked: StepException, obsolete: Callable[[], bool]
    ) -> Resolution | None:
        """Wait for a person's word, or (None) for the next automatic try or a reason to stop."""
        timeout = None
        if parked.kind in _HEALS_BY_ITSELF:
            doublings = min(parked.attempts - 1, 10)
            timeout = min(_FIRST_AUTOMATIC_RETRY * 2**doublings, _LAST_AUTOMATIC_RETRY)
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: parked.step in self._resolutions or self._must_give_up(step) or obsolete(),
                timeout=timeout,
                timeout_summary=f"try again: {step.doing}"[:200],
            )
        return self._resolutions.pop(parked.step, None)

    def _park(
        self,
        step: Step,
        name: str,
        kind: str,
        detail: FailureDetail,
        previous: StepException | None,
    ) -> StepException:
        parked = StepException(
            step=name,
            kind=kind,
            doing=step.doing,
            responsible=step.responsible,
            code=detail.code,
            message=detail.message,
            field=detail.field,
            value=detail.value,
            problems=detail.problems,
            allowed=step.allowed,
            since=previous.since if previous else workflow.now(),
            attempts=previous.attempts + 1 if previous else 1,
        )
        self._exceptions.append(parked)
        if previous is None or previous.code != detail.code:
            self._note(f"Parked: {step.doing} – {detail.message} [{detail.code}]")
        self._changed()
        return parked

    def _unpark(self, name: str) -> None:
        self._exceptions[:] = [item for item in self._exceptions if item.step != name]
        self._changed()

    def _find(self, name: str) -> StepException | None:
        return next((item for item in self._exceptions if item.step == name), None)

    def _must_give_up(self, step: Step) -> bool:
        return self._cancelled() and Action.CANCEL in step.allowed


def _is_mended(resolution: Resolution | None) -> bool:
    """An automatic try or a plain retry keeps the age of the exception; a correction does not."""
    return resolution is not None and resolution.action is Action.AMEND


def has_failed(job: asyncio.Task[None]) -> bool:
    """Whether a job beside the main one ended by an error, which must not stay unseen."""
    return job.done() and not job.cancelled() and job.exception() is not None


def _understand(error: ActivityError) -> tuple[str, FailureDetail]:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details:
        return cause.type or "defect", FailureDetail.model_validate(cause.details[0])
    return "transient", FailureDetail(code="no_answer", message=str(cause or error))
