"""GoCardless' events: which object each is about, in a webhook as in a list."""

from __future__ import annotations

from pydantic import ValidationError

from contracts.model import JsonObject
from contracts.processors import Change, ObjectKind
from gateways.payments.objects import reference

_KINDS = {
    "payments": (ObjectKind.PAYMENT, "payment"),
    "refunds": (ObjectKind.REFUND, "refund"),
    "payouts": (ObjectKind.PAYOUT, "payout"),
}
_EARLY = frozenset(
    {
        "customer_approval_granted",
        "customer_approval_denied",
        "created",
        "submitted",
        "tax_exchange_rates_confirmed",
        "fx_rate_confirmed",
    }
)
"""What happens to a payment or payout before it is money."""


def change_of(event: JsonObject) -> Change | None:
    """What an event is about; none where it changes nothing that is booked, or is no event."""
    kind, link = _KINDS.get(str(event.get("resource_type")), (None, ""))
    action, links = str(event.get("action") or ""), event.get("links")
    is_early = kind is not ObjectKind.REFUND and action in _EARLY
    if kind is None or is_early or not isinstance(links, dict):
        return None
    try:
        return Change(
            event_id=event.get("id"),
            kind=kind,
            object_id=reference(links.get(link)),
            what=f"{link} {action}"[:100],
            changed_at=event.get("created_at"),
        )
    except ValidationError:
        return None
