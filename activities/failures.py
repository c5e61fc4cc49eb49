"""The one place where a failure of a gateway becomes a failure the engine and people understand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, Field
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from contracts.parking import Step
from contracts.validation import Problem
from gateways.errors import FailureKind, GatewayError


class FailureDetail(BaseModel):
    """What a parked step shows: carried as the first detail of the ApplicationError.

    `step` names the one that failed of an activity's several; "" where it has only one.
    `maybe_done`: the effect may have happened although the activity failed."""

    system: str = ""
    step: str = ""
    code: str
    message: str
    field: str = ""
    value: str = ""
    problems: list[Problem] = Field(default_factory=list)
    maybe_done: bool = False


class BusinessRefusal(Exception):
    """An activity's own finding that a person must look at, such as totals that differ."""

    def __init__(
        self,
        code: str,
        message: str,
        field: str = "",
        value: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.detail = FailureDetail(
            code=code, message=message, field=field, value=value, problems=list(problems)
        )


class StepFailed(Exception):
    """One of the steps that an activity takes in a row failed, by its cause. What the others did
    before stays done: `done` says what that is."""

    def __init__(self, step: str, done: BaseModel, cause: Exception) -> None:
        super().__init__(f"{step}: {cause}")
        self.step = step
        self.done = done
        self.cause = cause


class FailedAfterEffect(Exception):
    """An activity failed, by its cause, after it had asked for something that cannot be undone."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def after_effect() -> Iterator[None]:
    """Whatever fails inside, such as reading what came of it, fails behind an effect."""
    try:
        yield
    except FailureError:
        raise
    except Exception as error:
        raise FailedAfterEffect(error) from error


@contextmanager
def step_scope(step: Step, done: BaseModel) -> Iterator[None]:
    """Whatever fails inside is a failure of this step; `done` is read when that happens."""
    try:
        yield
    except FailureError:
        # The engine ends the activity: that is no failure of what it was at.
        raise
    except Exception as error:
        raise StepFailed(step.name, done, error) from error


def as_application_error(error: Exception) -> ApplicationError:
    """Map any exception of an activity to an ApplicationError whose type is a FailureKind.

    Only transient failures are retried by the engine; the others come back to the workflow at
    once, which parks the step.
    """
    if isinstance(error, StepFailed):
        return _at_step(error)
    if isinstance(error, FailedAfterEffect):
        return _maybe_done(as_application_error(error.cause))
    if isinstance(error, BusinessRefusal):
        return _error(FailureKind.BUSINESS, error.detail)
    if isinstance(error, GatewayError):
        detail = FailureDetail(
            system=error.system,
            code=error.code,
            message=error.message,
            field=error.field,
            value=error.value,
            maybe_done=error.maybe_done,
        )
        if error.kind is FailureKind.TRANSIENT:
            return ApplicationError(
                str(error),
                detail,
                type=error.kind,
                next_retry_delay=error.retry_after,
                # Expected noise: it must not look like a bug in metrics and logs.
                category=ApplicationErrorCategory.BENIGN,
            )
        return _error(error.kind, detail)
    message = f"{type(error).__name__}: {error}"
    return _error(FailureKind.DEFECT, FailureDetail(code="defect", message=message))


def _error(kind: FailureKind, detail: FailureDetail) -> ApplicationError:
    # What parks is an exception that people see: in the log it is a line and no traceback.
    benign = ApplicationErrorCategory.BENIGN
    category = ApplicationErrorCategory.UNSPECIFIED if kind is FailureKind.DEFECT else benign
    return ApplicationError(
        detail.message, detail, type=kind, non_retryable=True, category=category
    )


def _at_step(failed: StepFailed) -> ApplicationError:
    """The cause's error, with the step's name and what was done before it."""
    return _with(as_application_error(failed.cause), failed.done, step=failed.step)


def _maybe_done(error: ApplicationError) -> ApplicationError:
    return _with(error, *error.details[1:], maybe_done=True)


def _with(error: ApplicationError, *more: Any, **changes: Any) -> ApplicationError:
    """The same error with its detail changed, and more details behind that."""
    return ApplicationError(
        error.message,
        error.details[0].model_copy(update=changes),
        *more,
        type=error.type,
        non_retryable=error.non_retryable,
        next_retry_delay=error.next_retry_delay,
        category=error.category,
    )


class FailureInterceptor(Interceptor):
    """Applies the mapping to every activity of a worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except FailureError:
            raise
        except Exception as error:
            mapped = as_application_error(error)
            if activity.info().attempt > 1 and mapped.type != FailureKind.BUSINESS:
                # An attempt before got no answer either, and this one cannot tell what came of it.
                mapped = _maybe_done(mapped)
            if mapped.type == FailureKind.DEFECT:
                activity.logger.exception("defect in %s", activity.info().activity_type)
            elif mapped.non_retryable:
                # What it says may name customers: people read it where it parks.
                code = mapped.details[0].code
                activity.logger.info("%s parks: %s", activity.info().activity_type, code)
            raise mapped from error
