"""What a person sees of a workflow, and that what it tells them to send would be taken."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts import parking
from contracts.approvals import HASH_PREFIX, Approval
from contracts.dunning import DunningState
from contracts.journal import Journal
from contracts.model import Contract
from contracts.parking import Action, Resolution, Step, StepException, Waiting, refusal
from contracts.receivable import ApprovalDecision, Decision, InvoiceStage
from contracts.state import ContractStage, MilestoneProgress, OdooRefs
from contracts.summary import (
    contract_details,
    contract_waits,
    milestone_status,
    receivable_details,
    receivable_waits,
)
from contracts.validation import Problem, show
from tests.unit.examples import (
    ANA,
    BOB,
    CLEO,
    DORA,
    EMIL,
    MONDAY,
    NOON,
    balance,
    contract,
    contract_state,
    document,
    parked,
    proposal,
    receivable_state,
    report,
    requirement,
)

TEMPORALS_LIMIT_BYTES = 20_000

STEPS = [step for step in vars(parking).values() if isinstance(step, Step)]

VAT = Problem(code="vat_invalid", field="customer.vat_number", value="BE1", expected="a valid one")


def json_blocks(details: str) -> list[str]:
    return re.findall(r"```json\n(.*?)\n```", details, flags=re.DOTALL)


def table_rows(details: str) -> list[list[str]]:
    """The tables' cells; an escaped bar does not end one."""
    rows = [line for line in details.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


# --- a contract -----------------------------------------------------------------------------


def test_a_contract_at_a_glance() -> None:
    journal = Journal()
    journal.note(datetime(2026, 3, 2, 7, 5, tzinfo=UTC), "Signed")
    journal.note(NOON, "Milestone design reached")
    details = contract_details(
        contract_state(
            stage=ContractStage.ACTIVE,
            odoo=OdooRefs(order_name="S00042", project_name="ERP roll-out"),
            milestones={
                "design": MilestoneProgress(reached_on=MONDAY, proposal=1),
                "live": MilestoneProgress(reached_on=MONDAY),
                "course": MilestoneProgress(),
            },
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
        "| Milestone | Amount | Due | State |\n"
        "|---|--:|---|---|\n"
        "| Design (`design`) | 3000.00 EUR |  | proposal 1: overdue |\n"
        "| Go-live (`live`) | 6000.00 EUR |  | reached 2026-03-02 |\n"
        "| Course (`course`) | 1000.00 EUR |  | planned |\n\n"
        "| Money | Amount |\n"
        "|---|--:|\n"
        "| Value | 10000.00 EUR |\n"
        "| Invoiced | 3000.00 EUR |\n"
        "| Credited | 0.00 EUR |\n"
        "| To invoice | 7000.00 EUR |\n"
        "| Billed with tax | 3630.00 EUR |\n"
        "| Paid | 3000.00 EUR |\n"
        "| **Open** | 630.00 EUR |\n"
        "| **Overdue** | 630.00 EUR |\n\n"
        "Odoo: order **S00042**, project ERP roll-out\n\n"
        # The newest first, by the clock on the wall in Brussels.
        "- 2026-03-02 13:00 Milestone design reached\n"
        "- 2026-03-02 08:05 Signed"
    )


def test_a_document_that_is_no_contract_yet_is_named_all_the_same() -> None:
    received = contract_state(contract=None, document={"title": "ERP"})
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
            "payment",
            "invoice 2, 3 to be collected",
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
            "approval",
            "proposal 2, 3 to be approved",
        ),
        (
            {"stage": ContractStage.CLOSING, "invoices": {1: report(1, InvoiceStage.REJECTED)}},
            "settlement",
            "the settlement period of its invoices",
        ),
        (
            {
                "stage": ContractStage.CLOSING,
                "invoices": {1: report(1, InvoiceStage.PAID), 2: report(2, InvoiceStage.CREDITED)},
            },
            "settlement",
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
    _, told = contract_waits(contract_state(exceptions=[later, parked(parking.WRITE_BACK)]))
    assert told.startswith("sales: Write the status to the CRM")


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        (MilestoneProgress(), "planned"),
        (MilestoneProgress(reached_on=MONDAY), "reached 2026-03-02"),
        (MilestoneProgress(reached_on=MONDAY, proposal=1), "proposal 1: awaiting_approval"),
        (MilestoneProgress(reached_on=MONDAY, proposal=2), "INV/2026/00007: paid"),
        (MilestoneProgress(reached_on=MONDAY, proposal=3), "reached 2026-03-02"),
    ],
)
def test_a_milestones_state_in_words(progress: MilestoneProgress, told: str) -> None:
    paid = report(2, InvoiceStage.PAID).model_copy(update={"odoo_number": "INV/2026/00007"})
    invoices = {1: report(1, InvoiceStage.AWAITING_APPROVAL), 2: paid}
    assert milestone_status(contract_state(invoices=invoices), progress) == told


def test_a_bar_or_a_line_break_in_a_name_does_not_break_the_table() -> None:
    named = document()
    named["milestones"][0]["name"] = "Design | Build\nphase one"
    details = contract_details(contract_state(contract=contract(**named)))
    rows = table_rows(details)
    assert rows[2] == ["Design \\| Build phase one (`design`)", "3000.00 EUR", "", "planned"]
    assert {len(row) for row in rows[:5]} == {4}


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
        receivable_details(receivable_state(exceptions=[exception])),
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
    exceptions = [parked(parking.TASKS), parked(parking.WRITE_BACK)]
    blocks = json_blocks(contract_details(contract_state(exceptions=exceptions)))
    resolutions = [Resolution.model_validate_json(block) for block in blocks]
    assert [item.step for item in resolutions] == ["tasks", "write_back"]
    assert all(refusal(exceptions, item) is None for item in resolutions)


# --- an invoice -----------------------------------------------------------------------------


def test_an_invoice_to_approve_at_a_glance() -> None:
    state = receivable_state(
        stage=InvoiceStage.AWAITING_APPROVAL,
        approvals=[Approval(by=ANA, content_hash=proposal().content_hash, at=NOON)],
        next_action_at=NOON,
        waiting=Waiting(on="approval", since=NOON),
    )
    assert receivable_details(state) == (
        "## Acme NV: proposal 1\n\n"
        "**Stage:** awaiting_approval  \n"
        f"**Waits for:** 1 approval(s) by {ANA}, {BOB}, since 2026-03-02 13:00\n\n"
        "**Next action:** 2026-03-02 13:00\n\n"
        "| Line | Amount |\n"
        "|---|--:|\n"
        "| ERP roll-out – Design | 3000.00 EUR |\n"
        "| **Total without tax** | 3000.00 EUR |\n\n"
        f"**Approvals:** {ANA} (2026-03-02)\n\n"
        "To approve, send the Update `decide_approval` (or the Signal `approval_decided`) with:\n\n"
        "```json\n"
        '{"decision": "approve", "by": "you@your.firm", '
        f'"content_hash": "{proposal().content_hash[:HASH_PREFIX]}", "amount": "3000.00 EUR"}}\n'
        "```"
    )


def test_the_approval_that_is_suggested_names_this_content_and_amount() -> None:
    [block] = json_blocks(
        receivable_details(receivable_state(stage=InvoiceStage.AWAITING_APPROVAL))
    )
    decision = ApprovalDecision.model_validate_json(block)
    assert decision.decision is Decision.APPROVE
    assert len(decision.content_hash) == HASH_PREFIX
    assert proposal().content_hash.startswith(decision.content_hash)
    assert decision.amount == proposal().amount


def test_an_invoice_that_is_open_shows_its_balance_and_asks_for_no_approval() -> None:
    details = receivable_details(
        receivable_state(
            stage=InvoiceStage.OVERDUE,
            balance=balance(residual="630.00"),
            dunning=DunningState(level=2, sent_on=MONDAY),
        )
    )
    assert details.startswith("## Acme NV: INV/2026/00007")
    assert table_rows(details)[-1] == [
        "3630.00 EUR",
        "3000.00 EUR",
        "0.00 EUR",
        "630.00 EUR",
        "2026-04-01",
        "2",
    ]
    assert json_blocks(details) == []


def test_a_draft_has_no_balance_to_show() -> None:
    details = receivable_details(receivable_state(balance=balance(posted=False, number="")))
    assert "Total with tax" not in details
    assert details.startswith("## Acme NV: proposal 1")


@pytest.mark.parametrize(
    ("changes", "on", "told"),
    [
        ({"stage": InvoiceStage.PROPOSED}, None, "the systems (no person is needed)"),
        ({"stage": InvoiceStage.APPROVED}, None, "the systems (no person is needed)"),
        ({"stage": InvoiceStage.REJECTED}, None, "the systems (no person is needed)"),
        ({"stage": InvoiceStage.AWAITING_APPROVAL}, "approval", f"2 approval(s) by {ANA}, {BOB}"),
        (
            {"stage": InvoiceStage.AWAITING_APPROVAL, "escalated": True},
            "approval",
            f"2 approval(s) by {ANA}, {BOB}, {CLEO}, {DORA}, {EMIL}",
        ),
        (
            {
                "stage": InvoiceStage.AWAITING_APPROVAL,
                "escalated": True,
                "requirement": requirement("20000.00"),
            },
            "approval",
            f"2 approval(s) by {CLEO}, {DORA}, {EMIL}",
        ),
        ({"stage": InvoiceStage.POSTED_NOT_DELIVERED}, "delivery", "the invoice to be delivered"),
        ({"stage": InvoiceStage.OPEN}, "payment", "the customer's payment"),
        ({"stage": InvoiceStage.PARTIALLY_PAID}, "payment", "the customer's payment"),
        ({"stage": InvoiceStage.OVERDUE}, "payment", "the customer's payment"),
        (
            {"stage": InvoiceStage.OVERDUE, "reminders_exhausted": True},
            "collector",
            "a person to collect: every reminder was sent",
        ),
        (
            {"stage": InvoiceStage.IN_PAYMENT, "reminders_exhausted": True},
            "payment",
            "the payment to reach the bank statement",
        ),
        ({"stage": InvoiceStage.PAID}, "settlement", "the settlement period to end"),
        ({"stage": InvoiceStage.CREDITED}, "settlement", "the settlement period to end"),
        (
            {"stage": InvoiceStage.OPEN, "exceptions": [parked(parking.REMIND)]},
            "exception",
            "finance: Send the reminder",
        ),
        (
            {"exceptions": [parked(parking.POLICY)], "policy": None, "requirement": None},
            "exception",
            "operations: Load the legal entity's rules",
        ),
    ],
)
def test_what_an_invoice_waits_on(changes: dict[str, Any], on: str | None, told: str) -> None:
    state = receivable_state(**changes)
    assert receivable_waits(state) == (on, told)
    assert f"**Waits for:** {told}" in receivable_details(state)


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
    assert "(`m59`)" in details
    assert "(`m60`)" not in details
    assert "| … 440 more | | | |" in details
    assert "more" not in contract_details(contract_state(contract=contract_of(60)))


def test_the_longest_details_fit_and_still_tell_what_to_send() -> None:
    exception = enormous_exception()
    for details in (
        contract_details(
            contract_state(contract=contract_of(500, "大" * 200), exceptions=[exception])
        ),
        receivable_details(receivable_state(exceptions=[exception])),
    ):
        assert len(details.encode()) < TEMPORALS_LIMIT_BYTES
        assert suggested(details).step == "validate"


def test_details_that_were_cut_say_so() -> None:
    assert contract_details(contract_state(contract=contract_of(500, "大" * 200))).endswith("\n…")
    assert not contract_details(contract_state()).endswith("…")


def test_a_suggestion_can_be_read_by_any_json_reader() -> None:
    exception = parked(parking.VALIDATE, field='a "quoted" \\ field')
    [block] = json_blocks(contract_details(contract_state(exceptions=[exception])))
    assert json.loads(block)["changes"] == {'a "quoted" \\ field': "…"}
