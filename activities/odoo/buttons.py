"""Buttons of Odoo's records: pressed once, however often the call arrives in Odoo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from activities.failures import after_effect
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient


def press(
    odoo: OdooClient,
    model: str,
    button: str,
    record: int,
    *,
    is_pressed: Callable[[], bool],
    context: Mapping[str, Any] | None = None,
) -> None:
    """Press a button of a record whose state was read before.

    A refusal is a failure only if the button is still not pressed: the call may have arrived twice,
    or somebody pressed it in the same moment. Raises the refusal, and whatever else fails.
    """
    unless_done(lambda: odoo.press(model, button, [record], context=context), is_pressed)


def unless_done(act: Callable[[], object], is_done: Callable[[], bool]) -> None:
    """Do what Odoo refuses a second time. A refusal means success where `is_done` says that it is
    done; otherwise it is raised, as is whatever else fails."""
    try:
        act()
    except GatewayError as refusal:
        if refusal.kind is not FailureKind.BUSINESS:
            raise
        with after_effect():
            done = is_done()
        if not done:
            raise
