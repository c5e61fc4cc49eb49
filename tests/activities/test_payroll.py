"""`c2c payroll export`, from Odoo's timesheets to files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sandbox.stack import CONFIG
from starters.cli import app
from starters.cli.errors import ExitCode
from tests.activities.firm import APPROVED_FIELD, Firm
from tests.activities.mixed import mixed
from tests.activities.test_time import Timesheets


@pytest.fixture
def c2c(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    server = firm.server
    for name, value in {
        "C2C_CONFIG": CONFIG,
        "C2C_ODOO__URL": server.url,
        "C2C_ODOO__DATABASE": server.database,
        "C2C_ODOO__API_KEY_FILE": server.keys["c2c"],
    }.items():
        monkeypatch.setenv(name, str(value))
    return lambda *words: CliRunner().invoke(app, [*words, "--json"])


def test_a_month_is_exported_and_corrected(
    firm: Firm, c2c: Callable[..., Result], tmp_path: Path
) -> None:
    timesheets = Timesheets(firm, firm.confirmed(mixed()), firm.server.client("pm"))
    kept = timesheets.log("dev", "7.25", day="2031-03-10")
    withdrawn = timesheets.log("dev", "2", day="2031-03-31", who="Conrad Consultant")
    timesheets.log("dev", "1", day="2031-03-11", approved=False)
    timesheets.log("dev", "1", day="2031-04-01")
    words = ("payroll", "export", "--entity", "northwind", "--period", "2031-03")
    first = json.loads(c2c(*words, "--to", str(tmp_path)).stdout)
    assert (first["revision"], first["is_new"], first["hours"]) == (1, True, "9.25")
    timesheets.change(withdrawn, **{APPROVED_FIELD: False})
    timesheets.change(kept, unit_amount=8)
    second = json.loads(c2c(*words, "--to", str(tmp_path)).stdout)
    assert (second["revision"], second["rows"], second["hours"]) == (2, 3, "-1.25")
    again = json.loads(c2c(*words, "--to", str(tmp_path)).stdout)
    assert (again["revision"], again["is_new"]) == (2, False)
    Path(first["file"]).unlink()
    assert c2c(*words, "--to", str(tmp_path)).exit_code == ExitCode.REFUSED
    wrong = c2c("payroll", "export", "--period", "March", "--to", str(tmp_path))
    assert wrong.exit_code == ExitCode.USAGE
    unknown = c2c("payroll", "export", "--entity", "x", "--period", "2031-03", "--to", "x")
    assert unknown.exit_code == ExitCode.CONFIGURATION
