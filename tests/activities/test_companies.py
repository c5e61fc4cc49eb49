"""Two legal entities in one Odoo: each contract in the books of its own company."""

from __future__ import annotations

from datetime import date

from activities.odoo.write_offs import WriteOffRequest
from contracts.model import JsonObject
from contracts.money import Money
from contracts.sweeps import SweepWindow
from tests.activities.firm import Firm
from tests.activities.mixed import mixed

UK, UK_BAD_DEBT = "Northwind UK", "785000"


def british() -> JsonObject:
    contract = mixed(currency="GBP", legal_entity="northwind-uk")
    contract["customer"] |= {"country": "GB", "vat_number": None}
    return contract


def pounds(amount: str) -> Money:
    return Money(amount, "GBP")


def test_a_contract_of_the_second_company_from_order_to_cash(firm: Firm) -> None:
    uk = firm.of_company(UK)
    made = uk.confirmed(british())
    assert made.company != firm.ordered(mixed()).company
    [order] = firm.odoo.read(
        "sale.order", [made.order], ["company_id", "currency_id", "amount_untaxed"]
    )
    assert (order["company_id"][1], order["currency_id"][1]) == (UK, "GBP")
    charges = (made.milestone(), made.charge("support", "1", "500"))
    proposal = made.proposal(*charges)
    draft = uk.invoices.create_draft(made.request(proposal))
    # The company's own tax, and only on the retainer.
    assert [(tax.name, tax.amount) for tax in draft.odoo_totals.taxes] == [
        ("20%", pounds("100.00"))
    ]
    posted = uk.invoices.post_invoice(made.post_request(draft, proposal))
    assert posted.total == proposal.amount + pounds("100.00")
    [move] = firm.odoo.read(
        "account.move", [posted.invoice_id], ["company_id", "journal_id", "currency_id"]
    )
    assert (move["company_id"][1], move["currency_id"][1]) == (UK, "GBP")
    [journal] = firm.odoo.read("account.journal", [move["journal_id"][0]], ["company_id"])
    assert journal["company_id"][1] == UK

    part = made.charge("support", "0.5", "500")
    credit = uk.posted(made, made.credit_note(part, number=2), posted.invoice_id)
    assert credit.total == pounds("300.00")
    paid = uk.pays(posted.invoice_id, "1000.00", "GBP")
    left = posted.total - pounds("1300.00")
    assert paid.residual == left
    balance = uk.write_offs.write_off(
        WriteOffRequest(
            legal_entity=made.contract.legal_entity,
            contract_id=made.contract.contract_id,
            number=1,
            key="1",
            invoice_id=posted.invoice_id,
            company_id=made.company,
            account_code=UK_BAD_DEBT,
            amount=left,
            reason="Out of business",
            written_off_on=date(2026, 6, 1),
        )
    )
    assert (balance.is_clear, balance.written_off) == (True, left)
    figures = uk.figures(made)
    assert figures.invoiced == proposal.amount - pounds("250.00")

    # One sweep sees the contracts of all companies.
    changes = firm.sweeps.read_changes(SweepWindow(since=posted.as_of))
    origins = {item.workflow_id: item.balance for item in changes.invoices}
    assert origins[f"{made.workflow_id}/invoice/1"] == balance
    assert origins[f"{made.workflow_id}/invoice/2"] == credit


def test_each_company_counts_its_own_contracts(firm: Firm) -> None:
    """The same contract id in two legal entities is two contracts."""
    here, there = mixed(), british()
    there["contract_id"] = here["contract_id"]
    ours, theirs = firm.confirmed(here), firm.of_company(UK).confirmed(there)
    assert ours.order != theirs.order
    assert ours.project != theirs.project
    assert ours.account != theirs.account
