"""What a command imports before it does anything: its time to start is nearly all imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sandbox

_RUN = """
import sys
sys.argv = ["c2c", *sys.argv[1:]]
from starters.cli import app
try:
    app()
except SystemExit:
    pass
sys.stdout.flush()
print(*sorted(sys.modules), file=sys.stderr)
sys.stderr.flush()
import os
os._exit(0)
"""
NEVER = {"rich", "email_validator"}
"""Nothing but the demo prints with the one; the other only checks an address when there is one."""
STATES = {"contracts.contract.state", "contracts.invoice.state", "contracts.billing.state"}
CLIENTS = {"httpx", "gateways", "activities", "workers", "pydantic_settings", "holidays"}


def imported(*arguments: str, **environment: str) -> set[str]:
    """The modules that a command has imported by its end; no Temporal answers it."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={
            "TEMPORAL_ADDRESS": "127.0.0.1:1",
            "PATH": "",
            "PYTHONPATH": ":".join(sys.path),
            **environment,
        },
    )
    names = set(done.stderr.splitlines()[-1].split())
    assert "starters.cli" in names
    return names | {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["contract", "--help"],
        ["contract", "list", "--help"],
        ["dev", "-h"],
    ],
)
def test_help_needs_no_library_but_its_own(arguments: list[str]) -> None:
    heavy = {"temporalio", "contracts.model", "rich", *CLIENTS, *STATES}
    assert not imported(*arguments) & heavy


def test_a_list_of_contracts_needs_no_states() -> None:
    names = imported("contract", "list", "--entity", "northwind")
    assert "temporalio.client" in names, "it did try to connect"
    assert not names & (CLIENTS | STATES | NEVER | {"contracts.model"})


def test_a_list_of_approvals_needs_no_states() -> None:
    names = imported("approvals", "list", "--entity", "northwind")
    assert "contracts.approvals" in names
    assert not names & (CLIENTS | STATES | NEVER)


def test_the_setup_of_a_namespace_needs_no_other_system() -> None:
    config = Path(sandbox.__file__).with_name("c2c.toml")
    names = imported("setup", C2C_CONFIG=str(config), C2C_ODOO__API_KEY="key")
    assert "temporalio.client" in names, "it did try to connect"
    assert not names & ((CLIENTS - {"gateways", "pydantic_settings"}) | NEVER)
    assert not names & {"workflows.contract", "gateways.odoo"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["contract", "show", "northwind/C-1"],
        ["invoice", "show", "northwind/C-1/1"],
        ["contract", "statement", "northwind/C-1"],
        ["exceptions", "show", "northwind/C-1"],
        ["invoice", "release", "northwind/C-1/1", "--by", "ana", "--reason", "agreed"],
        ["exceptions", "list"],
        ["milestone", "reached", "northwind/C-1", "live", "--by", "pia"],
    ],
)
def test_what_speaks_to_contracts_needs_no_other_system(arguments: list[str]) -> None:
    assert not imported(*arguments) & (CLIENTS | NEVER)
