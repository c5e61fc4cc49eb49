"""The package for Tryton is installed: on the path, with the record of an installation."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways import connectors
from tests.connectors import installing

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
