"""What Dataverse's webhooks say: which deal changed. The deal itself is read from Dynamics."""

from __future__ import annotations

import re

from contracts.events import ForDeal, InboundEvent
from gateways.webhooks.received import Received, invalid

TABLE = "opportunity"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NONE = "00000000-0000-0000-0000-000000000000"


def parse(received: Received) -> list[InboundEvent]:
    """The one event of a request; none for what is no change of a deal.

    Only the request's and the record's id are used: of more than 256 KB Dataverse leaves out the
    rest, and a header with a secret signs nothing. Raises InvalidContract.
    """
    payload = received.json()
    if not isinstance(payload, dict):
        raise invalid("not_an_object", "", "an object with PrimaryEntityId and RequestId")
    if payload.get("PrimaryEntityName") != TABLE:
        return []
    deal, request = _guid(payload, "PrimaryEntityId"), _guid(payload, "RequestId")
    message = str(payload.get("MessageName") or "Update")
    task = ForDeal(system=received.source, deal_id=deal, legal_entity=received.legal_entity)
    return [received.event(f"{request}-{deal}", f"{TABLE}.{message}", task)]


def _guid(payload: dict[str, object], name: str) -> str:
    value = str(payload.get(name) or "").lower()
    if not _GUID.fullmatch(value) or value == _NONE:
        raise invalid("value_malformed", name, "a record's id (GUID)")
    return value
