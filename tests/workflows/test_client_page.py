"""The example of docs/client.md, run as it is."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from contracts.invoice.state import InvoiceStage
from starters.client import C2C
from tests.world import World, contract_data
from wiring import client

PAGE = Path(__file__).parents[2] / "docs" / "client.md"


@pytest.mark.long
async def test_the_example_of_the_page_bills_and_records_a_payment(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    data = contract_data()
    (tmp_path / "contract.json").write_text(json.dumps(data))
    example = example.replace("northwind/C-1001", f"northwind/{data['contract_id']}")
    assert data["contract_id"] in example
    left: list[Coroutine[Any, Any, None]] = []

    async def connect() -> Any:
        return world.client

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "connect", connect)
    monkeypatch.setattr(asyncio, "run", left.append)
    exec(compile(example, str(PAGE), "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page
    [main] = left
    await main

    told = capsys.readouterr().out
    assert "invoice 1 of" in told
    assert "2999.70 EUR" in told
    invoice = C2C(world.client).contract(f"northwind/{data['contract_id']}").invoice(1)
    state = await invoice.wait_until(lambda found: found.stage is InvoiceStage.PAID)
    assert "bank-2026-0815" in state.known_payments
