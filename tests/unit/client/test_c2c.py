"""The way in: references, starting, lists. Temporal is faked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from contracts import parking
from contracts.money import Money
from starters.client import (
    C2C,
    BadReference,
    ContractClient,
    Entities,
    InvalidContract,
    InvoiceClient,
    NoAnswer,
    Started,
)
from tests.unit import examples
from tests.unit.command import CONTRACT, INVOICE, Calls
from tests.unit.rounds import round_of
from workflows import search_attributes, task_queues

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Server:
    """Stands for Temporal: keeps what is asked of it, lists the workflows it was given."""

    def __init__(self) -> None:
        self.started: list[tuple[str, Any, dict[str, Any]]] = []
        self.there = False
        self.asked: list[str] = []
        self.runs: list[Any] = []
        self.memo: dict[str, Any] = {}
        self.waiting_events = 0

    async def start_workflow(self, name: str, argument: Any, **options: Any) -> Any:
        self.started.append((name, argument, options))
        if self.there:
            raise WorkflowAlreadyStartedError(options["id"], name, run_id="old")
        self.memo = options["memo"]
        return SimpleNamespace(result_run_id="run")

    def get_workflow_handle(self, workflow_id: str) -> Any:
        return self

    async def describe(self) -> Any:
        return self

    async def memo_value(self, key: str, default: object) -> object:
        return self.memo.get(key, default)

    async def list_workflows(self, query: str, limit: int | None = None) -> AsyncIterator[Any]:
        self.asked.append(query)
        for run in self.runs:
            if f"WorkflowType = '{run.kind}'" in query:
                yield run

    async def count_workflows(self, query: str) -> Any:
        return SimpleNamespace(count=self.waiting_events if "EventWorkflow" in query else 0)

    def lists(self, workflow_id: str, **attributes: Any) -> None:
        known = {key.name: key for key in search_attributes.ALL}
        pairs = [SearchAttributePair(known[name], value) for name, value in attributes.items()]
        self.runs.append(
            SimpleNamespace(
                id=workflow_id,
                kind="InvoiceWorkflow" if "/invoice/" in workflow_id else "ContractWorkflow",
                typed_search_attributes=TypedSearchAttributes(pairs),
                start_time=NOON,
                memo_value=self.memo_value,
            )
        )


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def c2c(server: Server) -> C2C:
    return C2C(cast("Client", server), Entities.of("northwind", "acme"))


# --- references ---------------------------------------------------------------------------------


def test_a_reference_leads_to_its_workflow(c2c: C2C) -> None:
    assert c2c.contract("C-1").workflow_id == CONTRACT
    assert c2c.contract("acme/C-1").workflow_id == "contract/acme/C-1"
    assert c2c.invoice("C-1/1").workflow_id == INVOICE
    assert c2c.contract("C-1").invoice(1).workflow_id == INVOICE
    assert isinstance(c2c.contract_or_invoice("C-1/1"), InvoiceClient)
    assert isinstance(c2c.contract_or_invoice("acme/1"), ContractClient)


def test_without_entities_a_reference_names_its_own(server: Server) -> None:
    c2c = C2C(cast("Client", server))
    assert c2c.contract("northwind/C-1").workflow_id == CONTRACT
    assert c2c.contract(CONTRACT).workflow_id == CONTRACT
    with pytest.raises(BadReference, match="which legal entity"):
        c2c.contract("C-1")


# --- starting -----------------------------------------------------------------------------------


async def test_a_contract_is_started_under_its_business_key(c2c: C2C, server: Server) -> None:
    data = examples.contract_data()
    assert await c2c.start(data) == Started(CONTRACT, "run", new=True)
    [(name, argument, options)] = server.started
    assert name == "ContractWorkflow"
    assert argument.contract_data == data
    assert (options["id"], options["task_queue"]) == (CONTRACT, task_queues.CONTRACTS)
    assert options["id_reuse_policy"] is WorkflowIDReusePolicy.REJECT_DUPLICATE
    assert options["id_conflict_policy"] is WorkflowIDConflictPolicy.FAIL
    assert options["search_attributes"].get(search_attributes.CONTRACT_ID) == "C-1"


async def test_starting_it_again_changes_nothing_and_needs_no_worker(
    c2c: C2C, server: Server, calls: Calls
) -> None:
    await c2c.start(examples.contract_data())
    server.there = True
    assert await c2c.start(examples.contract_data()) == Started(CONTRACT, "old", new=False)
    assert calls.made == []


async def test_what_differs_from_a_contract_started_before_is_said(
    c2c: C2C, server: Server, calls: Calls
) -> None:
    data = examples.contract_data()
    await c2c.start(data)
    server.there = True
    calls.answer("contract", examples.contract_state())
    other = examples.contract_data(title="Another title", purchase_order="PO-2")
    started = await c2c.start(other)
    assert not started.new
    [order, title] = sorted(started.differences)
    assert order.startswith("purchase_order: ")
    assert order.endswith(" -> PO-2")
    assert title == f"title: {data['title']} -> Another title"


async def test_content_that_is_only_written_otherwise_is_the_same(
    c2c: C2C, server: Server, calls: Calls
) -> None:
    await c2c.start(examples.contract_data())
    server.there = True
    calls.answer("contract", examples.contract_state())
    data = examples.contract_data()
    data["value"] = "10000.0"
    assert await c2c.start(data) == Started(CONTRACT, "old", new=False)


async def test_without_a_worker_nobody_can_say_what_differs(
    c2c: C2C, server: Server, calls: Calls
) -> None:
    await c2c.start(examples.contract_data())
    server.there = True
    calls.answer("contract", NoAnswer("no worker answers"))
    with pytest.raises(NoAnswer, match="other content"):
        await c2c.start(examples.contract_data(title="Another title"))


async def test_a_file_without_a_source_is_its_own(c2c: C2C, server: Server) -> None:
    data = examples.contract_data()
    del data["source"]
    await c2c.start(data)
    source = server.started[0][1].source
    assert (source.system, source.id) == ("file", "C-1")


async def test_a_deal_is_read_by_the_workflow(c2c: C2C, server: Server) -> None:
    await c2c.start_deal("hubspot", "7", "acme")
    [(_, argument, options)] = server.started
    assert options["id"] == "contract/acme/hubspot-7"
    assert (argument.source.id, argument.contract_data) == ("7", {})


async def test_only_what_identifies_a_contract_is_refused_at_the_start(
    c2c: C2C, server: Server
) -> None:
    with pytest.raises(InvalidContract) as raised:
        await c2c.start(examples.contract_data(contract_id="a/b", legal_entity=""))
    assert {item.field for item in raised.value.problems} == {"contract_id", "legal_entity"}
    with pytest.raises(InvalidContract):
        await c2c.start_deal("hubspot", "7/8", "acme")
    assert server.started == []


# --- lists --------------------------------------------------------------------------------------


async def test_contracts_are_listed_with_what_their_invoices_owe(c2c: C2C, server: Server) -> None:
    server.lists(CONTRACT, ContractId="C-1", Currency="EUR", ContractValue=9000.0, Customer="42")
    server.memo = {"customer": "Acme"}
    server.lists(INVOICE, ContractId="C-1", Currency="EUR", AmountDue=100.1, InvoiceStage="open")
    server.lists(f"{CONTRACT}/invoice/2", ContractId="C-1", Currency="EUR", AmountDue=0.2)
    [row] = await c2c.contracts(
        stage="active", waiting_on="invoices", legal_entity="northwind", where="Customer = 'x'"
    )
    assert (row.customer, row.value, row.due) == (
        "Acme",
        Money("9000.00", "EUR"),
        Money("100.30", "EUR"),
    )
    assert (
        "(Customer = 'x') AND ContractStage = 'active' AND WaitingOn = 'invoices' "
        "AND LegalEntity = 'northwind'"
    ) in server.asked[0]
    assert "IN ('C-1')" in server.asked[1]


async def test_a_workflow_between_two_runs_is_listed_once(c2c: C2C, server: Server) -> None:
    for _ in range(2):
        server.lists(CONTRACT, ContractId="C-1")
    assert len(await c2c.contracts()) == 1


@pytest.mark.parametrize(
    "words", [{"legal_entity": "a'b"}, {"waiting_on": "x' OR 1=1"}, {"stage": "Open'"}]
)
async def test_what_can_be_no_word_of_a_list_is_never_asked(
    c2c: C2C, server: Server, words: dict[str, Any]
) -> None:
    with pytest.raises(BadReference):
        await c2c.contracts(**words)
    if "legal_entity" in words:
        with pytest.raises(BadReference):
            await c2c.approvals(**words)
    assert server.asked == []


async def test_exceptions_are_the_oldest_first_and_one_unreadable_hides_none(
    calls: Calls, c2c: C2C, server: Server
) -> None:
    server.lists(CONTRACT)
    server.lists(INVOICE)
    step = examples.parked(parking.CUSTOMER)
    calls.answer("contract", examples.contract_state(exceptions=[step]))
    calls.answer("invoice", NoAnswer("no worker"))
    with pytest.raises(NoAnswer):
        await c2c.exceptions()
    missing: list[str] = []
    found = await c2c.exceptions(unreadable=lambda workflow_id, _: missing.append(workflow_id))
    assert [(item.workflow_id, item.exception) for item in found.items] == [(CONTRACT, step)]
    assert not found.more
    assert missing == [INVOICE]
    older = step.model_copy(update={"since": NOON.replace(year=2025)})
    calls.answer("invoice", examples.invoice_state(exceptions=[older]))
    server.waiting_events = 3
    again = await c2c.exceptions()
    assert [item.workflow_id for item in again.items] == [INVOICE, CONTRACT]
    assert again.events == 3


async def test_a_list_of_exceptions_that_stops_says_so(
    calls: Calls, c2c: C2C, server: Server
) -> None:
    for number in (1, 2):
        server.lists(f"contract/northwind/C-1/invoice/{number}")
    step = examples.parked(parking.DELIVER)
    calls.answer("invoice", examples.invoice_state(exceptions=[step]))
    found = await c2c.exceptions(limit=1)
    assert (len(found.items), found.more) == (1, True)
    assert not (await c2c.exceptions(limit=2)).more


async def test_approvals_are_narrowed_and_say_where_there_may_be_more(
    calls: Calls, c2c: C2C, server: Server
) -> None:
    server.lists(INVOICE)
    calls.answer("open_approvals", [round_of(1)])
    found = await c2c.approvals(customer="ACME")
    assert ([item.workflow_id for item in found.items], found.more) == ([INVOICE], False)
    assert (await c2c.approvals(up_to=Money("1.00", "EUR"))).items == []
    assert not (await c2c.approvals(limit=1)).more
    server.lists(f"{CONTRACT}/invoice/2")
    assert (await c2c.approvals(limit=1)).more
