"""The scenarios' world, on the sandbox."""

from __future__ import annotations

import pytest

from sandbox.server import Sandbox
from tests.servers import OdooServer, SandboxServer


@pytest.fixture(scope="session")
def odoo_server(sandbox: Sandbox) -> OdooServer:
    return SandboxServer(sandbox)
