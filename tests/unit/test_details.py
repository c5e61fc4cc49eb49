"""What a person sees of a workflow, and that what it tells them to send would be taken."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contracts import parking
from contracts.approvals import HASH_PREFIX, Approval, ApprovalDecision, ApprovalRound, Decision
from contracts.billing import account
from contracts.billing.lines import InvoiceProposal
from contracts.billing.state import BillingState
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CancelRequest,
    Hold,
    HoldKind,
    NoticeGiven,
    Side,
    TerminationRequest,
)
from contracts.contract.state import (
    ContractStage,
    ContractState,
    MilestoneProgress,
    OdooRefs,
    PendingChange,
)
from contracts.contract.waits import contract_waits
from contracts.dunning import Dispute, DunningHold, DunningState, Promise
from contracts.invoice.state import InvoiceStage
from contracts.invoice.waits import invoice_waits
from contracts.journal import Journal
from contracts.model import Contract
from contracts.parking import Action, Resolution, Step, StepException, Waiting, refusal
from contracts.problems import Problem, show
from contracts.views.details import agreements, contract_details, invoice_details
from contracts.views.status import conditions, invoice_rows, milestone_status, plan_rows
from starters.client.changing import preview
from tests.unit.engagements import active, at, example, issue, managed, mixed, propose, reach
from tests.unit.examples import (
    ANA,
    BOB,
    CLEO,
    DORA,
    EMIL,
    FRIDAY,
    MONDAY,
    NOON,
    approval_round,
    balance,
    contract,
    contract_data,
    contract_state,
    draft,
    euros,
    invoice_state,
    parked,
    proposal,
    report,
)

TEMPORALS_LIMIT_BYTES = 20_000

STEPS = [step for step in vars(parking).values() if isinstance(step, Step)]

VAT = Problem(code="vat_invalid", field="customer.vat_number", value="BE1", expected="a valid one")


def json_blocks(details: str) -> list[str]:
    return re.findall(r"```json\n(.*?)\n```", details, flags=re.DOTALL)


def table_rows(details: str) -> list[list[str]]:
    """The cells of the tables, which are text in code blocks."""
    blocks = re.findall(r"^```\n(.*?)\n```$", details, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if "─" not in line]
    return [re.split(r" {2,}", line) for line in lines]


# --- a contract -----------------------------------------------------------------------------


def billed(*milestones: tuple[str, int | None]) -> BillingState:
    """The billing with these milestones reached, and proposed under these numbers."""
    billing = account.begin(contract(), MONDAY)
    for key, number in milestones:
        billing = account.reach(billing, key, MONDAY)
        if number is not None:
            billing = account.propose(billing, composed(billing, f"milestone:{key}", number))
    return billing


def composed(billing: BillingState, occasion: str, number: int) -> account.Composition:
    found = account.compose(billing, occasion, number, MONDAY)
    assert isinstance(found, account.Composition)
    return found


def test_a_contract_at_a_glance() -> None:
    journal = Journal()
    journal = journal.noted(datetime(2026, 3, 2, 7, 5, tzinfo=UTC), "Signed")
    journal = journal.noted(NOON, "Milestone design reached")
    details = contract_details(
        contract_state(
            stage=ContractStage.ACTIVE,
            odoo=OdooRefs(order_name="S00042", project_name="ERP roll-out"),
            milestones={
                "design": MilestoneProgress(reached_on=MONDAY),
                "live": MilestoneProgress(reached_on=MONDAY),
                "course": MilestoneProgress(),
            },
            billing=billed(("design", 1), ("live", None)),
            invoices={
                1: report(
                    1,
                    InvoiceStage.OVERDUE,
                    untaxed="3000.00",
                    total="3630.00",
                    residual="630.00",
                    credited="0",
                    credited_untaxed="0",
                )
            },
            waiting=Waiting(on="milestone", since=datetime(2026, 3, 2, 7, 5, tzinfo=UTC)),
            journal=journal,
        )
    )
    assert details == (
        "## ERP roll-out (C-1)\n\n"
        "**Acme NV** · 10000.00 EUR · northwind\n\n"
        "**Stage:** active  \n"
        "**Waits for:** a milestone to be reached: course, since 2026-03-02 08:05\n\n"
        "- To be proposed: Go-live, 6000.00 EUR\n\n"
        "```\n"
        "Milestone             Amount  State\n"
        "─────────────────────────────────────────────────\n"
        "Design (design)  3000.00 EUR  proposal 1: overdue\n"
        "Go-live (live)   6000.00 EUR  reached 2026-03-02\n"
        "Course (course)  1000.00 EUR  planned\n"
        "```\n\n"
        "```\n"
        "Invoice     For     Without tax        Open  State\n"
        "────────────────────────────────────────────────────\n"
        "proposal 1  Design  3000.00 EUR  630.00 EUR  overdue\n"
        "```\n\n"
        "```\n"
        "Money                  Amount\n"
        "─────────────────────────────\n"
        "Value            10000.00 EUR\n"
        "Invoiced          3000.00 EUR\n"
        "Credited             0.00 EUR\n"
        "To invoice        7000.00 EUR\n"
        "Billed with tax   3630.00 EUR\n"
        "Paid              3000.00 EUR\n"
        "Open               630.00 EUR\n"
        "Overdue            630.00 EUR\n"
        "```\n\n"
        "Odoo: order **S00042**, project ERP roll-out\n\n"
        # The newest first, by the clock on the wall in Brussels.
        "- 2026-03-02 13:00 Milestone design reached\n"
        "- 2026-03-02 08:05 Signed"
    )


def test_a_contract_of_several_models_shows_each() -> None:
    details = contract_details(mixed())
    rows = table_rows(details)
    plans = {row[0]: row for row in rows}
    assert plans["development"][1:] == [
        "hours, each month, at most 20000.00 EUR",
        "1500.00 EUR",
        "2026-04-01 (March 2026)",
    ]
    assert "0.00 EUR" in plans["travel"]
    # The newest invoice first; a credit note is negative.
    start = next(at for at, row in enumerate(rows) if row[0] == "Invoice")
    assert [row[:3] for row in rows[start + 1 : start + 6]] == [
        ["proposal 5", "Pilot live", "15010.01 EUR"],
        ["RINV/2026/00004", "Credit of Concept accepted", "-100.00 EUR"],
        ["INV/2026/00003", "Concept accepted", "7500.00 EUR"],
        ["INV/2026/00002", "February 2026", "1425.00 EUR"],
        ["INV/2026/00001", "Deposit", "8000.00 EUR"],
    ]
    for sentence in (
        "- Deposit not deducted yet: 2005.01 EUR",
        "- Held back: 1570.00 EUR, to be released on 2027-03-31",
        "- Purchase order PO-4712: 31835.01 EUR of 65000.00 EUR billed or proposed",
    ):
        assert sentence in details


def test_a_managed_contract_shows_its_fee_its_use_and_its_renewal() -> None:
    state = managed()
    assert [(row.key, row.terms, row.next) for row in plan_rows(state)] == [
        (
            "service-desk",
            "3000.00 EUR each month in advance, 20 hours included",
            "2026-02-01 (February 2026)",
        ),
        (
            "shipments",
            "shipment, each quarter, at least 1500.00 EUR, at least 10000.00 EUR in all",
            "2026-04-01 (2026-01-15 to 2026-03-31)",
        ),
    ]
    details = contract_details(state)
    owed = "two hours of standstill, -50.00 EUR"
    assert f"- To be deducted from the next invoice: {owed}" in details
    assert (
        "- Renewed for 12 months after 2026-12-31, unless notice is given by 2026-10-02" in details
    )
    assert "Milestone" not in details


def test_a_plan_that_is_over_says_so() -> None:
    state = at(active(example("managed")), date(2027, 1, 1))
    assert [row.next for row in plan_rows(state)] == ["over", "over"]


def changing(state: ContractState) -> ContractState:
    order = ChangeOrder(number=1, by="pm", reason="more scope", reprice={"live": "7000.00"})
    found = preview(state, order)
    change = PendingChange(
        order=order,
        contract=found.after,
        changes=tuple(found.changes),
        approval_round=approval_round(),
    )
    return state.replace(change=change)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (
            contract_state(
                holds={
                    HoldKind.BILLING: Hold(by="ana", reason="audit", until=MONDAY),
                    HoldKind.DUNNING: Hold(by="bob", reason="talks"),
                }
            ),
            ["Billing on hold until 2026-03-02 (ana): audit", "Dunning on hold (bob): talks"],
        ),
        (
            contract_state(
                termination=TerminationRequest(
                    side=Side.CUSTOMER, by="ana", reason="merger", on=MONDAY, agreed=True
                )
            ),
            ["Ends early on 2026-03-02 by the customer, as agreed (ana): merger"],
        ),
        (
            contract_state(
                terminated=True,
                termination=TerminationRequest(side=Side.FIRM, by="ana", reason="x", on=MONDAY),
            ),
            ["Ended early on 2026-03-02 by the firm (ana): x"],
        ),
        (
            contract_state(notice=NoticeGiven(side=Side.FIRM, by="ana", on=MONDAY)),
            ["Notice given by the firm on 2026-03-02 (ana): it is not renewed"],
        ),
        (
            contract_state(cancel=CancelRequest(by="ana")),
            ["Cancelled (ana)"],
        ),
        (
            contract_state(
                odoo=OdooRefs(project_suspended=True),
                invoices={
                    1: report(1, InvoiceStage.OVERDUE).model_copy(
                        update={"suspends": True, "odoo_number": "INV/1"}
                    )
                },
            ),
            ["Work is suspended: INV/1 unpaid"],
        ),
        (
            contract_state(contract=contract(version=2), order_version=contract()),
            ["The order in Odoo is still at version 1"],
        ),
    ],
)
def test_what_was_decided_about_a_contract_is_told(state: ContractState, told: list[str]) -> None:
    assert conditions(state) == told
    details = contract_details(state)
    assert all(f"- {text}" in details for text in told)


def test_what_re_invoicing_at_the_present_terms_would_change_is_told() -> None:
    agreed = example("managed")
    plan = agreed.retainers[0]
    state = issue(active(agreed, date(2026, 1, 15)), "period:2026-01-15", date(2026, 1, 15))
    dearer = plan.model_copy(update={"fee": plan.fee + plan.fee})
    now = agreed.model_copy(update={"retainers": (dearer, *agreed.retainers[1:])})
    before = state.account.invoices[1].lines[0].amount
    state = state.replace(billing=account.adopt(state.account, now, date(2026, 1, 15)))
    told = conditions(state)
    assert (
        f"Invoice 1 bills {before} of {plan.key} by earlier terms; the present ones come to "
        f"{before + before} (+{before}): credit it with a new invoice to bill that"
    ) in told
    assert "by earlier terms" in contract_details(state)


def test_a_pending_change_order_is_told_with_all_it_changes() -> None:
    state = changing(contract_state())
    first, *rest = conditions(state)
    assert first == (
        f"Change order 1 by pm awaits approval: more scope; needs {approval_round().missing}"
    )
    assert "Change order 1: milestone Go-live: 6000.00 EUR -> 7000.00 EUR" in rest
    assert state.change
    assert len(rest) == len(state.change.changes)


def test_the_version_is_named_once_there_was_a_change() -> None:
    assert "version" not in contract_details(contract_state())
    changed = contract_state(contract=contract(version=2), order_version=contract(version=2))
    assert "northwind · version 2" in contract_details(changed)


def test_what_is_not_billed_is_listed_with_its_reason() -> None:
    state = propose(reach(active(contract()), "design", MONDAY), "milestone:design", MONDAY)
    billing = account.rejected(state.account, 1)
    billing = account.waive_rejected(billing, 1, "ana", "a favour", MONDAY)
    state = at(state.replace(billing=billing), MONDAY)
    details = contract_details(state)
    assert "- Not billed: Design: 3000.00 EUR (ana: a favour)" in details
    assert ["Design (design)", "3000.00 EUR", "not billed: ana: a favour"] in table_rows(details)


def test_contract_data_that_is_no_contract_yet_is_named_all_the_same() -> None:
    received = contract_state(contract=None, contract_data={"title": "ERP"})
    assert contract_details(received).startswith("## ERP (C-1)\n\n**Stage:** received")
    unnamed = contract_state(contract=None)
    assert contract_details(unnamed).startswith("## Contract (C-1)")
    assert table_rows(contract_details(received)) == []
    assert "Odoo" not in contract_details(received)


@pytest.mark.parametrize(
    ("changes", "on", "told"),
    [
        ({"stage": ContractStage.PROVISIONING}, None, "the systems (no person is needed)"),
        (
            {
                "stage": ContractStage.PROVISIONING,
                "milestones": {"design": MilestoneProgress()},
            },
            None,
            "the systems (no person is needed)",
        ),
        ({"stage": ContractStage.CLOSED}, None, "nothing, it has ended"),
        ({"stage": ContractStage.CANCELLED}, None, "nothing, it has ended"),
        (
            {
                "stage": ContractStage.ACTIVE,
                "milestones": {
                    "design": MilestoneProgress(reached_on=MONDAY),
                    "live": MilestoneProgress(),
                },
                "invoices": {1: report(1, InvoiceStage.OPEN)},
            },
            "milestone",
            "a milestone to be reached: live",
        ),
        (
            {
                "stage": ContractStage.ACTIVE,
                "milestones": {"design": MilestoneProgress(reached_on=MONDAY)},
                "invoices": {
                    1: report(1, InvoiceStage.PAID),
                    2: report(2, InvoiceStage.OPEN),
                    3: report(3, InvoiceStage.OVERDUE),
                },
            },
            "invoices",
            "invoice 2, 3 to be settled",
        ),
        (
            {
                "stage": ContractStage.ACTIVE,
                "milestones": {"live": MilestoneProgress()},
                "invoices": {
                    1: report(1, InvoiceStage.REJECTED),
                    2: report(2, InvoiceStage.AWAITING_APPROVAL),
                    3: report(3, InvoiceStage.PROPOSED),
                },
            },
            "milestone",
            "a milestone to be reached: live",
        ),
        (
            {
                "stage": ContractStage.ACTIVE,
                "invoices": {
                    1: report(1, InvoiceStage.REJECTED),
                    2: report(2, InvoiceStage.AWAITING_APPROVAL),
                    3: report(3, InvoiceStage.PROPOSED),
                },
            },
            "invoices",
            "proposal 2, 3 to be approved",
        ),
        (
            {"stage": ContractStage.ACTIVE, "holds": {HoldKind.BILLING: Hold(by="a", reason="b")}},
            "hold",
            "the hold on billing to end: b",
        ),
        (
            {"stage": ContractStage.ACTIVE, "change": changing(contract_state()).change},
            "approval",
            "change order 1 to be approved",
        ),
        (
            {
                "stage": ContractStage.ACTIVE,
                "contract": example("managed"),
                "billing": account.begin(example("managed"), date(2026, 1, 15)),
            },
            "period",
            "the next billing day, 2026-04-01: service-desk for April 2026",
        ),
        (
            {"stage": ContractStage.CLOSING, "invoices": {1: report(1, InvoiceStage.REJECTED)}},
            "invoices",
            "the settlement period of its invoices",
        ),
        (
            {
                "stage": ContractStage.CLOSING,
                "invoices": {1: report(1, InvoiceStage.PAID), 2: report(2, InvoiceStage.CREDITED)},
            },
            "invoices",
            "the settlement period of its invoices",
        ),
        (
            {"stage": ContractStage.ACTIVE, "exceptions": [parked(parking.ORDER)]},
            "exception",
            "operations: Create the sales order",
        ),
        (
            {"exceptions": [parked(parking.ORDER, kind=parking.CREDENTIALS)]},
            "credentials",
            "operations: Create the sales order",
        ),
    ],
)
def test_what_a_contract_waits_on(changes: dict[str, Any], on: str | None, told: str) -> None:
    state = contract_state(**changes)
    assert contract_waits(state) == (on, told)
    assert f"**Waits for:** {told}" in contract_details(state)


def test_the_step_that_is_parked_longest_is_the_one_waited_on() -> None:
    later = parked(parking.ORDER, since=NOON + timedelta(hours=1))
    exceptions = (later, parked(parking.WRITE_BACK))
    _, told = contract_waits(contract_state(exceptions=exceptions))
    assert told.startswith("sales: Write the status to the CRM")


def test_a_contract_waits_for_the_day_that_releases_what_is_held_back() -> None:
    on = date(2026, 12, 1)
    state = issue(active(example("mixed")), "deposit", on)
    for item in state.terms.milestones:
        state = issue(reach(state, item.key, on), f"milestone:{item.key}", on)
    state = at(state, date(2027, 1, 4))
    assert contract_waits(state) == ("retainage", "2000.00 EUR held back until 2027-03-31")


@pytest.mark.parametrize(
    ("key", "under_review", "told"),
    [
        ("course", False, "planned"),
        ("live", False, "reached 2026-03-02"),
        ("design", False, "INV/2026/00007: paid"),
        ("design", True, "INV/2026/00007: paid, not reached after all: to be reviewed"),
    ],
)
def test_a_milestones_state_in_words(key: str, under_review: bool, told: str) -> None:
    paid = report(2, InvoiceStage.PAID).model_copy(update={"odoo_number": "INV/2026/00007"})
    reached = MilestoneProgress(reached_on=MONDAY, under_review=under_review)
    state = contract_state(
        invoices={2: paid},
        billing=billed(("design", 2), ("live", None)),
        milestones={"design": reached, "live": reached, "course": MilestoneProgress()},
    )
    assert milestone_status(state, key) == told


def test_a_bar_or_a_line_break_in_a_name_does_not_break_the_table() -> None:
    named = contract_data()
    named["milestones"][0]["name"] = "Design | Build\nphase one"
    details = contract_details(contract_state(contract=contract(**named)))
    rows = table_rows(details)
    assert rows[1] == ["Design | Build phase one (design)", "3000.00 EUR", "planned"]
    assert {len(row) for row in rows[:4]} == {3}


# --- what is parked -------------------------------------------------------------------------


def suggested(details: str) -> Resolution:
    """The one resolution the details suggest, read as a person would send it."""
    [block] = json_blocks(details)
    return Resolution.model_validate_json(block)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
@pytest.mark.parametrize(
    "complaint",
    [{}, {"field": "customer.vat_number", "value": "BE1"}, {"problems": [VAT]}],
    ids=["no field", "a field", "problems"],
)
def test_the_resolution_that_is_suggested_would_be_taken(
    step: Step, complaint: dict[str, Any]
) -> None:
    exception = parked(step, **complaint)
    for details in (
        contract_details(contract_state(exceptions=[exception])),
        invoice_details(invoice_state(exceptions=[exception])),
    ):
        assert refusal([exception], suggested(details)) is None


def test_a_parked_step_tells_what_is_wrong_and_how_to_mend_it() -> None:
    exception = parked(
        parking.VALIDATE,
        code="contract_invalid",
        message="the contract is not complete",
        problems=[VAT],
        attempts=2,
    )
    details = contract_details(contract_state(contract=None, exceptions=[exception]))
    assert "### Parked: Validate the contract" in details
    assert "`contract_invalid` · since 2026-03-02 13:00 · sales · attempt 2" in details
    assert "> the contract is not complete" in details
    assert "- `customer.vat_number` expected a valid one, found `BE1`" in details
    assert "Possible: retry, amend, cancel. Send the Update `resolve_exception`" in details
    assert suggested(details) == Resolution(
        action=Action.AMEND,
        by="you@your.firm",
        step="validate",
        changes={"customer.vat_number": "…"},
    )


def test_the_field_a_remote_refused_is_shown_with_its_value() -> None:
    exception = parked(parking.ORDER, field="services.0.code", value="BUILT")
    details = contract_details(contract_state(exceptions=[exception]))
    assert "Field `services.0.code` = `BUILT`" in details
    assert suggested(details).changes == {"services.0.code": "…"}


def test_a_parked_step_that_names_no_field_and_no_message_leaves_no_gap() -> None:
    details = contract_details(contract_state(exceptions=[parked(parking.ORDER, message="")]))
    assert "Field" not in details
    assert ">" not in details


def test_every_parked_step_has_its_own_suggestion() -> None:
    exceptions = [parked(parking.CONFIRM), parked(parking.WRITE_BACK)]
    blocks = json_blocks(contract_details(contract_state(exceptions=exceptions)))
    resolutions = [Resolution.model_validate_json(block) for block in blocks]
    assert [item.step for item in resolutions] == ["confirm", "write_back"]
    assert all(refusal(exceptions, item) is None for item in resolutions)


# --- an invoice -----------------------------------------------------------------------------


def given(*people: str, **changes: Any) -> ApprovalRound:
    """The round of the first invoice, approved by these people so far."""
    content_hash = draft().approval_hash
    approvals = [Approval(by=by, content_hash=content_hash, at=NOON) for by in people]
    return approval_round().model_copy(update={"approvals": approvals, **changes})


def test_an_invoice_to_approve_at_a_glance() -> None:
    state = invoice_state(
        stage=InvoiceStage.AWAITING_APPROVAL,
        approval_round=given(ANA),
        draft=draft(),
        next_action_at=NOON,
        waiting=Waiting(on="approval", since=NOON),
    )
    assert invoice_details(state) == (
        "## Acme NV: proposal 1\n\n"
        "**Stage:** awaiting_approval  \n"
        f"**Waits for:** 1 approval by {BOB} (finance), since 2026-03-02 13:00\n\n"
        "**Next action:** 2026-03-02 13:00\n\n"
        "```\n"
        "Line                        Amount\n"
        "──────────────────────────────────\n"
        "ERP roll-out – Design  3000.00 EUR\n"
        "Total without tax      3000.00 EUR\n"
        "21% | VAT               630.00 EUR\n"
        "Total with tax         3630.00 EUR\n"
        "```\n\n"
        f"**Approvals of invoice 1 of C-1:** {ANA} (2026-03-02)\n\n"
        "To approve, send the Update `decide_approval` (or the Signal `approval_decided`) with:\n\n"
        "```json\n"
        '{"decision": "approve", "by": "you@your.firm", '
        f'"content_hash": "{draft().approval_hash[:HASH_PREFIX]}", "amount": "3000.00 EUR"}}\n'
        "```"
    )


def test_the_approval_that_is_suggested_names_this_content_and_amount() -> None:
    [block] = json_blocks(invoice_details(invoice_state(stage=InvoiceStage.AWAITING_APPROVAL)))
    decision = ApprovalDecision.model_validate_json(block)
    assert decision.decision is Decision.APPROVE
    assert len(decision.content_hash) == HASH_PREFIX
    assert draft().approval_hash.startswith(decision.content_hash)
    assert decision.amount == proposal().amount


def test_an_invoice_that_is_open_shows_its_balance_and_asks_for_no_approval() -> None:
    details = invoice_details(
        invoice_state(
            stage=InvoiceStage.OVERDUE,
            issued=True,
            draft=draft(),
            balance=balance(residual="630.00"),
            dunning=DunningState(level=2, sent_on=MONDAY),
        )
    )
    assert details.startswith("## Acme NV: INV/2026/00007")
    balance_block = details.split("```")[3].strip().split("\n")
    assert [line.rsplit("  ", 1)[-1].strip() for line in balance_block[2:]] == [
        "3630.00 EUR",
        "3000.00 EUR",
        "0.00 EUR",
        "630.00 EUR",
        "2026-04-01",
        "2",
    ]
    assert json_blocks(details) == []


def test_a_draft_has_no_balance_to_show() -> None:
    details = invoice_details(invoice_state(balance=balance(posted=False, number="")))
    assert "Total with tax" not in details
    assert details.startswith("## Acme NV: proposal 1")


DISPUTE = Dispute(amount=euros("100.00"), reason="too much", by=ANA, opened_on=MONDAY)
HELD = DunningHold(by=ANA, reason="talks", since=MONDAY, until=FRIDAY)
PROMISE = Promise(on=FRIDAY, amount=euros("500.00"), by=ANA, made_on=MONDAY, paid_before=euros("0"))


def posted(stage: InvoiceStage, **changes: Any) -> dict[str, Any]:
    """What makes an invoice one that is posted and delivered."""
    return {"stage": stage, "issued": True, "delivered": True, "balance": balance(), **changes}


def credit_note() -> InvoiceProposal:
    billing = account.issued(billed(("design", 1)), 1)
    billing = account.request_credit(billing, 1, MONDAY, "late", ANA)
    note = composed(billing, "credit:1:1", 2).proposal
    assert note is not None
    return note


@pytest.mark.parametrize(
    ("changes", "on", "told"),
    [
        ({"stage": InvoiceStage.PROPOSED}, "approval", "its draft, which then awaits approval"),
        ({"stage": InvoiceStage.APPROVED}, None, "the systems (no person is needed)"),
        ({"stage": InvoiceStage.REJECTED}, None, "nothing, it has ended"),
        (
            {"stage": InvoiceStage.AWAITING_APPROVAL},
            "approval",
            f"2 approvals by {ANA}, {BOB} (finance)",
        ),
        (
            {"stage": InvoiceStage.AWAITING_APPROVAL, "approval_round": given(escalated=True)},
            "approval",
            f"2 approvals by {ANA}, {BOB}, {CLEO}, {DORA}, {EMIL} (finance, escalated)",
        ),
        (
            {"stage": InvoiceStage.AWAITING_APPROVAL, "approval_round": approval_round("20000.00")},
            "approval",
            f"2 approvals by {CLEO}, {DORA}, {EMIL} (directors)",
        ),
        ({"stage": InvoiceStage.POSTED_NOT_DELIVERED}, "delivery", "the invoice to be delivered"),
        (posted(InvoiceStage.OPEN), "payment", "the customer's payment"),
        (posted(InvoiceStage.PARTIALLY_PAID), "payment", "the customer's payment"),
        (posted(InvoiceStage.OVERDUE), "payment", "the customer's payment"),
        (
            posted(InvoiceStage.OVERDUE, reminders_exhausted=True),
            "collector",
            "a person to collect: every reminder was sent",
        ),
        (
            posted(InvoiceStage.IN_PAYMENT, reminders_exhausted=True),
            "payment",
            "the payment to reach the bank statement",
        ),
        (
            posted(InvoiceStage.OVERDUE, dispute=DISPUTE),
            "dispute",
            "the dispute over 100.00 EUR to be resolved",
        ),
        (
            posted(
                InvoiceStage.OPEN,
                dispute=DISPUTE.model_copy(update={"accepted": euros("40.00")}),
            ),
            "dispute",
            "a credit note over 40.00 EUR, which was accepted",
        ),
        (
            posted(InvoiceStage.OVERDUE, hold=HELD),
            "hold",
            "the hold on reminders until 2026-03-06 to end: talks",
        ),
        (
            posted(InvoiceStage.OVERDUE, promise=PROMISE),
            "promise",
            "500.00 EUR, promised until 2026-03-06",
        ),
        (
            posted(InvoiceStage.OPEN, balance=balance(residual="0.50")),
            "write_off",
            "somebody to write off 0.50 EUR, or the customer's payment",
        ),
        (
            posted(InvoiceStage.OPEN, proposal=credit_note()),
            "refund",
            "3630.00 EUR to be paid out to the customer, or set off",
        ),
        ({"stage": InvoiceStage.PAID}, "settlement", "the settlement period to end"),
        ({"stage": InvoiceStage.CREDITED}, "settlement", "the settlement period to end"),
        ({"stage": InvoiceStage.WRITTEN_OFF}, "settlement", "the settlement period to end"),
        (posted(InvoiceStage.SETTLED), None, "nothing, it has ended"),
        (
            {"stage": InvoiceStage.OPEN, "exceptions": [parked(parking.REMIND)]},
            "exception",
            "finance: Send the reminder",
        ),
        (
            {"exceptions": [parked(parking.POLICY)], "policy": None, "approval_round": None},
            "exception",
            "operations: Load the legal entity's rules",
        ),
    ],
)
def test_what_an_invoice_waits_on(changes: dict[str, Any], on: str | None, told: str) -> None:
    state = invoice_state(**changes)
    assert invoice_waits(state) == (on, told)
    assert f"**Waits for:** {told}" in invoice_details(state)


# --- as much as Temporal keeps --------------------------------------------------------------


def contract_of(count: int, name: str = "Part") -> Contract:
    """A contract of so many milestones, all of them of one name."""
    value = f"{count}.00"
    return contract(
        value=value,
        services=[{"key": "build", "code": "BUILD", "description": "Build", "amount": value}],
        milestones=[
            {"key": f"m{n}", "name": name, "service": "build", "amount": "1.00"}
            for n in range(count)
        ],
    )


def enormous_exception() -> StepException:
    problems = [
        Problem(code="x", field=f"milestones.{n}.name", value=show("語" * 999), expected="a name")
        for n in range(500)
    ]
    return parked(
        parking.VALIDATE,
        message="長い" * 50_000,
        field="title",
        value="値" * 50_000,
        problems=problems,
    )


def test_a_contract_of_many_milestones_shows_the_first_and_how_many_more() -> None:
    details = contract_details(contract_state(contract=contract_of(500)))
    assert "(m59)" in details
    assert "(m60)" not in details
    assert "… 440 more\n```" in details
    assert "more" not in contract_details(contract_state(contract=contract_of(60)))


def test_the_longest_details_fit_and_still_tell_what_to_send() -> None:
    exception = enormous_exception()
    for details in (
        contract_details(
            contract_state(contract=contract_of(500, "大" * 100), exceptions=[exception])
        ),
        invoice_details(invoice_state(exceptions=[exception])),
    ):
        assert len(details.encode()) < TEMPORALS_LIMIT_BYTES
        assert suggested(details).step == "validate"


def test_details_that_were_cut_say_so() -> None:
    assert contract_details(contract_state(contract=contract_of(500, "大" * 100))).endswith("\n…")
    assert not contract_details(contract_state()).endswith("…")


def test_a_suggestion_can_be_read_by_any_json_reader() -> None:
    exception = parked(parking.VALIDATE, field='customer."quoted" \\')
    [block] = json_blocks(contract_details(contract_state(exceptions=[exception])))
    assert json.loads(block)["changes"] == {'customer."quoted" \\': "…"}


# --- what was agreed about an invoice -------------------------------------------------------


def test_everything_that_was_agreed_is_told() -> None:
    state = invoice_state(
        **posted(
            InvoiceStage.OVERDUE,
            dispute=DISPUTE,
            revised_due_on=FRIDAY,
            promise=PROMISE,
            promises_broken=2,
            hold=HELD,
            contract_hold=HELD.model_copy(update={"until": None}),
        )
    )
    assert agreements(state) == [
        "Disputed since 2026-03-02: 100.00 EUR (too much)",
        "Due date revised to 2026-03-06",
        f"Promised: 500.00 EUR until 2026-03-06, noted by {ANA}",
        "Promises broken: 2",
        f"Reminders on hold until 2026-03-06, by {ANA}: talks",
        f"Reminders of the whole contract on hold, by {ANA}: talks",
    ]
    assert agreements(state)[0] in invoice_details(state)


def test_a_credit_note_says_what_it_credits_and_why() -> None:
    details = invoice_details(invoice_state(proposal=credit_note(), draft=draft()))
    assert "**Credit note** of invoice 1: late" in details
    # Negative, as in the contract's books, though Odoo's own invoice is positive.
    assert "Total with tax                 -3630.00 EUR\n" in details


def test_milestones_beyond_the_first_few_are_counted_not_dropped() -> None:
    waiting = {f"m{number}": MilestoneProgress() for number in range(1, 38)}
    state = contract_state(stage=ContractStage.ACTIVE, milestones=waiting)
    told = "a milestone to be reached: m1, m2, m3, m4, m5 and 32 more"
    assert contract_waits(state) == ("milestone", told)


def test_a_parked_invoice_is_shown_as_parked_with_what_is_wrong() -> None:
    exception = parked(parking.POST_INVOICE, code="odoo_unreachable")
    approved = report(1, InvoiceStage.APPROVED).model_copy(update={"exceptions": (exception,)})
    state = contract_state(stage=ContractStage.CLOSING, invoices={1: approved})
    [row] = invoice_rows(state)
    assert row.status == "approved, parked: post the invoice [odoo_unreachable]"
    assert contract_waits(state) == ("invoices", "invoice 1, parked: finance: Post the invoice")
