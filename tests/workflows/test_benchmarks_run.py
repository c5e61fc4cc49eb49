"""A benchmark runs from end to end: Temporal, a worker process, an Odoo, the script, the results.

On the stand-in and small: that it works, not how fast anything is.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import cost
from benchmarks.__main__ import main
from benchmarks.actions import MAX_ACTIONS, MAX_EVENTS, MILESTONES


@pytest.mark.long
def test_a_quick_run_on_the_sandbox_ends_in_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    assert main(["onboarding", "--quick", "--odoo", "sandbox", "--json", str(file)]) == 0
    [result] = json.loads(file.read_text())["benchmarks"]
    [line] = result["lines"]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"onboarding ratio={line['ratio']:.4g} target=5"
    assert line["samples"]["ours"]["median"] > 0
    assert line["samples"]["script"]["median"] > 0


@pytest.mark.long
async def test_a_contract_costs_no_more_actions_than_it_may() -> None:
    """A gate: what a change adds to every contract's bill, and to every history, is seen here."""
    found = await cost.measure(MILESTONES)
    assert found.actions <= MAX_ACTIONS
    assert max(found.contract_events, found.invoice_events) < MAX_EVENTS
