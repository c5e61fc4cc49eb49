"""The examples of docs/webhooks.md are accepted as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from contracts.events import ForContract
from sandbox.real_odoo.mailbox import free_port
from tests.unit.web.conftest import FakeTemporal
from tests.unit.web.signing import STANDARD_SECRET
from tests.webhooks import SETTINGS, application_over

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@dataclass
class Served:
    url: str
    temporal: FakeTemporal


@pytest.fixture
def gateway() -> Iterator[Served]:
    """The gateway on a port, as a sender meets it."""
    temporal, port = FakeTemporal(), free_port()
    app = application_over(temporal, SETTINGS)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield Served(f"http://127.0.0.1:{port}/webhooks/tickets", temporal)
    server.should_exit = True
    thread.join(20)


def test_the_example_in_python_is_accepted(gateway: Served) -> None:
    names: dict[str, Any] = {}
    exec(compile(example("python"), "docs/webhooks.md", "exec"), names)  # noqa: S102
    data = {"contract": "northwind/C-1001", "milestone": "design"}
    answer = names["send"](gateway.url, STANDARD_SECRET, "msg_1", "milestone.reached", data)
    assert answer.status_code == 202, answer.text
    [event] = gateway.temporal.kept.values()
    assert isinstance(event.task, ForContract)
    assert event.task.contract == "contract/northwind/C-1001"


def test_the_example_with_curl_and_openssl_is_accepted(gateway: Served) -> None:
    variables = {"URL": gateway.url, "SECRET": STANDARD_SECRET, "ID": "msg_2"}
    done = subprocess.run(
        ["bash", "-ec", example("bash")],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert '"new":true' in done.stdout, done.stdout
    assert list(gateway.temporal.kept) == ["event/tickets/msg_2"]
