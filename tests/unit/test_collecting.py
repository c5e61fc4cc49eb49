"""What is owed on an invoice, what people may agree about it, and what its contract hears."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from contracts import parking
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.dunning import Act, Dispute, DunningHold, DunningState, Promise
from contracts.invoice import agreements, collecting, issuing, reporting
from contracts.invoice.messages import (
    ContractHoldChange,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    Instalment,
    InvoiceBalance,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceStage, InvoiceState, OwnCredit, WriteOff
from contracts.invoice.waits import invoice_waits
from contracts.money import Money
from contracts.views.agreed import AgreedCard, agreed
from tests.unit.examples import (
    ANA,
    CLEO,
    approval_round,
    balance,
    content,
    draft,
    euros,
    invoice_state,
    parked,
    policy,
    proposal,
)

DUE = date(2026, 4, 1)
MAY = date(2026, 5, 4)
"""A Monday, 33 days after the invoice fell due."""
ASKED = WriteOffAsked(by=ANA, reason="bankrupt")


def posted(residual: str = "3630.00", credited: str = "0", **changes: Any) -> InvoiceState:
    """The first invoice, posted and delivered; changes are the state's."""
    fields: dict[str, Any] = {
        "balance": balance(residual, credited),
        "delivered": True,
        "issued": True,
        "stage": InvoiceStage.OPEN,
        "policy": policy.model_copy(update={"write_off_account": "654000"}),
    }
    return invoice_state(**fields | changes)


def on(day: date, state: InvoiceState) -> InvoiceState:
    """The state at noon of a day."""
    return state.replace(clock=datetime.combine(day, time(12), UTC))


def credit_note(residual: str, **changes: Any) -> InvoiceState:
    content = proposal().model_copy(update={"kind": InvoiceKind.CREDIT_NOTE, "credited_number": 1})
    return posted(residual, **{"proposal": content} | changes)


def known(state: InvoiceState) -> InvoiceBalance:
    assert state.balance is not None
    return state.balance


def contested(amount: str, **changes: Any) -> Dispute:
    return Dispute(amount=euros(amount), reason="half done", by=ANA, opened_on=DUE, **changes)


def promised(on: date = MAY) -> Promise:
    return Promise(on=on, amount=euros("100.00"), by=ANA, made_on=DUE, paid_before=euros("0"))


def held(until: date | None = None) -> DunningHold:
    return DunningHold(by=ANA, reason="talks", since=DUE, until=until)


# --- what is owed ---------------------------------------------------------------------------


def test_what_was_paid_is_money_alone_without_credits_and_write_offs() -> None:
    written_off = balance("0", written_off=euros("30.00"))
    state = posted(
        balance=written_off,
        own_credits={2: OwnCredit(untaxed=euros("500.00"), applied=euros("605.00"))},
    )
    assert collecting.paid(state, written_off) == euros("2995.00")
    assert collecting.credited(state, written_off) == euros("605.00")
    assert collecting.credited_untaxed(state, written_off) == euros("500.00")


def test_credits_made_in_odoo_and_ours_add_up() -> None:
    state = posted(
        balance=balance("0", "121.00", credited_untaxed=euros("100.00")),
        own_credits={2: OwnCredit(untaxed=euros("10.00"), applied=euros("12.10"))},
    )
    assert collecting.credited(state, known(state)) == euros("133.10")
    assert collecting.credited_untaxed(state, known(state)) == euros("110.00")
    assert collecting.paid(state, known(state)) == euros("3496.90")


@pytest.mark.parametrize(
    ("changes", "today", "stage"),
    [
        ({}, DUE, InvoiceStage.OPEN),
        ({}, DUE + timedelta(days=1), InvoiceStage.OVERDUE),
        ({"delivered": False}, MAY, InvoiceStage.POSTED_NOT_DELIVERED),
        ({"balance": balance("630.00")}, DUE, InvoiceStage.PARTIALLY_PAID),
        ({"balance": balance("1.00")}, MAY, InvoiceStage.PARTIALLY_PAID),
        ({"balance": balance("0", in_payment=True)}, MAY, InvoiceStage.IN_PAYMENT),
        ({"balance": balance("0")}, MAY, InvoiceStage.PAID),
        ({"balance": balance("0"), "delivered": False}, MAY, InvoiceStage.PAID),
        ({"balance": balance("0", "3630.00")}, MAY, InvoiceStage.CREDITED),
        ({"balance": balance("0", written_off=euros("30.00"))}, MAY, InvoiceStage.WRITTEN_OFF),
        ({"revised_due_on": MAY}, MAY, InvoiceStage.OPEN),
        ({"dispute": contested("3630.00")}, MAY, InvoiceStage.OPEN),
        ({"dispute": contested("3629.00")}, MAY, InvoiceStage.OPEN),
        ({"dispute": contested("600.00")}, MAY, InvoiceStage.OVERDUE),
        ({"promise": promised()}, MAY, InvoiceStage.OVERDUE),
        ({"hold": held()}, MAY, InvoiceStage.OVERDUE),
    ],
)
def test_the_stage_follows_from_balance_agreements_and_date(
    changes: dict[str, Any], today: date, stage: InvoiceStage
) -> None:
    assert collecting.stage_of(on(today, posted(**changes))) is stage


def test_an_invoice_credited_by_credit_notes_of_ours_is_credited_and_not_paid() -> None:
    state = posted(
        "0", own_credits={2: OwnCredit(untaxed=euros("3000.00"), applied=euros("3630.00"))}
    )
    assert collecting.stage_of(on(MAY, state)) is InvoiceStage.CREDITED


@pytest.mark.parametrize(
    ("residual", "stage"),
    [
        ("3630.00", InvoiceStage.OPEN),
        ("30.00", InvoiceStage.PARTIALLY_PAID),
        ("0", InvoiceStage.CREDITED),
    ],
)
def test_a_credit_note_is_never_overdue(residual: str, stage: InvoiceStage) -> None:
    assert collecting.stage_of(on(MAY, credit_note(residual))) is stage


@pytest.mark.parametrize(
    ("changes", "act"),
    [
        ({}, Act.SEND),
        ({"hold": held()}, Act.WAIT),
        ({"contract_hold": held()}, Act.WAIT),
        ({"promise": promised()}, Act.WAIT),
        ({"dispute": contested("3630.00")}, Act.WAIT),
        ({"dispute": contested("630.00")}, Act.SEND),
        ({"revised_due_on": date(2026, 6, 1)}, Act.WAIT),
        ({"delivered": False}, Act.WAIT),
        ({"balance": balance("0", in_payment=True)}, Act.WAIT),
        ({"balance": balance("1.00")}, Act.CLEAR),
        ({"balance": balance(posted=False, cancelled=True)}, Act.WAIT),
        ({"dunning": DunningState(level=3, sent_on=date(2026, 5, 1))}, Act.EXHAUSTED),
    ],
)
def test_what_pauses_reminders(changes: dict[str, Any], act: Act) -> None:
    assert collecting.dunning_decision(on(MAY, posted(**changes))).act is act


@pytest.mark.parametrize(
    ("residual", "is_small"), [("0", False), ("0.01", True), ("1.00", True), ("1.01", False)]
)
def test_a_rest_within_the_tolerance_is_small(residual: str, is_small: bool) -> None:
    state = posted(residual)
    assert collecting.is_small(state, known(state)) is is_small


# --- what people may agree ------------------------------------------------------------------


def opened(**changes: Any) -> DisputeOpened:
    return DisputeOpened.model_validate({"by": ANA, "reason": "half done"} | changes)


@pytest.mark.parametrize(
    ("state", "changes", "why"),
    [
        (invoice_state(), {}, "nothing is owed on it yet"),
        (posted("0", stage=InvoiceStage.PAID), {}, "nothing is open: the invoice is paid"),
        (credit_note("100.00"), {}, "a credit note"),
        (posted(dispute=contested("5.00")), {}, "5.00 EUR is disputed already"),
        (posted(), {"amount": "3630.01 EUR"}, "3630.00 EUR is open"),
        (posted(), {"amount": "0.00 EUR"}, "above zero"),
        (posted(), {"amount": "-1.00 EUR"}, "above zero"),
        (posted(), {"amount": "5.00 USD"}, "in EUR, not in USD"),
        (posted(), {"revised_due_on": "2026-05-03"}, "past: 2026-05-03"),
    ],
)
def test_a_dispute_that_makes_no_sense_is_refused(
    state: InvoiceState, changes: dict[str, Any], why: str
) -> None:
    refusal = agreements.dispute_refusal(on(MAY, state), opened(**changes))
    assert refusal is not None
    assert why in refusal


def test_without_an_amount_all_that_is_open_is_disputed() -> None:
    state = posted("630.00")
    assert agreements.dispute_refusal(on(MAY, state), opened()) is None
    dispute = agreements.opened_dispute(on(MAY, state), opened())
    assert (dispute.amount, dispute.opened_on) == (euros("630.00"), MAY)


@pytest.mark.parametrize("amount", ["630.00 EUR", "629.99 EUR"])
def test_up_to_all_that_is_open_may_be_disputed(amount: str) -> None:
    assert agreements.dispute_refusal(on(MAY, posted("630.00")), opened(amount=amount)) is None


def test_a_disputed_part_leaves_the_rest_to_be_dunned() -> None:
    state = posted(dispute=contested("630.00"))
    assert collecting.disputed(state, known(state)) == euros("630.00")
    assert collecting.undisputed(state, known(state)) == euros("3000.00")


def resolved(**changes: Any) -> DisputeResolved:
    return DisputeResolved.model_validate({"by": ANA, "comment": "agreed by phone"} | changes)


@pytest.mark.parametrize(
    ("state", "changes", "why"),
    [
        (posted(), {}, "nothing is disputed"),
        (posted(dispute=contested("100.00")), {"accepted": "100.01 EUR"}, "no more than that"),
        (posted(dispute=contested("100.00")), {"accepted": "-1.00 EUR"}, "not below zero"),
        (posted(dispute=contested("100.00")), {"accepted": "1.00 USD"}, "currencies differ"),
        (
            posted(dispute=contested("100.00", accepted=euros("50.00"))),
            {"accepted": "60.00 EUR"},
            "50.00 EUR was accepted already",
        ),
        (
            posted(dispute=contested("100.00")),
            {"revised_due_on": "2026-05-01"},
            "past: 2026-05-01",
        ),
    ],
)
def test_an_end_of_a_dispute_that_makes_no_sense_is_refused(
    state: InvoiceState, changes: dict[str, Any], why: str
) -> None:
    refusal = agreements.resolution_refusal(on(MAY, state), resolved(**changes))
    assert refusal is not None
    assert why in refusal


@pytest.mark.parametrize("accepted", [None, "0.00 EUR", "100.00 EUR", "40.00 EUR"])
def test_a_dispute_ends_with_anything_between_nothing_and_all_of_it(accepted: str | None) -> None:
    state = posted(dispute=contested("100.00"))
    assert agreements.resolution_refusal(on(MAY, state), resolved(accepted=accepted)) is None


def test_an_accepted_dispute_may_still_be_rejected_where_the_credit_note_was() -> None:
    state = posted(dispute=contested("100.00", accepted=euros("50.00")))
    assert agreements.resolution_refusal(on(MAY, state), resolved()) is None


def test_what_was_accepted_stays_disputed_until_that_much_is_credited() -> None:
    state = posted(dispute=contested("630.00"))
    assert state.dispute is not None
    accepted = agreements.accepted_dispute(state, state.dispute, euros("121.00"))
    state = state.replace(dispute=accepted)
    assert accepted.to_credit == euros("100.00")
    assert collecting.undisputed(state, known(state)) == euros("3509.00")
    request = agreements.credit_request(state, accepted, resolved())
    assert (request.number, request.amount) == (1, euros("121.00"))
    assert request.untaxed == euros("100.00")
    assert "half done" in request.reason

    assert not agreements.is_credited(state, accepted)
    almost = OwnCredit(untaxed=euros("99.99"), applied=euros("120.99"))
    assert not agreements.is_credited(state.replace(own_credits={2: almost}), accepted)
    whole = OwnCredit(untaxed=euros("100.00"), applied=euros("121.00"))
    assert agreements.is_credited(state.replace(own_credits={2: whole}), accepted)


def test_what_was_credited_before_a_dispute_does_not_settle_it() -> None:
    state = posted(
        dispute=contested("121.00"),
        own_credits={2: OwnCredit(untaxed=euros("500.00"), applied=euros("605.00"))},
    )
    assert state.dispute is not None
    accepted = agreements.accepted_dispute(state, state.dispute, euros("121.00"))
    assert not agreements.is_credited(state, accepted)


def test_all_of_an_invoice_accepted_is_credited_to_the_cent() -> None:
    state = posted(dispute=contested("3630.00"))
    assert state.dispute is not None
    accepted = agreements.accepted_dispute(state, state.dispute, euros("3630.00"))
    assert accepted.to_credit == euros("3000.00")


def promise(**changes: Any) -> PaymentPromised:
    return PaymentPromised.model_validate({"by": ANA, "on": "2026-05-11"} | changes)


@pytest.mark.parametrize(
    ("state", "changes", "why"),
    [
        (invoice_state(), {}, "nothing is owed on it yet"),
        (posted(), {"on": "2026-05-03"}, "the promised day is past: 2026-05-03"),
        (posted(), {"on": "2027-06-01"}, "for a year at most"),
        (posted(), {"amount": "3630.01 EUR"}, "3630.00 EUR is open"),
        (credit_note("100.00"), {}, "a credit note"),
    ],
)
def test_a_promise_that_makes_no_sense_is_refused(
    state: InvoiceState, changes: dict[str, Any], why: str
) -> None:
    refusal = agreements.promise_refusal(on(MAY, state), promise(**changes))
    assert refusal is not None
    assert why in refusal


def test_a_promise_may_be_for_today_and_is_about_all_that_is_undisputed() -> None:
    state = posted("3000.00", dispute=contested("500.00"))
    today = promise(on=str(MAY))
    assert agreements.promise_refusal(on(MAY, state), today) is None
    taken = agreements.taken_promise(on(MAY, state), today)
    assert (taken.amount, taken.paid_before) == (euros("2500.00"), euros("630.00"))
    stated = agreements.taken_promise(on(MAY, state), promise(amount="10.00 EUR"))
    assert stated.amount == euros("10.00")


def test_of_an_invoice_disputed_in_whole_all_that_is_open_may_be_promised() -> None:
    state = posted("630.00", dispute=contested("630.00"))
    assert agreements.taken_promise(on(MAY, state), promise()).amount == euros("630.00")


@pytest.mark.parametrize(
    ("state", "changes", "why"),
    [
        (posted(), {"on": False}, "not on hold"),
        (posted(contract_hold=held()), {"on": False}, "on the whole contract"),
        (posted(hold=held()), {"on": False, "kind": ContractHoldChange}, "not on hold"),
        (posted(), {"until": "2026-05-03"}, "last day is past"),
        (credit_note("10.00"), {}, "nobody is reminded"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(
    state: InvoiceState, changes: dict[str, Any], why: str
) -> None:
    fields = {"by": ANA, "reason": "talks"} | changes
    change = fields.pop("kind", HoldChange).model_validate(fields)
    refusal = agreements.hold_refusal(on(MAY, state), change)
    assert refusal is not None
    assert why in refusal


def test_a_hold_may_be_set_before_the_invoice_is_posted() -> None:
    change = HoldChange(by=ANA, reason="talks", until=MAY)
    assert agreements.hold_refusal(on(MAY, invoice_state()), change) is None


def asked() -> WriteOff:
    return WriteOff(
        amount=euros("30.00"),
        by=ANA,
        reason="bankrupt",
        asked_on=MAY,
        approval_round=approval_round(),
    )


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (invoice_state(), "nothing is owed on it yet"),
        (posted("0", stage=InvoiceStage.PAID), "nothing is open"),
        (credit_note("10.00"), "a credit note"),
        (posted(write_off=asked()), "30.00 EUR awaits approval already"),
        (posted(balance=balance("30.00", in_payment=True)), "on its way"),
        (
            posted(
                payments=[PaymentReceived(reference="x", amount=euros("1.00"), paid_on=MAY)],
            ),
            "on its way",
        ),
        (posted(policy=policy), "entities.northwind.write_off_account"),
    ],
)
def test_a_write_off_that_makes_no_sense_is_refused(state: InvoiceState, why: str) -> None:
    refusal = agreements.write_off_refusal(state, ASKED)
    assert refusal is not None
    assert why in refusal


def test_an_approval_of_a_write_off_is_bound_to_invoice_amount_and_reason() -> None:
    state = posted("30.00")
    assert agreements.write_off_refusal(state, ASKED) is None
    content = agreements.write_off_content(state, euros("30.00"), "bankrupt")
    assert content.invoice == "INV/2026/00007"
    assert content != agreements.write_off_content(state, euros("29.99"), "bankrupt")
    assert content != agreements.write_off_content(state, euros("30.00"), "too small")


# --- what awaits a decision -----------------------------------------------------------------


def test_only_one_thing_awaits_approval_at_a_time() -> None:
    proposed = invoice_state(approval_round=approval_round(), stage=InvoiceStage.AWAITING_APPROVAL)
    assert proposed.open_round is proposed.approval_round
    assert (
        invoice_state(approval_round=approval_round(), stage=InvoiceStage.APPROVED).open_round
        is None
    )
    write_off = asked()
    issued = posted(approval_round=approval_round(), write_off=write_off)
    assert issued.open_round == write_off.approval_round
    assert posted(approval_round=approval_round()).open_round is None


def test_what_is_decided_does_not_await_a_decision() -> None:
    rejected = approval_round().model_copy(update={"rejected_because": f"{CLEO}: no"})
    assert (
        posted(write_off=asked().model_copy(update={"approval_round": rejected})).open_round is None
    )


# --- what the contract is told --------------------------------------------------------------


def test_the_report_of_a_posted_invoice() -> None:
    state = posted(
        "3000.00",
        draft=draft(),
        dispute=contested("100.00"),
        promise=promised(),
        stage=InvoiceStage.OVERDUE,
        dunning=DunningState(level=2, sent_on=MAY),
        policy=policy.model_copy(
            update={"dunning": policy.dunning.model_copy(update={"suspend_at_level": 2})}
        ),
        revised_due_on=date(2026, 4, 20),
    )
    report = reporting.report(state)
    assert (report.invoice_id, report.odoo_number) == (7, "INV/2026/00007")
    assert (report.amount, report.total) == (euros("3000.00"), euros("3630.00"))
    assert (report.residual, report.disputed) == (euros("3000.00"), euros("100.00"))
    assert (report.due_on, report.promised_on) == (date(2026, 4, 20), MAY)
    assert report.odoo_totals == draft().odoo_totals
    assert (report.dunning_level, report.overdue, report.suspends) == (2, True, True)


@pytest.mark.parametrize("stage", [InvoiceStage.IN_PAYMENT, InvoiceStage.OPEN, InvoiceStage.PAID])
def test_work_is_suspended_only_while_something_is_overdue(stage: InvoiceStage) -> None:
    dunning = policy.dunning.model_copy(update={"suspend_at_level": 1})
    state = posted(
        stage=stage,
        dunning=DunningState(level=1, sent_on=MAY),
        policy=policy.model_copy(update={"dunning": dunning}),
    )
    assert not reporting.report(state).suspends


def test_before_it_is_posted_a_report_has_no_money_but_what_is_quoted() -> None:
    report = reporting.report(invoice_state(draft=draft(), balance=balance(posted=False)))
    assert (report.total, report.residual, report.due_on) == (None, None, None)
    assert report.odoo_totals == draft().odoo_totals


def news(before: InvoiceState, **changes: Any) -> bool:
    now = before.model_copy(update=changes)
    return reporting.is_news(reporting.report(now), reporting.report(before))


WAITING = invoice_state(stage=InvoiceStage.AWAITING_APPROVAL, draft=draft())


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (
            WAITING,
            {"stage": InvoiceStage.REJECTED, "rejected_because": "no", "discarded": True},
        ),
        (WAITING, {"exceptions": [parked(parking.POST_INVOICE)]}),
        (posted(), {"balance": balance("630.00")}),
        (posted(), {"stage": InvoiceStage.OVERDUE}),
        (posted(), {"stage": InvoiceStage.PAID}),
        (posted(), {"dispute": contested("5.00")}),
        (posted(), {"promise": promised()}),
        (posted(), {"revised_due_on": MAY}),
        (posted("0", stage=InvoiceStage.PAID), {"stage": InvoiceStage.SETTLED}),
        (posted(exceptions=[parked(parking.DELIVER)]), {"exceptions": []}),
    ],
)
def test_what_the_contract_uses_is_news(before: InvoiceState, changes: dict[str, Any]) -> None:
    assert news(before, **changes)


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (invoice_state(), {"stage": InvoiceStage.AWAITING_APPROVAL}),
        (WAITING, {}),
        (WAITING, {"draft": draft("3631.00")}),
        # Its draft still stands in Odoo, where somebody might post it.
        (WAITING, {"stage": InvoiceStage.REJECTED, "rejected_because": "no", "draft": draft()}),
        (WAITING, {"stage": InvoiceStage.APPROVED}),
        (posted(stage=InvoiceStage.POSTED_NOT_DELIVERED), {"stage": InvoiceStage.OPEN}),
        (posted(stage=InvoiceStage.OVERDUE), {"dunning": DunningState(level=1, sent_on=MAY)}),
        (posted(), {"hold": held()}),
        (posted(), {"next_action_at": None, "promises_broken": 3}),
        (
            posted(exceptions=[parked(parking.DELIVER)]),
            {"exceptions": [parked(parking.DELIVER, attempts=2)]},
        ),
    ],
)
def test_what_it_does_not_use_costs_no_signal(
    before: InvoiceState, changes: dict[str, Any]
) -> None:
    assert not news(before, **changes)


def test_the_first_report_is_news_unless_the_contract_knows_it_by_itself() -> None:
    assert reporting.is_news(reporting.report(posted()), None)
    assert not reporting.is_news(reporting.report(invoice_state()), None)
    assert not reporting.is_news(reporting.report(WAITING), None)
    stuck = invoice_state(exceptions=[parked(parking.CREATE_INVOICE)])
    assert reporting.is_news(reporting.report(stuck), None)


def test_a_delivery_under_way_is_told_as_open_and_one_that_is_stuck_as_it_is() -> None:
    under_way = posted(stage=InvoiceStage.POSTED_NOT_DELIVERED, delivered=False)
    assert reporting.report(under_way).stage is InvoiceStage.OPEN
    stuck = under_way.model_copy(update={"exceptions": [parked(parking.DELIVER)]})
    assert reporting.report(stuck).stage is InvoiceStage.POSTED_NOT_DELIVERED


# --- what approvers are shown ---------------------------------------------------------------


def test_approvers_see_what_the_draft_says_in_odoo() -> None:
    details = issuing.proposal_details(proposal(), content())
    assert details == (
        "ERP roll-out – Design: 3000.00 EUR",
        "to Acme NV, mailed to ap@acme.example",
        "payment term: 30 Days",
        "purchase order: PO-77",
        "taxes: 21%",
        "accounts: 700000 Sales",
        "journal: Sales",
        "bank account: BE02 1234 5678 9002",
    )


def test_of_very_many_lines_the_first_are_shown_and_the_rest_counted() -> None:
    long: InvoiceProposal = proposal().model_copy(update={"reason": "corrected"})
    details = issuing.proposal_details(long, content(lines=content().lines * 80))
    assert details[50] == "and 30 more lines"
    assert details[-1] == "because: corrected"


def test_an_amount_in_another_currency_is_no_answer_to_a_dispute() -> None:
    state = posted(dispute=contested("100.00"))
    refusal = agreements.resolution_refusal(on(MAY, state), resolved(accepted=Money("0", "USD")))
    assert refusal is not None


# --- instalments ----------------------------------------------------------------------------

JUNE = date(2026, 6, 1)


def in_parts(first: str, second: str, **changes: Any) -> InvoiceState:
    """An invoice in two parts, due on 1 April and 1 June, with so much open of each."""
    parts = tuple(
        Instalment(due_on=due, residual=euros(amount))
        for due, amount in ((DUE, first), (JUNE, second))
        if euros(amount).is_positive
    )
    total = euros(first) + euros(second)
    update = {"instalments": parts, "residual": total, "due_on": JUNE}
    state = posted(**changes)
    return state.model_copy(update={"balance": known(state).model_copy(update=update)})


@pytest.mark.parametrize(
    ("state", "due", "asked"),
    [
        (in_parts("1089.00", "2541.00"), DUE, "1089.00"),
        (in_parts("0.00", "2541.00"), JUNE, "0.00"),
        (in_parts("1.00", "2541.00"), JUNE, "1.00"),  # not worth a reminder of its own
        (in_parts("1089.00", "2541.00", dispute=contested("1089.00")), JUNE, "0.00"),
        (in_parts("1089.00", "2541.00", dispute=contested("89.00")), DUE, "1000.00"),
        (in_parts("1089.00", "2541.00", revised_due_on=MAY), MAY, "3630.00"),
        (posted(), DUE, "3630.00"),
    ],
)
def test_each_instalment_is_asked_for_once_it_is_late(
    state: InvoiceState, due: date, asked: str
) -> None:
    assert collecting.due_on(state) == due
    assert collecting.asked_for(on(MAY, state), known(state)) == euros(asked)


def test_once_all_are_late_everything_is_asked_for() -> None:
    state = in_parts("1089.00", "2541.00")
    later = JUNE + timedelta(days=1)
    assert collecting.asked_for(on(later, state), known(state)) == euros("3630.00")


def test_an_instalment_that_is_paid_starts_the_levels_anew_with_the_next() -> None:
    sent = DunningState(level=2, sent_on=MAY)
    paid = in_parts("0.00", "2541.00", dunning=sent)
    decision = collecting.dunning_decision(on(MAY, paid))
    assert (decision.act, decision.level) == (Act.WAIT, 0)
    assert decision.next_on is not None
    assert decision.next_on > JUNE


# --- what lists show ------------------------------------------------------------------------------


def test_lists_show_all_that_is_agreed_whatever_it_waits_on() -> None:
    state = posted(
        dispute=contested("100.00"), promise=promised(), contract_hold=held(), revised_due_on=DUE
    )
    assert invoice_waits(state)[0] == "dispute"
    card = agreed(state)
    assert card == AgreedCard(disputed=True, held=True, promised_on=MAY, revised_due_on=DUE)
    assert card.agreed_on == MAY
    assert agreed(posted()) == AgreedCard()
    assert agreed(posted("0", dispute=contested("100.00"))) is None
    assert agreed(credit_note("100.00")) is None


def test_an_invoice_waits_for_its_new_due_date_until_that_has_passed() -> None:
    state = on(MAY, posted(revised_due_on=MAY))
    assert invoice_waits(state)[0] == "new_due_date"
    assert invoice_waits(on(MAY + timedelta(days=1), state))[0] == "payment"
    assert invoice_waits(state.replace(promise=promised()))[0] == "promise"
