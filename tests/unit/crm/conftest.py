"""CRMs over a real socket: an org of Salesforce, an organisation of Dynamics 365."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.types import ASGIApp

from gateways.crm.dynamics.crm import DynamicsCrm
from gateways.crm.salesforce.crm import SalesforceCrm
from tests.standins.dynamics import Organisation, dynamics_app
from tests.standins.serving import served_in_turn
from tests.unit.crm import salesforce
from tests.unit.crm.dynamics import connect
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


@pytest.fixture
def organisation() -> Organisation:
    """Set up; its clock is a second further at each look."""
    moments = (datetime(2026, 1, 10, tzinfo=UTC) + timedelta(seconds=n) for n in range(1_000_000))
    return Organisation(now=lambda: next(moments))


@pytest.fixture(scope="session")
def dynamics_server() -> Iterator[tuple[str, list[ASGIApp]]]:
    with served_in_turn() as server:
        yield server


@pytest.fixture
def dynamics_url(
    organisation: Organisation, dynamics_server: tuple[str, list[ASGIApp]]
) -> Iterator[str]:
    address, current = dynamics_server
    current.append(dynamics_app(organisation))
    yield address
    current.pop()


@pytest.fixture
def dynamics(dynamics_url: str) -> Iterator[DynamicsCrm]:
    crm = connect(dynamics_url)
    yield crm
    crm.close()
