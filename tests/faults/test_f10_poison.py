"""F10: what no honest sender sends: huge, malformed, undecodable; at every door.

Refused where it comes in, with the field and the limit named, or kept from doing harm: a workflow
that was told nonsense goes on as if nothing was, and says so in its journal.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import RawValue

from contracts.approvals import ApprovalDecision
from contracts.changes import ChangeOrder
from contracts.contract import messages as contract_messages
from contracts.contract.messages import UsageReport
from contracts.contract.state import ContractInput, ContractStage
from contracts.invoice import messages as invoice_messages
from contracts.invoice.state import InvoiceStage
from contracts.model import MAX_MILESTONES, JsonObject
from contracts.parking import Action, Resolution
from contracts.problems import InvalidContract
from contracts.validation import MAX_CONTRACT_DATA_BYTES, MAX_NESTING, payload_problems, validate
from starters.cli import documents
from starters.client import messages
from tests.faults.stories import EMOJI, NAMES, tell_of_a_name
from tests.unit.examples import contract_data as signed
from tests.world import World, single, unique
from workflows import task_queues
from workflows.contract import ContractWorkflow

HALF_A_CHARACTER = "\ud83d"
_PLENTY = 1_900_000
"""Just below what Temporal takes in one piece."""


def raw(data: bytes, encoding: bytes = b"json/plain") -> RawValue:
    """A payload as any program may send it."""
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


GARBAGE = {
    "no JSON": raw(b"{"),
    "no UTF-8": raw(b'{"milestone": "\xff\xfe"}'),
    "half a character": raw(b'{"milestone": "all", "by": "\\ud83d"}'),
    "a number": raw(b"1e999"),
    "nothing": raw(b"null"),
    "a list": raw(b"[]"),
    "NaN": raw(b'{"milestone": "all", "on": NaN}'),
    "another type": raw(b'{"milestone": {"all": true}}'),
    "a field too many": raw(b'{"milestone": "all", "sum": 1}'),
    "a day no calendar has": raw(b'{"milestone": "all", "on": "9999-12-31"}'),
    "seconds for a day": raw(b'{"milestone": "all", "on": 1e9}'),
    "nested deeply": raw(b'{"milestone": ' + b"[" * 5_000),
    "control characters": raw(b'{"milestone": "all", "by": "\\u0000"}'),
    "an unknown encoding": raw(b"\x00\x01", b"binary/unheard-of"),
    "a long name": raw(json.dumps({"milestone": "all", "by": "x" * _PLENTY}).encode()),
}


# --- Signals and Updates ----------------------------------------------------------------------


async def test_no_signal_stops_a_workflow_or_is_overlooked(world: World) -> None:
    workflow_id = await world.active(single())
    handle = world.client.get_workflow_handle(workflow_id)
    for payload in GARBAGE.values():
        await handle.signal("milestone_reached", payload)
    await handle.signal("milestone_reached")
    await handle.signal("milestone_reached", args=["one", "two"])
    await handle.signal("milestones_reached", raw(b'{"milestone": "all"}'))
    await handle.signal("renew_run", "nothing is expected")
    await world.reach(workflow_id, "all")
    found = await world.contract(workflow_id)
    refused = [e.text for e in found.journal.entries if "Refused the Signal" in e.text]
    assert len(refused) == len(GARBAGE) + 3
    assert all(len(text) < 2_000 for text in refused)
    assert any("milestones_reached: there is none of that name" in text for text in refused)
    assert any("by: expected" in text and "200 characters" in text for text in refused)
    assert any("date_out_of_range" in text for text in refused)
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)


async def test_no_signal_stops_an_invoice(world: World) -> None:
    invoice = await world.open(single())
    handle = world.client.get_workflow_handle(invoice)
    poison = (
        ("payment_received", b'{"reference": "x", "amount": "NaN EUR", "paid_on": "2026-11-25"}'),
        ("payment_received", b'{"reference": "x", "amount": 1e999, "paid_on": "2026-11-25"}'),
        ("payment_received", b'{"reference": "x", "amount": "1 XXQ", "paid_on": "2026-11-25"}'),
        ("payment_received", b'{"reference": "x", "amount": "1.001 EUR", "paid_on": "2026-11-25"}'),
        ("dunning_hold", b'{"by": "ana", "reason": "x", "until": "9999-12-31"}'),
        ("dispute_opened", b'{"by": "ana", "reason": "x", "revised_due_on": "9999-12-31"}'),
        ("payment_promised", b'{"by": "ana", "on": "9999-12-31"}'),
        ("approval_decided", b'{"by": "", "comment": "x"}'),
        ("exception_resolved", b'{"action": "explode", "by": "olga"}'),
        ("balance_changed", b'{"invoice_id": "seven"}'),
    )
    for name, data in poison:
        await handle.signal(name, raw(data))
    found = await world.invoice(invoice)
    refused = [e.text for e in found.journal.entries if e.text.startswith("Refused")]
    assert len(refused) == len(poison)
    assert not found.payments
    assert found.stage is InvoiceStage.OPEN
    await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)


async def test_an_update_that_cannot_be_read_fails_and_nothing_else(world: World) -> None:
    workflow_id = await world.active(single())
    handle = world.client.get_workflow_handle(workflow_id)
    for name, payload in GARBAGE.items():
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("reach_milestone", payload)
        assert (await world.contract(workflow_id)).milestones["all"].reached_on is None, name
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update("reach_milestone")
    await world.reach(workflow_id, "all")


async def test_a_hold_whose_words_are_longer_than_an_invoice_takes_is_refused(
    world: World,
) -> None:
    """What the contract takes it tells its invoices: both have one limit."""
    with pytest.raises(ValidationError):
        contract_messages.Hold(by="ana", reason="x" * 201)
    with pytest.raises(ValidationError):
        contract_messages.HoldRequest(kind=contract_messages.HoldKind.DUNNING, by=" ")
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    hold = contract_messages.Hold(by="a" * 200, reason=EMOJI.ljust(200, "x"))
    request = contract_messages.HoldRequest(
        kind=contract_messages.HoldKind.DUNNING, by="a" * 200, hold=hold
    )
    await world.tell(workflow_id, messages.SET_HOLD, request)
    await world.invoice(invoice, until=lambda found: found.contract_hold is not None)


# --- what messages may say --------------------------------------------------------------------


def _messages() -> Iterator[tuple[type[BaseModel], JsonObject]]:
    """Every message people and systems send, with what it has to say."""
    yield contract_messages.MilestoneReached, {"milestone": "m"}
    yield contract_messages.MilestoneUnreached, {"milestone": "m", "by": "p"}
    money = "1.00 EUR"
    credit = {"retainer": "r", "reference": "x", "reason": "r", "amount": money, "by": "p"}
    yield contract_messages.ServiceCredit, credit
    yield contract_messages.CreditRequest, {"number": 1, "by": "p", "reason": "r"}
    yield contract_messages.Hold, {"by": "p", "reason": "r", "until": "2027-01-01"}
    yield (
        contract_messages.TerminationRequest,
        {"side": "firm", "by": "p", "reason": "r", "on": "2027-01-01"},
    )
    yield contract_messages.NoticeGiven, {"side": "firm", "by": "p"}
    yield contract_messages.RetainageRelease, {"by": "p", "reason": "r"}
    yield contract_messages.CustomerRefresh, {"by": "p"}
    yield contract_messages.CancelRequest, {"by": "p"}
    payment = {"reference": "r", "amount": money, "paid_on": "2027-01-01"}
    yield invoice_messages.PaymentReceived, payment
    yield invoice_messages.DisputeOpened, {"by": "p", "reason": "r"}
    yield invoice_messages.DisputeResolved, {"by": "p", "comment": "c"}
    yield invoice_messages.PaymentPromised, {"by": "p", "on": "2027-01-01"}
    yield invoice_messages.HoldChange, {"by": "p", "reason": "r"}
    yield invoice_messages.WriteOffAsked, {"by": "p", "reason": "r"}
    yield ApprovalDecision, {"by": "p"}
    yield Resolution, {"action": "retry", "by": "p"}
    yield ChangeOrder, {"number": 1, "by": "p", "reason": "r"}


MESSAGES = list(_messages())


@pytest.mark.parametrize(
    ("model", "said"), MESSAGES, ids=lambda item: getattr(item, "__name__", "")
)
def test_no_message_says_more_than_a_workflow_can_carry(
    model: type[BaseModel], said: JsonObject
) -> None:
    spoilt: Any
    assert model.model_validate(said)
    for name, field in model.model_fields.items():
        if isinstance(said.get(name, ""), str) and "str" in str(field.annotation):
            longest = 4_000 if name == "actor" else 1_000
            texts: tuple[Any, ...] = ("x" * (longest + 1), "\x00", HALF_A_CHARACTER)
            for spoilt in texts:
                with pytest.raises(ValidationError):
                    model.model_validate(said | {name: spoilt})
        if "date" in str(field.annotation):
            days: tuple[Any, ...] = ("9999-12-31", "0001-01-01", 0, 1e9, math.nan, "20270101")
            for spoilt in days:
                with pytest.raises(ValidationError):
                    model.model_validate(said | {name: spoilt})
        if "Money" in str(field.annotation):
            wrong: tuple[Any, ...] = ("NaN EUR", "1e9 EUR", "1 XXQ", "1.001 EUR", 1.5, math.inf)
            for spoilt in wrong:
                with pytest.raises(ValidationError):
                    model.model_validate(said | {name: spoilt})


# --- contract data --------------------------------------------------------------------------------


def milestones(count: int, name: str = "Part") -> JsonObject:
    """A contract of so many milestones of 1 EUR."""
    return {
        "value": f"{count}.00",
        "services": [{"key": "s", "code": "BUILD", "description": "B", "amount": f"{count}.00"}],
        "milestones": [
            {"key": f"m{n}", "name": f"{name} {n}", "service": "s", "amount": "1.00"}
            for n in range(count)
        ],
    }


def test_the_largest_contract_fits_and_one_that_cannot_be_kept_names_what_is_too_large() -> None:
    assert payload_problems(signed(**milestones(MAX_MILESTONES, "n" * 190))) == []
    [problem] = payload_problems(signed(title="t" * 200_001))
    assert (problem.code, problem.field) == ("contract_data_too_large", "title")
    assert str(MAX_CONTRACT_DATA_BYTES) in problem.expected
    [problem] = payload_problems(signed(**milestones(MAX_MILESTONES, "n" * 1_000)))
    assert (problem.code, problem.field) == ("contract_data_too_large", "contract_data")


def test_many_problems_are_told_as_the_first_of_them() -> None:
    with pytest.raises(InvalidContract) as refused:
        validate(signed(**{f"f{n}": 1 for n in range(20_000)}))
    assert len(refused.value.problems) == 201
    assert refused.value.problems[-1].code == "more_problems"
    assert len(str(refused.value)) < 40_000


@pytest.mark.parametrize("depth", [MAX_NESTING, 100_000])
def test_contract_data_nested_too_deeply_is_refused(depth: int) -> None:
    node: Any = 1
    for _ in range(depth):
        node = [node]
    [problem] = payload_problems(signed(extra=node))
    assert problem.code == "too_deep"


def test_half_a_character_is_refused_wherever_it_stands() -> None:
    for spoilt in ({"title": HALF_A_CHARACTER}, {HALF_A_CHARACTER: 1}, {"a": [{"b": "\udcff"}]}):
        [problem] = payload_problems(signed(**spoilt))
        assert problem.code == "text_malformed"
        assert problem.model_dump_json()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"title": "\xff"}', "UTF-8"),
        (b'{"value": "1.00", "value": "2.00"}', "'value' is stated twice|value is stated twice"),
        (b"[" * 100_000, "JSON document"),
        (b'{"value": ' + b"9" * 5_000 + b"}", "JSON document"),
        (b" " * 1_000_001, "1000000 bytes"),
    ],
    ids=["no UTF-8", "a key twice", "nested", "a number of thousands of digits", "huge"],
)
def test_a_file_that_is_no_contract_data_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, told: str
) -> None:
    file = tmp_path / "contract.json"
    file.write_bytes(content)
    with pytest.raises(Exception, match=told) as refused:
        documents.read(str(file))
    assert type(refused.value).__name__ in ("InvalidContract", "UsageError")


def test_numbers_of_a_file_that_are_none_are_told_by_their_field(tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    for spoilt in ("NaN", "Infinity", "-Infinity", "1e999", "-0", "0.1"):
        text = json.dumps(signed()).replace('"10000.00"', spoilt, 1)
        file.write_text(text)
        with pytest.raises(InvalidContract) as refused:
            validate(documents.read(str(file)))
        assert {item.field for item in refused.value.problems} == {"value"}, spoilt


@pytest.mark.parametrize("broken", ["Acme\nBcc: all@acme.example", "a\r\nb", "a\u2028b"])
def test_a_name_that_would_break_the_header_of_an_e_mail_is_refused(broken: str) -> None:
    customer = signed()["customer"] | {"name": broken}
    for spoilt in (signed(title=broken), signed(customer=customer)):
        with pytest.raises(InvalidContract, match="text of one line"):
            validate(spoilt)


# --- starting ---------------------------------------------------------------------------------


async def test_what_no_workflow_could_hold_is_refused_before_it_is_sent(world: World) -> None:
    huge = single(title="t" * 5_000_000)
    many = single(**milestones(10_000))
    for contract, field in ((huge, "title"), (many, "contract_data")):
        with pytest.raises(InvalidContract) as refused:
            await world.c2c.start(contract)
        assert refused.value.problems[0].field == field
    half = single(title=HALF_A_CHARACTER)
    with pytest.raises(InvalidContract, match="text_malformed"):
        await world.c2c.start(half)


async def test_sent_by_other_means_it_parks_and_can_be_amended(world: World) -> None:
    contract = single(title="t" * _PLENTY)
    started = ContractInput(
        contract_id=contract["contract_id"],
        legal_entity="northwind",
        source={"system": "file", "id": "1"},
        contract_data=contract,
    )
    handle = await world.client.start_workflow(
        ContractWorkflow.run,
        started,
        id=f"contract/northwind/{contract['contract_id']}",
        task_queue=task_queues.CONTRACTS,
    )
    parked = await world.parked(handle.id)
    assert (parked.code, parked.field) == ("contract_data_too_large", "title")
    with pytest.raises(InvalidContract, match="contract_data_too_large"):
        await world.resolve(handle.id, Action.AMEND, changes={"title": "t" * 300_000})
    await world.resolve(handle.id, Action.AMEND, changes={"title": "All of it"})
    await world.stage(handle.id, ContractStage.ACTIVE)


@pytest.mark.parametrize(
    "args",
    [
        [],
        [raw(b"[]")],
        [raw(b'{"contract": 1}')],
        [raw(b'{"contract_id": "x/y", "legal_entity": "n", "source": {}}')],
    ],
    ids=["nothing", "a list", "another object", "keys that are none"],
)
async def test_a_start_that_cannot_be_read_fails_at_once_and_says_why(
    world: World, args: list[RawValue]
) -> None:
    handle = await world.client.start_workflow(
        "ContractWorkflow", args=args, id=unique("garbage"), task_queue=task_queues.CONTRACTS
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(handle.result(), 30)
    assert "expected" in str(failed.value.cause)


async def test_a_contract_of_as_many_milestones_as_there_may_be_is_provisioned(
    world: World,
) -> None:
    workflow_id = await world.active(single(**milestones(MAX_MILESTONES)))
    found = await world.contract(workflow_id)
    assert len(found.odoo.milestone_ids) == MAX_MILESTONES
    await world.reach(workflow_id, f"m{MAX_MILESTONES - 1}")
    await world.issue(workflow_id, 1)


async def test_a_usage_report_beyond_its_limit_is_refused_by_its_field() -> None:
    record = {"id": "r", "plan": "p", "on": "2027-01-01", "quantity": "1"}
    with pytest.raises(ValidationError, match="records"):
        UsageReport.model_validate({"records": [record] * 5_001})


# --- through to Odoo --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
async def test_names_of_every_kind_come_to_odoo_as_they_are(world: World, name: str) -> None:
    await tell_of_a_name(world, NAMES[name])


async def test_names_longer_than_the_limit_park_with_the_limit(world: World) -> None:
    contract = single()
    contract["customer"]["name"] = "🏗️" * 1_000
    workflow_id = await world.start(contract)
    parked = await world.parked(workflow_id)
    assert (parked.code, parked.field) == ("string_too_long", "customer.name")
    assert "200" in parked.message
