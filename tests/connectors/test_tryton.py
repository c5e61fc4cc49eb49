"""Tryton 8.2, a system that nobody here wrote, through a package that nobody here needs to know:
`tryton/`, which is written from docs/extending.md and found by its entry point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from sandbox.conformance.crm import CrmConformance

if TYPE_CHECKING:
    from tests.connectors.tryton_server import TrytonRemote

pytestmark = pytest.mark.long


@pytest.fixture(scope="session")
def tryton_remote(
    installed_tryton: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrytonRemote]:
    """Its installation takes most of a minute."""
    from tests.connectors.tryton_server import TrytonRemote, tryton

    folder = tmp_path_factory.mktemp("tryton")
    with tryton(folder) as address:
        yield TrytonRemote(address, folder)


class TestTryton(CrmConformance["TrytonRemote"]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls, tryton_remote: TrytonRemote) -> TrytonRemote:
        return tryton_remote
