"""The demo, as a new user runs it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from contracts.money import Money
from contracts.state import ContractStage, ContractState
from contracts.validation import validate
from starters.local.demo import Chapter, Figures, _differences
from tests.world import document


def run_demo(*options: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("C2C_", "TEMPORAL_"))}
    return subprocess.run(
        [sys.executable, "-m", "starters", "--no-color", "demo", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="sandbox"),
        pytest.param(("--kill-worker",), id="sandbox, worker killed"),
        pytest.param(("--odoo", "real", "--kill-worker"), id="real", marks=pytest.mark.real),
    ],
)
def test_three_contracts_come_to_the_cent_whatever_happens_to_the_worker(
    options: tuple[str, ...],
) -> None:
    finished = run_demo(*options)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.splitlines()[-1] == "demo: 3 contracts, 0 errors"
    assert ("SIGKILL" in finished.stdout) == ("--kill-worker" in options)
    for customer in ("Harbour Logistics", "Meridian Partners", "Castellan Group"):
        assert f"\n {customer} " in finished.stdout


def test_a_cent_of_difference_is_an_error() -> None:
    contract = validate(document() | {"source": {"system": "file", "id": "1"}})
    state = ContractState(
        contract_id=contract.contract_id,
        legal_entity=contract.legal_entity,
        source=contract.source,
        contract=contract,
        stage=ContractStage.CLOSED,
    )
    right = Money("9000.00", "EUR")
    figures = Figures(
        order=right, invoiced=Money("8999.99", "EUR"), paid=right, open=right - right, invoices=3
    )
    differences = _differences(Chapter("Acme"), state, figures)
    assert "invoiced 8999.99 EUR, not 9000.00 EUR" in differences
