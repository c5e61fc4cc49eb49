"""A transport that speaks to the database with its mark only, and looks once a minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gateways.errors import FailureKind, GatewayError, transient
from gateways.odoo.mark import LOOK_SECONDS, Marked

OURS = "0a1b"


class Remote:
    """Counts what it was asked, and carries some mark or none."""

    def __init__(self, *marks: str) -> None:
        self.marks = list(marks)
        self.calls: list[str] = []
        self.is_away = False

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        if self.is_away:
            raise transient("odoo", "no_answer", "timed out", maybe_done=True)
        self.calls.append(method)
        if method == "search_read":
            return [{"ref": f"c2c-environment/{item}", "name": "C: there"} for item in self.marks]
        return True

    def close(self) -> None:
        self.calls.append("close")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_looks_before_the_first_call_and_then_once_a_minute() -> None:
    remote, clock = Remote(OURS), Clock()
    transport = Marked(remote, OURS, clock=clock)
    for _ in range(3):
        transport.execute("account.move", "write", [1], {})
    assert remote.calls == ["search_read", "write", "write", "write"]
    clock.now = LOOK_SECONDS
    transport.execute("account.move", "write", [1], {})
    assert remote.calls[4:] == ["search_read", "write"]


@pytest.mark.parametrize("marks", [(), ("another",), (OURS, "another")])
def test_another_database_is_not_written_to(marks: tuple[str, ...]) -> None:
    remote = Remote(*marks)
    transport = Marked(remote, OURS)
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            transport.execute("account.move", "action_post", [1], {})
        assert (caught.value.kind, caught.value.code) == (
            FailureKind.CREDENTIALS,
            "other_database",
        )
    assert remote.calls == ["search_read", "search_read"]


def test_what_cannot_be_looked_at_is_not_taken_for_another() -> None:
    remote = Remote(OURS)
    transport = Marked(remote, OURS)
    remote.is_away = True
    with pytest.raises(GatewayError) as caught:
        transport.execute("account.move", "write", [1], {})
    assert caught.value.kind is FailureKind.TRANSIENT
    assert not caught.value.maybe_done, "what was asked for has not been sent"
    remote.is_away = False
    assert transport.execute("account.move", "write", [1], {}) is True
