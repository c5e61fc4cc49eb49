"""Each method of ContractClient and InvoiceClient: what it sends, what it refuses to send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from contracts import parking
from contracts.approvals import ApprovalDecision, Decision
from contracts.billing.usage import UsageRecord
from contracts.contract.messages import (
    BurnRequest,
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    Hold,
    HoldKind,
    HoldRequest,
    MilestoneReached,
    MilestoneUnreached,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    Side,
    SignatureConfirmed,
    TerminationRequest,
    TerminationWithdrawn,
    UsageTaken,
)
from contracts.contract.state import ContractStage
from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action, Resolution
from starters.client import (
    C2C,
    Awaiting,
    ContractClient,
    InvalidContract,
    InvoiceClient,
    NotFound,
    Refused,
    contracts,
)
from tests.unit import examples
from tests.unit.command import CONTRACT, INVOICE, Calls
from tests.unit.engagements import mixed
from tests.unit.examples import ANA, CLEO, contract_state, euros, parked
from tests.unit.rounds import round_of

MAY_4 = date(2026, 5, 4)
ANSWER = object()

OfContract = Callable[[ContractClient], Awaitable[object]]
OfInvoice = Callable[[InvoiceClient], Awaitable[object]]

CONTRACT_MESSAGES: list[tuple[OfContract, str, BaseModel]] = [
    (
        lambda c: c.reach_milestone("design", by=ANA, on="2026-05-04"),
        "reach_milestone",
        MilestoneReached(milestone="design", by=ANA, on=MAY_4),
    ),
    (lambda c: c.reach_milestone("a"), "reach_milestone", MilestoneReached(milestone="a")),
    (
        lambda c: c.unreach_milestone("a", by=ANA, reason="no"),
        "unreach_milestone",
        MilestoneUnreached(milestone="a", by=ANA, reason="no"),
    ),
    (
        lambda c: c.credit_service(
            "desk", reference="sla-1", amount="50.00 EUR", reason="down", by=ANA
        ),
        "credit_service",
        ServiceCredit(
            retainer="desk", reference="sla-1", reason="down", amount=euros("50.00"), by=ANA
        ),
    ),
    (
        lambda c: c.request_credit(2, by=ANA, reason="rate", reinvoice=True),
        "request_credit",
        CreditRequest(number=2, by=ANA, reason="rate", reinvoice=True),
    ),
    (
        lambda c: c.request_credit(2, by=ANA, reason="rate", amount=euros("1.00")),
        "request_credit",
        CreditRequest(number=2, amount=euros("1.00"), by=ANA, reason="rate"),
    ),
    (
        lambda c: c.confirm_signature(by=ANA, reason="on paper", on=MAY_4),
        "confirm_signature",
        SignatureConfirmed(by=ANA, reason="on paper", on=MAY_4),
    ),
    (
        lambda c: c.release_retainage(by=ANA, reason="accepted"),
        "release_retainage",
        RetainageRelease(by=ANA, reason="accepted"),
    ),
    (
        lambda c: c.set_hold("billing", by=ANA, reason="audit", until=MAY_4),
        "set_hold",
        HoldRequest(kind=HoldKind.BILLING, by=ANA, hold=Hold(by=ANA, reason="audit", until=MAY_4)),
    ),
    (
        lambda c: c.release_hold(HoldKind.DUNNING, by=ANA),
        "set_hold",
        HoldRequest(kind=HoldKind.DUNNING, by=ANA),
    ),
    (
        lambda c: c.terminate("customer", on="2026-05-04", by=ANA, reason="merger", agreed=True),
        "terminate",
        TerminationRequest(side=Side.CUSTOMER, by=ANA, reason="merger", on=MAY_4, agreed=True),
    ),
    (
        lambda c: c.withdraw_termination(by=ANA, reason="agreed"),
        "withdraw_termination",
        TerminationWithdrawn(by=ANA, reason="agreed"),
    ),
    (
        lambda c: c.give_notice(Side.FIRM, by=ANA),
        "give_notice",
        NoticeGiven(side=Side.FIRM, by=ANA),
    ),
    (lambda c: c.cancel(by=ANA, reason="r"), "request_cancel", CancelRequest(by=ANA, reason="r")),
    (
        lambda c: c.resolve_exception("skip", by=ANA, step="crm", reason="known"),
        "resolve_exception",
        Resolution(action=Action.SKIP, by=ANA, step="crm", reason="known"),
    ),
]

INVOICE_MESSAGES: list[tuple[OfInvoice, str, BaseModel]] = [
    (
        lambda i: i.record_payment("P-1", "100.00 EUR", paid_on=MAY_4),
        "record_payment",
        PaymentReceived(reference="P-1", amount=euros("100.00"), paid_on=MAY_4),
    ),
    (
        lambda i: i.open_dispute("late", by=CLEO, amount="1.00 EUR", revised_due_on="2026-05-04"),
        "open_dispute",
        DisputeOpened(by=CLEO, reason="late", amount=euros("1.00"), revised_due_on=MAY_4),
    ),
    (
        lambda i: i.resolve_dispute("agreed", by=CLEO, accepted="1.00 EUR"),
        "resolve_dispute",
        DisputeResolved(by=CLEO, comment="agreed", accepted=euros("1.00")),
    ),
    (
        lambda i: i.promise_payment("2026-05-04", by=CLEO),
        "promise_payment",
        PaymentPromised(by=CLEO, on=MAY_4),
    ),
    (
        lambda i: i.hold_reminders("talks", by=CLEO, until=MAY_4),
        "change_dunning_hold",
        HoldChange(by=CLEO, reason="talks", until=MAY_4),
    ),
    (
        lambda i: i.release_reminders("agreed", by=CLEO),
        "change_dunning_hold",
        HoldChange(on=False, by=CLEO, reason="agreed"),
    ),
    (
        lambda i: i.ask_write_off("bankrupt", by=CLEO),
        "ask_write_off",
        WriteOffAsked(by=CLEO, reason="bankrupt"),
    ),
    (
        lambda i: i.resolve_exception(Action.AMEND, by=CLEO, changes={"customer.email": "a@b.be"}),
        "resolve_exception",
        Resolution(action=Action.AMEND, by=CLEO, changes={"customer.email": "a@b.be"}),
    ),
]


@pytest.mark.parametrize(("call", "name", "message"), CONTRACT_MESSAGES)
async def test_a_contract_is_sent_the_message(
    calls: Calls, c2c: C2C, call: OfContract, name: str, message: BaseModel
) -> None:
    calls.answer(name, ANSWER)
    assert await call(c2c.contract("northwind/C-1")) is ANSWER
    assert calls.made == [(name, (CONTRACT, message), {"request_id": None})]


async def test_a_refreshed_deal_is_waited_for(calls: Calls, c2c: C2C) -> None:
    calls.answer("refresh_customer", ANSWER)
    calls.answer("contract", contract_state(refreshed=("title: A -> B",)))
    assert await c2c.contract("northwind/C-1").refresh_customer(by=ANA) == ["title: A -> B"]
    request = (CONTRACT, CustomerRefresh(by=ANA))
    assert calls.made[0] == ("refresh_customer", request, {"request_id": None})


async def test_a_burn_that_cannot_be_read_is_refused_with_the_reason(
    calls: Calls, c2c: C2C
) -> None:
    exception = parked(parking.READ_BURN, key="burn", message="no right to timesheets")
    asked = BurnRequest(by=ANA)
    calls.answer("read_burn", ANSWER)
    calls.answer("contract", contract_state(burn_asked=asked, exceptions=(exception,)))
    with pytest.raises(Refused, match="no right to timesheets"):
        await c2c.contract("northwind/C-1").read_burn(by=ANA)
    assert calls.made[0] == ("read_burn", (CONTRACT, asked), {"request_id": None})


async def test_a_deal_that_cannot_be_read_again_is_refused_with_the_reason(
    calls: Calls, c2c: C2C
) -> None:
    exception = parked(parking.REFRESH, key="refresh", message="no such deal")
    calls.answer("refresh_customer", ANSWER)
    asked = CustomerRefresh(by=ANA)
    calls.answer("contract", contract_state(refresh=asked, exceptions=(exception,)))
    with pytest.raises(Refused, match="no such deal"):
        await c2c.contract("northwind/C-1").refresh_customer(by=ANA)


@pytest.mark.parametrize(("call", "name", "message"), INVOICE_MESSAGES)
async def test_an_invoice_is_sent_the_message(
    calls: Calls, c2c: C2C, call: OfInvoice, name: str, message: BaseModel
) -> None:
    calls.answer(name, ANSWER)
    assert await call(c2c.contract("northwind/C-1").invoice(1)) is ANSWER
    assert calls.made == [(name, (INVOICE, message), {"request_id": None})]


async def test_the_request_id_goes_with_the_message(calls: Calls, c2c: C2C) -> None:
    calls.answer("reach_milestone", ANSWER)
    contract = c2c.contract("northwind/C-1")
    await contract.once("event-7").reach_milestone("design")
    assert calls.last[2] == {"request_id": "event-7"}
    await contract.reach_milestone("design")
    assert calls.last[2] == {"request_id": None}


async def test_every_problem_is_named_at_once_and_nothing_is_sent(calls: Calls, c2c: C2C) -> None:
    with pytest.raises(InvalidContract) as raised:
        await c2c.contract("northwind/C-1").terminate("nobody", on="soon", by="", reason="")
    assert {item.field for item in raised.value.problems} == {"side", "on", "by", "reason"}
    assert calls.made == []


@pytest.mark.parametrize("amount", ["100.00", "1.001 EUR", "1 XXX"])
async def test_an_amount_has_its_currency_and_no_more_decimals(
    calls: Calls, c2c: C2C, amount: str
) -> None:
    with pytest.raises(InvalidContract, match="amount"):
        await c2c.invoice("northwind/C-1/1").record_payment("P-1", amount, paid_on=MAY_4)
    assert calls.made == []


# --- usage --------------------------------------------------------------------------------------

RECORDS = [
    {"id": f"r-{number}", "plan": "calls", "on": "2026-05-04", "quantity": "1.5"}
    for number in range(3)
]


async def test_many_records_go_in_several_messages_and_count_as_one(
    calls: Calls, c2c: C2C, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contracts, "RECORDS_AT_ONCE", 2)
    calls.answer("record_usage", UsageTaken(taken=1, known=1, refused=["r"]))
    first = UsageRecord.model_validate(RECORDS[0])
    contract = c2c.contract("northwind/C-1").once("file-1")
    result = await contract.record_usage([first, *RECORDS[1:]])
    assert result == UsageTaken(taken=2, known=2, refused=["r", "r"])
    assert [len(arguments[1].records) for _, arguments, _ in calls.made] == [2, 1]
    assert [named["request_id"] for *_, named in calls.made] == ["file-1/0", "file-1/2"]


async def test_a_wrong_record_is_named_by_its_place_and_nothing_is_sent(
    calls: Calls, c2c: C2C
) -> None:
    wrong = [*RECORDS, {"id": "r-9", "plan": "calls", "on": "2026-02-30", "quantity": "-1"}]
    with pytest.raises(InvalidContract) as raised:
        await c2c.contract("northwind/C-1").record_usage(wrong)
    assert {item.field for item in raised.value.problems} == {"records.3.on", "records.3.quantity"}
    assert calls.made == []


# --- change orders ------------------------------------------------------------------------------


async def test_what_is_previewed_is_what_is_proposed(calls: Calls, c2c: C2C) -> None:
    calls.answer("contract", examples.contract_state(change_orders=2))
    calls.answer("propose_change", ANSWER)
    contract = c2c.contract("northwind/C-1")
    preview = await contract.preview_change(
        {"reprice": {"live": "7000.00"}}, by=ANA, reason="more scope"
    )
    assert (preview.difference, preview.order.number) == (euros("1000.00"), 3)
    assert await contract.propose_change(preview.order) is ANSWER
    assert calls.message == preview.order


@pytest.mark.parametrize(
    ("change", "field"),
    [({"repricing": {}}, "repricing"), ({"reprice": {"live": "7000.001"}}, "reprice.live")],
)
async def test_a_change_that_cannot_be_is_refused_before_it_is_proposed(
    calls: Calls, c2c: C2C, change: dict[str, Any], field: str
) -> None:
    calls.answer("contract", examples.contract_state())
    with pytest.raises(InvalidContract) as raised:
        await c2c.contract("northwind/C-1").preview_change(change, by=ANA, reason="x")
    assert field in {item.field for item in raised.value.problems}


async def test_there_is_nothing_to_change_or_to_state_before_the_contract_is_validated(
    calls: Calls, c2c: C2C
) -> None:
    calls.answer("contract", examples.contract_state(contract=None))
    contract = c2c.contract("northwind/C-1")
    with pytest.raises(Refused, match="nothing to change yet"):
        await contract.preview_change({"drop": ["live"]}, by=ANA, reason="x")
    with pytest.raises(Refused, match="nothing to state"):
        await contract.statement()


async def test_the_statement_adds_up_what_the_contract_knows(calls: Calls, c2c: C2C) -> None:
    calls.answer("contract", mixed())
    found = await c2c.contract("northwind/C-1004").statement()
    assert found.value == euros("41400.00")


# --- approvals ----------------------------------------------------------------------------------


async def test_an_approval_is_bound_to_what_was_seen(calls: Calls, c2c: C2C) -> None:
    calls.answer("decide_approval", ANSWER)
    seen = round_of(1)
    await c2c.invoice("northwind/C-1/1").approve(by=ANA, comment="fine", seen=seen)
    assert calls.made == [
        (
            "decide_approval",
            (
                INVOICE,
                ApprovalDecision(
                    by=ANA,
                    content_hash=seen.subject.content_hash,
                    amount=seen.subject.amount,
                    comment="fine",
                ),
            ),
            {"request_id": None},
        )
    ]


async def test_without_what_was_seen_the_one_open_round_is_meant(calls: Calls, c2c: C2C) -> None:
    calls.answer("decide_approval", ANSWER)
    invoice = c2c.invoice("northwind/C-1/1")
    for found in ([], [round_of(1), round_of(2)]):
        calls.answer("open_approvals", found)
        with pytest.raises(Refused, match="not exactly one thing"):
            await invoice.approve(by=ANA)
    calls.answer("open_approvals", [round_of(1)])
    await invoice.reject(by=ANA, comment="wrong price")
    assert calls.message.decision is Decision.REJECT
    assert calls.message.content_hash == "1" * 64
    [item] = await invoice.approvals()
    assert (item.workflow_id, item.approval_round) == (INVOICE, round_of(1))


async def test_many_are_approved_and_one_refusal_does_not_stop_the_rest(
    calls: Calls, c2c: C2C
) -> None:
    calls.answer("open_approvals", [round_of(1)])
    items = await c2c.invoice("northwind/C-1/1").approvals()
    calls.answer("decide_approval", Refused("not now"))
    [outcome] = await c2c.approve_all(items, by=ANA)
    assert (outcome.problem, outcome.is_taken, outcome.unanswered) == ("not now", False, False)
    calls.answer("decide_approval", round_of(1))
    [outcome] = await c2c.approve_all(items, by=ANA)
    assert outcome.is_taken
    first, second = (named["request_id"] for name, _, named in calls.made if "decide" in name)
    assert first != second


# --- exceptions, waiting ------------------------------------------------------------------------


async def test_exceptions_are_those_of_the_contract_or_of_the_invoice(
    calls: Calls, c2c: C2C
) -> None:
    of_contract, of_invoice = examples.parked(parking.CUSTOMER), examples.parked(parking.DELIVER)
    calls.answer("contract", examples.contract_state(exceptions=[of_contract]))
    calls.answer("invoice", examples.invoice_state(exceptions=[of_invoice]))
    assert await c2c.contract_or_invoice("northwind/C-1").exceptions() == [of_contract]
    assert await c2c.contract_or_invoice("northwind/C-1/1").exceptions() == [of_invoice]


async def test_a_correction_that_no_payload_can_hold_is_not_sent(calls: Calls, c2c: C2C) -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep}
    with pytest.raises(InvalidContract):
        await c2c.contract("northwind/C-1").resolve_exception("amend", by=ANA, changes=deep)
    assert calls.made == []


async def test_it_waits_until_the_state_is_enough(calls: Calls, c2c: C2C) -> None:
    calls.answer("contract", NotFound("not started yet"))
    contract = c2c.contract("northwind/C-1")
    looks = 0

    def enough(_: object) -> bool:
        nonlocal looks
        looks += 1
        return looks > 1

    with pytest.raises(TimeoutError, match="not started yet"):
        await contract.wait_until(enough, timeout_seconds=0.1)
    calls.answer("contract", examples.contract_state())
    state = await contract.wait_until(enough)
    assert (state.stage, looks) == (ContractStage.RECEIVED, 2)
    calls.answer("invoice", examples.invoice_state(stage=InvoiceStage.OPEN))
    with pytest.raises(TimeoutError, match=INVOICE):
        await contract.invoice(1).wait_until(lambda _: False, timeout_seconds=0.1)


def test_a_person_may_approve_by_the_rules_of_the_day() -> None:
    seen = round_of(1)
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    item = Awaiting(INVOICE, seen)
    assert item.may_be_approved_by(ANA, at)
    assert not item.may_be_approved_by("sam@northwind.example", at)
