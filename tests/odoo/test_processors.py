"""What a processor's payments, their reversals and its payouts become in Odoo's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from activities.failures import BusinessRefusal
from activities.odoo.catalogue import Catalogue
from activities.odoo.given_up import discard_reversal
from activities.odoo.payments import register_payment
from activities.odoo.payouts import (
    NamedRequest,
    OdooPayouts,
    PayoutBooks,
    PayoutRequest,
    book_payout,
)
from activities.odoo.reversals import ReversalRequest, reverse_payment
from contracts.identifiers import invoice_origin
from contracts.invoice.messages import PaymentReceived
from contracts.money import Money
from contracts.processors import Payout, PayoutStatus
from gateways.errors import GatewayError
from gateways.odoo import OdooClient
from sandbox.clearing_books import (
    CLEARING,
    FEES,
    JOURNAL,
    TRANSFER,
    ClearingBooks,
    clearing_books,
)
from tests.odoo.engagement import Engagement, engagement
from tests.odoo.helpers import COMPANY, UK, the
from tests.servers import OdooServer
from tests.world import unique

in_the_stand_in = pytest.mark.parametrize(
    "odoo_server", ["sandbox"], indirect=True, scope="session"
)
"""The real Odoo is asked where it may differ; each such test takes seconds there."""
ITEM = ("USAGE", "10", "10.00")
ON = date(2026, 5, 2)


@pytest.fixture
def books(odoo_server: OdooServer) -> Iterator[ClearingBooks]:
    admin = odoo_server.client("admin")
    yield clearing_books(admin)
    admin.close()


def paid(made: Engagement, invoice: int, amount: str) -> str:
    reference = unique("pi")
    payment = PaymentReceived(
        reference=reference, amount=Money(amount, made.currency), paid_on=ON, journal=JOURNAL
    )
    register_payment(made.odoo, invoice, payment)
    return reference


def undone(
    made: Engagement,
    invoice: int,
    payment: str,
    amount: str,
    *others: str,
    restored: tuple[str, ...] = (),
    key: str = "",
) -> str:
    request = ReversalRequest(
        invoice_id=invoice,
        payment=payment,
        key=key or unique("re"),
        others=others,
        restored=restored,
        amount=Money(amount, made.currency),
        on=ON,
    )
    reverse_payment(made.odoo, request)
    return request.key


def booked(odoo: OdooClient, reference: str) -> list[dict[str, Any]]:
    fields = ["amount", "payment_type", "state", "journal_id", "outstanding_account_id"]
    return odoo.search_read("account.payment", [("memo", "=", reference)], fields)


@in_the_stand_in
def test_a_payment_goes_to_the_account_of_its_journal(
    odoo: OdooClient, books: ClearingBooks
) -> None:
    made = engagement(odoo, "USAGE")
    before, invoice = books.balance(odoo, CLEARING), made.invoice(ITEM)
    reference = paid(made, invoice, "100.00")
    [payment] = booked(odoo, reference)
    assert payment["journal_id"][0] == books.journal
    assert payment["outstanding_account_id"][0] == books.accounts[CLEARING]
    assert made.standing(invoice) == (0.0, "paid")
    assert books.balance(odoo, CLEARING) == before + 100


def test_what_undoes_a_payment_opens_the_invoice_by_it_once(
    odoo: OdooClient, books: ClearingBooks
) -> None:
    made = engagement(odoo, "USAGE")
    before, invoice = books.balance(odoo, CLEARING), made.invoice(ITEM)
    payment = paid(made, invoice, "100.00")
    refund = undone(made, invoice, payment, "40.00")
    assert made.standing(invoice) == (40.0, "partial")
    for _ in range(2):
        undone(made, invoice, payment, "40.00", key=refund)
    assert made.standing(invoice) == (40.0, "partial")
    [outgoing] = booked(odoo, refund)
    assert (outgoing["amount"], outgoing["payment_type"]) == (40.0, "outbound")
    chargeback = undone(made, invoice, payment, "60.00", refund)
    assert made.standing(invoice)[0] == 100.0
    undone(made, invoice, payment, "60.00", refund, key=chargeback)
    assert len(booked(odoo, chargeback)) == 1
    assert made.standing(invoice)[0] == 100.0
    assert books.balance(odoo, CLEARING) == before
    paid(made, invoice, "60.00")
    assert made.standing(invoice) == (40.0, "partial")


@in_the_stand_in
def test_what_undoes_a_payment_once_more_undoes_what_made_it_good(
    odoo: OdooClient, books: ClearingBooks
) -> None:
    made = engagement(odoo, "USAGE")
    before, invoice = books.balance(odoo, CLEARING), made.invoice(ITEM)
    payment = paid(made, invoice, "100.00")
    failure = undone(made, invoice, payment, "100.00")
    again = paid(made, invoice, "100.00")
    assert made.standing(invoice) == (0.0, "paid")
    second = undone(made, invoice, payment, "100.00", failure, restored=(again,))
    undone(made, invoice, payment, "100.00", failure, restored=(again,), key=second)
    assert made.standing(invoice)[0] == 100.0
    assert books.balance(odoo, CLEARING) == before


@in_the_stand_in
def test_what_was_paid_too_much_pays_what_is_left(odoo: OdooClient, books: ClearingBooks) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    payment = paid(made, invoice, "130.00")
    undone(made, invoice, payment, "30.00")
    assert made.standing(invoice) == (0.0, "paid")


@in_the_stand_in
@pytest.mark.parametrize("lost", ["action_post", "remove_move_reconcile", "js_assign"])
def test_a_reversal_that_a_killed_worker_left_is_finished(
    odoo: OdooClient, books: ClearingBooks, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    payment, key = paid(made, invoice, "100.00"), unique("re")
    real = OdooClient.call

    def dies(self: OdooClient, model: str, method: str, *args: Any, **more: Any) -> Any:
        answer = real(self, model, method, *args, **more)
        if method.startswith(lost):
            raise KeyboardInterrupt
        return answer

    def dies_pressing(self: OdooClient, *_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        is_pressed = lost == "action_post"
        patch.setattr(OdooClient, *(("press", dies_pressing) if is_pressed else ("call", dies)))
        with pytest.raises(KeyboardInterrupt):
            undone(made, invoice, payment, "40.00", key=key)
    undone(made, invoice, payment, "40.00", key=key)
    assert len(booked(odoo, key)) == 1
    assert made.standing(invoice) == (40.0, "partial")


@in_the_stand_in
def test_the_draft_of_what_is_left_to_a_person_is_cancelled(
    odoo: OdooClient, books: ClearingBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    payment, key = paid(made, invoice, "100.00"), unique("re")

    def refuses(self: OdooClient, *_: Any, **__: Any) -> None:
        raise BusinessRefusal("odoo_refused", "the journal is locked")

    with monkeypatch.context() as patch:
        patch.setattr(OdooClient, "press", refuses)
        with pytest.raises(BusinessRefusal):
            undone(made, invoice, payment, "40.00", key=key)
    assert [row["state"] for row in booked(odoo, key)] == ["draft"]
    for _ in range(2):
        discard_reversal(odoo, key)
    assert [row["state"] for row in booked(odoo, key)] == ["canceled"]


@in_the_stand_in
def test_an_invoice_is_named_by_its_number_also_while_it_is_reset_to_draft(
    odoo_server: OdooServer, odoo: OdooClient
) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    workflow = f"contract/northwind/{unique('C')}/invoice/1"
    admin = odoo_server.client("admin")
    admin.write("account.move", [invoice], {"invoice_origin": invoice_origin(workflow)})
    number = the(odoo, "account.move", invoice, "name")["name"]
    books = OdooPayouts(odoo, Catalogue(odoo))

    def named(text: str) -> str:
        return books.invoice_named(NamedRequest(legal_entity="northwind", text=text)).workflow_id

    assert named(f"({number}), thanks") == workflow
    admin.call("account.move", "button_draft", [invoice])
    admin.close()
    assert named(f"for {number}") == workflow
    assert named("for / of mine") == ""


@in_the_stand_in
def test_a_payment_that_odoo_does_not_have_cannot_be_undone(
    odoo: OdooClient, books: ClearingBooks
) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    with pytest.raises(BusinessRefusal) as refused:
        undone(made, invoice, unique("pi"), "40.00")
    assert refused.value.detail.code == "payment_missing"


@in_the_stand_in
def test_a_journal_that_odoo_does_not_have_is_named(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    payment = PaymentReceived(
        reference=unique("pi"), amount=Money("5", "EUR"), paid_on=ON, journal="NONE1"
    )
    with pytest.raises(BusinessRefusal) as refused:
        register_payment(odoo, made.invoice(ITEM), payment)
    assert refused.value.detail.code == "journal_unknown"


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_a_payout_is_one_entry_of_net_and_fees(
    odoo: OdooClient, books: ClearingBooks, currency: str
) -> None:
    payout = Payout(
        payout_id=unique("po"),
        status=PayoutStatus.PAID,
        net=Money("97.13", currency),
        fees=Money("2.87", currency),
        on=ON,
        text="STRIPE PAYOUT",
    )
    accounts = PayoutBooks(
        company="Northwind Consulting", journal=JOURNAL, fee_account=FEES, payout_account=TRANSFER
    )
    before = {code: books.balance(odoo, code) for code in (CLEARING, FEES, TRANSFER)}

    def book(now: Payout) -> dict[str, Decimal]:
        request = PayoutRequest(system="stripe", payout=now, books=accounts)
        book_payout(odoo, request, COMPANY)
        after = {code: books.balance(odoo, code) for code in before}
        return {code: Decimal(str(after[code])) - Decimal(str(before[code])) for code in before}

    for _ in range(2):
        moved = book(payout)
    if currency == "EUR":
        assert moved == {
            CLEARING: Decimal("-100.0"),
            FEES: Decimal("2.87"),
            TRANSFER: Decimal("97.13"),
        }
    assert sum(moved.values()) == 0
    for _ in range(2):
        moved = book(payout.replace(status=PayoutStatus.FAILED))
    assert moved[TRANSFER] == 0
    assert moved[CLEARING] == -moved[FEES] < 0


@in_the_stand_in
def test_a_payout_that_is_returned_before_its_payment_is_heard_of_costs_its_fees(
    odoo: OdooClient, books: ClearingBooks
) -> None:
    payout = Payout(
        payout_id=unique("po"),
        status=PayoutStatus.FAILED,
        net=Money("97.13", "EUR"),
        fees=Money("2.87", "EUR"),
        on=ON,
    )
    accounts = PayoutBooks(
        company="Northwind Consulting", journal=JOURNAL, fee_account=FEES, payout_account=TRANSFER
    )
    before = [books.balance(odoo, code) for code in (CLEARING, FEES, TRANSFER)]
    for _ in range(2):
        book_payout(odoo, PayoutRequest(system="stripe", payout=payout, books=accounts), COMPANY)
    after = [books.balance(odoo, code) for code in (CLEARING, FEES, TRANSFER)]
    moved = [round(now - then, 2) for now, then in zip(after, before, strict=True)]
    assert moved == [-2.87, 2.87, 0.0]


@in_the_stand_in
def test_another_company_has_books_of_its_own(odoo_server: OdooServer, odoo: OdooClient) -> None:
    admin = odoo_server.client("admin")
    books = clearing_books(admin, UK)
    admin.close()
    made = engagement(odoo, "USAGE", company=UK, currency="GBP", country="fr")
    invoice = made.invoice(ITEM)
    payment = paid(made, invoice, "100.00")
    [found] = booked(odoo, payment)
    assert found["journal_id"][0] == books.journal
    undone(made, invoice, payment, "100.00")
    assert made.standing(invoice)[0] == 100.0


@in_the_stand_in
def test_a_second_payment_of_what_is_paid_is_refused_and_parks(
    odoo: OdooClient, books: ClearingBooks
) -> None:
    """A second payment of what is paid already is refused by Odoo, and parks."""
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(ITEM)
    paid(made, invoice, "100.00")
    with pytest.raises(GatewayError, match="nothing left to pay"):
        paid(made, invoice, "100.00")
