"""Tryton 8.2, a system that nobody here wrote, through a package that nobody here needs to know:
`tryton/`, which is written from docs/extending.md and found by its entry point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from sandbox.conformance.crm import CrmConformance
from sandbox.conformance.timesheets import TimesheetConformance

if TYPE_CHECKING:
    from tests.connectors.tryton_server import TrytonRemote, TrytonTimeRemote

pytestmark = pytest.mark.long


class TestTryton(CrmConformance["TrytonRemote"]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, tryton_remote: TrytonRemote) -> TrytonRemote:
        return tryton_remote


class TestTrytonTime(TimesheetConformance["TrytonTimeRemote"]):
    """Its calls go through the same `api.py`, whose failures the class above looks at: they take
    minutes, as Tryton's sign-in is slow on purpose."""

    test_a_limit_is_waited_out_for_as_long_as_the_remote_says = None  # type: ignore[assignment]
    test_an_outage_passes_by_itself = None  # type: ignore[assignment]
    test_an_answer_that_is_lost_is_asked_for_again = None  # type: ignore[assignment]
    test_an_answer_that_nobody_understands_is_no_answer = None  # type: ignore[assignment]
    test_a_redirect_is_not_followed = None  # type: ignore[assignment]
    test_a_session_that_ends_is_replaced = None  # type: ignore[assignment]

    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, tryton_time_remote: TrytonTimeRemote) -> Iterator[TrytonTimeRemote]:
        from c2c_tryton import timesheets

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timesheets, "PAGE", tryton_time_remote.page_size)
            yield tryton_time_remote
