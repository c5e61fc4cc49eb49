"""Activities run on both Odoos, without a worker."""

from __future__ import annotations

import pytest

from gateways.odoo import OdooClient
from tests.activities.firm import Firm
from tests.odoo.conftest import admin_odoo, odoo
from tests.servers import OdooServer

__all__ = ["admin_odoo", "firm", "odoo"]


@pytest.fixture
def firm(odoo_server: OdooServer, odoo: OdooClient, admin_odoo: OdooClient) -> Firm:
    return Firm.of(odoo_server, odoo, admin_odoo)
