"""An org of Salesforce over a real socket, and the CRM that speaks to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.types import ASGIApp

from gateways.crm.salesforce.crm import SalesforceCrm
from tests.standins.serving import served_in_turn
from tests.unit.crm.salesforce.connected import (
    Connected,
    new_app,
    new_org,
    recorded,
)


@pytest.fixture(scope="session")
def sf_server() -> Iterator[tuple[str, list[ASGIApp]]]:
    with served_in_turn() as server:
        yield server


@pytest.fixture
def sf(sf_server: tuple[str, list[ASGIApp]]) -> Iterator[Connected]:
    """An org with our fields, served."""
    url, current = sf_server
    org, client = new_org(), new_app()
    recorder = recorded(org, client)
    current.append(recorder)
    yield Connected(org, client, recorder, url)
    current.pop()
    org.close()


@pytest.fixture
def sf_crm(sf: Connected) -> Iterator[SalesforceCrm]:
    crm = sf.crm()
    yield crm
    crm.close()
