"""What was approved is what is posted and mailed: whatever else Odoo says stops it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest

from activities.odoo import entries
from activities.odoo.balances import InvoiceRef
from contracts.invoice.answers import Draft
from contracts.invoice.content import differences
from gateways.odoo import OdooClient
from tests.activities.firm import Firm, Ordered
from tests.activities.mixed import taxed
from tests.activities.refusals import code, refused
from tests.conftest import REAL
from tests.world import eur, single, unique

DIFFERS = "invoice_differs_from_approval"


def drafted(firm: Firm) -> tuple[Ordered, Draft]:
    made = firm.confirmed(taxed())
    return made, firm.invoices.create_draft(made.request(made.proposal(_work(made))))


def _work(made: Ordered) -> Any:
    return made.charge("support", "1", "500")


def _line(firm: Firm, draft: Draft) -> int:
    [row] = firm.odoo.search_read(
        "account.move.line",
        [("move_id", "=", draft.invoice_id), ("display_type", "=", "product")],
        ["id"],
    )
    return int(row["id"])


def _other(firm: Firm, model: str, *domain: Any) -> int:
    [row] = firm.odoo.search_read(model, list(domain), ["id"], limit=1, order="id desc")
    return int(row["id"])


# --- changes by hand ----------------------------------------------------------------------------


def _customer(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    other = firm.confirmed(single())
    return {"partner_id": other.partner}


def _term(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    term = _other(firm, "account.payment.term", ("name", "=", "45 Days"))
    return {"invoice_payment_term_id": term}


def _reference(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    return {"ref": "PO-13"}


def _payment_reference(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    return {"payment_reference": "To my own account"}


def _date(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    return {"invoice_date": "2026-02-03"}


def _note(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    return {"narration": "Pay as you like"}


def _bank_account(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    [company] = firm.odoo.read("res.company", [made.company], ["partner_id"])
    bank = {"acc_number": unique("BE02"), "partner_id": company["partner_id"][0]}
    [account] = firm.odoo.create("res.partner.bank", [bank | {"allow_out_payment": True}])
    return {"partner_bank_id": account}


def _address(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    firm.odoo.write("res.partner", [made.partner], {"email": "thief@example.com"})
    return {}


def _text(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    firm.odoo.write("account.move.line", [_line(firm, draft)], {"name": "Something else"})
    return {}


def _price(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    """The same amount, made up of another quantity and price."""
    values = {"quantity": 2.0, "price_unit": 250.0}
    firm.odoo.write("account.move.line", [_line(firm, draft)], values)
    return {}


def _split(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    """Lines that add up to nothing."""
    lines = [{"name": "More", "quantity": 1, "price_unit": price} for price in (5000.0, -4000.0)]
    values = {"price_unit": -500.0}
    firm.odoo.write("account.move.line", [_line(firm, draft)], values)
    return {"invoice_line_ids": [[0, 0, line | {"tax_ids": [[6, 0, []]]}] for line in lines]}


def _account(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    account = _other(firm, "account.account", ("code", "=", "650000"))
    firm.odoo.write("account.move.line", [_line(firm, draft)], {"account_id": account})
    return {}


def _receivable(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    """Owed on another account."""
    values = {
        "name": "Doubtful",
        "code": f"9{uuid.uuid4().int % 10**5:05}",
        "account_type": "asset_receivable",
    }
    [account] = firm.odoo.create("account.account", [values])
    owed = [("move_id", "=", draft.invoice_id), ("display_type", "=", "payment_term")]
    lines = firm.odoo.search_read("account.move.line", owed, ["id"])
    firm.odoo.write("account.move.line", [row["id"] for row in lines], {"account_id": account})
    return {}


def _analytic(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    other = firm.confirmed(single())
    distribution = {"analytic_distribution": {str(other.account): 100.0}}
    firm.odoo.write("account.move.line", [_line(firm, draft)], distribution)
    return {}


def _tax(firm: Firm, made: Ordered, draft: Draft) -> dict[str, Any]:
    firm.odoo.write("account.move.line", [_line(firm, draft)], {"tax_ids": [[6, 0, []]]})
    return {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_customer, "customer"),
        (_address, "mailed_to"),
        (_term, "payment_term"),
        (_date, "invoice_on"),
        (_reference, "reference"),
        (_payment_reference, "payment_reference"),
        (_bank_account, "bank_account"),
        (_note, "note"),
        (_text, "lines.0.text"),
        (_price, "lines.0.quantity"),
        (_split, "lines.0.price"),
        (_account, "lines.0.account"),
        (_receivable, "ledger"),
        (_analytic, "lines.0.analytic"),
        (_tax, "lines.0.taxes"),
    ],
)
def test_a_draft_that_was_changed_by_hand_is_not_posted(
    firm: Firm, change: Callable[[Firm, Ordered, Draft], dict[str, Any]], field: str
) -> None:
    made, draft = drafted(firm)
    values = change(firm, made, draft)
    if values:
        firm.odoo.write("account.move", [draft.invoice_id], values)
    posting = made.post_request(draft, made.proposal(_work(made)))
    refusal = refused(lambda: firm.invoices.post_invoice(posting))
    assert code(refusal) == DIFFERS
    assert f"invoice.{field}" in [problem.field for problem in refusal.detail.problems]
    [row] = firm.odoo.read("account.move", [draft.invoice_id], ["state"])
    assert row["state"] == "draft"
    # Written again it says what the proposal does, or what is approved again.
    request = made.request(made.proposal(_work(made))).model_copy(update={"rewrites": True})
    again = firm.invoices.create_draft(request)
    left = {item.field for item in differences(draft.content, again.content)}
    assert left <= {field, *_FOLLOWS.get(field, ())}
    posting = posting.model_copy(update={"approved": again.content})
    assert firm.invoices.post_invoice(posting).posted


_FOLLOWS = {
    "lines.0.account": (),
    "lines.0.taxes": ("totals.total", "ledger", "booked"),
}
"""What else stays changed in a draft that was written again."""


def test_both_values_are_told(firm: Firm) -> None:
    made, draft = drafted(firm)
    _address(firm, made, draft)
    posting = made.post_request(draft, made.proposal(_work(made)))
    detail = refused(lambda: firm.invoices.post_invoice(posting)).detail
    email = made.contract.customer.billing_email
    assert (detail.field, detail.value) == ("invoice.mailed_to", "thief@example.com")
    assert f"mailed_to: {email} -> thief@example.com" in detail.message
    [problem] = detail.problems
    assert problem.expected == f"{email}, as approved"


def test_what_changes_right_before_the_posting_is_found_right_after_it(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, draft = drafted(firm)
    post = entries.post

    def changed_meanwhile(odoo: OdooClient, entry: int) -> None:
        firm.odoo.write("account.move", [entry], {"ref": "PO-13"})
        post(odoo, entry)

    monkeypatch.setattr(entries, "post", changed_meanwhile)
    posting = made.post_request(draft, made.proposal(_work(made)))
    for _ in range(2):  # a repeat tells the same
        refusal = refused(lambda: firm.invoices.post_invoice(posting))
        assert (code(refusal), refusal.detail.field) == (DIFFERS, "invoice.reference")
        assert "which is posted" in refusal.detail.message
    # It is approved as it is posted.
    request = made.request(made.proposal(_work(made))).model_copy(update={"rewrites": True})
    again = firm.invoices.create_draft(request)
    assert (again.invoice_id, again.content.reference) == (draft.invoice_id, "PO-13")
    posting = posting.model_copy(update={"approved": again.content})
    assert firm.invoices.post_invoice(posting).posted
    assert firm.mails(made.contract) == []


def _posted_by_hand(firm: Firm, draft: Draft, price: float) -> None:
    """An accountant gives the draft another price, and posts it."""
    books = firm.server.client("accountant")
    line = [1, _line(firm, draft), {"price_unit": price}]
    books.write("account.move", [draft.invoice_id], {"invoice_line_ids": [line]})
    books.call("account.move", "action_post", [draft.invoice_id])


@pytest.mark.parametrize("rewrites", [True, False])
def test_a_draft_posted_by_hand_with_another_amount_is_not_shown_to_anybody(
    firm: Firm, rewrites: bool
) -> None:
    made, draft = drafted(firm)
    _posted_by_hand(firm, draft, 6000.0)
    request = made.request(made.proposal(_work(made))).model_copy(update={"rewrites": rewrites})
    refusal = refused(lambda: firm.invoices.create_draft(request))
    assert (code(refusal), refusal.detail.value) == ("draft_differs_from_proposal", "6000.00 EUR")
    assert "the posted invoice in Odoo totals 6000.00 EUR" in refusal.detail.message
    # Its own advice: reset it there, and it is written again.
    accountant = firm.server.client("accountant")
    accountant.call("account.move", "button_draft", [draft.invoice_id])
    again = firm.invoices.create_draft(request.model_copy(update={"rewrites": True}))
    assert (again.invoice_id, again.odoo_totals.untaxed) == (draft.invoice_id, eur("500.00"))
    accountant.call("account.move", "button_cancel", [draft.invoice_id])
    assert firm.invoices.create_draft(request).odoo_totals.untaxed == eur("500.00")


def test_a_posted_invoice_that_was_changed_waits_until_it_is_restored(firm: Firm) -> None:
    made, draft = drafted(firm)
    invoice = firm.invoices.post_invoice(made.post_request(draft, made.proposal(_work(made))))
    accountant = firm.server.client("accountant")
    ref = InvoiceRef(invoice_id=invoice.invoice_id, approved=draft.odoo_totals)
    assert firm.balances.read_balance(ref) == invoice
    accountant.call("account.move", "button_draft", [invoice.invoice_id])
    refusal = refused(lambda: firm.balances.read_balance(ref))
    assert code(refusal) == "invoice_not_posted"
    _posted_by_hand(firm, draft, 6000.0)
    changed = firm.balance(invoice.invoice_id)
    assert (changed.untaxed, changed.posted) == (eur("6000.00"), True)
    refusal = refused(lambda: firm.balances.read_balance(ref))
    assert (code(refusal), refusal.detail.value) == (DIFFERS, str(changed.total))
    assert "500.00 EUR and 575.00 EUR were approved" in refusal.detail.message
    accountant.call("account.move", "button_draft", [invoice.invoice_id])
    _posted_by_hand(firm, draft, 500.0)
    assert firm.balances.read_balance(ref).residual == invoice.residual


def test_an_invoice_is_mailed_to_the_address_that_was_approved_or_not_at_all(firm: Firm) -> None:
    made, draft = drafted(firm)
    posting = made.post_request(draft, made.proposal(_work(made)))
    invoice = firm.invoices.post_invoice(posting).invoice_id
    address = f"{unique('new')}@acme.example.com"
    firm.odoo.write("res.partner", [made.partner], {"email": address})
    request = firm.mail_request(made, invoice)
    detail = refused(lambda: firm.delivery.send_invoice(request)).detail
    assert (detail.code, detail.field, detail.value) == (DIFFERS, "invoice.mailed_to", address)
    assert request.approved.mailed_to in detail.message
    assert firm.mails(made.contract) == list(firm.server.mails(address)) == []
    for _ in range(2):
        approved = request.approved.model_copy(update={"mailed_to": address})
        firm.delivery.send_invoice(request.model_copy(update={"approved": approved}))
    assert len(firm.server.mails(address)) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [(_bank_account, "bank_account"), (_note, "note"), (_payment_reference, "payment_reference")],
)
def test_what_was_changed_since_it_was_posted_is_not_mailed(
    firm: Firm, change: Callable[[Firm, Ordered, Draft], dict[str, Any]], field: str
) -> None:
    """Odoo lets people change the header of a posted invoice, and mails may wait for hours."""
    made, draft = drafted(firm)
    invoice = firm.invoices.post_invoice(
        made.post_request(draft, made.proposal(_work(made)))
    ).invoice_id
    request = firm.mail_request(made, invoice)
    [before] = firm.odoo.read("account.move", [invoice], [*change(firm, made, draft)])
    firm.odoo.write("account.move", [invoice], change(firm, made, draft))
    detail = refused(lambda: firm.delivery.send_invoice(request)).detail
    assert (detail.code, detail.field) == (DIFFERS, f"invoice.{field}")
    assert firm.mails(made.contract) == []
    del before["id"]
    firm.odoo.write(
        "account.move",
        [invoice],
        {name: value[0] if isinstance(value, list) else value for name, value in before.items()},
    )
    firm.delivery.send_invoice(request)
    assert len(firm.mails(made.contract)) == 1


def test_a_draft_without_a_term_is_due_on_its_own_date_whenever_that_is(firm: Firm) -> None:
    made = firm.confirmed(single())
    proposal = made.proposal().model_copy(update={"payment_term": ""})
    request = made.request(proposal)
    draft = firm.invoices.create_draft(request)
    assert draft.content.due_on == request.invoice_on
    firm.odoo.write("account.move", [draft.invoice_id], {"invoice_date_due": "2027-01-01"})
    posting = made.post_request(draft, proposal)
    refusal = refused(lambda: firm.invoices.post_invoice(posting))
    assert (code(refusal), refusal.detail.field) == (DIFFERS, "invoice.due_on")
    later = request.model_copy(update={"rewrites": True, "invoice_on": date(2026, 3, 9)})
    assert firm.invoices.create_draft(later).content.due_on == date(2026, 3, 9)


@pytest.mark.parametrize("odoo_server", [REAL], indirect=True, scope="session")
def test_another_rate_of_the_currency_is_not_posted(firm: Firm) -> None:
    """The customer owes the same, and the ledger says another amount. The stand-in's rates are not
    to be written."""
    contract = single(currency="USD", value="1000.00")
    made, request = firm.drafted(contract)
    draft = firm.invoices.create_draft(request)
    assert draft.content.booked not in (0, draft.content.totals.total.amount)
    firm.odoo.write("account.move", [draft.invoice_id], {"invoice_currency_rate": 4.0})
    refusal = refused(lambda: firm.invoices.post_invoice(made.post_request(draft)))
    assert (code(refusal), refusal.detail.field) == (DIFFERS, "invoice.booked")
    assert refusal.detail.value == "250"


@pytest.mark.parametrize("odoo_server", [REAL], indirect=True, scope="session")
def test_the_customer_reads_which_contract_it_is_of_and_no_workflow_id(firm: Firm) -> None:
    """The invoice as Odoo prints it: what it is made into a PDF of."""
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    invoice = firm.invoices.post_invoice(made.post_request(draft)).invoice_id
    path = firm.odoo.call("account.move", "get_portal_url", [invoice], report_type="html")
    printed = httpx.get(f"{firm.server.url}{path}", follow_redirects=True, timeout=60)
    assert printed.status_code == 200
    assert f"Contract {made.contract.contract_id} no. 1 (northwind)" in printed.text
    assert made.workflow_id not in printed.text
