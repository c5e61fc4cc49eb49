"""Stripe's events: which object each is about, in a webhook as in a list."""

from __future__ import annotations

from pydantic import ValidationError

from contracts.model import JsonObject
from contracts.processors import Change, ObjectKind
from gateways.payments.objects import reference

TYPES = {
    "payment_intent.succeeded": ObjectKind.PAYMENT,
    "refund.created": ObjectKind.REFUND,
    "refund.updated": ObjectKind.REFUND,
    "refund.failed": ObjectKind.REFUND,
    "charge.dispute.created": ObjectKind.DISPUTE,
    "charge.dispute.updated": ObjectKind.DISPUTE,
    "charge.dispute.closed": ObjectKind.DISPUTE,
    "charge.dispute.funds_withdrawn": ObjectKind.DISPUTE,
    "charge.dispute.funds_reinstated": ObjectKind.DISPUTE,
    "payout.paid": ObjectKind.PAYOUT,
    "payout.failed": ObjectKind.PAYOUT,
    "payout.reconciliation_completed": ObjectKind.PAYOUT,
}
"""The events that change what is booked."""


def change_of(event: JsonObject) -> Change | None:
    """What an event is about; none where it changes nothing that is booked, or is no event."""
    kind = TYPES.get(str(event.get("type")))
    data = event.get("data")
    named = data.get("object") if isinstance(data, dict) else None
    if kind is None:
        return None
    try:
        return Change(
            event_id=event.get("id"),
            kind=kind,
            object_id=reference(named),
            what=event.get("type"),
            changed_at=event.get("created"),
        )
    except ValidationError:
        return None
