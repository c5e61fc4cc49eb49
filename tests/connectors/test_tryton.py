"""Tryton 8.2, a system that nobody here wrote, through a package that nobody here needs to know:
`tryton/`, which is written from docs/extending.md and found by its entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.conformance.crm import CrmConformance

if TYPE_CHECKING:
    from tests.connectors.tryton_server import TrytonRemote

pytestmark = pytest.mark.long


class TestTryton(CrmConformance["TrytonRemote"]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, tryton_remote: TrytonRemote) -> TrytonRemote:
        return tryton_remote
