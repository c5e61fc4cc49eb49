"""Stands for Temporal's client: workflows that answer as told, and keep what was sent to them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from contracts import parking
from contracts.bank.file import BankFileState, BankFileView, FileRef, ParkedLine
from contracts.contract.state import ContractOutcome, ContractStage
from contracts.events import EventRecord, ForContract, InboundEvent
from contracts.identifiers import legal_entity_of
from contracts.invoice.state import InvoiceStage
from contracts.problems import finding
from tests.unit import examples
from tests.unit.rounds import round_of
from workflows import search_attributes

CONTRACT, INVOICE = "contract/northwind/C-1", "contract/northwind/C-1/invoice/1"
FABRIKAM = "contract/fabrikam/F-1"
SHA256 = "3f2a9c0d" * 8
FILE = f"bank/northwind/{SHA256}"
EVENT = "event/tickets/msg_1"
IN_WORDS = ("settle_line", "decide_file", "dismiss", "deliver_again")
"""Updates that are answered by a text."""
_BEGINS = re.compile(r"WorkflowId STARTS_WITH '([^']*)'")
_ENTITIES = re.compile(r"LegalEntity (?:IN \(([^)]*)\)|= '([^']*)')")


@dataclass
class Workflows:
    """`answers` are by workflow and query; `outcomes` by the name of an Update: an answer, or why
    it is refused."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[str, Any] = field(default_factory=dict)
    sent: list[tuple[str, str, Any, str]] = field(default_factory=list)
    started: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    failure: Exception | None = None
    namespace: str = "default"

    @property
    def service_client(self) -> Any:
        return SimpleNamespace(config=SimpleNamespace(target_host="localhost:7233"))

    # --- one workflow

    def get_workflow_handle(self, workflow_id: str) -> _Handle:
        return _Handle(self, workflow_id)

    async def start_workflow(self, _: str, argument: Any, *, id: str, **__: Any) -> Any:
        if id in self.answers:
            raise WorkflowAlreadyStartedError(id, "ContractWorkflow", run_id="old")
        self.started.append(argument)
        return SimpleNamespace(result_run_id="run")

    async def execute_update_with_start_workflow(
        self, name: str, argument: Any, *, id: str, start_workflow_operation: Any, **_: Any
    ) -> Any:
        handle = _Handle(self, start_workflow_operation._start_workflow_input.id)
        return await handle.execute_update(name, argument, id=id)

    @property
    def data_converter(self) -> DataConverter:
        return pydantic_data_converter

    # --- lists

    def list_workflows(
        self,
        query: str,
        *,
        limit: int | None = None,
        page_size: int = 1_000,
        next_page_token: bytes | None = None,
    ) -> _Runs:
        self.asked.append(query)
        named = _ENTITIES.search(query)
        begins = _BEGINS.search(query)
        wanted = set(re.findall(r"[\w-]+", named[1] or named[2])) if named else None
        found = [
            _run(item, answers)
            for item, answers in self.answers.items()
            if f"'{_kind(item)}'" in query
            and item.startswith(begins[1] if begins else "")
            and (wanted is None or legal_entity_of(item) in wanted)
            and (f"{search_attributes.WAITING_ON.name} IN" not in query or _waits(answers))
            and f"{search_attributes.AMOUNT_DUE.name} !=" not in query
        ]
        start = next_page_token or b"0"
        if not start.isdigit():
            raise RPCError("invalid page token", RPCStatusCode.INVALID_ARGUMENT, b"")
        return _Runs(found[:limit], page_size, int(start))

    async def count_workflows(self, query: str) -> Any:
        return SimpleNamespace(count=2 if "EventWorkflow" in query else 0)


@dataclass
class _Handle:
    server: Workflows
    workflow_id: str

    async def query(self, name: str, args: list[Any], **_: Any) -> Any:
        self._check()
        return self.server.answers[self.workflow_id][name]

    async def execute_update(self, name: str, argument: Any, *, id: str, **_: Any) -> Any:
        self._check()
        self.server.sent.append((self.workflow_id, name, argument, id))
        outcome = self.server.outcomes.get(name, "no")
        if isinstance(outcome, str) and name not in IN_WORDS:
            raise WorkflowUpdateFailedError(ApplicationError(outcome))
        return outcome

    async def fetch_history_events(self, **_: Any) -> AsyncIterator[Any]:
        self._check()
        record = self.server.answers[self.workflow_id]["event"]
        payloads = await pydantic_data_converter.encode([record])
        started = SimpleNamespace(input=SimpleNamespace(payloads=payloads))
        yield SimpleNamespace(workflow_execution_started_event_attributes=started)

    async def describe(self, **_: Any) -> Any:
        self._check()
        raw = SimpleNamespace(pending_activities=[])
        return SimpleNamespace(raw_description=raw, memo_value=self._nothing)

    async def _nothing(self, key: str, default: Any) -> Any:
        return default

    def _check(self) -> None:
        if self.server.failure is not None:
            raise self.server.failure
        if self.workflow_id not in self.server.answers:
            raise RPCError("workflow not found", RPCStatusCode.NOT_FOUND, b"")


class _Runs:
    """A list, one after another or page by page."""

    def __init__(self, found: list[Any], page_size: int, start: int) -> None:
        self._found, self._size, self._next = found, page_size, start
        self.current_page: list[Any] | None = None
        self.next_page_token: bytes | None = str(start).encode()

    async def fetch_next_page(self) -> None:
        end = self._next + self._size
        self.current_page = self._found[self._next : end]
        self._next = end
        self.next_page_token = str(end).encode() if end < len(self._found) else None

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self._found:
            await asyncio.sleep(0)
            yield item


def _kind(workflow_id: str) -> str:
    if workflow_id.startswith("contract/"):
        return "InvoiceWorkflow" if "/invoice/" in workflow_id else "ContractWorkflow"
    return "BankFileWorkflow" if workflow_id.startswith("bank/") else "EventWorkflow"


def _waits(answers: dict[str, Any]) -> bool:
    return any(getattr(item, "exceptions", item) for item in answers.values())


def _run(workflow_id: str, answers: dict[str, Any]) -> Any:
    entity = legal_entity_of(workflow_id)
    known: list[tuple[Any, Any]] = [
        (search_attributes.LEGAL_ENTITY, entity),
        (search_attributes.CONTRACT_ID, workflow_id.split("/")[2]),
        (search_attributes.CONTRACT_STAGE, "active"),
        (search_attributes.CONTRACT_VALUE, 9000.0),
        (search_attributes.CURRENCY, "EUR"),
    ]
    pairs = [SearchAttributePair(key, value) for key, value in known]
    memo = {"event": _envelope(answers), "delivery": {"outcome": "applied", "touched": [CONTRACT]}}

    async def memo_value(_: str, default: Any) -> Any:
        return "Acme NV" if isinstance(default, str) else default

    async def whole_memo() -> Any:
        return memo

    return SimpleNamespace(
        id=workflow_id,
        typed_search_attributes=TypedSearchAttributes(pairs),
        start_time=examples.NOON,
        memo_value=memo_value,
        memo=whole_memo,
    )


def _envelope(answers: dict[str, Any]) -> Any:
    record = answers.get("event")
    return record.event.model_dump(mode="json", exclude={"task"}) if record else None


def firm() -> Workflows:
    """A contract with an invoice that awaits approval and one that is parked, a contract of another
    legal entity, a bank's file, an event."""
    parked = examples.invoice_state(exceptions=[examples.parked(parking.POST_INVOICE)])
    outcome = ContractOutcome(contract_id="C-1", stage=ContractStage.ACTIVE)
    file = FileRef(bank="main", legal_entity="northwind", name="a.xml", sha256=SHA256)
    line = ParkedLine(
        number=3,
        key="3",
        booked_on=examples.MONDAY,
        amount=examples.euros("12.00"),
        counterparty="Acme NV",
        problem=finding("no_match", "line", "", "an invoice that it pays"),
    )
    view = BankFileView(
        state=BankFileState(file=file, received_at=examples.NOON, parked=(line,)),
        open_lines=1,
        more=False,
    )
    task = ForContract(contract=CONTRACT, update="reach_milestone", message={"milestone": "m"})
    event = InboundEvent(
        source="tickets",
        key="msg_1",
        kind="milestone.reached",
        received_at=examples.NOON,
        sha256="0" * 64,
        size=3,
        task=task,
    )
    return Workflows(
        answers={
            CONTRACT: {"contract": examples.contract_state(), "open_approvals": []},
            FABRIKAM: {
                "contract": examples.contract_state(contract_id="F-1", legal_entity="fabrikam"),
                "open_approvals": [round_of(7)],
            },
            INVOICE: {"invoice": parked, "open_approvals": [round_of()]},
            FILE: {"bank_file": view},
            EVENT: {"event": EventRecord(event=event, since=examples.NOON)},
        },
        outcomes={
            "decide_approval": round_of(),
            "resolve_exception": parked.exceptions[0],
            "reach_milestone": outcome,
            "unreach_milestone": outcome,
            "propose_change": outcome,
            "set_hold": outcome,
            "promise_payment": examples.report(1, InvoiceStage.OVERDUE),
            "settle_line": "line 3 pays INV/1",
            "dismiss": "dismissed",
            "deliver_again": "delivered again",
        },
    )
