"""HubSpot's webhooks about deals: hints, of which only the deal's id is used.

What the deal says is read from HubSpot when its contract asks for it, never from the event.
"""

from __future__ import annotations

from typing import Any

from contracts.events import ForDeal, InboundEvent
from gateways.crm.status import STATUS_LABELS
from gateways.webhooks.received import Received, invalid

MAX_EVENTS = 100


def parse(received: Received) -> list[InboundEvent]:
    """An event for each change of a deal; none for what we wrote there ourselves.

    Raises InvalidContract for what cannot come from HubSpot.
    """
    payload = received.json()
    if not isinstance(payload, list) or len(payload) > MAX_EVENTS:
        raise invalid("value_malformed", "", f"a list of at most {MAX_EVENTS} events")
    return [_event(received, place, item) for place, item in enumerate(payload) if _is_news(item)]


def _is_news(item: Any) -> bool:
    """Whether it is about a deal, or unreadable, and not an echo of our own status."""
    if not isinstance(item, dict):
        return True
    about_deal = str(item.get("subscriptionType", "")).startswith("deal.")
    about_deal = about_deal or item.get("objectTypeId") == "0-3"
    # As text: whatever stands there, it is compared and never a defect.
    return about_deal and str(item.get("propertyName")) not in STATUS_LABELS


def _event(received: Received, place: int, item: Any) -> InboundEvent:
    known = item if isinstance(item, dict) else {}
    # A deal that is tied to another record, such as a contact, stands first of the two.
    name = "objectId" if "objectId" in known else "fromObjectId"
    deal = _number(known, place, name)
    occurred_at, number = (_number(known, place, key) for key in ("occurredAt", "eventId"))
    subscription = known.get("subscriptionId") or 0  # what its settings send for a test has none
    task = ForDeal(system=received.source, deal_id=str(deal), legal_entity=received.legal_entity)
    key = f"{subscription}-{deal}-{occurred_at}-{number}"
    return received.event(key, str(known.get("subscriptionType", "deal")), task)


def _number(item: dict[str, Any], place: int, name: str) -> int:
    value = item.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**18:
        raise invalid("value_malformed", f"{place}.{name}", "a whole number")
    return value
