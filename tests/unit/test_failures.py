"""What a failed activity says to its workflow: its kind, what to show, whether it may be done."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.exceptions import ApplicationErrorCategory, CancelledError

from activities.failures import (
    BusinessRefusal,
    FailureDetail,
    StepFailed,
    after_effect,
    as_application_error,
)
from activities.odoo.buttons import unless_done
from contracts.contract.state import OdooRefs
from gateways.errors import FailureKind, GatewayError


def lost(kind: FailureKind = FailureKind.TRANSIENT, **more: Any) -> GatewayError:
    return GatewayError(kind, system="odoo", code="no_answer", message="no answer", **more)


def detail_of(error: Exception) -> FailureDetail:
    detail = as_application_error(error).details[0]
    assert isinstance(detail, FailureDetail)
    return detail


@pytest.mark.parametrize("kind", list(FailureKind))
@pytest.mark.parametrize("maybe_done", [True, False])
def test_a_failure_says_whether_the_remote_may_have_done_it(
    kind: FailureKind, maybe_done: bool
) -> None:
    assert detail_of(lost(kind, maybe_done=maybe_done)).maybe_done is maybe_done


def test_a_step_that_failed_says_so_too() -> None:
    detail = detail_of(StepFailed("order", OdooRefs(project_id=7), lost(maybe_done=True)))
    assert (detail.step, detail.maybe_done) == ("order", True)


def test_what_fails_after_an_effect_may_have_been_done() -> None:
    refusal = BusinessRefusal("not_delivered", "no mail server")
    for cause in (lost(), refusal):
        with (
            pytest.raises(Exception, match=str(cause).partition(" [")[0]) as caught,
            after_effect(),
        ):
            raise cause
        error = as_application_error(caught.value)
        before = as_application_error(cause)
        assert (error.type, error.non_retryable) == (before.type, before.non_retryable)
        assert error.details[0] == before.details[0].model_copy(update={"maybe_done": True})


def test_the_end_of_an_activity_is_no_failure_after_an_effect() -> None:
    with pytest.raises(CancelledError), after_effect():
        raise CancelledError("the worker shuts down")


def test_a_button_whose_record_cannot_be_read_afterwards_may_have_been_pressed() -> None:
    def refused() -> None:
        raise lost(FailureKind.BUSINESS)

    def unreadable() -> bool:
        raise lost(FailureKind.CREDENTIALS)

    with pytest.raises(Exception, match="no answer") as caught:
        unless_done(refused, unreadable)
    error = as_application_error(caught.value)
    assert (error.type, error.details[0].maybe_done) == (FailureKind.CREDENTIALS, True)


def test_what_parks_is_no_traceback_in_the_log_and_a_defect_is() -> None:
    """The SDK logs a failed activity with its traceback, unless it is benign."""
    refused = as_application_error(BusinessRefusal("vat_invalid", "no such number"))
    assert refused.category is ApplicationErrorCategory.BENIGN
    assert refused.non_retryable
    defect = as_application_error(KeyError("oops"))
    assert defect.category is not ApplicationErrorCategory.BENIGN
