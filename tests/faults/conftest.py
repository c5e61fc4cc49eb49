"""The scenarios' world on the sandbox, and campaigns in stacks of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.servers import OdooServer, SandboxServer


@pytest.fixture(scope="session")
def odoo_server(sandbox: Sandbox) -> OdooServer:
    return SandboxServer(sandbox)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where one stack keeps its files."""
    path = Path(tempfile.mkdtemp(prefix="c2c-faults-"))
    yield path
    if not os.environ.get("C2C_DEBUG"):
        shutil.rmtree(path, ignore_errors=True)
