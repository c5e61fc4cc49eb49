"""What crosses: messages while a contract closes, a cancel beside a running act, lost answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.agenda.actions import Answered, Began, Done, Failed, SignalReceived, UpdateReceived
from contracts.agenda.machine import ActRule
from contracts.audit import entries
from contracts.changes import ChangeOrder
from contracts.contract import rules
from contracts.contract.messages import (
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    Hold,
    HoldKind,
    HoldRequest,
    InvoiceEnded,
    MilestoneReached,
    MilestoneUnreached,
    RetainageRelease,
    ServiceCredit,
    UsageReport,
)
from contracts.contract.state import ContractStage, ContractState, OdooRefs, outcome
from contracts.invoice.messages import CreditRequested
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action as Choice
from tests.unit.contract.examples import fixed_price, hourly, retained
from tests.unit.contract.played import (
    NO_ANSWER,
    OLGA,
    PIA,
    REFUSED,
    SAM,
    Played,
    Refused,
    eur,
    start_invoice,
)
from tests.unit.contract.test_honoured import metered
from workflows.contract_acts import PERFORM

CREDIT = CreditRequest(number=1, by=OLGA, reason="goodwill", amount=eur("100.00"))
ASKED = CreditRequested(
    number=1, amount=eur("121.00"), untaxed=eur("100.00"), by=OLGA, reason="two days late"
)
REOPENING: list[Any] = [
    MilestoneReached(milestone="design", by=PIA),
    MilestoneUnreached(milestone="design", by=PIA),
    UsageReport(records=({"id": "r", "plan": "p", "on": "2026-03-02", "quantity": "1"},)),
    ServiceCredit(retainer="p", reference="r", reason="down", amount=eur("1.00"), by=OLGA),
    CREDIT,
    RetainageRelease(by=OLGA, reason="accepted"),
    ChangeOrder(number=1, by=SAM, reason="more", drop=("live",)),
    HoldRequest(kind=HoldKind.BILLING, by=OLGA, hold=Hold(by=OLGA, reason="audit")),
    CustomerRefresh(by=SAM),
]


def closing(**options: Any) -> Played:
    """A contract whose close-out is under way."""
    life = Played(fixed_price(), **options)
    life.held_back = {"close_out"}
    life.reach("design", "build", "live")
    life.issue(1, 2, 3)
    life.settle(1, 2, 3)
    assert list(life.state.running) == ["close_out"]
    return life


# --- while it closes ------------------------------------------------------------------------------


@pytest.mark.parametrize("message", REOPENING, ids=lambda item: type(item).__name__)
def test_an_update_that_would_bring_work_is_refused_while_the_contract_is_closed(
    message: Any,
) -> None:
    life = closing()
    with pytest.raises(Refused, match="closed just now"):
        life.send(message)
    life.release("close_out")
    assert life.stage() is ContractStage.CLOSED


@pytest.mark.parametrize("message", REOPENING, ids=lambda item: type(item).__name__)
def test_an_update_after_the_close_is_refused(message: Any) -> None:
    life = closing(system="hubspot")
    life.held_back = {"write_back"}
    life.run()
    assert life.stage() is ContractStage.CLOSED
    with pytest.raises(Refused, match="closed"):
        life.send(message)


def closed_and_the_crm_has_yet_to_hear() -> Played:
    life = closing(system="hubspot")
    life.held_back = {"write_back"}
    life.run()
    assert life.stage() is ContractStage.CLOSED
    return life


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (MilestoneUnreached(milestone="live", by=PIA), "milestone live"),
        (ASKED, "a credit of invoice 1"),
    ],
)
def test_a_signal_between_the_close_and_the_write_back_is_listed_until_a_person_has_seen_to_it(
    message: Any, words: str
) -> None:
    """Temporal has accepted it, and a note in the journal of a contract that ends nobody reads."""
    life = closed_and_the_crm_has_yet_to_hear()
    life.signal(message, words)
    life.signal(message, words)
    parked = life.parked["after_close"]
    assert parked.code == "came_after_close"
    assert parked.message.startswith(f"{words}, {words}: this came once the contract was closed")
    life.release("write_back")
    assert not life.has_ended
    assert life.crm[-1].open_exceptions == 1
    life.resolve(Choice.SKIP, "after_close")
    assert life.has_ended
    assert life.stage() is ContractStage.CLOSED
    assert len(life.invoices) == 3


def test_use_that_is_reported_after_the_close_is_listed_and_what_was_known_is_not() -> None:
    life = Played(metered(), system="hubspot")
    record = {"id": "r1", "plan": "calls", "on": "2026-03-02", "quantity": "10"}
    life.send(UsageReport.model_validate({"records": [record]}))
    while life.stage() is not ContractStage.CLOSED:
        life.skip(days=31)
        life.issue_and_settle_all()
        life.held_back = {"write_back"}
    life.signal(UsageReport.model_validate({"records": [record]}), "a usage report")
    life.signal(MilestoneReached(milestone="unknown", by=PIA), "milestone unknown")
    assert not life.parked
    late = record | {"id": "r2", "on": "2026-12-30"}
    life.signal(UsageReport.model_validate({"records": [late]}), "a usage report")
    assert life.parked["after_close"].allowed == (Choice.SKIP,)


def test_what_comes_after_the_close_is_bounded() -> None:
    life = closed_and_the_crm_has_yet_to_hear()
    for _ in range(30):
        life.signal(ASKED, "a credit of invoice 1")
    assert life.parked["after_close"].message.count("a credit of invoice 1") == 20


def test_a_signal_beside_the_close_out_brings_the_contract_back() -> None:
    life = closing()
    life.signal(ASKED, "a credit of invoice 1")
    life.signal(MilestoneReached(milestone="unknown", by=PIA), "milestone unknown")
    life.signal(MilestoneUnreached(milestone="live", by=PIA), "milestone live")
    assert list(life.state.running) == ["close_out"]
    life.release("close_out")
    assert life.stage() is ContractStage.ACTIVE
    assert life.noted("Refused milestone unknown: the contract has no such milestone")
    assert life.invoices[4].proposal.amount == eur("-100.00")
    life.issue(4)
    life.settle(4)
    assert list(life.parked) == ["review:live"]
    life.resolve(Choice.SKIP)
    assert life.begun.count("close_out") == 2
    assert life.stage() is ContractStage.CLOSED


def test_a_signal_that_brings_nothing_new_lets_the_contract_close() -> None:
    life = closing()
    life.signal(MilestoneReached(milestone="design", by=PIA), "milestone design")
    life.release("close_out")
    assert life.stage() is ContractStage.CLOSED
    assert life.begun.count("close_out") == 1
    assert life.has_ended


def test_what_a_contract_accepts_of_service_credits_it_can_add_up() -> None:
    life = Played(retained())
    words = {"retainer": "care", "reason": "outage", "by": OLGA}
    most = ServiceCredit(reference="SLA-1", amount=eur("900000000000.00"), **words)
    life.send(most)
    for reference, amount in (("SLA-2", "999999999999999.00"), ("SLA-3", "100000000000.01")):
        more = most.model_copy(update={"reference": reference, "amount": eur(amount)})
        with pytest.raises(Refused, match="together"):
            life.send(more)
    assert outcome(life.state).money is not None


def test_another_amount_under_a_known_service_credit_is_refused() -> None:
    life = Played(retained())
    words = {"retainer": "care", "reference": "SLA-1", "reason": "outage", "by": OLGA}
    life.send(ServiceCredit(amount=eur("100.00"), **words))
    life.send(ServiceCredit(amount=eur("100.00"), **words))
    with pytest.raises(Refused, match="SLA-1 of care is known as"):
        life.send(ServiceCredit(amount=eur("200.00"), **words))


def test_a_signal_beside_the_close_out_is_served_where_that_fails() -> None:
    life = closing()
    life.signal(ASKED, "a credit of invoice 1")
    life.fates["close_out"] = [REFUSED]
    life.release("close_out")
    assert life.stage() is ContractStage.ACTIVE
    assert life.state.exceptions == ()
    assert life.invoices[4].proposal.amount == eur("-100.00")
    life.issue(4)
    life.settle(4)
    assert life.stage() is ContractStage.CLOSED


def test_a_parked_close_out_is_obsolete_once_there_is_something_to_bill_again() -> None:
    life = closing()
    life.fates["close_out"] = [REFUSED]
    life.release("close_out")
    assert life.parked["close_out"].code == "not_today"
    life.send(CREDIT)
    assert life.state.exceptions == ()
    assert life.stage() is ContractStage.ACTIVE
    life.issue(4)
    life.settle(4)
    assert life.stage() is ContractStage.CLOSED
    assert life.billed() == eur("9900.00")


def test_a_credit_right_before_the_close_out_begins_keeps_it_from_beginning() -> None:
    life = Played(fixed_price())
    life.reach("design", "build", "live")
    life.issue(1, 2, 3)
    life.held_back = {"close_out"}
    life.settle(1, 2)
    # The last invoice ends; the shell has chosen the close-out, and a message comes first.
    report = life.invoices[3].report.model_copy(
        update={"stage": InvoiceStage.SETTLED, "residual": eur("0.00")}
    )
    life.tell(SignalReceived(InvoiceEnded(report=report)))
    chosen = rules.AGENDA.next_action(life.state)
    assert chosen is not None
    life.tell(UpdateReceived(CREDIT))
    outcome = life.tell(Began(chosen))
    assert outcome.refusal == "close_out is not wanted any more"
    life.run()
    assert list(life.invoices) == [1, 2, 3, 4]


def test_parts_of_the_close_out_that_are_done_are_not_done_again_and_can_be_given_up() -> None:
    life = closing()
    left = {"steps": ["closing_record", "archive_project"]}
    life.fates["close_out"] = [
        Failed("business", "no_room", "full", part="closing_record", facts=left)
    ]
    life.release("close_out")
    assert life.parked["closing_record"].allowed == (Choice.RETRY, Choice.SKIP)
    life.fates["close_out"] = [
        Failed("business", "gone", "no project", part="archive_project", facts=None)
    ]
    life.resolve(Choice.SKIP, "closing_record")
    assert life.state.close_out_done == ("close_out", "closing_record")
    life.resolve(Choice.SKIP, "archive_project")
    assert life.stage() is ContractStage.CLOSED


def test_a_close_out_whose_answer_was_lost_is_looked_for_and_not_given_up() -> None:
    life = closing()
    life.finish("close_out", lost=True)
    [parked] = life.state.exceptions
    assert (parked.uncertain, parked.allowed) == (True, (Choice.RETRY,))
    with pytest.raises(Refused, match="may have happened"):
        life.resolve(Choice.SKIP)
    life.held_back = set()
    life.resolve(Choice.RETRY)
    assert life.stage() is ContractStage.CLOSED


# --- a cancel beside a running act ----------------------------------------------------------------


def cancel(life: Played) -> None:
    life.send(CancelRequest(by=SAM, reason="changed their mind"))


def test_a_refused_part_does_not_tell_what_an_earlier_attempt_has_set_up() -> None:
    life = held(fixed_price(), "provision")
    life.finish("provision", lost=True)
    life.fates["provision"] = [Failed("business", "customer_ambiguous", "two of that name")]
    life.resolve(Choice.RETRY)
    life.finish("provision")
    [parked] = life.state.exceptions
    assert (parked.code, parked.uncertain) == ("customer_ambiguous", True)
    with pytest.raises(Refused, match="nobody knows yet whether this has happened: provision"):
        cancel(life)
    life.resolve(Choice.RETRY)
    life.release("provision")
    cancel(life)
    assert life.stage() is ContractStage.CANCELLED
    assert life.odoo.is_cancelled


def test_a_cancel_lets_provisioning_end_and_takes_back_what_it_made() -> None:
    life = held(fixed_price(deposit=DEPOSIT, services=SERVICES), "provision")
    cancel(life)
    assert life.stage() is ContractStage.PROVISIONING
    life.release("provision")
    assert life.stage() is ContractStage.CANCELLED
    assert life.begun[-2:] == ["cancel_order", "archive_project"]
    assert life.odoo.is_cancelled
    assert life.odoo.is_archived
    assert life.invoices == {}
    assert life.has_ended


def test_a_cancel_beside_a_validation_leaves_nothing_to_take_back() -> None:
    life = held(fixed_price(), "validate")
    cancel(life)
    life.release("validate")
    assert life.stage() is ContractStage.CANCELLED
    assert life.begun == ["validate"]


def test_a_cancel_beside_half_of_a_provisioning_takes_back_that_half() -> None:
    life = held(fixed_price(), "provision")
    cancel(life)
    made = OdooRefs(company_id=1, partner_id=2, project_id=3)
    life.fates["provision"] = [
        Failed("business", "no", "refused", part="order", facts=made.model_dump(mode="json"))
    ]
    life.release("provision")
    assert life.stage() is ContractStage.CANCELLED
    assert life.begun[-1] == "archive_project"
    assert not life.odoo.is_cancelled


def test_a_cancel_is_refused_while_nobody_knows_what_provisioning_has_done() -> None:
    life = held(fixed_price(), "provision")
    life.finish("provision", lost=True)
    with pytest.raises(Refused, match="nobody knows yet"):
        cancel(life)
    life.held_back = set()
    life.resolve(Choice.RETRY, "provision")
    assert life.stage() is ContractStage.ACTIVE
    cancel(life)
    assert life.stage() is ContractStage.CANCELLED


def test_a_proposal_that_waits_for_odoo_is_proposed_no_more_after_a_cancel() -> None:
    """What is entered as proposed and was never sent out goes with the contract."""
    life = held(fixed_price(deposit=DEPOSIT, services=SERVICES), "set_delivered")
    assert list(life.state.starting) == [1]
    assert list(life.acts) == ["delivered:1"]
    cancel(life)
    life.release("set_delivered")
    assert life.invoices == {}
    assert life.stage() is ContractStage.CANCELLED


def test_a_cancel_beside_the_start_of_an_invoice_is_refused() -> None:
    life = held(fixed_price(), "start_invoice")
    life.reach("design")
    with pytest.raises(Refused, match="about to be: invoice 1"):
        cancel(life)
    life.release("start_invoice")
    life.reject(1)
    cancel(life)
    assert life.stage() is ContractStage.CANCELLED


def test_nothing_begins_after_a_cancel_but_what_takes_it_back() -> None:
    life = held(hourly(), "cancel_order")
    cancel(life)
    assert list(life.acts) == ["cancel_order"]
    with pytest.raises(Refused, match=r"closed just now|being cancelled"):
        life.send(MilestoneReached(milestone="design", by=PIA))
    life.skip(days=60)
    assert list(life.acts) == ["cancel_order"]
    cancel(life)  # said twice, it counts once
    life.fates["cancel_order"] = [REFUSED]
    life.release("cancel_order")
    assert life.parked["cancel_order"].allowed == (Choice.RETRY, Choice.SKIP)
    life.resolve(Choice.SKIP)
    assert life.stage() is ContractStage.CANCELLED
    assert life.odoo.is_archived


def test_a_cancel_waits_for_a_reading_and_bills_nothing_of_it() -> None:
    life = held(hourly(), "read_time")
    life.skip(days=40)
    assert list(life.acts) == ["read:dev"]
    cancel(life)
    assert life.begun[-1] == "read:dev"
    life.release("read_time")
    assert life.stage() is ContractStage.CANCELLED
    assert life.invoices == {}


def test_a_rejected_proposal_that_is_cancelled_cancels_the_contract() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.reject(1)
    life.resolve(Choice.CANCEL)
    assert life.stage() is ContractStage.CANCELLED


# --- lost answers ---------------------------------------------------------------------------------


def test_an_invoice_whose_start_was_not_answered_is_not_started_twice() -> None:
    life = held(fixed_price(), "start_invoice")
    life.reach("design")
    life.finish("start:1", lost=True)
    assert life.parked["start:1"].code == "no_answer"
    with pytest.raises(Refused, match="nobody knows yet"):
        cancel(life)
    life.held_back = set()
    life.resolve(Choice.RETRY)
    assert list(life.invoices) == [1]
    # This run would not hear its end: it is asked to report it.
    assert life.invoices[1].asked_to_report == 1
    life.issue(1)
    life.settle(1)
    assert life.state.invoices[1].stage is InvoiceStage.SETTLED


def test_an_invoice_that_reports_was_started_although_the_answer_to_that_was_lost() -> None:
    """Nothing is left of its start when it is rejected and composed again."""
    life = held(fixed_price(), "start_invoice")
    life.reach("design")
    life.finish("start:1", lost=True)
    life.held_back = set()
    life.reject(1)
    assert life.state.starting == {}
    assert list(life.parked) == ["proposal:design"]
    life.resolve(Choice.RETRY)
    assert list(life.invoices) == [1, 2]
    life.issue(2)
    assert life.state.invoices[2].stage is InvoiceStage.OPEN


def test_an_invoice_may_report_before_its_start_is_answered() -> None:
    """Temporal hands in Signals before the results of the same moment."""
    life = held(fixed_price(), "start_invoice")
    life.reach("design")
    action = life.acts["start:1"]
    start_invoice(life, action, None)
    life.issue(1)
    assert life.state.invoices[1].stage is InvoiceStage.OPEN
    life.acts.pop("start:1")
    life.tell(Answered("start:1", Done(True)))
    assert life.state.invoices[1].stage is InvoiceStage.OPEN
    assert life.state.followed == (1,)


def test_older_news_of_an_invoice_that_has_ended_is_none() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.issue(1)
    before = life.invoices[1].report
    life.settle(1)
    life.signal(before)
    assert life.state.invoices[1].stage is InvoiceStage.SETTLED


def test_an_invoice_that_was_gone_between_two_runs_was_clear_or_is_for_a_person() -> None:
    life = Played(fixed_price())
    life.reach("design", "build")
    life.issue(1, 2)
    paid = {"stage": InvoiceStage.PAID, "residual": eur("0.00")}
    life.signal(life.invoices[1].report.model_copy(update=paid))
    life.fates["contract_renewed"] = [NO_ANSWER, NO_ANSWER]
    life.renew()
    assert life.state.invoices[1].stage is InvoiceStage.SETTLED
    assert life.parked["follow:2"].code == "invoice_ended"


def test_a_reading_is_taken_although_the_contract_changed_meanwhile() -> None:
    """Facts count whatever became of the act: only what is decided by them has to stand."""
    life = held(hourly(), "read_time")
    life.skip(days=40)
    hold = HoldRequest(
        kind=HoldKind.BILLING,
        by=OLGA,
        hold=Hold(by=OLGA, reason="audit", until=life.today + timedelta(days=3)),
    )
    life.send(hold)
    life.release("read_time")
    assert life.state.account.read_until["dev"] == life.today.replace(day=1) - timedelta(days=1)


def test_a_credit_that_is_not_possible_waits_for_a_person_until_it_is() -> None:
    life = Played(fixed_price())
    life.reach("design")
    life.signal(ASKED)
    assert life.parked["credit:1"].code == "credit_not_possible"
    life.issue(1)
    assert life.state.exceptions == ()
    assert life.invoices[2].proposal.amount == eur("-100.00")
    too_much = ASKED.model_copy(update={"untaxed": eur("9000.00")})
    life.signal(too_much)
    life.resolve(Choice.SKIP, "credit:1")
    assert life.state.credits_asked == ()


# --- what must hold of the rules ------------------------------------------------------------------


def test_every_act_has_an_answer_and_parks_or_says_what_becomes_of_its_failure() -> None:
    plain = ActRule[ContractState]()
    for kind in PERFORM.keys() - {entries.WRITE}:  # the agenda's own
        rule = rules.AGENDA.acts[kind]
        assert not rule.is_question
        assert rule.step is not None or rule.failed is not plain.failed


# --- what is played -------------------------------------------------------------------------------

DEPOSIT = {"amount": "500.00", "service": "down"}
SERVICES = [
    {"key": "build", "code": "BUILD", "description": "Build", "amount": "10000.00"},
    {"key": "down", "code": "DEPOSIT", "description": "Down payment", "amount": "0.00"},
]


def held(contract_data: Any, *kinds: str) -> Played:
    """A contract with acts of these kinds held back from the beginning."""
    return Played(contract_data, held_back=kinds)
