"""Fixtures of the command line's tests."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from starters.cli import app, session
from starters.cli.options import PERSON_VARIABLE
from tests.unit.command import Calls, Invoke
from wiring.settings import ConfigurationError


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    async def connect() -> object:
        config = SimpleNamespace(target_host="localhost:7233")
        return SimpleNamespace(namespace="default", service_client=SimpleNamespace(config=config))

    def unconfigured() -> None:
        raise ConfigurationError("there is no configuration")

    monkeypatch.setattr("wiring.client.connect", connect)
    monkeypatch.setattr("wiring.settings.load_settings", unconfigured)
    for variable in (session.ENTITY_VARIABLE, PERSON_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    return Calls(monkeypatch)


@pytest.fixture
def c2c() -> Invoke:
    runner = CliRunner()

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return runner.invoke(app, list(arguments), input=stdin)

    return invoke
