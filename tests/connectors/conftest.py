"""The package for Tryton is installed: on the path, with the record of an installation."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways import connectors

PACKAGE = Path(__file__).parent / "tryton"


@pytest.fixture(scope="session")
def installed_tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What an installer makes of the package's pyproject.toml, for as long as the tests run."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    folder = tmp_path_factory.mktemp("site-packages")
    record = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    record.mkdir()
    named = f"Name: {project['name']}\nVersion: {project['version']}\n"
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\n{named}")
    groups = project["entry-points"]
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in items.items())
        for group, items in groups.items()
    ]
    (record / "entry_points.txt").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PACKAGE)
        patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        connectors._entry_points.cache_clear()
        yield
    connectors._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "c2c_tryton"]:
        del sys.modules[name]
