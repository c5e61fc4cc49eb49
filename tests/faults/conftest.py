"""The same world as the scenarios', on the sandbox; what needs the real Odoo asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.servers import OdooServer, SandboxServer


@pytest.fixture(scope="session")
def odoo_server(sandbox: Sandbox) -> OdooServer:
    return SandboxServer(sandbox)


@pytest.fixture(scope="session")
def key_file(odoo_server: OdooServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's own: the one that other tests left behind may be the real Odoo's."""
    path = tmp_path_factory.mktemp("faults") / "key"
    path.write_text(odoo_server.keys["c2c"].read_text())
    return path
