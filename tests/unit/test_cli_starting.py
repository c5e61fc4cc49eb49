"""What a command imports before it does anything: its time to start is nearly all imports."""

from __future__ import annotations

import json
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
_FIRST_LINE = """
import os, sys
sys.argv = ["c2c", "check"]
from starters.cli import app, session
def progress(self, what):
    print(what, *sys.modules, sep="\\n", flush=True)
    os._exit(0)
session.Session.progress = progress
app()
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
    assert not names & {f"starters.cli.{other}" for other in ("invoices", "exceptions", "system")}


def test_the_check_says_what_it_does_before_it_imports_what_it_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_LINE], capture_output=True, text=True, timeout=120, check=True
    )
    said, *names = done.stdout.splitlines()
    assert said == "Checking ..."
    assert not set(names) & {"starters.preflight", "httpx", "temporalio.worker"}


def test_a_list_of_approvals_needs_no_states() -> None:
    names = imported("approvals", "list", "--entity", "northwind")
    assert "contracts.approvals" in names
    assert not names & (CLIENTS | STATES | NEVER)


CRM = {"legal_entity": "northwind", "closed_since": "2026-01-01"}
CONFIGURED = {
    "C2C_CONFIG": str(Path(sandbox.__file__).with_name("c2c.toml")),
    "C2C_ODOO__API_KEY": "key",
    "C2C_CRM": json.dumps({"hubspot": {**CRM, "api_key": "k"}, "odoo-crm": CRM}),
    "C2C_SENDER": json.dumps({"events": {"webhook_secrets": ["s"]}}),
}


@pytest.mark.parametrize("line", [["setup"], ["connectors"]])
def test_what_reads_declarations_needs_no_other_system(line: list[str]) -> None:
    names = imported(*line, **CONFIGURED)
    assert "gateways.crm.hubspot" in names, "it did read the declaration"
    assert ("temporalio.client" in names) == (line == ["setup"]), "it did try to connect"
    heavy = (CLIENTS - {"gateways", "pydantic_settings"}) | NEVER
    assert not names & (heavy | {"workflows.contract", "gateways.odoo", "gateways.http"})


def test_no_declaration_imports_what_only_its_gateway_needs() -> None:
    """Of those that are installed here, ours and others'."""
    code = (
        "import sys; from gateways.connectors import Group, connector, kinds; "
        "found = [connector(group, kind).kind for group in Group for kind in kinds(group)]; "
        "print(*found, file=sys.stderr); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert {"hubspot", "odoo-crm", "events"} <= set(done.stderr.split())
    names = set(done.stdout.split())
    names |= {name.partition(".")[0] for name in names}
    heavy = (CLIENTS - {"gateways"}) | STATES | NEVER | {"temporalio", "joserfc"}
    assert not names & (heavy | {"gateways.odoo", "gateways.http"})


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
    rules = {"contracts.contract.rules", "contracts.invoice.rules"}
    assert not imported(*arguments) & (CLIENTS | NEVER | rules)
