"""Clients of both Odoos: every test here that asks for `odoo` runs on each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateways.odoo import OdooClient
from tests.servers import OdooServer


@pytest.fixture(scope="session")
def odoo(odoo_server: OdooServer) -> Iterator[OdooClient]:
    """As the service user, with no more rights than the product asks for."""
    client = odoo_server.client()
    yield client
    client.close()


@pytest.fixture(scope="session")
def admin_odoo(odoo_server: OdooServer) -> Iterator[OdooClient]:
    """As the administrator, for what only an administrator may do."""
    client = odoo_server.client("admin")
    yield client
    client.close()
