"""The one place where a failure of a gateway becomes a failure the engine and people understand."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from contracts.validation import Problem
from gateways.errors import FailureKind, GatewayError


class FailureDetail(BaseModel):
    """What a parked step shows: carried as the first detail of the ApplicationError."""

    system: str = ""
    code: str
    message: str
    field: str = ""
    value: str = ""
    problems: list[Problem] = Field(default_factory=list)


class BusinessRefusal(Exception):
    """An activity's own finding that a person must look at, such as totals that differ."""

    def __init__(self, code: str, message: str, field: str = "", value: str = "") -> None:
        super().__init__(message)
        self.detail = FailureDetail(code=code, message=message, field=field, value=value)


def as_application_error(error: Exception) -> ApplicationError:
    """Map any exception of an activity to an ApplicationError whose type is a FailureKind.

    Only transient failures are retried by the engine; the others come back to the workflow at
    once, which parks the step.
    """
    if isinstance(error, BusinessRefusal):
        return _error(FailureKind.BUSINESS, error.detail)
    if isinstance(error, GatewayError):
        detail = FailureDetail(
            system=error.system,
            code=error.code,
            message=error.message,
            field=error.field,
            value=error.value,
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
    return ApplicationError(detail.message, detail, type=kind, non_retryable=True)


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
            if mapped.type == FailureKind.DEFECT:
                activity.logger.exception("defect in %s", activity.info().activity_type)
            raise mapped from error
