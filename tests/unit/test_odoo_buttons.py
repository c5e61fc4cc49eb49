"""A button pressed twice in the same moment was pressed; a record left as it was is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from activities.odoo.buttons import press
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient


class Odoo:
    """Refuses every button."""

    def __init__(self, kind: FailureKind) -> None:
        self._kind = kind

    def execute(self, *call: Any) -> Any:
        raise GatewayError(self._kind, system="odoo", code="wrong_state", message="not a draft")

    def close(self) -> None: ...


def pressed(kind: FailureKind, *states: bool) -> None:
    answers: Iterator[bool] = iter(states)
    client = OdooClient(Odoo(kind))
    press(client, "sale.order", "action_confirm", 1, is_pressed=lambda: next(answers))


def test_a_refusal_of_what_was_pressed_meanwhile_is_a_success() -> None:
    pressed(FailureKind.BUSINESS, True)


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        (FailureKind.BUSINESS, [False]),
        (FailureKind.TRANSIENT, []),
        (FailureKind.CREDENTIALS, []),
        (FailureKind.DEFECT, []),
    ],
)
def test_any_other_failure_is_raised(kind: FailureKind, states: list[bool]) -> None:
    with pytest.raises(GatewayError, match="not a draft"):
        pressed(kind, *states)
