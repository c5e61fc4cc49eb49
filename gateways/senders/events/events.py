"""Events that any system may send, signed by Standard Webhooks: milestones, usage, service credits.

The models are the format; their JSON Schemas are served at `/schemas/<type>`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic import ValidationError as PydanticError
from pydantic_core import PydanticCustomError

from contracts.billing.usage import UsageRecord
from contracts.contract.messages import (
    MilestoneReached,
    MilestoneUnreached,
    ServiceCredit,
    UsageReport,
)
from contracts.events import ContractUpdate, ForContract, InboundEvent
from contracts.identifiers import KEY, contract_workflow_id
from contracts.model import Key, MessageDay, Words
from contracts.money import Money
from contracts.problems import InvalidContract, problems_of
from contracts.validation import payload_problems
from gateways.webhooks.received import Received, invalid

_AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""
MAX_RECORDS = 2_000


def _reference(text: str) -> str:
    if not 1 <= len(parts := text.split("/")) <= 2 or not all(map(KEY.match, parts)):
        raise PydanticCustomError("key_malformed", "a contract such as C-1001 or northwind/C-1001")
    return text


_KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Reference = Annotated[
    str,
    AfterValidator(_reference),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63}/)?[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
            "examples": ["northwind/C-1001", "C-1001"],
        }
    ),
]
_Key = Annotated[Key, WithJsonSchema({"type": "string", "pattern": _KEY_PATTERN})]
Amount = Annotated[
    Money,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{1,12}(\.[0-9]{1,3})? [A-Z]{3}$",
            "examples": ["100.00 EUR"],
        }
    ),
]


class _Data(BaseModel):
    """`contract` is its id, with the legal entity where the sender serves several."""

    model_config = ConfigDict(extra="forbid")

    contract: Reference


class MilestoneReachedData(_Data):
    """A milestone was delivered, `on` a day of the legal entity (left out: the day it arrives)."""

    milestone: _Key
    on: MessageDay | None = None


class MilestoneUnreachedData(_Data):
    """A milestone is not reached after all."""

    milestone: _Key
    reason: Words = ""


class UsageRecordedData(_Data):
    """Metered quantities. The same id counts once; its last quantity counts."""

    records: tuple[UsageRecord, ...] = Field(min_length=1, max_length=MAX_RECORDS)


class ServiceCreditOwedData(_Data):
    """A credit for a breach of service levels, deducted from the retainer's next invoice. `amount`
    is without tax, such as "100.00 EUR"; a `reference` counts once."""

    retainer: _Key
    reference: _Key
    amount: Amount
    reason: Words = Field(min_length=1)


class _Envelope(BaseModel):
    """`timestamp` is when it happened: of one milestone the latest news counts, in whatever order
    it arrives. Other fields beside these are ignored."""

    timestamp: AwareDatetime


class MilestoneReachedEvent(_Envelope):
    type: Literal["milestone.reached"]
    data: MilestoneReachedData


class MilestoneUnreachedEvent(_Envelope):
    type: Literal["milestone.unreached"]
    data: MilestoneUnreachedData


class UsageRecordedEvent(_Envelope):
    type: Literal["usage.recorded"]
    data: UsageRecordedData


class ServiceCreditOwedEvent(_Envelope):
    type: Literal["service_credit.owed"]
    data: ServiceCreditOwedData


EVENTS: dict[str, type[_Envelope]] = {
    "milestone.reached": MilestoneReachedEvent,
    "milestone.unreached": MilestoneUnreachedEvent,
    "usage.recorded": UsageRecordedEvent,
    "service_credit.owed": ServiceCreditOwedEvent,
}
_ANY: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        MilestoneReachedEvent
        | MilestoneUnreachedEvent
        | UsageRecordedEvent
        | ServiceCreditOwedEvent,
        Field(discriminator="type"),
    ]
)


def openapi_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of an event of any type as an OpenAPI document has it, and those it refers to."""
    found = _ANY.json_schema(ref_template="#/components/schemas/{model}")
    return found, found.pop("$defs")


def schema(type_: str) -> dict[str, Any]:
    """The JSON Schema of one type of event, or of any of them for an empty `type_`."""
    found = _ANY.json_schema() if not type_ else EVENTS[type_].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def parse(received: Received) -> list[InboundEvent]:
    """The one event of a request. Raises InvalidContract with every problem of its content."""
    event = _checked(received)
    update, message = _message(event, by=received.source)
    task = ForContract(
        contract=_workflow_id(event.data.contract, received.legal_entity),
        update=update,
        message=message.model_dump(mode="json", exclude_none=True),
    )
    # The signature covers this header: it cannot be missing here.
    return [received.event(received.headers["webhook-id"], event.type, task)]


def _checked(received: Received) -> Any:
    payload = received.json()
    if not isinstance(payload, dict):
        raise invalid("not_an_object", "", "an object with type, timestamp and data")
    if problems := payload_problems(payload):
        raise InvalidContract(problems)
    event_type = EVENTS.get(str(payload.get("type")))
    if event_type is None:
        raise invalid("choice_malformed", "type", f"one of {', '.join(EVENTS)}")
    try:
        event = event_type.model_validate(payload)
    except PydanticError as error:
        raise InvalidContract(problems_of(error)) from None
    _check_time(event.timestamp, received.at)
    return event


def _check_time(timestamp: datetime, now: datetime) -> None:
    """Later news of a milestone would never count if this one were of next year."""
    if timestamp > now + _AHEAD:
        raise invalid(
            "date_out_of_range", "timestamp", "a time that is not ahead", timestamp.isoformat()
        )


def _workflow_id(reference: str, legal_entity: str) -> str:
    entity, _, contract = reference.rpartition("/")
    if not entity and not legal_entity:
        raise invalid(
            "key_malformed", "data.contract", "a contract such as northwind/C-1001", reference
        )
    if entity and legal_entity and entity != legal_entity:
        raise invalid(
            "legal_entity_unknown", "data.contract", f"a contract of {legal_entity}", reference
        )
    return contract_workflow_id(entity or legal_entity, contract)


def _message(event: Any, by: str) -> tuple[ContractUpdate, BaseModel]:
    """The message for the contract; `by` is the sender's name here, whatever it says of itself."""
    data = event.data
    match event:
        case MilestoneReachedEvent():
            return ContractUpdate.REACH_MILESTONE, MilestoneReached(
                milestone=data.milestone, on=data.on, by=by, as_of=event.timestamp
            )
        case MilestoneUnreachedEvent():
            return ContractUpdate.UNREACH_MILESTONE, MilestoneUnreached(
                milestone=data.milestone, reason=data.reason, by=by, as_of=event.timestamp
            )
        case UsageRecordedEvent():
            return ContractUpdate.RECORD_USAGE, UsageReport(records=data.records)
        case ServiceCreditOwedEvent():
            return ContractUpdate.CREDIT_SERVICE, ServiceCredit(
                retainer=data.retainer,
                reference=data.reference,
                reason=data.reason,
                amount=data.amount,
                by=by,
            )
    raise AssertionError(f"no message for {event.type}")
