"""A Dynamics 365 over a real socket, and the CRM that speaks to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.types import ASGIApp

from gateways.crm.dynamics.crm import DynamicsCrm
from tests.standins.dynamics import Organisation, dynamics_app
from tests.standins.serving import served_in_turn
from tests.unit.crm.dynamics import (
    connect,
)


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
