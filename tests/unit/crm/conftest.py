"""Fixtures of the tests of CRMs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateways.crm.salesforce.crm import SalesforceCrm
from tests.unit.crm import salesforce
from tests.unit.crm.serving import served


@pytest.fixture
def sf() -> Iterator[salesforce.Connected]:
    """An org of Salesforce with our fields, served."""
    org, client = salesforce.new_org(), salesforce.new_app()
    recorder = salesforce.recorded(org, client)
    with served(recorder) as url:
        yield salesforce.Connected(org, client, recorder, url)
    org.close()


@pytest.fixture
def sf_crm(sf: salesforce.Connected) -> Iterator[SalesforceCrm]:
    crm = sf.crm()
    yield crm
    crm.close()
