"""`c2c invoice`: what is agreed with a customer reaches the invoice. The workflow is faked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentPromised,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceReport, InvoiceStage
from starters.cli import app
from starters.cli.errors import ExitCode
from starters.client import Refused, calls
from starters.client.protocol import Update
from tests.unit.examples import CLEO, euros
from wiring.settings import ConfigurationError

INVOICE = "contract/northwind/C-1/invoice/1"
REPORT = InvoiceReport(
    number=1,
    stage=InvoiceStage.OVERDUE,
    amount=euros("3000.00"),
    residual=euros("3630.00"),
    disputed=euros("630.00"),
)

Invoke = Callable[..., Result]


class Desk:
    """Stands for the invoice's workflow: what it was asked, and what it refuses."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, BaseModel]] = []
        self.refusal = ""

    async def update(
        self,
        _client: object,
        workflow_id: str,
        update: Update[Any, Any],
        message: BaseModel,
        *,
        request_id: str | None,
        sign: object = None,
    ) -> InvoiceReport:
        if self.refusal:
            raise Refused(self.refusal)
        self.asked.append((workflow_id, update.name, message))
        return REPORT


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    async def connect() -> object:
        config = SimpleNamespace(target_host="localhost:7233")
        return SimpleNamespace(namespace="default", service_client=SimpleNamespace(config=config))

    def unconfigured() -> None:
        raise ConfigurationError("there is no configuration")

    found = Desk()
    monkeypatch.setattr("wiring.client.connect", connect)
    monkeypatch.setattr("wiring.settings.load_settings", unconfigured)
    monkeypatch.setattr(calls, "update", found.update)
    return found


@pytest.fixture
def c2c() -> Invoke:
    def run(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(
            app, ["invoice", *words, "--by", "Cleo@northwind.example"], **options
        )

    return run


@pytest.mark.parametrize(
    ("words", "update", "message", "told"),
    [
        (
            ("dispute", "--reason", "half done", "--amount", "630.00 EUR"),
            "open_dispute",
            DisputeOpened(by=CLEO, reason="half done", amount=euros("630.00")),
            "630.00 EUR of northwind/C-1/1 is disputed",
        ),
        (
            ("dispute", "--reason", "half done", "--revised-due", "2026-05-04"),
            "open_dispute",
            DisputeOpened(by=CLEO, reason="half done", revised_due_on=date(2026, 5, 4)),
            "is disputed",
        ),
        (
            ("resolve-dispute", "--comment", "no", "--revised-due", "2026-05-04"),
            "resolve_dispute",
            DisputeResolved(by=CLEO, comment="no", revised_due_on=date(2026, 5, 4)),
            "rejected: all of northwind/C-1/1 is reminded of again",
        ),
        (
            ("resolve-dispute", "--comment", "yes", "--accept", "100.00 EUR"),
            "resolve_dispute",
            DisputeResolved(by=CLEO, comment="yes", accepted=euros("100.00")),
            "100.00 EUR is accepted; a credit note over it is proposed",
        ),
        (
            ("promise", "--on", "2026-05-04"),
            "promise_payment",
            PaymentPromised(by=CLEO, on=date(2026, 5, 4)),
            "pause until 2026-05-04 has passed",
        ),
        (
            ("promise", "--on", "2026-05-04", "--amount", "500.00 EUR"),
            "promise_payment",
            PaymentPromised(by=CLEO, on=date(2026, 5, 4), amount=euros("500.00")),
            "pause until 2026-05-04 has passed",
        ),
        (
            ("hold", "--reason", "talks"),
            "change_dunning_hold",
            HoldChange(by=CLEO, reason="talks"),
            "on hold until they are released",
        ),
        (
            ("hold", "--reason", "talks", "--until", "2026-05-04"),
            "change_dunning_hold",
            HoldChange(by=CLEO, reason="talks", until=date(2026, 5, 4)),
            "on hold until 2026-05-04 has passed",
        ),
        (
            ("release", "--reason", "agreed"),
            "change_dunning_hold",
            HoldChange(by=CLEO, reason="agreed", on=False),
            "go on",
        ),
        (
            ("write-off", "--reason", "bankrupt"),
            "ask_write_off",
            WriteOffAsked(by=CLEO, reason="bankrupt"),
            "c2c approvals approve northwind/C-1/1 --by PERSON",
        ),
    ],
)
def test_what_was_agreed_reaches_the_invoice(
    desk: Desk, c2c: Invoke, words: tuple[str, ...], update: str, message: BaseModel, told: str
) -> None:
    command, *options = words
    result = c2c(command, "northwind/C-1/1", *options)
    assert result.exit_code == ExitCode.OK, result.output
    assert desk.asked == [(INVOICE, update, message)]
    assert told in " ".join(result.output.split())


def test_programs_get_the_report(desk: Desk) -> None:
    words = ["--json", "invoice", "hold", "northwind/C-1/1", "--reason", "x", "--by", CLEO]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == ExitCode.OK
    assert json.loads(result.output)["residual"] == "3630.00 EUR"


def test_a_refusal_is_told_with_its_reason(desk: Desk, c2c: Invoke) -> None:
    desk.refusal = "nothing is open: the invoice is paid"
    result = c2c("write-off", "northwind/C-1/1", "--reason", "bankrupt")
    assert result.exit_code == ExitCode.REFUSED
    assert desk.refusal in result.output


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("dispute", "northwind/C-1/1", "--reason", "x", "--amount", "630"), "--amount"),
        (("resolve-dispute", "northwind/C-1/1", "--comment", "x", "--accept", "1,5"), "--accept"),
    ],
)
def test_an_amount_without_a_currency_is_wrong_usage(
    desk: Desk, c2c: Invoke, words: tuple[str, ...], option: str
) -> None:
    result = c2c(*words)
    assert result.exit_code == ExitCode.USAGE
    assert option in result.output
    assert desk.asked == []


@pytest.mark.parametrize("command", ["dispute", "hold", "release", "write-off"])
def test_a_reason_is_asked_for(desk: Desk, c2c: Invoke, command: str) -> None:
    result = c2c(command, "northwind/C-1/1")
    assert result.exit_code == ExitCode.USAGE
    assert "--reason" in result.output
    empty = c2c(command, "northwind/C-1/1", "--reason", " ")
    assert empty.exit_code == ExitCode.REFUSED
    assert desk.asked == []
