"""The demo, as a new user runs it, and how it counts what does not agree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from contracts.contract.state import ContractStage, ContractState
from contracts.validation import validate
from sandbox.demo_driver import WIDTH
from sandbox.expected_totals import ContractTotals, Scenario, differences, unsettled
from sandbox.scenarios import scenarios
from tests.world import World, contract_data, eur, single

NINE_THOUSAND = eur("9000.00")
NOTHING = eur("0.00")


def run_demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("C2C_", "TEMPORAL_"))}
    return subprocess.run(
        [sys.executable, "-m", "starters", "--no-color", "demo", *options],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="sandbox"),
        pytest.param(("--odoo", "real", "--kill-worker"), id="real", marks=pytest.mark.real),
    ],
)
def test_every_contract_comes_to_the_cent_whatever_happens_to_the_worker(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    finished = run_demo(tmp_path, *options)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[-1] == "demo: 7 contracts, 0 errors"
    assert "in Salesforce: stage closed" in finished.stdout
    assert ("SIGKILL" in finished.stdout) == ("--kill-worker" in options)
    rows = {scenario.customer: scenario for scenario, _ in scenarios()}
    table = lines[
        lines.index("Contracts, and what Odoo says about them (paid and open with tax)") :
    ]
    for name, scenario in rows.items():
        [row] = [line for line in table if line.startswith(f"{name} ")]
        assert f" {scenario.stage} " in row
        assert row.split()[-2:] == [scenario.billed.currency, "agrees"]
    assert [line for line in lines if len(line.rstrip()) > WIDTH] == []
    assert "4 lines, 3 booked, 1 for a person" in finished.stdout
    assert "[payment_unidentified]" in finished.stdout
    assert re.search(
        r"A person decides: http://127.0.0.1:\d+/bank/northwind/\w{12}", finished.stdout
    )
    [counted] = re.findall(
        r"Audit record: (\d+) chains, (\d+) entries, 2 anchors: whole; (\d+) signed decisions",
        finished.stdout,
    )
    chains, entries, signed = map(int, counted)
    assert (chains > 20, entries > 100, signed > 50) == (True, True, True), counted
    assert "Figures as Parquet: .run/figures (" in finished.stdout
    assert billed(tmp_path / ".run/figures") == {
        (scenario.customer, scenario.billed.currency): scenario.billed.amount
        for scenario in rows.values()
    }


def billed(figures: Path) -> dict[tuple[str, str], Decimal]:
    """What was billed without tax, by the exported files."""
    with duckdb.connect() as database:
        found = database.execute(
            "select customer, currency, sum(untaxed) "
            f"from '{figures}/billed/*/*/*.parquet' group by all"
        ).fetchall()
    return {(customer, currency): amount for customer, currency, amount in found}


def contract_state(stage: ContractStage = ContractStage.ACTIVE) -> ContractState:
    contract = validate(contract_data() | {"source": {"system": "file", "id": "1"}})
    return ContractState(
        clock=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
        contract_id=contract.contract_id,
        legal_entity=contract.legal_entity,
        source=contract.source,
        contract=contract,
        stage=stage,
    )


def test_a_cent_of_difference_is_an_error() -> None:
    state = contract_state()
    scenario = Scenario("Acme", billed=NOTHING, stage=ContractStage.ACTIVE)
    figures = ContractTotals(
        order=NINE_THOUSAND, invoiced=NOTHING, credited=NOTHING, paid=NOTHING, open=NOTHING
    )
    found = differences(scenario, state, figures)
    assert found == ["value 9000.00 EUR, not 0.00 EUR"]
    off = ContractTotals(
        order=eur("9000.01"),
        invoiced=eur("0.01"),
        credited=NOTHING,
        paid=NOTHING,
        open=eur("0.01"),
    )
    scenario = Scenario("Acme", billed=NINE_THOUSAND)
    assert differences(scenario, state, off) == [
        "stage active, not closed",
        "order 9000.01 EUR, not 9000.00 EUR",
        "invoiced less credited 0.01 EUR, not 9000.00 EUR",
        "open 0.01 EUR, not 0.00 EUR",
        "invoiced in the workflow 0.00 EUR, not 0.01 EUR",
        "open in the workflow 0.00 EUR, not 0.01 EUR",
    ]


def test_a_contract_that_was_never_validated_is_an_error() -> None:
    state = contract_state().model_copy(update={"contract": None})
    nothing = ContractTotals(
        order=NOTHING, invoiced=NOTHING, credited=NOTHING, paid=NOTHING, open=NOTHING
    )
    assert differences(Scenario("Acme", billed=NOTHING), state, nothing) == [
        "the contract was never validated"
    ]


async def test_what_somebody_does_in_odoo_after_the_close_out_is_found(world: World) -> None:
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    await world.collect(workflow_id, 1)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert unsettled(world.accountant, state) == []
    line = state.odoo.order_line_ids["all"]
    world.admin.write("sale.order.line", [line], {"product_uom_qty": 2, "price_unit": 1000.0})
    assert unsettled(world.accountant, state) == [
        "the order totals 2000.00 EUR, the contract 1000.00 EUR"
    ]
    still_active = state.model_copy(update={"stage": ContractStage.ACTIVE})
    assert unsettled(world.accountant, still_active) == []
