"""The local stack's own matters: namespaces, and how the demo shows what happens."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from contracts.money import Money
from sandbox import protection, stack
from sandbox.demo_driver import WIDTH, DemoDriver
from sandbox.expected_totals import Scenario
from sandbox.foreground import show_where
from sandbox.stack import CONFIG, LocalOdoo, SandboxPart, Stack, namespace_of
from starters.cli.session import Session
from starters.client.references import BadReference, contract_id
from wiring.settings import ConfigurationError, load_settings


def test_each_folder_has_a_namespace_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert namespace_of(one) == namespace_of(tmp_path / "two" / ".." / "one")
    assert namespace_of(one) != namespace_of(two)
    assert namespace_of(one).startswith("local-")


def test_the_demo_s_lines_fit_a_terminal_of_80_columns() -> None:
    written = io.StringIO()
    driver = DemoDriver.__new__(DemoDriver)
    driver.began = time.monotonic()
    driver.console = Console(file=written, width=200, soft_wrap=True)
    text = "parked: " + "a long [word] " * 20
    driver.say(Scenario("Harbour Logistics", billed=Money("1.00", "EUR")), text)
    lines = written.getvalue().splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= WIDTH
    assert " ".join(" ".join(lines).split()).endswith("a long [word]")


def test_the_stack_shows_where_odoo_is_how_to_log_in_and_where_its_database_is(
    tmp_path: Path,
) -> None:
    written = io.StringIO()
    odoo = LocalOdoo(
        "http://127.0.0.1:8069",
        "c2c",
        {"c2c": Path("/run/keys/c2c")},
        login="admin, password admin",
        database_address="/run/socket, role odoo",
    )
    stand_ins = SandboxPart(tmp_path, 0)
    stack = Stack(Path("/run"), "127.0.0.1:7233", "local", "ui", odoo, stand_ins, {"A": "b"})
    show_where(Console(file=written, width=200), stack)
    shown = written.getvalue()
    for text in (odoo.url, odoo.login, odoo.database_address, "/run/keys", "export A=b"):
        assert text in shown


# --- the legal entity that is meant ---------------------------------------------------------


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
    monkeypatch.setenv("C2C_ODOO__API_KEY", "key")
    for name in ("C2C_ODOO__API_KEY_FILE", "C2C_DEFAULT_ENTITY"):
        monkeypatch.delenv(name, raising=False)


def meant(reference: str, entity: str | None = None) -> str:
    """The workflow id of the contract that the command line means."""
    entities = Session(as_json=False, color=False, entity=entity).entities
    return contract_id(reference, entities)


@pytest.mark.usefixtures("configured")
def test_a_short_reference_means_the_default_entity() -> None:
    assert meant("C-1") == "contract/northwind/C-1"
    assert meant("C-1", "northwind-uk") == "contract/northwind-uk/C-1"
    assert meant("northwind-uk/C-1") == "contract/northwind-uk/C-1"


@pytest.mark.usefixtures("configured")
def test_without_a_default_several_entities_have_to_be_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load_settings().model_copy(update={"default_entity": None})
    monkeypatch.setattr("wiring.settings.load_settings", lambda: settings)
    with pytest.raises(BadReference, match=r"northwind, northwind-uk.*default_entity"):
        meant("C-1")


@pytest.mark.usefixtures("configured")
def test_the_default_entity_has_to_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C2C_DEFAULT_ENTITY", "nobody")
    with pytest.raises(ConfigurationError, match="default_entity: expected one of entities"):
        load_settings()


@pytest.mark.usefixtures("configured")
def test_both_legal_entities_have_rules_in_their_own_currency() -> None:
    settings = load_settings()
    ceilings: dict[str, Any] = {
        key: {tier.up_to.currency for tier in entity.approval.tiers if tier.up_to}
        for key, entity in settings.entities.items()
    }
    assert ceilings == {"northwind": {"EUR"}, "northwind-uk": {"GBP"}}
    assert settings.entities["northwind-uk"].odoo_company == "Northwind UK"


@pytest.mark.parametrize("keep_data", [True, False])
def test_the_data_of_the_last_time_is_there_only_if_it_is_kept(
    tmp_path: Path, keep_data: bool
) -> None:
    kept = [
        tmp_path / "temporal.db",
        tmp_path / "sandbox" / "odoo.db",
        tmp_path / "records" / "a.record",
    ]
    for file in kept:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    stack._temporal(tmp_path, "default", 0, 0, "http://127.0.0.1:8400", keep_data=keep_data)
    stack._sandbox(tmp_path, "", keep_data=keep_data)
    protection.encryption(tmp_path, "http://127.0.0.1:8233", keep_data=keep_data)
    assert [file.exists() for file in kept] == [keep_data] * len(kept)
