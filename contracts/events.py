"""Inbound events: what a webhook said, what is to be done with it, and what became of it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from contracts.audit.entries import Trail
from contracts.identifiers import EVENT_PREFIX, legal_entity_of
from contracts.model import JsonObject, Key, Signed, Text, Value
from contracts.parking import StepException
from contracts.processors import ObjectKind
from contracts.signatures import Envelope, EnvelopeStatus
from contracts.sweeps import Kind
from contracts.timesheets.entries import Unplaced

TRIED_FOR = timedelta(days=7)
"""How long an event that cannot be applied yet is tried by itself; after that a person says so."""
ENVELOPE_TRIED_FOR = timedelta(days=365)
"""The same of an envelope: its deal may be won much later. After a week it is tried once a day, as
one that is on its way is looked at: so its end is not missed, whatever became of the messages."""
_DAILY = timedelta(days=1)
SHOWN_AFTER = timedelta(days=1)
"""An event that waits longer is listed with the exceptions."""
_SHORTEST, _LONGEST = timedelta(seconds=2), timedelta(hours=1)


class ContractUpdate(StrEnum):
    """The Updates of a contract that other systems may send."""

    REACH_MILESTONE = "reach_milestone"
    UNREACH_MILESTONE = "unreach_milestone"
    RECORD_USAGE = "record_usage"
    CREDIT_SERVICE = "credit_service"


class _Task(Value):
    model_config = ConfigDict(frozen=True)


class ForContract(_Task):
    """Send an Update to a contract; `contract` is its workflow id."""

    to: Literal["contract"] = "contract"
    contract: str
    update: ContractUpdate
    message: JsonObject


class ForDeal(_Task):
    """A deal of a CRM changed: start its contract, or let the contract read the deal again."""

    to: Literal["deal"] = "deal"
    system: str
    deal_id: str
    legal_entity: str


class ForOdoo(_Task):
    """A record of Odoo changed: read it, as a sweep would, and tell whom it concerns."""

    to: Literal["odoo"] = "odoo"
    kind: Kind
    id: int


class ForEnvelope(_Task):
    """An envelope changed: read it, and tell the contract that it signs, or start it. `status` is
    what the sender said of it."""

    to: Literal["envelope"] = "envelope"
    system: str
    envelope_id: str
    status: EnvelopeStatus


class ForTime(_Task):
    """Hours of a time system changed since a moment (aware): read what did. `unplaced` is what kept
    some of them from their place in Odoo; None: nothing did."""

    to: Literal["time"] = "time"
    system: str
    since: AwareDatetime
    unplaced: Unplaced | None = None


class ForPayment(_Task):
    """Something happened to a payment, a refund, a dispute or a payout of a processor: read it, and
    tell the invoice that it is for, or book the payout."""

    to: Literal["payment"] = "payment"
    system: str
    kind: ObjectKind
    object_id: str


Task = Annotated[
    ForContract | ForDeal | ForOdoo | ForEnvelope | ForTime | ForPayment,
    Field(discriminator="to"),
]


class InboundEvent(Value):
    """One event as it was received. `key` identifies it with its source: a repeat is the same one.

    Its content is kept only as far as it is needed (`task`); `sha256` and `size` are of the whole
    request. `kind` is the sender's word for what happened.
    """

    model_config = ConfigDict(frozen=True)

    source: Key
    key: str = Field(min_length=1, max_length=256)
    kind: str = Field(max_length=100)
    received_at: datetime
    sha256: str
    size: int
    task: Task

    @property
    def workflow_id(self) -> str:
        """`event/<source>/<key>`: receiving the same event twice is one event."""
        return f"{EVENT_PREFIX}{self.source}/{self.key}"


def chain_of_event(source: str, key: str) -> str:
    """The chain of an event in the audit record. Its key is its sender's, of any characters."""
    return f"{EVENT_PREFIX}{source}/{hashlib.sha256(key.encode()).hexdigest()}"


class EventOutcome(StrEnum):
    """What became of an event. `followed` is an envelope on its way, which is looked at until it
    comes to an end."""

    RECEIVED = "received"
    WAITING = "waiting"
    FOLLOWED = "followed"
    APPLIED = "applied"
    NOTHING_TO_DO = "nothing_to_do"
    AFTER_CLOSE = "after_close"
    REFUSED = "refused"
    PARKED = "parked"
    """A person is to mend something elsewhere; it is tried by itself until that is done."""
    DISMISSED = "dismissed"


OPEN = frozenset(
    {
        EventOutcome.RECEIVED,
        EventOutcome.WAITING,
        EventOutcome.FOLLOWED,
        EventOutcome.REFUSED,
        EventOutcome.PARKED,
    }
)
"""Something is still to be done: by itself, or by a person."""


class Delivery(Value):
    """What one attempt came to, in words; `touched` are ids of the workflows it changed."""

    model_config = ConfigDict(frozen=True)

    outcome: EventOutcome
    why: str = ""
    touched: tuple[str, ...] = ()


class Dismissal(Value, Signed):
    """A person says that nothing is to come of an event."""

    model_config = ConfigDict(extra="forbid")

    by: Text
    reason: Text


class Redelivery(Value, Signed):
    """A person has seen to what was in the way of an event, or wants to be sure."""

    model_config = ConfigDict(extra="forbid")

    by: Text


class Followed(Value):
    """An envelope on its way as it was read last, and the legal entity of its deal's contract."""

    model_config = ConfigDict(frozen=True)

    envelope: Envelope
    legal_entity: str


class EventRecord(Value):
    """An event and what became of it; `attempts` counts the deliveries that were tried. `followed`
    is the envelope whose end it waits for. `audit` is the audit record of what people decide about
    it, as far as that is still to be written, and `unrecorded` why that cannot be."""

    event: InboundEvent
    delivery: Delivery = Delivery(outcome=EventOutcome.RECEIVED)
    attempts: int = 0
    followed: Followed | None = None
    since: datetime
    """When this round began: when it was received, or delivered again."""
    audit: Trail = Field(default_factory=Trail)
    unrecorded: StepException | None = None

    @property
    def standing(self) -> JsonObject:
        """How it stands, in short: what the audit record follows."""
        return {"outcome": str(self.delivery.outcome), "touched": list(self.delivery.touched)}

    @property
    def legal_entities(self) -> frozenset[str]:
        """Whose it is: every legal entity that it is for or has touched; none where that is not
        known yet."""
        found = {legal_entity_of(item) for item in self.delivery.touched}
        match self.event.task:
            case ForContract():
                found.add(legal_entity_of(self.event.task.contract))
            case ForDeal():
                found.add(self.event.task.legal_entity)
        return frozenset(found)

    @property
    def is_open(self) -> bool:
        return self.delivery.outcome in OPEN

    def next_attempt_in(self, now: datetime) -> timedelta | None:
        """How long to wait for the next attempt: ever longer. None: only a person can say."""
        age = now - self.since
        if self.delivery.outcome is EventOutcome.PARKED:
            return min(max(age / 2, _SHORTEST), _LONGEST)
        if self.delivery.outcome is EventOutcome.FOLLOWED:
            return _DAILY
        if self.delivery.outcome is not EventOutcome.WAITING or age >= self.tried_for:
            return None
        return min(max(age / 2, _SHORTEST), _LONGEST) if age < TRIED_FOR else _DAILY

    @property
    def tried_for(self) -> timedelta:
        """How long it is tried, or followed, by itself."""
        is_envelope = isinstance(self.event.task, ForEnvelope)
        return ENVELOPE_TRIED_FOR if is_envelope else TRIED_FOR

    def needs_person(self, now: datetime) -> bool:
        """Whether it is listed with the exceptions: refused, parked, or waiting for long; or its
        audit record cannot be written."""
        if self.unrecorded is not None:
            return True
        is_late = self.delivery.outcome is EventOutcome.WAITING and now - self.since >= SHOWN_AFTER
        return is_late or self.delivery.outcome in (EventOutcome.REFUSED, EventOutcome.PARKED)
