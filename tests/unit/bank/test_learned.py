"""An account that Odoo does not keep is told of without its number: logs are readable to many."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities.odoo.bank_booking import BankBooking
from activities.odoo.bank_books import BankJournal
from contracts.bank.verdicts import CashPolicy, LearnedIban
from gateways import errors
from gateways.odoo import OdooClient
from wiring.logs import FORMAT, Redacting

IBAN = "BE68539007547034"


class Refusing:
    """An Odoo that knows this account already, of somebody else."""

    def with_company(self, _: int) -> Refusing:
        return self

    def load(self, *_: object, **__: Any) -> None:
        raise errors.business("odoo", "validation", f"The account {IBAN} of Ada exists already")


def test_no_log_names_an_account(caplog: pytest.LogCaptureFixture) -> None:
    odoo, journal = cast("OdooClient", Refusing()), cast("BankJournal", SimpleNamespace(company=1))
    booking = BankBooking(odoo, journal, cast("CashPolicy", object()))
    with caplog.at_level(logging.WARNING, logger="temporalio.activity"):
        booking.learn([LearnedIban(partner=7, iban=IBAN)])
    [record] = caplog.records
    line = Redacting(FORMAT).format(record)
    assert "of the contact 7" in line
    assert IBAN not in line
    assert "Ada" not in line
