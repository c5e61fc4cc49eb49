"""Odoo's automation rules: hints that one record changed, which is then read from Odoo."""

from __future__ import annotations

from contracts.events import ForOdoo, InboundEvent
from contracts.sweeps import Kind
from gateways.webhooks.received import Received, invalid

MODELS = {"account.move": Kind.INVOICES, "project.milestone": Kind.MILESTONES}
_MAX_ID = 2**31 - 1


def parse(received: Received) -> list[InboundEvent]:
    """The one event of a request. Raises InvalidContract.

    The rule sends the record's last change with it. Two changes within one second look alike in
    Odoo, so the content counts, too: what differs is another event.
    """
    payload = received.json()
    if not isinstance(payload, dict):
        raise invalid("not_an_object", "", "an object with _model and _id")
    model, number = payload.get("_model"), payload.get("_id")
    if not isinstance(model, str) or model not in MODELS:
        raise invalid("choice_malformed", "_model", f"one of {', '.join(MODELS)}")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= _MAX_ID:
        raise invalid("value_malformed", "_id", "a record's id")
    key = f"{model}-{number}-{received.sha256[:16]}"
    return [received.event(key, model, ForOdoo(kind=MODELS[model], id=number))]
