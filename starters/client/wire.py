"""What `/api/v1` takes and answers, for both of its sides: the application, and `c2c` over it.

A message travels without who sends it: that is whoever is signed in. Amounts are text with their
currency, days are text, and nothing is read as what it was not written as.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar, get_args
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from contracts.access import Permission, Role
from contracts.bank.file import BankFileView
from contracts.identifiers import BANK_PREFIX, EVENT_PREFIX, KEY
from contracts.model import JsonObject, Key, Signed, Text
from contracts.parking import Action, StepException
from contracts.problems import InvalidContract, Problem, finding, problems_of
from contracts.views.choices import Choice
from starters.client.approvals import Awaiting
from starters.client.connection import Attempt
from starters.client.event_rows import EventRow
from starters.client.listing import ContractRow
from starters.client.parked import ParkedStep

M = TypeVar("M", bound=BaseModel)

PREFIX = "/api/v1"
REQUEST_ID_HEADER = "Idempotency-Key"
MAX_REQUEST_ID = 200
REQUEST_ID_PATTERN = rf"^[!-~]{{1,{MAX_REQUEST_ID}}}$"
"""Visible ASCII: the id becomes a part of that of an Update."""
OF_THE_SENDER = frozenset({"by", "actor"})
"""The fields of a message that say who sends it."""


# --- messages -----------------------------------------------------------------------------------


def without_sender(message: BaseModel) -> JsonObject:
    """A message as it is sent: what is left as it is by default is left out."""
    said = message.model_dump(mode="json", exclude_defaults=True)
    return _without(type(message), said)


def _without(model: type[BaseModel], said: JsonObject) -> JsonObject:
    parts = dict(_parts(model))
    return {
        name: _without(parts[name], value) if name in parts and isinstance(value, dict) else value
        for name, value in said.items()
        if name not in OF_THE_SENDER
    }


def message_of(model: type[M], said: JsonObject, person: str) -> M:
    """A message that the person sends. Raises InvalidContract with every problem; who sends it is
    not for the message to say."""
    problems = list(_senders_named(model, said, ""))
    if problems:
        raise InvalidContract(problems)
    return as_written(model, _with(model, said, person))


def as_written(model: type[M], said: JsonObject) -> M:
    """What JSON says. Raises InvalidContract, also where something would be read as what it is
    not: `false` is no number, and no number is an amount."""
    try:
        read = model.model_validate_json(to_json(said))
    except ValidationError as error:
        raise InvalidContract(problems_of(error)) from None
    problems = list(_differences(said, read.model_dump(mode="json"), ""))
    if problems:
        raise InvalidContract(problems)
    return read


def _with(model: type[BaseModel], said: JsonObject, person: str) -> JsonObject:
    parts = dict(_parts(model))
    named = {"by": person} if "by" in model.model_fields else {}
    return {
        **{
            name: _with(parts[name], value, person)
            if name in parts and isinstance(value, dict)
            else value
            for name, value in said.items()
        },
        **named,
    }


def _senders_named(model: type[BaseModel], said: object, path: str) -> Iterator[Problem]:
    if not isinstance(said, dict):
        return
    for name in OF_THE_SENDER & said.keys() & model.model_fields.keys():
        expected = "no such field: it is whoever is signed in"
        yield finding("field_unknown", f"{path}{name}", said[name], expected)
    for name, part in _parts(model):
        yield from _senders_named(part, said.get(name), f"{path}{name}.")


def _parts(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The fields of a message that are messages themselves."""
    for name, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Signed):
                yield name, kind


def _differences(said: object, read: object, path: str) -> Iterator[Problem]:
    """Where JSON of one type was read as another."""
    if isinstance(said, dict) and isinstance(read, dict):
        for name, value in said.items():
            yield from _differences(value, read.get(name), f"{path}.{name}" if path else name)
    elif isinstance(said, list) and isinstance(read, list):
        for place, (value, other) in enumerate(zip(said, read, strict=False)):
            yield from _differences(value, other, f"{path}.{place}")
    elif type(said) is not type(read):
        yield finding("type_malformed", path, said, _EXPECTED.get(type(read), "another value"))


_EXPECTED: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    dict: "an object with fields",
    list: "a list",
    type(None): "no value",
}


# --- addresses ----------------------------------------------------------------------------------


def path_of(workflow_id: str) -> str:
    """The address of a contract, an invoice, a bank's file or an event."""
    if workflow_id.startswith(EVENT_PREFIX):
        source, _, key = workflow_id.removeprefix(EVENT_PREFIX).partition("/")
        return f"{PREFIX}/events/{source}/{quote(key, safe='')}"
    if workflow_id.startswith(BANK_PREFIX):
        return f"{PREFIX}/bank/files/{workflow_id.removeprefix(BANK_PREFIX)}"
    kind, _, rest = workflow_id.partition("/")
    if kind != "contract" or not all(map(KEY.match, rest.split("/"))):
        raise ValueError(f"{workflow_id!r} is no contract, invoice or bank file")
    return f"{PREFIX}/contracts/{rest.replace('/invoice/', '/invoices/')}"


# --- what is sent beside messages ---------------------------------------------------------------


class DealWon(BaseModel):
    """Start the contract of a won deal in a CRM, by its name in the configuration."""

    model_config = ConfigDict(extra="forbid")

    system: Key
    deal_id: Text
    legal_entity: Key


class CustomerErasure(BaseModel):
    """Erase a customer, by the key that contracts name. `partly`: leave out the contracts that may
    not be erased yet; else nothing is erased while there are such."""

    model_config = ConfigDict(extra="forbid")

    customer: Text
    reason: Text
    partly: bool = False


# --- what is answered ---------------------------------------------------------------------------


class Me(BaseModel):
    """Whoever is signed in: `person` is the name that messages carry. Roles and what they permit
    are by legal entity; `*` stands for all of them."""

    person: str
    name: str
    is_machine: bool
    roles: dict[str, list[Role]]
    permissions: dict[str, list[Permission]]


class Said(BaseModel):
    """What came of it, in words."""

    answer: str


class Unread(BaseModel):
    """A workflow that gave no answer: it is left out of the list."""

    workflow_id: str
    why: str


class Contracts(BaseModel):
    """Contracts as lists show them, the newest first. `next` is the `cursor` of what follows; none
    where this was the last page."""

    contracts: list[ContractRow]
    next: str | None = None


class Approvals(BaseModel):
    """What awaits approval, the longest waiting first: a decision names the subject's
    `content_hash` and `amount`. `more`: there may be others that were not looked at."""

    approvals: list[Awaiting]
    more: bool = False
    unread: list[Unread] = []


class PossibleChoice(BaseModel):
    """A decision that would be accepted now; `path` is what to amend."""

    action: Action
    path: str = ""


class Parked(BaseModel):
    """A step that waits for a person, with what may be decided about it. `commands` decide it where
    it is no step of a contract or an invoice."""

    workflow_id: str
    exception: StepException
    choices: list[PossibleChoice] = []
    time_zone: str = ""
    commands: list[str] = []

    @classmethod
    def of(cls, step: ParkedStep) -> Parked:
        return cls(
            workflow_id=step.workflow_id,
            exception=step.exception,
            choices=[PossibleChoice(action=it.action, path=it.path) for it in step.choices],
            time_zone=step.time_zone,
            commands=list(step.commands),
        )

    def step(self) -> ParkedStep:
        choices = tuple(Choice(item.action, item.path) for item in self.choices)
        commands = tuple(self.commands)
        return ParkedStep(self.workflow_id, self.exception, choices, self.time_zone, commands)


class Exceptions(BaseModel):
    """Steps that wait for a person, the oldest first. `events`: how many inbound events wait
    beside them, for whoever may look at all of them."""

    exceptions: list[Parked]
    more: bool = False
    events: int = 0
    unread: list[Unread] = []


class Trying(BaseModel):
    """Activities that failed and are tried again by themselves."""

    trying: list[Attempt]


class BankFiles(BaseModel):
    """Files of banks, the newest first, each with the first of its lines that wait."""

    files: list[BankFileView]
    unread: list[Unread] = []


class Events(BaseModel):
    """Inbound events, the newest first. `more`: there are others."""

    events: list[EventRow]
    more: bool = False
