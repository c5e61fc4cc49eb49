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
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, tryton_time_remote: TrytonTimeRemote) -> Iterator[TrytonTimeRemote]:
        from c2c_tryton import timesheets

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timesheets, "PAGE", tryton_time_remote.page_size)
            yield tryton_time_remote
