"""The benchmark `peers`: its programs answer or are ended, and their steps may be repeated."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from subprocess import PIPE

import pytest

from benchmarks import contracts
from benchmarks.frame import Bench
from benchmarks.peers import environment
from benchmarks.peers.hosting import Program
from benchmarks.peers.lifecycle import OdooSteps, SignedContract
from benchmarks.peers.serving import Surroundings
from benchmarks.remote import Remote, Tally
from sandbox.real_odoo import Extension, HarnessError
from sandbox.real_odoo.odoo import OdooConfig

TOLD = Surroundings(
    at_once=2, store="redis://", odoo_url="http://127.0.0.1:1", odoo_database="o", odoo_key="k"
)


@contextmanager
def program(folder: Path, handler: str) -> Iterator[Program]:
    """A program with one handler, `run`, given as an expression."""
    text = (
        f"import sys, time; from benchmarks.peers.serving import serve; serve({{'run': {handler}}})"
    )
    command = [sys.executable, "-c", text]
    with Program(command, environment=TOLD.environment, log=folder / "log") as started:
        yield started


# --- programs -----------------------------------------------------------------------------------


def test_a_program_does_what_it_is_asked_and_its_prints_go_to_the_log(tmp_path: Path) -> None:
    with program(tmp_path, "print") as peer:
        peer.run("run", "first", seconds=30)
        peer.run("run", "second", seconds=30)
    assert (tmp_path / "log").read_text() == "first\nsecond\n"


def test_what_fails_in_a_program_fails_in_the_benchmark(tmp_path: Path) -> None:
    with (
        program(tmp_path, "lambda value: 1 / value") as peer,
        pytest.raises(HarnessError, match="ZeroDivisionError"),
    ):
        peer.run("run", 0, seconds=30)


def test_a_program_that_is_late_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        program(tmp_path, "time.sleep") as peer,
        pytest.raises(HarnessError, match=r"not done within 0 s"),
    ):
        peer.run("run", 60, seconds=0.2)
    assert time.monotonic() - began < 30


def test_a_program_ends_in_the_middle_of_its_work_when_nobody_asks_any_more() -> None:
    text = "import time; from benchmarks.peers.serving import serve; serve({'run': time.sleep})"
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=PIPE, stdout=PIPE, cwd=environment.ROOT, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": True}
        process.stdin.write('{"run": "run", "with": 600}\n')
        process.stdin.close()
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_program_that_cannot_start_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such store')"]
    with pytest.raises(HarnessError, match="no such store"):
        Program(command, environment={}, log=tmp_path / "log")


def test_a_program_reads_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TOLD.environment.items():
        monkeypatch.setenv(name, value)
    assert Surroundings.read() == TOLD


# --- the lifecycle ------------------------------------------------------------------------------


@pytest.fixture
def odoo(tmp_path: Path) -> Iterator[Remote]:
    with Bench(tmp_path, quick=True, real=False).odoo() as remote:
        yield remote


def steps_on(odoo: Remote) -> OdooSteps:
    told = Surroundings(1, "", odoo.url, odoo.database, odoo.key())
    return told.steps()


def live(steps: OdooSteps, contract: SignedContract, times: int) -> None:
    """The whole lifecycle, each step so many times."""
    for _ in range(times):
        customer = steps.customer(contract)
    for _ in range(times):
        project = steps.project(contract, customer)
    for _ in range(times):
        order, lines = steps.order(contract, customer, project)
    for _ in range(times):
        milestones = steps.milestones(contract, project, lines)
    for _ in range(times):
        steps.confirm(order)
    for _ in range(times):
        steps.tasks(contract, project, milestones, lines)
    for number, (milestone, line) in enumerate(zip(milestones, lines, strict=True)):
        for _ in range(times):
            steps.reach(milestone)
        for _ in range(times):
            invoice = steps.invoice(contract, customer, line, number)
        for _ in range(times):
            steps.post(invoice)


@pytest.mark.parametrize("times", [1, 2])
def test_each_step_has_one_effect_however_often_it_is_taken(odoo: Remote, times: int) -> None:
    tag = contracts.tag()
    [contract] = contracts.signed(tag, 1, milestones=2, amount=40)
    live(steps_on(odoo), contract, times)
    assert odoo.tally(tag) == Tally(
        customers=1,
        projects=1,
        milestones=2,
        reached=2,
        tasks=2,
        confirmed=1,
        ordered=Decimal(80),
        drafts=0,
        posted=2,
        sent=0,
        invoiced=Decimal(80),
    )


def test_what_the_firm_lacks_is_said(odoo: Remote) -> None:
    [contract] = contracts.signed(contracts.tag(), 1, milestones=1)
    contract["services"][0]["code"] = "NOTHING"
    steps = steps_on(odoo)
    customer = steps.customer(contract)
    project = steps.project(contract, customer)
    with pytest.raises(LookupError, match="default_code NOTHING"):
        steps.order(contract, customer, project)


# --- what they need -----------------------------------------------------------------------------


@pytest.mark.parametrize("file", [environment.REQUIREMENTS, environment.ADDONS])
def test_what_is_installed_is_pinned_and_names_no_index(file: Path) -> None:
    text = file.read_text()
    pins = re.findall(r"^[a-z0-9-]+==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) > 0
    assert "://" not in text


def test_an_extension_of_odoo_stands_in_its_configuration(tmp_path: Path) -> None:
    extension = Extension(
        addons=(Path("/one"), Path("/two")),
        modules=("queue_job",),
        server_wide=("queue_job",),
        settings={"queue_job": {"channels": "root:4"}},
    )
    config = OdooConfig(tmp_path, "c2c", tmp_path / "socket", workers=4, extension=extension)
    config.write()
    written = configparser.ConfigParser()
    written.read(config.file)
    assert written["options"]["addons_path"] == "/one,/two"
    assert written["options"]["server_wide_modules"] == "base,rpc,web,queue_job"
    assert written["options"]["workers"] == "4"
    assert dict(written["queue_job"]) == {"channels": "root:4"}


def test_without_an_extension_odoo_loads_what_it_always_does(tmp_path: Path) -> None:
    config = OdooConfig(tmp_path, "c2c", tmp_path / "socket")
    config.write()
    written = configparser.ConfigParser()
    written.read(config.file)
    assert written.sections() == ["options"]
    assert not {"addons_path", "server_wide_modules"} & set(written["options"])
