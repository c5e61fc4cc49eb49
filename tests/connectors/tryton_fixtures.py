"""Tryton, and the package for it, which is installed: on the path, with its record."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateways import connectors
from tests.connectors import installing

if TYPE_CHECKING:
    from tests.connectors.tryton_server import TrytonRemote, TrytonTimeRemote

PACKAGE = Path(__file__).parent / "tryton"


@pytest.fixture(scope="session")
def installed_tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For as long as the tests run."""
    folder = tmp_path_factory.mktemp("site-packages")
    installing.record(PACKAGE, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PACKAGE)
        patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        connectors._entry_points.cache_clear()
        yield
    connectors._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "c2c_tryton"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def tryton_remote(
    installed_tryton: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrytonRemote]:
    """Its installation takes most of a minute."""
    from tests.connectors.tryton_server import TrytonRemote, tryton

    folder = tmp_path_factory.mktemp("tryton")
    with tryton(folder) as address:
        yield TrytonRemote(address, folder)


@pytest.fixture(scope="session")
def tryton_time_remote(tryton_remote: TrytonRemote) -> TrytonTimeRemote:
    """The same Tryton as a time system."""
    from tests.connectors.tryton_server import TrytonTimeRemote

    return TrytonTimeRemote(tryton_remote)
