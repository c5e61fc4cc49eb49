"""The wheel as a user gets it: installed into an empty environment, its demo runs anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SHIPPED = {name.partition(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
LAST_LINE = "demo: 7 contracts, 0 errors"


def run(*command: str | Path, folder: Path, seconds: float = 200) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("C2C_", "TEMPORAL_", "PYTHON"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools packs what earlier builds left in the folder."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in SHIPPED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", folder=source)
    [built] = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_holds_the_product_and_the_sandbox_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    top_level = {name.partition("/")[0] for name in names}
    assert {name for name in top_level if not name.endswith(".dist-info")} == SHIPPED
    assert SHIPPED & {"faultlab", "benchmarks", "tests"} == set()
    data = {"sandbox/c2c.toml", "sandbox/odoo/schema.json", "sandbox/odoo/countries.json"}
    pages = "starters/web/pages"
    data |= {f"{pages}/templates/layout.html", f"{pages}/static/c2c.css", f"{pages}/static/htmx.js"}
    assert data <= set(names)


def test_the_demo_runs_from_an_empty_folder_in_an_environment_of_its_own(
    wheel: Path, tmp_path: Path
) -> None:
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    venv.create(environment)
    pip = (sys.executable, "-m", "pip", "--python", environment, "install", "--quiet")
    run(*pip, "--require-hashes", "-r", ROOT / "requirements" / "local.txt", folder=empty)
    run(*pip, "--no-deps", "--no-index", wheel, folder=empty)
    told = run(environment / "bin" / "c2c", "--no-color", "demo", folder=empty)
    assert told.splitlines()[-1] == LAST_LINE
    assert "\nFigures as Parquet: with the extra contract-to-cash[analytics]\n" in told
    assert list(empty.iterdir()) == []
