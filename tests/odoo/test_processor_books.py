"""What `c2c check` says of a processor's journal and accounts."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from gateways.odoo import OdooClient
from gateways.payments.stripe import StripeSettings
from sandbox.clearing_books import FEES, JOURNAL, TRANSFER, clearing_books
from starters import processor_books
from starters.findings import Verdict
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.world import ENTITY

GOOD = {"journal": JOURNAL, "fee_account": FEES, "payout_account": TRANSFER}


@pytest.mark.parametrize("odoo_server", ["sandbox"], indirect=True, scope="session")
@pytest.mark.parametrize("wrong", ["", "journal", "fee_account", "payout_account"])
def test_a_journal_or_an_account_that_odoo_lacks_is_named(
    odoo_server: OdooServer, odoo: OdooClient, wrong: str
) -> None:
    admin = odoo_server.client("admin")
    clearing_books(admin)
    admin.close()
    books = {**GOOD, **({wrong: "999888"} if wrong else {})}
    table = StripeSettings(kind="stripe", legal_entity=ENTITY, api_key=SecretStr("rk"), **books)
    settings = settings_for(odoo_server).model_copy(update={"payments": {"stripe": table}})
    [found] = processor_books.check(odoo, settings)
    assert found.verdict is (Verdict.MISSING if wrong else Verdict.OK)
    assert not wrong or "999888" in found.detail
