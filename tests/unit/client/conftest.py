"""The workflows behind the client answer as told; what was sent is kept."""

from __future__ import annotations

from typing import cast

import pytest
from temporalio.client import Client

from starters.client import C2C
from tests.unit.command import Calls


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.fixture
def c2c() -> C2C:
    """On no server: `calls` answers."""
    return C2C(cast("Client", object()))
