"""A benchmark runs from end to end: Temporal, a worker process, an Odoo, the script, the results.

On the stand-in and small: that it works, not how fast anything is.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


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
