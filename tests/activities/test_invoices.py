"""Invoices and credit notes: what they come to, what takes them back, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from activities.odoo import entries
from activities.odoo.delivery import ReminderRequest, TodoRequest
from activities.odoo.invoice_rows import exact_price
from activities.odoo.invoices import DiscardRequest
from activities.odoo.payments import ReconcileRequest
from activities.odoo.write_offs import WriteOffRequest
from contracts.billing.lines import InvoiceKind, Line
from contracts.identifiers import invoice_origin
from contracts.invoice.answers import Draft
from contracts.money import Money
from contracts.sweeps import SweepWindow
from tests.activities.firm import INVOICE_ON, Firm, Ordered, line_of
from tests.activities.mixed import mixed, taxed
from tests.activities.refusals import code, refused
from tests.world import contract_data, credit, eur, single

BAD_DEBT = "650000"
LOST_ON = date(2026, 6, 1)


# --- what a draft comes to ------------------------------------------------------------------


def test_a_draft_says_what_it_comes_to_with_odoo_s_own_taxes(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    charges = (
        made.milestone(),
        made.charge("dev", "7.25", "120"),
        made.charge("support", "1", "500"),
        made.charge("support", "-0.5", "100"),
        made.charge("deposit", "-0.33", "900"),
    )
    proposal = made.proposal(*charges)
    draft = firm.invoices.create_draft(made.request(proposal))
    odoo_totals = draft.odoo_totals
    assert odoo_totals.untaxed == proposal.amount
    # Only the retainer's product bears tax: 15 % of 450.00.
    assert [(tax.name, tax.amount) for tax in odoo_totals.taxes] == [("15%", eur("67.50"))]
    assert odoo_totals.total == proposal.amount + eur("67.50")
    assert odoo_totals.tax == eur("67.50")
    assert firm.invoices.create_draft(made.request(proposal)) == draft
    invoiced = {line.key: line.invoiced for line in firm.figures(made).lines}
    invoiced_lines = [str(invoiced[key]) for key in ("design", "dev", "support", "deposit")]
    assert invoiced_lines == ["1.00", "7.25", "0.50", "-0.33"]
    posted = firm.invoices.post_invoice(made.post_request(draft, proposal))
    assert (posted.untaxed, posted.total, posted.residual) == (
        odoo_totals.untaxed,
        odoo_totals.total,
        odoo_totals.total,
    )


def test_a_draft_marks_the_milestone_it_bills_reached(firm: Firm) -> None:
    made, request = firm.drafted(contract_data())
    milestones = list(made.milestones.values())
    marking = request.model_copy(update={"reached": (milestones[0],)})
    draft = firm.invoices.create_draft(marking)
    rows = firm.odoo.read("project.milestone", milestones, ["is_reached"])
    assert [row["is_reached"] for row in rows] == [True, *([False] * (len(milestones) - 1))]
    [line, *_] = firm.figures(made).lines
    assert line.delivered == 1
    assert firm.invoices.create_draft(marking) == draft


def test_a_milestone_that_people_deleted_in_odoo_does_not_hold_up_its_draft(firm: Firm) -> None:
    made, request = firm.drafted(contract_data())
    gone, there, *_ = made.milestones.values()
    firm.odoo.call("project.milestone", "unlink", [gone])
    firm.invoices.create_draft(request.model_copy(update={"reached": (gone, there)}))
    [row] = firm.odoo.read("project.milestone", [there], ["is_reached"])
    assert row["is_reached"]


def test_a_draft_brings_the_rules_of_its_legal_entity(firm: Firm) -> None:
    _, request = firm.drafted(single())
    policy = firm.invoices.create_draft(request).policy
    assert policy.calendar.time_zone == "Europe/Brussels"
    unknown = request.proposal.model_copy(update={"legal_entity": "nobody"})
    refusal = refused(
        lambda: firm.invoices.create_draft(request.model_copy(update={"proposal": unknown}))
    )
    assert code(refusal) == "legal_entity_unknown"


def test_a_customer_abroad_pays_no_tax(firm: Firm) -> None:
    made = firm.confirmed(mixed())
    odoo_totals = firm.invoices.create_draft(
        made.request(made.proposal(made.charge("support", "1", "500")))
    ).odoo_totals
    assert (odoo_totals.taxes, odoo_totals.total) == ((), eur("500.00"))


@pytest.mark.parametrize(
    "lines",
    [
        [("api", "1234.56", "0.123456"), ("support", "1", "500.123456"), ("dev", "7.33", "99.99")],
        [("api", "1", "0.105"), ("support", "1", "0.105")],
        [("dev", f"{hours}.33", "99.99") for hours in range(1, 9)],
        [("dev", "-0.33", "33.333333"), ("api", "99.99", "0.333333")],
    ],
)
def test_the_parts_of_a_cent_add_up_as_they_were_approved(
    firm: Firm, lines: list[tuple[str, str, str]]
) -> None:
    """Odoo by default rounds the sum of the lines; an approval is for the sum of rounded lines."""
    made = firm.confirmed(mixed())
    charges = [made.charge(*line) for line in lines]
    proposal = made.proposal(*charges)
    draft = firm.invoices.create_draft(made.request(proposal))
    assert draft.odoo_totals.untaxed == draft.odoo_totals.total == proposal.amount
    rows = firm.odoo.search_read(
        "account.move.line",
        [("move_id", "=", draft.invoice_id), ("display_type", "=", "product")],
        ["quantity", "price_subtotal"],
        order="id",
    )
    for row, charge in zip(rows, charges, strict=True):
        assert Money.rounded(row["price_subtotal"], "EUR") == charge.amount
        assert Decimal(str(row["quantity"])) == charge.quantity
    assert firm.invoices.create_draft(made.request(proposal)) == draft


def test_a_price_has_no_more_decimals_than_hit_the_amount(firm: Firm) -> None:
    made = firm.ordered(mixed())
    assert exact_price(made.charge("dev", "7.25", "120")) == 120
    price = exact_price(made.charge("dev", "7.33", "99.99"))  # 732.9267
    assert abs(price * Decimal("7.33") - Decimal("732.93")) <= Decimal("0.000001")
    assert -price.as_tuple().exponent <= 8  # type: ignore[operator]
    assert exact_price(made.charge("dev", "0", "99.99")) == Decimal("99.99")
    assert exact_price(made.charge("api", "-3", "0.333333")) == Decimal("0.333333")


def test_lines_that_people_added_to_a_draft_go(firm: Firm) -> None:
    made = firm.confirmed(single())
    request = made.invoice_request()
    invoice = firm.invoices.create_draft(request).invoice_id
    line = {"name": "By hand", "quantity": 1, "price_unit": 5.0}
    firm.odoo.write("account.move", [invoice], {"invoice_line_ids": [[0, 0, line]]})
    draft = firm.invoices.create_draft(request)
    assert (draft.invoice_id, draft.odoo_totals.untaxed) == (invoice, eur("1000.00"))
    assert firm.figures(made).lines[0].invoiced == 1


def test_prices_that_include_tax_are_refused_before_anybody_approves(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    taxes = firm.odoo.search_read("account.tax", [("name", "=", "15%"), _SALES], ["id"], limit=1)
    ids = [row["id"] for row in taxes]
    firm.odoo.write("account.tax", ids, {"price_include_override": "tax_included"})
    try:
        request = made.request(made.proposal(made.charge("support", "1", "115")))
        refusal = refused(lambda: firm.invoices.create_draft(request))
    finally:
        firm.odoo.write("account.tax", ids, {"price_include_override": False})
    assert code(refusal) == "draft_differs_from_proposal"
    assert refusal.detail.value == "100.00 EUR"


_SALES = ("type_tax_use", "=", "sale")


def test_a_tax_that_changed_since_the_approval_stops_the_posting(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    proposal = made.proposal(made.charge("support", "1", "500"))
    draft = firm.invoices.create_draft(made.request(proposal))
    [line] = firm.odoo.search_read(
        "account.move.line",
        [("move_id", "=", draft.invoice_id), ("display_type", "=", "product")],
        ["id"],
    )
    firm.odoo.write("account.move.line", [line["id"]], {"tax_ids": [[6, 0, []]]})
    refusal = refused(lambda: firm.invoices.post_invoice(made.post_request(draft, proposal)))
    assert (code(refusal), refusal.detail.field) == (
        "invoice_differs_from_approval",
        "invoice.lines.0.taxes",
    )
    assert "totals.total: 575.00 EUR -> 500.00 EUR" in refusal.detail.message


def test_a_draft_that_was_rejected_is_cancelled_once(firm: Firm) -> None:
    made = firm.confirmed(single())
    request = made.invoice_request()
    draft = firm.invoices.create_draft(request)
    discard = DiscardRequest(origin=made.invoice_origin(), invoice_id=draft.invoice_id)
    for _ in range(2):
        firm.invoices.discard_draft(discard)
    [stands] = firm.figures(made).invoices
    assert (stands.state, stands.number) == ("cancel", "")
    assert firm.figures(made).lines[0].invoiced == 0
    assert firm.invoices.create_draft(request) == draft
    again = made.proposal(number=2)
    posted = firm.posted(made, again)
    discard = DiscardRequest(origin=made.invoice_origin(2), invoice_id=posted.invoice_id)
    refusal = refused(lambda: firm.invoices.discard_draft(discard))
    assert (code(refusal), refusal.detail.value) == ("invoice_posted", posted.number)
    assert firm.balance(posted.invoice_id).posted
    assert firm.figures(made).lines[0].invoiced == 1


def test_a_draft_that_people_deleted_is_discarded_already(firm: Firm) -> None:
    made = firm.confirmed(single())
    draft = firm.invoices.create_draft(made.invoice_request())
    firm.odoo.call("account.move", "unlink", [draft.invoice_id])
    origin = made.invoice_origin()
    firm.invoices.discard_draft(DiscardRequest(origin=origin, invoice_id=draft.invoice_id))
    assert firm.figures(made).invoices == ()


def test_a_draft_whose_id_nobody_heard_of_is_found_by_its_invoice(firm: Firm) -> None:
    made = firm.confirmed(single())
    origin = made.invoice_origin()
    # It was not even made: there is nothing to cancel.
    firm.invoices.discard_draft(DiscardRequest(origin=origin))
    firm.invoices.create_draft(made.invoice_request())
    firm.invoices.discard_draft(DiscardRequest(origin=origin))
    [stands] = firm.figures(made).invoices
    assert stands.state == "cancel"
    posted = firm.posted(made, made.proposal(number=2))
    refusal = refused(
        lambda: firm.invoices.discard_draft(DiscardRequest(origin=made.invoice_origin(2)))
    )
    assert (code(refusal), refusal.detail.value) == ("invoice_posted", posted.number)


# --- credit notes ---------------------------------------------------------------------------


def test_a_part_of_an_open_invoice_is_credited(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    work = made.charge("support", "2", "500")
    invoice = firm.posted(made, made.proposal(work))
    assert invoice.total == eur("1150.00")
    back = made.credit_note(made.charge("support", "0.5", "500"), number=2)
    request = made.request(back, invoice.invoice_id)
    draft = firm.invoices.create_draft(request)
    assert (draft.odoo_totals.untaxed, draft.odoo_totals.total) == (eur("250.00"), eur("287.50"))
    assert [(tax.name, tax.amount) for tax in draft.odoo_totals.taxes] == [("15%", eur("37.50"))]
    assert firm.invoices.create_draft(request) == draft
    posting = made.post_request(draft, back)
    credit = firm.invoices.post_invoice(posting)
    assert firm.invoices.post_invoice(posting) == credit
    assert (credit.total, credit.residual) == (eur("287.50"), eur("0.00"))
    assert firm.invoices.create_draft(request).invoice_id == draft.invoice_id
    after = firm.balance(invoice.invoice_id)
    assert after.residual == eur("862.50")
    # It is an invoice of ours, with a balance of its own.
    assert (after.credited, after.written_off) == (eur("0.00"), None)
    figures = firm.figures(made)
    assert figures.invoiced == eur("750.00")
    assert [item.kind for item in figures.invoices] == [
        InvoiceKind.INVOICE,
        InvoiceKind.CREDIT_NOTE,
    ]
    support = next(line for line in figures.lines if line.key == "support")
    assert support.invoiced == Decimal("1.5")


def test_a_credit_note_of_charges_of_both_signs(firm: Firm) -> None:
    """Taking an invoice with a deduction back gives the deduction back as well."""
    made = firm.confirmed(mixed())
    charges = (made.milestone(), made.charge("deposit", "-0.33", "900"))
    invoice = firm.posted(made, made.proposal(*charges))
    back = made.credit_note(*charges, number=2)
    credit = firm.posted(made, back, invoice.invoice_id)
    assert credit.total == invoice.total == -back.amount
    figures = firm.figures(made)
    assert figures.invoiced == eur("0.00")
    assert [line.invoiced for line in figures.lines] == [0] * len(figures.lines)
    assert firm.balance(invoice.invoice_id).is_clear


def test_what_a_credit_note_has_left_is_set_off_against_another_invoice(firm: Firm) -> None:
    made = firm.confirmed(contract_data())
    first = firm.posted(made, made.proposal(_milestone(made, 0)))
    firm.pays(first.invoice_id, str(first.total.amount))
    back = firm.posted(made, made.credit_note(_milestone(made, 0), number=2), first.invoice_id)
    assert back.residual == first.total  # nothing was open of what it credits
    second = firm.posted(made, made.proposal(_milestone(made, 2), number=3))
    request = ReconcileRequest(invoice_id=second.invoice_id, credit_note_id=back.invoice_id)
    done = firm.payments.reconcile_credit(request)
    assert done.credit_note.residual == eur("0.00")
    assert done.invoice.residual == second.total - first.total
    assert firm.payments.reconcile_credit(request) == done
    assert firm.balance(first.invoice_id).is_clear


def test_nothing_is_set_off_against_a_draft(firm: Firm) -> None:
    made = firm.confirmed(contract_data())
    first = firm.posted(made, made.proposal(_milestone(made, 0)))
    draft = firm.invoices.create_draft(
        made.request(made.credit_note(_milestone(made, 0), number=2))
    )
    request = ReconcileRequest(invoice_id=first.invoice_id, credit_note_id=draft.invoice_id)
    assert code(refused(lambda: firm.payments.reconcile_credit(request))) == "credit_not_posted"


def test_what_a_credit_note_owes_is_refunded(firm: Firm) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal())
    firm.pays(invoice.invoice_id, "1000.00")
    credit = firm.posted(made, made.credit_note(made.milestone(), number=2), invoice.invoice_id)
    assert credit.residual == eur("1000.00")
    assert firm.pays(credit.invoice_id, "400.00").residual == eur("600.00")
    assert firm.pays(credit.invoice_id, "600.00").is_clear
    assert firm.balance(invoice.invoice_id).is_clear


def test_a_credit_note_that_people_made_counts_as_credited(firm: Firm) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal())
    back = made.credit_note(_part(made, "100.00"), number=2)
    ours = firm.posted(made, back, invoice.invoice_id)
    credit(firm.server.client("accountant"), invoice.invoice_id)
    balance = firm.balance(invoice.invoice_id)
    assert (balance.credited, balance.credited_untaxed) == (eur("1000.00"), eur("1000.00"))
    assert balance.residual == eur("0.00")
    changes = firm.sweeps.read_changes(SweepWindow(since=invoice.as_of))
    told = [item.balance for item in changes.invoices if made.workflow_id in item.workflow_id]
    assert sorted(item.invoice_id for item in told) == [invoice.invoice_id, ours.invoice_id]
    assert balance in told
    figures = firm.figures(made)
    assert [item.ours for item in figures.invoices] == [True, True, False]
    assert figures.invoiced == eur("-100.00")


def test_a_sweep_finds_credit_notes_and_what_they_left_open(firm: Firm) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal())
    credit = firm.posted(
        made, made.credit_note(_part(made, "100.00"), number=2), invoice.invoice_id
    )
    changes = firm.sweeps.read_changes(SweepWindow(since=invoice.as_of))
    found = {item.workflow_id: item.balance for item in changes.invoices}
    assert found[f"{made.workflow_id}/invoice/1"].residual == eur("900.00")
    assert found[f"{made.workflow_id}/invoice/2"] == credit


def _milestone(made: Ordered, index: int) -> Line:
    item = made.contract.milestones[index]
    return line_of(item.key, "BUILD", item.name, item.amount)


def _part(made: Ordered, amount: str) -> Line:
    part = line_of("all", "BUILD", "A part", Money(amount, "EUR"))
    return part.model_copy(update={"key": "part"})


# --- write-offs -----------------------------------------------------------------------------


def _write_off(made: Ordered, invoice: int, amount: str, **changes: object) -> WriteOffRequest:
    request = WriteOffRequest(
        legal_entity=made.contract.legal_entity,
        contract_id=made.contract.contract_id,
        number=1,
        key="1",
        invoice_id=invoice,
        company_id=made.company,
        account_code=BAD_DEBT,
        amount=Money(amount, made.contract.currency),
        reason="The customer is bankrupt",
        written_off_on=LOST_ON,
    )
    return request.model_copy(update=changes)


def test_what_is_lost_is_written_off_once(firm: Firm) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    firm.pays(invoice, "300.00")
    request = _write_off(made, invoice, "700.00")
    balance = firm.write_offs.write_off(request)
    assert (balance.residual, balance.written_off) == (eur("0.00"), eur("700.00"))
    assert (balance.paid, balance.is_clear) == (eur("300.00"), True)
    seen = firm.everything(made.contract)
    assert firm.write_offs.write_off(request) == balance
    assert firm.everything(made.contract) == seen
    [entry] = firm.odoo.search_read(
        "account.move",
        [
            ("invoice_origin", "=", invoice_origin(f"{made.workflow_id}/invoice/1")),
            ("move_type", "=", "entry"),
        ],
        ["date", "ref", "state"],
    )
    assert (entry["date"], entry["state"]) == (str(LOST_ON), "posted")
    assert "bankrupt" in entry["ref"]
    loss = firm.odoo.search_read(
        "account.move.line",
        [("move_id", "=", entry["id"]), ("account_id.code", "=", BAD_DEBT)],
        ["debit"],
    )
    assert [row["debit"] for row in loss] == [700.0]
    assert [item.number for item in firm.figures(made).invoices] == [balance.number]


def test_a_write_off_undone_in_odoo_leaves_the_invoice_open_again(firm: Firm) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    before = firm.write_offs.write_off(_write_off(made, invoice, "1000.00"))
    [entry] = firm.odoo.search_read(
        "account.move",
        [
            ("invoice_origin", "=", invoice_origin(f"{made.workflow_id}/invoice/1")),
            ("move_type", "=", "entry"),
        ],
        ["id"],
    )
    accountant = firm.server.client("accountant")
    accountant.call("account.move", "button_draft", [entry["id"]])
    assert firm.balance(invoice).written_off == eur("1000.00")  # still reconciled, says Odoo
    accountant.call("account.move", "button_cancel", [entry["id"]])
    balance = firm.balance(invoice)
    assert (balance.residual, balance.written_off) == (eur("1000.00"), None)
    assert balance.as_of >= before.as_of
    refusal = refused(lambda: firm.write_offs.write_off(_write_off(made, invoice, "1000.00")))
    assert code(refusal) == "write_off_changed"
    again = firm.write_offs.write_off(_write_off(made, invoice, "1000.00", key="2"))
    assert (again.residual, again.written_off) == (eur("0.00"), eur("1000.00"))


def test_no_more_is_written_off_than_is_open(firm: Firm) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    firm.pays(invoice, "999.00")
    refusal = refused(lambda: firm.write_offs.write_off(_write_off(made, invoice, "1.01")))
    assert (code(refusal), refusal.detail.value) == ("write_off_too_large", "1.01 EUR")
    refusal = refused(
        lambda: firm.write_offs.write_off(_write_off(made, invoice, "1.00", account_code="4711"))
    )
    assert (code(refusal), refusal.detail.value) == ("account_unknown", "4711")
    assert firm.balance(invoice).residual == eur("1.00")
    assert _entries(firm, made) == [], "what is refused leaves nothing that somebody might post"
    assert firm.write_offs.write_off(_write_off(made, invoice, "1.00")).is_clear
    assert _losses(firm, made) == [1.0]


def test_what_is_written_off_is_what_was_approved_last(firm: Firm) -> None:
    """More was asked for and approved before a payment was known."""
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    firm.pays(invoice, "400.00")
    refusal = refused(lambda: firm.write_offs.write_off(_write_off(made, invoice, "1000.00")))
    assert code(refusal) == "write_off_too_large"
    again = _write_off(made, invoice, "600.00", key="2")
    assert firm.write_offs.write_off(again).written_off == eur("600.00")
    assert _losses(firm, made) == [600.0]


def test_an_entry_that_does_not_lose_what_was_approved_is_not_posted(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    request = _write_off(made, invoice, "600.00")
    _left_as_a_draft(firm, request, monkeypatch)
    [entry] = _entries(firm, made)
    # Another amount than the entry's, under its key; then the entry changed by hand.
    other = request.model_copy(update={"amount": eur("500.00")})
    refusal = refused(lambda: firm.write_offs.write_off(other))
    assert (code(refusal), refusal.detail.value) == ("write_off_changed", "600.00 EUR")
    lines = firm.odoo.search_read(
        "account.move.line", [("move_id", "=", entry["id"])], ["amount_currency"], order="id"
    )
    values = [
        [1, line["id"], {"amount_currency": line["amount_currency"] / 600.0 * 1000.0}]
        for line in lines
    ]
    firm.odoo.write("account.move", [entry["id"]], {"line_ids": values})
    refusal = refused(lambda: firm.write_offs.write_off(request))
    assert (code(refusal), refusal.detail.value) == ("write_off_changed", "1000.00 EUR")
    assert [row["state"] for row in _entries(firm, made)] == ["draft"]
    # Restored, it is the one that is posted.
    values = [[1, line["id"], {"amount_currency": line["amount_currency"]}] for line in lines]
    firm.odoo.write("account.move", [entry["id"]], {"line_ids": values})
    for _ in range(2):
        assert firm.write_offs.write_off(request).residual == eur("400.00")
    assert _losses(firm, made) == [600.0]


def test_money_that_comes_before_the_entry_is_posted_stops_the_write_off(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    request = _write_off(made, invoice, "1000.00")
    _left_as_a_draft(firm, request, monkeypatch)
    firm.pays(invoice, "400.00")
    assert code(refused(lambda: firm.write_offs.write_off(request))) == "write_off_too_large"
    again = _write_off(made, invoice, "600.00", key="2")
    assert firm.write_offs.write_off(again).is_clear
    assert _losses(firm, made) == [600.0]


def test_the_draft_of_a_write_off_that_is_given_up_is_cancelled_once(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    request = _write_off(made, invoice, "1000.00")
    _left_as_a_draft(firm, request, monkeypatch)
    origin = invoice_origin(f"{made.workflow_id}/invoice/1")
    discard = DiscardRequest(origin=origin, invoice_id=invoice, write_off="1")
    for _ in range(2):
        firm.invoices.discard_draft(discard)
    assert [row["state"] for row in _entries(firm, made)] == ["cancel"]
    # Asked for again it is another one; posted, nothing takes it back.
    assert firm.write_offs.write_off(_write_off(made, invoice, "1000.00", key="2")).is_clear
    again = discard.model_copy(update={"write_off": "2"})
    assert code(refused(lambda: firm.invoices.discard_draft(again))) == "booking_left"
    assert _losses(firm, made) == [1000.0]


def _left_as_a_draft(firm: Firm, request: WriteOffRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that ends once the entry is made, and before it is posted."""

    def no_answer(*_: object) -> None:
        raise ConnectionError("nobody answers")

    with monkeypatch.context() as patch:
        patch.setattr(entries, "post", no_answer)
        with pytest.raises(ConnectionError):
            firm.write_offs.write_off(request)


def _entries(firm: Firm, made: Ordered) -> list[dict[str, Any]]:
    """What writes off the first invoice, in whatever state."""
    origin = invoice_origin(f"{made.workflow_id}/invoice/1")
    domain = [("invoice_origin", "=", origin), ("move_type", "=", "entry")]
    return firm.odoo.search_read("account.move", domain, ["state"], order="id")


def _losses(firm: Firm, made: Ordered) -> list[float]:
    """What is lost of the first invoice, by its posted entries."""
    posted = [row["id"] for row in _entries(firm, made) if row["state"] == "posted"]
    rows = firm.odoo.search_read(
        "account.move.line",
        [("move_id", "in", posted), ("account_id.code", "=", BAD_DEBT)],
        ["debit"],
        order="id",
    )
    return [row["debit"] for row in rows]


def test_another_currency_is_written_off_to_the_cent(firm: Firm) -> None:
    contract = single(currency="USD", value="1000.03 USD")
    contract["services"][0]["amount"] = contract["milestones"][0]["amount"] = "1000.03 USD"
    made = firm.confirmed(contract)
    invoice = firm.posted(made, made.proposal()).invoice_id
    balance = firm.write_offs.write_off(_write_off(made, invoice, "1000.03"))
    assert balance.residual == Money("0.00", "USD")
    assert balance.written_off == Money("1000.03", "USD")


# --- reminders and what people do -------------------------------------------------------------


def _reminder(made: Ordered, invoice: int) -> ReminderRequest:
    subject = f"Reminder 1 of {made.contract.contract_id}"
    return ReminderRequest(
        invoice_id=invoice, partner_id=made.partner, subject=subject, text="It is late."
    )


def test_a_reminder_that_the_mail_server_refused_goes_out_later_and_once(firm: Firm) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    request = _reminder(made, invoice)
    with _mail_refused(firm):
        refusal = refused(lambda: firm.delivery.send_reminder(request))
    assert code(refusal) == "reminder_not_delivered"
    assert refusal.detail.value == made.contract.customer.billing_email
    for _ in range(2):
        firm.delivery.send_reminder(request)
    assert [str(mail["Subject"]) for mail in firm.mails(made.contract)] == [request.subject]


@contextmanager
def _mail_refused(firm: Firm) -> Iterator[None]:
    firm.server.refuse_mail(True)
    try:
        yield
    finally:
        firm.server.refuse_mail(False)


def test_a_customer_without_an_address_is_a_task_for_a_person(firm: Firm) -> None:
    made = firm.confirmed(single())
    invoice = firm.posted(made, made.proposal()).invoice_id
    firm.odoo.write("res.partner", [made.partner], {"email": False})
    refusal = refused(lambda: firm.delivery.send_reminder(_reminder(made, invoice)))
    assert (code(refusal), refusal.detail.field) == ("email_missing", "customer.billing_email")
    request = TodoRequest(
        invoice_id=invoice,
        people=("nobody@northwind.example", "Accountant@northwind.example"),
        summary="Remind by telephone: level 1",
        text="No address of <the customer> is known",
        due_on=INVOICE_ON,
    )
    for _ in range(2):
        firm.delivery.create_todo(request)
    firm.delivery.create_todo(request.model_copy(update={"summary": "Level 2", "people": ()}))
    todos = firm.everything(made.contract)["to-dos"]
    assert [row["summary"] for row in todos] == [request.summary, "Level 2"]
    assert [row["user_id"] and row["user_id"][1] for row in todos] == ["Ada Accountant", False]


def test_a_draft_is_a_model_that_survives_its_way_through_the_engine(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    draft = firm.invoices.create_draft(
        made.request(made.proposal(made.charge("support", "1", "500")))
    )
    again = Draft.model_validate_json(draft.model_dump_json())
    assert again.model_dump() == draft.model_dump()
